//! Keeps programs after an answer, each for the next run of its session: that saves their start.
//!
//! Only a program that has answered well and left nothing running is kept. It must be silent while idle:
//! output of a background task would belong to no run, so the program is ended and the person notified.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{PooledProgramEnd, Run, driver::DriverEvent, program::Program};
use crate::{
    agent::run::{pipes::read, runner::HostEnvironment},
    config::Agent,
};

/// Pool size, in programs; the least recently used is evicted. Each uses 150 to 250 MB.
const MOST: usize = 4;
/// The maximum bookkeeping output of an idle program, in bytes.
const MOST_SAID: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct ProcessPool {
    /// `None` once the pool is closed.
    state: Mutex<Option<State>>,
    told: mpsc::Sender<PooledProgramEnd>,
}

#[derive(Debug, Default)]
struct State {
    /// Idle programs, least recently used first.
    waiting: Vec<Waiting>,
    /// Counts the changes of what may stay: a program that was in use during one is not kept.
    said: PoolEpoch,
}

/// The interval between two changes of what may stay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PoolEpoch(u64);

/// An idle program, owned by its task.
#[derive(Debug)]
struct Waiting {
    name: String,
    agent: Agent,
    /// Its open session.
    session: String,
    wanted: CancellationToken,
    end: CancellationToken,
    /// Returns the program when it is wanted and still healthy.
    task: JoinHandle<Option<Program>>,
}

impl ProcessPool {
    /// Creates an empty pool. Programs that end are reported to `told`.
    pub fn new(told: mpsc::Sender<PooledProgramEnd>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(Some(State::default())),
            told,
        })
    }

    /// Takes the idle program of the session that `run` resumes, if it suits. One that has the session open
    /// but does not suit is ended first: two must not share a session.
    pub async fn take(&self, run: &Run, around: &HostEnvironment) -> Option<Program> {
        let session = run.resume.as_ref()?;
        let found = {
            let mut state = self.lock();
            let all = &mut state.as_mut()?.waiting;
            let at = all
                .iter()
                .position(|one| one.session == *session && one.name == run.name)?;
            all.remove(at)
        };
        found.wanted.cancel();
        let program = found.task.await.ok()??;
        if program.suits(run) {
            return Some(program);
        }
        self.finish(program, around.grace).await;
        None
    }

    /// The current epoch.
    pub fn said(&self) -> PoolEpoch {
        self.lock()
            .as_ref()
            .map_or_else(PoolEpoch::default, |state| state.said)
    }

    /// Keeps `program`, whose run began in epoch `since`, idle in `session` for at most its agent's idle
    /// time. Returns it if it may not stay.
    pub fn keep(
        &self,
        program: Program,
        session: &str,
        since: PoolEpoch,
        around: &HostEnvironment,
    ) -> Option<Program> {
        let mut state = self.lock();
        let Some(state) = state.as_mut().filter(|state| state.said == since) else {
            return Some(program);
        };
        let all = &mut state.waiting;
        if all.len() == MOST {
            all.remove(0).end.cancel();
        }
        let (wanted, end) = (CancellationToken::new(), CancellationToken::new());
        let (name, agent) = (program.name().to_owned(), program.agent().clone());
        let waits = wait(
            program,
            wanted.clone(),
            end.clone(),
            around.grace,
            self.told.clone(),
        );
        all.push(Waiting {
            name,
            agent,
            session: session.to_owned(),
            wanted,
            end,
            task: tokio::spawn(waits),
        });
        None
    }

    /// Ends a program that was pooled before, and reports it.
    pub async fn finish(&self, program: Program, grace: Duration) {
        finish(program, grace, None, &self.told).await;
    }

    /// Reports that a program that was pooled before has ended with its run, and so has everything that it
    /// started.
    pub async fn gone(&self, began_with: &str) {
        let told = PooledProgramEnd {
            began_with: began_with.to_owned(),
            gone: true,
            why: None,
        };
        // The session may be gone; the next start cleans up what is left.
        let _ = self.told.send(told).await;
    }

    /// Ends the idle programs that are no longer `good`. Those in use will not be kept.
    pub fn end_all_but(&self, good: impl Fn(&str, &Agent) -> bool) {
        if let Some(state) = self.lock().as_mut() {
            state.said.0 += 1;
            let all = &mut state.waiting;
            let (stay, go) = std::mem::take(all)
                .into_iter()
                .partition(|one| !one.task.is_finished() && good(&one.name, &one.agent));
            *all = stay;
            go.iter().for_each(|one: &Waiting| one.end.cancel());
        }
    }

    /// Ends the idle programs and closes the pool.
    pub fn close(&self) {
        let state = self.lock().take();
        let all = state.into_iter().flat_map(|state| state.waiting);
        all.for_each(|one| one.end.cancel());
    }

    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        // Nothing under the lock can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ProcessPool {
    fn drop(&mut self) {
        self.close();
    }
}

async fn finish(
    program: Program,
    grace: Duration,
    why: Option<String>,
    told: &mpsc::Sender<PooledProgramEnd>,
) {
    let began_with = program.began_with.clone();
    let name = program.name().to_owned();
    let left = program.finish(grace).await;
    let why = match left {
        0 => why,
        left => Some(format!(
            "{left} processes that {name} started could not be ended; the next start tries again"
        )),
    };
    let gone = left == 0;
    // If nobody is left to receive this, the next start checks again.
    let _ = told
        .send(PooledProgramEnd {
            began_with,
            gone,
            why,
        })
        .await;
}

/// Why a program left the pool.
enum ExitCause {
    Wanted,
    /// Its idle time is over, or nobody will use it.
    Done,
    /// It has exited by itself.
    Gone,
    Acts,
}

async fn wait(
    mut program: Program,
    wanted: CancellationToken,
    end: CancellationToken,
    grace: Duration,
    told: mpsc::Sender<PooledProgramEnd>,
) -> Option<Program> {
    let until = Instant::now() + program.agent().idle;
    let mut buffer = vec![0; 16 << 10];
    let mut said = 0;
    let over = loop {
        tokio::select! {
            biased;
            () = end.cancelled() => break ExitCause::Done,
            // First, before it is used again: its output until now belongs to no run.
            read = read(&mut program.stdout, &mut buffer) => match read {
                Ok(count @ 1..) => {
                    said += count;
                    let mut steps = Vec::new();
                    program.reader.feed(&buffer[..count], &mut steps);
                    if said > MOST_SAID || steps.iter().any(acts) {
                        break ExitCause::Acts;
                    }
                }
                _ => break ExitCause::Gone,
            },
            _ = program.process.wait() => break ExitCause::Gone,
            () = wanted.cancelled() => break ExitCause::Wanted,
            () = sleep_until(until) => break ExitCause::Done,
        }
    };
    let why = match over {
        ExitCause::Wanted => return Some(program),
        ExitCause::Done => None,
        ExitCause::Gone => {
            tracing::info!(
                agent = program.name(),
                "an agent that was kept has ended by itself"
            );
            None
        }
        ExitCause::Acts => Some(format!(
            "{} went on after its answer although nobody asked; it was stopped, and its text is left out",
            program.name()
        )),
    };
    finish(program, grace, why, &told).await;
    None
}

/// Whether the event is more than bookkeeping.
fn acts(step: &DriverEvent) -> bool {
    !matches!(
        step,
        DriverEvent::Session(_) | DriverEvent::Notice(_) | DriverEvent::Reply(_) | DriverEvent::ToolsDone
    )
}
