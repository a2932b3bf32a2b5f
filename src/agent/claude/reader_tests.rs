use super::*;
use crate::agent::driver::{Exit, Reader};

/// Reads a run's lines: returns the events except signs of life, and the conclusion.
fn read(
    resume: Option<&str>,
    before: Totals,
    lines: &[&str],
    exit: (bool, &str),
) -> (Vec<DriverEvent>, Conclusion) {
    let mut reader = ClaudeReader::new(resume.map(str::to_owned), before, None);
    let mut steps = Vec::new();
    for line in lines {
        // Split in two, as pipes do.
        let (a, b) = line.as_bytes().split_at(line.len() / 2);
        reader.feed(a, &mut steps);
        reader.feed(b, &mut steps);
        reader.feed(b"\n", &mut steps);
    }
    // Touched places have their own test.
    let touched = |step: &DriverEvent| matches!(step, DriverEvent::Touches { .. } | DriverEvent::Gave { .. });
    steps.retain(|step| !touched(step) && !matches!(step, DriverEvent::Life | DriverEvent::State(_)));
    let exit = Exit {
        ok: exit.0,
        how: "exit code 1".to_owned(),
        stderr: exit.1.to_owned(),
    };
    (steps, for_the_owner(reader.conclude(&exit)))
}

fn outcome(lines: &[&str]) -> Outcome {
    read(None, Totals::default(), lines, (true, "")).1.outcome
}

fn answer(text: &str) -> Outcome {
    Outcome::Answer(text.into())
}

/// A failure with these details; its kind is tested elsewhere.
fn failed(details: &str) -> Outcome {
    Outcome::Failed(Failed::new(Failure::Other, details))
}

fn for_the_owner(end: Conclusion) -> Conclusion {
    let outcome = match end.outcome {
        Outcome::Failed(by) => failed(&by.details),
        other => other,
    };
    Conclusion { outcome, ..end }
}

const INIT: &str =
    r#"{"type":"system","subtype":"init","cwd":"/x","session_id":"a759-1","tools":["Read"],"model":"m"}"#;
const START: &str = r#"{"type":"stream_event","event":{"type":"message_start"},"parent_tool_use_id":null}"#;
const HELLO: &str = r#"{"type":"stream_event","event":{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hello "}},"session_id":"a759-1","parent_tool_use_id":null}"#;
const THERE: &str = r#"{"type":"stream_event","event":{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"there"}}}"#;
const WHOLE: &str = r#"{"type":"assistant","message":{"id":"m","role":"assistant","model":"m","content":[{"type":"text","text":"hello there"}]},"parent_tool_use_id":null}"#;
const DONE: &str = r#"{"duration_ms":213,"is_error":false,"subtype":"success","result":"hello there","session_id":"a759-1","total_cost_usd":0.0008,"usage":{"input_tokens":100,"output_tokens":20,"cache_read_input_tokens":3},"type":"result"}"#;
const RETRY: &str = r#"{"type":"system","subtype":"api_retry","attempt":1,"max_retries":10,"retry_delay_ms":518.5,"error_status":401,"error":"authentication_failed"}"#;

#[test]
fn an_answer_in_pieces() {
    let (steps, end) = read(
        None,
        Totals::default(),
        &[INIT, START, HELLO, THERE, WHOLE, DONE],
        (true, ""),
    );
    let session = DriverEvent::Session("a759-1".to_owned());
    assert_eq!(
        steps,
        [
            session,
            DriverEvent::Grew,
            DriverEvent::Grew,
            DriverEvent::TurnOver
        ]
    );
    assert_eq!(end.outcome, answer("hello there"));
    assert_eq!((end.usd, end.tokens), (Some(0.0008), Some(123)));
}

