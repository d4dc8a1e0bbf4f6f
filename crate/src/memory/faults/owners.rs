//! Whose mapping a slot is, for who is told of a loss.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::memory::faults::table::{Pinned, Slot};
use crate::memory::mapping::{Mapping, Owner, Region, SharedMapping};

#[derive(Clone)]
enum WeakOwner {
    Mapping(Weak<SharedMapping>),
    Region(Weak<Region>),
}

impl WeakOwner {
    fn upgrade(&self) -> Option<Owner> {
        match self {
            Self::Mapping(mapping) => mapping.upgrade().map(Owner::Mapping),
            Self::Region(region) => region.upgrade().map(Owner::Region),
        }
    }
}

type Owners = HashMap<usize, (u64, WeakOwner)>;

/// The owners by slot, and the mapping of the slot that they are owners of.
static OWNERS: Mutex<Option<Owners>> = Mutex::new(None);

fn owners() -> MutexGuard<'static, Option<Owners>> {
    // Whole between statements.
    OWNERS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(slot: &'static Slot) -> usize {
    std::ptr::from_ref(slot).addr()
}

fn note(mapping: &Mapping, owner: impl FnOnce() -> WeakOwner) {
    if let Some(recovery) = mapping.bitmap().recovery() {
        let slot = recovery.slot();
        let entry = (slot.generation(), owner());
        owners().get_or_insert_default().insert(key(slot), entry);
    }
}

/// Notes who has a mapping that no region has taken over.
pub fn note_mapping(shared: &Arc<SharedMapping>) {
    let owner = Owner::Mapping(Arc::clone(shared));
    // One that is on its way into a region is noted with that.
    drop(owner.with(|mapping| note(mapping, || WeakOwner::Mapping(Arc::downgrade(shared)))));
}

/// Notes the region of a mapping.
pub fn note_region(region: &Arc<Region>) {
    note(region, || WeakOwner::Region(Arc::downgrade(region)));
}

/// Finds who has the mapping of a slot; None if nobody has it any more.
pub fn find(pinned: &Pinned) -> Option<Owner> {
    let owners = owners();
    let (generation, owner) = owners.as_ref()?.get(&key(pinned.slot()))?;
    (*generation == pinned.generation())
        .then(|| owner.upgrade())
        .flatten()
}
