//! WebSocket frames as bytes, for clients that are faster or less correct than a library allows.

/// A request for a WebSocket.
pub const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: relay\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                           Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A client's text frame.
pub fn masked(text: &str) -> Vec<u8> {
    frame(0x1, &[text.as_bytes()])
}

/// A client's frame of any kind; masked with zeros, which is a mask too.
pub fn frame(opcode: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut frame = Vec::with_capacity(length + 14);
    frame.push(0x80 | opcode);
    match length {
        n @ 0..=125 => frame.push(0x80 | n as u8),
        n @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((n as u16).to_be_bytes());
        }
        n => {
            frame.push(0x80 | 127);
            frame.extend((n as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    parts.iter().for_each(|part| frame.extend(*part));
    frame
}

/// The lengths of the header and the payload of a server's frame. `None` if the header is incomplete.
pub fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    Some(match *bytes.get(1)? {
        126 => (
            4,
            usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])),
        ),
        127 => {
            let length = bytes.get(2..10)?.try_into().map(u64::from_be_bytes);
            (10, length.ok()? as usize)
        }
        short => (2, usize::from(short)),
    })
}
