//! Entries of the audit log: who said what, who or what decided, what an agent was given and what was sent.
//!
//! The room makes the entries where the things happen, so that none can happen without one; `store/audit.rs`
//! chains and writes them.

use std::ops::Range;

use nexscope_relay::protocol::{
    Message,
    body::{Body, Origin, Receipt},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::core::{
    Flag, Millis, Outgoing, Room, Run,
    leak::secrets,
    runs::{Ending, Outcome, Prompt},
};

/// An event in the audit log. Related entries are linked by ids of messages, runs and items.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// The program has opened the room.
    Opened {
        program: String,
        /// Repairs of this log that were necessary.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        repairs: Vec<String>,
    },
    /// Lines of this log are missing or were changed. Noticed at a start, and a problem of the log from then on.
    Gap {
        what: String,
    },
    In {
        /// Its number on the screen, if it is shown: `m12`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<u32>,
        /// The message, with its body byte for byte.
        message: Message,
    },
    /// Our message is sent.
    Out {
        /// Its number on the screen, if it is shown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<u32>,
        id: String,
        to: Vec<String>,
        only: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread: Option<String>,
        /// Its content. In an agent's text, whatever looks like a secret is removed.
        body: Body,
        /// The SHA-256 of the whole body as JSON, in hex, if something was removed from it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
    },
    /// Our message was given up.
    GaveUp {
        id: String,
        why: String,
    },
    Decided(Box<Decided>),
    Mode {
        mode: nexscope_relay::protocol::Mode,
        by: By,
    },
    /// An answer is pending as a draft.
    Draft {
        /// Its item: `d3`.
        item: String,
        /// The run that produced it; `None` for a message that an agent sends unasked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<String>,
        /// The id of the message that it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answers: Option<String>,
        to: Vec<String>,
        only: bool,
        /// Its text, with secrets removed.
        text: String,
        /// Findings in it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        flags: Vec<Finding>,
    },
    /// The files of a draft were scanned.
    Looked {
        item: String,
        /// The run that produced the draft.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<String>,
        /// The id of the message that it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answers: Option<String>,
        files: Vec<AttachedFile>,
    },
    /// Others are shown more of an unfinished answer.
    Shown {
        run: String,
        /// The id that its message will have.
        message: String,
        /// Text that they had not been shown before.
        text: String,
    },
    /// An agent starts to work.
    Began {
        run: String,
        agent: String,
        kind: String,
        /// The id of the message that it answers.
        answers: String,
        /// The SHA-256 of its input, the [`Prompt`] made from the accepted text, in hex.
        prompt_sha256: String,
        /// The length of the prompt, in bytes.
        prompt_bytes: usize,
        /// The agent's own session that it resumes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<String>,
    },
    /// An agent uses a tool.
    Tool {
        run: String,
        tool: String,
        /// Its arguments, with secrets removed.
        what: String,
    },
    /// An agent's request to use a tool was answered.
    Permission {
        run: String,
        /// The agent's id for the request.
        request: String,
        /// Its item, if it was pending: `p4`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item: Option<String>,
        tool: String,
        /// The requested action, with secrets removed.
        what: String,
        answer: String,
        /// The person or mechanism that answered.
        by: By,
    },
    Ended {
        run: String,
        /// `answered`, `failed`, `stopped`, or `interrupted`.
        outcome: String,
        /// The reason of a failure, with secrets removed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
        /// Duration, in milliseconds.
        ms: u64,
        tools: u32,
        /// Cost at list price, in US dollars.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usd: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tokens: Option<u64>,
    },
    /// A file was decided, or its state changed.
    File {
        /// Its item: `f5`.
        item: String,
        from: String,
        /// The id of the message that offers it.
        message: String,
        name: String,
        /// Its size, in bytes.
        size: u64,
        /// Its SHA-256, in hex: as offered, and checked if it arrived whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
        fate: crate::core::FileOutcome,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Decided {
    /// The item: `m12`, `d3`, `f5`; `None` for an answer that left without review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// The id of the message that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The person or mechanism that decided.
    pub by: By,
    pub verdict: Verdict,
    /// The run that it started, or that it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The reason, as the asker is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Instructions that the person added for the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Both versions, if the person edited the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<Edited>,
}

/// Text before and after a person edited it. Secrets found before are removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    pub before: String,
    pub after: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The person, by a key press.
    Person,
    /// A program of the person's, in a session that was started with this permission.
    Program,
    /// Auto mode, within its limits.
    Auto,
    /// A setting, or an earlier grant of the person.
    Setting(String),
    Expiry,
    /// A program or an agent on the control socket, which may request safe actions.
    Anybody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Accepted,
    /// Handed to the agent from the timeline.
    HandedOver,
    /// The person asked their own agent.
    Asked,
    Rejected,
    Posted,
    Expired,
}

/// A finding in an agent's text, without the text itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's name.
    pub rule: String,
    /// Its start in the whole text, in bytes.
    pub at: usize,
    /// Its length, in bytes.
    pub bytes: usize,
    /// Its SHA-256, in hex, to recognize it without reading it.
    pub sha256: String,
}

