//! Benchmarks of the relay: `cargo bench -p nexscope-relay` prints the table of `benches/README.md`, `-- compare DIR
//! [ROUNDS]` compares the relay with other servers, and `-- hostile ROUNDS` measures hostile clients.
//!
//! The relay runs as a separate process. Members read raw bytes and count frames, so that the figures are those of the relay
//! and not of a client library. They do not use criterion, because they measure a process. Everything is on loopback,
//! bounded in count, and ends by itself.

mod chat;
mod compare;
mod files;
mod hostile;
mod idle;
mod process;
mod support;

use std::path::Path;

#[tokio::main]
async fn main() {
    // 10,000 connections are 10,000 open files here too.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).expect("more files");
    // Cargo adds the flag --bench.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => table().await,
        ["compare", dir] => compare::compare(Path::new(dir), 5).await,
        ["compare", dir, rounds] => compare::compare(Path::new(dir), rounds.parse().expect("a number")).await,
        // A single benchmark, for a profiler.
        ["fan-out", receivers] => chat::fan_out(receivers.parse().expect("a number"), 0, 100_000).await,
        ["stream"] => files::throughput(4 << 30).await,
        ["hostile", rounds] => hostile::afternoon(rounds.parse().expect("a number"), None),
        // One of the kinds of hostile connections.
        ["hostile", rounds, kind] => {
            hostile::afternoon(
                rounds.parse().expect("a number"),
                Some(kind.parse().expect("a number")),
            );
        }
        ["ping-pong"] => chat::ping_pong(20_000).await,
        // Processes that other benchmarks start.
        ["talk", address] => hostile::talk(address).await,
        ["attack", address] => hostile::attack(address, None).await,
        ["attack", address, kind] => hostile::attack(address, Some(kind.parse().expect("a number"))).await,
        ["tcp", port] => compare::tcp::serve(port.parse().expect("a port")).await,
        _ => panic!(
            "usage: cargo bench -p nexscope-relay [-- compare DIR [ROUNDS] | -- hostile ROUNDS [KIND]]"
        ),
    }
}

async fn table() {
    println!(
        "Messages of 256 bytes; limits raised with `{}`.\n",
        support::RAISED.join(" ")
    );
    println!("| benchmark | result |\n|---|---|");
    for (receivers, messages) in [(10, 200_000), (100, 50_000), (1000, 5_024)] {
        chat::fan_out(receivers, 0, messages).await;
    }
    chat::fan_out(99, 1, 50_016).await;
    chat::ping_pong(5_000).await;
    idle::idle(1_000).await;
    idle::idle(10_000).await;
    files::throughput(1 << 30).await;
    files::stopped_reader().await;
    files::chat_beside_files(2_000).await;
    hostile::afternoon(5, None);
}
