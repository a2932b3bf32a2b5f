//! A relay without WebSocket: four bytes of length, then the payload. This is the upper bound for tokio.

use std::{
    io::IoSlice,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedWriteHalf},
    sync::Notify,
};

/// Queue length per receiver, in frames. Senders wait while it is full.
const QUEUE: usize = 4096;
const SLICES: usize = 64;

/// The queue of a connection and its notification.
#[derive(Default)]
struct Queue {
    frames: Mutex<Vec<Bytes>>,
    filled: Notify,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Vec<Bytes>> {
        self.frames.lock().expect("no panic")
    }

    fn push(&self, frame: Bytes) -> usize {
        let length = {
            let mut frames = self.lock();
            frames.push(frame);
            frames.len()
        };
        if length == 1 {
            self.filled.notify_one();
        }
        length
    }
}

type Peers = Arc<Mutex<Vec<Arc<Queue>>>>;

/// Serves on loopback until the process ends.
pub async fn serve(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a port");
    let peers = Peers::default();
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        tokio::spawn(relay(stream, Arc::clone(&peers)));
    }
}

async fn relay(stream: TcpStream, peers: Peers) {
    let (mut read, write) = stream.into_split();
    let queue = Arc::new(Queue::default());
    peers.lock().expect("no panic").push(Arc::clone(&queue));
    tokio::spawn(drain(write, Arc::clone(&queue)));
    let ack = Bytes::from_static(b"\0\0\0\x01a");
    let mut buffer = BytesMut::new();
    while matches!(read.read_buf(&mut buffer).await, Ok(1..)) {
        let mut longest = 0;
        while let Some(length) = buffer
            .first_chunk::<4>()
            .map(|bytes| u32::from_be_bytes(*bytes) as usize)
            .filter(|length| buffer.len() >= 4 + length)
        {
            let frame = buffer.split_to(4 + length).freeze();
            if matches!(frame[4], b'm' | b'j') {
                queue.push(ack.clone());
            }
            if frame[4] != b'j' {
                let peers = peers.lock().expect("no panic");
                for peer in peers.iter().filter(|peer| !Arc::ptr_eq(peer, &queue)) {
                    longest = longest.max(peer.push(frame.clone()));
                }
            }
        }
        if longest > QUEUE {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        buffer.reserve(64 * 1024);
    }
    peers
        .lock()
        .expect("no panic")
        .retain(|peer| !Arc::ptr_eq(peer, &queue));
}

async fn drain(mut write: OwnedWriteHalf, queue: Arc<Queue>) {
    loop {
        let mut batch = std::mem::take(&mut *queue.lock());
        if batch.is_empty() {
            queue.filled.notified().await;
        }
        let mut start = 0;
        while start < batch.len() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = SLICES.min(batch.len() - start);
            for (slice, frame) in slices.iter_mut().zip(&batch[start..]) {
                *slice = IoSlice::new(frame);
            }
            let Ok(mut written) = write.write_vectored(&slices[..count]).await else {
                return;
            };
            while start < batch.len() && written >= batch[start].len() {
                written -= batch[start].len();
                start += 1;
            }
            if written > 0 {
                batch[start].advance(written);
            }
        }
    }
}
