//! Messages of version 2 members, as version 1 clients read them.

use bytes::Bytes;

use super::{State, ids::Ids};
use crate::{
    protocol::{
        Message,
        body::{Body, Origin, ReceiptState},
        v1::{Reply, role},
    },
    room::{messages::MessageFrame, seat::NameKey},
    wire,
};

/// The form in which version 1 members get a message.
pub(in crate::room) enum V1Rendering {
    Translated,
    /// As a version 1 client wrote it.
    AsWritten(Bytes),
    /// Not at all, because they get it in another way.
    Hidden,
}

/// A message's version 1 frames. `None` where version 1 has no frame for it.
#[derive(Default)]
pub(in crate::room) struct V1Frames {
    named: Option<Bytes>,
    other: Option<Bytes>,
}

impl V1Frames {
    /// The frame for a member: one that the message names, or another.
    pub(in crate::room) fn for_member(&self, named: bool) -> Option<&Bytes> {
        if named { &self.named } else { &self.other }.as_ref()
    }
}

impl State {
    /// Encodes a message for the version 1 members of the room, if there are any.
    pub(in crate::room) fn render(&self, rendering: V1Rendering, message: &MessageFrame) -> V1Frames {
        match rendering {
            V1Rendering::Translated if self.members > 0 => frames(&self.ids, message),
            V1Rendering::Translated | V1Rendering::Hidden => V1Frames::default(),
            V1Rendering::AsWritten(frame) => V1Frames {
                named: Some(frame.clone()),
                other: Some(frame),
            },
        }
    }

    /// Translates a remembered frame for a member. `None` if version 1 has no frame for it.
    pub(in crate::room) fn translate(&self, frame: &Bytes, reader: &NameKey) -> Option<Bytes> {
        let message: Message = serde_json::from_slice(wire::payload(frame)).ok()?;
        let frames = frames(
            &self.ids,
            &MessageFrame {
                id: &message.id,
                from: &message.from,
                from_key: None,
                to: message.to.iter().map(String::as_str).collect(),
                only: message.only,
                thread: message.thread.as_deref(),
                seq: message.seq,
                at: message.at,
                body: &message.body,
            },
        );
        let named = message.to.iter().any(|to| NameKey::new(to) == *reader);
        if named { frames.named } else { frames.other }
    }
}

/// Translates chat messages and negative receipts. A chat message of files only has no frame of its own.
fn frames(ids: &Ids, message: &MessageFrame) -> V1Frames {
    let Ok(body) = serde_json::from_str::<Body>(message.body.get()) else {
        return V1Frames::default();
    };
    match body {
        Body::Chat(chat) if chat.text.is_empty() && !chat.files.is_empty() => V1Frames::default(),
        Body::Chat(chat) => {
            let thread = message.thread.unwrap_or(message.id);
            render_chat(ids, message, thread, chat.origin, &chat.text, chat.hop)
        }
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
            let thread = message.thread.unwrap_or(&receipt.of);
            render_chat(ids, message, thread, Origin::Human, &text, 0)
        }
        Body::FileAccept { .. } | Body::FileDecline { .. } | Body::Unknown => V1Frames::default(),
    }
}

fn render_chat(
    ids: &Ids,
    message: &MessageFrame,
    thread: &str,
    origin: Origin,
    text: &str,
    hop: u32,
) -> V1Frames {
    let frame = |to: &[&str]| {
        wire::text(&Reply::Msg {
            msg_id: ids.to_v1(message.id),
            from: message.from,
            to,
            role: role(origin),
            thread_id: ids.to_v1(thread),
            text,
            hop_count: hop,
            attachments: [],
            ts: message.at,
        })
    };
    V1Frames {
        named: Some(frame(&message.to)),
        other: Some(frame(&[])),
    }
}
