//! The frames of clients, parsed with as few copies as possible.
//!
//! A text frame is split into raw fields in one pass, and then each field is checked. So an invalid frame still has its `id`,
//! and `body` keeps the bytes that the client wrote.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{
    Code, ErrorFrame, MemberKey, Mode, StreamClose, StreamCredit, StreamOpen, Update, is_id, is_name,
    is_thread, same_name,
};

/// Maximum addressees of a message.
pub const MAX_TO: usize = 64;
/// Maximum agents of a member.
pub const MAX_AGENTS: usize = 16;
/// Maximum length of a note, in bytes.
pub const MAX_NOTE: usize = 256;

/// A frame from a client that has joined.
#[derive(Debug)]
pub enum Request<'a> {
    /// A message for the room or some of its members.
    Message(Post<'a>),
    /// Short-lived information.
    Signal(Post<'a>),
    /// Changes what others see of the member.
    Update(Update),
    /// The member leaves.
    Bye,
    /// Opens a stream.
    StreamOpen(StreamOpen),
    /// Gives credit to the sender of a stream.
    StreamCredit(StreamCredit),
    /// Closes a stream.
    StreamClose(StreamClose),
}

/// A message or a signal with valid fields.
#[derive(Debug)]
pub struct Post<'a> {
    /// Chosen by the sender. Empty in a signal.
    pub id: Cow<'a, str>,
    /// The addressees as written: at most [`MAX_TO`] valid names.
    pub to: Vec<String>,
    /// Deliver to the addressees only.
    pub only: bool,
    /// The expected keys of addressees, by name as written. At most [`MAX_TO`].
    pub to_keys: Vec<(String, MemberKey)>,
    /// The id of the thread.
    pub thread: Option<Cow<'a, str>>,
    /// A JSON object, byte for byte.
    pub body: &'a RawValue,
}

impl Post<'_> {
    /// Whether it is for everyone, without addressees.
    pub fn is_broadcast(&self) -> bool {
        self.to.is_empty() && !self.only
    }

    /// The expected key of an addressee.
    pub fn key_of(&self, name: &str) -> Option<MemberKey> {
        let (_, key) = self.to_keys.iter().find(|(one, _)| same_name(one, name))?;
        Some(*key)
    }
}

