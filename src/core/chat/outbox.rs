//! Our own messages: what still has to be resent, and the delivery status of each.

use std::collections::BTreeMap;

use nexscope_relay::protocol::{
    Ack, Send,
    body::{Body, Origin, Receipt, ReceiptState},
    same_name,
};
use serde::{Deserialize, Serialize};

use crate::{
    core::{Connection, Millis, Steady, files::Source},
    text,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outgoing {
    pub id: String,
    pub to: Vec<String>,
    pub only: bool,
    /// The thread that it belongs to.
    pub thread: Option<String>,
    pub body: Body,
    pub written: Millis,
    /// The same, by the steady clock.
    #[serde(default)]
    pub since: Steady,
    /// Its local files, in the order in which it offers them; unread ones have no hash.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// The number of the draft that it was; the draft ends with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<u32>,
    /// Whether it is on disk.
    #[serde(skip)]
    pub kept: bool,
    #[serde(skip)]
    pub acked: bool,
    /// Addressees who were absent.
    #[serde(skip)]
    pub absent: Vec<String>,
    /// Receipt state and reason of each addressee that sent one.
    #[serde(skip)]
    pub receipts: BTreeMap<String, (ReceiptState, String)>,
    #[serde(skip)]
    pub failed: Option<String>,
}

/// Delivery status of our message, from least to most certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// Its files are being read; it is sent after that.
    Preparing,
    /// The relay has not acknowledged it yet.
    Sending,
    /// Offline; it is sent after reconnecting.
    Held,
    /// The relay has it, and no member is addressed.
    Sent,
    /// It waits for absent members.
    Absent(Vec<String>),
    Delivered,
    /// An addressee sent a receipt: the name, the state, and the reason if there is one.
    Told(String, ReceiptState, String),
    Failed(String),
}

impl DeliveryStatus {
    /// Whether the relay does not have it yet, and still may get it.
    pub fn is_on_its_way(&self) -> bool {
        matches!(
            self,
            DeliveryStatus::Preparing | DeliveryStatus::Sending | DeliveryStatus::Held
        )
    }
}

impl Outgoing {
    pub(in crate::core) fn new(
        id: String,
        to: Vec<String>,
        only: bool,
        thread: Option<String>,
        body: Body,
        written: Millis,
    ) -> Self {
        Self {
            id,
            to,
            only,
            thread,
            body,
            written,
            since: Steady::default(),
            sources: Vec::new(),
            draft: None,
            kept: false,
            acked: false,
            absent: Vec::new(),
            receipts: BTreeMap::new(),
            failed: None,
        }
    }

    /// The frame that carries it, for addressees with these keys.
    pub(in crate::core) fn frame(&self, to_keys: BTreeMap<String, String>) -> Option<Send> {
        Some(Send {
            id: self.id.clone(),
            to: self.to.clone(),
            only: self.only,
            to_keys,
            thread: self.thread.clone(),
            body: serde_json::value::to_raw_value(&self.body).ok()?,
        })
    }

    /// Whether it is a chat message; others, such as receipts, are kept until acked and never receipted.
    pub fn is_chat(&self) -> bool {
        matches!(self.body, Body::Chat(_))
    }

    /// Whether it offers files that an agent named, and no record says which files were checked.
    pub(in crate::core) fn has_unchecked_files(&self) -> bool {
        let is_agents = matches!(&self.body, Body::Chat(chat) if chat.origin == Origin::Agent);
        is_agents && self.sources.iter().any(|source| source.identity.is_none())
    }

    /// Whether its files are still being read.
    pub fn is_preparing(&self) -> bool {
        self.sources.iter().any(|source| source.sha256.is_empty())
    }

    /// Whether `name` is addressed and has not yet confirmed that the message is on disk there.
    pub(in crate::core) fn waits_for(&self, name: &str) -> bool {
        self.is_chat()
            && self.to.iter().any(|to| same_name(to, name))
            && !self.receipts.contains_key(&name.to_ascii_lowercase())
    }

    /// Whether it has to be resent on a new connection.
    pub(in crate::core) fn is_open(&self) -> bool {
        self.failed.is_none() && (!self.acked || self.to.iter().any(|name| self.waits_for(name)))
    }

    pub fn fate(&self, connection: &Connection) -> DeliveryStatus {
        if let Some(why) = &self.failed {
            return DeliveryStatus::Failed(why.clone());
        }
        if self.is_preparing() {
            return DeliveryStatus::Preparing;
        }
        // The most advanced receipt is shown.
        if let Some((name, (state, why))) = self.receipts.iter().max_by_key(|(_, (state, _))| *state)
            && *state > ReceiptState::Received
        {
            let shown = self.to.iter().find(|to| same_name(to, name)).unwrap_or(name);
            return DeliveryStatus::Told(shown.clone(), *state, why.clone());
        }
        if !self.acked {
            return if *connection == Connection::Online {
                DeliveryStatus::Sending
            } else {
                DeliveryStatus::Held
            };
        }
        if self.to.is_empty() {
            return DeliveryStatus::Sent;
        }
        let open: Vec<String> = self
            .to
            .iter()
            .filter(|name| self.waits_for(name))
            .cloned()
            .collect();
        let absent: Vec<String> = open
            .iter()
            .filter(|name| self.absent.iter().any(|gone| same_name(gone, name)))
            .cloned()
            .collect();
        match (absent.is_empty(), open.is_empty()) {
            (false, _) => DeliveryStatus::Absent(absent),
            (true, true) => DeliveryStatus::Delivered,
            (true, false) => DeliveryStatus::Sent,
        }
    }
}

