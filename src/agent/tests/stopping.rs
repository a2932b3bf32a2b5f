//! Stopped runs, which leave nothing behind.

use std::time::Duration;

use super::support::*;
use crate::{
    agent::end_leftovers,
    core::runs::{Outcome, RunEvent, settings::Kind},
};

/// Starts `script` and waits until it prints `ready`.
async fn ready(stage: &Stage) -> crate::agent::Handle {
    let mut handle = stage.start();
    until(
        &mut handle,
        |event| matches!(event, RunEvent::Partial(text) if text.contains("ready")),
    )
    .await;
    handle
}

const WAIT: &str = "while :; do sleep 1000 & wait $!; done";

#[tokio::test]
async fn a_stop_ends_what_listens() {
    let stage = Stage::new(
        Kind::Command,
        "trap 'echo bye; exit 0' INT; echo ready; while :; do sleep 1000 & wait $!; done",
    );
    let mut handle = ready(&stage).await;
    handle.stop.cancel();
    let events = to_the_end(&mut handle).await;
    assert_eq!(ended(&events).outcome, Outcome::Cancelled);
    assert_eq!(carriers(&stage.run.id), [""; 0]);
}

#[tokio::test]
async fn a_stop_ends_what_does_not_listen() {
    let script = format!("trap '' INT TERM HUP; echo ready; {WAIT}");
    let stage = Stage::new(Kind::Command, &script);
    let mut handle = ready(&stage).await;
    handle.stop.cancel();
    let events = to_the_end(&mut handle).await;
    assert_eq!(ended(&events).outcome, Outcome::Cancelled);
    assert_eq!(carriers(&stage.run.id), [""; 0]);
}

/// The trap: tools run in their own sessions, where no signal to the group reaches them.
#[tokio::test]
async fn a_stop_reaches_tools_in_sessions_of_their_own() {
    let stage = Stage::new(
        Kind::Command,
        "setsid sh -c 'trap \"\" INT TERM HUP; echo $$ > tool.pid; while :; do sleep 1000; done' &
         setsid sh -c 'setsid env -u HOME sleep 1001 & echo $! > deep.pid; exec sleep 1002' &
         while ! [ -s tool.pid -a -s deep.pid ]; do :; done; echo ready; wait",
    );
    let mut handle = ready(&stage).await;
    assert!(lives(&stage.path("tool.pid")));
    assert!(carriers(&stage.run.id).len() >= 4);
    handle.stop.cancel();
    let events = to_the_end(&mut handle).await;
    assert_eq!(ended(&events).outcome, Outcome::Cancelled);
    assert!(!lives(&stage.path("tool.pid")));
    assert!(!lives(&stage.path("deep.pid")));
    assert_eq!(carriers(&stage.run.id), [""; 0]);
}

#[tokio::test]
async fn an_emptied_environment_does_not_hide_a_child() {
    let stage = Stage::new(
        Kind::Command,
        "setsid sh -c 'setsid env -i /bin/sh -c \"echo \\$\\$ > bare.pid; exec sleep 1003\" & wait' &
         while ! [ -s bare.pid ]; do :; done; echo ready; wait",
    );
    let mut handle = ready(&stage).await;
    handle.stop.cancel();
    to_the_end(&mut handle).await;
    assert!(!lives(&stage.path("bare.pid")));
}

/// Two processes that restart each other: one scan is not enough.
#[tokio::test]
async fn what_comes_back_is_ended_again() {
    let stage = Stage::new(
        Kind::Command,
        "cat > twin <<'X'
trap '' TERM INT
echo $$ > $1.pid
while :; do kill -0 $(cat $2.pid) 2>/dev/null || setsid sh ./twin $2 $1 & sleep 0.01; done
X
         echo $$ > a.pid; echo $$ > b.pid
         setsid sh ./twin a b & setsid sh ./twin b a &
         while [ $(cat a.pid) = $$ -o $(cat b.pid) = $$ ]; do :; done; echo ready; wait",
    );
    let mut handle = ready(&stage).await;
    handle.stop.cancel();
    let events = to_the_end(&mut handle).await;
    assert_eq!(notices(&events), [""; 0]);
    assert_eq!(carriers(&stage.run.id), [""; 0]);
}

