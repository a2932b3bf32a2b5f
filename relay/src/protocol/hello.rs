//! The first frame of a connection. Its fields are checked in the order of the protocol.

use std::{borrow::Cow, fmt};

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Code, ErrorFrame, Mode, Resume, VERSION,
    request::{MAX_AGENTS, names, object, present, raw_fields, read, string},
};

/// Maximum length of `client`, in bytes.
pub const MAX_CLIENT: usize = 64;

/// Some encoders add padding, and some leave bits in the last character. Both are accepted.
const OWNER: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A well-formed hello. The relay checks its token and names.
#[derive(Clone)]
pub struct Greeting {
    /// The room to join.
    pub room: String,
    /// The member's name.
    pub name: String,
    /// The secret from the client.
    pub token: String,
    /// Proof of the ownership of a name.
    pub owner: Option<[u8; 32]>,
    /// Program and version.
    pub client: String,
    /// Names of the member's agents.
    pub agents: Vec<String>,
    /// How the agents answer.
    pub mode: Mode,
    /// Number of recent messages to replay.
    pub history: u64,
    /// The position at which the last connection ended.
    pub resume: Option<Resume>,
}

raw_fields! {
    struct Fields { r#type, v, room, name, token, owner, client, agents, mode, history, resume }
}

impl Greeting {
    /// Parses the first text frame.
    ///
    /// # Errors
    ///
    /// `bad_hello` or `bad_version`.
    pub fn parse(text: &str) -> Result<Greeting, ErrorFrame> {
        let fields: Fields =
            object(text).ok_or_else(|| bad("The first frame must be a hello: one JSON object."))?;
        if fields.r#type.and_then(string).as_deref() != Some("hello") {
            return Err(bad("The first frame must have the type \"hello\"."));
        }
        let version = fields.v.map(RawValue::get).filter(|v| is_integer(v));
        let version = version.ok_or_else(|| bad("`v` must be the integer 2."))?;
        if version.parse() != Ok(VERSION) {
            let message = "This relay speaks version 2. Update the older of the two programs.";
            return Err(ErrorFrame::new(Code::BadVersion, message));
        }
        fields.greeting()
    }
}

impl Fields<'_> {
    fn greeting(&self) -> Result<Greeting, ErrorFrame> {
        let text = |field: Option<&RawValue>, fault| match field {
            None => Ok(None),
            Some(raw) => string(raw)
                .map(Cow::into_owned)
                .map(Some)
                .ok_or_else(|| bad(fault)),
        };
        let room = text(self.room, "`room` must be a string.")?.unwrap_or_else(|| "lobby".into());
        let name = text(self.name, "`name` must be a string.")?.ok_or_else(|| bad("`name` is missing."))?;
        let token =
            text(self.token, "`token` must be a string.")?.ok_or_else(|| bad("`token` is missing."))?;
        let client = text(self.client, "`client` must be a string.")?.unwrap_or_default();
        if client.len() > MAX_CLIENT {
            return Err(bad("`client` is limited to 64 bytes."));
        }
        let owner = match self.owner.filter(|raw| raw.get() != "null") {
            None => None,
            Some(raw) => Some(
                string(raw)
                    .and_then(|owner| OWNER.decode(owner.as_bytes()).ok()?.try_into().ok())
                    .ok_or_else(|| bad("`owner` must be 32 bytes in base64url."))?,
            ),
        };
        let agents = match self.agents {
            None => Vec::new(),
            Some(raw) => {
                names(raw, MAX_AGENTS).ok_or_else(|| bad("`agents` must be a list of at most 16 names."))?
            }
        };
        let mode = match self.mode {
            None => Mode::default(),
            Some(raw) => read(raw).ok_or_else(|| bad("`mode` must be \"manual\" or \"auto\"."))?,
        };
        let history = match self.history.map(RawValue::get) {
            None => 0,
            // A number that does not fit exceeds any memory.
            Some(n) if is_integer(n) && !n.starts_with('-') => n.parse().unwrap_or(u64::MAX),
            Some(_) => return Err(bad("`history` must be a whole number, 0 or more.")),
        };
        let resume = match self.resume.filter(|raw| raw.get() != "null") {
            None => None,
            Some(raw) => Some(
                object(raw.get())
                    .ok_or_else(|| bad("`resume` must be {\"session\",\"epoch\",\"seq\"} as last stored."))?,
            ),
        };
        Ok(Greeting {
            room,
            name,
            token,
            owner,
            client,
            agents,
            mode,
            history,
            resume,
        })
    }
}