#[test]
fn the_answer_so_far_is_that_of_the_last_message() {
    let mut reader = ClaudeReader::new(None, Totals::default(), None);
    let mut steps = Vec::new();
    for (line, want) in [
        (START, ""),
        (HELLO, "hello "),
        (THERE, "hello there"),
        // The whole block repeats the streamed parts.
        (WHOLE, "hello there"),
        // Kept until the next message has text.
        (START, "hello there"),
        (THERE, "there"),
        // From a subagent: not the agent's own text.
        (
            r#"{"type":"stream_event","parent_tool_use_id":"t1","event":{"type":"content_block_delta","delta":{"type":"text_delta","text":"aside"}}}"#,
            "there",
        ),
        (
            r#"{"type":"assistant","parent_tool_use_id":"t1","message":{"content":[{"type":"text","text":"aside"}]}}"#,
            "there",
        ),
        // The program's own error text, in place of the model's.
        (
            r#"{"type":"assistant","error":"rate_limit","message":{"model":"<synthetic>","content":[{"type":"text","text":"API Error: 429"}]}}"#,
            "there",
        ),
    ] {
        reader.feed(format!("{line}\n").as_bytes(), &mut steps);
        assert_eq!(reader.answer(), want, "{line}");
    }
    let mut whole = ClaudeReader::new(None, Totals::default(), None);
    whole.feed(format!("{WHOLE}\n").as_bytes(), &mut steps);
    assert_eq!(whole.answer(), "hello there");
}

#[test]
fn is_error_decides() {
    for (line, want) in [
        // The trap: subtype "success" with an API error as the text.
        (
            r#"{"type":"result","subtype":"success","is_error":true,"api_error_status":401,"result":"Invalid API key · Fix external API key"}"#,
            failed("Invalid API key · Fix external API key"),
        ),
        (
            r#"{"type":"result","subtype":"success","is_error":true,"api_error_status":null,"result":"API Error: Repeated 529 Overloaded errors."}"#,
            failed("API Error: Repeated 529 Overloaded errors."),
        ),
        (
            r#"{"type":"result","subtype":"error_max_turns","is_error":true,"errors":["Reached maximum number of turns (1)"]}"#,
            failed("Reached maximum number of turns (1)"),
        ),
        (
            r#"{"type":"result","subtype":"error_during_execution"}"#,
            failed("it stopped: error during execution"),
        ),
        (
            r#"{"type":"result","subtype":"success","result":"yes"}"#,
            answer("yes"),
        ),
        (
            r#"{"type":"result","subtype":"success","is_error":false,"result":""}"#,
            failed("it ended without an answer"),
        ),
        (
            r#"{"type":"result","subtype":"success","is_error":false}"#,
            failed("it ended without an answer"),
        ),
        (
            r#"{"type":"result","subtype":"success","is_error":false,"result":{"a":1}}"#,
            failed("it ended without an answer"),
        ),
        (
            r#"{"type":"result","subtype":"error_max_turns","is_error":false,"result":"so far"}"#,
            failed("it stopped: error max turns"),
        ),
    ] {
        assert_eq!(outcome(&[INIT, line]), want, "{line}");
    }
}

#[test]
fn several_results() {
    let more = r#"{"type":"result","subtype":"success","is_error":false,"result":"and more"}"#;
    let empty = r#"{"type":"result","subtype":"success","is_error":false,"result":""}"#;
    let error = r#"{"type":"result","subtype":"success","is_error":true,"result":"API Error: 500"}"#;
    assert_eq!(outcome(&[DONE, more]), answer("hello there\n\nand more"));
    assert_eq!(outcome(&[DONE, empty]), answer("hello there"));
    assert_eq!(outcome(&[empty, DONE]), answer("hello there"));
    assert_eq!(outcome(&[error, more]), answer("and more"));
    assert_eq!(outcome(&[more, error]), failed("API Error: 500"));
}

