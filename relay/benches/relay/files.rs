//! Streams: speed, memory, and their effect on chat.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::support::{Member, Relay, at, frame, message};

const WINDOW: u64 = 1 << 20;
const CHUNK: u64 = 64 * 1024;

/// Sends a file as fast as credit allows.
async fn send(mut member: Member, id: Uuid, to: String, size: u64) {
    let open =
        format!(r#"{{"type":"stream_open","stream":"{id}","to":"{to}","size":{size},"of":"f","offset":0}}"#);
    member.send(&open).await;
    let (mut sent, mut credit) = (0u64, 0u64);
    let data = vec![7u8; CHUNK as usize];
    while sent < size {
        while sent < credit.min(size) {
            let length = CHUNK.min(credit.min(size) - sent);
            let chunk = frame(
                0x2,
                &[id.as_bytes(), &sent.to_be_bytes(), &data[..length as usize]],
            );
            member.stream.write_all(&chunk).await.expect("sent");
            sent += length;
        }
        if sent == size {
            break;
        }
        member
            .read(|_, payload| {
                let text = String::from_utf8_lossy(payload);
                if let Some(bytes) = text.split("\"bytes\":").nth(1) {
                    let bytes = bytes.trim_end_matches('}').parse().expect("a number");
                    credit = credit.max(bytes);
                }
                assert!(!text.contains("\"error\""), "{text}");
            })
            .await;
    }
    let close = format!(r#"{{"type":"stream_close","stream":"{id}","reason":"done","message":""}}"#);
    member.send(&close).await;
    // The other side continues to read.
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// Receives files of `size` bytes in total. Returns the time of the last one.
async fn receive(mut member: Member, ids: Vec<Uuid>, size: u64) -> Instant {
    let mut state: Vec<(Uuid, u64, u64)> = ids.into_iter().map(|id| (id, 0, 0)).collect();
    let mut total = 0;
    while total < size {
        let mut opened = false;
        member
            .read(|opcode, payload| {
                if opcode == 2
                    && let Some((_, at, _)) =
                        state.iter_mut().find(|(id, ..)| id.as_bytes() == &payload[..16])
                {
                    *at += payload.len() as u64 - 24;
                    total += payload.len() as u64 - 24;
                }
                opened |= payload.starts_with(b"{\"type\":\"stream_open");
            })
            .await;
        for (id, at, credit) in &mut state {
            if *at + WINDOW >= *credit + WINDOW / 4 && (opened || *credit > 0) {
                *credit = *at + WINDOW;
                let text = format!(r#"{{"type":"stream_credit","stream":"{id}","bytes":{credit}}}"#);
                member.send(&text).await;
            }
        }
    }
    Instant::now()
}

/// Measures a file of this many bytes.
pub async fn throughput(size: u64) {
    let relay = Relay::start();
    let (bob, ann) = (
        Member::join(&relay, "bob").await,
        Member::join(&relay, "ann").await,
    );
    let (before, begin, id) = (relay.process.memory(), Instant::now(), Uuid::new_v4());
    let cpu = relay.process.cpu();
    let sending = tokio::spawn(send(ann, id, "bob".into(), size));
    let receiving = tokio::spawn(receive(bob, vec![id], size));
    let mut most = 0;
    while !receiving.is_finished() {
        most = most.max(relay.process.memory());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let time = receiving.await.expect("received") - begin;
    let rate = size as f64 / time.as_secs_f64() / 1e6;
    let more = most.saturating_sub(before) as f64 / 1024.0;
    println!(
        "| {} MiB in a stream | {rate:.0} MB/s, {:.2} s of the relay's CPU for each GiB; its memory rises by {more:.1} MiB |",
        size >> 20,
        (relay.process.cpu() - cpu) / (size as f64 / f64::from(1 << 30)),
    );
    sending.abort();
}

/// Measures the memory for a file whose receiver stops reading.
pub async fn stopped_reader() {
    let relay = Relay::start();
    let (mut bob, ann) = (
        Member::join(&relay, "bob").await,
        Member::join(&relay, "ann").await,
    );
    let id = Uuid::new_v4();
    let before = relay.process.memory();
    let sending = tokio::spawn(send(ann, id, "bob".into(), 1 << 30));
    while bob.frames(b"{\"type\":\"stream_open").await == 0 {}
    bob.send(&format!(
        r#"{{"type":"stream_credit","stream":"{id}","bytes":{WINDOW}}}"#
    ))
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let more = relay.process.memory().saturating_sub(before) as f64 / 1024.0;
    println!("| a stream with a stalled reader | the relay's memory rises by {more:.1} MiB |");
    sending.abort();
}

/// Measures chat between two members while four files are in transit between others.
pub async fn chat_beside_files(rounds: u64) {
    let relay = Relay::start();
    let mut tasks = Vec::new();
    for i in 0..4 {
        let (to, id) = (format!("to{i}"), Uuid::new_v4());
        let receiver = Member::join(&relay, &to).await;
        tasks.push(tokio::spawn(async move {
            receive(receiver, vec![id], u64::MAX).await;
        }));
        let sender = Member::join(&relay, &format!("from{i}")).await;
        tasks.push(tokio::spawn(send(sender, id, to, 1 << 40)));
    }
    let mut ann = Member::join(&relay, "ann").await;
    let mut bob = Member::join(&relay, "bob").await;
    let mut times = Vec::new();
    for round in 0..rounds {
        let begin = Instant::now();
        ann.stream.write_all(&message(round)).await.expect("sent");
        while bob.frames(b"{\"type\":\"message").await == 0 {}
        times.push(begin.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let (p50, p99, p999) = (at(&mut times, 0.5), at(&mut times, 0.99), at(&mut times, 0.999));
    println!(
        "| one-way chat latency while 4 files stream at full speed | p50 {p50} µs, p99 {p99} µs, p99.9 {p999} µs |"
    );
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}
