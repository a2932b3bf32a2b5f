//! Codex with permission requests, simulated by a script.

use std::{fs, time::Duration};

use serde_json::Value;

use super::support::*;
use crate::core::runs::{
    GrantRule, Outcome, ToolAnswer,
    settings::{Kind, Permissions},
};

const THREAD: &str = r#"{"id":2,"result":{"thread":{"id":"t-1"}}}"#;
const TURN: &str = r#"{"method":"turn/started","params":{"threadId":"t-1","turn":{"id":"u-1"}}}"#;
const ASKS: &str = r#"{"method":"item/commandExecution/requestApproval","id":0,"params":{"threadId":"t-1","turnId":"u-1","itemId":"c","command":"make"}}"#;
const STEERED: &str = r#"{"id":100,"result":{"turnId":"u-1"}}"#;
const SAID: &str = r#"{"method":"item/completed","params":{"threadId":"t-1","item":{"type":"agentMessage","id":"m","text":"fine"}}}"#;
const DONE: &str =
    r#"{"method":"turn/completed","params":{"threadId":"t-1","turn":{"id":"u-1","status":"completed"}}}"#;

/// A script that reads the first three lines, and, after its thread is open, one more as `turn`.
fn app(after: &str) -> Stage {
    let script = format!(
        "echo \"$@\" > args
         IFS= read -r initialize; IFS= read -r initialized; IFS= read -r thread; printf '%s\\n' \"$thread\" > thread
         echo '{THREAD}'; IFS= read -r turn; printf '%s\\n' \"$turn\" > turn; echo '{TURN}'
         {after}"
    );
    let mut stage = Stage::asking(Kind::Codex, &script, "use $skill");
    stage.run.agent.permissions = Permissions::Ask;
    stage
}

fn written(stage: &Stage, name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(stage.path(name)).unwrap()).unwrap()
}

#[tokio::test]
async fn it_knows_its_permissions_and_asks_for_the_rest() {
    let mut stage = app(&format!(
        "echo '{ASKS}'; IFS= read -r why; echo '{STEERED}'; IFS= read -r answer
         printf '%s\\n' \"$why\" > why; printf '%s\\n' \"$answer\" > answer
         echo '{SAID}'; echo '{DONE}'; cat > rest; echo end > rest.end"
    ));
    stage.run.resume = Some("t-1".to_owned());
    let mut handle = stage.start();
    let request = permission(&mut handle).await;
    assert_eq!(
        request.rule,
        Some(GrantRule::Call {
            tool: "shell".to_owned(),
            input: "make".to_owned()
        })
    );
    let no = ToolAnswer::Deny("not now".to_owned());
    handle.answers.send((request.id, no)).await.unwrap();
    let events = to_the_end(&mut handle).await;
    assert_eq!(ended(&events).outcome, Outcome::Answer("fine".into()));
    assert_eq!(ended(&events).session.as_deref(), Some("t-1"));
    assert!(stage.path("rest.end").exists(), "it did not end by itself");

    let thread = written(&stage, "thread");
    assert_eq!(thread["method"], "thread/resume");
    for (key, value) in [
        ("threadId", "t-1"),
        ("sandbox", "read-only"),
        ("approvalPolicy", "on-request"),
        ("approvalsReviewer", "user"),
        ("cwd", &stage.run.dir.display().to_string()),
    ] {
        assert_eq!(thread["params"][key], value);
    }
    let turn = written(&stage, "turn");
    let text = turn["params"]["input"][0]["text"].as_str().unwrap();
    assert!(text.contains("use $\u{200b}skill"), "{text}");
    assert_eq!(
        written(&stage, "why")["params"]["input"][0]["text"],
        "The person said no: not now"
    );
    assert_eq!(written(&stage, "answer")["result"]["decision"], "decline");
}

