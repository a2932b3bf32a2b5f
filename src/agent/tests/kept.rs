//! Programs pooled after an answer, for the next run of their session.

use std::{fs, time::Duration};

use tokio::time::timeout;

use super::support::*;
use crate::{
    agent::{Agents, PooledProgramEnd},
    core::runs::{
        Ending, Outcome, RunEvent,
        settings::{Kind, Permissions},
    },
};

const KINDS: [Kind; 3] = [Kind::Claude, Kind::Codex, Kind::Acp];
const LONG: Duration = Duration::from_secs(3600);

/// A program of `kind` that answers each prompt with its number, and runs `then` after each answer; `before`
/// runs before the second and later answers. Its session is `s-1`.
fn stays(kind: Kind, before: &str, then: &str) -> Stage {
    let serve = match kind {
        Kind::Claude => {
            r#"id=$(printf '%s' "$line" | sed -n 's/.*"uuid":"\([^"]*\)".*/\1/p')
            [ -z "$id" ] || echo "{\"type\":\"user\",\"isReplay\":true,\"uuid\":\"$id\"}"
            echo '{"type":"system","subtype":"init","session_id":"s-1"}'
            echo "{\"type\":\"result\",\"is_error\":$error,\"result\":\"answer $n\",\"total_cost_usd\":$n}""#
        }
        Kind::Codex => {
            r#"echo "{\"id\":3,\"result\":{\"turn\":{\"id\":\"u-$n\"}}}"
            echo "{\"method\":\"item/completed\",\"params\":{\"threadId\":\"s-1\",\"turnId\":\"u-$n\",\"item\":{\"type\":\"agentMessage\",\"id\":\"m$n\",\"text\":\"answer $n\"}}}"
            echo "{\"method\":\"turn/completed\",\"params\":{\"threadId\":\"s-1\",\"turn\":{\"id\":\"u-$n\",\"status\":\"$([ $error = true ] && echo failed || echo completed)\"}}}""#
        }
        _ => {
            r#"id=$(printf '%s' "$line" | sed -n 's/^{"id":\([0-9]*\).*/\1/p')
            echo "{\"jsonrpc\":\"2.0\",\"method\":\"session/update\",\"params\":{\"sessionId\":\"s-1\",\"update\":{\"sessionUpdate\":\"agent_message_chunk\",\"content\":{\"type\":\"text\",\"text\":\"answer $n\"}}}}"
            echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"stopReason\":\"$([ $error = true ] && echo refusal || echo end_turn)\"}}""#
        }
    };
    let hello = match kind {
        Kind::Claude => "",
        Kind::Codex => r#"read -r a; read -r b; read -r c; echo '{"id":2,"result":{"thread":{"id":"s-1"}}}'"#,
        _ => {
            r#"read -r a; echo '{"id":1,"result":{"protocolVersion":1,"agentCapabilities":{"loadSession":true}}}'
            read -r b; echo '{"id":2,"result":{"sessionId":"s-1"}}'"#
        }
    };
    let script = format!(
        "echo $$ >> pids; error=false; {hello}
         while IFS= read -r line; do
            n=$(($(cat count 2>/dev/null || echo 0) + 1)); echo $n > count; printf '%s\\n' \"$line\" > prompt$n
            [ $n = 1 ] || {{ {before}
            :; }}
            {serve}
            {then}
         done"
    );
    let mut stage = Stage::new(kind, &script);
    stage.run.agent.permissions = Permissions::Ask;
    stage.run.agent.idle = LONG;
    stage
}

/// The next run in the session, with `text`.
fn next(stage: &mut Stage, text: &str) {
    stage.again(text);
    stage.run.resume = Some("s-1".to_owned());
}

async fn run(agents: &Agents, stage: &Stage) -> Ending {
    ended(&to_the_end(&mut agents.start(stage.run.clone())).await).clone()
}

async fn told(agents: &mut Agents) -> PooledProgramEnd {
    let told = timeout(PATIENCE, agents.told.recv());
    told.await
        .expect("nothing is told")
        .expect("the agents are there")
}

fn pids(stage: &Stage) -> Vec<String> {
    let pids = fs::read_to_string(stage.path("pids")).unwrap();
    pids.lines().map(str::to_owned).collect()
}

