//! Node-API, as this crate uses it. Nothing here knows of memory.

pub mod array;
pub mod attachment;
pub mod backing_store;
pub mod bell;
pub mod buffer;
pub mod cloning;
pub mod environment;
pub mod error;
pub mod external;
pub mod half;
pub mod identity;
pub mod intrinsics;
pub mod job;
pub mod layout;
pub mod native_thread;
pub mod object;
pub mod raw_function;
pub mod reference;
pub mod scalar;
pub mod scope;
pub mod symbol;
pub mod throw;
pub mod value;
pub mod weak_table;
