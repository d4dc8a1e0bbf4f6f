#!/bin/sh
# Fuzzes the binding: for a minute, or with the arguments for libFuzzer that are given. Fails when something is found.
set -u
cd "$(dirname "$0")" || exit 1

missing() {
    echo "$1 is missing: $2" >&2
    exit 1
}
command -v cargo >/dev/null || missing cargo 'https://rustup.rs'
cargo fuzz --version >/dev/null 2>&1 || missing cargo-fuzz 'cargo install cargo-fuzz --locked'
cargo +nightly --version >/dev/null 2>&1 || missing 'a nightly toolchain' 'rustup toolchain install nightly --profile minimal'

[ $# -gt 0 ] || set -- -max_total_time=60
# Beside the other builds, whose flags differ.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-../../target/fuzz}"
# Leaks are not looked for, see calls/oracle.rs; at the end of the process neither, where the module is still loaded. To name new functions takes longer than to run them.
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=0}"
exec cargo +nightly fuzz run --fuzz-dir . calls -- \
    -detect_leaks=0 -print_funcs=0 -len_control=0 -max_len=512 -timeout=30 -rss_limit_mb=4096 "$@"
