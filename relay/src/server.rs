//! The relay as a whole: it listens, and serves each connection in a task of its own.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream, lookup_host},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use crate::{
    config::{Config, MIN_TOKEN},
    connection,
    connection::drain::Drainer,
    hub::Hub,
    limits::ConnectionLimits,
    metrics::{Metrics, add},
    room::Rules,
    tls::{Tls, TlsError},
};

/// How long connections have to end when the relay shuts down.
const DRAIN: Duration = Duration::from_secs(4);
/// How long the relay waits before it accepts again after the system refused, with too many open files.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Files that are not for connections: logs, the listener, what a library needs.
const RESERVED_FILES: u64 = 256;

/// What all connections of a relay share.
pub struct Shared {
    pub(crate) config: Config,
    pub(crate) hub: Arc<Hub>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) conn_limits: Arc<ConnectionLimits>,
    pub(crate) drainer: Drainer,
    pub(crate) shutdown: CancellationToken,
    next_connection: AtomicU64,
}

impl Shared {
    /// A number that no other connection of this relay has.
    pub(crate) fn next_connection(&self) -> u64 {
        self.next_connection.fetch_add(1, Relaxed)
    }
}

/// Why a relay does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It would listen where others can reach it, with a token that can be guessed.
    #[error(
        "a relay that listens on {address} needs a token of at least {MIN_TOKEN} characters; set NEXSCOPE_TOKEN to a longer one, or listen on 127.0.0.1"
    )]
    WeakToken {
        /// Where it would listen.
        address: SocketAddr,
    },
    /// An empty token would let everybody in.
    #[error("the token is empty; set NEXSCOPE_TOKEN, or leave it out to have one made")]
    NoToken,
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address is no address, or is taken.
    #[error("cannot listen on {listen}: {reason}; choose another address with --listen")]
    Listen {
        /// What was asked for.
        listen: String,
        /// What the system says.
        reason: io::Error,
    },
}

/// A relay that listens, and serves once it [runs](Relay::run).
pub struct Relay {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
    shared: Arc<Shared>,
}

/// Reads a relay's certificate and key again.
#[derive(Clone)]
pub struct Reloader(Option<Arc<Tls>>);

impl Reloader {
    /// For connections from now on. Fails where the files are wrong; the old ones stay then. Without TLS
    /// there is nothing to do.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.0.as_ref().map_or(Ok(()), |tls| tls.reload())
    }
}

impl Relay {
    /// Listens. Fails where the address cannot be had, or where the token is too weak for it.
    pub async fn bind(config: Config) -> Result<Relay, StartError> {
        if config.secrets().any(|token| token.0.is_empty()) {
            return Err(StartError::NoToken);
        }
        let failed = |reason| StartError::Listen {
            listen: config.listen.clone(),
            reason,
        };
        let addresses: Vec<SocketAddr> = lookup_host(&config.listen).await.map_err(failed)?.collect();
        if let Some(&address) = addresses.iter().find(|address| !address.ip().is_loopback())
            && config.secrets().any(|token| token.0.chars().count() < MIN_TOKEN)
        {
            return Err(StartError::WeakToken { address });
        }
        let tls = config.tls.clone().map(Tls::load).transpose()?.map(Arc::new);
        let listener = TcpListener::bind(&addresses[..]).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Relay {
            listener,
            address,
            tls,
            shared: Arc::new(shared(config)),
        })
    }

    /// Where it listens: with port 0 in the config, the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What reads the certificate again, also while it runs.
    pub fn reloader(&self) -> Reloader {
        Reloader(self.tls.clone())
    }

    /// Listens and runs in the background, on the tokio runtime that calls this.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        let relay = Relay::bind(config).await?;
        let (address, shutdown) = (relay.address, relay.shared.shutdown.clone());
        Ok(Running {
            address,
            tls: relay.tls.is_some(),
            shutdown,
            task: tokio::spawn(relay.run(std::future::pending())),
        })
    }

    /// Serves until `shutdown` is ready; then tells everybody (1001), and returns when all connections have
    /// ended, at the latest after 4 s.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Relay {
            listener,
            address,
            tls,
            shared,
        } = self;
        let tasks = TaskTracker::new();
        info!(%address, "listening");
        tokio::select! {
            () = accept(&listener, tls.as_ref(), &shared, &tasks) => {}
            () = shared.shutdown.cancelled() => {}
            () = shutdown => shared.shutdown.cancel(),
        }
        drop(listener);
        tasks.close();
        info!(connections = tasks.len(), "shutting down");
        if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
            warn!(connections = tasks.len(), "some connections did not end in time");
        }
    }
}