fn answer(n: usize) -> Outcome {
    Outcome::Answer(format!("answer {n}").into())
}

#[tokio::test]
async fn the_next_run_resumes_the_session() {
    for kind in KINDS {
        let mut stage = stays(kind, "", "");
        let mut agents = stage.agents();
        let first = run(&agents, &stage).await;
        assert_eq!((&first.outcome, first.stays), (&answer(1), true), "{kind:?}");
        let mark = stage.run.id.clone();
        assert_eq!(carriers(&mark).len(), 1);

        for n in [2, 3] {
            next(&mut stage, "and now?");
            stage.run.before = first.totals;
            let mut handle = agents.start(stage.run.clone());
            let events = to_the_end(&mut handle).await;
            assert!(events.contains(&RunEvent::Session("s-1".to_owned())), "{kind:?}");
            let later = ended(&events);
            assert_eq!((&later.outcome, later.stays), (&answer(n), false), "{kind:?}");
            assert_eq!(later.session.as_deref(), Some("s-1"));
            // The program counts over its life; only this run's share is reported.
            assert_eq!(later.usd, (kind == Kind::Claude).then_some(1.0));
            assert_eq!(notices(&events), [""; 0], "{kind:?}");
            let prompt = fs::read_to_string(stage.path(&format!("prompt{n}"))).unwrap();
            assert!(prompt.contains("and now?"), "{prompt}");
        }
        assert_eq!(pids(&stage).len(), 1, "{kind:?}");

        agents.close();
        let gone = PooledProgramEnd {
            began_with: mark.clone(),
            gone: true,
            why: None,
        };
        assert_eq!(told(&mut agents).await, gone);
        assert_eq!(carriers(&mark), [""; 0]);
        // A closed pool stays closed.
        next(&mut stage, "once more");
        assert!(!run(&agents, &stage).await.stays);
        assert_eq!(carriers(&stage.run.id), [""; 0]);
    }
}

/// A pooled program of the same session that does not suit is ended first: two must not share a session.
#[tokio::test]
async fn only_what_was_started_just_so_is_gone_on_in() {
    for kind in KINDS {
        let mut stage = stays(kind, "", "");
        let mut agents = stage.agents();
        run(&agents, &stage).await;
        let first = stage.run.id.clone();
        // Another session: this one is not touched.
        stage.again("hello");
        let other = run(&agents, &stage).await;
        assert!(other.stays, "{kind:?}");
        assert_eq!(pids(&stage).len(), 2);
        let second = stage.run.id.clone();

        next(&mut stage, "hello");
        stage.run.agent.stall = Duration::from_secs(59);
        let changed = run(&agents, &stage).await;
        assert!(changed.stays, "{kind:?}");
        assert_eq!(pids(&stage).len(), 3);
        assert_eq!(told(&mut agents).await.began_with, first, "{kind:?}");
        assert_eq!(carriers(&first), [""; 0]);

        // A changed setting ends the programs with the old one, and no others.
        let now = stage.run.agent.clone();
        agents.end_all_but(|_, agent| *agent == now);
        assert_eq!(told(&mut agents).await.began_with, second);
        assert_eq!(carriers(&stage.run.id).len(), 1);
    }
}

/// Settings change while it works: it is not pooled after its answer.
#[tokio::test]
async fn what_works_while_something_changes_does_not_stay() {
    for kind in KINDS {
        let mut stage = stays(kind, "echo > begun; while ! [ -e go ]; do sleep 0.01; done", "");
        let mut agents = stage.agents();
        assert!(run(&agents, &stage).await.stays);
        let mark = stage.run.id.clone();
        next(&mut stage, "hello");
        let mut handle = agents.start(stage.run.clone());
        eventually(|| stage.path("begun").exists()).await;
        agents.end_all_but(|_, _| true);
        fs::write(stage.path("go"), "").unwrap();
        let end = ended(&to_the_end(&mut handle).await).clone();
        assert_eq!((&end.outcome, end.stays), (&answer(2), false), "{kind:?}");
        assert_eq!(carriers(&mark), [""; 0], "{kind:?}");
        assert_eq!(told(&mut agents).await.began_with, mark);
    }
}

