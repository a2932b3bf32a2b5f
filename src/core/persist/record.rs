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
        /// The seat's secret.
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
        /// Which.
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
    GaveUp {
        /// Which.
        id: String,
        /// Why.
        why: String,
    },
    /// A mention was decided, or what was decided went on.
    Mention {
        /// Who sent it.
        from: String,
        /// Its id.
        id: String,
        /// What became of it.
        fate: MentionOutcome,
        /// When.
        at: Millis,
    },
    /// With what a mention was accepted, where that was more than a yes; a retry is the same again.
    How {
        /// Who sent it.
        from: String,
        /// Its id.
        id: String,
        /// With what.
        how: Box<AcceptOptions>,
    },
    /// An agent's session in a thread went on.
    Session {
        /// The thread.
        thread: String,
        /// The agent's name.
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
        /// The run's id.
        run: String,
        /// The agent's name; empty in what older versions wrote.
        #[serde(default)]
        agent: String,
    },
    /// A run has used something, as far as that is known.
    Used {
        /// When it ended.
        at: Steady,
        /// Which agent.
        agent: String,
        /// US dollars at list price.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usd: Option<f64>,
        /// Input and output tokens.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tokens: Option<u64>,
    },
    /// The key of a member's name, as our person knows it.
    Known {
        /// The name.
        name: String,
        /// Its key.
        key: String,
    },
    /// Our person trusts a name with this key, or without one.
    Trusted {
        /// The name.
        name: String,
        /// Its key.
        key: Option<String>,
    },
    /// A run ended, with everything that it started.
    Ended {
        /// The run's id.
        run: String,
    },
    /// A run ended, but its program stays for the next run of its session: until its end is here as well, processes
    /// of it may be left.
    Stays {
        /// The run's id.
        run: String,
    },
    /// Auto mode let an agent answer.
    Auto {
        /// When.
        at: Steady,
        /// In which thread.
        thread: String,
        /// Whom.
        member: String,
        /// Which agent.
        agent: String,
        /// The how manieth in a row it is; 0 in what older versions wrote.
        #[serde(default)]
        row: u32,
    },
    /// A file was decided, or what was decided went on.
    File {
        /// Who offers it, in lower case.
        from: String,
        /// The id of the message that offers it.
        id: String,
        /// Its id there.
        file: String,
        /// What became of it.
        fate: FileOutcome,
    },
    /// An answer waits for our person as a draft. It is posted with the message of ours that names it.
    Draft {
        /// Its number.
        number: u32,
        /// Since when.
        at: Millis,
        /// All of it.
        draft: Box<Draft>,
    },
    /// The files of a draft were looked through: these very files are sent, or none.
    Looked {
        /// The draft's number.
        number: u32,
        /// What each turned out to be, in the draft's order.
        files: Vec<ScanResult>,
    },
    /// A draft was thrown away.
    Dropped {
        /// Its number.
        number: u32,
    },
    /// Our person has put an item off.
    PutOff {
        /// Which: `m12`, `d3`, `f5`. A permission ends with its run.
        item: String,
    },
    /// An agent has asked for a permission; the question ends with the run, and its number stays used.
    Asked {
        /// Its number.
        number: u32,
    },
    /// A permission was decided.
    Permitted {
        /// Who asked for the run.
        asker: String,
        /// What was decided, in words.
        what: String,
        /// When.
        at: Millis,
    },
    /// Our own person spoke in a thread, so auto mode counts it anew.
    Spoke {
        /// The thread.
        thread: String,
    },
}

/// Which record is safely on disk, as far as the room acts on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// A received message.
    In {
        /// Who sent it.
        from: String,
        /// Its id.
        id: String,
        /// The life of the room.
        epoch: String,
        /// Its place in it.
        seq: u64,
    },
    /// A message of ours.
    Out {
        /// Its id.
        id: String,
    },
    /// That the relay has a message of ours.
    Acked {
        /// The life of the room.
        epoch: String,
        /// Its place in it.
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
