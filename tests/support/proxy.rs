//! A network between clients and relay that can be cut, stalled and slowed, and that counts bytes.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// Forwards every connection to the relay until told otherwise.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    relay: SocketAddr,
    open: Mutex<Vec<TcpStream>>,
    stalled: Mutex<bool>,
    moves: Condvar,
    /// Bytes per second in each direction of each connection; 0 is no limit.
    speed: AtomicU64,
    /// Bytes received from the relay.
    carried: AtomicU64,
    ended: AtomicBool,
}

impl Proxy {
    /// Listens on a free port of loopback, in front of `relay`.
    pub fn start(relay: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            relay,
            open: Mutex::new(Vec::new()),
            stalled: Mutex::new(false),
            moves: Condvar::new(),
            speed: AtomicU64::new(0),
            carried: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let accepting = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.ended.load(Ordering::SeqCst) {
                    return;
                }
                // No relay: drop the client, as if nothing listened.
                let Ok(relay) = TcpStream::connect(accepting.relay) else {
                    continue;
                };
                for (from, to, counts) in [(&client, &relay, false), (&relay, &client, true)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let shared = accepting.clone();
                    thread::spawn(move || shared.forward(from, to, counts));
                }
                accepting.open.lock().unwrap().extend([client, relay]);
            }
        });
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    /// Limits the bytes per second from now on, in each direction of each connection.
    pub fn slow(&self, bytes: u64) {
        self.shared.speed.store(bytes, Ordering::Relaxed);
    }

    /// Bytes received from the relay so far.
    pub fn carried(&self) -> u64 {
        self.shared.carried.load(Ordering::Relaxed)
    }

    /// Cuts all connections, in the middle of any data.
    pub fn cut(&self) {
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Holds back all data, or continues.
    pub fn stall(&self, stalled: bool) {
        *self.shared.stalled.lock().unwrap() = stalled;
        self.shared.moves.notify_all();
    }
}

impl Shared {
    fn forward(&self, mut from: TcpStream, mut to: TcpStream, counts: bool) {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            let mut stalled = self.stalled.lock().unwrap();
            while *stalled {
                stalled = self.moves.wait(stalled).unwrap();
            }
            drop(stalled);
            if counts {
                self.carried.fetch_add(length as u64, Ordering::Relaxed);
            }
            let speed = self.speed.load(Ordering::Relaxed);
            if speed > 0 {
                thread::sleep(Duration::from_secs_f64(length as f64 / speed as f64));
            }
            if to.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.stall(false);
        self.cut();
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
    }
}
