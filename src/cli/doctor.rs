//! Checks that everything needed works, and suggests fixes.

use std::{
    io::{IsTerminal, Write, stdout},
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use serde_json::{Value, json};

use super::{Failure, client::registries};
use crate::{
    agent,
    config::{self, Config, Flags, Paths},
    control::{SessionRegistry, find},
    core::runs::settings::Kind,
    link::{self, Check, Proxy},
};

/// The result of one check.
enum Found {
    Well(String),
    /// It works, with a warning.
    Warning(String),
    Wrong(String),
}

/// Runs all checks and prints the results. Exits with 1 if one fails.
pub(super) fn run(json: bool, paths: &Paths) -> Result<ExitCode, Failure> {
    let mut report = Report {
        checks: json.then(Vec::new),
        colour: stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        wrong: 0,
    };
    let config = config::load(paths, |name| std::env::var(name).ok(), &Flags::default());
    match config {
        Err(error) => report.say("config", Found::Wrong(error.to_string())),
        Ok(config) => {
            let file = paths.user_file();
            report.say(
                "config",
                match config.is_configured() {
                    true => Found::Well(file.display().to_string()),
                    false => Found::Wrong(format!(
                        "nothing is configured; run nexscope-tui, and its first screen saves {}",
                        file.display()
                    )),
                },
            );
            for warning in &config.warnings {
                report.say("config", Found::Warning(warning.clone()));
            }
            relay(&mut report, &config)?;
            agents(&mut report, &config, paths);
        }
    }
    state(&mut report, &paths.state.join("nexscope"));
    session(&mut report, paths);
    terminal(&mut report);
    if let Some(checks) = &report.checks {
        let all = json!({ "well": report.wrong == 0, "checks": checks });
        super::print(&format!("{all}\n"))?;
    }
    Ok(match report.wrong {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

struct Report {
    /// The results so far, if they are printed as JSON at the end.
    checks: Option<Vec<Value>>,
    colour: bool,
    wrong: usize,
}

impl Report {
    fn say(&mut self, what: &str, found: Found) {
        let (mark, colour, state, words) = match found {
            Found::Well(words) => ("ok ", "32", "ok", words),
            Found::Warning(words) => ("!  ", "33", "warning", words),
            Found::Wrong(words) => {
                self.wrong += 1;
                ("no ", "31", "wrong", words)
            }
        };
        if let Some(checks) = &mut self.checks {
            checks.push(json!({ "what": what, "state": state, "message": words }));
            return;
        }
        let mark = match self.colour {
            true => format!("\u{1b}[{colour}m{mark}\u{1b}[0m"),
            false => mark.to_owned(),
        };
        // The reader may close the pipe early.
        let _ = writeln!(stdout(), "{mark} {what:<9} {words}");
    }
}

fn relay(report: &mut Report, config: &Config) -> Result<(), Failure> {
    let Some(target) = config.relay.clone() else {
        if let Some(host) = config.host {
            report.say(
                "relay",
                Found::Well(format!("hosted here, on {host}, while the screen is open")),
            );
        }
        return Ok(());
    };
    let Some(token) = &config.token else {
        report.say(
            "token",
            Found::Wrong(format!(
                "there is no token for {target}; set token in config.toml beside relay"
            )),
        );
        return Ok(());
    };
    let token = match token.get() {
        Ok(token) => token,
        Err(error) => {
            report.say("token", Found::Wrong(error.to_string()));
            return Ok(());
        }
    };
    match Proxy::of(&target, |name| std::env::var(name).ok()) {
        Ok(None) => {}
        Ok(Some(proxy)) => report.say("proxy", Found::Well(proxy.shown())),
        Err(error) => {
            report.say("proxy", Found::Wrong(error.to_string()));
            return Ok(());
        }
    }
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::Runtime)?;
    let (found, ahead) = runtime.block_on(link::check_with_clock(&target, &token.0));
    match found {
        Check::Well => {
            report.say("relay", Found::Well(target.to_string()));
            report.say("token", Found::Well("the relay accepts it".into()));
        }
        Check::WrongToken => {
            report.say("relay", Found::Well(target.to_string()));
            report.say(
                "token",
                Found::Wrong("the relay refuses it; ask for a new invite".into()),
            );
        }
        Check::Unreachable(why) => report.say("relay", Found::Wrong(format!("{target}: {why}"))),
    }
    if let Some(ahead) = ahead {
        report.say("clock", clock(ahead));
    }
    if !target.tls && !target.is_loopback() {
        report.say(
            "relay",
            Found::Warning("without TLS text is not encrypted".into()),
        );
    }
    Ok(())
}

/// Whether this machine's clock, which is `ahead` seconds ahead of the relay's, is right.
fn clock(ahead: i64) -> Found {
    /// The difference that is not reported, in seconds: the answer took some time.
    const FEW: u64 = 60;
    let off = ahead.unsigned_abs();
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    let span = match off {
        0..3600 => format!("{}m {}s", off / 60, off % 60),
        _ => format!("{}h {}m", off / 3600, off / 60 % 60),
    };
    match off {
        0..=FEW => Found::Well("agrees with the relay's".into()),
        _ => Found::Warning(format!(
            "{span} {side} the relay's; check the date and time of this machine, and ask the relay's owner to do the same",
        )),
    }
}

fn agents(report: &mut Report, config: &Config, paths: &Paths) {
    if config.agents.is_empty() {
        let found = agent::find_on_path();
        let names: Vec<&str> = found.iter().map(|one| one.name).collect();
        report.say(
            "agents",
            match names.is_empty() {
                true => Found::Warning("none configured, and neither claude nor codex is on the PATH".into()),
                false => Found::Warning(format!(
                    "none configured; {} was found: add [agents.{}] with kind = \"{}\" to config.toml",
                    names.join(" and "),
                    names[0],
                    names[0]
                )),
            },
        );
    }
    for (name, agent) in &config.agents {
        if agent.kind == Kind::Session {
            report.say(
                name,
                Found::Well("answers through MCP: nexscope-tui setup claude or codex".into()),
            );
            continue;
        }
        let usual = agent::usual_program(agent.kind);
        let program = agent
            .command
            .first()
            .map_or(usual.unwrap_or_default(), String::as_str);
        let program = config::in_home(Path::new(program)).display().to_string();
        let dir = agent
            .dir
            .as_ref()
            .map_or_else(|| paths.here.clone(), |dir| config::in_home(dir));
        if !dir.is_dir() {
            report.say(
                name,
                Found::Wrong(format!("its folder {} does not exist", dir.display())),
            );
        }
        let version = match usual {
            // Not all of these support `--version`, and some would wait for input.
            None => match agent::is_on_path(&program) {
                true => Ok(String::new()),
                false => Err(format!("{program} is not installed, or not on the PATH")),
            },
            Some(_) => output(&program, &["--version"])
                .map_err(|why| format!("{program} does not run: {why}; install it, or set command")),
        };
        match version {
            Err(why) => report.say(name, Found::Wrong(why)),
            Ok(version) => report.say(name, logged_in(agent.kind, &program, version.trim())),
        }
    }
}

/// Whether an agent's program has credentials, as far as can be checked without using them.
fn logged_in(kind: Kind, program: &str, version: &str) -> Found {
    let has = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let home = std::env::home_dir().unwrap_or_default();
    let well = Found::Well(format!("{program} {version}").trim_end().to_owned());
    match kind {
        Kind::Claude => {
            let known = [
                "ANTHROPIC_API_KEY",
                "ANTHROPIC_AUTH_TOKEN",
                "CLAUDE_CODE_OAUTH_TOKEN",
                "CLAUDE_CODE_USE_BEDROCK",
                "CLAUDE_CODE_USE_VERTEX",
            ];
            let file = std::env::var_os("CLAUDE_CONFIG_DIR").map_or_else(|| home.join(".claude"), Into::into);
            match known.iter().any(|name| has(name))
                || file.join(".credentials.json").exists()
                || cfg!(target_os = "macos")
            {
                true => well,
                false => Found::Wrong(format!(
                    "{program} {version} is not logged in: run {program} once and log in, or set ANTHROPIC_API_KEY"
                )),
            }
        }
        Kind::Codex => {
            let file = std::env::var_os("CODEX_HOME").map_or_else(|| home.join(".codex"), Into::into);
            // A custom provider in its config has its own key.
            let own = std::fs::read_to_string(file.join("config.toml"))
                .is_ok_and(|text| text.contains("model_provider"));
            match has("OPENAI_API_KEY") || has("CODEX_API_KEY") || file.join("auth.json").exists() || own {
                true => well,
                false => Found::Wrong(format!(
                    "{program} {version} is not logged in: run {program} login, or set OPENAI_API_KEY"
                )),
            }
        }
        _ => well,
    }
}

/// Whether the state folder, or the folder that it will be created in, can be written to.
fn state(report: &mut Report, folder: &Path) {
    let existing = folder.ancestors().find(|folder| folder.exists());
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    let checked = existing.map_or(Ok(()), |existing| rustix::fs::access(existing, access));
    let shown = folder.display();
    report.say(
        "state",
        match checked {
            Ok(()) => Found::Well(shown.to_string()),
            Err(error) => Found::Wrong(format!(
                "cannot write to {shown}: {}; make it writable, or set XDG_STATE_HOME",
                std::io::Error::from(error)
            )),
        },
    );
}

fn session(report: &mut Report, paths: &Paths) {
    let registry = SessionRegistry::usual(paths.runtime.as_deref(), &paths.state);
    if let Some(long) = registry.too_long() {
        report.say(
            "socket",
            Found::Warning(format!(
                "{} is too long a path for a socket, so sessions listen in {}",
                long.display(),
                registry.dir().display()
            )),
        );
    }
    match find(&registries(paths), &paths.here, None) {
        Ok(client) => report.say(
            "session",
            Found::Well(format!(
                "{} in #{} runs as process {}{}",
                client.entry.name,
                client.entry.room,
                client.entry.pid,
                if client.entry.headless {
                    ", without a screen"
                } else {
                    ""
                }
            )),
        ),
        Err(error) => report.say("session", Found::Warning(error.to_string())),
    }
}

fn terminal(report: &mut Report) {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let term = variable("TERM");
    let deep = matches!(variable("COLORTERM").as_str(), "truecolor" | "24bit");
    report.say(
        "terminal",
        if !stdout().is_terminal() {
            Found::Warning("standard output is not a terminal: lines are printed instead of a screen".into())
        } else if matches!(term.as_str(), "" | "dumb") {
            Found::Wrong(format!(
                "TERM is \"{term}\", which has no colour and no screen: set TERM, or use --plain"
            ))
        } else if std::env::var_os("NO_COLOR").is_some() {
            Found::Warning(format!("{term}; NO_COLOR is set, so there is no colour"))
        } else {
            Found::Well(format!(
                "{term}, {}",
                if deep { "24-bit colour" } else { "colour by TERM" }
            ))
        },
    );
    if variable("TMUX").is_empty() {
        return;
    }
    for (option, wanted, why) in [
        (
            "focus-events",
            "on",
            "to be notified only while you look elsewhere",
        ),
        ("extended-keys", "on", "to make Shift-Enter work"),
        ("set-clipboard", "on", "to copy to your clipboard"),
        ("escape-time", "10", "to make Esc act at once"),
    ] {
        let now = output("tmux", &["show-options", "-gv", option])
            .or_else(|_| output("tmux", &["show-options", "-sv", option]))
            .unwrap_or_default();
        let now = now.trim();
        let well = match option {
            "escape-time" => now.parse::<u32>().is_ok_and(|ms| ms <= 50),
            "set-clipboard" => matches!(now, "on" | "external"),
            "extended-keys" => matches!(now, "on" | "always"),
            _ => now == wanted,
        };
        report.say(
            "tmux",
            match well {
                true => Found::Well(format!("{option} {now}")),
                false => Found::Warning(format!(
                    "{option} is \"{now}\"; run `tmux set -g {option} {wanted}` {why}"
                )),
            },
        );
    }
}

/// The first output of a program. Fails with a message if it cannot be run.
fn output(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = output.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "it is not on the PATH".to_owned(),
        _ => error.to_string(),
    })?;
    if !output.status.success() {
        return Err(format!("it ended with {}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(crate::text::clean_line(
        text.lines().next().unwrap_or_default(),
        80,
    ))
}