#[tokio::test]
async fn it_waits_so_long_and_no_longer() {
    for kind in KINDS {
        let mut stage = stays(kind, "", "");
        stage.run.agent.idle = Duration::from_millis(50);
        let mut agents = stage.agents();
        assert!(run(&agents, &stage).await.stays);
        let over = told(&mut agents).await;
        assert_eq!((over.gone, over.why), (true, None), "{kind:?}");
        assert_eq!(carriers(&stage.run.id), [""; 0]);
        next(&mut stage, "hello");
        assert_eq!(run(&agents, &stage).await.outcome, answer(2));
        assert_eq!(pids(&stage).len(), 2);
    }
}

/// The trap: a background task, which answers when nobody asks.
#[tokio::test]
async fn what_goes_on_unasked_is_ended_and_told() {
    for (kind, says) in [
        (
            Kind::Claude,
            r#"{"type":"result","is_error":false,"result":"CANARY"}"#,
        ),
        (
            Kind::Codex,
            r#"{"method":"item/agentMessage/delta","params":{"threadId":"s-1","turnId":"u-9","itemId":"x","delta":"CANARY"}}"#,
        ),
        (
            Kind::Acp,
            r#"{"method":"session/update","params":{"sessionId":"s-1","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"CANARY"}}}}"#,
        ),
        // Only bookkeeping, but too much of it.
        (Kind::Acp, "flood"),
    ] {
        let says = match says {
            "flood" => "yes | head -c 3000000".to_owned(),
            says => format!("echo '{says}'"),
        };
        let then = format!("if [ $n = 1 ]; then while ! [ -e go ]; do sleep 0.01; done; {says}; fi");
        let mut stage = stays(kind, "", &then);
        let mut agents = stage.agents();
        assert!(run(&agents, &stage).await.stays, "{kind:?}");
        fs::write(stage.path("go"), "").unwrap();
        let acted = told(&mut agents).await;
        let why = acted.why.unwrap();
        assert!(acted.gone && why.contains("although nobody asked"), "{why}");
        assert!(!why.contains("CANARY"));
        assert_eq!(carriers(&stage.run.id), [""; 0]);
        next(&mut stage, "hello");
        assert_eq!(run(&agents, &stage).await.outcome, answer(2), "{kind:?}");
        assert_eq!(pids(&stage).len(), 2);
    }
}

/// If it arrives just after the next run has begun, it is not that run's answer.
#[tokio::test]
async fn output_of_an_earlier_turn_does_not_answer_a_later_one() {
    for (kind, late) in [
        (
            Kind::Claude,
            r#"echo '{"type":"system","subtype":"init","session_id":"s-1"}'
            echo '{"type":"stream_event","event":{"type":"content_block_delta","delta":{"type":"text_delta","text":"CANARY"}}}'
            echo '{"type":"control_request","request_id":"r","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"CANARY"}}}'
            IFS= read -r no; printf '%s\n' "$no" > no
            echo '{"type":"result","is_error":false,"result":"CANARY","total_cost_usd":1.25}'"#,
        ),
        (
            Kind::Codex,
            r#"echo '{"method":"turn/started","params":{"threadId":"s-1","turn":{"id":"u-1"}}}'
            echo '{"method":"item/agentMessage/delta","params":{"threadId":"s-1","turnId":"u-1","itemId":"x","delta":"CANARY"}}'
            echo '{"id":9,"method":"item/commandExecution/requestApproval","params":{"threadId":"s-1","turnId":"u-1","command":"CANARY"}}'
            IFS= read -r no; printf '%s\n' "$no" > no
            echo '{"method":"turn/completed","params":{"threadId":"s-1","turn":{"id":"u-1","status":"completed"}}}'"#,
        ),
    ] {
        let mut stage = stays(kind, late, "");
        let agents = stage.agents();
        assert!(run(&agents, &stage).await.stays);
        next(&mut stage, "hello");
        let events = to_the_end(&mut agents.start(stage.run.clone())).await;
        assert_eq!(ended(&events).outcome, answer(2), "{kind:?}");
        assert!(!format!("{events:?}").contains("CANARY"), "{events:?}");
        assert_eq!(notices(&events).len(), 1, "{events:?}");
        let no = fs::read_to_string(stage.path("no")).unwrap();
        assert!(no.contains("deny") || no.contains("not supported"), "{no}");
        assert_eq!(pids(&stage).len(), 1);
        if kind == Kind::Claude {
            // Its cost is charged to a run anyway.
            assert_eq!(ended(&events).usd, Some(1.0));
        }
    }
}

