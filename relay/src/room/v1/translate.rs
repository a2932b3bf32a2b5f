//! What version 2 members say, as version 1 clients read it.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::ids::Ids;
use crate::{
    protocol::{
        body::{Body, Origin, ReceiptState},
        v1::{Reply, role},
    },
    wire,
};

/// How a message looks to version 1 members.
pub(in crate::room) enum V1Rendering {
    /// Translated from version 2.
    Translated,
    /// As a version 1 client wrote it.
    Written(Bytes),
    /// Not at all: it goes to them in another way.
    Hidden,
}

/// A message's version 1 frames; none where it is nothing for version 1.
#[derive(Default)]
pub(in crate::room) struct V1Frames {
    /// For members that it names, or whom it is for alone.
    pub(in crate::room) named: Option<Bytes>,
    /// For those who overhear it.
    pub(in crate::room) other: Option<Bytes>,
}

/// The parts of a version 2 message.
pub(in crate::room) struct MessageParts<'a> {
    pub(in crate::room) id: &'a str,
    pub(in crate::room) from: &'a str,
    pub(in crate::room) to: Vec<&'a str>,
    pub(in crate::room) thread: Option<&'a str>,
    pub(in crate::room) at: u64,
    pub(in crate::room) body: &'a RawValue,
}

impl MessageParts<'_> {
    /// Translates: chat, and receipts that say no. A chat of files alone says nothing by itself.
    pub(in crate::room) fn render(&self, ids: &Ids) -> V1Frames {
        let Ok(body) = serde_json::from_str::<Body>(self.body.get()) else {
            return V1Frames::default();
        };
        let thread = self.thread.unwrap_or(self.id);
        match body {
            Body::Chat(chat) if chat.text.is_empty() && !chat.files.is_empty() => V1Frames::default(),
            Body::Chat(chat) => self.render_chat(ids, thread, chat.origin, &chat.text, chat.hop),
            Body::Receipt(receipt) => {
                let word = match receipt.state {
                    ReceiptState::Rejected => "rejected",
                    ReceiptState::Failed => "failed",
                    _ => return V1Frames::default(),
                };
                let text = if receipt.reason.is_empty() {
                    format!("[{word}]")
                } else {
                    format!("[{word}] {}", receipt.reason)
                };
                let thread = self.thread.unwrap_or(&receipt.of);
                self.render_chat(ids, thread, Origin::Human, &text, 0)
            }
            Body::FileAccept { .. } | Body::FileDecline { .. } | Body::Unknown => V1Frames::default(),
        }
    }

    fn render_chat(&self, ids: &Ids, thread: &str, origin: Origin, text: &str, hop: u32) -> V1Frames {
        let frame = |to: &[&str]| {
            wire::text(&Reply::Msg {
                msg_id: ids.to_v1(self.id),
                from: self.from,
                to,
                role: role(origin),
                thread_id: ids.to_v1(thread),
                text,
                hop_count: hop,
                attachments: [],
                ts: self.at,
            })
        };
        V1Frames {
            named: Some(frame(&self.to)),
            other: Some(frame(&[])),
        }
    }
}
