use super::*;
use crate::agent::driver::{Exit, Reader};

const INIT: &str = r#"{"id":1,"result":{"userAgent":"nexscope/0.169.0 (Debian 12.0.0; x86_64)","codexHome":"/h/.codex","platformFamily":"unix","platformOs":"linux"}}"#;
const WARNED: &str = r#"{"method":"configWarning","params":{"summary":"Codex could not find bubblewrap on PATH.","details":null},"emittedAtMs":1}"#;
const THREAD_IS: &str = r#"{"id":2,"result":{"thread":{"id":"01a2034e-3163","sessionId":"01a2034e-3163","preview":"","ephemeral":false,"status":{"type":"idle"}}}}"#;
const GONE: &str = r#"{"error":{"code":-32600,"message":"no rollout found for thread id 01a2023a-0000-7000-8000-000000000000"},"id":2}"#;
const NO_ID: &str = r#"{"error":{"code":-32600,"message":"invalid session id: invalid character: expected an optional prefix of `urn:uuid:` followed by [0-9a-fA-F-], found `n` at 1"},"id":2}"#;
const TURN_IS: &str = r#"{"id":3,"result":{"turn":{"id":"01a2034e-3196","items":[],"itemsView":"notLoaded","status":"inProgress","error":null}}}"#;
const STARTED: &str = r#"{"method":"turn/started","params":{"threadId":"01a2034e-3163","turn":{"id":"01a2034e-3196","items":[],"status":"inProgress","error":null}},"emittedAtMs":1}"#;
const USER: &str = r#"{"method":"item/completed","params":{"item":{"type":"userMessage","id":"m","content":[{"type":"text","text":"do it"}]},"threadId":"01a2034e-3163","turnId":"01a2034e-3196"}}"#;
const LS: &str = r#"{"method":"item/started","params":{"item":{"type":"commandExecution","id":"call_2","command":"/bin/bash -lc ls","cwd":"/w","processId":"61910","source":"unifiedExecStartup","status":"inProgress"},"threadId":"01a2034e-3163","turnId":"01a2034e-3196"}}"#;
const LS_DONE: &str = r#"{"method":"item/completed","params":{"item":{"type":"commandExecution","id":"call_2","command":"/bin/bash -lc ls","cwd":"/w","status":"completed","exitCode":0},"threadId":"01a2034e-3163","turnId":"01a2034e-3196"}}"#;
const PATCH: &str = r#"{"method":"item/started","params":{"item":{"type":"fileChange","id":"call_4","changes":[{"path":"/w/n.txt","kind":{"type":"add"},"diff":"hi\n"}],"status":"inProgress"},"threadId":"01a2034e-3163","turnId":"01a2034e-3196"}}"#;
const PATCH_ASKS: &str = r#"{"method":"item/fileChange/requestApproval","id":1,"params":{"threadId":"01a2034e-3163","turnId":"01a2034e-3196","itemId":"call_4","startedAtMs":1,"reason":null,"grantRoot":null}}"#;
const RESOLVED: &str = r#"{"method":"serverRequest/resolved","params":{"threadId":"01a2034e-3163","requestId":1},"emittedAtMs":1}"#;
const SAYS: &str = r#"{"method":"item/started","params":{"item":{"type":"agentMessage","id":"msg_5","text":"","phase":null},"threadId":"01a2034e-3163","turnId":"01a2034e-3196"}}"#;
const DELTA: &str = r#"{"method":"item/agentMessage/delta","params":{"threadId":"01a2034e-3163","turnId":"01a2034e-3196","itemId":"msg_5","delta":"do"},"emittedAtMs":1}"#;
const DELTA2: &str = r#"{"method":"item/agentMessage/delta","params":{"threadId":"01a2034e-3163","turnId":"01a2034e-3196","itemId":"msg_5","delta":"ne"},"emittedAtMs":1}"#;
const SAID: &str = r#"{"method":"item/completed","params":{"item":{"type":"agentMessage","id":"msg_5","text":"done","phase":null},"threadId":"01a2034e-3163","turnId":"01a2034e-3196"}}"#;
const RETRIES: &str = r#"{"method":"error","params":{"error":{"message":"Reconnecting... 1/1","codexErrorInfo":{"responseStreamDisconnected":{"httpStatusCode":401}},"additionalDetails":"unexpected status 401 Unauthorized","misalignment":null},"willRetry":true,"threadId":"01a2034e-3163","turnId":"01a2034e-3196"}}"#;
const FAILS: &str = r#"{"method":"error","params":{"error":{"message":"Missing environment variable: `FAKE_KEY`.","codexErrorInfo":"other","additionalDetails":null},"willRetry":false,"threadId":"01a2034e-3163","turnId":"01a2034e-3196"}}"#;
const DONE: &str = r#"{"method":"turn/completed","params":{"threadId":"01a2034e-3163","turn":{"id":"01a2034e-3196","items":[],"status":"completed","error":null}}}"#;
const FAILED: &str = r#"{"method":"turn/completed","params":{"threadId":"01a2034e-3163","turn":{"id":"01a2034e-3196","items":[],"status":"failed","error":{"message":"Missing environment variable: `FAKE_KEY`.","codexErrorInfo":"other"}}}}"#;
const STOPPED: &str = r#"{"method":"turn/completed","params":{"threadId":"01a2034e-3163","turn":{"id":"01a2034e-3196","items":[],"status":"interrupted","error":null}}}"#;

