//! Plain mode: the session as lines, for pipes, screen readers, and terminals that cannot draw.

mod end;
mod input;
pub(crate) mod item;
mod output;

use std::{io::Write, time::Instant};

use jiff::tz::TimeZone;
use nexscope_relay::protocol::{Code, PresenceEvent};
use tokio::io::AsyncBufRead;

use self::{
    end::{Left, PATIENCE},
    input::{Asked, Did, read_lines},
    output::presence,
};
use crate::{
    client::Client,
    core::{Connection, ItemId, Room},
};

#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Continue when the input ends.
    pub stay: bool,
    /// A person types the input at a terminal, so it may decide.
    pub person: bool,
}

/// A plain front end for a session.
pub struct Plain<O, E> {
    client: Client,
    options: Options,
    out: O,
    err: E,
    zone: TimeZone,
    /// The number of timeline entries printed.
    printed: usize,
    /// The presence last printed: repeated joins and leaves of a member share one entry, which changes.
    last_printed: Option<PresenceEvent>,
    /// The announced items.
    announced: Vec<ItemId>,
    connection: Connection,
    /// The relay has admitted us.
    joined: bool,
    /// A decision that waits for a yes, and when its question was printed.
    asked: Option<(Asked, Instant)>,
    /// When the last line arrived.
    last_line: Option<Instant>,
    /// Messages sent from this input.
    sent: Vec<u32>,
    /// The number of input lines so far.
    lines: u64,
    /// The remaining work at the last check, at the end of input.
    left: Option<Left>,
    failed: bool,
}

impl<O: Write, E: Write> Plain<O, E> {
    /// Creates a plain front end that prints the room to `out`, and errors to `err`.
    pub fn new(client: Client, options: Options, out: O, err: E) -> Self {
        let entries = client.room().chat.timeline().entries();
        let (printed, last_printed) = (entries.len(), presence(entries.last()));
        Self {
            client,
            options,
            out,
            err,
            zone: TimeZone::system(),
            printed,
            last_printed,
            announced: Vec::new(),
            connection: Connection::Connecting,
            joined: false,
            asked: None,
            last_line: None,
            sent: Vec::new(),
            lines: 0,
            left: None,
            failed: false,
        }
    }

    /// Runs until the input has ended and the relay has accepted all of it, or `stop` completes. Returns the
    /// session, for the caller to leave, and whether all went well.
    pub async fn run(
        mut self,
        input: impl AsyncBufRead + Unpin + Send + 'static,
        stop: impl Future<Output = ()>,
    ) -> (Client, bool) {
        let mut stop = std::pin::pin!(stop);
        let mut lines = read_lines(input);
        let mut ended: Option<Instant> = None;
        loop {
            if self.is_turned_away() {
                let me = &self.client.room().settings.me;
                let _ = writeln!(
                    self.err,
                    "nexscope-tui: someone has that name ({me}). Choose another name with -n NAME."
                );
                return (self.client, false);
            }
            if self.print().is_err() {
                // The output is closed.
                return (self.client, !self.failed);
            }
            if self.client.end_asked() {
                return (self.client, !self.failed);
            }
            if let Connection::Refused { why, .. } = &self.client.room().connection {
                let _ = writeln!(self.err, "nexscope-tui: {why}");
                return (self.client, false);
            }
            if let Some(since) = ended.filter(|_| !self.options.stay) {
                let since = self.last_progress(since);
                ended = Some(since);
                if let Some(well) = self.is_done(since) {
                    return (self.client, well);
                }
            }
            let patience = ended.map(|since| since + PATIENCE);
            let patience = patience.filter(|until| !self.options.stay && *until > Instant::now());
            tokio::select! {
                biased;
                () = &mut stop => return (self.client, !self.failed),
                // Input from a pipe waits until the members are known.
                line = lines.recv(), if ended.is_none()
                    && (self.options.person || self.client.room().connection != Connection::Connecting) => match line {
                    Some((Ok(line), came)) => if let Did::Leave = self.bytes(&line, came) {
                        ended = Some(Instant::now());
                        self.options.stay = false;
                    },
                    None => ended = Some(Instant::now()),
                    Some((Err(error), _)) => {
                        let _ = writeln!(self.err, "nexscope-tui: cannot read the input: {error}");
                        self.failed = true;
                        ended = Some(Instant::now());
                    }
                },
                () = self.client.step() => {}
                () = async { match patience {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                } } => {}
            }
        }
    }

    /// Whether the name is taken, and nobody is here to choose another one. A member that was already in the
    /// room waits until the name is free again.
    fn is_turned_away(&self) -> bool {
        let taken = matches!(
            self.client.room().connection,
            Connection::Waiting {
                code: Some(Code::NameTaken),
                ..
            }
        );
        taken && !self.joined && !self.options.person
    }
}

/// The invite line for a person who starts plain mode with nothing configured.
pub fn invite_line(room: &Room, invite: &crate::link::Invite) -> String {
    format!(
        "-- hosting #{}; others on this computer join with: {invite}",
        room.settings.room
    )
}