/// An attachment of a draft, as it was scanned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedFile {
    pub name: String,
    /// Its size in bytes, if it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Its SHA-256 in hex, if it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Findings: the line, and the rule's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<String>,
    /// The reason why it was not scanned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_through: Option<String>,
}

impl Decided {
    /// A decision without any details.
    pub(in crate::core) fn new(by: By, verdict: Verdict) -> Self {
        Self {
            item: None,
            message: None,
            by,
            verdict,
            run: None,
            reason: None,
            instructions: None,
            edited: None,
        }
    }
}

/// Removes the findings from `text`. Of overlapping ones, everything they cover is removed. Returns both.
pub(in crate::core) fn without(text: &str, flags: &[Flag]) -> (String, Vec<Finding>) {
    // Flags from an old journal may be unordered and overlap.
    let mut flags: Vec<(Range<usize>, &str)> = flags
        .iter()
        .map(|flag| (on_characters(text, &flag.at), &*flag.what))
        .filter(|(at, _)| at.start < at.end)
        .collect();
    flags.sort_by_key(|(at, _)| at.start);
    let (mut out, mut end, mut findings) = (String::with_capacity(text.len()), 0, Vec::new());
    for (at, what) in flags {
        if at.start >= end {
            out.push_str(&text[end..at.start]);
            out.push_str(&format!("[left out: {what}]"));
        }
        end = end.max(at.end);
        findings.push(Finding {
            rule: what.to_owned(),
            at: at.start,
            bytes: at.len(),
            sha256: sha256(&text.as_bytes()[at]),
        });
    }
    out.push_str(&text[end..]);
    (out, findings)
}

