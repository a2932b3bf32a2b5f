//! What a version 1 client sends: what is forwarded is JSON, and says the same with a stamp.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nexscope_relay::protocol::v1::Request;
use serde_json::Value;

fuzz_target!(|text: &str| if let Ok(Request::Msg(msg) | Request::FileStart(msg, _)) = Request::parse(text) {
    let stamped = serde_json::to_string(&msg.stamped(7)).expect("it serialises");
    // Numbers that no f64 holds and strings with lone surrogates pass unread.
    if let (Ok(Value::Object(before)), Ok(Value::Object(mut after))) =
        (serde_json::from_str(text), serde_json::from_str::<Value>(&stamped))
    {
        assert_eq!(after.remove("ts"), Some(7.into()));
        let mut before: serde_json::Map<String, Value> = before;
        before.remove("ts");
        assert_eq!(before, after);
    }
});
