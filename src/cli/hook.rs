//! Claude Code hooks: tell the model *that* something is pending, but not its content.

use std::{
    fs::{self, File},
    io::{Read, stdin},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{
    Failure,
    client::{open, registries},
};
use crate::{
    config::Paths,
    control::{
        Reply, Request, RpcError, SocketClient, SocketError,
        protocol::{Awaited, Hello, LONGEST_WAIT, News, NoArguments, Poll, SUPERSEDED, Wait, Waited},
    },
};

/// The event that Claude Code runs the hook for
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Hook {
    /// Before a prompt
    Prompt,
    /// When the model is about to stop
    Stop,
    /// While idle: wait for a delegated mention, then wake the session
    Wake,
}

/// How long an idle session is woken by a delegated mention, in seconds.
pub(super) const WAKES_FOR: u64 = 600;

/// How often a hook looks for a session that has been started.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The exit code with which an asynchronous hook wakes a session.
const WAKE: u8 = 2;

/// Runs the hook. If no session runs, it prints nothing and succeeds.
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
    let mut session = match open(paths, None) {
        Ok(session) => session,
        Err(Failure::Client(SocketError::None)) if hook == Hook::Wake && !runs_without_person() => {
            match session_comes(paths, &client) {
                Some(session) => session,
                None => return Ok(ExitCode::SUCCESS),
            }
        }
        Err(_) => return Ok(ExitCode::SUCCESS),
    };
    match hook {
        Hook::Prompt => {
            if let Reply::Poll(news) = session.ask(&Request::Poll(Poll { client: Some(client) }))?
                && let Some(context) = context(&news)
            {
                let output = json!({
                    "hookSpecificOutput": { "hookEventName": "UserPromptSubmit", "additionalContext": context },
                });
                super::say(&output.to_string())?;
            }
        }
        Hook::Stop => {
            // Only once: a session that was already kept from stopping may stop.
            if let Reply::BeforeStop(open) = session.ask(&Request::BeforeStop(NoArguments {}))?
                && !open.can_stop
                && given["stop_hook_active"] != json!(true)
            {
                let reason = format!("{}. {}", open.reason, open.instruction.unwrap_or_default());
                super::say(&json!({ "decision": "block", "reason": reason }).to_string())?;
            }
        }
        // A session without a person would only be kept from ending.
        Hook::Wake if runs_without_person() || !delegates(&mut session)? => {}
        Hook::Wake => {
            if task_comes(&mut session, &format!("wake-{client}"))? {
                eprintln!("A mention is delegated to you in Nexscope: nexscope_poll has it.");
                return Ok(ExitCode::from(WAKE));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits for a session to be started, for at most ten minutes. Of the hooks of one Claude Code session a single one
/// waits: each stop runs another.
fn session_comes(paths: &Paths, client: &str) -> Option<SocketClient> {
    let registry = registries(paths).into_iter().next()?;
    registry.make().ok()?;
    let path = registry.dir().join(format!("wake-{client}.lock"));
    let lock = File::create(&path).ok()?;
    lock.try_lock().ok()?;
    let deadline = Instant::now() + Duration::from_secs(WAKES_FOR);
    let mut session = None;
    while session.is_none() && Instant::now() < deadline {
        thread::sleep(LOOK_EVERY);
        session = open(paths, None).ok();
    }
    // Also if it cannot be removed: the next hook locks the same file.
    let _ = fs::remove_file(&path);
    session
}

/// Waits for a task that this session has not been told of, for at most ten minutes: whoever is told of the same task at
/// every stop never rests.
fn task_comes(session: &mut SocketClient, client: &str) -> Result<bool, Failure> {
    let wait = Request::Wait(Wait {
        event: Awaited::Task,
        client: Some(client.chars().take(64).collect()),
        timeout: Some(LONGEST_WAIT),
    });
    for _ in 0..WAKES_FOR / LONGEST_WAIT {
        match session.ask(&wait) {
            Ok(Reply::Wait(Waited { timed_out: true })) => {}
            Ok(Reply::Wait(Waited { timed_out: false })) => return Ok(true),
            // A later hook of this session waits from now on.
            Err(SocketError::Problem(RpcError { code, .. })) if code == SUPERSEDED => return Ok(false),
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(false),
        }
    }
    Ok(false)
}

/// Whether accepted mentions may be delegated to an agent's session; otherwise there is no reason to wake it.
fn delegates(session: &mut SocketClient) -> Result<bool, Failure> {
    let hello = session.ask(&Request::Hello(NoArguments {}))?;
    Ok(matches!(hello, Reply::Hello(Hello { hands: true, .. })))
}

/// Whether Claude Code itself was started as `claude -p`.
fn runs_without_person() -> bool {
    std::env::var("CLAUDE_CODE_ENTRYPOINT").is_ok_and(|entry| entry.starts_with("sdk"))
}

/// The context for the model before a prompt: only our own words.
fn context(news: &News) -> Option<String> {
    let tasks = news.auto_tasks.len();
    if news.events.is_empty() && tasks == 0 {
        return None;
    }
    let mut lines = vec!["In the Nexscope room since the last prompt:".to_owned()];
    lines.extend(news.events.iter().take(20).map(|event| format!("- {event}")));
    if news.waiting > 0 {
        lines.push(format!(
            "{} waiting for the person at the Nexscope screen; only they decide.",
            news.waiting
        ));
    }
    if tasks > 0 {
        lines.push(format!(
            "{tasks} delegated to you: call nexscope_poll, and answer with nexscope_say and its threadId."
        ));
    }
    Some(lines.join("\n"))
}