#[test]
fn costs_are_only_of_this_run() {
    let before = Totals {
        usd: 0.5,
        tokens: 1000,
    };
    let newer = r#"{"type":"result","subtype":"success","is_error":false,"result":"x","total_cost_usd":0.5016,"modelUsage":{"m":{"costUSD":0.5016}},
        "model_usage_since_last_result":{"m":{"inputTokens":100,"outputTokens":20,"cacheReadInputTokens":7,"costUSD":0.0008},"n":{"inputTokens":1,"costUSD":0.0008}}}"#
        .replace('\n', "");
    let (_, end) = read(Some("a759-1"), before, &[INIT, &newer], (true, ""));
    assert_eq!((end.usd, end.tokens), (Some(0.0016), Some(128)));
    assert_eq!(
        end.totals,
        Totals {
            usd: 0.5016,
            tokens: 1128
        }
    );
    let (_, end) = read(Some("a759-1"), before, &[INIT, &newer, &newer], (true, ""));
    assert_eq!((end.usd, end.tokens), (Some(0.0032), Some(256)));
    // A session other than the requested one has no previous usage.
    let (_, end) = read(Some("other"), before, &[INIT, &newer], (true, ""));
    assert_eq!(
        end.totals,
        Totals {
            usd: 0.0016,
            tokens: 128
        }
    );
}

#[test]
fn retries_and_refusals_are_told() {
    let network = r#"{"type":"system","subtype":"api_retry","attempt":2,"max_retries":3,"error_status":null,"error":"unknown"}"#;
    let denied = r#"{"type":"system","subtype":"permission_denied","tool_name":"Write","tool_use_id":"t","message":"…"}"#;
    let (steps, _) = read(None, Totals::default(), &[RETRY, network, denied], (true, ""));
    assert_eq!(
        steps,
        [
            DriverEvent::Retry("authentication failed (HTTP 401), attempt 1 of 10".to_owned()),
            DriverEvent::Retry("the request failed (no connection), attempt 2 of 3".to_owned()),
            DriverEvent::Notice("it may not use Write".to_owned()),
        ]
    );
}

