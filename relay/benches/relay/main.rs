//! What the relay does under load: `cargo bench -p nexscope-relay` prints the table of `benches/README.md`,
//! and `cargo bench -p nexscope-relay -- compare DIR [ROUNDS]` the relay beside others, `-- hostile ROUNDS` the
//! hostile afternoon alone.
//!
//! The program itself runs in a process of its own. Members read raw bytes and count frames, so that the
//! figures are the relay's and not a client library's. No criterion: what is measured is a process, and one
//! line says it. Everything is on loopback, bounded in count, and ends by itself.

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
    // 10,000 connections are 10,000 files here too.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).expect("more files");
    // Cargo adds a flag of its own.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => table().await,
        ["compare", dir] => compare::compare(Path::new(dir), 5).await,
        ["compare", dir, rounds] => compare::compare(Path::new(dir), rounds.parse().expect("a number")).await,
        // One alone, for a profiler beside it.
        ["fan-out", receivers] => chat::fan_out(receivers.parse().expect("a number"), 0, 100_000).await,
        ["stream"] => files::throughput(4 << 30).await,
        ["hostile", rounds] => hostile::afternoon(rounds.parse().expect("a number"), None),
        // Of six ways to be ill, one.
        ["hostile", rounds, kind] => {
            hostile::afternoon(
                rounds.parse().expect("a number"),
                Some(kind.parse().expect("a number")),
            );
        }
        ["ping-pong"] => chat::ping_pong(20_000).await,
        // What the others start as processes of their own.
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
    println!("| what | figure |\n|---|---|");
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
