//! What the binding exports, found as it registers it: new functions are called without a word here.

use std::collections::HashMap;

use napi::sys;

use crate::engine::{self, Behaviour, Callable, Handle, Kind, Object, Property, with};
use crate::mailbox::Mailbox;

unsafe extern "C" {
    fn napi_register_module_v1(env: sys::napi_env, exports: sys::napi_value) -> sys::napi_value;
}

/// Documented as unsafe, since they take addresses of the host; and what `lib/` calls once for an environment, which
/// programs share here: it keeps what it is given for as long as the environment lives.
const LEFT_OUT: [&str; 11] = [
    "buildRaw",
    "withRawMmapPointer",
    "answerChanges",
    "answerGrace",
    "answerSlots",
    "findHalvesBy",
    "keepFromCloningBy",
    "listenForFaults",
    "openMailbox",
    "stampBy",
    "takeLetter",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Function,
    Constructor,
    Method,
    Getter,
}

#[derive(Clone, Debug)]
pub struct Member {
    /// The class or the namespace; empty for functions.
    pub owner: String,
    pub name: String,
    pub role: Role,
    pub function: Handle,
    /// What instances inherit from.
    pub prototype: Option<Handle>,
}

pub struct Module {
    pub members: Vec<Member>,
    /// The places of functions and constructors.
    pub makers: Vec<usize>,
    /// By owner and name.
    index: HashMap<String, HashMap<String, usize>>,
    pub mailbox: Mailbox,
}

impl Module {
    /// Loads the binding into the engine.
    pub fn load() -> Self {
        use sys::TypedarrayType as Kind;
        for (name, kind) in [
            ("Uint8Array", Kind::uint8_array),
            ("Int8Array", Kind::int8_array),
            ("Uint16Array", Kind::uint16_array),
            ("Int16Array", Kind::int16_array),
            ("Uint32Array", Kind::uint32_array),
            ("Int32Array", Kind::int32_array),
            ("Float64Array", Kind::float64_array),
            ("BigUint64Array", Kind::biguint64_array),
            ("BigInt64Array", Kind::bigint64_array),
        ] {
            with(|engine| {
                let class = engine.add_function(Callable::TypedArrayClass(kind));
                engine.set(Handle::GLOBAL, name, class);
            });
        }
        // `Array.prototype.values`, of which nothing is asked but that it returns an object.
        with(|engine| {
            let iterator = engine.add_object(engine::Kind::Plain);
            let values = engine.add_function(Callable::User {
                effect: Behaviour::Nothing,
                result: iterator,
            });
            let (class, prototype) = (
                engine.add_object(engine::Kind::Plain),
                engine.add_object(engine::Kind::Plain),
            );
            engine.set(Handle::GLOBAL, "Array", class);
            engine.set(class, "prototype", prototype);
            engine.set(prototype, "values", values);
        });
        // `Promise`, of which nothing is asked but that it has its functions.
        with(|engine| {
            let result = engine.add_object(engine::Kind::Plain);
            let [class, resolve, then] = [(); 3].map(|()| {
                engine.add_function(Callable::User {
                    effect: Behaviour::Nothing,
                    result,
                })
            });
            let prototype = engine.add_object(engine::Kind::Plain);
            engine.set(Handle::GLOBAL, "Promise", class);
            engine.set(class, "resolve", resolve);
            engine.set(class, "prototype", prototype);
            engine.set(prototype, "then", then);
        });
        // `process.versions`, by which the addon knows Bun and Deno.
        with(|engine| {
            let (process, versions) = (
                engine.add_object(engine::Kind::Plain),
                engine.add_object(engine::Kind::Plain),
            );
            engine.set(Handle::GLOBAL, "process", process);
            engine.set(process, "versions", versions);
        });
        let exports = with(|engine| engine.add_object(engine::Kind::Plain));
        // SAFETY: as Node does when it loads an addon.
        unsafe { napi_register_module_v1(engine::ENV, exports.raw()) };
        assert!(
            with(|engine| engine.pending.is_none()),
            "the module does not load"
        );
        let mut members = Vec::new();
        let listed = |object: Handle| -> Vec<(String, Property)> {
            with(|engine| {
                let properties = engine
                    .object(object)
                    .map(|object| object.properties.clone());
                properties.unwrap_or_default().into_iter().collect()
            })
        };
        for (name, export) in listed(exports) {
            let Property::Value(export) = export else {
                continue;
            };
            let member = |owner: &str, name: &str, role, function, prototype| Member {
                owner: owner.to_owned(),
                name: name.to_owned(),
                role,
                function,
                prototype,
            };
            if is_function(export) {
                let Some(Property::Value(prototype)) =
                    with(|engine| engine.find(export, "prototype"))
                else {
                    members.push(member("", &name, Role::Function, export, None));
                    continue;
                };
                members.push(member(
                    &name,
                    "constructor",
                    Role::Constructor,
                    export,
                    Some(prototype),
                ));
                for (own, property) in listed(prototype)
                    .into_iter()
                    .filter(|(own, _)| own != "constructor")
                {
                    let (function, role) = match property {
                        Property::Value(function) => (function, Role::Method),
                        Property::Getter(function) => (function, Role::Getter),
                    };
                    members.push(member(&name, &own, role, function, Some(prototype)));
                }
            }
            for (own, property) in listed(export) {
                if let Property::Value(function) = property
                    && is_function(function)
                {
                    members.push(member(&name, &own, Role::Function, function, None));
                }
            }
        }
        let open = members.iter().find(|member| member.name == "openMailbox");
        let mailbox = Mailbox::open(open.expect("a mailbox").function);
        members.retain(|member| !LEFT_OUT.contains(&member.name.as_str()));
        assert!(
            members.len() > 200,
            "only {} members were found",
            members.len()
        );
        with(engine::Engine::seal);
        let mut index: HashMap<_, HashMap<_, _>> = HashMap::new();
        for (place, member) in members.iter().enumerate() {
            index
                .entry(member.owner.clone())
                .or_default()
                .insert(member.name.clone(), place);
        }
        let is_maker =
            |place: &usize| matches!(members[*place].role, Role::Function | Role::Constructor);
        let makers = (0..members.len()).filter(is_maker).collect();
        Self {
            members,
            makers,
            index,
            mailbox,
        }
    }

    pub fn member(&self, owner: &str, name: &str) -> &Member {
        let index = self.index.get(owner).and_then(|members| members.get(name));
        &self.members[*index.unwrap_or_else(|| panic!("{owner}.{name} is not exported"))]
    }
}

fn is_function(handle: Handle) -> bool {
    with(|engine| {
        matches!(
            engine.object(handle),
            Some(Object {
                kind: Kind::Function(_),
                ..
            })
        )
    })
}