fn usage(turn: &str, total: u64, last: u64) -> String {
    let of = |input: u64| json!({ "totalTokens": input + 20, "inputTokens": input, "cachedInputTokens": 9, "outputTokens": 20 });
    let params = json!({ "threadId": "01a2034e-3163", "turnId": turn,
        "tokenUsage": { "total": of(total), "last": of(last), "modelContextWindow": 258_400 } });
    json!({ "method": "thread/tokenUsage/updated", "params": params }).to_string()
}

fn reader(resume: Option<&str>) -> AppReader {
    let before = Totals { usd: 0.0, tokens: 7 };
    AppReader::new("do it".to_owned(), "/w".into(), resume.map(str::to_owned), before)
}

fn feed(reader: &mut AppReader, lines: &[&str]) -> Vec<DriverEvent> {
    let mut steps = Vec::new();
    for line in lines {
        reader.feed(format!("{line}\n").as_bytes(), &mut steps);
    }
    // Touched places have their own test.
    steps.retain(|step| !matches!(step, DriverEvent::Touches { .. } | DriverEvent::Gave { .. }));
    steps
}

fn end(reader: &mut AppReader) -> Conclusion {
    reader.conclude(&Exit {
        ok: true,
        how: "exit code 0".to_owned(),
        stderr: String::new(),
    })
}

#[test]
fn it_is_asked_when_its_thread_is_there_and_the_answer_grows() {
    let mut reader = reader(None);
    let steps = feed(&mut reader, &[INIT, WARNED, THREAD_IS]);
    let [DriverEvent::Session(session), DriverEvent::Reply(turn)] = &steps[..] else {
        panic!("{steps:?}")
    };
    assert_eq!(session, "01a2034e-3163");
    let turn: Value = serde_json::from_str(turn).unwrap();
    assert_eq!((&turn["id"], &turn["method"]), (&json!(3), &json!("turn/start")));
    let input = json!([{ "type": "text", "text": "do it" }]);
    assert_eq!(
        turn["params"],
        json!({ "threadId": "01a2034e-3163", "input": input })
    );

    assert_eq!(reader.interrupt(), None);
    let steps = feed(&mut reader, &[TURN_IS, STARTED, USER, SAYS, DELTA, DELTA2]);
    assert_eq!(steps.iter().filter(|step| **step == DriverEvent::Grew).count(), 2);
    assert_eq!(reader.answer(), "done");
    let interrupt: Value = serde_json::from_str(&reader.interrupt().unwrap()).unwrap();
    assert_eq!(
        interrupt["params"],
        json!({ "threadId": "01a2034e-3163", "turnId": "01a2034e-3196" })
    );

    let steps = feed(&mut reader, &[SAID, DONE]);
    assert_eq!(steps.last(), Some(&DriverEvent::TurnOver));
    assert_eq!(end(&mut reader).outcome, Outcome::Answer("done".into()));
}

