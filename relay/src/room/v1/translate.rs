//! Messages of version 2 members, as version 1 clients read them.

use bytes::Bytes;

use super::{State, ids::Ids};
use crate::{
    protocol::{
        Message,
        body::{Body, Origin, Receipt, ReceiptState},
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

impl<'a> MessageFrame<'a> {
    /// The frame of a message that was sent before.
    pub(super) fn of(message: &'a Message) -> MessageFrame<'a> {
        MessageFrame {
            id: &message.id,
            from: &message.from,
            from_key: message.from_key.as_deref(),
            to: message.to.iter().map(String::as_str).collect(),
            only: message.only,
            thread: message.thread.as_deref(),
            seq: message.seq,
            at: message.at,
            body: &message.body,
        }
    }
}

impl State {
    /// Encodes a message for the version 1 members of the room, if there are any.
    pub(in crate::room) fn render(&mut self, rendering: V1Rendering, message: &MessageFrame) -> V1Frames {
        match rendering {
            V1Rendering::Translated if self.members > 0 => {
                let body = serde_json::from_str(message.body.get());
                body.map_or_else(|_| V1Frames::default(), |body| self.frames(message, &body))
            }
            V1Rendering::Translated | V1Rendering::Hidden => V1Frames::default(),
            V1Rendering::AsWritten(frame) => V1Frames {
                named: Some(frame.clone()),
                other: Some(frame),
            },
        }
    }

    /// Translates a remembered frame for a member. `None` if version 1 has no frame for it.
    pub(in crate::room) fn translate(&mut self, frame: &Bytes, reader: &NameKey) -> Option<Bytes> {
        let message: Message = serde_json::from_slice(wire::payload(frame)).ok()?;
        let body: Body = serde_json::from_str(message.body.get()).ok()?;
        let named = message.to.iter().any(|to| NameKey::new(to) == *reader);
        let thread = message.thread.as_deref().unwrap_or(&message.id);
        if let Body::Chat(chat) = &body
            && named
            && chat.asks
        {
            self.asks
                .ask(&NameKey::new(&message.from), reader, &message.id, thread);
        }
        let frames = self.frames(&MessageFrame::of(&message), &body);
        if named { frames.named } else { frames.other }
    }

    /// Translates chat messages, and receipts that a person must know of. A chat message of files only has no frame of
    /// its own.
    fn frames(&mut self, message: &MessageFrame, body: &Body) -> V1Frames {
        match body {
            Body::Chat(chat) if chat.text.is_empty() && !chat.files.is_empty() => V1Frames::default(),
            Body::Chat(chat) => {
                let thread = message.thread.unwrap_or(message.id);
                render_chat(&self.ids, message, thread, chat.origin, &chat.text, chat.hop)
            }
            Body::Receipt(receipt) => {
                let Some(line) = receipt_line(receipt) else {
                    return V1Frames::default();
                };
                if self
                    .asks
                    .is_repeated(&(message.from, &message.to, &receipt.of, &line), message.seq)
                {
                    return V1Frames::default();
                }
                let thread = message.thread.or_else(|| {
                    let asker = message.to.first()?;
                    self.asks.thread(&NameKey::new(asker), &receipt.of)
                });
                let thread = thread.unwrap_or(&receipt.of);
                render_chat(&self.ids, message, thread, Origin::Human, &line, 0)
            }
            Body::FileAccept { .. } | Body::FileDecline { .. } | Body::Unknown => V1Frames::default(),
        }
    }
}

/// A receipt as a line of text. A question that waits is mentioned only if there is a reason for it, such as a limit of
/// auto mode: that a person must read it first is the normal case.
fn receipt_line(receipt: &Receipt) -> Option<String> {
    let word = match receipt.state {
        ReceiptState::Rejected => "rejected",
        ReceiptState::Failed => "failed",
        ReceiptState::Queued if !receipt.reason.is_empty() => "waiting",
        _ => return None,
    };
    Some(if receipt.reason.is_empty() {
        format!("[{word}]")
    } else {
        format!("[{word}] {}", receipt.reason)
    })
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
