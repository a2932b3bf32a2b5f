//! Programs that stay after an answer, each for the next run of its session: that saves their start.
//!
//! Kept is only what has answered well and left nothing running. It may say nothing while nobody asks it: what a
//! task in the background would say then belongs to no run, so the program is ended and its person told.

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

/// So many programs stay at once; the one that has waited longest makes room. Each holds 150 to 250 MB.
const MOST: usize = 4;
/// So much may a program say that means nothing, in bytes, while nobody asks it.
const MOST_SAID: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct ProcessPool {
    /// `None` once no more are kept.
    state: Mutex<Option<State>>,
    told: mpsc::Sender<PooledProgramEnd>,
}

#[derive(Debug, Default)]
struct State {
    /// Those that wait, the longest waiting first.
    waiting: Vec<Waiting>,
    /// How often it was said what may stay: a program that worked meanwhile may not.
    said: PoolEpoch,
}

/// A moment between two times at which it was said what may stay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PoolEpoch(u64);

/// A program that waits; its task has it.
#[derive(Debug)]
struct Waiting {
    name: String,
    agent: Agent,
    /// The session that it has open.
    session: String,
    wanted: CancellationToken,
    end: CancellationToken,
    /// Gives it back where it is wanted and still well.
    task: JoinHandle<Option<Program>>,
}

impl ProcessPool {
    /// None yet. What becomes of them is told to `told`.
    pub fn new(told: mpsc::Sender<PooledProgramEnd>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(Some(State::default())),
            told,
        })
    }

    /// The program that waits in the session that `run` goes on with, where it suits; else one that holds that
    /// session is ended first, since no two may.
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

    /// The moment that it is.
    pub fn said(&self) -> PoolEpoch {
        self.lock()
            .as_ref()
            .map_or_else(PoolEpoch::default, |state| state.said)
    }

    /// Lets `program`, whose run began at the moment `since`, wait in `session` for at most its agent's idling time.
    /// Gives it back where it may not.
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

    /// Ends a program that was kept before, and tells so.
    pub async fn finish(&self, program: Program, grace: Duration) {
        finish(program, grace, None, &self.told).await;
    }

    /// A program that was kept before has ended with its run, as everything that it started.
    pub async fn gone(&self, began_with: &str) {
        let told = PooledProgramEnd {
            began_with: began_with.to_owned(),
            gone: true,
            why: None,
        };
        // The session may be gone; the next start looks for what is left.
        let _ = self.told.send(told).await;
    }

    /// Ends those that wait and are not `good` any more. What works now will not stay.
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

    /// Ends those that wait, and keeps no more.
    pub fn close(&self) {
        let state = self.lock().take();
        let all = state.into_iter().flat_map(|state| state.waiting);
        all.for_each(|one| one.end.cancel());
    }

    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        // Nothing that could panic is done under the lock.
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
    // Where nobody is left to hear of it, the next start looks once more.
    let _ = told
        .send(PooledProgramEnd {
            began_with,
            gone,
            why,
        })
        .await;
}

/// Why a program waits no longer.
enum ExitCause {
    Wanted,
    /// Its time is over, or nobody will ask it.
    Done,
    /// It has ended by itself.
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
            // Before it is asked again: what it has said until now belongs to nobody.
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

/// Whether that is more than bookkeeping.
fn acts(step: &DriverEvent) -> bool {
    !matches!(
        step,
        DriverEvent::Session(_) | DriverEvent::Notice(_) | DriverEvent::Reply(_) | DriverEvent::ToolsDone
    )
}
