//! The first frame of a connection.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nexscope_relay::protocol::{Code, Greeting, MAX_AGENTS, MAX_CLIENT, is_name};

fuzz_target!(|text: &str| match Greeting::parse(text) {
    Ok(hello) => {
        assert!(hello.client.len() <= MAX_CLIENT && hello.agents.len() <= MAX_AGENTS);
        assert!(hello.agents.iter().all(|agent| is_name(agent)));
        assert!(hello.token.is_empty() || !format!("{hello:?}").contains(&format!("token: {:?}", hello.token)));
    }
    Err(error) => assert!(matches!(error.code, Code::BadHello | Code::BadVersion)),
});
