//! A program of calls: a memory with regions of all kinds, and then whatever the input says.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

use napi::sys::TypedarrayType;

use crate::engine::{
    self, Behaviour, Callable, Handle, Kind, Object, Outcome, Property, Value, element_size, with,
};
use crate::input::Input;
use crate::module::{Member, Module, Role};
use crate::oracle::{self, Snapshot, Span, THROWN};

const PAGE: u64 = 4096;
const RW: i32 = libc::PROT_READ | libc::PROT_WRITE;

/// Guest address, pages, protection, tracked. Some border on each other, some have a hole between.
const REGIONS: [(u64, u64, i32, bool); 6] = [
    (0x1000, 2, RW, true),
    (0x3000, 1, RW, false),
    (0x5000, 1, libc::PROT_READ, false),
    (0x6000, 1, RW, false),
    (0x7000, 1, libc::PROT_NONE, true),
    (0xffff_ffff_ffff_e000, 1, RW, true),
];

const CALLS: usize = 48;

const TYPES: [&str; 20] = [
    "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "usize", "isize", "u128", "i128", "le16",
    "le32", "le64", "leSize", "be16", "be32", "be64", "beSize",
];

const NAMES: [&str; 11] = [
    "bitmap", "timeout", "signal", "seal", "hugetlb", "length", "type", "id", "0", "1", "2",
];

const NUMBERS: [f64; 22] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    -0.0,
    -1.0,
    0.5,
    4095.0,
    4096.0,
    8192.0,
    2_147_483_647.0,
    2_147_483_648.0,
    -2_147_483_648.0,
    4_294_967_295.0,
    4_294_967_296.0,
    274_877_906_944.0,
    70_368_744_177_664.0,
    9_007_199_254_740_991.0,
    9_007_199_254_740_992.0,
    -9_007_199_254_740_991.0,
    9_223_372_036_854_775_808.0,
    18_446_744_073_709_551_616.0,
    1e300,
];

/// Methods that write what is not an argument, or where is not told by their arguments.
const WRITE_SOMEWHERE: [&str; 11] = [
    "discard",
    "release",
    "store",
    "copyTo",
    "copyFrom",
    "copyToVolatileSlice",
    "readVolatile",
    "readExactVolatile",
    "writeVolatile",
    "writeAllVolatile",
    "tryAccess",
];

struct Program<'input> {
    module: &'input Module,
    input: Input<'input>,
    /// What the program has names for.
    slots: Vec<Handle>,
    /// Each region with where it is in the host.
    regions: Vec<(Handle, usize)>,
    /// The memory of these regions, and a guard on it.
    maps: [Handle; 2],
    /// By which the mailbox was asked last. Its object may be gone.
    old_number: f64,
    files: Files,
}

pub fn run(module: &Module, bytes: &[u8]) {
    let mut program = Program {
        module,
        input: Input::new(bytes),
        slots: Vec::new(),
        regions: Vec::new(),
        maps: [Handle::UNDEFINED; 2],
        old_number: 0.0,
        files: Files::new(),
    };
    program.set_up();
    for _ in 0..CALLS {
        if program.input.is_empty() {
            break;
        }
        program.step();
    }
    drop(program);
    engine::end();
}

/// Files to transfer from and to; other descriptors are those of the fuzzer itself.
struct Files {
    memory: OwnedFd,
}

impl Files {
    fn new() -> Self {
        use std::os::fd::FromRawFd;
        // SAFETY: the calls take a constant name and numbers; the descriptor is new.
        let memory = unsafe {
            let fd = libc::memfd_create(c"fuzz".as_ptr(), libc::MFD_CLOEXEC);
            assert!(fd >= 0 && libc::ftruncate(fd, 4 * PAGE.cast_signed()) == 0);
            OwnedFd::from_raw_fd(fd)
        };
        Self { memory }
    }

    /// One of: bytes, endless zeros, nothing, no descriptor at all.
    fn descriptor(&self, input: &mut Input) -> RawFd {
        static DEVICES: OnceLock<[std::fs::File; 2]> = OnceLock::new();
        let [zeros, nothing] = DEVICES.get_or_init(|| {
            ["/dev/zero", "/dev/null"].map(|path| {
                std::fs::File::options()
                    .read(true)
                    .write(true)
                    .open(path)
                    .expect("a device")
            })
        });
        match input.below(8) {
            0..4 => self.memory.as_raw_fd(),
            4 => zeros.as_raw_fd(),
            5 | 6 => nothing.as_raw_fd(),
            _ => RawFd::MAX,
        }
    }
}

