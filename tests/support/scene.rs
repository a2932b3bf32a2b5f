//! Two screens in a room, and behind bob's the real Claude Code or Codex, whose model is a server of the test.
//! `.ci/install-agents DIR` installs both; `NEXSCOPE_TEST_AGENTS` is its `node_modules`.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    Home, PATIENCE, Relay, TOKEN, Term,
    models::{Api, KEY, Model, Turn, codex_config},
};

/// The agent's program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Real {
    Claude,
    Codex,
}

impl Real {
    /// Its name in bob's configuration, which is also its kind, except for an adapter.
    pub fn name(self) -> &'static str {
        match self {
            Real::Claude => "claude",
            Real::Codex => "codex",
        }
    }

    /// Its tool that runs a command, by the name that its model uses.
    pub fn shell(self, command: &str) -> Turn {
        match self {
            Real::Claude => Turn::tool(
                "Bash",
                serde_json::json!({ "command": command, "description": "x" }),
            ),
            Real::Codex => Turn::tool("exec_command", serde_json::json!({ "cmd": command })),
        }
    }

    fn api(self) -> Api {
        match self {
            Real::Claude => Api::Anthropic,
            Real::Codex => Api::OpenAi,
        }
    }

    /// The path of the program.
    pub fn program(self) -> PathBuf {
        installed(match self {
            Real::Claude => "@anthropic-ai/claude-code-linux-x64/claude",
            Real::Codex => "codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex",
        })
    }
}

fn installed(program: &str) -> PathBuf {
    let root = std::env::var_os("NEXSCOPE_TEST_AGENTS").expect(
        "NEXSCOPE_TEST_AGENTS names no folder: run `.ci/install-agents DIR`, and set it to DIR/node_modules",
    );
    let path = PathBuf::from(root).join(program);
    assert!(path.is_file(), "{} is not there", path.display());
    path
}

/// The differences between scenes.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// More settings for the agent's table in bob's configuration.
    pub agent: &'static str,
    /// The key that the agent sends to its model.
    pub key: &'static str,
    /// Nothing listens at the model's address.
    pub dead: bool,
    /// Codex behind an adapter, which speaks the Agent Client Protocol.
    pub adapter: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            agent: "",
            key: KEY,
            dead: false,
            adapter: false,
        }
    }
}

/// The scene. The order of its fields makes the screens end first.
pub struct Scene {
    pub alice: Term,
    pub bob: Term,
    pub real: Real,
    pub model: Model,
    pub bobs: Home,
    _alices: Home,
    pub relay: Relay,
}

/// Wide, so that no expected sentence is wrapped or cut.
const SIZE: (u16, u16) = (180, 40);

impl Scene {
    pub fn new(real: Real, turns: impl IntoIterator<Item = Turn>) -> Self {
        Self::with(real, turns, Setting::default())
    }

    pub fn with(real: Real, turns: impl IntoIterator<Item = Turn>, setting: Setting) -> Self {
        let relay = Relay::start();
        let model = Model::start(real.api(), turns);
        let url = if setting.dead { nowhere() } else { model.url() };
        let alices = Home::new("alice", &relay, "");
        let mut bobs = Home::empty("bob");
        let (kind, program) = match setting.adapter {
            true => (
                "acp",
                installed("@zed-industries/codex-acp-linux-x64/bin/codex-acp"),
            ),
            false => (real.name(), real.program()),
        };
        bobs.configure(&format!(
            "name = \"bob\"\n[agents.{name}]\nkind = \"{kind}\"\ncommand = [\"{}\"]\nenv = [\"FAKE_KEY\"]\n{}\n",
            program.display(),
            setting.agent,
            name = real.name(),
        ));
        for name in ["codex", "tmp"] {
            fs::create_dir(bobs.path().join(name)).unwrap();
        }
        fs::write(bobs.path().join("codex/config.toml"), codex_config(&url)).unwrap();
        for (name, folder) in [("CODEX_HOME", "codex"), ("TMPDIR", "tmp")] {
            bobs.set(name, bobs.path().join(folder).display().to_string());
        }
        for (name, value) in [
            ("ANTHROPIC_BASE_URL", &*url),
            ("ANTHROPIC_API_KEY", setting.key),
            ("FAKE_KEY", setting.key),
            // Bob's token is in his environment: the agent must not get it.
            ("NEXSCOPE_RELAY_URL", &relay.url()),
            ("NEXSCOPE_TOKEN", TOKEN),
        ] {
            bobs.set(name, value);
        }
        let scene = Self {
            alice: alices.screen(SIZE.0, SIZE.1),
            bob: bobs.screen(SIZE.0, SIZE.1),
            real,
            model,
            bobs,
            _alices: alices,
            relay,
        };
        scene.alice.wait_for(&format!("bob  {}", real.name()));
        scene.bob.wait_for("People 2");
        scene
    }

