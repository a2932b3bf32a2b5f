//! The end of the input: whether it is worth waiting for the relay.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use super::Plain;
use crate::core::{Connection, DeliveryStatus, Offer, Side};

/// The timeout, at the end of input, for the next connection or ack.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The remaining work at the end of input: as long as it changes, there is progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    joined: bool,
    /// Messages not yet accepted by the relay.
    open: usize,
    /// Bytes read of files still being read.
    read: u64,
}

fn are(names: &[String]) -> String {
    match names {
        [one] => format!("{one} is"),
        several => format!("{} are", several.join(", ")),
    }
}

impl<O: Write, E: Write> Plain<O, E> {
    /// The time, at the end of input, of the last progress: a message sent, or a part of a file read.
    pub(super) fn last_progress(&mut self, since: Instant) -> Instant {
        let room = self.client.room();
        let posts = self
            .sent
            .iter()
            .filter_map(|number| room.chat.timeline().post_numbered(*number));
        let open = posts
            .filter_map(|post| room.fate_of(post))
            .filter(DeliveryStatus::is_on_its_way)
            .count();
        let read = room.files.all().filter_map(|offer| match &offer.side {
            Side::Mine(mine) => mine.reading,
            _ => None,
        });
        let left = Left {
            joined: self.joined,
            open,
            read: read.sum(),
        };
        match self.left.replace(left) {
            Some(before) if before != left => Instant::now(),
            _ => since,
        }
    }

    /// At the end of input: `None` while it is worth waiting, then whether everything was sent.
    pub(super) fn is_done(&mut self, since: Instant) -> Option<bool> {
        let room = self.client.room();
        let fates = self
            .sent
            .iter()
            .filter_map(|number| room.chat.timeline().post_numbered(*number));
        let fates: Vec<DeliveryStatus> = fates.filter_map(|post| room.fate_of(post)).collect();
        let open = fates.iter().filter(|fate| fate.is_on_its_way()).count();
        let offered = || room.files.all().filter(|offer| self.sent.contains(&offer.post));
        let moving = offered().any(Offer::is_moving);
        let waits: Vec<&Offer> = offered().filter(|offer| offer.waits_for_takers()).collect();
        if moving || !waits.is_empty() && since.elapsed() < PATIENCE {
            return None;
        }
        if open == 0 && self.joined {
            for offer in waits {
                let _ = writeln!(
                    self.err,
                    "nexscope-tui: nobody has accepted {} yet, and it is available only while you are here; --stay waits",
                    offer.name
                );
            }
            for fate in &fates {
                if let DeliveryStatus::Absent(names) = fate {
                    let _ = writeln!(
                        self.err,
                        "nexscope-tui: {} offline; they get it when they return",
                        are(names)
                    );
                }
            }
            let lost = fates.iter().any(|fate| matches!(fate, DeliveryStatus::Failed(_)));
            return Some(!self.failed && !lost);
        }
        if since.elapsed() < PATIENCE {
            return None;
        }
        let why = match &room.connection {
            Connection::Waiting { why, .. } => why.clone(),
            _ => "the relay does not answer".to_owned(),
        };
        let _ = match open {
            0 => writeln!(self.err, "nexscope-tui: not connected, {why}"),
            _ => writeln!(
                self.err,
                "nexscope-tui: {open} not sent, {why}; kept in the outbox, and sent at the next start"
            ),
        };
        Some(false)
    }
}
