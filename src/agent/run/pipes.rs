//! The three pipes of an agent's process.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{ChildStderr, ChildStdin, ChildStdout},
    sync::mpsc,
};

/// Length of the kept tail of standard error, in bytes: more than a usage text has, whose first line may be the reason.
const STDERR: usize = 32 << 10;

/// Writes `first`, then the lines from `more`; closes the pipe when the channel ends. A program that does not
/// read, or has exited, is no error: its exit is reported anyway.
pub(crate) async fn write(mut stdin: ChildStdin, first: String, mut more: mpsc::Receiver<String>) {
    if stdin.write_all(first.as_bytes()).await.is_err() {
        return;
    }
    drop(first);
    while let Some(text) = more.recv().await {
        if stdin.write_all(text.as_bytes()).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
}

/// Reads the next bytes of standard output; pending forever once it is closed. Cancel safe. Fails if the pipe
/// cannot be read.
pub(crate) async fn read(stdout: &mut Option<ChildStdout>, buffer: &mut [u8]) -> io::Result<usize> {
    match stdout {
        Some(stdout) => stdout.read(buffer).await,
        None => std::future::pending().await,
    }
}

/// Reads standard error to its end and keeps the tail.
pub(crate) async fn tail(mut stderr: ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    // An error counts as its end: there is no more to read.
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..count]);
        if kept.len() > 2 * STDERR {
            kept.drain(..kept.len() - STDERR);
        }
    }
    let from = kept.len().saturating_sub(STDERR);
    String::from_utf8_lossy(&kept[from..]).into_owned()
}
