//! A terminal that has attached to a headless session: the socket carries its events one way, and what is
//! drawn the other.

use std::{io, path::PathBuf, time::Duration};

use crossterm::event::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};

use crate::config::Colors;

/// The longest line, in bytes: what a person pastes is an event.
const LINE_MAX: u64 = 16 << 20;
/// What is on its way to the session, and from it. Full: who writes waits.
const WAY: usize = 16;
/// How long a terminal that reads nothing may take to be told that it is over.
const FAREWELL: Duration = Duration::from_secs(2);

/// What the terminal can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// How many colours there are.
    pub colors: Colors,
    /// It opens links (OSC 8).
    pub links: bool,
    /// It tells Alt from Esc (the kitty keyboard protocol).
    pub keyboard: bool,
    /// It shows italics as such. GNU screen shows them reversed, as what is selected is.
    pub italics: bool,
}

/// Another program that has the terminal for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExternalProgram {
    /// Write on at this, in their editor.
    Write(String),
    /// Look at a file, in their pager.
    Look(PathBuf),
    /// Have the shell back: the program stops until the shell goes on with it.
    Stop,
}

/// What a terminal is, when it attaches.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attach {
    pub columns: u16,
    /// Its height, in rows.
    pub rows: u16,
    #[schemars(with = "serde_json::Value")]
    pub abilities: Capabilities,
}

/// What comes from an attached terminal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromTerminal {
    /// A key, a paste, another size, …
    Event(Event),
    /// The terminal is back: what was written in the other program, or why nothing was.
    Back(Result<String, String>),
}

/// What an attached terminal is told.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToTerminal {
    /// Write these bytes.
    Draw(String),
    /// Lend yourself to another program of the person's.
    Lend(ExternalProgram),
    /// Put this on the clipboard.
    Copy(String),
    /// It is over, and why.
    End(String),
}

/// The session's end of the way to an attached terminal.
#[derive(Debug)]
pub struct Line {
    /// What the terminal sends; closed when it is gone.
    pub from: mpsc::Receiver<FromTerminal>,
    pub to: mpsc::Sender<ToTerminal>,
}

#[derive(Debug)]
pub(super) struct SocketEnd {
    from: mpsc::Sender<FromTerminal>,
    to: mpsc::Receiver<ToTerminal>,
}

impl Line {
    pub(super) fn new() -> (Self, SocketEnd) {
        let (from_in, from) = mpsc::channel(WAY);
        let (to, to_out) = mpsc::channel(WAY);
        let far = SocketEnd {
            from: from_in,
            to: to_out,
        };
        (Self { from, to }, far)
    }
}

impl SocketEnd {
    /// Carries until either end is gone.
    pub async fn carry(self, mut reading: impl AsyncBufRead + Unpin, mut writing: impl AsyncWrite + Unpin) {
        let Self { from, mut to } = self;
        let over = async {
            from.closed().await;
            tokio::time::sleep(FAREWELL).await;
        };
        let inwards = async {
            while let Ok(Some(event)) = read_line(&mut reading).await {
                if from.send(event).await.is_err() {
                    // What it is told last is still written.
                    std::future::pending().await
                }
            }
        };
        let outwards = async {
            while let Some(told) = to.recv().await {
                if write_line(&mut writing, &told).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = over => {}
            () = inwards => {}
            () = outwards => {}
        }
    }
}

/// Reads one line; none where the other end is gone. Fails where it is not what it should be.
pub async fn read_line<T: DeserializeOwned>(
    reading: &mut (impl AsyncBufRead + Unpin),
) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    match reading.take(LINE_MAX).read_until(b'\n', &mut line).await? {
        0 => Ok(None),
        _ => Ok(Some(serde_json::from_slice(&line)?)),
    }
}

/// Writes one line. Fails where the other end is gone.
pub async fn write_line<T: Serialize>(writing: &mut (impl AsyncWrite + Unpin), told: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(told)?;
    line.push(b'\n');
    writing.write_all(&line).await
}
