//! Whatever a program sends, in whatever order: no text of its answer is lost, an incomplete answer does not
//! count, and its requests are shown unchanged.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    agent::{
        driver::{DriverEvent, Exit, Reader},
        profile,
        tests::support::Stage,
    },
    core::runs::{
        Failed, GrantRule, Outcome, ToolAnswer,
        settings::{Kind, Permissions},
    },
};

/// A message of a program.
#[derive(Debug, Clone)]
enum PoolEpoch {
    Text(u16),
    Tool,
    Ask(u8),
    Empty,
    Done,
    Failed,
    Garbage(Vec<u8>),
}

fn said() -> impl Strategy<Value = PoolEpoch> {
    prop_oneof![
        4 => (0..1000u16).prop_map(PoolEpoch::Text),
        1 => Just(PoolEpoch::Tool),
        1 => (0..3u8).prop_map(PoolEpoch::Ask),
        1 => Just(PoolEpoch::Empty),
        2 => Just(PoolEpoch::Done),
        1 => Just(PoolEpoch::Failed),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(PoolEpoch::Garbage),
    ]
}

fn reader(kind: Kind) -> Box<dyn Reader> {
    let mut stage = Stage::new(kind, "");
    stage.run.agent.permissions = match kind {
        Kind::Command => Permissions::ReadOnly,
        _ => Permissions::Ask,
    };
    let (_, mut reader) = (profile(stage.run.agent.kind).driver)(&stage.run).unwrap();
    let hello: &[Value] = match kind {
        Kind::Codex => &[
            json!({ "id": 2, "result": { "thread": { "id": "s" } } }),
            json!({ "id": 3, "result": { "turn": { "id": "u" } } }),
        ],
        Kind::Acp => &[
            json!({ "id": 1, "result": { "protocolVersion": 1 } }),
            json!({ "id": 2, "result": { "sessionId": "s" } }),
        ],
        _ => &[],
    };
    for line in hello {
        reader.feed(format!("{line}\n").as_bytes(), &mut Vec::new());
    }
    reader
}

/// The message in the format of `kind`, with a number for messages that need one.
fn line(kind: Kind, said: &PoolEpoch, nth: usize) -> Vec<u8> {
    let object = match (kind, said) {
        (_, PoolEpoch::Garbage(bytes)) => return [bytes, &b"\n"[..]].concat(),
        (Kind::Command, PoolEpoch::Text(n)) => return format!("word-{n}\n").into_bytes(),
        (Kind::Claude, PoolEpoch::Text(n)) => json!({ "type": "assistant",
            "message": { "content": [{ "type": "text", "text": format!("word-{n}\n") }] } }),
        (Kind::Claude, PoolEpoch::Tool) => json!({ "type": "assistant",
            "message": { "content": [{ "type": "tool_use", "id": nth, "name": "Bash", "input": {} }] } }),
        (Kind::Claude, PoolEpoch::Ask(n)) => json!({ "type": "control_request", "request_id": n.to_string(),
            "request": { "subtype": "can_use_tool", "tool_name": "Bash", "input": { "command": "ls" } } }),
        (Kind::Claude, PoolEpoch::Done) => {
            json!({ "type": "result", "subtype": "success", "is_error": false, "result": "so it is" })
        }
        (Kind::Claude, PoolEpoch::Empty) => {
            json!({ "type": "result", "subtype": "success", "is_error": false, "result": "" })
        }
        (Kind::Claude, PoolEpoch::Failed) => {
            json!({ "type": "result", "subtype": "error_max_turns", "is_error": false })
        }
        (Kind::Codex, PoolEpoch::Text(n)) => {
            json!({ "method": "item/completed", "params": { "threadId": "s", "turnId": "u",
            "item": { "type": "agentMessage", "id": nth.to_string(), "text": format!("word-{n}\n") } } })
        }
        (Kind::Codex, PoolEpoch::Tool) => {
            json!({ "method": "item/started", "params": { "threadId": "s", "turnId": "u",
            "item": { "type": "commandExecution", "id": nth.to_string(), "command": "ls" } } })
        }
        (Kind::Codex, PoolEpoch::Ask(n)) => {
            json!({ "id": n, "method": "item/commandExecution/requestApproval",
            "params": { "threadId": "s", "turnId": "u", "command": "ls" } })
        }
        (Kind::Codex, PoolEpoch::Done | PoolEpoch::Empty) => json!({ "method": "turn/completed",
            "params": { "threadId": "s", "turn": { "id": "u", "status": "completed" } } }),
        (Kind::Codex, PoolEpoch::Failed) => json!({ "method": "turn/completed",
            "params": { "threadId": "s", "turn": { "id": "u", "status": "failed" } } }),
        (Kind::Acp, PoolEpoch::Text(n)) => update(json!({ "sessionUpdate": "agent_message_chunk",
            "content": { "type": "text", "text": format!("word-{n}\n") } })),
        (Kind::Acp, PoolEpoch::Tool) => {
            update(json!({ "sessionUpdate": "tool_call", "toolCallId": nth.to_string(), "title": "t" }))
        }
        (Kind::Acp, PoolEpoch::Ask(n)) => {
            json!({ "id": n, "method": "session/request_permission", "params": { "sessionId": "s",
            "toolCall": { "toolCallId": nth.to_string(), "rawInput": { "command": "ls" } }, "options": [] } })
        }
        (Kind::Acp, PoolEpoch::Done | PoolEpoch::Empty) => {
            json!({ "id": 10, "result": { "stopReason": "end_turn" } })
        }
        (Kind::Acp, PoolEpoch::Failed) => json!({ "id": 10, "result": { "stopReason": "max_tokens" } }),
        _ => json!({ "type": "nothing" }),
    };
    match kind {
        Kind::Command => Vec::new(),
        _ => format!("{object}\n").into_bytes(),
    }
}