/// An answer does not wait for processes that the agent left running, and they are ended.
#[tokio::test]
async fn leftovers_of_a_run_that_ended_well_are_ended() {
    let stage = Stage::new(
        Kind::Command,
        "setsid sh -c 'trap \"\" TERM; echo $$ > left.pid; while :; do sleep 1000; done' &
         while ! [ -s left.pid ]; do :; done; echo answer",
    );
    assert_eq!(stage.outcome().await, Outcome::Answer("answer".into()));
    assert!(!lives(&stage.path("left.pid")));
    assert_eq!(carriers(&stage.run.id), [""; 0]);
}

#[tokio::test]
async fn a_dropped_handle_ends_the_run() {
    let stage = Stage::new(
        Kind::Command,
        &format!("trap '' INT TERM; echo $$ > pid; echo ready; {WAIT}"),
    );
    drop(ready(&stage).await);
    gone(&stage).await;
}

/// The program shuts down without waiting for its runs.
#[test]
fn a_runtime_that_ends_takes_its_runs_along() {
    let stage = Stage::new(
        Kind::Command,
        &format!("echo $$ > pid; echo ready; setsid sleep 1004 & {WAIT}"),
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let handle = runtime.block_on(ready(&stage));
    runtime.shutdown_timeout(Duration::from_secs(5));
    drop(handle);
    tokio::runtime::Runtime::new().unwrap().block_on(gone(&stage));
}

/// Waits until the run's processes are gone.
async fn gone(stage: &Stage) {
    eventually(|| !lives(&stage.path("pid")) && carriers(&stage.run.id).is_empty()).await;
}

/// Tells the inner half of the next test the run's folder.
#[cfg(target_os = "linux")]
const INNER: &str = "NEXSCOPE_TEST_DIES_WITH";

/// Nexscope is killed and can do nothing more: the system ends its agents.
///
/// This test runs itself again in another process, which starts the agent and is killed.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_agent_does_not_outlive_a_program_that_is_killed() {
    let mut stage = Stage::new(
        Kind::Command,
        "echo $$ > pid.new; mv pid.new pid; exec sleep 1007",
    );
    if let Some(dir) = std::env::var_os(INNER) {
        stage.run.dir = dir.into();
        to_the_end(&mut stage.start()).await;
        return;
    }
    let name = "agent::tests::stopping::an_agent_does_not_outlive_a_program_that_is_killed";
    let mut program = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--test-threads=1"])
        .env(INNER, stage.dir.path())
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    eventually(|| stage.path("pid").exists()).await;
    assert!(lives(&stage.path("pid")));
    program.kill().await.unwrap();
    eventually(|| !lives(&stage.path("pid"))).await;
}

#[tokio::test]
async fn a_stop_before_the_start_is_one() {
    let stage = Stage::new(Kind::Command, "echo ready; sleep 1000");
    let mut handle = stage.start();
    handle.stop.cancel();
    let events = to_the_end(&mut handle).await;
    assert_eq!(ended(&events).outcome, Outcome::Cancelled);
    assert_eq!(carriers(&stage.run.id), [""; 0]);
}

#[tokio::test]
async fn leftovers_of_an_earlier_life_are_ended() {
    let run = format!("test-{}", uuid::Uuid::now_v7());
    let mut left = tokio::process::Command::new("sleep")
        .arg("1005")
        .env("NEXSCOPE_RUN_ID", &run)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    assert_eq!(end_leftovers(&run).await, 0);
    assert!(!left.wait().await.unwrap().success());
    // Another run's processes are not touched.
    assert_eq!(end_leftovers(&run[..run.len() - 1]).await, 0);
}

/// The terminal's Ctrl-C goes to our session; an agent has its own.
#[tokio::test]
async fn an_agent_has_a_session_of_its_own() {
    let stage = Stage::new(Kind::Command, "cut -d' ' -f1,5,6 /proc/self/stat; echo $$");
    let Outcome::Answer(answer) = stage.outcome().await else {
        panic!()
    };
    let numbers: Vec<&str> = answer.split_whitespace().collect();
    let [_, group, session, shell] = numbers[..] else {
        panic!("{answer}")
    };
    assert_eq!((group, session), (shell, shell));
}
