//! The relay as a program: it loads its settings, listens, prints the address, and runs until a signal stops it.

mod flags;
mod settings;
pub(crate) mod values;

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    process::ExitCode,
};

use crate::{Relay, RoomToken};
use anyhow::Context;
use flags::{Flags, LogFormat};
use tokio::signal::unix::{SignalKind, signal};
use tracing::Level;
use tracing_subscriber::{EnvFilter, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt};

/// Tasks, all of them short, after which a thread polls for new input. With the default of tokio, 61, input would wait for
/// as many writes to others.
const EVENT_INTERVAL: u32 = 8;

/// Runs the relay with the arguments of a command line, the program's name first, until a signal stops it. `name` is the
/// program's name in help and errors. Exits with 0, with 1 if the relay cannot run, or with 2 if the command line is
/// wrong.
pub fn main(name: &'static str, arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let (flags, tokens) = match settings::load(name, arguments.into_iter().collect()) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    start_log(flags.log_format);
    keep_freed_memory();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .build();
    let ran = runtime
        .context("cannot start threads")
        .and_then(|runtime| runtime.block_on(serve(flags, tokens)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Lets the allocator of glibc keep up to 4 MiB of freed memory instead of returning each chunk of a file to the system:
/// page faults were a fifth of the cost of a stream. Its thresholds follow the largest block that was freed so far. Other
/// allocators are not affected.
fn keep_freed_memory() {
    const BLOCK_BYTES: usize = 2 * 1024 * 1024;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(BLOCK_BYTES)));
}

async fn serve(flags: Flags, tokens: Vec<RoomToken>) -> anyhow::Result<()> {
    let (config, is_generated) = flags.config(tokens).context("there is no usable token")?;
    let token = config.token.0.clone();
    raise_file_limit(config.max_connections);
    // Install the handlers before the address is printed, so that no signal is missed.
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?;
    let tls = config.tls.is_some();
    let relay = Relay::bind(config).await?;
    let reloader = relay.reloader();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            match reloader.reload() {
                Ok(()) => tracing::info!("reloaded the certificate"),
                Err(error) => {
                    tracing::error!(%error, "cannot reload the certificate; the old one stays in use")
                }
            }
        }
    });
    print_address(relay.address(), tls, is_generated.then_some(&token))
        .context("cannot write to standard output")?;
    relay
        .run(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await;
    Ok(())
}

/// Prints the address, and an invite if the token was generated.
fn print_address(address: SocketAddr, tls: bool, token: Option<&String>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "listening on {address}")?;
    if let Some(token) = token {
        let host = SocketAddr::new(reachable(address.ip()), address.port());
        writeln!(out, "nexscope://{host}/lobby?tls={}#{token}", u8::from(tls))?;
    }
    out.flush()
}

/// An address that others can connect to. For a relay that listens on all addresses, the one that this machine uses for
/// outgoing connections.
fn reachable(listening: IpAddr) -> IpAddr {
    if !listening.is_unspecified() {
        return listening;
    }
    // Nothing is sent: connecting a UDP socket only chooses a route.
    let outgoing = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        io::Result::Ok(socket.local_addr()?.ip())
    };
    outgoing().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Raises the limit on open files, which is 1,024 on many systems.
fn raise_file_limit(connections: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(512);
    let wanted = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(wanted),
            maximum: limit.maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "cannot raise the limit on open files");
        }
    }
}

/// Starts the log. `NEXSCOPE_LOG` has the syntax of `RUST_LOG`. Libraries log warnings only, because they would log whole
/// frames otherwise, and the first frame contains a token.
fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_env("NEXSCOPE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let ours = filter_fn(|about| about.target().starts_with("nexscope") || *about.level() <= Level::WARN);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false);
    match format {
        LogFormat::Text => log.with_ansi(false).finish().with(ours).init(),
        LogFormat::Json => log.json().flatten_event(true).finish().with(ours).init(),
    }
}
