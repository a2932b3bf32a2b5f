//! A session without a face: an agent's seat on a server. Its log is all that it shows.

use std::io::{Write, stdout};

use crate::{
    room::{Connection, What},
    session::Session,
};

/// Runs until `stop` is ready, the relay says no for good, or somebody with a say ends it. Gives the session back,
/// to be left, and whether all went well.
pub async fn run(mut session: Session, stop: impl Future<Output = ()>) -> (Session, bool) {
    let mut stop = std::pin::pin!(stop);
    let mut connection = None;
    let mut told = session.room.timeline.entries().len();
    loop {
        for warning in session.take_warnings() {
            tracing::warn!("{warning}");
            eprintln!("nexscope-tui: {warning}");
        }
        session.take_attention();
        if connection.as_ref() != Some(&session.room.connection) {
            connection = Some(session.room.connection.clone());
            let settings = &session.room.settings;
            match &session.room.connection {
                Connection::Online => show(format_args!("in #{} as {}", settings.room, settings.me)),
                Connection::Waiting { why, .. } => show(format_args!("not connected, {why}; trying again")),
                Connection::Refused { why, .. } => {
                    eprintln!("nexscope-tui: {why}");
                    return (session, false);
                }
                Connection::Connecting | Connection::Left => {}
            }
        }
        let entries = session.room.timeline.entries();
        for entry in &entries[told.min(entries.len())..] {
            match &entry.what {
                // Who and how much; what is said is in the room's own log, and in no other.
                What::Post(post) => show(format_args!(
                    "m{} from {}, {} bytes",
                    post.number,
                    post.from,
                    post.text.len()
                )),
                What::Presence { .. } | What::Note(_) => {}
            }
        }
        told = entries.len();
        if session.end_asked() {
            return (session, true);
        }
        tokio::select! {
            biased;
            () = &mut stop => return (session, true),
            () = session.step() => {}
        }
    }
}

/// Prints a line; where nobody reads, it goes on all the same.
fn show(line: std::fmt::Arguments) {
    let _ = writeln!(stdout(), "{line}");
}
