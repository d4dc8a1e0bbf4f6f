//! Link flags of a Node-API addon, and what tells this build from all others.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// All that decides how an object lies in memory, beside the compiler.
const SOURCES: [&str; 4] = ["src", "Cargo.toml", "../Cargo.toml", "../Cargo.lock"];
const SETTINGS: [&str; 4] = ["DEBUG", "OPT_LEVEL", "PROFILE", "TARGET"];

fn main() -> io::Result<()> {
    napi_build::setup();

    // A process may load several builds of this addon. Type tags tell their objects apart: an object of another build may lie
    // in memory in another way. The glue makes the tags of the crate's name and version, and so the version gets a salt here.
    let version = variable("CARGO_PKG_VERSION");
    println!(
        "cargo::rustc-env=CARGO_PKG_VERSION={version}+{:016x}",
        salt()?
    );
    Ok(())
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// A number that another build does not have.
fn salt() -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    let compiler = Command::new(variable("RUSTC")).arg("-vV").output()?;
    compiler.stdout.hash(&mut hasher);
    for name in SETTINGS {
        variable(name).hash(&mut hasher);
    }
    // Where a folder was is not part of what was built of it.
    variable("CARGO_ENCODED_RUSTFLAGS")
        .split('\u{1f}')
        .filter(|flag| !flag.is_empty() && !flag.starts_with("--remap-path-prefix"))
        .for_each(|flag| flag.hash(&mut hasher));
    let mut files = BTreeMap::new();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
        read(Path::new(source), &mut files)?;
    }
    // Paths are those from here: another folder is no other build.
    files.hash(&mut hasher);
    Ok(hasher.finish())
}

/// Reads a file, or all files of a folder.
fn read(path: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            read(&entry?.path(), files)?;
        }
    } else {
        files.insert(path.to_owned(), fs::read(path)?);
    }
    Ok(())
}
