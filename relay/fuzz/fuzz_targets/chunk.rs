//! The head of a stream's chunk, and a stream's id.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nexscope_relay::protocol::{CHUNK_HEAD, ChunkHead, is_id, stream_id};

fuzz_target!(|bytes: &[u8]| {
    if let Some((head, payload)) = ChunkHead::parse(bytes) {
        assert!(!payload.is_empty() && bytes.len() == CHUNK_HEAD + payload.len());
        assert_eq!([&head.to_bytes(), payload].concat(), bytes);
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Some(id) = stream_id(text)
    {
        assert!(is_id(text) && id.to_string() == text);
    }
});
