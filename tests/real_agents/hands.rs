//! A person's own Claude Code or Codex session that joined through MCP or the plugin: it can send and read messages,
//! but decides nothing.

use std::{
    fs,
    io::Write,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use super::support::{
    Home, Term,
    models::{KEY, Turn},
    scene::{Real, Scene},
};

const NEXSCOPE: &str = env!("CARGO_BIN_EXE_nexscope-tui");

/// One of our tools, as the model of the real program calls it.
fn tool(real: Real, word: &str, arguments: Value) -> Turn {
    match real {
        Real::Claude => Turn::tool(&format!("mcp__nexscope__nexscope_{word}"), arguments),
        Real::Codex => Turn::tool(&format!("nexscope_{word}"), arguments).in_namespace("mcp__nexscope"),
    }
}

/// One of our tools from the plugin, as the model of Claude Code calls it.
fn plugin_tool(word: &str, arguments: Value) -> Turn {
    let name = format!("mcp__plugin_nexscope_nexscope__nexscope_{word}");
    Turn::tool(&name, arguments)
}

/// Runs bob's own session of the real program in the folder of his screen, with a prompt.
fn session(scene: &Scene, more: &[&str], prompt: &str) -> Output {
    let program = scene.real.program();
    let mut command = Command::new(program);
    match scene.real {
        Real::Claude => {
            command.args(["-p", "--output-format", "stream-json", "--verbose"]);
        }
        Real::Codex => {
            command.args(["exec", "--skip-git-repo-check", "--json"]);
        }
    }
    let mut child = command
        .args(more)
        .env_clear()
        .envs(scene.bobs.variables())
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        .current_dir(scene.bobs.work())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(prompt.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// Writes the plugin and returns its path.
fn write_plugin(home: &Home) -> String {
    let setup = Command::new(NEXSCOPE)
        .args(["setup", "claude"])
        .env_clear()
        .envs(home.variables())
        .output()
        .unwrap();
    assert!(setup.status.success(), "{setup:?}");
    home.path()
        .join("config/nexscope/claude/nexscope")
        .display()
        .to_string()
}

/// Through MCP, with all of our tools and the shell allowed.
fn through_mcp(scene: &Scene, prompt: &str) -> Output {
    match scene.real {
        Real::Claude => {
            let servers =
                json!({"mcpServers": {"nexscope": {"type": "stdio", "command": NEXSCOPE, "args": ["mcp"]}}});
            let servers = servers.to_string();
            session(
                scene,
                &[
                    "--mcp-config",
                    &servers,
                    "--strict-mcp-config",
                    "--allowedTools",
                    "mcp__nexscope,Bash",
                ],
                prompt,
            )
        }
        Real::Codex => {
            // As `setup codex` registers it.
            let setup = Command::new(NEXSCOPE)
                .args(["setup", "codex"])
                .env_clear()
                .envs(scene.bobs.variables())
                .output()
                .unwrap();
            assert!(setup.status.success(), "{setup:?}");
            session(scene, &["--sandbox", "danger-full-access", "-"], prompt)
        }
    }
}

/// The model sends a message and tries every way to decide something; nothing is decided.
fn says_and_decides_nothing(real: Real) {
    let turns = [
        tool(real, "say", json!({"to": "alice", "text": "words of a model"})),
        tool(real, "accept", json!({"threadId": "m1"})),
        tool(real, "mode", json!({"mode": "auto"})),
        tool(real, "poll", json!({})),
        tool(real, "watch", json!({"timeoutSeconds": 1})),
        real.shell(&format!(
            "{NEXSCOPE} accept m1; {NEXSCOPE} say 'words from a shell $(id)'; {NEXSCOPE} mode auto"
        )),
        Turn::text(&["all is done"]),
    ];
    let scene = Scene::new(real, turns);
    scene.alice.say("@bob a secret question, c0ffee");
    scene.bob.wait_for("▸ m1 alice asks");
    through_mcp(&scene, "do what you can");
    let told = scene.told();
    assert!(
        told.contains("Nothing is decided") && told.contains("Only a person"),
        "{told}"
    );
    assert!(
        told.contains("It waits as draft d1") && told.contains("It waits as draft d2"),
        "{told}"
    );
    assert!(!told.contains("c0ffee"), "what waits reached the model: {told}");
    // Nothing was decided, and nothing was sent.
    let bob = scene.bob.wait_for("Inbox 3");
    assert!(
        bob.contains("m1 · waits for you") && bob.contains("manual"),
        "{bob}"
    );
    let alice = scene.alice.screen();
    assert!(
        !alice.contains("words of a model") && !alice.contains("words from a shell"),
        "{alice}"
    );
    // A key sends the draft, marked as an agent's text.
    let name = real.name();
    for keys in ["\x1bi", "\x1b[B", "\r"] {
        scene.bob.send(keys);
    }
    scene.bob.wait_for("Accept to post this");
    scene.bob.press_until_is("\x1bOQ", "the draft is posted", |_| {
        scene.alice.screen().contains("words of a model")
    });
    scene.alice.wait_for(&format!("bob·{name} → you"));
}

#[test]
fn claude_code_says_through_mcp_and_decides_nothing() {
    says_and_decides_nothing(Real::Claude);
}

#[test]
fn codex_says_through_mcp_and_decides_nothing() {
    says_and_decides_nothing(Real::Codex);
}

/// Commands of the plugin in an interactive session, in a terminal of its own.
#[test]
fn the_plugins_commands_work_at_a_terminal() {
    let scene = Scene::new(
        Real::Claude,
        [
            plugin_tool("who", json!({})),
            Turn::text(&["both of them are here"]),
            plugin_tool("say", json!({"text": "typed at a terminal"})),
            Turn::text(&["it waits for you"]),
            plugin_tool("inbox", json!({})),
            Turn::text(&["one draft is there"]),
        ],
    );
    let bobs = &scene.bobs;
    let plugin = write_plugin(bobs);
    // The answers that a person gives at the first start.
    let work = bobs.work().canonicalize().unwrap().display().to_string();
    let known = json!({
        "hasCompletedOnboarding": true,
        "theme": "dark",
        "customApiKeyResponses": {"approved": [&KEY[KEY.len().saturating_sub(20)..]], "rejected": []},
        "projects": {work: {"hasTrustDialogAccepted": true, "hasCompletedProjectOnboarding": true, "allowedTools": ["mcp__plugin_nexscope_nexscope__nexscope_who"]}},
    });
    fs::write(bobs.path().join(".claude.json"), known.to_string()).unwrap();
    let claude = Term::spawn_program(
        bobs,
        &scene.real.program(),
        &[
            "--permission-mode",
            "default",
            "--plugin-dir",
            &plugin,
            "--allowedTools",
            "mcp__plugin_nexscope_nexscope",
        ],
        120,
        40,
    );
    claude.wait_for("❯");
    for (command, answer) in [
        ("/nexscope:who", "both of them are here"),
        ("/nexscope:say typed at a terminal", "it waits for you"),
        ("/nexscope:inbox", "one draft is there"),
    ] {
        claude.say(command);
        claude.wait_for(answer);
    }
    let told = scene.told();
    assert!(
        told.contains("\"online\":[\"alice\",\"bob\"]") && told.contains("\"id\":\"d1\""),
        "{told}"
    );
    scene.bob.wait_for("typed at a terminal");
}

/// The plugin passes Claude Code's own validation, and its commands work.
#[test]
fn the_plugin_is_valid_and_its_commands_reach_the_room() {
    let scene = Scene::new(
        Real::Claude,
        [
            plugin_tool("say", json!({"text": "by the plugin; `id` $(id)"})),
            Turn::text(&["said"]),
            plugin_tool("who", json!({})),
            Turn::text(&["alice and bob"]),
            plugin_tool("inbox", json!({})),
            Turn::text(&["one draft"]),
        ],
    );
    let folder = write_plugin(&scene.bobs);
    let plugin = scene.bobs.path().join("config/nexscope/claude/nexscope");
    for folder in [&plugin, &scene.bobs.path().join("config/nexscope/claude")] {
        let valid = Command::new(scene.real.program())
            .args(["plugin", "validate", "--strict"])
            .arg(folder)
            .env_clear()
            .envs(scene.bobs.variables())
            .output()
            .unwrap();
        assert!(valid.status.success(), "{valid:?}");
    }
    for prompt in [
        "/nexscope:say by the plugin; `id` $(id) \"q\" 'q'\nand $(id) below\0behind a NUL",
        "/nexscope:who",
        "/nexscope:inbox",
    ] {
        session(&scene, &["--plugin-dir", &folder], prompt);
    }
    let told = scene.told();
    assert!(
        told.contains("by the plugin; `id` $(id) \"q\" 'q'\nand $(id) below"),
        "what was written reaches the model as it was: {told}"
    );
    assert!(!told.contains("uid="), "and no shell has seen it: {told}");
    assert!(
        told.contains("\"online\":[\"alice\",\"bob\"]") && told.contains("\"id\":\"d1\""),
        "{told}"
    );
    scene.bob.wait_for("by the plugin");
    assert!(fs::read_dir(plugin.join("commands")).unwrap().count() == 11);
}
