//! What plain mode prints: new entries of the timeline, pending items, and replies to commands.

use std::io::{self, Write};

use jiff::{Timestamp, tz::TimeZone};
use nexscope_relay::protocol::{Code, PresenceEvent, body::Origin};

use super::Plain;
use crate::{
    client::Client,
    core::{Connection, Doubt, Entry, Post, Reply, Settings, What},
};

impl<O: Write, E: Write> Plain<O, E> {
    pub(super) fn reply(&mut self, reply: &Reply) {
        let room = self.client.room();
        let mut lines = Vec::new();
        match reply {
            Reply::Nothing => {}
            Reply::Said(number) => self.sent.push(*number),
            Reply::Text(text) => lines.push(text.clone()),
            Reply::Who => lines.extend(room.chat.members().list().iter().map(|member| {
                let agents = if member.agents.is_empty() {
                    "no agent".into()
                } else {
                    member.agents.join(", ")
                };
                format!("{}: {agents}", member.name)
            })),
            Reply::Inbox if room.review.inbox().is_empty() => lines.push("Nothing is pending.".into()),
            Reply::Inbox => lines.extend(room.review.inbox().waiting().map(waiting)),
            Reply::Status => lines.extend(status(&self.client)),
            Reply::Files if room.files.all().next().is_none() => lines.push("No files yet.".into()),
            Reply::Files => lines.extend(room.files.all().map(|offer| {
                let size = crate::text::bytes(offer.size);
                format!("f{} {} {size}: {}", offer.number, offer.name, offer.in_words())
            })),
            Reply::History(numbers) => lines.extend(
                numbers
                    .iter()
                    .filter_map(|n| room.chat.timeline().post_numbered(*n))
                    .map(|post| format!("m{} {}", post.number, said(post))),
            ),
        }
        for line in lines {
            let _ = writeln!(self.out, "{line}");
        }
        let _ = self.out.flush();
    }

    /// Prints new entries. Fails if the output is closed.
    pub(super) fn print(&mut self) -> io::Result<()> {
        for warning in self.client.take_warnings() {
            let _ = writeln!(self.err, "nexscope-tui: {warning}");
        }
        self.client.take_attention();
        let room = self.client.room();
        if room.connection != self.connection {
            self.connection = room.connection.clone();
            match &self.connection {
                Connection::Online => {
                    self.joined = true;
                    let Settings { room, me, .. } = &room.settings;
                    writeln!(self.out, "-- in #{room} as {me}")?;
                }
                // A note says so, and how to join under another name.
                Connection::Waiting {
                    code: Some(Code::NameTaken),
                    ..
                } if self.options.person => {}
                Connection::Waiting { why, .. } => {
                    writeln!(self.err, "nexscope-tui: not connected, {why}; trying again")?
                }
                _ => {}
            }
        }
        // The refusal is also a note; it is printed as an error, once.
        let refused = match &room.connection {
            Connection::Refused { why, .. } => Some(why.as_str()),
            _ => None,
        };
        let entries = room.chat.timeline().entries();
        let mut from = self.printed.min(entries.len());
        if from > 0 && presence(entries.get(from - 1)) != self.last_printed {
            from -= 1;
        }
        for entry in &entries[from..] {
            let at = clock(entry.at, &self.zone);
            match &entry.what {
                // People see their own typing already.
                What::Post(post) if post.sender.mine && post.author.origin == Origin::Human => {}
                What::Post(post) => writeln!(self.out, "{at} {}", said(post))?,
                What::Presence {
                    name,
                    event: PresenceEvent::Leave,
                } => writeln!(self.out, "{at} -- {name} left")?,
                What::Presence { name, .. } => writeln!(self.out, "{at} -- {name} joined")?,
                What::Note(note) if refused == Some(note.as_str()) => {}
                What::Note(note) => writeln!(self.out, "{at} -- {note}")?,
            }
        }
        self.printed = entries.len();
        self.last_printed = presence(entries.last());
        for item in room
            .review
            .inbox()
            .waiting()
            .filter(|item| !self.announced.contains(&item.id))
        {
            writeln!(self.out, "-- {} from {} is pending", item.id, item.from.member)?;
        }
        self.announced = room.review.inbox().waiting().map(|item| item.id).collect();
        self.out.flush()
    }
}

/// The presence event of an entry, if it is one.
pub(super) fn presence(entry: Option<&Entry>) -> Option<PresenceEvent> {
    match entry?.what {
        What::Presence { event, .. } => Some(event),
        _ => None,
    }
}

fn waiting(item: &crate::core::Item) -> String {
    format!(
        "{} {}: {}",
        item.id,
        item.from.member,
        item.text.replace('\n', "\n    ")
    )
}

fn status(client: &Client) -> Vec<String> {
    let room = client.room();
    let connection = match &room.connection {
        Connection::Online => "connected".to_owned(),
        Connection::Connecting => "connecting".to_owned(),
        Connection::Waiting { why, .. } | Connection::Refused { why, .. } => why.clone(),
    };
    let budgets = room.settings.agents.iter().map(|agent| {
        let standing = client.program().budget_standing(agent);
        format!("{agent}: {}", room.settings.budget(agent).in_words(&standing))
    });
    let mut lines = vec![
        format!("connection: {connection}"),
        format!("room: #{} as {}", room.settings.room, room.settings.me),
        format!("inbox: {} pending", room.review.inbox().len()),
        format!("outbox: {} not sent yet", room.chat.outbox().unacked()),
    ];
    lines.extend(budgets);
    lines
}

/// Formats a message as `bob·codex → alice: text`, with further lines indented.
fn said(post: &Post) -> String {
    let mark = match post.sender.doubt {
        Some(Doubt::Stranger) => "[not you: somebody else used your name] ",
        Some(Doubt::OtherKey) => "[from a different key than before] ",
        None => "",
    };
    let who = post.speaker();
    let agent = who.agent.map_or_else(String::new, |agent| format!("·{agent}"));
    let to = if post.to.is_empty() {
        String::new()
    } else {
        format!(" → {}", post.to.join(", "))
    };
    format!(
        "{mark}{}{agent}{to}: {}",
        who.member,
        post.text.replace('\n', "\n    ")
    )
}

fn clock(at: u64, zone: &TimeZone) -> String {
    let time = i64::try_from(at)
        .ok()
        .and_then(|at| Timestamp::from_millisecond(at).ok());
    time.map_or_else(String::new, |time| {
        time.to_zoned(zone.clone()).strftime("%H:%M").to_string()
    })
}
