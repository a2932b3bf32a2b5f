//! The connection of a terminal attached to a headless session: the socket carries input events one way and
//! output the other.

use std::{io, path::PathBuf, time::Duration};

use crossterm::event::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};

use crate::config::Colors;

/// The longest line, in bytes: pasted text is a single event.
const LINE_MAX: u64 = 16 << 20;
/// The queue length in each direction, in messages. Full: the sender waits.
const WAY: usize = 16;
/// The time that a terminal that reads nothing may delay its end message.
const FAREWELL: Duration = Duration::from_secs(2);

/// The terminal's capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// The number of colours.
    pub colors: Colors,
    /// It supports links (OSC 8).
    pub links: bool,
    /// It distinguishes Alt from Esc (the kitty keyboard protocol).
    pub keyboard: bool,
    /// It shows italics as such. GNU screen shows them reversed, like a selection.
    pub italics: bool,
}

/// Another program that uses the terminal for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExternalProgram {
    /// Edit this text in the person's editor.
    Write(String),
    /// Show a file in the person's pager.
    Look(PathBuf),
    /// Suspend: the program stops until the shell continues it.
    Stop,
}

/// The properties of an attaching terminal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attach {
    pub columns: u16,
    /// Its height, in rows.
    pub rows: u16,
    #[schemars(with = "serde_json::Value")]
    pub abilities: Capabilities,
}

/// A message from an attached terminal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromTerminal {
    /// A key, a paste, a resize, …
    Event(Event),
    /// The terminal is back: the text from the other program, or the error.
    Back(Result<String, String>),
}

/// A message to an attached terminal.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToTerminal {
    /// Write these bytes.
    Draw(String),
    /// Run another program of the person's.
    Lend(ExternalProgram),
    /// Copy this to the clipboard.
    Copy(String),
    /// Detach, with the reason.
    End(String),
}

/// The session's side of the connection to an attached terminal.
#[derive(Debug)]
pub struct Line {
    /// Messages from the terminal; closed when it is gone.
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
    /// Forwards messages until either end is gone.
    pub async fn carry(self, mut reading: impl AsyncBufRead + Unpin, mut writing: impl AsyncWrite + Unpin) {
        let Self { from, mut to } = self;
        let over = async {
            from.closed().await;
            tokio::time::sleep(FAREWELL).await;
        };
        let inwards = async {
            while let Ok(Some(event)) = read_line(&mut reading).await {
                if from.send(event).await.is_err() {
                    // The last message is still written.
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

/// Reads one line; `None` if the other end is gone. Fails if the line is not a valid message.
pub async fn read_line<T: DeserializeOwned>(
    reading: &mut (impl AsyncBufRead + Unpin),
) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    match reading.take(LINE_MAX).read_until(b'\n', &mut line).await? {
        0 => Ok(None),
        _ => Ok(Some(serde_json::from_slice(&line)?)),
    }
}

/// Writes one line. Fails if the other end is gone.
pub async fn write_line<T: Serialize>(writing: &mut (impl AsyncWrite + Unpin), told: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(told)?;
    line.push(b'\n');
    writing.write_all(&line).await
}
