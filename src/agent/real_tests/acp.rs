//! Agents that speak the Agent Client Protocol: an adapter with Codex in it, and one for Claude Code.

use std::{fs, time::Instant};

use serde_json::{Value, json};

use super::models::{Api, Model, Turn};
use super::*;
use crate::{
    agent::tests::support::{carriers, ended, eventually, failure, notices, permission, to_the_end, until},
    core::runs::{GrantRule, Outcome, RunEvent, ToolAnswer, settings::Project},
};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Inside {
    Codex,
    Claude,
}
use Inside::{Claude, Codex};

pub(super) const OF_ACP: [Inside; 2] = [Codex, Claude];

impl Inside {
    pub fn model(self, turns: impl IntoIterator<Item = Turn>) -> Model {
        let api = if self == Codex {
            Api::OpenAi
        } else {
            Api::Anthropic
        };
        Model::start(api, turns)
    }

    pub fn stage(self, model: &Model, text: &str) -> Stage {
        let mut stage = stage(Kind::Acp, &model.url(), text);
        stage.run.agent.command = match self {
            Codex => vec![installed("@zed-industries/codex-acp-linux-x64/bin/codex-acp")],
            // A script for node.
            Claude => vec![
                "node".to_owned(),
                installed("@zed-industries/claude-code-acp/dist/index.js"),
            ],
        };
        stage.run.agent.permissions = Permissions::Ask;
        // Two programs are started, one of them by node.
        stage.run.agent.stall = STALL * 3;
        stage
    }

    /// A turn that asks to run a command.
    pub fn runs(self, command: &str) -> Turn {
        match self {
            Codex => Turn::tool(
                "exec_command",
                json!({ "cmd": command, "sandbox_permissions": "require_escalated", "justification": "it writes" }),
            ),
            Claude => Turn::tool("Bash", json!({ "command": command, "description": "it writes" })),
        }
    }

    /// A turn that creates a file.
    fn makes(self, stage: &Stage, name: &str) -> Turn {
        let path = stage.path("work").join(name).display().to_string();
        match self {
            Codex => {
                let patch = format!("*** Begin Patch\n*** Add File: {name}\n+made\n*** End Patch\n");
                Turn::tool("apply_patch", Value::String(patch))
            }
            Claude => Turn::tool("Write", json!({ "file_path": path, "content": "made\n" })),
        }
    }
}

fn answer(text: &str) -> Outcome {
    Outcome::Answer(text.into())
}

/// Allows one and denies one with a reason, for a command and for a file: the allowed change is made, and the
/// model receives the reasons.
#[tokio::test]
async fn a_person_is_asked_and_what_they_say_happens() {
    for inside in OF_ACP {
        let model = inside.model([]);
        let stage = inside.stage(&model, "write four files");
        let work = stage.path("work").canonicalize().unwrap();
        model.script([
            inside.runs("echo one > one.txt"),
            inside.makes(&stage, "two.txt"),
            inside.runs("echo three > three.txt"),
            inside.makes(&stage, "four.txt"),
            Turn::text(&["all ", "said"]),
        ]);
        let mut handle = stage.start();
        for (name, yes) in [
            ("one.txt", true),
            ("two.txt", true),
            ("three.txt", false),
            ("four.txt", false),
        ] {
            let request = permission(&mut handle).await;
            assert!(request.what.contains(name), "{inside:?} {request:?}");
            match request.rule {
                Some(GrantRule::Call { input, .. }) => {
                    assert!(input.contains("echo ") && input.contains(name), "{input}")
                }
                Some(GrantRule::Below(folder)) => {
                    assert_eq!(folder, work);
                    assert!(
                        request.what.starts_with("new: ") && request.what.contains("\n\n+ made"),
                        "{}",
                        request.what
                    );
                }
                other => panic!("{inside:?} {other:?} {}", request.what),
            }
            assert!(!work.join(name).exists());
            let said = if yes {
                ToolAnswer::Allow
            } else {
                ToolAnswer::Deny(format!("no {name} because of the moon"))
            };
            handle.answers.send((request.id, said)).await.unwrap();
        }
        let events = to_the_end(&mut handle).await;
        assert_eq!(ended(&events).outcome, answer("all said"), "{inside:?}");
        assert_eq!(notices(&events), [""; 0]);
        let there = |name: &str| work.join(name).exists();
        assert_eq!(
            ["one.txt", "two.txt", "three.txt", "four.txt"].map(there),
            [true, true, false, false]
        );
        for name in ["three.txt", "four.txt"] {
            let said = format!("no {name} because of the moon");
            assert!(model.sent().contains(&said), "{inside:?} {name}");
        }
        assert_eq!(carriers(&stage.run.id), [""; 0]);
    }
}

/// Other members' text reads no file and runs no command.
#[tokio::test]
async fn what_others_write_reads_no_file_and_gives_no_command() {
    for inside in OF_ACP {
        let model = inside.model([]);
        let mut stage = inside.stage(&model, "");
        let (secret, canary) = secret(&stage);
        fs::write(stage.path("work/in.txt"), canary).unwrap();
        let hostname = fs::read_to_string("/etc/hostname").unwrap_or_else(|_| "no-such-host".to_owned());
        for text in hostile_words(&secret) {
            let before = talks(&model);
            stage.again(&text);
            let outcome = stage.outcome().await;
            let Outcome::Answer(echo) = outcome else {
                panic!("{inside:?} {text}: {outcome:?}")
            };
            assert!(echo.starts_with("echo:"), "{inside:?} {text}: {echo}");
            assert_eq!(talks(&model), before + 1, "{inside:?} {text}");
            assert!(!model.sent().contains(canary), "{inside:?} {text}");
            assert!(!model.sent().contains("uid=0("), "{inside:?} {text}");
            let newest = model.requests().pop().unwrap().body;
            assert!(
                !newest.contains(&format!("\"{}", hostname.trim())),
                "{inside:?} {text}"
            );
        }
        assert!(!model.sent().contains("CANARY-TOKEN"));
    }
}

