//! WebSocket frames from the server's side (RFC 6455, section 5).
//!
//! A server's frames are not masked, so one encoding serves every receiver: a message is written once and
//! the same [`Bytes`] are queued for all.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;

/// The longest header: two bytes and a length of eight.
const HEADER: usize = 10;
const FIN: u8 = 0x80;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// A ping without a payload.
pub const PING_FRAME: Bytes = Bytes::from_static(&[FIN | PING, 0]);

/// What is written of a frame in one piece: all of it, or its head alone.
pub struct Part {
    /// The bytes.
    pub bytes: Bytes,
    /// Whether the frame ends with them.
    pub last: bool,
}

impl Part {
    /// A whole frame, or the end of one.
    pub fn whole(bytes: Bytes) -> Part {
        Part { bytes, last: true }
    }
}

/// The header of a binary frame whose payload follows in a part of its own, so that it is not copied.
pub fn binary_head(length: usize) -> Bytes {
    let mut buffer = [0; HEADER];
    let start = put_header(&mut buffer, BINARY, length);
    Bytes::copy_from_slice(&buffer[start..])
}

/// A text frame that holds `value` as JSON.
pub fn text(value: &impl Serialize) -> Bytes {
    // Room for the header is kept in front, so that the text is not moved once its length is known.
    let mut buffer = Vec::with_capacity(512);
    buffer.resize(HEADER, 0);
    // Writing to memory cannot fail, and none of the frames has a map with keys that are not strings.
    let written = serde_json::to_writer(&mut buffer, value);
    debug_assert!(written.is_ok(), "a frame that does not serialise");
    let length = buffer.len() - HEADER;
    let start = put_header(&mut buffer, TEXT, length);
    Bytes::from(buffer).slice(start..)
}

/// Writes a header so that it ends at [`HEADER`]; gives where it begins.
fn put_header(buffer: &mut [u8], opcode: u8, length: usize) -> usize {
    let start = HEADER - header_len(length);
    buffer[start] = FIN | opcode;
    match length {
        0..=125 => buffer[start + 1] = length as u8,
        126..=0xffff => {
            buffer[start + 1] = 126;
            buffer[start + 2..HEADER].copy_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            buffer[start + 1] = 127;
            buffer[start + 2..HEADER].copy_from_slice(&(length as u64).to_be_bytes());
        }
    }
    start
}

/// The payload of a frame that was made here.
pub fn payload(frame: &[u8]) -> &[u8] {
    let header = match frame.get(1) {
        Some(126) => 4,
        Some(127) => HEADER,
        _ => 2,
    };
    frame.get(header..).unwrap_or_default()
}

/// The answer to a ping, with the ping's payload (125 bytes at most, as the RFC limits it).
pub fn pong(payload: &[u8]) -> Bytes {
    control(PONG, payload)
}

/// A close frame with a code; the reason is cut at 123 bytes.
pub fn close(code: u16, reason: &str) -> Bytes {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend(reason.bytes().filter(u8::is_ascii).take(123));
    control(CLOSE, &payload)
}

/// A close frame without a code, the answer to one without a code.
pub fn close_empty() -> Bytes {
    control(CLOSE, &[])
}

fn control(opcode: u8, payload: &[u8]) -> Bytes {
    let payload = &payload[..payload.len().min(125)];
    let mut frame = BytesMut::with_capacity(2 + payload.len());
    frame.put_u8(FIN | opcode);
    frame.put_u8(payload.len() as u8);
    frame.put_slice(payload);
    frame.freeze()
}

fn header_len(length: usize) -> usize {
    match length {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => HEADER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        for (text_len, header) in [(0, 2), (123, 2), (124, 4), (65533, 4), (65534, 10), (70000, 10)] {
            let frame = text(&"x".repeat(text_len));
            let length = text_len + 2;
            assert_eq!(frame.len(), header + length, "{text_len}");
            assert_eq!(frame[0], 0x81);
            let told = match frame[1] {
                126 => u64::from(u16::from_be_bytes([frame[2], frame[3]])),
                127 => u64::from_be_bytes(frame[2..10].try_into().expect("eight bytes")),
                short => u64::from(short),
            };
            assert_eq!(told, length as u64);
            assert_eq!(frame[header], b'"');
        }
    }

    #[test]
    fn control_frames_stay_short() {
        assert_eq!(&close(1001, "bye")[..], b"\x88\x05\x03\xe9bye");
        assert_eq!(close(4025, &"x".repeat(200)).len(), 127);
        assert_eq!(&pong(b"ab")[..], b"\x8a\x02ab");
        assert_eq!(&PING_FRAME[..], b"\x89\x00");
    }
}
