//! Idle connections, and the rate of new ones.

use std::time::{Duration, Instant};

use crate::support::{Member, Relay};

/// Measures the memory per idle connection, and the rate of new connections, 32 at a time.
pub async fn idle(connections: usize) {
    let relay = Relay::start();
    let before = relay.process.memory();
    let begin = Instant::now();
    let mut members = Vec::new();
    while members.len() < connections {
        let first = members.len();
        let joins = (first..connections.min(first + 32)).map(|i| {
            let relay = &relay;
            async move {
                // Rooms of ten, because every member is told of every join.
                let mut member = Member::join_room(relay, &format!("m{i}"), i / 10).await;
                member.buffer = Vec::new();
                member
            }
        });
        members.extend(futures_util::future::join_all(joins).await);
    }
    let time = begin.elapsed();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let each = (relay.process.memory() - before) as f64 * 1024.0 / connections as f64;
    let rate = connections as f64 / time.as_secs_f64();
    println!("| {connections} idle connections | {each:.0} bytes each; {rate:.0} new ones a second |");
}