/// Extends a byte range to whole characters.
fn on_characters(text: &str, at: &Range<usize>) -> Range<usize> {
    let (mut start, mut end) = (at.start.min(text.len()), at.end.min(text.len()));
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

/// Removes secrets from a body. A person's chat message stays as it is, since nothing in it was flagged.
fn without_secrets(body: &Body, own: &[&str]) -> Body {
    let clear = |text: &mut String| *text = without(text, &secrets::secrets(text, own)).0;
    let mut body = body.clone();
    match &mut body {
        Body::Chat(chat) if chat.origin == Origin::Agent => {
            clear(&mut chat.text);
            chat.files.iter_mut().for_each(|file| clear(&mut file.name));
        }
        Body::Receipt(Receipt { reason, .. }) | Body::FileDecline { reason, .. } => clear(reason),
        Body::Chat(_) | Body::FileAccept { .. } | Body::Unknown => {}
    }
    body
}

fn sha256_of_body(body: &Body) -> String {
    // A body that cannot be serialized could not be sent either.
    sha256(&serde_json::to_vec(body).unwrap_or_default())
}

/// The SHA-256 of `bytes`, in hex.
pub fn sha256(bytes: &[u8]) -> String {
    crate::text::hex(&Sha256::digest(bytes))
}

impl Entry {
    /// The entry for our message when it is sent. `own` are secrets of this session.
    pub(in crate::core) fn out(number: Option<u32>, outgoing: &Outgoing, own: &[&str]) -> Self {
        let body = without_secrets(&outgoing.body, own);
        let sha256 = (body != outgoing.body).then(|| sha256_of_body(&outgoing.body));
        Entry::Out {
            number,
            id: outgoing.id.clone(),
            to: outgoing.to.clone(),
            only: outgoing.only,
            thread: outgoing.thread.clone(),
            body,
            sha256,
        }
    }

    /// Whether this entry records that our message was sent with exactly this content.
    pub fn is_of(&self, outgoing: &Outgoing) -> bool {
        matches!(self, Entry::Out { id, to, only, thread, body, sha256, .. }
        if *id == outgoing.id
            && *to == outgoing.to
            && *only == outgoing.only
            && *thread == outgoing.thread
            && match sha256 {
                Some(sha256) => *sha256 == sha256_of_body(&outgoing.body),
                None => *body == outgoing.body,
            })
    }

    pub(in crate::core) fn began(run: &Run, kind: &str) -> Self {
        let prompt = Prompt::new(&run.ask);
        Entry::Began {
            run: run.id.clone(),
            agent: run.ask.agent.clone(),
            kind: kind.to_owned(),
            answers: run.key.1.clone(),
            prompt_sha256: sha256(prompt.as_str().as_bytes()),
            prompt_bytes: prompt.as_str().len(),
            resume: run.ask.resume.clone(),
        }
    }

    /// The entry for the end of a run; `why` is the reason if it failed.
    pub(in crate::core) fn ended(run: &str, ending: &Ending, why: Option<String>) -> Self {
        let outcome = match &ending.outcome {
            Outcome::Answer(_) => "answered",
            Outcome::Failed(_) => "failed",
            Outcome::Cancelled => "stopped",
        };
        Entry::Ended {
            run: run.to_owned(),
            outcome: outcome.to_owned(),
            why,
            ms: ending.took.as_millis() as Millis,
            tools: ending.tools,
            usd: ending.usd,
            tokens: ending.tokens,
        }
    }

    /// The entry for a run that ended with an earlier session of this program; its duration is unknown.
    pub(in crate::core) fn interrupted(run: &str) -> Self {
        Entry::Ended {
            run: run.to_owned(),
            outcome: "interrupted".to_owned(),
            why: Some("the program ended while it went on".to_owned()),
            ms: 0,
            tools: 0,
            usd: None,
            tokens: None,
        }
    }

    /// The ids that link entries: of messages and runs, and the numbers of drafts.
    pub fn ids(&self) -> Vec<String> {
        let some = |ids: &[&Option<String>]| ids.iter().filter_map(|id| (*id).clone()).collect();
        match self {
            Entry::Opened { .. } | Entry::Gap { .. } | Entry::Mode { .. } => Vec::new(),
            Entry::In { message, .. } => match serde_json::from_str(message.body.get()) {
                Ok(body @ (Body::Receipt(_) | Body::FileAccept { .. } | Body::FileDecline { .. })) => {
                    of_body(&body)
                }
                _ => vec![message.id.clone()],
            },
            Entry::Out { id, body, .. } => {
                let mut ids = of_body(body);
                if matches!(body, Body::Chat(_)) {
                    ids.push(id.clone());
                }
                ids
            }
            Entry::GaveUp { id, .. } => vec![id.clone()],
            Entry::Decided(decided) => {
                let draft = decided.item.clone().filter(|item| item.starts_with('d'));
                some(&[&decided.message, &decided.run, &draft])
            }
            // An unprompted draft belongs to no run and answers nothing.
            Entry::Draft {
                run, answers, item, ..
            }
            | Entry::Looked {
                run, answers, item, ..
            } => some(&[run, answers, &Some(item.clone())]),
            Entry::Shown { run, message, .. } => vec![run.clone(), message.clone()],
            Entry::Began { run, answers, .. } => vec![run.clone(), answers.clone()],
            Entry::Tool { run, .. } | Entry::Permission { run, .. } | Entry::Ended { run, .. } => {
                vec![run.clone()]
            }
            Entry::File { message, .. } => vec![message.clone()],
        }
    }

    /// The item that people know it by: `m12`, `d3`, `p4`, `f5`.
    pub fn item(&self) -> Option<String> {
        match self {
            Entry::In { number, .. } | Entry::Out { number, .. } => number.map(|number| format!("m{number}")),
            Entry::Decided(decided) => decided.item.clone(),
            Entry::Draft { item, .. } | Entry::Looked { item, .. } | Entry::File { item, .. } => {
                Some(item.clone())
            }
            Entry::Permission { item, .. } => item.clone(),
            _ => None,
        }
    }
}

/// The ids of the messages that a body is about; for an agent's answer, the message that it answers. A person's
/// answer is not linked to what it answers.
fn of_body(body: &Body) -> Vec<String> {
    match body {
        Body::Chat(chat) if chat.origin == Origin::Agent => chat.reply_to.iter().cloned().collect(),
        Body::Receipt(Receipt { of, .. }) | Body::FileAccept { of, .. } | Body::FileDecline { of, .. } => {
            vec![of.clone()]
        }
        Body::Chat(_) | Body::Unknown => Vec::new(),
    }
}

impl Room {
    /// Removes secrets from `text`.
    pub(in crate::core) fn redacted(&self, text: &str) -> String {
        let own = self.settings.token.as_ref().map(|token| token.0.as_str());
        without(text, &secrets::secrets(text, own.as_slice())).0
    }
}
