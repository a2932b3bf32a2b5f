//! Turns for files of ours: a connection may send so many streams at a time, and the others wait.

use std::sync::Arc;

use nexscope_relay::protocol::MAX_STREAMS;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};

use crate::link::StreamEvent;

/// See the [module](self).
#[derive(Clone)]
pub(super) struct UploadSlots {
    free: Arc<Semaphore>,
    runtime: Handle,
}

impl UploadSlots {
    /// All free. Threads wait with the help of the runtime that calls this.
    pub fn new() -> Self {
        Self {
            free: Arc::new(Semaphore::new(MAX_STREAMS)),
            runtime: Handle::current(),
        }
    }

    /// Waits for a turn, which lasts until it is dropped. Fails with what came for the file meanwhile, none where
    /// nobody is left to send anything. Not for asynchronous code.
    pub fn wait(
        &self,
        pieces: &mut mpsc::Receiver<StreamEvent>,
    ) -> Result<OwnedSemaphorePermit, Option<StreamEvent>> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                piece = pieces.recv() => Err(piece),
                // It is never closed.
                turn = Arc::clone(&self.free).acquire_owned() => turn.map_err(|_| None),
            }
        })
    }
}
