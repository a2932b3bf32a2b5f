//! An agent that speaks the Agent Client Protocol, simulated by a script.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use super::support::*;
use crate::core::runs::{
    GrantRule, Outcome, RunEvent, ToolAnswer, Totals,
    settings::{Kind, Permissions},
};

const HELLO: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":1,"agentCapabilities":{"loadSession":true,"sessionCapabilities":{}}}}"#;
const NEW: &str = r#"{"jsonrpc":"2.0","id":2,"result":{"sessionId":"s-1"}}"#;
const ASKS: &str = r#"{"jsonrpc":"2.0","id":"q","method":"session/request_permission","params":{"sessionId":"s-1","toolCall":{"toolCallId":"c","title":"make","kind":"execute","rawInput":{"command":"make"}},"options":[{"optionId":"for-good","name":"always","kind":"allow_always"},{"optionId":"once","name":"yes","kind":"allow_once"},{"optionId":"no","name":"no","kind":"reject_once"}]}}"#;

/// A session update from the agent.
fn update(update: Value) -> String {
    let params = json!({ "sessionId": "s-1", "update": update });
    json!({ "jsonrpc": "2.0", "method": "session/update", "params": params }).to_string()
}

fn says(text: &str) -> String {
    update(json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": text } }))
}

/// The end of the turn of prompt number `prompt`.
fn done(prompt: u64, reason: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": 10 + prompt, "result": { "stopReason": reason, "usage": {
        "totalTokens": 7, "inputTokens": 5, "outputTokens": 2 } } })
    .to_string()
}

/// A script that opens a session and reads the first prompt; then runs `after`. Its input is saved to files.
fn acp(after: &str) -> Stage {
    let script = format!(
        "keep() {{ IFS= read -r line || exit; printf '%s\\n' \"$line\" > $1; }}
         env > env; keep hello; echo '{HELLO}'; keep new; echo '{NEW}'; keep prompt
         {after}
         cat > rest; sleep 1000"
    );
    Stage::asking(Kind::Acp, &script, "use $skill and @/etc/hostname")
}

fn written(stage: &Stage, name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(stage.path(name)).unwrap()).unwrap()
}

#[tokio::test]
async fn it_is_prompted_and_its_answer_grows() {
    let stage = acp(&format!(
        "echo '{}'; echo '{}'; echo '{}'; echo '{}'; echo '{}'; echo '{}'; echo '{}'; echo '{}'",
        update(
            json!({ "sessionUpdate": "agent_thought_chunk", "content": { "type": "text", "text": "hm" } })
        ),
        says("let me see"),
        update(
            json!({ "sessionUpdate": "tool_call", "toolCallId": "c", "title": "make", "kind": "execute",
            "status": "in_progress", "rawInput": { "command": "make" } })
        ),
        update(json!({ "sessionUpdate": "tool_call_update", "toolCallId": "c", "status": "completed" })),
        says("all is "),
        says("well"),
        update(
            json!({ "sessionUpdate": "usage_update", "used": 9, "size": 10, "cost": { "amount": 0.25, "currency": "USD" } })
        ),
        done(0, "end_turn"),
    ));
    let events = stage.events().await;
    let end = ended(&events);
    assert_eq!(end.outcome, Outcome::Answer("all is well".into()));
    assert_eq!(end.session.as_deref(), Some("s-1"));
    assert_eq!((end.usd, end.tokens, end.tools), (Some(0.25), Some(7), 1));
    let totals = Totals { usd: 0.25, tokens: 7 };
    assert_eq!(end.totals, totals);
    let tool = RunEvent::Tool {
        name: "shell".to_owned(),
        detail: "make".to_owned(),
    };
    assert!(events.contains(&tool), "{events:?}");
    // It keeps running when its input is closed, and is ended.
    assert_eq!(carriers(&stage.run.id), [""; 0]);

    let hello = written(&stage, "hello");
    assert_eq!(hello["method"], "initialize");
    // Neither files nor terminals are offered, so it asks.
    let can = &hello["params"]["clientCapabilities"];
    let offered = ["/fs/readTextFile", "/fs/writeTextFile", "/terminal"].map(|at| can.pointer(at));
    assert!(
        offered.iter().all(|one| one.is_none_or(|one| *one == false)),
        "{can}"
    );
    let new = written(&stage, "new");
    assert_eq!(new["method"], "session/new");
    assert_eq!(new["params"]["cwd"], stage.run.dir.display().to_string());
    assert_eq!(new["params"]["mcpServers"], json!([]));
    let prompt = written(&stage, "prompt");
    assert_eq!(prompt["params"]["sessionId"], "s-1");
    let text = prompt["params"]["prompt"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("use $\u{200b}skill and @\u{200b}/etc/hostname"),
        "{text}"
    );
    assert!(!text.starts_with('/'));
    assert_eq!(prompt["params"]["prompt"].as_array().unwrap().len(), 1);
    let env = fs::read_to_string(stage.path("env")).unwrap();
    assert!(env.contains("CLAUDE_CODE_DISABLE_FILE_MENTIONS=1"));
}

