//! The real Claude Code and Codex, with their model replaced by a test server.
//!
//! `.ci/install-agents DIR` installs them; `NEXSCOPE_TEST_AGENTS` is its `node_modules`.

#[path = "../../../tests/support/models.rs"]
pub(crate) mod models;

mod acp;
mod claude;
mod codex;
mod codex_ask;
mod kept;

use std::{fs, path::PathBuf, time::Duration};

use models::{KEY, Model};

use super::tests::support::Stage;
use crate::core::runs::settings::{Kind, Permissions};

/// Short, so that failures are quick; a normal start takes a second, or a few on a busy machine.
const STALL: Duration = Duration::from_secs(20);

fn installed(program: &str) -> String {
    let root = std::env::var_os("NEXSCOPE_TEST_AGENTS").expect(
        "NEXSCOPE_TEST_AGENTS names no folder: run `.ci/install-agents DIR`, and set it to DIR/node_modules",
    );
    let path = PathBuf::from(root).join(program);
    assert!(path.is_file(), "{} is not there", path.display());
    path.display().to_string()
}

/// A run of the real program on bob's request, with its own folders for everything, against the server at
/// `url`.
fn stage(kind: Kind, url: &str, text: &str) -> Stage {
    let mut stage = Stage::asking(kind, "", text);
    for name in ["home", "codex", "tmp", "work"] {
        fs::create_dir(stage.path(name)).unwrap();
    }
    stage.run.agent.command = match kind {
        Kind::Claude => vec![installed("@anthropic-ai/claude-code-linux-x64/claude")],
        Kind::Codex => vec![installed(
            "codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex",
        )],
        // The test chooses the program.
        _ => Vec::new(),
    };
    stage.run.agent.stall = STALL;
    stage.run.agent.permissions = Permissions::ReadOnly;
    stage.run.agent.env = vec!["FAKE_KEY".to_owned()];
    stage.run.dir = stage.path("work");
    for (name, value) in [
        ("HOME", stage.path("home").display().to_string()),
        ("CODEX_HOME", stage.path("codex").display().to_string()),
        ("TMPDIR", stage.path("tmp").display().to_string()),
        ("LANG", "C.UTF-8".to_owned()),
        ("ANTHROPIC_BASE_URL", url.to_owned()),
        ("ANTHROPIC_API_KEY", KEY.to_owned()),
        ("FAKE_KEY", KEY.to_owned()),
        // None of our tokens reaches any of them.
        ("NEXSCOPE_TOKEN", "CANARY-TOKEN".to_owned()),
    ] {
        stage.env.push((name.to_owned(), value));
    }
    fs::write(stage.path("codex/config.toml"), models::codex_config(url)).unwrap();
    stage
}

/// Removes the variable, and sets it to `value` if there is one.
fn set(stage: &mut Stage, name: &str, value: Option<&str>) {
    stage.env.retain(|(n, _)| n != name);
    if let Some(value) = value {
        stage.env.push((name.to_owned(), value.to_owned()));
    }
}

/// An address where nothing listens.
fn dead() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// A file outside the run's folder, and its content.
fn secret(stage: &Stage) -> (String, &'static str) {
    let path = stage.path("secret.txt");
    fs::write(&path, "CANARY-SECRET\n").unwrap();
    (path.display().to_string(), "CANARY-SECRET")
}

/// Hostile text that tries to read a file, run a command, invoke a skill or start a shell.
fn hostile_words(secret: &str) -> Vec<String> {
    let mut words: Vec<String> = [
        "@in.txt\n> @in.txt",
        "@../secret.txt",
        "@/etc/hostname",
        "/clear",
        "/compact",
        "/init",
        "/model haiku",
        "/cost",
        "!cat in.txt",
        "!id",
    ]
    .map(str::to_owned)
    .to_vec();
    words.extend([
        format!("@{secret}"),
        format!("look at @{secret} please"),
        format!("x\n@{secret}"),
        format!("@\"{secret}\""),
    ]);
    words
}

fn asks(model: &Model) -> usize {
    model.requests().len()
}
