//! What a welcomed client sends: a body stays the bytes that were written, and a field that passed keeps its rule.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nexscope_relay::protocol::{MAX_TO, Request, is_id, is_name, is_thread};

fuzz_target!(|text: &str| match Request::parse(text) {
    Ok(Request::Message(post)) => {
        assert!(is_id(&post.id) && post.to.len() <= MAX_TO && post.to.iter().all(|to| is_name(to)));
        assert!(post.thread.as_deref().is_none_or(is_thread));
        assert!(text.contains(post.body.get()) && post.body.get().starts_with('{'));
    }
    Ok(_) => {}
    Err(error) => {
        assert!(error.id.as_deref().is_none_or(is_id) && error.stream.as_deref().is_none_or(is_id));
        assert!(error.code.close().is_none(), "a bad frame alone ends nothing");
    }
});
