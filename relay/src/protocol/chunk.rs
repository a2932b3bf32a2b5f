//! Binary frames: chunks of files.

use uuid::Uuid;

/// Length of the head of a chunk, in bytes: the stream's id and an offset.
pub const CHUNK_HEAD: usize = 24;

/// Maximum streams that a connection sends at a time, and that it receives.
pub const MAX_STREAMS: usize = 16;

/// The head of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkHead {
    /// The id of the stream.
    pub stream: Uuid,
    /// The position of the first byte in the file.
    pub offset: u64,
}

impl ChunkHead {
    /// Parses a binary frame. Returns `None` if it has no payload.
    pub fn parse(frame: &[u8]) -> Option<(ChunkHead, &[u8])> {
        let (stream, rest) = frame.split_first_chunk::<16>()?;
        let (offset, payload) = rest.split_first_chunk::<8>()?;
        (!payload.is_empty()).then_some((
            ChunkHead {
                stream: Uuid::from_bytes(*stream),
                offset: u64::from_be_bytes(*offset),
            },
            payload,
        ))
    }

    /// The bytes before the payload.
    pub fn to_bytes(self) -> [u8; CHUNK_HEAD] {
        let mut head = [0; CHUNK_HEAD];
        head[..16].copy_from_slice(self.stream.as_bytes());
        head[16..].copy_from_slice(&self.offset.to_be_bytes());
        head
    }
}

/// Parses the id of a stream: a UUID in lower case with hyphens.
pub fn stream_id(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_round_trip() {
        let head = ChunkHead {
            stream: Uuid::from_u128(7),
            offset: u64::MAX - 1,
        };
        let mut frame = head.to_bytes().to_vec();
        assert_eq!(ChunkHead::parse(&frame), None, "no payload");
        frame.extend(b"ab");
        assert_eq!(ChunkHead::parse(&frame), Some((head, &b"ab"[..])));
        assert_eq!(ChunkHead::parse(&frame[..23]), None);
    }

    #[test]
    fn stream_ids_have_one_form() {
        assert!(stream_id("01890a5d-ac96-774b-bcce-b302099a8057").is_some());
        for bad in [
            "",
            "01890A5D-AC96-774B-BCCE-B302099A8057",
            "01890a5dac96774bbcceb302099a8057",
            "{01890a5d-ac96-774b-bcce-b302099a8057}",
            "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
            "01890a5d-ac96-774b-bcce-b302099a805",
        ] {
            assert!(stream_id(bad).is_none(), "{bad}");
        }
    }
}