#[test]
fn tools() {
    let call = |input: &str| {
        format!(
            r#"{{"type":"assistant","message":{{"model":"m","content":[{{"type":"tool_use","id":"t1","name":"Tool","input":{input}}}]}}}}"#
        )
    };
    for (input, want) in [
        (r#"{"file_path":"/a/b.rs","limit":3}"#, "/a/b.rs"),
        (r#"{"command":"ls -l","description":"list"}"#, "ls -l"),
        (r#"{"pattern":"x","path":"src"}"#, "x in src"),
        (r#"{"n":1}"#, r#"{"n":1}"#),
        ("{}", ""),
    ] {
        let (steps, _) = read(None, Totals::default(), &[&call(input)], (true, ""));
        let [DriverEvent::Tool { id, name, detail }] = &*steps else {
            panic!("{steps:?}")
        };
        assert_eq!((&**id, &**name, &**detail), ("t1", "Tool", want));
    }
    let over = r#"{"type":"user","message":{"role":"user","content":[{"tool_use_id":"t1","type":"tool_result","content":"x","is_error":true}]}}"#;
    assert_eq!(
        read(None, Totals::default(), &[over], (true, "")).0,
        [DriverEvent::ToolDone("t1".to_owned())]
    );
}

#[test]
fn a_session_that_is_not_there() {
    let gone = r#"{"type":"result","subtype":"error_during_execution","is_error":true,"errors":["No conversation found with session ID: b"],"session_id":"new"}"#;
    let (steps, end) = read(
        Some("b"),
        Totals::default(),
        &[gone],
        (false, "No conversation found with session ID: b"),
    );
    assert_eq!(steps, [DriverEvent::TurnOver]);
    assert!(end.session_lost);
    assert_eq!(end.outcome, failed("No conversation found with session ID: b"));
    // The error is only on standard error if the id is not valid at all.
    let (_, end) = read(
        Some("b"),
        Totals::default(),
        &[],
        (false, "No conversation found with session ID: b"),
    );
    assert!(end.session_lost);
    // A new session is started silently.
    let (steps, end) = read(Some("b"), Totals::default(), &[INIT, DONE], (true, ""));
    assert!(matches!(&steps[0], DriverEvent::Notice(_)), "{steps:?}");
    assert_eq!(steps[1], DriverEvent::Session("a759-1".to_owned()));
    assert!(!end.session_lost);
}

#[test]
fn whoever_asks_for_leave_is_refused() {
    let ask = r#"{"type":"control_request","request_id":"9d","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{}}}"#;
    let (steps, _) = read(None, Totals::default(), &[ask], (true, ""));
    let [DriverEvent::Reply(reply)] = &*steps else {
        panic!("{steps:?}")
    };
    assert!(reply.ends_with('\n') && reply.contains(r#""behavior":"deny""#) && reply.contains(r#""9d""#));
    let other = r#"{"type":"control_request","request_id":"9d","request":{"subtype":"mcp_message"}}"#;
    let (steps, _) = read(None, Totals::default(), &[other], (true, ""));
    assert!(
        matches!(&*steps, [DriverEvent::Reply(reply)] if reply.contains(r#""error""#)),
        "{steps:?}"
    );
}

#[test]
fn what_is_unknown_is_skipped() {
    let lines = [
        "",
        "garbage",
        "[1,2]",
        "null",
        "{}",
        r#"{"type":7}"#,
        r#"{"type":"new_thing","x":1}"#,
        r#"{"type":"system"}"#,
        r#"{"type":"stream_event"}"#,
        r#"{"type":"assistant","message":null}"#,
        r#"{"type":"user","message":{"content":"text"}}"#,
        r#"{"type":"keep_alive"}"#,
        "{\"type\":\"res",
        DONE,
    ];
    assert_eq!(outcome(&lines), answer("hello there"));
    // An id that could be parsed as an option is not kept.
    let (steps, _) = read(
        None,
        Totals::default(),
        &[r#"{"type":"system","subtype":"init","session_id":"--x"}"#],
        (true, ""),
    );
    assert_eq!(steps, []);
}

#[test]
fn an_end_without_a_result() {
    for (lines, exit, want) in [
        (&[INIT][..], (true, ""), "it ended without an answer"),
        (
            &[INIT, START, HELLO],
            (false, ""),
            "it ended with exit code 1 and said nothing",
        ),
        (
            &[],
            (false, "Error: bad flag"),
            "it ended with exit code 1: Error: bad flag",
        ),
        (
            &["Error: on stdout"],
            (false, ""),
            "it ended with exit code 1: Error: on stdout",
        ),
    ] {
        assert_eq!(read(None, Totals::default(), lines, exit).1.outcome, failed(want));
    }
}

#[test]
fn what_tools_touch_and_give_back_is_passed_on() {
    let mut reader = ClaudeReader::new(None, Totals::default(), None);
    let mut steps = Vec::new();
    let read = json!({ "type": "assistant", "message": { "content": [
        { "type": "tool_use", "id": "t1", "name": "Read", "input": { "file_path": "/etc/my hosts", "limit": 3 } },
        { "type": "tool_use", "id": "t2", "name": "Bash", "input": { "command": "cat ../x", "description": "/a /b" } },
        { "type": "tool_use", "id": "t3", "name": "Write", "input": { "file_path": "a", "content": "/etc/c" } },
    ] } });
    let done = json!({ "type": "user", "parent_tool_use_id": "p", "message": { "content": [
        { "type": "tool_result", "tool_use_id": "t1", "content": [{ "type": "text", "text": "one" }, { "type": "text", "text": "two" }] },
        { "type": "tool_result", "tool_use_id": "t2", "content": "three" },
    ] } });
    for line in [read, done] {
        reader.feed(format!("{line}\n").as_bytes(), &mut steps);
    }
    steps.retain(|step| matches!(step, DriverEvent::Touches { .. } | DriverEvent::Gave { .. }));
    let touches = |id: &str, places: &[&str]| DriverEvent::Touches {
        id: id.to_owned(),
        places: places.iter().map(|place| (*place).to_owned()).collect(),
    };
    let gave = |id: &str, text: &str| DriverEvent::Gave {
        id: id.to_owned(),
        text: text.to_owned(),
    };
    let expected = [
        touches("t1", &["/etc/my hosts"]),
        touches("t2", &["cat", "../x"]),
        touches("t3", &["a"]),
        gave("t1", "one\ntwo"),
        gave("t2", "three"),
    ];
    assert_eq!(steps, expected);
}
