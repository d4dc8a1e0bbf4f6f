//! The loop around a measured step.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Does the step this many times; how long that took, and how often it was done.
pub type Work = Box<dyn FnMut(usize) -> (Duration, usize)>;
/// By name, made when first run.
pub type Works = BTreeMap<String, Box<dyn FnOnce() -> Work>>;

pub fn timed<T>(iterations: usize, mut step: impl FnMut(usize) -> T) -> Duration {
    let start = Instant::now();
    for i in 0..iterations {
        black_box(step(black_box(i)));
    }
    start.elapsed()
}

pub fn work<T>(mut step: impl FnMut(usize) -> T + 'static) -> Work {
    Box::new(move |iterations| (timed(iterations, &mut step), iterations))
}
