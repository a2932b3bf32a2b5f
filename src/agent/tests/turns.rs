//! The ends of turns: late output, repeated requests, and requests still open when the turn is over.

use std::{fs, time::Duration};

use super::support::*;
use crate::core::{
    Failure,
    runs::{
        Outcome, RunEvent, ToolAnswer, ToolRequest,
        settings::{Kind, Permissions},
    },
};

/// A script that plays `kind` until its turn has begun; then runs `turn`.
fn play(kind: Kind, turn: &str) -> Stage {
    let hello = match kind {
        Kind::Claude => r#"read -r prompt; echo '{"type":"system","subtype":"init","session_id":"s-1"}'"#,
        Kind::Codex => {
            r#"read -r a; read -r b; read -r c; echo '{"id":2,"result":{"thread":{"id":"s-1"}}}'
            read -r prompt; echo '{"id":3,"result":{"turn":{"id":"u-1"}}}'"#
        }
        _ => {
            r#"read -r a; echo '{"id":1,"result":{"protocolVersion":1}}'
            read -r b; echo '{"id":2,"result":{"sessionId":"s-1"}}'; read -r prompt"#
        }
    };
    let mut stage = Stage::new(kind, &format!("{hello}\n{turn}\nsleep 1000"));
    stage.run.agent.permissions = Permissions::Ask;
    stage
}

const KINDS: [Kind; 3] = [Kind::Claude, Kind::Codex, Kind::Acp];

/// Writes `text`: streamed, if the kind supports it.
fn says(kind: Kind, text: &str) -> String {
    match kind {
        Kind::Claude => format!(
            r#"echo '{{"type":"assistant","message":{{"content":[{{"type":"text","text":"{text}"}}]}}}}'"#
        ),
        Kind::Codex => format!(
            r#"echo '{{"method":"item/completed","params":{{"threadId":"s-1","turnId":"u-1","item":{{"type":"agentMessage","id":"{text}","text":"{text}"}}}}}}'"#
        ),
        _ => format!(
            r#"echo '{{"method":"session/update","params":{{"sessionId":"s-1","update":{{"sessionUpdate":"agent_message_chunk","content":{{"type":"text","text":"{text}"}}}}}}}}'"#
        ),
    }
}

/// Ends its turn; Claude Code reports the answer then.
fn done(kind: Kind, answer: &str) -> String {
    match kind {
        Kind::Claude => format!(
            r#"echo '{{"type":"result","subtype":"success","is_error":false,"result":"{answer}"}}'"#
        ),
        Kind::Codex => {
            r#"echo '{"method":"turn/completed","params":{"threadId":"s-1","turn":{"id":"u-1","status":"completed"}}}'"#
                .to_owned()
        }
        _ => r#"echo '{"jsonrpc":"2.0","id":10,"result":{"stopReason":"end_turn"}}'"#.to_owned(),
    }
}

/// Asks, under the request id `id`, to run `command`.
fn asks(kind: Kind, id: u32, command: &str) -> String {
    match kind {
        Kind::Claude => format!(
            r#"echo '{{"type":"control_request","request_id":"{id}","request":{{"subtype":"can_use_tool","tool_name":"Bash","input":{{"command":"{command}"}}}}}}'"#
        ),
        Kind::Codex => format!(
            r#"echo '{{"id":{id},"method":"item/commandExecution/requestApproval","params":{{"threadId":"s-1","turnId":"u-1","command":"{command}"}}}}'"#
        ),
        _ => format!(
            r#"echo '{{"id":{id},"method":"session/request_permission","params":{{"sessionId":"s-1","toolCall":{{"toolCallId":"c{id}","title":"t","rawInput":{{"command":"{command}"}}}},"options":[{{"optionId":"y","name":"y","kind":"allow_once"}},{{"optionId":"n","name":"n","kind":"reject_once"}}]}}}}'"#
        ),
    }
}

fn requests(events: &[RunEvent]) -> Vec<&ToolRequest> {
    let asked = events.iter().filter_map(|event| match event {
        RunEvent::Permission(request) => Some(request),
        _ => None,
    });
    asked.collect()
}

fn why(outcome: &Outcome) -> Failure {
    match outcome {
        Outcome::Failed(failed) => failed.why,
        other => panic!("{other:?}"),
    }
}