/// Declares a struct of JSON fields that are not parsed yet.
macro_rules! raw_fields {
    ($(#[$attribute:meta])* struct $name:ident { $($field:ident),* $(,)? }) => {
        $(#[$attribute])*
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct $name<'a> {
            $(#[serde(borrow, deserialize_with = "present")] $field: Option<&'a RawValue>,)*
        }
    };
}
pub(super) use raw_fields;

raw_fields! {
    /// The fields of every frame that a client may send.
    struct Envelope { r#type, id, to, only, to_keys, thread, body, agents, mode, note, stream }
}

/// The fields of `stream_open` that a client may set.
#[derive(Deserialize)]
struct Open {
    stream: String,
    to: Option<String>,
    size: u64,
    of: String,
    #[serde(default)]
    offset: u64,
}

impl From<Open> for StreamOpen {
    fn from(open: Open) -> StreamOpen {
        StreamOpen {
            stream: open.stream,
            to: open.to,
            from: None,
            size: open.size,
            of: open.of,
            offset: open.offset,
            pushed: false,
        }
    }
}

/// Parses a field that is present, even if it is `null`. `Option` alone would treat that as absent.
pub(super) fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// Parses a JSON object into a struct. Unlike serde, the protocol does not accept an array.
pub(super) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    let is_object = text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{');
    is_object.then(|| serde_json::from_str(text).ok()).flatten()
}

/// Parses a JSON string, borrowed if it has no escapes.
pub(super) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(raw.get()).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// Parses a list of at most `most` valid names.
pub(super) fn names(raw: &RawValue, most: usize) -> Option<Vec<String>> {
    let names: Vec<String> = read(raw)?;
    (names.len() <= most && names.iter().all(|name| is_name(name))).then_some(names)
}

/// Parses an object of at most [`MAX_TO`] member names and keys.
fn keys(raw: &RawValue) -> Option<Vec<(String, MemberKey)>> {
    let keys: BTreeMap<String, String> = object(raw.get())?;
    if keys.len() > MAX_TO {
        return None;
    }
    keys.into_iter()
        .map(|(name, key)| Some((is_name(&name).then_some(name)?, key.parse().ok()?)))
        .collect()
}

/// Parses any other field.
pub(super) fn read<T: DeserializeOwned>(raw: &RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

impl<'a> Request<'a> {
    /// Parses a text frame.
    ///
    /// # Errors
    ///
    /// `bad_frame` or `unknown_type`, with the frame's `id` or `stream` if it is valid.
    pub fn parse(text: &'a str) -> Result<Request<'a>, ErrorFrame> {
        let Some(envelope) = object::<Envelope>(text) else {
            return Err(ErrorFrame::new(
                Code::BadFrame,
                "A text frame must be one JSON object.",
            ));
        };
        envelope.request(text).map_err(|error| ErrorFrame {
            id: envelope
                .id
                .and_then(string)
                .filter(|id| is_id(id))
                .map(Cow::into_owned),
            stream: envelope
                .stream
                .and_then(string)
                .filter(|id| is_id(id))
                .map(Cow::into_owned),
            ..error
        })
    }
}

impl<'a> Envelope<'a> {
    fn request(&self, text: &'a str) -> Result<Request<'a>, ErrorFrame> {
        let Some(kind) = self.r#type.and_then(string) else {
            return Err(bad("`type` must be a string."));
        };
        match &*kind {
            "message" => {
                let id = self.id.and_then(string).filter(|id| is_id(id));
                let id = id.ok_or_else(|| bad("`id` must be 1 to 64 of A-Z a-z 0-9 _ -."))?;
                Ok(Request::Message(self.post(id)?))
            }
            "signal" => Ok(Request::Signal(self.post(Cow::Borrowed(""))?)),
            "update" => Ok(Request::Update(self.update()?)),
            "bye" => Ok(Request::Bye),
            "hello" => Err(bad("You have joined already. Do not send a second hello.")),
            "stream_open" => Ok(Request::StreamOpen(stream::<Open>(text)?.into())),
            "stream_credit" => Ok(Request::StreamCredit(stream(text)?)),
            "stream_close" => Ok(Request::StreamClose(stream(text)?)),
            _ => Err(ErrorFrame::new(
                Code::UnknownType,
                "Unknown frame type. Do not send it, or update the relay.",
            )),
        }
    }

    fn post(&self, id: Cow<'a, str>) -> Result<Post<'a>, ErrorFrame> {
        let to = match self.to {
            None => Vec::new(),
            Some(raw) => {
                names(raw, MAX_TO).ok_or_else(|| bad("`to` must be a list of at most 64 member names."))?
            }
        };
        let only = match self.only {
            None => false,
            Some(raw) => read(raw).ok_or_else(|| bad("`only` must be true or false."))?,
        };
        let to_keys = match self.to_keys {
            None => Vec::new(),
            Some(raw) => keys(raw).ok_or_else(|| {
                bad("`to_keys` must have at most 64 member names with a key of 16 hex digits each.")
            })?,
        };
        let thread = match self.thread.filter(|raw| raw.get() != "null") {
            None => None,
            Some(raw) => Some(
                string(raw)
                    .filter(|thread| is_thread(thread))
                    .ok_or_else(|| bad("`thread` must be 1 to 128 printable ASCII characters."))?,
            ),
        };
        let body = self.body.filter(|raw| raw.get().starts_with('{'));
        let body = body.ok_or_else(|| bad("`body` must be a JSON object."))?;
        Ok(Post {
            id,
            to,
            only,
            to_keys,
            thread,
            body,
        })
    }

    fn update(&self) -> Result<Update, ErrorFrame> {
        let agents = self.agents.map(|raw| {
            names(raw, MAX_AGENTS).ok_or_else(|| bad("`agents` must be a list of at most 16 names."))
        });
        let mode = self
            .mode
            .map(|raw| read::<Mode>(raw).ok_or_else(|| bad("`mode` must be \"manual\" or \"auto\".")));
        let note = self.note.map(|raw| {
            read::<String>(raw)
                .filter(|note| note.len() <= MAX_NOTE)
                .ok_or_else(|| bad("`note` must be a string of at most 256 bytes."))
        });
        Ok(Update {
            agents: agents.transpose()?,
            mode: mode.transpose()?,
            note: note.transpose()?,
        })
    }
}

fn stream<T: DeserializeOwned>(text: &str) -> Result<T, ErrorFrame> {
    serde_json::from_str(text)
        .map_err(|_| bad("A field of the stream frame is missing or has the wrong type."))
}

fn bad(message: &str) -> ErrorFrame {
    ErrorFrame::new(Code::BadFrame, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Post<'_> {
        match Request::parse(text) {
            Ok(Request::Message(post)) => post,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn bodies_stay_as_written() {
        for body in [
            "{}",
            "{ }",
            r#"{"a" : 1e400,"a":2,  "é":"\u00e9\ud800"}"#,
            "{\n\t\"x\":[ 1 ,2.50, -0 ]}",
            r#"{"n":123456789012345678901234567890}"#,
        ] {
            let text = format!(r#" {{"body" : {body} ,"id":"a","type":"message","more":{{}}}} "#);
            assert_eq!(message(&text).body.get(), body);
        }
        let deep = format!("{}1{}", r#"{"a":"#.repeat(5000), "}".repeat(5000));
        assert_eq!(
            message(&format!(r#"{{"type":"message","id":"a","body":{deep}}}"#))
                .body
                .get(),
            deep
        );
    }

    #[test]
    fn fields_may_be_escaped() {
        let post = message(
            r#"{"\u0074ype":"mess\u0061ge","id":"\u0061","to":["b\u006fb"],"thread":"\"","body":{}}"#,
        );
        assert_eq!(
            (&*post.id, post.to[0].as_str(), post.thread.as_deref()),
            ("a", "bob", Some("\""))
        );
        assert_eq!(
            message(r#"{"type":"message","id":"a","thread":null,"body":{}}"#).thread,
            None
        );
    }

    #[test]
    fn unknown_fields_are_ignored() {
        for text in [
            r#"{"type":"stream_open","stream":"s","to":"bob","size":1,"of":"f","from":5,"pushed":"x","id":[]}"#,
            r#"{"type":"stream_credit","stream":"s","bytes":1,"to":5,"size":"x"}"#,
            r#"{"type":"stream_close","stream":"s","reason":"done","body":5,"offset":-1}"#,
            r#"{"type":"message","id":"a","body":{},"agents":5,"note":7,"from":1,"seq":"x"}"#,
            r#"{"type":"update","to":5,"only":"x","body":1}"#,
            r#"{"type":"bye","id":5,"stream":{}}"#,
        ] {
            assert!(Request::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn faults_have_codes() {
        let many = format!(
            r#"{{"type":"message","id":"a","body":{{}},"to":[{}"b"]}}"#,
            r#""b","#.repeat(64)
        );
        for (text, code, id) in [
            ("", Code::BadFrame, None),
            ("[]", Code::BadFrame, None),
            ("nonsense", Code::BadFrame, None),
            (r#"["message","a"]"#, Code::BadFrame, None),
            (r#"{"id":"a"}"#, Code::BadFrame, Some("a")),
            (r#"{"type":7,"id":"a"}"#, Code::BadFrame, Some("a")),
            (r#"{"type":"nope","id":"a"}"#, Code::UnknownType, Some("a")),
            (r#"{"type":"nope"}"#, Code::UnknownType, None),
            (r#"{"type":"hello","id":"a"}"#, Code::BadFrame, Some("a")),
            (r#"{"type":"message","body":{}}"#, Code::BadFrame, None),
            (r#"{"type":"message","id":"a b","body":{}}"#, Code::BadFrame, None),
            (r#"{"type":"message","id":"a"}"#, Code::BadFrame, Some("a")),
            (
                r#"{"type":"message","id":"a","body":[]}"#,
                Code::BadFrame,
                Some("a"),
            ),
            (
                r#"{"type":"message","id":"a","body":"{}"}"#,
                Code::BadFrame,
                Some("a"),
            ),
            (
                r#"{"type":"message","id":"a","body":{},"to":"bob"}"#,
                Code::BadFrame,
                Some("a"),
            ),
            (
                r#"{"type":"message","id":"a","body":{},"to":["b b"]}"#,
                Code::BadFrame,
                Some("a"),
            ),
            (
                r#"{"type":"message","id":"a","body":{},"to":null}"#,
                Code::BadFrame,
                Some("a"),
            ),
            (&many, Code::BadFrame, Some("a")),
            (
                r#"{"type":"message","id":"a","body":{},"to_keys":["bob"]}"#,
                Code::BadFrame,
                Some("a"),
            ),
            (
                r#"{"type":"message","id":"a","body":{},"to_keys":{"bob":"2b32"}}"#,
                Code::BadFrame,
                Some("a"),
            ),
            (
                r#"{"type":"message","id":"a","body":{},"only":1}"#,
                Code::BadFrame,
                Some("a"),
            ),
            (
                r#"{"type":"message","id":"a","body":{},"thread":"\t"}"#,
                Code::BadFrame,
                Some("a"),
            ),
            (
                r#"{"type":"message","id":"a","id":"b","body":{}}"#,
                Code::BadFrame,
                None,
            ),
            (r#"{"type":"update","mode":"loud"}"#, Code::BadFrame, None),
            (r#"{"type":"update","agents":["a b"]}"#, Code::BadFrame, None),
            (r#"{"type":"update","note":7}"#, Code::BadFrame, None),
        ] {
            let error = Request::parse(text).expect_err(text);
            assert_eq!((error.code, error.id.as_deref()), (code, id), "{text}");
        }
    }
}
