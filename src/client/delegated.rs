//! Mentions that are delegated to a Claude Code or Codex session that has joined through MCP, instead of being run
//! as a program: the session finds them by `poll` and `watch`, and its message in the thread is the answer.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use nexscope_relay::protocol::body::Activity;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{Client, RunControls};
use crate::{
    core::{
        Failure,
        runs::{Ending, ExternalAccess, Failed, Outcome, Prompt, RunEvent, Totals, ask::Ask, settings::Kind},
    },
    text::Clean,
};

/// A mention that was delegated and is not yet answered.
pub(super) struct DelegatedTask {
    /// The number of its message.
    pub post: u32,
    /// The number of its thread.
    pub thread: u32,
    /// The member who asks.
    pub from: String,
    /// The session's input: approved text, quoted, with its author.
    pub prompt: Prompt,
    /// When it was delegated.
    pub since: Instant,
    /// The callers that were told of it, besides those that have its text.
    told: BTreeSet<String>,
    /// Whether an agent has its text.
    fetched: bool,
    answer: oneshot::Sender<Clean>,
}

impl DelegatedTask {
    /// Whether that caller need not be told of it.
    pub fn is_known_to(&self, caller: &str) -> bool {
        self.fetched || self.told.contains(caller)
    }
}

/// Delegates an accepted mention if its agent is a session that joined through MCP. Returns whether it is.
pub(super) fn hand_over(client: &mut Client, ask: &Ask) -> bool {
    let settings = client.config.agents.get(&ask.agent);
    let Some(settings) = settings.filter(|agent| agent.kind == Kind::Session) else {
        return false;
    };
    let Some(run) = client.program.runs().get(&ask.run) else {
        return true;
    };
    let thread = client
        .room()
        .chat
        .threads()
        .get(&run.thread)
        .map_or(0, |thread| thread.number);
    let (answer, answered) = oneshot::channel();
    let handed = DelegatedTask {
        post: run.post,
        thread,
        from: ask.from.member.clone(),
        prompt: Prompt::new(ask),
        since: Instant::now(),
        told: BTreeSet::new(),
        fetched: false,
        answer,
    };
    client.handed.insert(ask.run.clone(), handed);
    let stop = CancellationToken::new();
    // It requests no permissions, so answers are discarded.
    let (answers, _) = tokio::sync::mpsc::channel(1);
    let steering = RunControls {
        stop: stop.clone(),
        answers,
    };
    client.runs.insert(ask.run.clone(), steering);
    let (events, id, limit) = (client.agent_events_in.clone(), ask.run.clone(), settings.timeout);
    tokio::spawn(async move {
        let outcome = outcome(answered, stop, limit).await;
        // The session may have ended meanwhile.
        let _ = events.send((id, RunEvent::Ended(outcome))).await;
    });
    true
}

/// Takes an agent's message in a thread as the answer to the task delegated there. Returns whether there was one.
pub(super) fn takes_as_answer(client: &mut Client, thread: u32, text: &Clean) -> bool {
    let run = client.handed.iter().find(|(_, handed)| handed.thread == thread);
    let Some(run) = run.map(|(run, _)| run.clone()) else {
        return false;
    };
    match client.handed.remove(&run) {
        // The task may just have been cancelled.
        Some(handed) => handed.answer.send(text.clone()).is_ok(),
        None => false,
    }
}

/// Notes that a caller was told of all tasks.
pub(super) fn told(client: &mut Client, caller: &str) {
    for task in client.handed.values_mut() {
        task.told.insert(caller.to_owned());
    }
}

/// Marks delegated tasks as fetched, so that the asker sees that they are being worked on.
pub(super) fn fetched(client: &mut Client) {
    let runs: Vec<String> = client.handed.keys().cloned().collect();
    for run in runs {
        client
            .handed
            .entry(run.clone())
            .and_modify(|task| task.fetched = true);
        let event = RunEvent::State(Activity::Thinking);
        client.take(crate::core::Event::Run { run, event });
    }
}

async fn outcome(answered: oneshot::Receiver<Clean>, stop: CancellationToken, limit: Duration) -> Ending {
    let since = Instant::now();
    let outcome = tokio::select! {
        () = stop.cancelled() => Outcome::Cancelled,
        answer = answered => match answer {
            Ok(text) => Outcome::Answer(text),
            Err(_) => Outcome::Cancelled,
        },
        () = tokio::time::sleep(limit) => {
            let minutes = limit.as_secs().div_ceil(60);
            Outcome::Failed(Failed::new(
                Failure::TimedOut,
                format!("the session that joined through MCP gave no answer within {minutes} min"),
            ))
        }
    };
    Ending {
        stays: false,
        outcome,
        unfinished: Default::default(),
        files: Vec::new(),
        session: None,
        took: since.elapsed(),
        tools: 0,
        usd: None,
        tokens: None,
        totals: Totals::default(),
        session_lost: false,
        // It runs under its own rules, and reports no access.
        outside: ExternalAccess::default(),
    }
}
