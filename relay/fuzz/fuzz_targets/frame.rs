//! What a relay sends to a client.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nexscope_relay::protocol::{Frame, body::Body};

fuzz_target!(|text: &str| if let Ok(Frame::Message(message)) = Frame::parse(text) {
    let again = serde_json::to_string(&message).expect("it serialises");
    assert!(matches!(Frame::parse(&again), Ok(Frame::Message(same)) if same.id == message.id));
    if let Ok(body) = serde_json::from_str::<Body>(message.body.get()) {
        serde_json::to_string(&body).expect("it serialises");
    }
});
