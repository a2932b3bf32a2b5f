//! Starts a run and ensures that it ends, once.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    attachments,
    run_loop::{DETAILS, Running},
    tail::TailLimits,
};
use crate::{
    agent::{
        EVENTS, Handle, Run,
        environment::Variable,
        process_pool::{PoolEpoch, ProcessPool},
        program::Program,
    },
    core::{
        Failure,
        runs::{Ending, Failed, RunEvent, ToolAnswer},
    },
    text,
};

/// The surroundings of a run.
#[derive(Debug, Clone)]
pub(crate) struct HostEnvironment {
    /// The environment to filter by the allow-list.
    pub env: Vec<Variable>,
    /// The time for each step of ending before the next, harder one; and twice that for a program that has
    /// answered to exit.
    pub grace: Duration,
    /// Timeouts for output after a finished turn.
    pub waits: TailLimits,
}

impl HostEnvironment {
    pub fn of_this_process() -> Self {
        Self {
            env: std::env::vars_os().collect(),
            grace: Duration::from_secs(2),
            waits: TailLimits::default(),
        }
    }
}

pub(crate) fn start(run: Run, around: HostEnvironment, kept: Arc<ProcessPool>) -> Handle {
    // Full: see `EVENTS` and `Outbox`.
    let (sender, events) = mpsc::channel(EVENTS);
    let stop = CancellationToken::new();
    // An agent has fewer than eight requests at once; if the channel is full, the answer waits.
    let (answers, told) = mpsc::channel(8);
    let task = tokio::spawn(drive(run, around, kept, sender.clone(), told, stop.clone()));
    tokio::spawn(async move {
        // A panic must not leave the reader without an end. Dropping the task's state has killed what it ran.
        if let Err(error) = task.await
            && error.is_panic()
        {
            tracing::error!(%error, "a run has panicked");
            let details = "a bug in Nexscope; see its log";
            let failed = Failed::new(Failure::Internal, details);
            let _ = sender.send(RunEvent::Ended(Ending::failed(failed))).await;
        }
    });
    Handle {
        events,
        answers,
        stop,
    }
}

async fn drive(
    run: Run,
    around: HostEnvironment,
    kept: Arc<ProcessPool>,
    events: mpsc::Sender<RunEvent>,
    answers: mpsc::Receiver<(String, ToolAnswer)>,
    stop: CancellationToken,
) {
    let started = Instant::now();
    let (id, folder) = (run.id.clone(), run.dir.clone());
    let since = kept.said();
    let ending = match Running::begin(run, &around, &kept, events.clone(), answers).await {
        Ok(running) => {
            let began_with = running.began_with().to_owned();
            let (ending, program) = running.see_through(&stop).await;
            // Before the end is reported: the next run may begin at once.
            let stays = settle(program, &ending, &kept, since, &around).await;
            if began_with != id && !stays {
                kept.gone(&began_with).await;
            }
            Ending {
                stays: stays && began_with == id,
                ..ending
            }
        }
        Err(details) => Ending {
            took: started.elapsed(),
            ..Ending::failed(Failed::new(
                Failure::NotStarted,
                text::one_line(&details.to_string(), DETAILS),
            ))
        },
    };
    let ending = attachments::take(ending, &folder);
    // The reader may be gone; then the run was stopped because of it.
    let _ = events.send(RunEvent::Ended(ending)).await;
}

/// Returns a program that may stay to the pool; returns whether it stays.
async fn settle(
    program: Option<Program>,
    ending: &Ending,
    kept: &ProcessPool,
    since: PoolEpoch,
    around: &HostEnvironment,
) -> bool {
    let (Some(program), Some(session)) = (program, &ending.session) else {
        return false;
    };
    match kept.keep(program, session, since, around) {
        None => true,
        Some(program) => {
            let left = program.finish(around.grace).await;
            if left > 0 {
                tracing::warn!(left, "processes of a run could not be ended");
            }
            false
        }
    }
}
