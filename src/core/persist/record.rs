//! What is written to disk, one record a line: enough to be the same room again after a restart.

use nexscope_relay::protocol::Message;
use serde::{Deserialize, Serialize};

use crate::core::{
    AcceptOptions, ClockReading, Draft, FileOutcome, MentionOutcome, Millis, Outgoing, ScanResult, Steady,
    chat::threads::Audience, runs::Totals,
};

/// One line of the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// The relay gave us a seat.
    Seat {
        session: String,
        /// The life of the room.
        epoch: String,
        /// From where on `seq` counts for us in this life.
        seq: u64,
    },
    /// A message came, of whatever kind.
    In {
        /// The life of the room in which its `seq` counts.
        epoch: String,
        /// The message, its body byte for byte.
        message: Message,
        /// When it came, by the steady clock. The message itself says only what the relay's clock said.
        came: Steady,
    },
    /// A session begins: what the steady clock says.
    Clock(ClockReading),
    /// A message of ours was written.
    Out(Box<Outgoing>),
    /// The relay has a message of ours.
    Acked {
        id: String,
        /// The life of the room.
        epoch: String,
        /// Its place in the room's order.
        seq: u64,
        /// Of the addressed, who was not there.
        absent: Vec<String>,
        /// Of the addressed, who has it by being reached (version 1).
        received: Vec<String>,
    },
    /// A message of ours was given up.
    GaveUp { id: String, why: String },
    /// A mention was decided, or what was decided went on.
    Mention {
        from: String,
        id: String,
        fate: MentionOutcome,
        at: Millis,
    },
    /// With what a mention was accepted, where that was more than a yes; a retry is the same again.
    How {
        from: String,
        id: String,
        how: Box<AcceptOptions>,
    },
    /// An agent's session in a thread went on.
    Session {
        thread: String,
        agent: String,
        /// The agent's own id for it; none forgets it.
        session: Option<String>,
        /// Everyone who may know what it was given.
        audience: Audience,
        /// What it has used so far.
        totals: Totals,
        /// Places outside of its folder that its runs touched.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        outside: Vec<String>,
    },
    /// A run began: until its end is here as well, processes of it may be left.
    Started {
        run: String,
        /// The agent's name; empty in what older versions wrote.
        #[serde(default)]
        agent: String,
    },
    /// A run has used something, as far as that is known.
    Used {
        at: Steady,
        agent: String,
        /// US dollars at list price.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usd: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tokens: Option<u64>,
    },
    /// The key of a member's name, as the person knows it.
    Known { name: String, key: String },
    /// The person trusts a name with this key, or without one.
    Trusted { name: String, key: Option<String> },
    /// A run ended, with everything that it started.
    Ended { run: String },
    /// A run ended, but its program stays for the next run of its session: until its end is here as well, processes
    /// of it may be left.
    Stays { run: String },
    /// Auto mode let an agent answer.
    Auto {
        at: Steady,
        thread: String,
        member: String,
        agent: String,
        /// Streak position; 0 in journals written by older versions.
        #[serde(default)]
        row: u32,
    },
    /// A file was decided, or what was decided went on.
    File {
        /// Who offers it, in lower case.
        from: String,
        /// The id of the message that offers it.
        id: String,
        file: String,
        fate: FileOutcome,
    },
    /// An answer waits for the person as a draft. It is posted with the message of ours that names it.
    Draft {
        number: u32,
        at: Millis,
        draft: Box<Draft>,
    },
    /// The files of a draft were searched: these very files are sent, or none.
    Looked {
        number: u32,
        /// What each turned out to be, in the draft's order.
        files: Vec<ScanResult>,
    },
    /// A draft was thrown away.
    Dropped { number: u32 },
    /// The person has put an item off.
    PutOff {
        /// Which: `m12`, `d3`, `f5`. A permission ends with its run.
        item: String,
    },
    /// An agent has asked for a permission; the question ends with the run, and its number stays used.
    Asked { number: u32 },
    Permitted {
        /// Who asked for the run.
        asker: String,
        /// What was decided, in words.
        what: String,
        at: Millis,
    },
    /// Our own person spoke in a thread, so auto mode counts it again.
    Spoke { thread: String },
}

/// Which record is safely on disk, as far as the room acts on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    In {
        from: String,
        id: String,
        /// The life of the room.
        epoch: String,
        seq: u64,
    },
    Out {
        id: String,
    },
    /// That the relay has a message of ours.
    Acked {
        /// The life of the room.
        epoch: String,
        seq: u64,
    },
}

impl Record {
    /// What the room has to hear once this record is safe.
    pub fn kept(&self) -> Option<Kept> {
        match self {
            Record::In { epoch, message, .. } => Some(Kept::In {
                from: message.from.clone(),
                id: message.id.clone(),
                epoch: epoch.clone(),
                seq: message.seq,
            }),
            Record::Out(outgoing) => Some(Kept::Out {
                id: outgoing.id.clone(),
            }),
            Record::Acked { epoch, seq, .. } => Some(Kept::Acked {
                epoch: epoch.clone(),
                seq: *seq,
            }),
            _ => None,
        }
    }
}