/// Hides the secrets.
impl fmt::Debug for Greeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hello of {:?} to {:?}", self.name, self.room)
    }
}

/// Whether a JSON value is written as an integer. `2.0` and `2e0` are not.
fn is_integer(json: &str) -> bool {
    json.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

fn bad(message: &str) -> ErrorFrame {
    ErrorFrame::new(Code::BadHello, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_checks() {
        let long = "x".repeat(65);
        let agents = format!("[{}\"a\"]", "\"a\",".repeat(16));
        for (text, code) in [
            ("nonsense".to_owned(), Code::BadHello),
            ("[]".into(), Code::BadHello),
            (r#"{"type":"message","v":2}"#.into(), Code::BadHello),
            (r#"{"type":"hello"}"#.into(), Code::BadHello),
            (r#"{"type":"hello","v":"2"}"#.into(), Code::BadHello),
            (r#"{"type":"hello","v":2.0}"#.into(), Code::BadHello),
            (r#"{"type":"hello","v":null}"#.into(), Code::BadHello),
            (r#"{"type":"hello","v":3}"#.into(), Code::BadVersion),
            (r#"{"type":"hello","v":-2,"name":7}"#.into(), Code::BadVersion),
            (
                r#"{"type":"hello","v":99999999999999999999}"#.into(),
                Code::BadVersion,
            ),
            (r#"{"type":"hello","v":2,"name":"a"}"#.into(), Code::BadHello),
            (r#"{"type":"hello","v":2,"token":"a"}"#.into(), Code::BadHello),
            (
                r#"{"type":"hello","v":2,"token":"a","name":null}"#.into(),
                Code::BadHello,
            ),
        ] {
            assert_eq!(Greeting::parse(&text).err().map(|e| e.code), Some(code), "{text}");
        }
        for field in [
            r#""room":7"#.to_owned(),
            r#""owner":7"#.into(),
            r#""owner":"c2hvcnQ""#.into(),
            r#""client":[]"#.into(),
            format!(r#""client":"{long}""#),
            r#""agents":"a""#.into(),
            r#""agents":["a b"]"#.into(),
            format!(r#""agents":{agents}"#),
            r#""mode":"loud""#.into(),
            r#""history":-1"#.into(),
            r#""history":1.5"#.into(),
            r#""history":"1""#.into(),
            r#""resume":7"#.into(),
            r#""resume":["a","b",1]"#.into(),
            r#""resume":{"session":"a","epoch":"b"}"#.into(),
            r#""resume":{"session":"a","epoch":"b","seq":-1}"#.into(),
        ] {
            let text = format!(r#"{{"type":"hello","v":2,"name":"a","token":"t",{field}}}"#);
            assert_eq!(
                Greeting::parse(&text).err().map(|e| e.code),
                Some(Code::BadHello),
                "{text}"
            );
        }
    }

    #[test]
    fn missing_fields_have_defaults() {
        let text = r#"{"type":"hello","v":2,"name":"a","token":"t","owner":null,"resume":null,"later":1}"#;
        let hello = Greeting::parse(text).expect("a good hello");
        assert_eq!(
            (hello.room.as_str(), hello.history, hello.mode),
            ("lobby", 0, Mode::Manual)
        );
        assert!(hello.owner.is_none() && hello.resume.is_none() && hello.agents.is_empty());
    }

    #[test]
    fn owners_may_be_padded() {
        let unpadded = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        for owner in [unpadded.to_owned(), format!("{unpadded}=")] {
            let text = format!(r#"{{"type":"hello","v":2,"name":"a","token":"t","owner":"{owner}"}}"#);
            let hello = Greeting::parse(&text).expect("a good hello");
            assert_eq!(hello.owner, Some(std::array::from_fn(|i| i as u8)));
        }
    }
}