fn number(value: f64) -> Handle {
    with(|engine| engine.add(Value::Number(value)))
}

#[allow(clippy::cast_precision_loss)]
fn count(value: usize) -> Handle {
    number(value as f64)
}

fn bigint(value: u64) -> Handle {
    with(|engine| {
        engine.add(Value::BigInt {
            negative: false,
            words: vec![value],
        })
    })
}

fn string(text: &str) -> Handle {
    with(|engine| engine.add_string(text))
}

fn array(elements: Vec<Property>) -> Handle {
    with(|engine| engine.add_object(Kind::Array(elements)))
}

/// The integer that an argument stands for, as the binding takes it.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn integer(value: Handle) -> Option<u64> {
    with(|engine| match engine.get(value) {
        Value::Number(number) => Some(*number as u64),
        Value::BigInt {
            negative: false,
            words,
        } => words.first().copied(),
        _ => None,
    })
}

impl Program<'_> {
    fn must(&self, owner: &str, name: &str, this: Handle, arguments: &[Handle]) -> Handle {
        let member = self.module.member(owner, name);
        let result = match member.role {
            Role::Constructor => engine::construct(member.function, arguments),
            _ => engine::call(member.function, this, arguments),
        };
        result.unwrap_or_else(|()| panic!("{owner}.{name} failed while the program was set up"))
    }

    fn set_up(&mut self) {
        let mut mappings = Vec::new();
        for (start, pages, protection, tracked) in REGIONS {
            let options = with(|engine| engine.add_object(Kind::Plain));
            let tracked = with(|engine| engine.add(Value::Boolean(tracked)));
            with(|engine| engine.set(options, "bitmap", tracked));
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            #[allow(clippy::cast_precision_loss)]
            let size = number((pages * PAGE) as f64);
            let arguments = [
                Handle::NULL,
                size,
                number(protection.into()),
                number(flags.into()),
                options,
            ];
            let mapping = self.must("MmapRegion", "build", Handle::UNDEFINED, &arguments);
            mappings.push(mapping);
            let region = self.must(
                "GuestRegionMmap",
                "constructor",
                Handle::UNDEFINED,
                &[mapping, bigint(start)],
            );
            let address =
                integer(self.must("GuestRegionMmap", "asPtr", region, &[])).expect("an address");
            self.regions.push((
                region,
                usize::try_from(address).expect("an address of the host"),
            ));
        }
        let regions = array(
            self.regions
                .iter()
                .map(|(region, _)| Property::Value(*region))
                .collect(),
        );
        let memory = self.must(
            "GuestMemoryMmap",
            "fromRegions",
            Handle::UNDEFINED,
            &[regions],
        );
        let atomic = self.must(
            "GuestMemoryAtomic",
            "constructor",
            Handle::UNDEFINED,
            &[memory],
        );
        let guard = self.must("GuestMemoryAtomic", "memory", atomic, &[]);
        let (first, second) = (self.regions[0].0, self.regions[1].0);
        let slice = self.must("GuestRegionMmap", "asVolatileSlice", first, &[]);
        let view = self.must("GuestRegionMmap", "asUint8Array", second, &[]);
        let bitmap = self.must("AtomicBitmap", "withLen", Handle::UNDEFINED, &[count(8192)]);
        let builder = self.must(
            "MmapRegionBuilder",
            "newWithBitmap",
            Handle::UNDEFINED,
            &[count(8192), bitmap],
        );
        self.maps = [memory, guard];
        self.slots = vec![memory, guard, slice, atomic, view, bitmap, builder];
        self.slots.extend(mappings.first());
        // Of a mapping that only these keep.
        let loose = self.must(
            "GuestRegionMmap",
            "fromRange",
            Handle::UNDEFINED,
            &[bigint(0x10_0000), count(8192)],
        );
        let view = self.must("GuestRegionMmap", "asUint8Array", loose, &[]);
        let slice = self.must("GuestRegionMmap", "asVolatileSlice", loose, &[]);
        self.slots.extend([loose, view, slice]);
        self.slots
            .extend(self.regions.iter().map(|(region, _)| *region));
    }

    fn is_released(&self, region: Handle) -> bool {
        let answer = self.must("GuestRegionMmap", "isReleased", region, &[]);
        with(|engine| matches!(engine.get(answer), Value::Boolean(true)))
    }

    /// The readable regions of the set-up, which stay mapped as long as the program runs, or until it releases them.
    fn readable(&self) -> Vec<Span> {
        let readable = REGIONS
            .iter()
            .zip(&self.regions)
            .filter(|(region, (object, _))| {
                region.2 != libc::PROT_NONE && !self.is_released(*object)
            });
        readable
            .map(|(region, (_, start))| Span {
                start: *start,
                length: (region.1 * PAGE) as usize,
            })
            .collect()
    }

    fn step(&mut self) {
        match self.input.byte() {
            0..90 => self.access(),
            90..120 => self.ask(),
            120..236 => self.any(),
            236..248 => self.forget(),
            248..252 => engine::run_works(),
            _ => {
                let buffer = self.slot();
                with(|engine| engine.detach(buffer));
            }
        }
    }

    /// Gives up a name, and lets the collector run. What still has a name must stay usable.
    fn forget(&mut self) {
        let index = self.input.below(self.slots.len());
        if index < self.slots.len() {
            self.slots.swap_remove(index);
        }
        let mut roots = self.slots.clone();
        roots.extend(self.regions.iter().map(|(region, _)| *region));
        engine::collect(&roots);
        for view in &self.slots {
            let Some((start, length)) = with(|engine| engine.view(*view)) else {
                continue;
            };
            if length > 0 {
                // SAFETY: within the view; that its memory is still there is what is asked.
                unsafe {
                    start.read_volatile();
                    start.add(length - 1).read_volatile();
                }
            }
        }
    }

    fn slot(&mut self) -> Handle {
        let index = self.input.below(self.slots.len());
        self.slots.get(index).copied().unwrap_or(Handle::UNDEFINED)
    }

    /// An access by copy with arguments of the right types.
    fn access(&mut self) {
        const METHODS: [&str; 19] = [
            "read",
            "write",
            "readSlice",
            "writeSlice",
            "fill",
            "readObj",
            "writeObj",
            "load",
            "store",
            "readU8",
            "writeU8",
            "readI16",
            "writeI16",
            "readU32",
            "writeU64",
            "readVolatileFrom",
            "readExactVolatileFrom",
            "writeVolatileTo",
            "writeAllVolatileTo",
        ];
        const CLASSES: [&str; 4] = [
            "GuestMemoryMmap",
            "GuestMemoryLoadGuard",
            "GuestRegionMmap",
            "VolatileSlice",
        ];
        let class = self.input.choose(&CLASSES);
        let name = self.input.choose(&METHODS);
        let module = self.module;
        let member = module.member(class, name);
        let Some(this) = self.instance(member) else {
            return;
        };
        let address = match class {
            "GuestMemoryMmap" | "GuestMemoryLoadGuard" => self.guest_address(),
            _ => self.offset(),
        };
        let arguments = match name {
            "read" | "write" | "readSlice" | "writeSlice" => vec![self.view(), address],
            "fill" => vec![self.scalar(), address, self.offset()],
            "readObj" => vec![self.scalar_type(), address],
            "writeObj" => {
                let kind = self.scalar_type();
                vec![kind, self.scalar(), address]
            }
            "load" => vec![self.scalar_type(), address, self.small()],
            "store" => {
                let kind = self.scalar_type();
                vec![kind, self.scalar(), address, self.small()]
            }
            "readU8" | "readI16" | "readU32" => vec![address],
            "writeU8" | "writeI16" | "writeU64" => vec![self.scalar(), address],
            _ => {
                let io = if self.input.below(4) == 0 {
                    let fd = self.files.descriptor(&mut self.input);
                    number(fd.into())
                } else {
                    self.view()
                };
                vec![address, io, self.offset()]
            }
        };
        self.call(member, this, arguments);
    }

    /// Asks the mailbox of `lib/`, for what it would ask for and for what it would not.
    fn ask(&mut self) {
        let module = self.module;
        let mailbox = &module.mailbox;
        let name = self
            .input
            .choose(&mailbox.operations.iter().collect::<Vec<_>>());
        let this = self.slot();
        let own = match self.input.below(16) {
            14.. => None,
            _ => mailbox.number_of(this),
        };
        let number = own.unwrap_or_else(|| match self.input.below(2) {
            0 => f64::from_le_bytes(self.input.take()),
            _ => self.old_number,
        });
        self.old_number = number;
        let address = match self.input.below(2) {
            0 => self.guest_address(),
            _ => self.offset(),
        };
        let address = integer(address).unwrap_or_default();
        let size = match self.input.below(4) {
            0 => f64::from_le_bytes(self.input.take()),
            1 => f64::from(self.input.byte()) * 17.0,
            _ => f64::from(self.input.choose(&[1_u8, 2, 4, 8])),
        };
        let value = self.input.byte().into();
        // Of an array the bytes are taken, and not those of the box.
        let array = (self.input.below(3) == 0).then(|| self.view());
        let view = array.and_then(|array| with(|engine| engine.view(array)));
        #[allow(clippy::cast_precision_loss)]
        let size = view.map_or(size, |(_, length)| length as f64);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let bytes = size as usize;
        let place = mailbox.operations.iter().position(|each| each == name);
        mailbox.set(0, place.map_or(u64::MAX, |place| place as u64));
        for (word, value) in [
            (1, number.to_bits()),
            (2, address),
            (3, size.to_bits()),
            (4, value),
        ] {
            mailbox.set(word, value);
        }
        let by = format!("the mailbox's {name}");
        // What the method of that name would write with the same arguments.
        let kind = match bytes {
            1 => "u8",
            2 => "u16",
            4 => "u32",
            _ => "u64",
        };
        let arguments = match name.as_str() {
            "write" | "writeSlice" => {
                vec![
                    array.unwrap_or_else(|| mailbox.bytes(bytes)),
                    bigint(address),
                ]
            }
            "read" | "readSlice" => {
                array.map_or_else(Vec::new, |array| vec![array, bigint(address)])
            }
            "fill" => vec![bigint(value), bigint(address), count(bytes)],
            "writeObj" | "store" => vec![string(kind), bigint(value), bigint(address)],
            _ => Vec::new(),
        };
        let class = with(|engine| engine.object(this).and_then(|object| object.prototype));
        let member = module
            .members
            .iter()
            .find(|member| member.name == *name && member.prototype == class);
        let memory = self.readable();
        // Another object than this may have a number that is not its own.
        let written = member
            .filter(|_| own.is_some())
            .and_then(|member| self.written(member, this, &arguments));
        let before = Snapshot::of(&memory);
        assert!(mailbox.ask(array).is_ok(), "{by} threw");
        if let Some(written) = written {
            before.check(&memory, &written, &by);
        }
    }

    /// Any function of the module with any arguments.
    fn any(&mut self) {
        let module = self.module;
        // Few make something, but that is what the others need.
        let member = match self.input.below(4) {
            0 => &module.members[module.makers[self.input.below(module.makers.len())]],
            _ => &module.members[self.input.below(module.members.len())],
        };
        let this = match member.role {
            Role::Method | Role::Getter if self.input.below(32) == 31 => self.slot(),
            Role::Method | Role::Getter => match self.instance(member) {
                Some(this) => this,
                None => return,
            },
            _ => Handle::UNDEFINED,
        };
        let arguments = match member.role {
            Role::Getter => Vec::new(),
            _ => (0..self.input.below(6)).map(|_| self.value(3)).collect(),
        };
        self.call(member, this, arguments);
    }

    /// An instance that the member is one of.
    fn instance(&mut self, member: &Member) -> Option<Handle> {
        let is_instance = |handle: &Handle| {
            with(|engine| {
                engine
                    .object(*handle)
                    .is_some_and(|object| object.prototype == member.prototype)
            })
        };
        let instances: Vec<_> = self.slots.iter().copied().filter(is_instance).collect();
        (!instances.is_empty()).then(|| self.input.choose(&instances))
    }

    fn call(&mut self, member: &Member, this: Handle, mut arguments: Vec<Handle>) {
        self.restrain(member, &mut arguments);
        let by = format!("{}.{}", member.owner, member.name);
        let memory = self.readable();
        let written = self.written(member, this, &arguments);
        let before = Snapshot::of(&memory);
        let user_calls = with(|engine| engine.user_calls);
        let outcome: Outcome = match member.role {
            Role::Constructor => engine::construct(member.function, &arguments),
            _ => engine::call(member.function, this, &arguments),
        };
        if let Some(written) = written
            && with(|engine| engine.user_calls) == user_calls
        {
            before.check(&memory, &written, &by);
        }
        let Ok(result) = outcome else {
            let error = with(|engine| engine.pending.take()).expect("an exception");
            // Engines refuse foreign receivers themselves; here only memory is at stake.
            let is_foreign = matches!(member.role, Role::Method | Role::Getter)
                && with(|engine| engine.object(this).and_then(|object| object.prototype))
                    != member.prototype;
            if !is_foreign {
                oracle::check_error(error, &by);
            }
            return;
        };
        assert!(
            with(|engine| engine.pending.is_none()),
            "{by} returned with an exception pending"
        );
        if member.name == "memfdCreate" {
            let fd = integer(result)
                .and_then(|fd| RawFd::try_from(fd).ok())
                .expect("a descriptor");
            // SAFETY: the descriptor was made for this program.
            unsafe { libc::close(fd) };
        } else {
            self.keep(result);
        }
    }

    /// Gives an object a name, and the elements of an array.
    fn keep(&mut self, result: Handle) {
        let elements = with(|engine| match engine.object(result) {
            Some(Object {
                kind: Kind::Array(elements),
                ..
            }) => Some(elements.clone()),
            Some(_) => None,
            None => Some(Vec::new()),
        });
        match elements {
            None => self.slots.push(result),
            Some(elements) => {
                for element in elements {
                    if let Property::Value(element) = element
                        && with(|engine| engine.object(element).is_some())
                    {
                        self.slots.push(element);
                    }
                }
            }
        }
    }

    /// The bytes that a call may write; None where that is not known.
    fn written(&self, member: &Member, this: Handle, arguments: &[Handle]) -> Option<Vec<Span>> {
        let name = member.name.as_str();
        let mut written = Vec::new();
        // Buffers may be views on guest memory.
        if name.starts_with("read") || name.starts_with("write") {
            written.extend(arguments.iter().filter_map(|argument| {
                let (start, length) = with(|engine| engine.view(*argument))?;
                // What goes from bytes to memory leaves the bytes alone.
                let is_target = matches!(
                    name,
                    "read" | "readSlice" | "writeVolatileTo" | "writeAllVolatileTo"
                );
                is_target.then_some(Span {
                    start: start.addr(),
                    length,
                })
            }));
        }
        let argument = |index: usize| arguments.get(index).copied().unwrap_or(Handle::UNDEFINED);
        let bytes_of =
            |value: Handle| with(|engine| engine.view(value)).map_or(0, |(_, length)| length);
        let count_of =
            |value: Handle| usize::try_from(integer(value).unwrap_or(0)).unwrap_or(usize::MAX);
        let (address, length) = match name {
            "write" | "writeSlice" => (argument(1), bytes_of(argument(0))),
            "fill" => (argument(1), count_of(argument(2))),
            "writeObj" => (argument(2), size_of_type(argument(0))?),
            "store" if member.owner.starts_with("Guest") || member.owner == "VolatileSlice" => {
                (argument(2), size_of_type(argument(0))?)
            }
            "readVolatileFrom" | "readExactVolatileFrom" => (argument(0), count_of(argument(2))),
            _ if WRITE_SOMEWHERE.contains(&name) || name.ends_with("Async") => return None,
            _ if name.starts_with("write") && name.len() <= 8 => {
                let bits: usize = name
                    .trim_start_matches(|letter: char| !letter.is_ascii_digit())
                    .parse()
                    .ok()?;
                (argument(1), bits / 8)
            }
            _ => return Some(written),
        };
        let Some(address) = integer(address) else {
            return Some(written);
        };
        match member.owner.as_str() {
            "GuestRegionMmap" | "VolatileSlice" => {
                let start = engine::call(
                    self.module.member(&member.owner, "asPtr").function,
                    this,
                    &[],
                );
                let Ok(start) = start else {
                    with(|engine| engine.pending = None);
                    return None;
                };
                let start = usize::try_from(integer(start)?).ok()?;
                written.push(Span {
                    start: start.wrapping_add(address as usize),
                    length,
                });
            }
            // Only these maps are known to have the regions of the set-up.
            "GuestMemoryMmap" | "GuestMemoryLoadGuard" => {
                let mut left = length;
                let mut next = address;
                for ((start, pages, ..), (_, host)) in REGIONS.iter().zip(&self.regions) {
                    let size = pages * PAGE;
                    if left > 0 && next >= *start && next - start < size {
                        let offset = (next - start) as usize;
                        let part = left.min(size as usize - offset);
                        written.push(Span {
                            start: host + offset,
                            length: part,
                        });
                        left -= part;
                        next = next.wrapping_add(part as u64);
                    }
                }
                if !self.maps.contains(&this) {
                    return None;
                }
            }
            _ => return None,
        }
        Some(written)
    }

    /// Keeps a call away from what it would do to the fuzzer: its descriptors, and its memory.
    fn restrain(&mut self, member: &Member, arguments: &mut [Handle]) {
        let name = member.name.as_str();
        let file = match name {
            "readVolatile" | "readExactVolatile" | "writeVolatile" | "writeAllVolatile" => Some(0),
            "constructor" if member.owner == "FileOffset" => Some(0),
            _ if name.contains("VolatileFrom") || name.contains("VolatileTo") => Some(1),
            _ => None,
        };
        if let Some(argument) = file.and_then(|index| arguments.get_mut(index))
            && let Some(fd) = integer(*argument)
            && i32::try_from(fd).is_ok()
            && with(
                |engine| matches!(engine.get(*argument), Value::Number(number) if *number >= 0.0),
            )
        {
            let fd = self.files.descriptor(&mut self.input);
            *argument = number(fd.into());
        }
        let maps = matches!(member.owner.as_str(), "MmapRegion" | "MmapRegionBuilder")
            || name.starts_with("fromRange");
        if maps && member.role != Role::Method {
            for argument in arguments {
                *argument = small_enough(*argument, 3);
            }
        }
    }

    fn small(&mut self) -> Handle {
        number(self.input.below(8) as f64)
    }

    /// Near where something begins or ends.
    fn guest_address(&mut self) -> Handle {
        let (start, pages, ..) = self.input.choose(&REGIONS);
        let near = i64::from(self.input.byte().cast_signed());
        let edge = if self.input.below(2) == 0 {
            start
        } else {
            start + pages * PAGE
        };
        let address = edge.wrapping_add_signed(near);
        if address < 1 << 53 && self.input.below(2) == 0 {
            return number(address as f64);
        }
        bigint(address)
    }

    fn offset(&mut self) -> Handle {
        match self.input.below(8) {
            0 => {
                let [low, high] = self.input.take();
                count(usize::from(low) | usize::from(high & 0x3f) << 8)
            }
            1 => bigint(PAGE.wrapping_sub(self.input.byte().into())),
            2 => bigint((2 * PAGE).wrapping_sub(self.input.byte().into())),
            3 => bigint(u64::MAX - u64::from(self.input.byte())),
            _ => count(self.input.byte().into()),
        }
    }

    fn scalar_type(&mut self) -> Handle {
        let kind = string(self.input.choose(&TYPES));
        if self.input.below(4) != 0 {
            return kind;
        }
        let length = match self.input.below(8) {
            0 => self.value(0),
            _ => count(self.input.byte().into()),
        };
        array(vec![Property::Value(kind), Property::Value(length)])
    }

    /// A value to write.
    fn scalar(&mut self) -> Handle {
        match self.input.below(6) {
            0 => self.value(2),
            1 => self.view(),
            2 => {
                let elements = (0..self.input.below(24)).map(|_| self.element(1)).collect();
                array(elements)
            }
            3 => {
                let words = (0..1 + self.input.below(3))
                    .map(|_| u64::from_le_bytes(self.input.take()))
                    .collect();
                let negative = self.input.below(2) == 0;
                with(|engine| engine.add(Value::BigInt { negative, words }))
            }
            _ => count(self.input.byte().into()),
        }
    }

    /// A view on bytes: of the engine, or of guest memory.
    fn view(&mut self) -> Handle {
        let choice = self.input.below(8);
        let buffer = if choice < 3 {
            let view = self.slot();
            let buffer = with(
                |engine| match engine.object(view).map(|object| &object.kind) {
                    Some(Kind::View { buffer, .. }) => Some(*buffer),
                    Some(Kind::Buffer(_)) => Some(view),
                    _ => None,
                },
            );
            buffer.unwrap_or_else(|| self.guest_buffer())
        } else {
            let length = match self.input.below(4) {
                0 => 64 * usize::from(self.input.byte()),
                _ => usize::from(self.input.byte()),
            };
            self.buffer(length)
        };
        let room = with(|engine| engine.backing(buffer).map_or(0, |backing| backing.length));
        let kinds = [
            TypedarrayType::uint8_array,
            TypedarrayType::uint8_clamped_array,
            TypedarrayType::int16_array,
            TypedarrayType::uint16_array,
            TypedarrayType::uint32_array,
            TypedarrayType::float32_array,
            TypedarrayType::float64_array,
            TypedarrayType::biguint64_array,
            TypedarrayType::bigint64_array,
        ];
        let kind = match self.input.below(kinds.len() + 1) {
            index if index < kinds.len() => Some(kinds[index]),
            _ => None,
        };
        let size = kind.map_or(1, element_size);
        let offset = self.input.below(room / size + 1) * size;
        let length = match self.input.below(3) {
            0 => self.input.below((room - offset) / size + 1) * size,
            _ => (room - offset) / size * size,
        };
        self.keep_view(Kind::View {
            kind,
            buffer,
            offset,
            length,
        })
    }

    /// A buffer of bytes that memory does not have yet.
    fn buffer(&mut self, length: usize) -> Handle {
        let first = self.input.byte() | 1;
        with(|engine| {
            let buffer = engine.add_buffer(length);
            if let Some(Object {
                kind: Kind::Buffer(backing),
                ..
            }) = engine.object_mut(buffer)
                && let Some(bytes) = &mut backing.owned
            {
                for (byte, index) in bytes.iter_mut().zip((0_u8..=u8::MAX).cycle()) {
                    *byte = first.wrapping_add(index);
                }
            }
            buffer
        })
    }

    fn keep_view(&mut self, view: Kind) -> Handle {
        let view = with(|engine| engine.add_object(view));
        if self.input.below(8) == 0 {
            self.slots.push(view);
        }
        view
    }

    /// A buffer of writable memory, or of other bytes where the program has released that.
    fn guest_buffer(&mut self) -> Handle {
        let getter = self.module.member("GuestRegionMmap", "buffer").function;
        let region = self.input.choose(&[0, 1, 3, 5]);
        engine::call(getter, self.regions[region].0, &[]).unwrap_or_else(|()| {
            with(|engine| engine.pending = None);
            self.buffer(64)
        })
    }

    fn function(&mut self, depth: usize) -> Handle {
        let result = self.value(depth);
        self.function_that_returns(result)
    }

    fn function_that_returns(&mut self, result: Handle) -> Handle {
        let effect = match self.input.below(6) {
            0 => Behaviour::Throw(string(THROWN)),
            1 => {
                let view = self.slot();
                let buffer = with(
                    |engine| match engine.object(view).map(|object| &object.kind) {
                        Some(Kind::View { buffer, .. }) => *buffer,
                        _ => view,
                    },
                );
                Behaviour::Detach(buffer)
            }
            2 => {
                let module = self.module;
                let names = ["dispose", "intoInner", "build", "reset", "getAndReset"];
                let name = self.input.choose(&names);
                let method = module.members.iter().find(|member| member.name == name);
                match method.and_then(|method| Some((method, self.instance(method)?))) {
                    Some((method, this)) => Behaviour::Call {
                        method: method.function,
                        this,
                    },
                    None => Behaviour::Nothing,
                }
            }
            _ => Behaviour::Nothing,
        };
        with(|engine| engine.add_function(Callable::User { effect, result }))
    }

    /// A property or element: a value, or a getter of one.
    fn element(&mut self, depth: usize) -> Property {
        match self.input.below(12) {
            0 => Property::Getter(self.function(depth)),
            _ => Property::Value(self.value(depth)),
        }
    }

    /// Anything.
    fn value(&mut self, depth: usize) -> Handle {
        match self.input.below(if depth == 0 { 18 } else { 24 }) {
            0 => Handle::UNDEFINED,
            1 => Handle::NULL,
            2 => {
                let value = self.input.below(2) == 1;
                with(|engine| engine.add(Value::Boolean(value)))
            }
            3 | 4 => count(self.input.byte().into()),
            5 => self.guest_address(),
            6 => self.offset(),
            7 => number(self.input.choose(&NUMBERS)),
            8 => number(f64::from_le_bytes(self.input.take())),
            9 => {
                let words = (0..self.input.below(4))
                    .map(|_| u64::from_le_bytes(self.input.take()))
                    .collect();
                let negative = self.input.below(4) == 0;
                with(|engine| engine.add(Value::BigInt { negative, words }))
            }
            10 | 11 => self.scalar_type(),
            12 | 13 => self.slot(),
            14 => self.view(),
            15 => {
                let length = self.input.below(80);
                let text: String = (0..length).map(|_| char::from(self.input.byte())).collect();
                string(&text)
            }
            16 => with(|engine| engine.add(Value::Symbol)),
            17 => {
                let fd = self.files.descriptor(&mut self.input);
                let fd = number(fd.into());
                let property = match self.input.below(4) {
                    0 => Property::Getter(self.function_that_returns(fd)),
                    _ => Property::Value(fd),
                };
                self.object([("fd", property)].into())
            }
            18 | 19 => {
                let length = self.input.below(5);
                let properties = (0..length)
                    .map(|_| (self.input.choose(&NAMES), self.element(depth - 1)))
                    .collect();
                self.object(properties)
            }
            20..23 => {
                let length = self.input.below(5);
                let elements = (0..length).map(|_| self.element(depth - 1)).collect();
                array(elements)
            }
            _ => self.function(depth - 1),
        }
    }

    fn object(&mut self, properties: Vec<(&str, Property)>) -> Handle {
        with(|engine| {
            let properties = properties
                .into_iter()
                .map(|(name, property)| (name.to_owned(), property))
                .collect();
            engine.add(Value::Object(Object {
                properties,
                ..Object::default()
            }))
        })
    }
}