#[test]
fn the_last_message_is_the_answer() {
    let earlier = SAID
        .replace("msg_5", "msg_1")
        .replace("\"done\"", "\"I will look.\"");
    let mut reader = reader(None);
    feed(&mut reader, &[THREAD_IS, TURN_IS, &earlier]);
    assert_eq!(reader.answer(), "I will look.");
    feed(&mut reader, &[SAYS, DELTA]);
    assert_eq!(reader.answer(), "do");
    // After a reconnect a message may arrive twice.
    feed(&mut reader, &[SAID, SAID, DONE]);
    assert_eq!(end(&mut reader).outcome, Outcome::Answer("done".into()));
}

/// The trap: a resumed thread first repeats the count of its last turn.
#[test]
fn tokens_are_only_of_this_run() {
    let mut reader = reader(Some("01a2034e-3163"));
    feed(&mut reader, &[INIT, THREAD_IS]);
    feed(&mut reader, &[&usage("earlier", 280, 80), TURN_IS]);
    feed(&mut reader, &[&usage("earlier", 280, 80)]);
    feed(&mut reader, &[&usage("01a2034e-3196", 400, 100)]);
    feed(&mut reader, &[&usage("01a2034e-3196", 480, 60), SAID, DONE]);
    let end = end(&mut reader);
    assert_eq!((end.tokens, end.totals.tokens), (Some(200), 500));
    assert!(!end.session_lost);
}

#[test]
fn tools_and_what_they_ask() {
    let mut reader = reader(None);
    feed(&mut reader, &[THREAD_IS, TURN_IS]);
    let tool = |id: &str, name: &str, detail: &str| DriverEvent::Tool {
        id: id.to_owned(),
        name: name.to_owned(),
        detail: detail.to_owned(),
    };
    let steps = feed(&mut reader, &[LS, LS_DONE, PATCH]);
    assert_eq!(
        steps,
        [
            tool("call_2", "shell", "/bin/bash -lc ls"),
            DriverEvent::ToolDone("call_2".to_owned()),
            DriverEvent::State(Activity::Thinking),
            tool("call_4", "edit", "/w/n.txt"),
        ]
    );
    let steps = feed(&mut reader, &[PATCH_ASKS]);
    let [DriverEvent::Ask(request)] = &steps[..] else {
        panic!("{steps:?}")
    };
    assert!(
        request.what.starts_with("new: /w/n.txt\n\n+ hi"),
        "{}",
        request.what
    );
    assert!(reader.reply("1", &ToolAnswer::Allow).unwrap().contains("accept"));
    assert_eq!(
        feed(&mut reader, &[RESOLVED]),
        [DriverEvent::State(Activity::Tool)]
    );
    // Requested again, and withdrawn.
    let steps = feed(&mut reader, &[PATCH_ASKS, RESOLVED]);
    assert_eq!(steps[1], DriverEvent::AskGone("1".to_owned()));
    // Or ended with the turn.
    let steps = feed(&mut reader, &[PATCH_ASKS, STOPPED]);
    assert_eq!(
        steps[1..],
        [DriverEvent::AskGone("1".to_owned()), DriverEvent::TurnOver]
    );
}

