//! The read half of a connection, as tungstenite sees it.
//!
//! tungstenite only parses incoming frames. Its writes (pongs, close replies) are discarded here, because the connection's
//! own queue sends those. [`CloseScanner`] follows the headers of the frames, so that after tungstenite has given up on a
//! frame that is too long, the rest can still be read up to the peer's close frame.

use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// Bytes that are read at once from a busy peer. tungstenite reads no more than its own buffer holds, which is small,
/// because every connection has one. This buffer exists only while it is not empty.
const READ_AHEAD: usize = 128 * 1024;

pub struct ReadHalf<R> {
    inner: R,
    /// Bytes to return before the next read: those behind the HTTP head, or those read ahead.
    ready: Bytes,
    /// Whether the last read filled its buffer, so that there may be much more.
    busy: bool,
    scanner: CloseScanner,
}

impl<R: AsyncRead + Unpin> ReadHalf<R> {
    /// The bytes `first` come before those of `inner`.
    pub fn new(inner: R, first: Vec<u8>) -> ReadHalf<R> {
        ReadHalf {
            inner,
            ready: first.into(),
            busy: false,
            scanner: CloseScanner::default(),
        }
    }

    /// Whether the peer's close frame was read.
    pub fn saw_close(&self) -> bool {
        self.scanner.saw_close
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for ReadHalf<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.ready.is_empty() && self.busy && buffer.remaining() < READ_AHEAD / 2 {
            let mut buffered = BytesMut::with_capacity(READ_AHEAD);
            let polled = pin!(self.inner.read_buf(&mut buffered)).poll(context);
            self.busy = buffered.len() == READ_AHEAD;
            self.ready = buffered.freeze();
            ready!(polled)?;
        } else if self.ready.is_empty() {
            let space = buffer.remaining();
            ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
            self.busy = space > 0 && buffer.remaining() == 0;
        }
        if !self.ready.is_empty() {
            let n = self.ready.len().min(buffer.remaining());
            buffer.put_slice(&self.ready.split_to(n));
        }
        self.scanner.scan(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<R: Unpin> AsyncWrite for ReadHalf<R> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Follows the headers of frames (RFC 6455, section 5.2) until it finds a close frame.
#[derive(Default)]
struct CloseScanner {
    header: [u8; 14],
    have: usize,
    /// Payload bytes to skip.
    payload: u64,
    saw_close: bool,
}

impl CloseScanner {
    fn scan(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.payload > 0 {
                let skip = usize::try_from(self.payload)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                self.payload -= skip as u64;
                bytes = &bytes[skip..];
            } else {
                let before = self.have;
                let more = (self.header.len() - before).min(bytes.len());
                self.header[before..before + more].copy_from_slice(&bytes[..more]);
                self.have += more;
                let Some((header, payload)) = self.parse_header() else {
                    return;
                };
                // Payload bytes may have been copied to the header.
                bytes = &bytes[header - before..];
                self.payload = payload;
                self.have = 0;
            }
            self.saw_close |= self.payload == 0 && self.header[0] & 0xf == 8;
        }
    }

    /// The lengths of the header and of its payload, once the header is complete.
    fn parse_header(&self) -> Option<(usize, u64)> {
        if self.have < 2 {
            return None;
        }
        let short = self.header[1] & 0x7f;
        let extended = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        if self.have < 2 + extended + mask {
            return None;
        }
        let long = self.header[2..2 + extended]
            .iter()
            .fold(0, |n, byte| n << 8 | u64::from(*byte));
        let payload = if extended == 0 { u64::from(short) } else { long };
        Some((2 + extended + mask, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(opcode: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        match length {
            0..=125 => frame.push(0x80 | length as u8),
            126..=0xffff => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([0x88; 4]);
        frame.extend(vec![0x88; length]);
        frame
    }

    #[test]
    fn the_close_is_found_however_the_bytes_come() {
        let mut bytes = Vec::new();
        for length in [0, 1, 125, 126, 127, 65535, 65536, 70000] {
            bytes.extend(frame(1, length));
        }
        bytes.extend(frame(9, 5));
        let close = frame(8, 2);
        for step in [1, 2, 7, 4096, usize::MAX] {
            let mut scanner = CloseScanner::default();
            bytes
                .chunks(step.min(bytes.len()))
                .for_each(|part| scanner.scan(part));
            assert!(!scanner.saw_close && scanner.have == 0, "step {step}");
            scanner.scan(&close[..close.len() - 1]);
            assert!(!scanner.saw_close);
            scanner.scan(&close[close.len() - 1..]);
            assert!(scanner.saw_close);
        }
        let mut scanner = CloseScanner::default();
        scanner.scan(&frame(8, 0));
        assert!(scanner.saw_close);
    }
}
