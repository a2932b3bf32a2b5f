//! Records of the journal, one per line: enough to restore the room after a restart.

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
    /// The relay assigned us a seat.
    Seat {
        session: String,
        /// The room's epoch.
        epoch: String,
        /// The first `seq` that counts for us in this epoch.
        seq: u64,
    },
    /// A message of any kind was received.
    In {
        /// The epoch in which its `seq` counts.
        epoch: String,
        /// The message, with its body byte for byte.
        message: Message,
        /// When it was received, by the steady clock. The message itself has only the relay's time.
        came: Steady,
    },
    /// A session starts, with this reading of the steady clock.
    Clock(ClockReading),
    /// Our message was written.
    Out(Box<Outgoing>),
    /// The relay has acknowledged our message.
    Acked {
        id: String,
        /// The room's epoch.
        epoch: String,
        /// Its position in the room's order.
        seq: u64,
        /// Addressees who were absent.
        absent: Vec<String>,
        /// Addressees who have it because they were reached (version 1).
        received: Vec<String>,
    },
    /// Our message was given up.
    GaveUp { id: String, why: String },
    /// A mention was decided, or its state changed afterwards.
    Mention {
        from: String,
        id: String,
        fate: MentionOutcome,
        at: Millis,
    },
    /// Options with which a mention was accepted, if there were any; a retry uses them again.
    How {
        from: String,
        id: String,
        how: Box<AcceptOptions>,
    },
    /// An agent's session in a thread was started or continued.
    Session {
        thread: String,
        agent: String,
        /// The agent's own id for it; `None` forgets the session.
        session: Option<String>,
        /// Everyone who may know what it was given.
        audience: Audience,
        /// Its usage so far.
        totals: Totals,
        /// Places outside its folder that its runs touched.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        outside: Vec<String>,
    },
    /// A run started. Until its end is recorded, its processes may be left.
    Started {
        run: String,
        /// The agent's name; empty in journals written by older versions.
        #[serde(default)]
        agent: String,
    },
    /// Usage of a run, as far as that is known.
    Used {
        at: Steady,
        agent: String,
        /// US dollars at list price.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usd: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tokens: Option<u64>,
    },
    /// The pinned key of a member's name.
    Known { name: String, key: String },
    /// The person trusts a name with this key, or without one.
    Trusted { name: String, key: Option<String> },
    /// A run ended, with all its processes.
    Ended { run: String },
    /// A run ended, but its program stays for the session's next run. Until its end is recorded, processes may be
    /// left.
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
    /// A file was decided, or its state changed afterwards.
    File {
        /// Its sender, in lower case.
        from: String,
        /// The id of the message that offers it.
        id: String,
        file: String,
        fate: FileOutcome,
    },
    /// An answer is pending as a draft. Our message that names the draft ends it.
    Draft {
        number: u32,
        at: Millis,
        draft: Box<Draft>,
    },
    /// The files of a draft were scanned: only these very files are sent.
    Looked {
        number: u32,
        /// The scan results, in the draft's order.
        files: Vec<ScanResult>,
    },
    /// A draft was discarded.
    Dropped { number: u32 },
    /// The person has snoozed an item.
    PutOff {
        /// The item: `m12`, `d3`, `f5`. For a permission it has no effect after a restart, since that ends with its
        /// run.
        item: String,
    },
    /// An agent has asked for a permission. It ends with the run, but its number stays used.
    Asked { number: u32 },
    Permitted {
        /// The member who asked for the run.
        asker: String,
        /// The decision, in words.
        what: String,
        at: Millis,
    },
    /// The person spoke in a thread, which resets auto mode's streak.
    Spoke { thread: String },
}

/// A record that is safely on disk, as far as the room reacts to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    In {
        from: String,
        id: String,
        /// The room's epoch.
        epoch: String,
        seq: u64,
    },
    Out {
        id: String,
    },
    /// The relay's ack of our message.
    Acked {
        /// The room's epoch.
        epoch: String,
        seq: u64,
    },
}

impl Record {
    /// The event that the room needs once this record is safe, if any.
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