fn update(update: Value) -> Value {
    json!({ "method": "session/update", "params": { "sessionId": "s", "update": update } })
}

const KINDS: [Kind; 4] = [Kind::Claude, Kind::Codex, Kind::Acp, Kind::Command];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_word_is_lost_and_nothing_is_called_an_answer_that_is_none(
        all in prop::collection::vec(said(), 0..16), ok: bool, kind in 0..4usize, cut in 0..64usize,
    ) {
        let kind = KINDS[kind];
        let mut reader = reader(kind);
        let mut steps = Vec::new();
        for (nth, said) in all.iter().enumerate() {
            let bytes = line(kind, said, nth);
            let (a, b) = bytes.split_at(cut.min(bytes.len()));
            reader.feed(a, &mut steps);
            reader.feed(b, &mut steps);
        }
        // Answers to requests it made, and to others, do no harm.
        for id in ["0", "1", "\"0\"", "x"] {
            reader.reply(id, &ToolAnswer::Allow);
        }
        let exit = Exit { ok, how: "exit code 1".to_owned(), stderr: String::new() };
        let conclusion = reader.conclude(&exit);
        let written = reader.written();
        let last = all.iter().rev().find_map(|said| match said {
            PoolEpoch::Text(n) => Some(format!("word-{n}")),
            _ => None,
        });
        match conclusion.outcome {
            Outcome::Answer(answer) => {
                prop_assert!(!answer.trim().is_empty());
                // It reported that it has ended, and whether successfully.
                let ends = all.iter().rev().find(|said| matches!(said, PoolEpoch::Done | PoolEpoch::Empty | PoolEpoch::Failed));
                if kind == Kind::Command {
                    prop_assert!(ok);
                } else {
                    prop_assert!(matches!(ends, Some(PoolEpoch::Done | PoolEpoch::Empty)), "{ends:?}");
                }
                if kind != Kind::Claude && let Some(last) = last {
                    prop_assert!(answer.contains(&last), "{answer} has no {last}");
                }
            }
            Outcome::Failed(Failed { details, .. }) => {
                prop_assert!(!details.is_empty());
                // All text written since the last answer is kept.
                let since = all.iter().rposition(|said| kind == Kind::Claude && matches!(said, PoolEpoch::Done));
                for said in &all[since.map_or(0, |at| at + 1)..] {
                    if let PoolEpoch::Text(n) = said {
                        prop_assert!(written.contains(&format!("word-{n}\n")) || written.ends_with(&format!("word-{n}")), "{written:?}");
                    }
                }
            }
            Outcome::Cancelled => prop_assert!(false),
        }
        for step in steps {
            if let DriverEvent::Ask(request) = step {
                prop_assert_eq!(request.what, "ls");
            }
        }
    }
}