    /// Opens bob's screen again, in the same home.
    pub fn open_bob(&mut self) {
        self.bob = self.bobs.screen(SIZE.0, SIZE.1);
        self.bob.wait_for("People 2");
    }

    /// Alice writes `line`, whose mention is m`number` in bob's inbox, and he accepts it by a key.
    #[track_caller]
    pub fn ask(&self, number: u32, line: &str) {
        self.alice.say(line);
        self.accept(number);
    }

    /// Bob accepts the pending item m`number` by a key.
    #[track_caller]
    pub fn accept(&self, number: u32) {
        self.bob.wait_for(&format!("▸ m{number} "));
        // If the first press was too early, it opened the item, and the next one accepts it there.
        let line = format!("└ m{number} ");
        self.bob
            .press_until_is("\x1bOQ", &format!("m{number} accepted"), |screen| {
                let mut lines = screen.lines().filter(|text| text.contains(&line));
                lines.any(|text| !text.contains("waits for you"))
            });
    }

    /// The processes of the agent and their children: those with the mark of a run and bob's home.
    pub fn processes(&self) -> Vec<Process> {
        processes(self.bobs.path())
    }

    #[track_caller]
    pub fn assert_nothing_runs(&self) {
        let left = self.processes();
        assert!(left.is_empty(), "{left:#?}");
    }

    /// Waits until only the agent's program is left, waiting for the thread's next mention; returns its process.
    /// Such a program may briefly run something of its own (Claude Code runs git for the state of the folder).
    #[track_caller]
    pub fn waiting(&self) -> u32 {
        let until = Instant::now() + PATIENCE;
        loop {
            match &*self.processes() {
                [one] => return one.pid,
                all => assert!(Instant::now() < until, "{all:#?}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Everything that the agent has sent to its model: every text in every request, decoded from JSON.
    pub fn told(&self) -> String {
        let requests = self.model.requests();
        requests.iter().map(|request| texts(&request.json())).collect()
    }
}

/// A process of an agent.
#[derive(Debug)]
pub struct Process {
    pub pid: u32,
    pub command: String,
    /// `NAME=value`.
    pub environment: Vec<String>,
}

fn processes(home: &Path) -> Vec<Process> {
    let of = |folder: &Path, file: &str| -> Vec<String> {
        let bytes = fs::read(folder.join(file)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.split('\0').map(str::to_owned).collect()
    };
    let home = format!("HOME={}", home.join("").display());
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry)))
        .map(|(pid, entry)| Process {
            pid,
            command: of(&entry.path(), "cmdline").join(" "),
            environment: of(&entry.path(), "environ"),
        })
        .filter(|process| process.environment.contains(&home))
        .filter(|process| {
            let mut names = process.environment.iter();
            names.any(|one| one.starts_with("NEXSCOPE_RUN_ID="))
        })
        .collect()
}

/// Waits for something that no screen shows.
#[track_caller]
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what}: it never came to be");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Every text in a JSON value, each on lines of its own.
pub fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text}\n"),
        Value::Array(values) => values.iter().map(texts).collect(),
        Value::Object(fields) => fields.values().map(texts).collect(),
        _ => String::new(),
    }
}

/// An address at which nothing listens.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
