//! The frames of protocol version 1, for the clients of nexscope-plugin.
//!
//! Fields have camel case on the wire. A frame is forwarded as it was written, except for `ts`, so it is split into raw
//! fields. If a field is repeated, the last one counts, as in JavaScript.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor},
    ser::{SerializeMap, Serializer},
};
use serde_json::value::RawValue;

use super::{body::Origin, request::object};

/// Maximum fields of a frame. No client sends as many.
const MAX_FIELDS: usize = 256;

/// The raw fields of a JSON object, in order.
#[derive(Debug, Clone, Default)]
pub struct Fields<'a>(Vec<(String, &'a RawValue)>);

/// A frame from a version 1 client.
#[derive(Debug)]
pub enum Request<'a> {
    /// A message.
    Msg(Msg<'a>),
    /// The start of a file. Its bytes follow in binary frames.
    FileStart(Msg<'a>, Attachment),
    /// The end of a file.
    FileEnd {
        /// The id of the file.
        msg_id: String,
        /// The sender, as claimed.
        from: Option<String>,
    },
    /// Requests a pong.
    Ping,
}

/// The common fields of `msg` and `file-start`.
#[derive(Debug)]
pub struct Msg<'a> {
    /// Chosen by the client, in any form.
    pub msg_id: String,
    /// The sender, as claimed.
    pub from: Option<String>,
    /// The addressees. Empty for everyone, `None` if missing.
    pub to: Option<Vec<String>>,
    /// The author.
    pub role: Origin,
    /// The thread, in any form. Empty without a thread.
    pub thread_id: String,
    /// The text of the message.
    pub text: String,
    /// Number of agents' answers since a message of a person.
    pub hop_count: u32,
    fields: Fields<'a>,
}

/// A file, as described by its sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// The file name from the sender. Untrusted until cleaned.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// The media type.
    #[serde(default)]
    pub mime: String,
    /// SHA-256 in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Bytes per binary frame.
    #[serde(default)]
    pub chunk_size: u64,
}

/// The error codes of version 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Not a JSON object, or a field of the wrong type.
    BadJson,
    /// Unknown `type`.
    UnknownType,
    /// `from` is missing.
    MissingFrom,
    /// `from` is another member.
    FromMismatch,
    /// `to` is missing or not a list of names.
    MissingTo,
    /// Not the end of the file in transit.
    BadFileEnd,
    /// Another file is in transit in this room.
    TransferBusy,
    /// The rest of a file will not come.
    TransferIncomplete,
    /// A limit is exceeded.
    TooLarge,
    /// Unsupported protocol version.
    VersionMismatch,
    /// Invalid name.
    InvalidName,
}

/// A frame for a version 1 client.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[expect(missing_docs, reason = "the fields are described in PROTOCOL.md")]
pub enum Reply<'a> {
    /// The online members.
    Presence { users: Vec<&'a str>, ts: u64 },
    /// A message of a version 2 member.
    Msg {
        msg_id: &'a str,
        from: &'a str,
        to: &'a [&'a str],
        role: &'static str,
        thread_id: &'a str,
        text: &'a str,
        hop_count: u32,
        attachments: [(); 0],
        ts: u64,
    },
    /// The delivery of a message.
    Ack {
        msg_id: &'a str,
        thread_id: &'a str,
        delivered: &'a [String],
        offline: &'a [String],
    },
    /// The start of a version 2 member's file.
    FileStart {
        msg_id: &'a str,
        from: &'a str,
        to: [&'a str; 1],
        role: &'static str,
        thread_id: &'a str,
        text: &'a str,
        hop_count: u32,
        attachment: &'a Attachment,
        ts: u64,
    },
    /// The end of a file.
    FileEnd { msg_id: &'a str, from: &'a str },
    /// The answer to a ping.
    Pong { ts: u64 },
    /// An error.
    Error {
        code: Code,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        msg_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
}

impl<'a> Reply<'a> {
    /// An error without an id.
    pub fn error(code: Code, message: &'a str) -> Reply<'a> {
        Reply::Error {
            code,
            message,
            msg_id: None,
            retry_after_ms: None,
        }
    }
}

/// The `role` of an author.
pub fn role(origin: Origin) -> &'static str {
    match origin {
        Origin::Human => "user",
        Origin::Agent => "userAgent",
    }
}

impl<'a> Request<'a> {
    /// Parses a text frame. The relay checks `from` and `to`.
    ///
    /// # Errors
    ///
    /// `bad_json` or `unknown_type`.
    pub fn parse(text: &'a str) -> Result<Request<'a>, Code> {
        let fields: Fields = object(text).ok_or(Code::BadJson)?;
        match fields.text("type").as_deref() {
            Some("msg") => Ok(Request::Msg(fields.msg())),
            Some("file-start") => {
                let attachment = fields.get("attachment").and_then(|raw| object(raw.get()));
                let attachment = attachment.ok_or(Code::BadJson)?;
                Ok(Request::FileStart(fields.msg(), attachment))
            }
            Some("file-end") => Ok(Request::FileEnd {
                msg_id: fields.text("msgId").unwrap_or_default(),
                from: fields.text("from"),
            }),
            Some("ping") => Ok(Request::Ping),
            Some(_) => Err(Code::UnknownType),
            None => Err(Code::BadJson),
        }
    }
}

impl Msg<'_> {
    /// The frame as it was written, with `ts` set.
    pub fn stamped(&self, ts: u64) -> impl Serialize {
        Stamped {
            fields: &self.fields,
            ts,
        }
    }
}

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, raw)| *raw)
    }

    fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    fn msg(self) -> Msg<'a> {
        let hop = self.get("hopCount").and_then(|raw| raw.get().parse::<u32>().ok());
        Msg {
            msg_id: self.text("msgId").unwrap_or_default(),
            from: self.text("from"),
            to: self
                .get("to")
                .and_then(|raw| serde_json::from_str(raw.get()).ok()),
            role: if self.text("role").as_deref() == Some("userAgent") {
                Origin::Agent
            } else {
                Origin::Human
            },
            thread_id: self.text("threadId").unwrap_or_default(),
            text: self.text("text").unwrap_or_default(),
            hop_count: hop.unwrap_or(0),
            fields: self,
        }
    }
}

