//! Upload slots: a connection may send a limited number of streams at a time; other files wait.

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
    /// Creates free slots. Threads wait on the runtime that calls this.
    pub fn new() -> Self {
        Self {
            free: Arc::new(Semaphore::new(MAX_STREAMS)),
            runtime: Handle::current(),
        }
    }

    /// Waits for a slot, which is freed when dropped. Fails with the event that arrived for the file
    /// meanwhile, or `None` if nobody is left to send one. Blocks: not for async code.
    pub fn wait(
        &self,
        pieces: &mut mpsc::Receiver<StreamEvent>,
    ) -> Result<OwnedSemaphorePermit, Option<StreamEvent>> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                piece = pieces.recv() => Err(piece),
                // The semaphore is never closed.
                turn = Arc::clone(&self.free).acquire_owned() => turn.map_err(|_| None),
            }
        })
    }
}
