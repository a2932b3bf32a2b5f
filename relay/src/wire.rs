//! Encodes the WebSocket frames of a server (RFC 6455, section 5).
//!
//! A server's frames are not masked, so a message is encoded once and the same [`Bytes`] are queued for every receiver.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;

/// Maximum length of a header, in bytes.
const MAX_HEADER: usize = 10;
/// Expected length of a payload, in bytes.
const TYPICAL_PAYLOAD: usize = 300;
// Bits of the first byte: the last fragment of a message, and the opcodes.
const FIN: u8 = 0x80;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// A ping without a payload.
pub const PING_FRAME: Bytes = Bytes::from_static(&[FIN | PING, 0]);

/// A part of a write.
pub enum Part {
    Frames(Bytes),
    /// The header of a frame. The next part is its payload.
    Header(Bytes),
    /// The payload of the header before it.
    Payload(Bytes),
}

impl Part {
    pub fn bytes(&self) -> &Bytes {
        match self {
            Part::Frames(bytes) | Part::Header(bytes) | Part::Payload(bytes) => bytes,
        }
    }
}

/// The header of a binary frame. Its payload is a part of its own, so that it is not copied.
pub fn binary_header(payload: usize) -> Bytes {
    let (header, length) = header(BINARY, payload);
    Bytes::copy_from_slice(&header[..length])
}

/// Encodes `value` as JSON in a text frame.
pub fn text(value: &impl Serialize) -> Bytes {
    let mut buffer = Vec::with_capacity(512);
    append_text(&mut buffer, value);
    // A room may remember the frame for long.
    buffer.shrink_to_fit();
    buffer.into()
}

/// Appends a text frame with `value` as JSON to `buffer`.
pub fn append_text(buffer: &mut Vec<u8>, value: &impl Serialize) {
    // Reserve space for the header, so that most payloads are not moved once their length is known.
    let start = buffer.len();
    let payload = start + header_len(TYPICAL_PAYLOAD);
    buffer.resize(payload, 0);
    // Cannot fail: the target is memory, and no frame has a map with keys that are not strings.
    let written = serde_json::to_writer(&mut *buffer, value);
    debug_assert!(written.is_ok(), "the frame does not serialise");
    let (header, length) = header(TEXT, buffer.len() - payload);
    buffer.splice(start..payload, header.into_iter().take(length));
}

fn header(opcode: u8, length: usize) -> ([u8; MAX_HEADER], usize) {
    let mut header = [0; MAX_HEADER];
    header[0] = FIN | opcode;
    match length {
        0..=125 => header[1] = length as u8,
        126..=0xffff => {
            header[1] = 126;
            header[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            header[1] = 127;
            header[2..].copy_from_slice(&(length as u64).to_be_bytes());
        }
    }
    (header, header_len(length))
}

/// The payload of a frame that was encoded here.
#[cfg(any(test, feature = "v1"))]
pub fn payload(frame: &[u8]) -> &[u8] {
    frame.get(payload_start(frame)..).unwrap_or_default()
}

/// The end of the frame that is partially written after `written` bytes of `frames`.
pub fn end_of_partial(frames: &[u8], written: usize) -> usize {
    let mut end = 0;
    while end < written {
        let frame = &frames[end..];
        let payload = match *frame {
            [_, 126, a, b, ..] => usize::from(u16::from_be_bytes([a, b])),
            [_, 127, a, b, c, d, e, f, g, h, ..] => u64::from_be_bytes([a, b, c, d, e, f, g, h]) as usize,
            [_, short, ..] => usize::from(short),
            _ => return frames.len(),
        };
        end = (end + payload_start(frame) + payload).min(frames.len());
    }
    end
}

fn payload_start(frame: &[u8]) -> usize {
    match frame.get(1) {
        Some(126) => 4,
        Some(127) => MAX_HEADER,
        _ => 2,
    }
}

/// A pong with the payload of its ping, at most 125 bytes.
pub fn pong(payload: &[u8]) -> Bytes {
    control(PONG, payload)
}

/// A ping with a payload of at most 125 bytes.
pub fn ping(payload: &[u8]) -> Bytes {
    control(PING, payload)
}

/// A close frame with a code. The reason is cut at 123 bytes.
pub fn close(code: u16, reason: &str) -> Bytes {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend(reason.bytes().filter(u8::is_ascii).take(123));
    control(CLOSE, &payload)
}

/// A close frame without a code. It answers one without a code.
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
        _ => MAX_HEADER,
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
    fn partial_frames_have_an_end() {
        let (mut frames, mut ends) = (Vec::new(), vec![0]);
        for length in [0, 100, 123, 124, 3, 65534, 1] {
            append_text(&mut frames, &"x".repeat(length));
            ends.push(frames.len());
        }
        for two in ends.windows(2) {
            for written in [two[0] + 1, two[0] + 2, two[1] - 1, two[1]] {
                assert_eq!(end_of_partial(&frames, written), two[1], "{written} of {ends:?}");
            }
        }
        assert_eq!(end_of_partial(&frames, 0), 0);
    }

    #[test]
    fn control_frames_stay_short() {
        assert_eq!(&close(1001, "bye")[..], b"\x88\x05\x03\xe9bye");
        assert_eq!(close(4025, &"x".repeat(200)).len(), 127);
        assert_eq!(&pong(b"ab")[..], b"\x8a\x02ab");
        assert_eq!(&PING_FRAME[..], b"\x89\x00");
    }
}
