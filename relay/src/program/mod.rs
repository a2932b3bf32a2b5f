//! The relay as a program: reads the command line, listens, says where, and runs until it is told to stop.

mod cli;
mod settings;

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    process::ExitCode,
};

use crate::{Relay, RoomToken};
use anyhow::Context;
use cli::{Flags, LogFormat};
use tokio::signal::unix::{SignalKind, signal};
use tracing::Level;
use tracing_subscriber::{EnvFilter, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt};

/// After so many tasks, each of which is short, a thread looks who has sent something. With tokio's own 61, what comes
/// would wait for as many writes to others.
const EVENT_INTERVAL: u32 = 8;

/// Runs the relay with the arguments of a command line, the program's name first, until it is told to stop. `name` is
/// what it is called in help and errors. Exit 0, or 1 where it cannot run; 2 for a wrong command line.
pub fn main(name: &'static str, arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let (flags, tokens) = match settings::read(name, arguments.into_iter().collect()) {
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
        .and_then(|runtime| runtime.block_on(run(flags, tokens)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Lets glibc's allocator keep what is freed, up to 4 MiB, instead of giving each chunk of a file back to the
/// system and asking for it again: page faults were a fifth of a stream's cost. Its limits grow to the size, and
/// to twice the size, of the largest block that was freed so far. Other allocators take no notice.
fn keep_freed_memory() {
    const BLOCK: usize = 2 * 1024 * 1024;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(BLOCK)));
}

async fn run(flags: Flags, tokens: Vec<RoomToken>) -> anyhow::Result<()> {
    let (config, made) = flags.config(tokens).context("cannot make a token")?;
    let token = config.token.0.clone();
    raise_file_limit(config.max_connections);
    // Before anybody is told that the relay is there: a signal that comes right then must find its handler.
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?;
    let tls = config.tls.is_some();
    let relay = Relay::bind(config).await?;
    let reloader = relay.reloader();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            match reloader.reload() {
                Ok(()) => tracing::info!("the certificate was read again"),
                Err(error) => tracing::error!(%error, "the old certificate stays"),
            }
        }
    });
    print_address(relay.address(), tls, made.then_some(&token)).context("cannot write to standard output")?;
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

/// Prints where the relay listens, and an invite where nobody knows its token.
fn print_address(address: SocketAddr, tls: bool, token: Option<&String>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "listening on {address}")?;
    if let Some(token) = token {
        let host = SocketAddr::new(reachable(address.ip()), address.port());
        writeln!(out, "nexscope://{host}/lobby?tls={}#{token}", u8::from(tls))?;
    }
    out.flush()
}

/// An address that others can connect to: where a relay listens on all, the one that this machine would
/// use towards others.
fn reachable(listening: IpAddr) -> IpAddr {
    if !listening.is_unspecified() {
        return listening;
    }
    // Nothing is sent: connecting a UDP socket only chooses a route.
    let towards_others = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        io::Result::Ok(socket.local_addr()?.ip())
    };
    towards_others().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Many systems let a process open 1,024 files unless it asks for more, which it may.
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

/// `NEXSCOPE_LOG` takes what `RUST_LOG` does. Of libraries only warnings are let through: they log whole frames
/// otherwise, and a token stands in the first.
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
