//! See `runtime/src/fuzzing.rs`, `queue_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| delay::fuzzing::queue_file(data));