/// The protocol has no field for a refusal's reason: it is sent in a separate turn, whose answer counts.
#[tokio::test]
async fn a_rejection_is_sent_with_its_reason_before_the_answer_counts() {
    let stage = acp(&format!(
        "echo '{ASKS}'; keep yes; echo '{}'; keep no; echo '{}'; echo '{}'; keep why; echo '{}'; echo '{}'",
        ASKS.replace(r#""id":"q""#, r#""id":"q2""#),
        says("I stop."),
        done(0, "cancelled"),
        says("then without"),
        done(1, "end_turn"),
    ));
    let mut handle = stage.start();
    let request = permission(&mut handle).await;
    assert_eq!((&*request.tool, &*request.what), ("shell", "make"));
    assert_eq!(
        request.rule,
        Some(GrantRule::Call {
            tool: "shell".to_owned(),
            input: "make".to_owned()
        })
    );
    handle
        .answers
        .send((request.id, ToolAnswer::Allow))
        .await
        .unwrap();
    let request = permission(&mut handle).await;
    let no = ToolAnswer::Deny("not on a Friday".to_owned());
    handle.answers.send((request.id, no)).await.unwrap();
    let events = to_the_end(&mut handle).await;
    assert_eq!(ended(&events).outcome, Outcome::Answer("then without".into()));
    assert_eq!(ended(&events).tokens, Some(14));
    let chosen = |name: &str| written(&stage, name)["result"]["outcome"]["optionId"].clone();
    assert_eq!((chosen("yes"), chosen("no")), (json!("once"), json!("no")));
    let why = written(&stage, "why");
    assert_eq!(why["method"], "session/prompt");
    let text = why["params"]["prompt"][0]["text"].as_str().unwrap();
    assert!(text.contains("- make: not on a Friday"), "{text}");
}

#[tokio::test]
async fn where_nobody_is_asked_it_is_answered_at_once() {
    for (permissions, want) in [(Permissions::ReadOnly, "no"), (Permissions::Allow, "once")] {
        let mut stage = acp(&format!(
            "echo '{ASKS}'; keep said; echo '{}'; echo '{}'; [ {want} = once ] || {{ keep why; echo '{}'; echo '{}'; }}",
            says("fine"),
            done(0, "end_turn"),
            says("fine"),
            done(1, "end_turn"),
        ));
        stage.run.agent.permissions = permissions;
        let events = stage.events().await;
        assert_eq!(ended(&events).outcome, Outcome::Answer("fine".into()));
        assert!(
            !events
                .iter()
                .any(|event| matches!(event, RunEvent::Permission(_)))
        );
        assert_eq!(written(&stage, "said")["result"]["outcome"]["optionId"], want);
    }
}

/// A mode that asks is set if there is one; otherwise the person is notified.
#[tokio::test]
async fn a_mode_that_asks_is_set() {
    let modes = |current: &str, all: &[&str]| {
        let all: Vec<Value> = all.iter().map(|id| json!({ "id": id, "name": id })).collect();
        let modes = json!({ "currentModeId": current, "availableModes": all });
        json!({ "jsonrpc": "2.0", "id": 2, "result": { "sessionId": "s-1", "modes": modes } }).to_string()
    };
    for (new, set, told) in [
        (modes("yolo", &["yolo", "default"]), Some("default"), false),
        (modes("read-only", &["auto", "read-only"]), None, false),
        (modes("yolo", &["yolo", "auto"]), None, true),
        (NEW.to_owned(), None, true),
    ] {
        let mode = if set.is_some() {
            r#"keep mode; echo '{"jsonrpc":"2.0","id":3,"result":{}}'"#
        } else {
            ":"
        };
        let script = format!(
            "keep() {{ IFS= read -r line; printf '%s\\n' \"$line\" > $1; }}
             keep hello; echo '{HELLO}'; keep new; echo '{new}'; {mode}; keep prompt; echo '{}'; echo '{}'; sleep 1000",
            says("fine"),
            done(0, "end_turn"),
        );
        let stage = Stage::new(Kind::Acp, &script);
        let events = stage.events().await;
        assert_eq!(ended(&events).outcome, Outcome::Answer("fine".into()), "{new}");
        assert_eq!(written(&stage, "prompt")["method"], "session/prompt");
        let was = set.map(|_| written(&stage, "mode")["params"]["modeId"].clone());
        assert_eq!(was, set.map(Value::from));
        assert_eq!(!notices(&events).is_empty(), told, "{new}: {events:?}");
    }
}

/// The trap: loading a session replays its history, and none of that is the answer.
#[tokio::test]
async fn what_is_loaded_is_no_answer() {
    let mut stage = acp(":");
    let script = format!(
        "keep() {{ IFS= read -r line; printf '%s\\n' \"$line\" > $1; }}
         keep hello; echo '{HELLO}'; keep load; echo '{}'; echo '{{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":null}}'
         keep prompt; echo '{}'; echo '{}'; sleep 1000",
        says("of before"),
        says("of now"),
        done(0, "end_turn"),
    );
    fs::write(stage.path("agent"), script).unwrap();
    stage.run.resume = Some("s-1".to_owned());
    stage.run.before = Totals { usd: 1.0, tokens: 10 };
    let ending = stage.ending().await;
    assert_eq!(ending.outcome, Outcome::Answer("of now".into()));
    assert_eq!(ending.session.as_deref(), Some("s-1"));
    assert_eq!((ending.tokens, ending.totals.tokens), (Some(7), 17));
    let load = written(&stage, "load");
    assert_eq!(
        (&load["method"], &load["params"]["sessionId"]),
        (&json!("session/load"), &json!("s-1"))
    );
}

#[tokio::test]
async fn a_session_that_is_gone_is_told() {
    let error = r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32002,"message":"Resource not found"}}"#;
    let cannot = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":1}}"#;
    for script in [
        format!("read a; echo '{HELLO}'; read b; echo '{error}'; sleep 1000"),
        format!("read a; echo '{cannot}'; sleep 1000"),
    ] {
        let mut stage = Stage::new(Kind::Acp, &script);
        stage.run.resume = Some("s-1".to_owned());
        let ending = stage.ending().await;
        assert!(ending.session_lost, "{ending:?}");
    }
}

