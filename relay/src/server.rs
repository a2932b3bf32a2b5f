//! The relay: it listens, and serves each connection in its own task.

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
    handshake::proxy::is_trusted,
    hub::Hub,
    limits::{ConnectionLimits, HeldSeats},
    metrics::{Metrics, add},
    room::Rules,
    tls::{Tls, TlsError},
};

/// Time for connections to end when the relay shuts down.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(4);
/// Delay before the next attempt to accept a connection after a failure, such as too many open files.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// Open files that are reserved for other things than connections.
const RESERVED_FILES: u64 = 256;

/// The state that all connections of a relay share.
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
    /// A number that is unique among the connections of this relay.
    pub(crate) fn next_connection(&self) -> u64 {
        self.next_connection.fetch_add(1, Relaxed)
    }
}

/// The reason why a relay does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It would listen beyond loopback with a token that can be guessed.
    #[error(
        "a relay that listens on {address} needs a token of at least {MIN_TOKEN} characters. Set NEXSCOPE_TOKEN to a longer one, or listen on 127.0.0.1"
    )]
    WeakToken {
        /// The address to listen on.
        address: SocketAddr,
    },
    /// An empty token would admit everyone.
    #[error("the token is empty. Set NEXSCOPE_TOKEN, or unset it to generate one")]
    NoToken,
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address is invalid or in use.
    #[error("cannot listen on {listen}: {reason}. Choose another address with --listen")]
    Listen {
        /// The address from the settings.
        listen: String,
        /// The error of the system.
        reason: io::Error,
    },
}

/// A relay that listens. It serves connections in [`Relay::run`].
pub struct Relay {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
    shared: Arc<Shared>,
}

/// Reloads a relay's certificate and key.
#[derive(Clone)]
pub struct Reloader(Option<Arc<Tls>>);

impl Reloader {
    /// Reloads them for new connections. Does nothing without TLS.
    ///
    /// # Errors
    ///
    /// If the files cannot be used. The old ones stay in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.0.as_ref().map_or(Ok(()), |tls| tls.reload())
    }
}

impl Relay {
    /// Binds the address.
    ///
    /// # Errors
    ///
    /// If the address or the certificate cannot be used, or the token is too weak for the address.
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

    /// The bound address, with the actual port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle that reloads the certificate, also while the relay runs.
    pub fn reloader(&self) -> Reloader {
        Reloader(self.tls.clone())
    }

    /// Binds the address and runs in the background, on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// Like [`Relay::bind`].
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

    /// Serves until `shutdown` is ready. Then closes all connections with code 1001 and returns when they have ended, at
    /// the latest after 4 s.
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
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, tasks.wait())
            .await
            .is_err()
        {
            warn!(connections = tasks.len(), "some connections did not end in time");
        }
    }
}

/// A relay that runs in the background. Dropping this stops it; [`Running::stop`] waits until it has stopped.
#[must_use = "the relay stops when this is dropped"]
pub struct Running {
    address: SocketAddr,
    tls: bool,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL for clients.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "wss" } else { "ws" };
        format!("{scheme}://{}/ws", self.address)
    }

    /// Closes all connections with code 1001 and returns when they have ended, at the latest after 4 s.
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

/// The shared state of a relay with these settings.
pub(crate) fn shared(config: Config) -> Shared {
    let shutdown = CancellationToken::new();
    let rules = Rules {
        max_members: config.max_members,
        #[cfg(feature = "v1")]
        v1: crate::room::v1::Rules {
            max_users: config.v1.max_users,
            max_file: config.v1.max_file,
        },
        memory_messages: config.memory_messages,
        memory_bytes: config.memory_bytes,
        queue_frames: config.queue_frames,
        queue_bytes: config.queue_bytes,
        // Clients expect whole seconds. Only tests use shorter heartbeats.
        heartbeat: (config.heartbeat.as_secs_f64().round() as u64).max(1),
        server: concat!("nexscope-relay/", env!("CARGO_PKG_VERSION")).to_owned(),
        limits: config.announced(),
    };
    let held_seats = HeldSeats::new(config.per_address);
    let hub = Hub::new(rules, config.max_rooms, config.seat, held_seats, shutdown.clone());
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

/// The requested limit (0: none), lowered to the number of files that the process may open, less a reserve.
fn max_connections(requested: usize) -> usize {
    let requested = if requested == 0 { usize::MAX } else { requested };
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files = files.map_or(usize::MAX, |files| {
        usize::try_from(files.saturating_sub(RESERVED_FILES)).unwrap_or(usize::MAX)
    });
    if files < requested {
        info!(
            connections = files,
            "fewer connections than configured: the process may not open more files"
        );
    }
    requested.min(files.max(1))
}

async fn accept(listener: &TcpListener, tls: Option<&Arc<Tls>>, shared: &Arc<Shared>, tasks: &TaskTracker) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => serve(stream, peer, tls, shared, tasks),
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
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
    // Connections through a proxy are counted by client, once the proxy has named it.
    let is_proxy = is_trusted(&shared.config.trusted_proxy, peer.ip());
    let Some(permit) = shared.conn_limits.admit((!is_proxy).then_some(peer.ip())) else {
        return;
    };
    if let Err(error) = stream.set_nodelay(true) {
        // The peer is gone already. The next read fails too.
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
