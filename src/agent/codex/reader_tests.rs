use super::*;
use crate::agent::driver::{Exit, Reader};

fn read(
    resume: Option<&str>,
    before: u64,
    lines: &[&str],
    exit: (bool, &str),
) -> (Vec<DriverEvent>, Conclusion) {
    let mut reader = CodexReader::new(
        resume.map(str::to_owned),
        Totals {
            usd: 0.0,
            tokens: before,
        },
    );
    let mut steps = Vec::new();
    for line in lines {
        reader.feed(line.as_bytes(), &mut steps);
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

const THREAD: &str = r#"{"type":"thread.started","thread_id":"01a2023a-1"}"#;
const TURN: &str = r#"{"type":"turn.started"}"#;
const LOOK: &str =
    r#"{"type":"item.completed","item":{"id":"item_1","type":"agent_message","text":"I will look."}}"#;
const FOUND: &str =
    r#"{"type":"item.completed","item":{"id":"item_2","type":"agent_message","text":"Found it."}}"#;
const OVER: &str = r#"{"type":"turn.completed","usage":{"input_tokens":200,"cached_input_tokens":150,"cache_write_input_tokens":0,"output_tokens":40,"reasoning_output_tokens":30}}"#;
const RECONNECT: &str = r#"{"type":"error","message":"Reconnecting... 1/1 (unexpected status 401 …)"}"#;

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

#[test]
fn the_last_message_is_the_answer() {
    let (steps, end) = read(None, 0, &[THREAD, TURN, LOOK, FOUND, OVER], (true, ""));
    assert_eq!(steps[0], DriverEvent::Session("01a2023a-1".to_owned()));
    assert_eq!(steps.iter().filter(|step| **step == DriverEvent::Grew).count(), 2);
    assert_eq!(steps.last(), Some(&DriverEvent::TurnOver));
    assert_eq!(end.outcome, answer("Found it."));
    assert_eq!((end.usd, end.tokens), (None, Some(240)));
    // After a reconnect a message may arrive twice.
    let (_, end) = read(
        None,
        0,
        &[THREAD, TURN, FOUND, RECONNECT, FOUND, OVER],
        (true, ""),
    );
    assert_eq!(end.outcome, answer("Found it."));
    assert_eq!(
        read(None, 0, &[THREAD, TURN, OVER], (true, "")).1.outcome,
        failed("it ended without an answer")
    );
}

#[test]
fn tokens_are_only_of_this_run() {
    let (_, end) = read(Some("01a2023a-1"), 180, &[THREAD, TURN, FOUND, OVER], (true, ""));
    assert_eq!((end.tokens, end.totals.tokens), (Some(60), 240));
    // It started over: there is no previous usage to subtract.
    let (_, end) = read(Some("other"), 180, &[THREAD, TURN, FOUND, OVER], (true, ""));
    assert_eq!((end.tokens, end.totals.tokens), (Some(240), 240));
    // A failed turn reports no usage.
    let (_, end) = read(Some("01a2023a-1"), 180, &[THREAD, TURN], (false, "x"));
    assert_eq!((end.tokens, end.totals.tokens), (None, 180));
}

/// The trap: an id that is neither a UUID nor a name starts a new thread, exit code 0.
#[test]
fn a_session_that_is_not_there() {
    let (steps, end) = read(Some("other"), 0, &[THREAD, TURN, FOUND, OVER], (true, ""));
    assert_eq!(
        steps[..2],
        [
            DriverEvent::Notice(NEW_SESSION.to_owned()),
            DriverEvent::Session("01a2023a-1".to_owned())
        ]
    );
    assert!(!end.session_lost);
    let stderr = "Error: thread/resume: thread/resume failed: no rollout found for thread id 01a2";
    let (_, end) = read(Some("01a2"), 0, &[], (false, stderr));
    assert!(end.session_lost);
    assert_eq!(
        end.outcome,
        failed(&format!("it ended with exit code 1: {stderr}"))
    );
}

#[test]
fn failures() {
    let refused = r#"{"type":"turn.failed","error":{"message":"unexpected status 401 Unauthorized: Incorrect API key provided."}}"#;
    let (steps, end) = read(None, 0, &[THREAD, TURN, RECONNECT, refused], (false, ""));
    assert!(steps.contains(&DriverEvent::Retry(
        "Reconnecting... 1/1 (unexpected status 401 …)".to_owned()
    )));
    assert_eq!(
        end.outcome,
        failed("unexpected status 401 Unauthorized: Incorrect API key provided.")
    );
    let raw = r#"{"type":"turn.failed","error":{"message":"{\"error\":{\"message\":\"bad thing\",\"type\":\"x\"}}"}}"#;
    for (lines, exit, want) in [
        // Text from before the failure is not the answer.
        (&[THREAD, TURN, LOOK, raw][..], (false, ""), "bad thing"),
        (
            &[r#"{"type":"turn.failed"}"#],
            (false, ""),
            "it failed and did not say why",
        ),
        (&[THREAD, TURN, LOOK], (true, ""), "it ended without an answer"),
        (
            &[THREAD, TURN, RECONNECT],
            (false, ""),
            "it ended with exit code 1: Reconnecting... 1/1 (unexpected status 401 …)",
        ),
        (
            &[],
            (false, "No prompt provided via stdin."),
            "it ended with exit code 1: No prompt provided via stdin.",
        ),
    ] {
        assert_eq!(read(None, 0, lines, exit).1.outcome, failed(want));
    }
}

#[test]
fn tools_and_warnings() {
    let lines = [
        r#"{"type":"item.completed","item":{"type":"error","message":"Model metadata for `x` not found."}}"#,
        r#"{"type":"item.started","item":{"id":"item_0","type":"command_execution","command":"/bin/bash -lc ls","aggregated_output":"","exit_code":null,"status":"in_progress"}}"#,
        r#"{"type":"item.completed","item":{"id":"item_0","type":"command_execution","command":"/bin/bash -lc ls","aggregated_output":"in.txt\n","exit_code":0,"status":"completed"}}"#,
        r#"{"type":"item.completed","item":{"id":"item_1","type":"file_change","changes":[{"path":"/a/new.txt","kind":"add"},{"path":"/b","kind":"add"}],"status":"completed"}}"#,
        r#"{"type":"item.started","item":{"id":"item_2","type":"mcp_tool_call","server":"nx","tool":"send","arguments":{"a":1}}}"#,
    ];
    let tool = |id: &str, name: &str, detail: &str| DriverEvent::Tool {
        id: id.to_owned(),
        name: name.to_owned(),
        detail: detail.to_owned(),
    };
    assert_eq!(
        read(None, 0, &lines, (true, "")).0,
        [
            DriverEvent::Notice("Model metadata for `x` not found.".to_owned()),
            tool("item_0", "shell", "/bin/bash -lc ls"),
            DriverEvent::ToolDone("item_0".to_owned()),
            tool("item_1", "edit", "/a/new.txt /b"),
            DriverEvent::ToolDone("item_1".to_owned()),
            tool("item_2", "nx.send", r#"{"a":1}"#),
        ]
    );
}

#[test]
fn what_is_unknown_is_skipped() {
    let lines = [
        "",
        "garbage",
        "[]",
        "{}",
        r#"{"type":"item.completed"}"#,
        r#"{"type":"item.completed","item":{"type":"todo_list"}}"#,
        r#"{"type":"thread.started","thread_id":"-c"}"#,
        r#"{"type":"new"}"#,
        TURN,
        FOUND,
        OVER,
    ];
    let (steps, end) = read(None, 0, &lines, (true, ""));
    assert!(!steps.iter().any(|step| matches!(step, DriverEvent::Session(_))));
    assert_eq!(end.outcome, answer("Found it."));
}

#[test]
fn what_tools_touch_and_give_back_is_passed_on() {
    let mut reader = CodexReader::new(None, Totals::default());
    let mut steps = Vec::new();
    for line in [
        r#"{"type":"item.started","item":{"id":"item_0","type":"command_execution","command":"/bin/bash -lc 'cat /etc/hosts'","aggregated_output":"","exit_code":null,"status":"in_progress"}}"#,
        r#"{"type":"item.completed","item":{"id":"item_0","type":"command_execution","command":"/bin/bash -lc 'cat /etc/hosts'","aggregated_output":"127.0.0.1\n","exit_code":0,"status":"completed"}}"#,
        r#"{"type":"item.completed","item":{"id":"item_1","type":"file_change","changes":[{"path":"/w/a","kind":"add"}],"status":"completed"}}"#,
    ] {
        reader.feed(format!("{line}\n").as_bytes(), &mut steps);
    }
    steps.retain(|step| matches!(step, DriverEvent::Touches { .. } | DriverEvent::Gave { .. }));
    let words = ["/bin/bash", "-lc", "cat", "/etc/hosts"];
    let touches = |id: &str, places: &[&str]| DriverEvent::Touches {
        id: id.to_owned(),
        places: places.iter().map(|place| (*place).to_owned()).collect(),
    };
    let gave = DriverEvent::Gave {
        id: "item_0".to_owned(),
        text: "127.0.0.1\n".to_owned(),
    };
    assert_eq!(
        steps,
        [touches("item_0", &words), gave, touches("item_1", &["/w/a"])]
    );
}