struct Stamped<'a> {
    fields: &'a Fields<'a>,
    ts: u64,
}

impl Serialize for Stamped<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        for (name, value) in &self.fields.0 {
            if name != "ts" {
                map.serialize_entry(name, value)?;
            }
        }
        map.serialize_entry("ts", &self.ts)?;
        map.end()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields: Vec<(String, &RawValue)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    // The search below takes quadratic time.
                    if fields.len() >= MAX_FIELDS {
                        return Err(serde::de::Error::custom("too many fields"));
                    }
                    match fields.iter_mut().find(|(n, _)| *n == name) {
                        Some(field) => field.1 = value,
                        None => fields.push((name, value)),
                    }
                }
                Ok(Fields(fields))
            }
        }
        from.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(text: &str) -> String {
        match Request::parse(text) {
            Ok(Request::Msg(msg)) => serde_json::to_string(&msg.stamped(7)).expect("JSON"),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn frames_are_forwarded_as_written() {
        let frame = r#"{"type":"msg","from":"a","to":[],"text":"é\n","x":{"n":1e400},"hopCount":0}"#;
        assert_eq!(stamped(frame), frame.replace(r#":0}"#, r#":0,"ts":7}"#));
        // A stamp of its own does not count, nor does a second field of a name hide behind the first.
        assert_eq!(
            stamped(r#"{"ts":1,"type":"msg","from":"a","from":"b"}"#),
            r#"{"type":"msg","from":"b","ts":7}"#
        );
    }

    #[test]
    fn fields_have_their_types() {
        let text = r#"{"type":"msg","msgId":"1","from":"a","to":["b"],"role":"userAgent","threadId":"t","text":"x","hopCount":3}"#;
        let Ok(Request::Msg(msg)) = Request::parse(text) else {
            panic!("a msg")
        };
        assert_eq!(
            (msg.role, msg.hop_count, msg.to),
            (Origin::Agent, 3, Some(vec!["b".to_owned()]))
        );
        for (text, code) in [
            ("", Code::BadJson),
            ("[]", Code::BadJson),
            ("{}", Code::BadJson),
            (r#"{"type":7}"#, Code::BadJson),
            (r#"{"type":"nope"}"#, Code::UnknownType),
            (r#"{"type":"file-start"}"#, Code::BadJson),
            (
                r#"{"type":"file-start","attachment":{"name":"a","size":-1}}"#,
                Code::BadJson,
            ),
        ] {
            assert_eq!(Request::parse(text).err(), Some(code), "{text}");
        }
        for odd in [
            r#"{"type":"msg"}"#,
            r#"{"type":"msg","to":"b","from":7,"hopCount":-1}"#,
        ] {
            let Ok(Request::Msg(msg)) = Request::parse(odd) else {
                panic!("a msg")
            };
            assert_eq!((msg.from, msg.to, msg.hop_count), (None, None, 0));
        }
    }

    #[test]
    fn replies_are_in_camel_case() {
        let reply = Reply::Error {
            code: Code::TransferBusy,
            message: "m",
            msg_id: Some("1"),
            retry_after_ms: Some(2000),
        };
        assert_eq!(
            serde_json::to_value(&reply).expect("JSON"),
            serde_json::json!({"type": "error", "code": "transfer_busy", "message": "m", "msgId": "1", "retryAfterMs": 2000})
        );
        let end = Reply::FileEnd {
            msg_id: "1",
            from: "a",
        };
        assert_eq!(
            serde_json::to_value(&end).expect("JSON"),
            serde_json::json!({"type": "file-end", "msgId": "1", "from": "a"})
        );
    }
}