/// The trap: a success without text, after streamed text.
#[tokio::test]
async fn a_success_without_an_answer_keeps_what_was_written() {
    let empty = done(Kind::Claude, "");
    for turn in [
        empty.clone(),
        empty.replace(
            r#""result":"""#,
            r#""terminal_reason":"hook_stopped","result":"""#,
        ),
        empty.replace(r#","result":"""#, ""),
        empty.replace(r#""result":"""#, r#""result":["x"]"#),
        empty.replace("success", "error_max_turns"),
    ] {
        let stage = play(
            Kind::Claude,
            &format!("{}\n{turn}\nexit", says(Kind::Claude, "on Monday")),
        );
        let ending = stage.ending().await;
        assert!(
            matches!(why(&ending.outcome), Failure::NoAnswer | Failure::Reported),
            "{turn}: {ending:?}"
        );
        assert_eq!(ending.unfinished, "on Monday", "{turn}");
    }
    for kind in KINDS {
        let stage = play(kind, &format!("{}\necho no model >&2\nexit", done(kind, "")));
        let ending = stage.ending().await;
        assert_eq!(why(&ending.outcome), Failure::NoAnswer, "{kind:?}");
        assert_eq!(ending.unfinished, "");
    }
}

/// The trap: a result truncated by a pipe is not JSON, and its text is not a reason.
#[tokio::test]
async fn a_result_that_is_cut_off_is_no_answer() {
    let stage = play(
        Kind::Claude,
        &format!(
            r#"{}
            printf '%s' '{{"type":"result","subtype":"success","is_error":false,"result":"the unreleased plan: the unre'
            exit"#,
            says(Kind::Claude, "the plan")
        ),
    );
    let ending = stage.ending().await;
    assert_eq!(why(&ending.outcome), Failure::NoAnswer);
    assert!(failure(&ending.outcome).contains("unreleased"));
    assert_eq!(ending.unfinished, "the plan");
}

#[tokio::test]
async fn what_is_written_before_a_failure_or_a_stop_is_kept() {
    for kind in KINDS {
        let begins = format!("{}\n", says(kind, "one"));
        let stage = play(kind, &format!("{begins} exit 3"));
        let ending = stage.ending().await;
        assert_eq!(why(&ending.outcome), Failure::Exited, "{kind:?}");
        assert_eq!(ending.unfinished, "one", "{kind:?}");

        let stage = play(kind, &begins);
        let mut handle = stage.start();
        until(&mut handle, |event| matches!(event, RunEvent::Partial(_))).await;
        handle.stop.cancel();
        let events = to_the_end(&mut handle).await;
        assert_eq!(ended(&events).outcome, Outcome::Cancelled);
        assert_eq!(ended(&events).unfinished, "one", "{kind:?}");
    }
}

/// opencode does this: its last text arrives after the response that ends the turn.
#[tokio::test]
async fn output_just_after_the_turn_belongs_to_it() {
    for (kind, whole) in [(Kind::Acp, "onetwo"), (Kind::Codex, "two")] {
        for (pause, then) in [("", "exit"), ("sleep 0.05", "exit"), ("sleep 0.05", "")] {
            let turn = format!(
                "{}\n{}\n{pause}\n{}\n{then}",
                says(kind, "one"),
                done(kind, ""),
                says(kind, "two")
            );
            let mut stage = play(kind, &turn);
            // As long as a busy machine may take; a program that keeps running is waited for.
            stage.waits.silence = Duration::from_secs(2);
            stage.waits.at_most = PATIENCE;
            stage.run.agent.idle = Duration::from_secs(60);
            let ending = stage.ending().await;
            let answer = Outcome::Answer(whole.into());
            assert_eq!(ending.outcome, answer, "{kind:?} {pause:?}");
            assert_eq!(ending.stays, then.is_empty());
        }
    }
}

#[tokio::test]
async fn what_never_falls_silent_is_no_whole_answer() {
    let kind = Kind::Acp;
    let turn = format!(
        "{}\n{}\nwhile :; do {}; sleep 0.05; done",
        says(kind, "one"),
        done(kind, ""),
        says(kind, " more")
    );
    let mut stage = play(kind, &turn);
    stage.waits.silence = PATIENCE;
    stage.waits.at_most = Duration::from_secs(1);
    let ending = stage.ending().await;
    assert_eq!(why(&ending.outcome), Failure::Unfinished);
    assert!(ending.unfinished.starts_with("one more"), "{ending:?}");
}

#[tokio::test]
async fn one_request_id_is_one_request() {
    for kind in KINDS {
        for again in ["echo harmless", "rm -rf build"] {
            let turn = format!(
                "{}\n{}\nread -r heard; echo \"$heard\" > heard\n{}",
                asks(kind, 1, "echo harmless"),
                asks(kind, 1, again),
                done(kind, "done")
            );
            let stage = play(kind, &turn);
            let mut handle = stage.start();
            // Even if its person has decided on the first one by now.
            let _ = handle.answers.send(("1".to_owned(), ToolAnswer::Allow)).await;
            let events = to_the_end(&mut handle).await;
            let ending = ended(&events);
            assert_eq!(why(&ending.outcome), Failure::Protocol, "{kind:?}");
            let gone = RunEvent::PermissionGone("1".to_owned());
            let asked = requests(&events).len();
            assert!(
                asked == 0 || asked == 1 && events.contains(&gone),
                "{kind:?}: {events:?}"
            );
        }
    }
}

/// Even after the first one is answered: an answer in flight could reach the wrong one.
#[tokio::test]
async fn a_request_id_is_not_used_again_after_its_answer() {
    for kind in KINDS {
        let turn = format!(
            "{}\nread -r heard\n{}\nread -r heard",
            asks(kind, 1, "echo harmless"),
            asks(kind, 1, "rm -rf build")
        );
        let stage = play(kind, &turn);
        let mut handle = stage.start();
        let request = permission(&mut handle).await;
        handle
            .answers
            .send((request.id, ToolAnswer::Allow))
            .await
            .unwrap();
        let events = to_the_end(&mut handle).await;
        assert_eq!(why(&ended(&events).outcome), Failure::Protocol, "{kind:?}");
        assert!(requests(&events).is_empty(), "{kind:?}");
    }
}

/// A result is accepted without waiting for an answer; and a request after it waits for nobody.
#[tokio::test]
async fn a_request_does_not_hold_a_result() {
    for kind in KINDS {
        for late in [false, true] {
            let (before, after) = match late {
                false => (asks(kind, 1, "ls"), String::new()),
                true => (String::new(), asks(kind, 1, "ls")),
            };
            let turn = format!(
                "{before}\n{}\n{}\n{after}",
                says(kind, "fine"),
                done(kind, "fine")
            );
            let mut stage = play(kind, &turn);
            stage.run.agent.timeout = Duration::from_secs(3600);
            stage.run.agent.idle = Duration::from_secs(60);
            let agents = stage.agents();
            let mut handle = agents.start(stage.run.clone());
            let events = to_the_end(&mut handle).await;
            let ending = ended(&events);
            assert_eq!(ending.outcome, Outcome::Answer("fine".into()), "{kind:?} {late}");
            let open: Vec<&str> = requests(&events).iter().map(|request| &*request.id).collect();
            let gone = |id: &&&str| events.contains(&RunEvent::PermissionGone((**id).to_owned()));
            assert!(open.iter().all(|id| gone(&id)), "{kind:?}: {events:?}");
            if !late {
                assert!(!ending.stays || kind != Kind::Claude);
            }
        }
    }
}

/// A request is shown in full, and places outside are named.
#[tokio::test]
async fn a_request_shows_what_runs() {
    for kind in KINDS {
        let hidden = r"ls src \\u001b]0; touch X; echo #\\u0007";
        let stage = play(
            kind,
            &format!(
                "{}\nread -r heard",
                asks(kind, 1, &format!("{hidden} /etc/passwd"))
            ),
        );
        let mut handle = stage.start();
        let request = permission(&mut handle).await;
        let whole = "ls src \\e]0; touch X; echo #\\x07 /etc/passwd";
        assert!(request.what.starts_with(whole), "{kind:?}: {}", request.what);
        assert_eq!(
            (request.hidden, &*request.outside),
            (2, &["/etc/passwd".to_owned()][..])
        );
        fs::write(stage.path("x"), "").unwrap();
    }
}
