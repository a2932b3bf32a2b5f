//! Reads and discards what refused peers still send, so that the last frames to them arrive.
//!
//! Such a peer may send as fast as it can without slowing the others down: it is read in small chunks, every other task
//! comes first in between, and only one refused peer is read at a time.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    sync::Semaphore,
    task::yield_now,
};

/// Bytes that are read at once, which takes some 30 µs.
const CHUNK_BYTES: usize = 64 * 1024;

/// Takes turns among the refused peers of a relay.
pub struct Drainer(Semaphore);

impl Default for Drainer {
    fn default() -> Drainer {
        Drainer(Semaphore::new(1))
    }
}

impl Drainer {
    /// Reads and discards until `is_done`, `max_bytes`, or the end of the connection. Bound the time with a timeout.
    pub async fn discard<R: AsyncRead + Unpin>(
        &self,
        from: &mut R,
        max_bytes: usize,
        is_done: impl Fn(&R) -> bool,
    ) {
        let mut total = 0;
        while !is_done(from) && total < max_bytes {
            match poll_fn(|context| poll_discard(from, context)).await {
                Ok(0) | Err(_) => return,
                Ok(n) => total += n,
            }
            // Acquired after the read, so that a silent peer does not hold up the others. It is never closed.
            let turn = self.0.acquire().await;
            yield_now().await;
            drop(turn);
        }
    }
}

/// Reads a chunk into a buffer on the stack, so that refused peers use no memory.
fn poll_discard<R: AsyncRead + Unpin>(from: &mut R, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
    let mut chunk = [MaybeUninit::uninit(); CHUNK_BYTES];
    let mut chunk = ReadBuf::uninit(&mut chunk);
    ready!(Pin::new(from).poll_read(context, &mut chunk))?;
    Poll::Ready(Ok(chunk.filled().len()))
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    };

    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    /// A peer that has sent this many chunks.
    async fn sent(chunks: usize) -> (DuplexStream, DuplexStream) {
        let (mut peer, ours) = duplex(CHUNK_BYTES * 16);
        peer.write_all(&vec![7; CHUNK_BYTES * chunks])
            .await
            .expect("room for it");
        (peer, ours)
    }

    #[tokio::test]
    async fn others_come_between_two_pieces() {
        let (peer, mut ours) = sent(10).await;
        drop(peer);
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&turns);
        let other = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Relaxed);
                yield_now().await;
            }
        });
        Drainer::default().discard(&mut ours, usize::MAX, |_| false).await;
        other.abort();
        assert!(turns.load(Relaxed) >= 9, "{turns:?}");
    }

    #[tokio::test]
    async fn who_sends_nothing_holds_nobody_up() {
        let drainer = Drainer::default();
        let ((_silent, mut nothing), (_peer, mut much)) = (sent(0).await, sent(10).await);
        tokio::select! {
            () = drainer.discard(&mut nothing, usize::MAX, |_| false) => panic!("it has not ended"),
            () = drainer.discard(&mut much, CHUNK_BYTES * 4, |_| false) => {}
        }
        let mut left = vec![0; CHUNK_BYTES * 6];
        tokio::io::AsyncReadExt::read_exact(&mut much, &mut left)
            .await
            .expect("no more was read than asked for");
        drainer.discard(&mut much, usize::MAX, |_| true).await;
    }
}
