//! The works of the benchmarks in Rust: `vm-memory-bench rust|memcpy GROUP`. Answers on standard output as
//! `contender.ts` does: `list` with the works it has, `run N WORK` with what it took.

mod layout;
mod timing;
mod upstream;
mod works;

use std::collections::HashMap;
use std::io::{self, BufRead};

use timing::{Work, Works};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, id, group] = arguments.as_slice() else {
        panic!("usage: vm-memory-bench rust|memcpy GROUP");
    };
    let mut works = Works::new();
    if id == "memcpy" {
        if group == "copy" {
            works::provide_memcpy(&mut works);
        }
    } else {
        works::provide(group, &mut works);
    }

    let names: Vec<String> = works.keys().map(|name| format!("\"{name}\"")).collect();
    let mut made: HashMap<String, Work> = HashMap::new();
    for line in io::stdin().lock().lines() {
        let line = line.unwrap();
        if line == "list" {
            println!("[{}]", names.join(","));
            continue;
        }
        let mut words = line.splitn(3, ' ').skip(1);
        let iterations = words.next().unwrap().parse().unwrap();
        let name = words.next().unwrap();
        let work = made
            .entry(name.to_string())
            .or_insert_with(|| works.remove(name).expect("a work of this group")());
        let (time, done) = work(iterations);
        println!(
            "{{\"nanoseconds\":{},\"iterations\":{done}}}",
            time.as_nanos()
        );
    }
}
