//! Files of version 2 members for version 1 members: the relay accepts them, and is the streams' receiver.
//!
//! Several may come at once. Each has a lane at its receiver, from `file-start` to `file-end`; those lanes go
//! one by one, since binary frames of version 1 do not say which file they are of.

use std::{borrow::Cow, sync::Arc};

use super::{Reply, V1Rendering};
use crate::{
    protocol::{
        MAX_STREAMS, Post, StreamCredit, StreamOpen,
        body::{Body, File},
        v1::{Attachment, Code, role},
    },
    room::{
        Outbox, Room, StreamItem, StreamProgress,
        seat::{NameKey, SeatId},
        streams::Stream,
    },
    wire,
};

/// Offers that a version 1 member's seat remembers; the oldest go first.
const MAX_OFFERS: usize = 64;

/// Files of one message that are accepted: as many as may be on their way to a connection.
const MAX_FILES: usize = MAX_STREAMS;

/// A file that was offered to a version 1 member.
pub(in crate::room) struct Offer {
    from: NameKey,
    file: File,
    msg_id: String,
    thread_id: String,
    text: String,
    hop: u32,
    role: &'static str,
}

/// What a stream to a version 1 member remembers.
pub(in crate::room) struct Outgoing {
    msg_id: String,
    from: String,
}

impl<O: Outbox> Room<O> {
    /// A version 2 message was delivered: its files are accepted in the name of the version 1 members whom it
    /// reached.
    pub(in crate::room) fn v1_accept_files(&mut self, sender: usize, post: &Post, now: u64) {
        let Ok(Body::Chat(chat)) = serde_json::from_str::<Body>(post.body.get()) else {
            return;
        };
        let from = self.seats[sender].key.clone();
        let receives = |key: &NameKey| !post.only || post.to.iter().any(|to| NameKey::new(to) == *key);
        let receivers: Vec<usize> = (0..self.seats.len())
            .filter(|i| *i != sender && self.seats[*i].v1.is_some() && receives(&self.seats[*i].key))
            .collect();
        for receiver in receivers {
            for (number, file) in chat.files.iter().take(MAX_FILES).enumerate() {
                // What carries the message has its id; a file beside it has its own.
                let carries = number == 0 && chat.text.is_empty();
                let id = if carries { &*post.id } else { &*file.id };
                let offer = Offer {
                    from: from.clone(),
                    file: file.clone(),
                    msg_id: self.v1.ids.to_v1(id).to_owned(),
                    thread_id: self
                        .v1
                        .ids
                        .to_v1(post.thread.as_deref().unwrap_or(&post.id))
                        .to_owned(),
                    text: String::new(),
                    hop: chat.hop,
                    role: role(chat.origin),
                };
                if let Some(v1) = &mut self.seats[receiver].v1 {
                    if v1.offers.len() >= MAX_OFFERS {
                        v1.offers.pop_front();
                    }
                    v1.offers.push_back(offer);
                }
                self.v1_send_accept(receiver, &from, &post.id, &file.id, now);
            }
        }
    }

    fn v1_send_accept(&mut self, receiver: usize, to: &NameKey, of: &str, file: &str, now: u64) {
        let body = Body::FileAccept {
            of: of.to_owned(),
            file: file.to_owned(),
            offset: 0,
        };
        // Strings and numbers: this cannot fail.
        let Ok(body) = serde_json::value::to_raw_value(&body) else {
            return;
        };
        let post = Post {
            id: Cow::Owned(self.v1.ids.fresh(&self.epoch)),
            to: vec![to.as_str().to_owned()],
            only: true,
            to_keys: Vec::new(),
            thread: None,
            body: &body,
        };
        let targets = self.resolve_targets(receiver, &post);
        if !targets.is_empty() {
            self.accept_message(receiver, targets, &post, V1Rendering::Hidden, true, now);
        }
    }

    /// A stream for a version 1 member: its start is queued, and its first credit given. Fails, in words, where
    /// the file was not offered or does not begin at its beginning.
    pub(in crate::room) fn v1_open_stream(
        &mut self,
        from: &SeatId,
        to: &SeatId,
        id: uuid::Uuid,
        open: &StreamOpen,
    ) -> Result<Stream, &'static str> {
        if open.offset != 0 {
            return Err("A version 1 member takes a file from its beginning only.");
        }
        let now = self.now;
        let sender = self.seat_of(from).ok_or("You are not here.")?;
        let from_name = self.seats[sender].member.name.clone();
        let receiver = self.seat_of(to).ok_or("The receiver is not here.")?;
        let seat = &mut self.seats[receiver];
        let v1 = seat.v1.as_mut().ok_or("The receiver is not here.")?;
        let offer = v1
            .offers
            .iter()
            .position(|offer| offer.from == from.key && offer.file.id == open.of);
        let offer = offer.and_then(|index| v1.offers.remove(index));
        let offer = offer.ok_or("Offer the file in a message first.")?;
        let start = wire::text(&Reply::FileStart {
            msg_id: &offer.msg_id,
            from: &from_name,
            to: [&seat.member.name],
            role: offer.role,
            thread_id: &offer.thread_id,
            text: &offer.text,
            hop_count: offer.hop,
            attachment: &Attachment {
                name: offer.file.name,
                size: open.size,
                mime: "application/octet-stream".into(),
                sha256: offer.file.sha256,
                chunk_size: self.rules.limits.chunk_bytes as u64,
            },
            ts: now,
        });
        let progress = StreamProgress::new(id, 0, Some(Arc::clone(&v1.progress_notify)));
        if let Some(link) = &seat.link {
            link.outbox.push_stream(&progress, StreamItem::Frame(start));
        }
        let stream = Stream {
            from: from.clone(),
            to: to.clone(),
            size: open.size,
            sent: 0,
            credit: 0,
            done: false,
            progress,
            v1: Some(Box::new(Outgoing {
                msg_id: offer.msg_id,
                from: from_name,
            })),
        };
        // The first credit is given once the stream is known.
        v1.progress_notify.notify_one();
        Ok(stream)
    }

    /// Something has moved that a version 1 connection may wait for: gives credit for what it has read.
    pub fn v1_grant_credit(&mut self, seat_id: &SeatId) {
        let window = self.rules.limits.window_bytes as u64;
        let mut credits = Vec::new();
        for (id, stream) in &mut self.streams {
            let credit = stream.progress.written_to() + window;
            // In large steps: each is a frame.
            let step = (window / 4).max(1);
            if stream.to == *seat_id
                && !stream.done
                && stream.credit < stream.size
                && credit >= stream.credit + step
            {
                stream.credit = credit;
                let stream_id = id.to_string();
                credits.push((
                    stream.from.clone(),
                    StreamCredit {
                        stream: stream_id,
                        bytes: credit,
                    },
                ));
            }
        }
        for (to, credit) in credits {
            self.push_to_seat(&to, wire::text(&credit));
        }
    }
}

impl Outgoing {
    /// The frame that says that the rest does not come.
    pub(in crate::room) fn incomplete(&self) -> bytes::Bytes {
        wire::text(&Reply::Error {
            code: Code::TransferIncomplete,
            message: "The rest of this file does not come; drop what you have of it.",
            msg_id: Some(&self.msg_id),
            retry_after_ms: None,
        })
    }

    /// The frame that stands behind the last byte.
    pub(in crate::room) fn end(&self) -> bytes::Bytes {
        wire::text(&Reply::FileEnd {
            msg_id: &self.msg_id,
            from: &self.from,
        })
    }
}