/// A relay that runs in the background. It is stopped when this is dropped; [`Running::stop`] waits for it.
#[must_use = "the relay stops when this is dropped"]
pub struct Running {
    address: SocketAddr,
    tls: bool,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL that clients connect to.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "wss" } else { "ws" };
        format!("{scheme}://{}/ws", self.address)
    }

    /// Tells everybody (1001), and returns when all connections have ended, at the latest after 4 s.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        if let Err(error) = (&mut self.task).await {
            warn!(%error, "the relay's task failed");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// What the connections of a relay with this config share.
pub(crate) fn shared(config: Config) -> Shared {
    let shutdown = CancellationToken::new();
    let rules = Rules {
        max_members: config.max_members,
        v1_max_users: config.v1.max_users,
        v1_max_file: config.v1.max_file,
        memory_messages: config.memory_messages,
        memory_bytes: config.memory_bytes,
        queue_frames: config.queue_frames,
        queue_bytes: config.queue_bytes,
        // Clients read whole seconds; a relay with shorter heartbeats is one of a test's.
        heartbeat: (config.heartbeat.as_secs_f64().round() as u64).max(1),
        server: concat!("nexscope-relay/", env!("CARGO_PKG_VERSION")).to_owned(),
        limits: config.announced(),
    };
    let hub = Hub::new(rules, config.max_rooms, config.seat, shutdown.clone());
    let conn_limits = ConnectionLimits::new(max_connections(config.max_connections), config.per_address);
    Shared {
        hub: Arc::new(hub),
        metrics: Arc::default(),
        conn_limits: Arc::new(conn_limits),
        drainer: Drainer::default(),
        shutdown,
        next_connection: AtomicU64::new(0),
        config,
    }
}

/// As many as asked for (0: without end), but never more than the process may open files, less a reserve.
fn max_connections(asked: usize) -> usize {
    let asked = if asked == 0 { usize::MAX } else { asked };
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files = files.map_or(usize::MAX, |files| {
        usize::try_from(files.saturating_sub(RESERVED_FILES)).unwrap_or(usize::MAX)
    });
    if files < asked {
        info!(
            connections = files,
            "fewer connections than asked for: the process may not open more files"
        );
    }
    asked.min(files.max(1))
}

/// Accepts connections for as long as it is polled.
async fn accept(listener: &TcpListener, tls: Option<&Arc<Tls>>, shared: &Arc<Shared>, tasks: &TaskTracker) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => serve(stream, peer, tls, shared, tasks),
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<&Arc<Tls>>,
    shared: &Arc<Shared>,
    tasks: &TaskTracker,
) {
    add(&shared.metrics.accepted, 1);
    // A proxy's own address says nothing: its connections are counted by whom they are for, once that is known.
    let proxy = shared
        .config
        .trusted_proxy
        .iter()
        .any(|network| network.contains(peer.ip()));
    let Some(permit) = shared.conn_limits.admit((!proxy).then_some(peer.ip())) else {
        return;
    };
    if let Err(error) = stream.set_nodelay(true) {
        // The peer is gone already; reading will tell.
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let shared = Arc::clone(shared);
    let Some(tls) = tls else {
        tasks.spawn(connection::serve(shared, stream, peer, permit));
        return;
    };
    let acceptor = tls.acceptor();
    tasks.spawn(async move {
        let handshake = timeout(shared.config.hello_timeout, acceptor.accept(stream));
        let accepted = tokio::select! {
            () = shared.shutdown.cancelled() => return,
            accepted = handshake => accepted,
        };
        match accepted {
            Ok(Ok(stream)) => connection::serve(shared, stream, peer, permit).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS"),
            Err(_) => tracing::debug!(%peer, "no TLS in time"),
        }
    });
}
