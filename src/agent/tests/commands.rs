//! `kind = "command"`: any program.

use std::time::Duration;

use super::support::*;
use crate::{
    agent::Agents,
    core::{
        Failure,
        runs::{
            Outcome, RunEvent,
            settings::{Kind, Permissions},
        },
    },
};

fn stage(script: &str) -> Stage {
    Stage::new(Kind::Command, script)
}

#[test]
fn a_program_in_the_home_folder_is_found() {
    let mut stage = Stage::new(Kind::Command, "");
    stage.run.agent.command = vec!["~/bin/ag".into(), "~/x".into()];
    let home = std::env::home_dir().expect("a home");
    assert_eq!(
        stage.run.command(),
        [home.join("bin/ag").into_os_string(), "~/x".into()]
    );
}

#[tokio::test]
async fn the_prompt_goes_in_and_the_answer_comes_out() {
    let stage = Stage::asking(Kind::Command, "cat", "look at @/etc/hostname");
    let Outcome::Answer(answer) = stage.outcome().await else {
        panic!()
    };
    assert!(answer.contains("look at"), "{answer}");
    // The agent's own output is cleaned: the mark that we insert after the @ is removed from it.
    assert!(answer.contains("@/etc/hostname"), "{answer}");
}

#[tokio::test]
async fn every_at_sign_of_the_prompt_is_defused() {
    // The bytes that the program receives.
    let stage = Stage::asking(Kind::Command, "od -An -c -v", "@a\n@b \"@c\" x@d");
    let Outcome::Answer(dump) = stage.outcome().await else {
        panic!()
    };
    let bytes: Vec<&str> = dump.split_whitespace().collect();
    let ats: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == "@").collect();
    assert!(ats.len() >= 4, "{dump}");
    for at in ats {
        assert_eq!(bytes[at + 1..at + 4], ["342", "200", "213"], "{dump}");
    }
}

#[tokio::test]
async fn the_answer_grows_as_it_comes() {
    let stage = stage("cat >/dev/null; echo one; read go < go; echo two");
    let fifo = stage.path("go");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let mut handle = stage.start();
    let partial = until(&mut handle, |event| matches!(event, RunEvent::Partial(_))).await;
    assert_eq!(partial, RunEvent::Partial("one\n".into()));
    std::fs::write(&fifo, "go\n").unwrap();
    let events = to_the_end(&mut handle).await;
    assert_eq!(ended(&events).outcome, Outcome::Answer("one\ntwo".into()));
}

#[tokio::test]
async fn what_went_wrong_is_no_answer() {
    for (script, want) in [
        (
            "echo the answer; echo no such model >&2; exit 3",
            "it ended with exit code 3: no such model",
        ),
        // A trap: `claude -p` as a plain command prints its errors in place of answers.
        (
            "echo API Error: Repeated 529; exit 1",
            "it ended with exit code 1: API Error: Repeated 529",
        ),
        ("exit 7", "it ended with exit code 7 and said nothing"),
        (
            "printf 'a\\033[31mb\\033]0;t\\007c' >&2; exit 1",
            "it ended with exit code 1: abc",
        ),
        ("kill -9 $$", "it ended with signal 9 and said nothing"),
    ] {
        assert_eq!(failure(&stage(script).outcome().await), want);
    }
}

#[tokio::test]
async fn the_end_of_a_long_complaint_is_kept() {
    let outcome = stage("yes noise | head -c 300000 >&2; echo the reason >&2; exit 1")
        .outcome()
        .await;
    assert!(failure(&outcome).ends_with("the reason"), "{outcome:?}");
    assert!(failure(&outcome).len() < 700);
}

/// Issue 16, 39: the middle of a usage text was shown.
#[tokio::test]
async fn a_usage_text_is_shown_by_the_line_that_says_what_is_wrong() {
    let options = "for i in $(seq 200); do echo \"  --option-$i VALUE  sets option $i to a value\"; done";
    let script = format!(
        "{{ echo \"error: unknown option '--x'\"; echo; echo 'Usage: ag [options]'; {options}; }} >&2; exit 1"
    );
    let outcome = stage(&script).outcome().await;
    assert_eq!(
        failure(&outcome),
        "it ended with exit code 1: error: unknown option '--x'"
    );
}

#[tokio::test]
async fn an_empty_answer_is_none() {
    for (script, details) in [
        ("true", "it ended without an answer"),
        ("echo", "it ended without an answer"),
        ("cat >/dev/null; printf ' \\n\\n'", "it ended without an answer"),
        // Nothing is left of it after cleaning.
        ("printf '\\033[2J'", "it ended without an answer"),
        ("echo no model >&2", "it ended with exit code 0: no model"),
    ] {
        let Outcome::Failed(failed) = stage(script).outcome().await else {
            panic!("{script}")
        };
        assert_eq!(
            (failed.why, &*failed.details),
            (Failure::NoAnswer, details),
            "{script}"
        );
    }
}

/// Its output stays with its person: the asker is only told that it failed.
#[tokio::test]
async fn output_of_a_failed_run_is_kept_but_is_not_its_reason() {
    let ending = stage("echo the unreleased plan; exit 3").ending().await;
    let Outcome::Failed(failed) = &ending.outcome else {
        panic!("{ending:?}")
    };
    assert_eq!(failed.why, Failure::Exited);
    assert!(failed.details.contains("the unreleased plan"));
    assert_eq!(ending.unfinished, "the unreleased plan");
}

#[tokio::test]
async fn output_that_is_no_text_is_made_text() {
    let outcome = stage(r"printf 'a\377b\033[2Jc\000d\r\ne'").outcome().await;
    assert_eq!(outcome, Outcome::Answer("a\u{fffd}bcd\ne".into()));
}

