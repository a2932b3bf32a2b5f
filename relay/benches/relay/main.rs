//! What the relay does under load: `cargo bench -p nexscope-relay` prints the table of `benches/README.md`.
//!
//! The program itself runs in a process of its own. Members read raw bytes and count frames, so that the
//! figures are the relay's and not a client library's. No criterion: what is measured is a process, and one
//! line says it. Everything is on loopback, bounded in count, and ends by itself.

mod chat;
mod files;
mod idle;
mod support;

#[tokio::main]
async fn main() {
    // 10,000 connections are 10,000 files here too.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).expect("more files");
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
}