/// The bytes of a type, or of an array of it.
fn size_of_type(kind: Handle) -> Option<usize> {
    let elements = with(|engine| match engine.object(kind) {
        Some(Object {
            kind: Kind::Array(elements),
            ..
        }) => Some(elements.clone()),
        _ => None,
    });
    if let Some(elements) = elements {
        let [Property::Value(kind), Property::Value(length)] = elements[..] else {
            return None;
        };
        return size_of_type(kind)?.checked_mul(usize::try_from(integer(length)?).ok()?);
    }
    let name = with(|engine| match engine.get(kind) {
        Value::String(name) => Some(name.clone()),
        _ => None,
    })?;
    Some(
        match name.trim_start_matches(|letter: char| !letter.is_ascii_digit()) {
            "" => 8,
            bits => bits.parse::<usize>().ok()? / 8,
        },
    )
}

/// A value whose numbers are no sizes of mappings that could be made, but would take the machine's memory.
fn small_enough(value: Handle, depth: usize) -> Handle {
    if let Some(size) = integer(value) {
        let is_large = (1 << 20..1 << 47).contains(&size);
        return if is_large {
            count((size % (1 << 20)) as usize)
        } else {
            value
        };
    }
    let elements = with(|engine| match engine.object(value) {
        Some(Object {
            kind: Kind::Array(elements),
            ..
        }) => Some(elements.clone()),
        _ => None,
    });
    let Some(elements) = elements.filter(|_| depth > 0) else {
        return value;
    };
    let small = |element: Property| match element {
        Property::Value(element) => Property::Value(small_enough(element, depth - 1)),
        // What a getter gives is not known.
        Property::Getter(_) => Property::Value(Handle::UNDEFINED),
    };
    array(elements.into_iter().map(small).collect())
}