#[tokio::test]
async fn a_flood_is_cut_and_does_not_fill_memory() {
    let events = stage("yes 0123456789 | head -c 50000000").events().await;
    let Outcome::Answer(answer) = &ended(&events).outcome else {
        panic!()
    };
    assert!(answer.len() < (1 << 20) + 100);
    assert!(answer.ends_with("[cut here: the answer is longer than 1 MiB]"));
    assert!(events.len() < 2_000, "{}", events.len());
}

#[tokio::test]
async fn a_slow_reader_loses_no_end_and_holds_nobody_up() {
    let stage = stage("for i in $(seq 2000); do echo $i; done; echo > finished");
    let mut handle = stage.start();
    // Nothing is read until the program has finished.
    eventually(|| stage.path("finished").exists()).await;
    let events = to_the_end(&mut handle).await;
    let Outcome::Answer(answer) = &ended(&events).outcome else {
        panic!()
    };
    assert!(answer.ends_with("\n2000"));
}

#[tokio::test]
async fn a_program_that_does_not_read_is_fine() {
    let text = "x".repeat(500_000);
    let stage = Stage::asking(Kind::Command, "exec 0<&-; echo fine", &text);
    assert_eq!(stage.outcome().await, Outcome::Answer("fine".into()));
}

#[tokio::test]
async fn a_program_that_cannot_start_says_why() {
    let mut stage = stage("");
    stage.run.agent.command = vec!["no-such-agent".to_owned()];
    let want = "`no-such-agent` was not found: install it, or set `command` to where it is";
    assert_eq!(failure(&stage.outcome().await), want);

    stage.run.agent.command.clear();
    assert_eq!(
        failure(&stage.outcome().await),
        "no program is named: set `command` in its table"
    );

    stage.run.agent.command = vec!["sh".to_owned()];
    stage.run.dir = stage.path("nowhere");
    let outcome = stage.outcome().await;
    assert!(
        failure(&outcome).ends_with("nowhere does not exist"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_run_has_a_limit() {
    let mut stage = stage("cat >/dev/null; read never < fifo");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(stage.path("fifo"))
            .status()
            .unwrap()
            .success()
    );
    stage.run.agent.timeout = Duration::from_millis(300);
    let want = "it reached its time limit of 300 ms";
    assert_eq!(failure(&stage.outcome().await), want);
}

#[tokio::test]
async fn its_environment_is_made_from_the_list() {
    let mut stage = stage("env; echo cwd=$(pwd -P)");
    for (name, value) in [
        ("NEXSCOPE_TOKEN", "canary-token"),
        ("NEXSCOPE_RELAY_URL", "canary-relay"),
        ("NEXSCOPE_RUN_ID", "canary-other-run"),
        ("SECRET_X", "canary-secret"),
        ("CLAUDECODE", "canary-nested"),
        ("CLAUDE_CODE_SSE_PORT", "canary-nested"),
        ("NAMED", "yes"),
        ("HOME", "/home/alice"),
        ("TERM", "canary-xterm"),
    ] {
        stage.env.push((name.to_owned(), value.to_owned()));
    }
    stage.run.agent.env = vec!["NAMED".to_owned(), "NEXSCOPE_TOKEN".to_owned()];
    let Outcome::Answer(answer) = stage.outcome().await else {
        panic!()
    };
    assert!(!answer.contains("canary"), "{answer}");
    for line in [
        "HOME=/home/alice",
        "NAMED=yes",
        "TERM=dumb",
        &format!("NEXSCOPE_RUN_ID={}", stage.run.id),
    ] {
        assert!(answer.lines().any(|l| l == line), "{line} in {answer}");
    }
    let dir = stage.dir.path().canonicalize().unwrap();
    assert!(answer.contains(&format!("cwd={}", dir.display())), "{answer}");
}

#[tokio::test]
async fn the_programs_own_environment_is_what_it_starts_from() {
    let stage = stage("echo ${HOME:+there}");
    let mut handle = Agents::new().start(stage.run.clone());
    let events = to_the_end(&mut handle).await;
    assert_eq!(ended(&events).outcome, Outcome::Answer("there".into()));
}

/// Other members' text is on the standard input of the program, and nowhere else: not in its arguments, which
/// every user of the computer can read, not in its environment, and not in a file of its folder.
#[tokio::test]
async fn what_others_wrote_is_on_standard_input_alone() {
    const CANARY: &str = "canary-7f3a";
    for (kind, permissions) in [
        (Kind::Claude, Permissions::Ask),
        (Kind::Claude, Permissions::ReadOnly),
        (Kind::Codex, Permissions::ReadOnly),
        (Kind::Codex, Permissions::Allow),
        (Kind::Command, Permissions::Ask),
    ] {
        // Claude Code's input is one line, and stays open.
        let lines = if kind == Kind::Claude { 1 } else { 50 };
        let script = format!(
            "cat \"$(dirname \"$0\")\"/* | grep -c '{CANARY}' > found; {{ echo \"$@\"; env; }} > seen; head -n {lines} > read"
        );
        // The script itself contains the word once.
        let mut stage = Stage::asking(kind, &script, CANARY);
        stage.run.agent.permissions = permissions;
        stage.outcome().await;
        let file = |name: &str| std::fs::read_to_string(stage.path(name)).unwrap();
        assert_eq!(file("found").trim(), "1", "{kind:?}");
        assert!(!file("seen").contains(CANARY), "{kind:?}: {}", file("seen"));
        assert_eq!(file("read").matches(CANARY).count(), 1, "{kind:?}");
    }
}
