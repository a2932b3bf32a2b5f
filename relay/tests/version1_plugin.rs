//! Files to nexscope-plugin, which receives one at a time and is not ready for the next when the first has ended.
#![cfg(feature = "v1")]

mod support;

use std::{collections::HashMap, time::Duration};

use serde_json::{Value, json};
use support::{Any, Client, PATIENCE, V1, both_versions::chat, relay};
use tokio::time::{Instant, sleep_until, timeout};
use uuid::Uuid;

/// The time that a file takes to be on disk once the plugin has read its end.
const FLUSH: Duration = Duration::from_millis(120);

/// A receiver that keeps the books as nexscope-plugin 0.2 does: a file takes a slot from its start until it is on disk,
/// and bytes that come while there is another number of slots than one are dropped.
struct Plugin {
    client: V1,
    /// By message id.
    slots: HashMap<String, Slot>,
    /// The files that were complete.
    files: Vec<Vec<u8>>,
    /// Files whose size was wrong, and bytes that belonged to no file.
    lost: Vec<String>,
}

struct Slot {
    size: usize,
    bytes: Vec<u8>,
    /// When it is on disk, once its end was read.
    done: Option<Instant>,
}

impl Plugin {
    async fn join(relay: &nexscope_relay::Running, name: &str) -> Plugin {
        Plugin {
            client: V1::join(relay, name).await,
            slots: HashMap::new(),
            files: Vec::new(),
            lost: Vec::new(),
        }
    }

    /// Runs until this number of files has arrived or was lost.
    async fn receive(&mut self, files: usize) {
        let run = async {
            while self.files.len() + self.lost.len() < files {
                let done = self.slots.values().filter_map(|slot| slot.done).min();
                let idle = Instant::now() + PATIENCE;
                tokio::select! {
                    frame = self.client.any() => self.handle(frame),
                    () = sleep_until(done.unwrap_or(idle)) => self.close_slots(),
                }
            }
        };
        timeout(PATIENCE, run).await.expect("in time");
    }

    fn handle(&mut self, frame: Any) {
        match frame {
            Any::Bytes(part) => {
                let is_only = self.slots.len() == 1;
                match self.slots.values_mut().next().filter(|_| is_only) {
                    Some(slot) => slot.bytes.extend(part),
                    None => self.lost.push(format!("{} bytes", part.len())),
                }
            }
            Any::Text(frame) if frame["type"] == "file-start" => {
                let slot = Slot {
                    size: frame["attachment"]["size"].as_u64().expect("a size") as usize,
                    bytes: Vec::new(),
                    done: None,
                };
                self.slots.insert(id_of(&frame), slot);
            }
            Any::Text(frame) if frame["type"] == "file-end" => {
                if let Some(slot) = self.slots.get_mut(&id_of(&frame)) {
                    let flush = FLUSH + Duration::from_micros(slot.bytes.len() as u64 / 200);
                    slot.done = Some(Instant::now() + flush);
                }
            }
            Any::Text(_) => {}
        }
    }

    fn close_slots(&mut self) {
        let now = Instant::now();
        let closed = self
            .slots
            .extract_if(|_, slot| slot.done.is_some_and(|done| done <= now));
        for (id, slot) in closed {
            if slot.bytes.len() == slot.size {
                self.files.push(slot.bytes);
            } else {
                self.lost
                    .push(format!("{id}: {} of {} bytes", slot.bytes.len(), slot.size));
            }
        }
    }
}

fn id_of(frame: &Value) -> String {
    frame["msgId"].as_str().expect("an id").to_owned()
}

fn file(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i >> 3) as u8).collect()
}

/// Offers files in one message and waits until the relay has accepted all of them.
async fn offer(cat: &mut Client, id: &str, files: &[(String, &[u8])]) {
    let offered = files
        .iter()
        .map(|(id, file)| json!({"id": id, "name": id, "size": file.len()}));
    let offered: Vec<_> = offered.collect();
    cat.send(chat(id, &["bob"], true, json!({"files": offered})))
        .await;
    for _ in files {
        cat.until(|frame| frame["body"]["kind"] == "file_accept").await;
    }
}

/// Issue 16, 33: only the first arrived, and the sender was told that all had.
#[tokio::test]
async fn several_files_of_one_message_arrive_whole() {
    let relay = relay(|_| {}).await;
    let mut bob = Plugin::join(&relay, "bob").await;
    let mut cat = Client::join(&relay, "cat").await;
    let files = [16, 7, 5_000_000, 0, 300_000].map(file);
    let named: Vec<_> = files
        .iter()
        .enumerate()
        .map(|(i, file)| (format!("file{i}"), &file[..]))
        .collect();
    offer(&mut cat, "m1", &named).await;
    tokio::join!(cat.send_files("bob", &named), bob.receive(5));
    assert_eq!(bob.lost, [""; 0]);
    assert!(bob.files == files);
}

/// The same for files of version 1: the second sender may start as soon as the first has its ack.
#[tokio::test]
async fn files_of_several_version_1_members_arrive_whole() {
    let relay = relay(|_| {}).await;
    let mut bob = Plugin::join(&relay, "bob").await;
    let mut cat = Client::join(&relay, "cat").await;
    let mut ann = V1::join(&relay, "ann").await;
    let files = [70_000, 3, 1_000_000, 200_000].map(file);
    let named = [("from-cat".to_owned(), &files[3][..])];
    offer(&mut cat, "m1", &named).await;
    let send = async {
        for (i, file) in files[..3].iter().enumerate() {
            ann.send_file(&format!("f{i}"), &["bob"], file).await;
            assert_eq!(ann.next_said().await["delivered"], json!(["bob"]));
        }
    };
    tokio::join!(send, cat.send_files("bob", &named), bob.receive(4));
    assert_eq!(bob.lost, [""; 0]);
    // Cat's may come between the others.
    bob.files
        .sort_by_key(|got| files.iter().position(|sent| sent == got));
    assert!(bob.files == files);
}

/// Issue 16, 33: after an incomplete one, no file arrived until the plugin was restarted.
#[tokio::test]
async fn after_an_incomplete_file_the_next_arrives() {
    let relay = relay(|_| {}).await;
    let mut bob = Plugin::join(&relay, "bob").await;
    let mut cat = Client::join(&relay, "cat").await;
    let files = [file(500_000), file(9)];
    let named: Vec<_> = files
        .iter()
        .enumerate()
        .map(|(i, file)| (format!("file{i}"), &file[..]))
        .collect();
    offer(&mut cat, "m1", &named).await;
    let cut = Uuid::from_u128(1);
    cat.send(json!({"type": "stream_open", "stream": cut.to_string(), "to": "bob", "size": 500_000, "of": "file0", "offset": 0})).await;
    cat.next_of("stream_credit").await;
    cat.send_chunk(cut, 0, &files[0][..60_000]).await;
    cat.end_stream(cut, "cancelled").await;
    tokio::join!(cat.send_files("bob", &named[1..]), bob.receive(2));
    assert_eq!(bob.lost.len(), 1, "{:?}", bob.lost);
    assert!(bob.lost[0].ends_with("of 500000 bytes") && bob.files == files[1..]);
}