#[test]
fn failures() {
    let failed = |lines: &[&str]| {
        let mut reader = reader(None);
        let steps = feed(&mut reader, lines);
        let Outcome::Failed(Failed { details: reason, .. }) = end(&mut reader).outcome else {
            panic!("{lines:?}")
        };
        (steps, reason)
    };
    let (steps, reason) = failed(&[THREAD_IS, TURN_IS, RETRIES, FAILS, FAILED]);
    assert!(steps.contains(&DriverEvent::Retry(
        "Reconnecting... 1/1 (unexpected status 401 Unauthorized)".to_owned()
    )));
    let retries = steps.iter().filter(|step| matches!(step, DriverEvent::Retry(_)));
    assert_eq!(retries.count(), 1);
    assert_eq!(reason, "Missing environment variable: `FAKE_KEY`.");
    for (lines, want) in [
        // Text from before the failure is not the answer.
        (
            &[THREAD_IS, TURN_IS, SAID, STOPPED][..],
            "its turn was interrupted",
        ),
        (
            &[r#"{"id":3,"error":{"message":"Input exceeds the maximum length"}}"#],
            "Input exceeds the maximum length",
        ),
        (&[r#"{"id":1,"error":{}}"#], "it failed and did not say why"),
        (&[THREAD_IS, TURN_IS, SAID], "it ended without an answer"),
        (&["garbage"], "it ended with exit code 0: garbage"),
    ] {
        assert_eq!(failed(lines).1, want);
    }
}

#[test]
fn a_session_that_is_not_there() {
    for line in [GONE, NO_ID] {
        let mut reader = reader(Some("nonsense"));
        assert_eq!(feed(&mut reader, &[INIT, line]), [DriverEvent::TurnOver]);
        assert!(end(&mut reader).session_lost);
    }
    let mut reader = reader(Some("other"));
    let steps = feed(&mut reader, &[INIT, THREAD_IS]);
    assert_eq!(steps[0], DriverEvent::Notice(NEW_SESSION.to_owned()));
}

#[test]
fn rules_that_ask_nobody_are_told() {
    let home = tempfile::tempdir().unwrap();
    let init = INIT.replace("/h/.codex", &home.path().display().to_string());
    assert_eq!(feed(&mut reader(None), &[&init]), []);
    fs::create_dir(home.path().join("rules")).unwrap();
    fs::write(home.path().join("rules/default.rules"), "").unwrap();
    assert_eq!(feed(&mut reader(None), &[&init]), []);
    fs::write(home.path().join("rules/default.rules"), "prefix_rule()").unwrap();
    let steps = feed(&mut reader(None), &[&init]);
    assert!(
        matches!(&steps[..], [DriverEvent::Notice(notice)] if notice.contains("without asking")),
        "{steps:?}"
    );
}

/// Agents that it starts itself have their own threads; they make requests, too.
#[test]
fn what_other_threads_say_is_not_the_answer() {
    let other = |line: &str| line.replace("01a2034e-3163", "other");
    let mut reader = reader(None);
    feed(&mut reader, &[THREAD_IS, TURN_IS]);
    let lines = [SAYS, DELTA, SAID, FAILED].map(other);
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let steps = feed(&mut reader, &lines);
    assert!(steps.iter().all(|step| *step == DriverEvent::Life), "{steps:?}");
    let steps = feed(&mut reader, &[&other(PATCH), &other(PATCH_ASKS)]);
    let Some(DriverEvent::Ask(request)) = steps.last() else {
        panic!("{steps:?}")
    };
    assert!(request.what.contains("+ hi"));
    feed(&mut reader, &[SAID, DONE]);
    assert_eq!(end(&mut reader).outcome, Outcome::Answer("done".into()));
}

#[test]
fn what_is_unknown_is_skipped() {
    let mut reader = reader(None);
    let steps = feed(
        &mut reader,
        &[
            "",
            "[]",
            "{}",
            r#"{"id":9,"result":{}}"#,
            r#"{"id":100,"error":{"message":"no active turn"}}"#,
            r#"{"method":"new/thing","params":{}}"#,
            r#"{"method":"item/started"}"#,
            r#"{"method":"account/rateLimits/updated","params":{"rateLimits":{}}}"#,
        ],
    );
    assert_eq!(steps, [DriverEvent::Life]);
}

#[test]
fn what_tools_touch_and_give_back_is_passed_on() {
    let mut reader = reader(None);
    let done = LS_DONE.replace(r#""exitCode":0"#, r#""exitCode":0,"aggregatedOutput":"a\nb""#);
    let other = LS.replace("01a2034e-3163", "another-thread");
    let mut steps = Vec::new();
    for line in [INIT, THREAD_IS, LS, PATCH, &done, &other] {
        reader.feed(format!("{line}\n").as_bytes(), &mut steps);
    }
    steps.retain(|step| matches!(step, DriverEvent::Touches { .. } | DriverEvent::Gave { .. }));
    let touches = |id: &str, places: &[&str]| DriverEvent::Touches {
        id: id.to_owned(),
        places: places.iter().map(|place| (*place).to_owned()).collect(),
    };
    let gave = DriverEvent::Gave {
        id: "call_2".to_owned(),
        text: "a\nb".to_owned(),
    };
    let ls = touches("call_2", &["/bin/bash", "-lc", "ls", "/w"]);
    assert_eq!(steps, [ls.clone(), touches("call_4", &["/w/n.txt"]), gave, ls]);
}
