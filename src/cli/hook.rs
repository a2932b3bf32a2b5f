//! What Claude Code runs at its hooks: it tells the model *that* something waits, and never what.

use std::{
    io::{Read, stdin},
    process::ExitCode,
};

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{Failure, client::open};
use crate::config::Paths;

/// A moment at which Claude Code asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Hook {
    /// Before a prompt.
    Prompt,
    /// When the model would stop.
    Stop,
    /// While it idles: waits for something that is handed to it, and wakes it.
    Wake,
}

/// The exit code with which an asynchronous hook wakes a session.
const WAKE: u8 = 2;

/// Answers Claude Code. Where no session runs there is nothing to tell, and nothing is wrong.
pub(super) fn run(hook: Hook, paths: &Paths) -> Result<ExitCode, Failure> {
    let mut given = String::new();
    stdin()
        .take(1 << 20)
        .read_to_string(&mut given)
        .map_err(Failure::Input)?;
    let given: Value = serde_json::from_str(&given).unwrap_or_default();
    let client: String = given["session_id"]
        .as_str()
        .unwrap_or("hook")
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "_-".contains(*c))
        .take(64)
        .collect();
    let Ok(mut session) = open(paths, None) else {
        return Ok(ExitCode::SUCCESS);
    };
    match hook {
        Hook::Prompt => {
            let news = session.ask("poll", json!({ "client": client }))?;
            if let Some(context) = context(&news) {
                let output = json!({
                    "hookSpecificOutput": { "hookEventName": "UserPromptSubmit", "additionalContext": context },
                });
                super::say(&output.to_string())?;
            }
        }
        Hook::Stop => {
            let open = session.ask("before_stop", json!({}))?;
            // Once only: who was kept going already may stop.
            if open["can_stop"] == json!(false) && given["stop_hook_active"] != json!(true) {
                let reason = format!(
                    "{}. {}",
                    open["reason"].as_str().unwrap_or_default(),
                    open["instruction"].as_str().unwrap_or_default()
                );
                super::say(&json!({ "decision": "block", "reason": reason }).to_string())?;
            }
        }
        // Where no session is handed anything, there is nothing to wake for; and one that runs without a person
        // would only be kept from ending.
        Hook::Wake if runs_without_person() || session.ask("hello", json!({}))?["hands"] != json!(true) => {}
        Hook::Wake => {
            let news = session.ask("watch", json!({ "client": format!("wake-{client}").chars().take(64).collect::<String>(), "timeout": 120 }))?;
            let tasks = news["auto_tasks"].as_array().map_or(0, Vec::len);
            if tasks > 0 {
                eprintln!("{tasks} waiting in Nexscope for your answer: nexscope_poll has it.");
                return Ok(ExitCode::from(WAKE));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether Claude Code itself was started as `claude -p`.
fn runs_without_person() -> bool {
    std::env::var("CLAUDE_CODE_ENTRYPOINT").is_ok_and(|entry| entry.starts_with("sdk"))
}

/// What the model is told before a prompt: our own words alone.
fn context(news: &Value) -> Option<String> {
    let events: Vec<&str> = news["events"]
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .take(20)
        .collect();
    let waiting = news["waiting"].as_u64().unwrap_or(0);
    let tasks = news["auto_tasks"].as_array().map_or(0, Vec::len);
    if events.is_empty() && tasks == 0 {
        return None;
    }
    let mut lines = vec!["In the Nexscope room since the last prompt:".to_owned()];
    lines.extend(events.iter().map(|event| format!("- {event}")));
    if waiting > 0 {
        lines.push(format!(
            "{waiting} waiting for the person at the Nexscope screen; only they decide."
        ));
    }
    if tasks > 0 {
        lines.push(format!(
            "{tasks} handed to you: call nexscope_poll, and answer with nexscope_say and its threadId."
        ));
    }
    Some(lines.join("\n"))
}