/// By its protocol first, then by closing its input: at SIGINT it would leave its tools behind.
#[tokio::test]
async fn it_is_interrupted_in_its_own_words_first() {
    let stage = app(&format!(
        "trap 'echo int > int' INT
         echo '{ASKS}'; IFS= read -r interrupt; printf '%s\\n' \"$interrupt\" > interrupt; cat > rest"
    ));
    let mut handle = stage.start();
    permission(&mut handle).await;
    handle.stop.cancel();
    let events = to_the_end(&mut handle).await;
    assert_eq!(ended(&events).outcome, Outcome::Cancelled);
    let interrupt = written(&stage, "interrupt");
    assert_eq!(interrupt["method"], "turn/interrupt");
    assert_eq!(interrupt["params"]["turnId"], "u-1");
    assert!(!stage.path("int").exists());
}

#[tokio::test]
async fn a_program_that_ignores_signals_is_ended() {
    let stage = app(&format!(
        "trap 'echo int > int' INT; trap 'echo term > term' TERM
         echo '{ASKS}'; while :; do sleep 1000 & wait $!; done"
    ));
    let mut handle = stage.start();
    permission(&mut handle).await;
    handle.stop.cancel();
    to_the_end(&mut handle).await;
    assert!(stage.path("term").exists() && !stage.path("int").exists());
    assert_eq!(carriers(&stage.run.id), [""; 0]);
}

/// Before the turn begins, nothing shows that a model answers.
#[tokio::test]
async fn what_shows_nothing_has_failed_and_a_person_may_take_long() {
    let mut stage = Stage::new(
        Kind::Codex,
        &format!("IFS= read -r a; echo '{THREAD}'; sleep 1000"),
    );
    stage.run.agent.stall = Duration::from_millis(300);
    assert_eq!(
        failure(&stage.outcome().await),
        "it has shown nothing for 300 ms; its provider may be down"
    );
    let mut stage = app(&format!(
        "echo '{ASKS}'; IFS= read -r answer; echo '{SAID}'; echo '{DONE}'"
    ));
    stage.run.agent.stall = Duration::from_millis(100);
    stage.run.agent.timeout = Duration::from_millis(600);
    let mut handle = stage.start();
    permission(&mut handle).await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    handle
        .answers
        .send(("0".to_owned(), ToolAnswer::Allow))
        .await
        .unwrap();
    let events = to_the_end(&mut handle).await;
    assert_eq!(ended(&events).outcome, Outcome::Answer("fine".into()));
}

/// Other members' text is in the one line that begins its turn, and nowhere else: not in its arguments, its
/// environment, a file of its folder, or any other line.
#[tokio::test]
async fn what_others_wrote_is_in_one_line_of_its_input() {
    const CANARY: &str = "canary-7f3a";
    for resume in [None, Some("t-1")] {
        // The script itself must not contain the word.
        let script = format!(
            "{{ echo \"$@\"; env; }} > seen; cat \"$(dirname \"$0\")\"/* > files
             IFS= read -r initialize; IFS= read -r initialized; IFS= read -r thread; echo '{THREAD}'
             IFS= read -r turn; echo '{TURN}'; echo '{SAID}'; echo '{DONE}'; cat > rest
             printf '%s\\n' \"$initialize\" \"$initialized\" \"$thread\" > before
             printf '%s\\n' \"$turn\" > turn; echo end > rest.end"
        );
        let mut stage = Stage::asking(Kind::Codex, &script, &format!("{CANARY} hello"));
        stage.run.agent.permissions = Permissions::Ask;
        stage.run.resume = resume.map(str::to_owned);
        assert_eq!(stage.outcome().await, Outcome::Answer("fine".into()));
        for name in ["seen", "files", "before", "rest"] {
            let text = fs::read_to_string(stage.path(name)).unwrap();
            assert!(!text.contains(CANARY), "{name}: {text}");
        }
        let turn = fs::read_to_string(stage.path("turn")).unwrap();
        assert_eq!(turn.matches(CANARY).count(), 1);
        assert_eq!(written(&stage, "turn")["method"], "turn/start");
    }
}