/// All our messages whose delivery is still open or shown.
#[derive(Debug, Default)]
pub struct Outbox {
    // In id order, which is the order of writing (UUIDv7).
    by_id: BTreeMap<String, Outgoing>,
}

impl Outbox {
    pub fn get(&self, id: &str) -> Option<&Outgoing> {
        self.by_id.get(id)
    }

    /// Number of messages that the relay has not acknowledged.
    pub fn unacked(&self) -> usize {
        self.by_id
            .values()
            .filter(|one| !one.acked && one.failed.is_none())
            .count()
    }

    /// Messages whose files are still being read.
    pub(in crate::core) fn preparing(&self) -> impl Iterator<Item = &Outgoing> {
        self.by_id
            .values()
            .filter(|one| one.failed.is_none() && one.is_preparing())
    }

    /// Messages to resend on a new connection, in order.
    pub(in crate::core) fn open(&self) -> impl Iterator<Item = &Outgoing> {
        self.by_id.values().filter(|one| one.is_open())
    }

    /// Messages that may still leave, or whose files may.
    pub(in crate::core) fn may_leave(&self) -> impl Iterator<Item = &Outgoing> {
        let lasting = |one: &&Outgoing| one.failed.is_none() && (one.is_open() || !one.sources.is_empty());
        self.by_id.values().filter(lasting)
    }

    /// Open messages that `name` has not received, and messages to it that may have been held back.
    pub(in crate::core) fn open_for<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Outgoing> {
        self.open().filter(move |one| match one.acked {
            true => one.waits_for(name),
            false => one.to.iter().any(|to| same_name(to, name)),
        })
    }

    pub(in crate::core) fn oldest_unreceived(&self) -> Option<Steady> {
        self.open()
            .filter(|one| one.is_chat() && !one.to.is_empty())
            .map(|one| one.since)
            .next()
    }

    pub(in crate::core) fn insert(&mut self, outgoing: Outgoing) {
        self.by_id.insert(outgoing.id.clone(), outgoing);
    }

    pub(in crate::core) fn get_mut(&mut self, id: &str) -> Option<&mut Outgoing> {
        self.by_id.get_mut(id)
    }

    /// Drops earlier requests for a file, which ask for it from an older offset.
    pub(in crate::core) fn forget_accepts(&mut self, message: &str, wanted: &str) {
        self.by_id.retain(|_, one| {
            !matches!(&one.body, Body::FileAccept { of, file, .. } if of == message && file == wanted)
        });
    }

    /// Applies the relay's ack. `received` are members reached who send no further receipt (version 1). Returns
    /// whether it was news.
    pub(in crate::core) fn ack(&mut self, ack: &Ack, received: &[String]) -> bool {
        let Some(one) = self.by_id.get_mut(&ack.id) else {
            return false;
        };
        let news = !one.acked || one.absent != ack.absent;
        one.acked = true;
        one.absent.clone_from(&ack.absent);
        for name in received {
            one.receipts
                .entry(name.to_ascii_lowercase())
                .or_insert_with(|| (ReceiptState::Received, String::new()));
        }
        // A message that gets no receipts is done with its ack.
        if !one.is_chat() {
            self.by_id.remove(&ack.id);
        }
        news
    }

    /// Applies a receipt. Only addressees of the message count; a state never goes back, except for a retry after a
    /// failure.
    pub(in crate::core) fn receipt(&mut self, from: &str, receipt: &Receipt) -> Option<&Outgoing> {
        let one = self.by_id.get_mut(&receipt.of)?;
        if !one.is_chat() || !one.to.iter().any(|to| same_name(to, from)) {
            return None;
        }
        let why = text::clean_line(&receipt.reason, crate::core::chat::timeline::LINE_MAX);
        let now = one
            .receipts
            .entry(from.to_ascii_lowercase())
            .or_insert((receipt.state, String::new()));
        let retried = matches!(now.0, ReceiptState::Failed | ReceiptState::Expired)
            && receipt.state == ReceiptState::Accepted;
        if receipt.state >= now.0 || retried {
            *now = (receipt.state, why);
        }
        Some(one)
    }

    /// Ids of messages that an addressee has not received within `waited` ms.
    pub(in crate::core) fn stale(&self, now: Steady, waited: Millis) -> Vec<String> {
        let open = self.open().filter(|one| one.is_chat() && !one.to.is_empty());
        open.filter(|one| now.since(one.since) >= waited)
            .map(|one| one.id.clone())
            .collect()
    }
}