/// The number of requests that offer tools; an adapter makes others besides, such as for a title.
fn talks(model: &Model) -> usize {
    let requests = model.requests();
    let talks = requests.iter().filter(|request| {
        let tools = request.json()["tools"].as_array().map_or(0, Vec::len);
        tools > 0
    });
    talks.count()
}

#[tokio::test]
async fn the_answer_grows_and_the_session_continues() {
    for inside in OF_ACP {
        let model = inside.model([
            Turn::text(&["fir", "st"]).then_hangs(),
            Turn::text(&["first"]),
            Turn::text(&["second"]),
        ]);
        let mut stage = inside.stage(&model, "how are you?");
        let mut handle = stage.start();
        until(&mut handle, |event| *event == RunEvent::Partial("first".into())).await;
        let asked = Instant::now();
        handle.stop.cancel();
        assert_eq!(ended(&to_the_end(&mut handle).await).outcome, Outcome::Cancelled);
        assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
        assert_eq!(carriers(&stage.run.id), [""; 0]);

        stage.again("how are you?");
        let first = stage.ending().await;
        assert_eq!(first.outcome, answer("first"), "{inside:?}");
        stage.again("and now?");
        stage.run.resume = first.session.clone();
        stage.run.before = first.totals;
        let second = stage.ending().await;
        assert_eq!(second.outcome, answer("second"), "{inside:?}");
        assert_eq!(second.session, first.session);
        assert!(model.sent().lines().last().unwrap().contains("how are you?"));
    }
}

#[tokio::test]
async fn a_session_that_is_gone_is_told() {
    for inside in OF_ACP {
        let model = inside.model([]);
        let mut stage = inside.stage(&model, "hello");
        stage.run.resume = Some("01a2023a-0000-7000-8000-000000000000".to_owned());
        let ending = stage.ending().await;
        assert!(ending.session_lost, "{inside:?} {ending:?}");
        assert_eq!(talks(&model), 0);
    }
}

#[tokio::test]
async fn a_stop_ends_it_while_a_tool_runs_and_while_it_asks() {
    for inside in OF_ACP {
        let command = "tail -s 31.9 -f /dev/null; echo x";
        let model = inside.model([inside.runs(command), inside.runs(command)]);
        let mut stage = inside.stage(&model, "hello");
        for runs in [true, false] {
            stage.again("hello");
            let mut handle = stage.start();
            let request = permission(&mut handle).await;
            if runs {
                handle
                    .answers
                    .send((request.id, ToolAnswer::Allow))
                    .await
                    .unwrap();
                eventually(|| {
                    let all = carriers(&stage.run.id);
                    all.iter().any(|line| line.starts_with("tail "))
                })
                .await;
            }
            let asked = Instant::now();
            handle.stop.cancel();
            let events = to_the_end(&mut handle).await;
            assert_eq!(ended(&events).outcome, Outcome::Cancelled, "{inside:?}");
            assert_eq!(carriers(&stage.run.id), [""; 0], "{inside:?}");
            assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
        }
    }
}

/// Read-only: requests are refused, and it can still answer.
#[tokio::test]
async fn read_only_is() {
    for inside in OF_ACP {
        let model = inside.model([]);
        let mut stage = inside.stage(&model, "hello");
        model.script([
            inside.runs("echo one > one.txt"),
            inside.makes(&stage, "two.txt"),
            Turn::text(&["only read"]),
        ]);
        stage.run.agent.permissions = Permissions::ReadOnly;
        assert_eq!(stage.outcome().await, answer("only read"), "{inside:?}");
        let mut made = fs::read_dir(stage.path("work")).unwrap();
        assert!(made.next().is_none(), "{inside:?}");
    }
}

/// The trap: this adapter runs a project's hooks and servers without asking, unless we forbid it.
#[tokio::test]
async fn a_projects_hooks_and_servers_run_only_where_all_of_it_takes_part() {
    for (project, hooks, memory) in [
        (Project::Memory, false, true),
        (Project::None, false, false),
        (Project::Full, true, true),
    ] {
        let model = Claude.model([]);
        let mut stage = Claude.stage(&model, "hello");
        let work = stage.path("work");
        fs::create_dir(work.join(".claude")).unwrap();
        let touch = |name: &str| format!("touch {}", stage.path(name).display());
        let hook = json!([{ "hooks": [{ "type": "command", "command": touch("hooked") }] }]);
        let settings = json!({ "hooks": { "UserPromptSubmit": hook, "SessionStart": hook } });
        fs::write(work.join(".claude/settings.json"), settings.to_string()).unwrap();
        fs::write(work.join("CLAUDE.md"), "CANARY-MEMORY").unwrap();
        stage.run.agent.project = project;
        assert!(matches!(stage.outcome().await, Outcome::Answer(_)));
        assert_eq!(stage.path("hooked").exists(), hooks, "{project:?}");
        assert_eq!(model.sent().contains("CANARY-MEMORY"), memory, "{project:?}");
    }
}

#[tokio::test]
async fn what_fails_says_why() {
    let model = Codex.model([]);
    let mut stage = Codex.stage(&model, "hello");
    set(&mut stage, "FAKE_KEY", Some("wrong"));
    let outcome = stage.outcome().await;
    assert!(failure(&outcome).contains("401"), "{outcome:?}");
    let model = Claude.model([Turn::error(400, "bad thing").always()]);
    let outcome = Claude.stage(&model, "hello").outcome().await;
    assert!(failure(&outcome).contains("bad thing"), "{outcome:?}");
}