#[tokio::test]
async fn it_is_cancelled_in_its_own_words_first() {
    let stage = acp(&format!(
        "trap 'echo int > int' INT
         echo '{ASKS}'; keep cancel; keep answer; echo '{}'",
        done(0, "cancelled")
    ));
    let mut handle = stage.start();
    permission(&mut handle).await;
    handle.stop.cancel();
    let events = to_the_end(&mut handle).await;
    assert_eq!(ended(&events).outcome, Outcome::Cancelled);
    let cancel = written(&stage, "cancel");
    assert_eq!(
        (&cancel["method"], &cancel["params"]["sessionId"]),
        (&json!("session/cancel"), &json!("s-1"))
    );
    assert_eq!(
        written(&stage, "answer")["result"]["outcome"]["outcome"],
        "cancelled"
    );
    assert!(!stage.path("int").exists());
    assert_eq!(carriers(&stage.run.id), [""; 0]);
}

#[tokio::test]
async fn a_program_that_ignores_signals_is_ended() {
    let stage = acp(&format!(
        "trap '' TERM INT; setsid sleep 1008 & echo '{ASKS}'; while :; do sleep 1000 & wait $!; done"
    ));
    let mut handle = stage.start();
    permission(&mut handle).await;
    handle.stop.cancel();
    let events = to_the_end(&mut handle).await;
    assert_eq!(ended(&events).outcome, Outcome::Cancelled);
    assert_eq!(carriers(&stage.run.id), [""; 0]);
}

