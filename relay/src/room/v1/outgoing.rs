//! Files of version 2 members for version 1 members. The relay accepts them and receives their streams.
//!
//! Several may arrive at once. Each is a stream from `file-start` to `file-end`. A version 1 connection sends its
//! streams one after the other, because binary frames of version 1 do not name their file.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::V1Room;
use crate::{
    protocol::{
        MAX_STREAMS, Post, StreamCredit, StreamOpen,
        body::{Body, Chat, File},
        v1::{Attachment, Code, Reply, role},
    },
    room::{
        Outbox, StreamItem, StreamProgress,
        seat::{NameKey, SeatId},
        streams::Stream,
    },
    wire,
};

/// Offers that a version 1 member's seat remembers. The oldest is dropped first.
const MAX_OFFERS: usize = 64;

/// Files accepted per message: as many as a connection may receive at a time.
const MAX_FILES: usize = MAX_STREAMS;

/// A file that was offered to a version 1 member.
pub(super) struct Offer {
    from: NameKey,
    file: File,
    msg_id: String,
    thread_id: String,
    hop: u32,
    role: &'static str,
}

/// A stream to a version 1 member, as its receiver knows it.
pub(in crate::room) struct OutgoingFile {
    msg_id: String,
    from: String,
}

impl<O: Outbox> V1Room<'_, O> {
    /// Accepts the files of a version 2 message on behalf of the version 1 members that it reached.
    pub(super) fn accept_files(&mut self, sender: usize, post: &Post, chat: &Chat, now: u64) {
        let room = &mut *self.0;
        let from = room.seats[sender].key.clone();
        let receives = |key: &NameKey| !post.only || post.to.iter().any(|to| NameKey::new(to) == *key);
        let others = room.seats.others(sender);
        let receivers = others.filter(|(_, seat)| seat.v1.is_some() && receives(&seat.key));
        let receivers: Vec<usize> = receivers.map(|(index, _)| index).collect();
        for receiver in receivers {
            for (number, file) in chat.files.iter().take(MAX_FILES).enumerate() {
                let room = &mut *self.0;
                let ids = &room.v1.ids;
                // The first file of a message without text stands for the message and has its id.
                let is_message = number == 0 && chat.text.is_empty();
                let id = if is_message { &*post.id } else { &*file.id };
                let offer = Offer {
                    from: from.clone(),
                    file: file.clone(),
                    msg_id: ids.to_v1(id).to_owned(),
                    thread_id: ids.to_v1(post.thread.as_deref().unwrap_or(&post.id)).to_owned(),
                    hop: chat.hop,
                    role: role(chat.origin),
                };
                let limit = room.rules.v1.max_file;
                if limit > 0 && file.size > limit {
                    let body = Body::FileDecline {
                        of: post.id.to_string(),
                        file: file.id.clone(),
                        reason: "the file exceeds the relay's limit for version 1".to_owned(),
                    };
                    self.send_body(receiver, &from, None, &body, now);
                    continue;
                }
                if let Some(v1) = &mut room.seats[receiver].v1 {
                    if v1.offers.len() >= MAX_OFFERS {
                        v1.offers.pop_front();
                    }
                    v1.offers.push_back(offer);
                }
                let body = Body::FileAccept {
                    of: post.id.to_string(),
                    file: file.id.clone(),
                    offset: 0,
                };
                self.send_body(receiver, &from, None, &body, now);
            }
        }
    }

    /// Opens a stream to a version 1 member: queues its start and requests its first credit. Fails with a sentence if
    /// the file was not offered or the stream does not start at offset 0.
    pub(in crate::room) fn open_stream(
        &mut self,
        from: &SeatId,
        to: &SeatId,
        id: Uuid,
        open: &StreamOpen,
    ) -> Result<Stream, &'static str> {
        if open.offset != 0 {
            return Err("A version 1 member can only receive a file from its start.");
        }
        let room = &mut *self.0;
        let limit = room.rules.v1.max_file;
        if limit > 0 && open.size > limit {
            return Err("The file exceeds the relay's limit for version 1.");
        }
        let sender = room.seats.index_of(from).ok_or("You are not here.")?;
        let from_name = room.seats[sender].member.name.clone();
        let receiver = room.seats.index_of(to).ok_or("The receiver is not here.")?;
        let seat = &mut room.seats[receiver];
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
            text: "",
            hop_count: offer.hop,
            attachment: &Attachment {
                name: offer.file.name,
                size: open.size,
                mime: "application/octet-stream".into(),
                sha256: offer.file.sha256,
                chunk_size: room.rules.limits.chunk_bytes as u64,
            },
            ts: room.now,
        });
        let progress = StreamProgress::new(id, 0, Some(Arc::clone(&v1.progress)));
        if let Some(link) = &seat.link {
            link.outbox.push_stream(&progress, StreamItem::Frame(start));
        }
        // The connection gives the first credit once the stream is known.
        v1.notify();
        let v1 = OutgoingFile {
            msg_id: offer.msg_id,
            from: from_name,
        };
        Ok(Stream {
            v1: Some(Box::new(v1)),
            ..Stream::new(from, to, open.size, 0, &progress)
        })
    }

    /// Gives credit for what a version 1 connection has read. To be called when its seat was notified.
    pub fn grant_credit(&mut self, seat_id: &SeatId) {
        let window = self.0.rules.limits.window_bytes as u64;
        // In large steps, because each is a frame.
        let step = (window / 4).max(1);
        for (id, stream) in &mut self.0.streams.by_id {
            let credit = stream.progress.written_to() + window;
            if stream.to == *seat_id
                && !stream.done
                && stream.credit < stream.size
                && credit >= stream.credit + step
            {
                stream.credit = credit;
                let credit = StreamCredit {
                    stream: id.to_string(),
                    bytes: credit,
                };
                self.0.seats.send(&stream.from, wire::text(&credit));
            }
        }
    }
}

/// The error for a file that was cut off, and its end: the plugin receives no other file before that.
pub(super) fn incomplete(msg_id: &str, from: &str, message: &str) -> Bytes {
    let error = Reply::Error {
        code: Code::TransferIncomplete,
        message,
        msg_id: Some(msg_id),
        retry_after_ms: None,
    };
    let mut frames = Vec::new();
    wire::append_text(&mut frames, &error);
    wire::append_text(&mut frames, &Reply::FileEnd { msg_id, from });
    frames.into()
}

impl OutgoingFile {
    /// The frames that replace the rest of a file that was cut off.
    pub(in crate::room) fn incomplete(&self) -> Bytes {
        let message = "The rest of this file will not come; discard what you have of it.";
        incomplete(&self.msg_id, &self.from, message)
    }

    /// The frame behind the last byte.
    pub(in crate::room) fn end(&self) -> Bytes {
        wire::text(&Reply::FileEnd {
            msg_id: &self.msg_id,
            from: &self.from,
        })
    }
}
