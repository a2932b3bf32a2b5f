//! What the audit log tells: who said what, who or what decided, what an agent was given and what left.
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

/// One thing that happened. What belongs together is joined by ids: of messages, of runs, and of items.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// The program has opened the room.
    Opened {
        program: String,
        /// What of this log had to be corrected first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        repairs: Vec<String>,
    },
    /// Lines of this log are missing, or are others than were written: noticed at a start, and a problem of the log
    /// from then on.
    Gap {
        what: String,
    },
    In {
        /// Its number on the screen, where it is shown: `m12`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<u32>,
        /// The message, its body byte for byte.
        message: Message,
    },
    /// A message of ours goes out.
    Out {
        /// Its number on the screen, where it is shown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<u32>,
        id: String,
        to: Vec<String>,
        only: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread: Option<String>,
        /// What is said. What looks like a secret with the text of an agent is left out.
        body: Body,
        /// The SHA-256 of the whole body as JSON, in hex, where something was left out of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
    },
    /// A message of ours was given up.
    GaveUp {
        id: String,
        why: String,
    },
    Decided(Box<Decided>),
    Mode {
        mode: nexscope_relay::protocol::Mode,
        by: By,
    },
    /// An answer waits as a draft.
    Draft {
        /// Its item: `d3`.
        item: String,
        /// The run that made it; none for what an agent sends unasked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<String>,
        /// The id of the message that it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answers: Option<String>,
        to: Vec<String>,
        only: bool,
        /// Its words. What looks like a secret is left out.
        text: String,
        /// What was found in it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        flags: Vec<Finding>,
    },
    /// The files of a draft were searched.
    Looked {
        item: String,
        /// The run that made it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<String>,
        /// The id of the message that it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answers: Option<String>,
        files: Vec<AttachedFile>,
    },
    /// Others are shown more of an answer that is being written.
    Shown {
        run: String,
        /// The id that its message will have.
        message: String,
        /// What they had not been shown before.
        text: String,
    },
    /// An agent begins to work.
    Began {
        run: String,
        agent: String,
        kind: String,
        /// The id of the message that it answers.
        answers: String,
        /// The SHA-256 of what it reads, as [`Prompt`] makes it of the accepted words, in hex.
        prompt_sha256: String,
        /// The length of that, in bytes.
        prompt_bytes: usize,
        /// The agent's own session that it goes on from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<String>,
    },
    /// An agent uses a tool.
    Tool {
        run: String,
        tool: String,
        /// On what. What looks like a secret is left out.
        what: String,
    },
    /// An agent's wish to use a tool was answered.
    Permission {
        run: String,
        /// The request, as the agent numbers it.
        request: String,
        /// Its item, where it has waited: `p4`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item: Option<String>,
        tool: String,
        /// What it would do. What looks like a secret is left out.
        what: String,
        answer: String,
        /// Who or what gave it.
        by: By,
    },
    Ended {
        run: String,
        /// `answered`, `failed`, `stopped`, or `interrupted`.
        outcome: String,
        /// Why it failed. What looks like a secret is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
        /// How long it took, in milliseconds.
        ms: u64,
        tools: u32,
        /// What it cost at list price, in US dollars.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usd: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tokens: Option<u64>,
    },
    /// A file was decided, or went on.
    File {
        /// Its item: `f5`.
        item: String,
        from: String,
        /// The id of the message that offers it.
        message: String,
        name: String,
        /// Its size, in bytes.
        size: u64,
        /// Its SHA-256, in hex: as offered, and checked where it came whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
        fate: crate::core::FileOutcome,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Decided {
    /// The item: `m12`, `d3`, `f5`; none for an answer that left without waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// The id of the message that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Who or what has decided.
    pub by: By,
    pub verdict: Verdict,
    /// The run that follows from it, or that it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Why; what the asker is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the person added for the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Both versions, where the person has changed the words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<Edited>,
}

/// Words before and after a person changed them. What looked like a secret before is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    pub before: String,
    pub after: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The person, by a key.
    Person,
    /// A program of the person's, which a session that was started so lets decide.
    Program,
    /// Auto mode, within its limits.
    Auto,
    /// A setting, or what the person has granted before.
    Setting(String),
    Expiry,
    /// A program or an agent on the control socket, which may ask for what is safe.
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

/// Something that was found in words of an agent, without the words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it looks like: the rule's name.
    pub rule: String,
    /// Where it begins in the whole text, in bytes.
    pub at: usize,
    /// Its length, in bytes.
    pub bytes: usize,
    /// Its SHA-256, in hex: to know it again, not to read it.
    pub sha256: String,
}

/// A file that would go with a draft, as it was searched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedFile {
    pub name: String,
    /// Its size in bytes, where it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Its SHA-256 in hex, where it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What was found: the line, and the rule's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<String>,
    /// Why nothing was looked for in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_through: Option<String>,
}

impl Decided {
    /// A decision, with nothing said besides.
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

/// `text` without what was found in it, and the findings. Where several meet, all that they cover is left out.
pub(in crate::core) fn without(text: &str, flags: &[Flag]) -> (String, Vec<Finding>) {
    // From an old journal they may come in any order, and meet.
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

/// A place in a text, with the whole of the characters that it touches.
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

/// A body without what looks like a secret in it. What a person wrote in a chat stays as it is: nobody has flagged it.
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
    // A body that could not be written as JSON could not be sent either.
    sha256(&serde_json::to_vec(body).unwrap_or_default())
}

/// The SHA-256 of some bytes, in hex.
pub fn sha256(bytes: &[u8]) -> String {
    crate::text::hex(&Sha256::digest(bytes))
}

impl Entry {
    /// A message of ours on its way. `own` are secrets of this session.
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

    /// Whether this says that a message of ours went out, just as it stands there.
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

    /// A run that is over, and why where it failed.
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

    /// A run that ended with an earlier life of this program; how long it took nobody knows.
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

    /// What joins entries: ids of messages and runs, and the numbers of drafts.
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
            // One that was sent unasked belongs to no run and answers nothing.
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

    /// How people call what it is about: `m12`, `d3`, `p4`, `f5`.
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

/// The ids of the messages that a body is about; of an agent's answer, the one that it answers. That a person
/// answers something does not make the two one matter.
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
    /// `text` without what looks like a secret in it.
    pub(in crate::core) fn redacted(&self, text: &str) -> String {
        let own = self.settings.token.as_ref().map(|token| token.0.as_str());
        without(text, &secrets::secrets(text, own.as_slice())).0
    }
}
