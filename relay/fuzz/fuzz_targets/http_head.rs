//! The head of an HTTP request, and version 1's query.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| nexscope_relay::fuzzing::http_head(bytes));
