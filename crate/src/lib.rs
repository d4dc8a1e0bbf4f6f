//! Guest memory of virtual machines for Node: the crate vm-memory behind Node-API classes.
//!
//! One module for each module of upstream, with a struct for each class:
//!
//! | module | upstream |
//! |---|---|
//! | [`address`] | `address.rs` |
//! | [`atomic`] | `atomic.rs` |
//! | [`bitmap`] | `bitmap/` |
//! | [`bytes`] | `bytes.rs` |
//! | [`guest_memory`] | `guest_memory.rs` |
//! | [`io`] | `io.rs` |
//! | [`mmap`] | `mmap.rs` |
//! | [`mmap_unix`] | `mmap_unix.rs` |
//! | [`volatile_memory`], [`volatile_ref`] | `volatile_memory.rs` |
//!
//! and what only a binding needs, each in a room of its own. Imports run down:
//!
//! ```text
//!   lifecycle            what starts and ends with an environment; knows everybody
//!       │
//!     door               all that lib/ asks of Rust and users never see
//!       │
//!    the classes         the modules above, file_offset, host_pages, memfd, io_async, ordering, snapshot, tickets,
//!       │             writes
//!       │
//!    memory              upstream's memory, kept mapped and permitted
//!       │
//!     node       sync    Node-API, without a word of memory; threads, without a word of either
//! ```

#![cfg_attr(
    test,
    allow(
        dead_code,
        reason = "the glue leaves the registration of what it exports out of test builds"
    )
)]

mod address;
mod atomic;
mod bitmap;
mod bytes;
mod door;
mod faults;
mod file_offset;
mod guest_memory;
mod host_pages;
mod io;
mod io_async;
mod lifecycle;
mod memfd;
mod memory;
mod mmap;
mod mmap_unix;
mod node;
mod ordering;
mod snapshot;
mod structs;
mod tickets;
mod volatile_memory;
mod volatile_ref;
mod writes;

/// For the fuzzer, which links this crate.
pub use node::error::{Class, Property, Row, errors};