#[tokio::test]
async fn what_left_something_running_or_failed_does_not_stay() {
    for kind in KINDS {
        // Before the answer is reported, a tool in its own session is there.
        let mut stage = stays(kind, "", "");
        let script = fs::read_to_string(stage.path("agent")).unwrap();
        let leaves = script.replacen(
            "error=false;",
            "error=false; setsid sleep 1009 & while [ \"$(cut -d' ' -f6 /proc/$!/stat)\" != $! ]; do :; done;",
            1,
        );
        fs::write(stage.path("agent"), leaves).unwrap();
        let agents = stage.agents();
        let left = run(&agents, &stage).await;
        assert_eq!((&left.outcome, left.stays), (&answer(1), false), "{kind:?}");
        assert_eq!(carriers(&stage.run.id), [""; 0], "{kind:?}");

        fs::write(
            stage.path("agent"),
            script.replacen("error=false", "error=true", 1),
        )
        .unwrap();
        stage.again("hello");
        let failed = run(&agents, &stage).await;
        assert!(
            matches!(failed.outcome, Outcome::Failed(_)) && !failed.stays,
            "{kind:?}"
        );
        assert_eq!(carriers(&stage.run.id), [""; 0], "{kind:?}");
    }
}

/// A stop ends the program, even if it had served another run before.
#[tokio::test]
async fn a_stop_ends_it_with_everything() {
    for kind in KINDS {
        let mut stage = stays(
            kind,
            "trap '' INT TERM; setsid sleep 1010 & echo > begun; while :; do sleep 1000 & wait $!; done",
            "",
        );
        let mut agents = stage.agents();
        run(&agents, &stage).await;
        let mark = stage.run.id.clone();
        next(&mut stage, "hello");
        let mut handle = agents.start(stage.run.clone());
        eventually(|| stage.path("begun").exists()).await;
        handle.stop.cancel();
        let events = to_the_end(&mut handle).await;
        assert_eq!(ended(&events).outcome, Outcome::Cancelled, "{kind:?}");
        assert_eq!(carriers(&mark), [""; 0], "{kind:?}");
        assert_eq!(told(&mut agents).await.began_with, mark);
    }
}

#[tokio::test]
async fn a_program_that_exits_is_reported_and_replaced() {
    let mut stage = stays(Kind::Acp, "", "while ! [ -e go ]; do sleep 0.01; done; exit 0");
    let mut agents = stage.agents();
    assert!(run(&agents, &stage).await.stays);
    fs::write(stage.path("go"), "").unwrap();
    assert!(told(&mut agents).await.gone);
    next(&mut stage, "hello");
    assert_eq!(run(&agents, &stage).await.outcome, answer(2));
    assert_eq!(pids(&stage).len(), 2);
}

#[tokio::test]
async fn only_so_many_stay() {
    let mut stage = stays(Kind::Claude, "", "");
    let mut agents = stage.agents();
    let mut marks = Vec::new();
    for _ in 0..6 {
        stage.again("hello");
        assert!(run(&agents, &stage).await.stays);
        marks.push(stage.run.id.clone());
    }
    let gone = [
        told(&mut agents).await.began_with,
        told(&mut agents).await.began_with,
    ];
    assert!(gone.contains(&marks[0]) && gone.contains(&marks[1]));
    let living = marks.iter().filter(|mark| !carriers(mark).is_empty()).count();
    assert_eq!(living, 4);
}

/// The runtime shuts down without waiting.
#[test]
fn a_runtime_that_ends_takes_along_what_stays() {
    let stage = stays(Kind::Claude, "", "");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let agents = stage.agents();
    assert!(runtime.block_on(run(&agents, &stage)).stays);
    runtime.shutdown_timeout(Duration::from_secs(5));
    tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(eventually(|| carriers(&stage.run.id).is_empty()));
}