#[tokio::test]
async fn what_goes_wrong_says_so() {
    let login = r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32000,"message":"Authentication required"}}"#;
    let broken = r#"{"jsonrpc":"2.0","id":10,"error":{"code":-32603,"message":"Internal error","data":{"details":"no credit left"}}}"#;
    for (script, want) in [
        ("exit 3".to_owned(), "it ended with exit code 3 and said nothing"),
        (
            "read a; echo usage: agent; sleep 0.1; exit 2".to_owned(),
            "it ended with exit code 2: usage: agent",
        ),
        (
            format!("read a; echo '{HELLO}'; read b; echo '{login}'; sleep 1000"),
            "it is not logged in (Authentication required): log in with its own program, or set its key",
        ),
        (
            format!("read a; echo '{HELLO}'; read b; echo '{NEW}'; read c; echo '{broken}'; sleep 1000"),
            "Internal error: no credit left",
        ),
        (
            format!(
                "read a; echo '{HELLO}'; read b; echo '{NEW}'; read c; echo '{}'; sleep 1000",
                done(0, "refusal")
            ),
            "it refused to answer",
        ),
        (
            // Nobody has stopped it.
            format!(
                "read a; echo '{HELLO}'; read b; echo '{NEW}'; read c; echo '{}'; sleep 1000",
                done(0, "cancelled")
            ),
            "it cancelled its own turn",
        ),
        (
            format!("read a; echo '{HELLO}'; read b; echo '{NEW}'; sleep 1000"),
            "it has shown nothing for 900 ms; its provider may be down",
        ),
    ] {
        let mut stage = Stage::new(Kind::Acp, &script);
        stage.run.agent.stall = Duration::from_millis(300);
        assert_eq!(failure(&stage.outcome().await), want, "{script}");
        assert_eq!(carriers(&stage.run.id), [""; 0]);
    }
}

/// Requests for unsupported methods are refused, so that nothing waits for them; a flood and a huge line are
/// survived.
#[tokio::test]
async fn it_gets_nothing_that_was_not_offered() {
    let read = r#"{"jsonrpc":"2.0","id":7,"method":"fs/read_text_file","params":{"sessionId":"s-1","path":"/etc/hostname"}}"#;
    let runs = r#"{"jsonrpc":"2.0","id":8,"method":"terminal/create","params":{"sessionId":"s-1","command":"touch","args":["ran"]}}"#;
    let stage = acp(&format!(
        "echo '{read}'; keep read; echo '{runs}'; keep runs
         head -c 9000000 /dev/zero | tr '\\0' x; echo; yes '{}' | head -n 100000; echo '{}'; echo '{}'; echo '{}'",
        says("word "),
        update(json!({ "sessionUpdate": "tool_call", "toolCallId": "c", "title": "x", "status": "completed" })),
        says("fine"),
        done(0, "end_turn"),
    ));
    let events = stage.events().await;
    assert_eq!(ended(&events).outcome, Outcome::Answer("fine".into()));
    for name in ["read", "runs"] {
        assert_eq!(written(&stage, name)["error"]["code"], -32601, "{name}");
    }
    assert!(!stage.path("ran").exists());
    assert!(events.len() < 3_000, "{}", events.len());
}
