//! Registers with Claude Code: writes the plugin, and shows the commands that add it.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{Setup, home_of, plugin, read};
use crate::{
    cli::{Failure, say},
    config::Paths,
};

/// Our plugin, as Claude Code names it.
const OURS: &str = "nexscope@nexscope";
/// The plugin that this program replaces.
const OLD: &str = "nexscope@nexscope-marketplace";

pub(super) fn run(setup: &Setup, paths: &Paths, program: &Path) -> Result<(), Failure> {
    let market = paths.config.join("claude");
    let installed = Installed::read()?;
    if setup.remove {
        return remove(&market, &installed, setup.dry_run);
    }
    if !plugin::write(&market, program, setup.dry_run, true)? {
        say(&format!("The plugin is already there: {}", market.display()))?;
    }
    if installed.has(OLD) {
        say(&format!(
            "nexscope-plugin is installed in Claude Code. With both, each /nexscope: command and each hook exists twice. \
             Remove it first, in Claude Code:\n  /plugin uninstall {OLD}"
        ))?;
    }
    say("Then, once, in Claude Code:")?;
    say(&format!("  /plugin marketplace add {}", market.display()))?;
    say(&format!("  /plugin install {OURS}"))?;
    say(&format!(
        "or for one session: claude --plugin-dir {}",
        market.join("nexscope").display()
    ))
}

/// Removes the plugin from Claude Code, then its files: without them, what is still registered would fail to
/// load. Fails, and keeps the files, if Claude Code does not remove it.
fn remove(market: &Path, installed: &Installed, dry_run: bool) -> Result<(), Failure> {
    let mut commands = Vec::new();
    if installed.has(OURS) {
        commands.push(["plugin", "uninstall", OURS].as_slice());
    }
    if installed.has_market(market) {
        commands.push(["plugin", "marketplace", "remove", "nexscope"].as_slice());
    }
    if commands.is_empty() && !market.exists() {
        return say(&format!(
            "Nothing to remove: {} does not exist.",
            market.display()
        ));
    }
    for arguments in commands {
        say(&format!("Runs claude {}", arguments.join(" ")))?;
        if !dry_run {
            ask_claude(arguments)?;
        }
    }
    if market.exists() {
        say(&format!("Removes {}", market.display()))?;
        if !dry_run {
            fs::remove_dir_all(market).map_err(|error| Failure::Save(market.to_owned(), error))?;
        }
    }
    Ok(())
}

/// Runs Claude Code's own command. Fails with what to do instead.
fn ask_claude(arguments: &[&str]) -> Result<(), Failure> {
    let run = Command::new("claude")
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    let why = match run {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let first = text.lines().find(|line| !line.trim().is_empty());
            first.map_or_else(
                || output.status.to_string(),
                |line| crate::text::clean_line(line, 200),
            )
        }
        Err(error) => error.to_string(),
    };
    Err(Failure::Words(format!(
        "claude {arguments} failed: {why}. The plugin's files are still there. Type /{arguments} in Claude Code, then run \
         this command again",
        arguments = arguments.join(" "),
    )))
}

/// What Claude Code has installed, in the files of its settings folder.
struct Installed {
    plugins: Value,
    markets: Value,
    settings: Value,
}

impl Installed {
    /// Fails if a file cannot be read. What is no JSON is as if it did not exist.
    fn read() -> Result<Self, Failure> {
        let folder = home_of("CLAUDE_CONFIG_DIR", ".claude")?;
        let json = |name: &str| -> Result<Value, Failure> {
            let text = read(&folder.join(name))?.unwrap_or_default();
            Ok(serde_json::from_str(&text).unwrap_or_default())
        };
        Ok(Self {
            plugins: json("plugins/installed_plugins.json")?,
            markets: json("plugins/known_marketplaces.json")?,
            settings: json("settings.json")?,
        })
    }

    /// Whether a plugin is installed and not disabled.
    fn has(&self, plugin: &str) -> bool {
        let enabled = self.settings["enabledPlugins"][plugin].as_bool();
        let installed = self.plugins["plugins"].get(plugin).is_some();
        // Our own disabled plugin must be removed too.
        enabled == Some(true) || installed && (enabled != Some(false) || plugin == OURS)
    }

    /// Whether our marketplace is known, with this folder as its source.
    fn has_market(&self, market: &Path) -> bool {
        let source = &self.markets["nexscope"]["source"]["path"];
        source.as_str().is_some_and(|path| Path::new(path) == market)
    }
}
