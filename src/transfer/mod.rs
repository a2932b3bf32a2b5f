//! File transfers: each on its own thread, which reads or writes, hashes, and keeps to the credit.
//!
//! The room decides what is offered, accepted and cancelled; the threads report their progress to it. File
//! data never passes through the room or the screen: it goes between the connection and the thread.

mod agent_file;
mod download;
mod error;
mod folder;
mod outflow;
mod partial_file;
mod slots;
mod source;
#[cfg(test)]
mod tests;
mod upload;

use std::{
    collections::HashMap,
    path::PathBuf,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{
    core::files::{TransferEvent, TransferId, TransferOrder},
    link::{Files, StreamEvent},
};
use slots::UploadSlots;

pub use agent_file::contents;
pub use error::{DiskError, KeepError, SendError};
pub use folder::resolve as resolve_folder;
pub use source::inspect;

/// The bytes per read or write if no chunk gives a size.
const STEP: usize = 256 * 1024;
/// The queue length of a thread: at most a window of chunks and a few messages. A transfer whose queue
/// overflows, because its sender uses tiny chunks, is ended.
const PIECES: usize = 1024;
/// The message for a sender whose file is no longer expected.
const OVER: &str = "it is not waited for any more";
/// The queue length of events for the room. Full: the threads wait.
const EVENTS: usize = 256;
/// The interval between progress reports.
const PROGRESS: Duration = Duration::from_millis(100);

/// All transfers of a session.
pub struct Transfers {
    dir: PathBuf,
    link: Files,
    running: HashMap<TransferId, Task>,
    turns: UploadSlots,
    pub events: mpsc::Receiver<(TransferId, TransferEvent)>,
    events_in: mpsc::Sender<(TransferId, TransferEvent)>,
}

/// A transfer's thread and its queue.
struct Task {
    pieces: mpsc::Sender<StreamEvent>,
    thread: Option<JoinHandle<()>>,
}

/// The context of a transfer thread.
#[derive(Clone)]
struct TransferContext {
    handle: TransferId,
    link: Files,
    events: mpsc::Sender<(TransferId, TransferEvent)>,
}

impl Transfers {
    /// Starts without transfers; received files go to `dir`. Must be called inside a tokio runtime.
    pub fn new(dir: PathBuf, link: Files) -> Self {
        let (events_in, events) = mpsc::channel(EVENTS);
        Self {
            dir,
            link,
            running: HashMap::new(),
            turns: UploadSlots::new(),
            events,
            events_in,
        }
    }

    pub fn carry_out(&mut self, handle: TransferId, order: TransferOrder) {
        // Transfers that are over have dropped their receiver.
        self.running.retain(|_, task| !task.pieces.is_closed());
        let ways = TransferContext {
            handle: handle.clone(),
            link: self.link.clone(),
            events: self.events_in.clone(),
        };
        match order {
            TransferOrder::Hash(path) => self.start(handle, ways, move |ways, pieces| {
                source::hash(&path, &ways, pieces);
            }),
            TransferOrder::Fetch(wanted) => {
                let dir = self.dir.clone();
                self.start(handle, ways, move |ways, pieces| {
                    download::run(&dir, wanted, &ways, pieces);
                });
            }
            TransferOrder::Give(giving) => {
                let stream = Uuid::new_v4();
                let (pieces_in, pieces) = mpsc::channel(PIECES);
                self.link.streams.insert(stream, pieces_in.clone());
                // The receiver has asked again: the previous stream is obsolete, and ends before this one
                // begins.
                let before = self.running.remove(&handle).and_then(|task| {
                    let _ = task.pieces.try_send(StreamEvent::Replaced);
                    task.thread
                });
                let turns = self.turns.clone();
                let thread = spawn(ways, move |ways| {
                    if let Some(before) = before {
                        // A thread that panicked has ended, too.
                        let _ = before.join();
                    }
                    upload::run(&giving, stream, &turns, &ways, pieces);
                });
                let task = Task {
                    pieces: pieces_in,
                    thread,
                };
                self.running.insert(handle, task);
            }
            TransferOrder::Take { stream, offset } => {
                let Some(task) = self.running.get(&handle) else {
                    return self.link.refuse(stream, OVER);
                };
                self.link.streams.insert(stream, task.pieces.clone());
                if task
                    .pieces
                    .try_send(StreamEvent::Opened { stream, offset })
                    .is_err()
                {
                    self.link.streams.remove(stream);
                    self.link.refuse(stream, OVER);
                }
            }
            TransferOrder::Discard(wanted) => partial_file::discard(&self.dir, &wanted),
            TransferOrder::Keep => self.tell(&handle, StreamEvent::Keep),
            TransferOrder::Stop => {
                self.tell(&handle, StreamEvent::Stop);
                self.running.remove(&handle);
            }
        }
    }

    /// Stops the current transfer of a handle and starts a new one.
    fn start(
        &mut self,
        handle: TransferId,
        ways: TransferContext,
        work: impl FnOnce(TransferContext, mpsc::Receiver<StreamEvent>) + Send + 'static,
    ) {
        let (pieces_in, pieces) = mpsc::channel(PIECES);
        let thread = spawn(ways, move |ways| work(ways, pieces));
        let task = Task {
            pieces: pieces_in,
            thread,
        };
        self.running.insert(handle, task);
    }

    fn tell(&self, handle: &TransferId, piece: StreamEvent) {
        if let Some(task) = self.running.get(handle) {
            // Full: the transfer is about to be ended for that.
            let _ = task.pieces.try_send(piece);
        }
    }
}

fn spawn(
    ways: TransferContext,
    work: impl FnOnce(TransferContext) + Send + 'static,
) -> Option<JoinHandle<()>> {
    let name = format!("file f{}", ways.handle.number);
    let events = ways.events.clone();
    let handle = ways.handle.clone();
    let started = std::thread::Builder::new().name(name).spawn(move || work(ways));
    match started {
        Ok(thread) => Some(thread),
        Err(error) => {
            tracing::error!(%error, "no thread for a file");
            let why = format!("this computer has no thread left for it ({error})");
            // Nobody receives it only if the session ends.
            let _ = events.try_send((handle, TransferEvent::Failed(why)));
            None
        }
    }
}

impl TransferContext {
    /// Reports an event to the room. Blocks if the room is busy.
    fn tell(&self, event: TransferEvent) {
        // The session may be gone; then there is nobody to notify.
        let _ = self.events.blocking_send((self.handle.clone(), event));
    }
}

/// Limits progress reports to ten per second.
struct ProgressThrottle {
    last: Instant,
}

impl ProgressThrottle {
    fn new() -> Self {
        Self { last: Instant::now() }
    }

    fn beat(&mut self, ways: &TransferContext, have: u64) {
        if self.last.elapsed() >= PROGRESS {
            self.last = Instant::now();
            ways.tell(TransferEvent::Progress { have });
        }
    }
}