/// Arbitrary JSON, often a tool's input.
fn input() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        2 => Just("ls".to_owned()),
        1 => Just("ls\n\n{}".to_owned()),
        1 => Just("/x".to_owned()),
        3 => "([a-eltu\\\\n(){}|+ -]|\\PC|[\\x00-\\x1f\\x7f-\\x9f]|\u{202e}|\u{200d}|\u{301}){0,12}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    let json = leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map("[a-c]{1,2}", inner, 0..3).prop_map(|map| map.into_iter().collect()),
        ]
    });
    let key = prop::sample::select(vec![
        "command",
        "file_path",
        "path",
        "content",
        "old_string",
        "new_string",
        "replace_all",
        "timeout",
        "cwd",
        "run_in_background",
        "dangerouslyDisableSandbox",
        "env",
        "edits",
        "grantRoot",
        "kind",
        "odd",
    ]);
    let object = prop::collection::hash_map(key, json.clone(), 0..4).prop_map(|map| {
        map.into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    });
    prop_oneof![4 => object, 1 => json]
}

/// The text that a person is shown for the input, and the grant that they could give.
fn shown(kind: Kind, tool: &str, input: &Value) -> Option<(String, String, Option<GrantRule>)> {
    let line = match kind {
        Kind::Claude => json!({ "type": "control_request", "request_id": "1",
            "request": { "subtype": "can_use_tool", "tool_name": tool, "input": input } }),
        Kind::Codex => {
            let mut params = input.as_object()?.clone();
            params.insert("threadId".into(), "s".into());
            json!({ "id": 1, "method": "item/commandExecution/requestApproval", "params": params })
        }
        _ => json!({ "id": 1, "method": "session/request_permission", "params": { "sessionId": "s",
            "toolCall": { "toolCallId": "c", "name": tool, "title": "t", "rawInput": input }, "options": [] } }),
    };
    let (mut reader, mut steps) = (reader(kind), Vec::new());
    reader.feed(format!("{line}\n").as_bytes(), &mut steps);
    steps.into_iter().find_map(|step| match step {
        DriverEvent::Ask(request) => Some((request.tool, request.what, request.rule)),
        _ => None,
    })
}

/// The input without fields that have no effect: unset ones, and their order.
fn effect(input: &Value) -> Value {
    let mut input = input.clone();
    if let Some(fields) = input.as_object_mut() {
        let unset = |value: &Value| {
            value.is_null() || *value == json!(false) || *value == json!([]) || *value == json!({})
        };
        fields.retain(|_, value| !unset(value));
        // The kind when none is given: a command.
        if fields.get("kind").is_some_and(|kind| kind == "command") {
            fields.remove("kind");
        }
        if fields.is_empty() {
            return Value::Null;
        }
    }
    input.sort_all_objects();
    input
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn two_calls_that_differ_never_look_the_same(
        one in input(), other in input(), kind in 0..3usize,
        tool in prop::sample::select(vec!["Bash", "Write", "Edit", "mcp__x__poke", "Odd"]),
    ) {
        let kind = KINDS[kind];
        let Some((_, what, _)) = shown(kind, tool, &one) else { return Ok(()) };
        prop_assert!(what.chars().all(|c| c == '\n' || !c.is_control()), "{what:?}");
        prop_assert_eq!(&crate::text::clean(&what).text, &what);
        if let Some((_, same, _)) = shown(kind, tool, &other) && effect(&one) != effect(&other) {
            prop_assert_ne!(what, same, "{} {}", one, other);
        }
    }

    /// A call with one argument more or less is a different call.
    #[test]
    fn a_grant_is_of_one_call(more in input(), kind in 0..3usize) {
        let kind = KINDS[kind];
        let plain = json!({ "command": "ls" });
        let mut with = plain.clone();
        if let Some(more) = more.as_object() {
            with.as_object_mut().unwrap().extend(more.clone());
        }
        let granted = shown(kind, "Bash", &plain).and_then(|shown| shown.2);
        prop_assert!(granted.is_some());
        if let Some((_, _, asked)) = shown(kind, "Bash", &with) && effect(&with) != effect(&plain) {
            prop_assert_ne!(granted, asked, "{}", with);
        }
    }
}
