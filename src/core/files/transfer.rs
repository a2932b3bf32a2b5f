//! File transfers: the orders of the rules, and the events of the transfers.

use std::path::PathBuf;

use uuid::Uuid;

use super::Source;

/// Identifies a transfer: the file's number in the room, and its receiver if the file is ours.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TransferId {
    /// The file's number: `f12`.
    pub number: u32,
    /// The receiver of our file; `None` for a download.
    pub to: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferEvent {
    /// Our file is read and can be offered.
    Hashed(Source),
    /// The download can start; `have` bytes are already here.
    Ready {
        /// Bytes that are here and checked.
        have: u64,
    },
    /// Position, counted from the file's beginning.
    Progress {
        /// Bytes.
        have: u64,
    },
    /// A pushed file that nobody has accepted yet is complete, and kept aside.
    Aside,
    /// The transfer is complete.
    Done {
        /// The path of a received file; the source of our own.
        path: PathBuf,
    },
    /// The stream was cut; the transfer can resume from here.
    Cut {
        /// Bytes.
        have: u64,
    },
    Failed(String),
}

/// A file to download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    pub name: String,
    /// Its size in bytes, as announced.
    pub size: u64,
    /// Its SHA-256 in hex, if it was announced.
    pub sha256: Option<String>,
    /// The tag that tells its `.part` from others: 16 hex digits.
    pub tag: String,
    /// Whether the person has accepted it: it gets its final name when it is complete.
    pub accepted: bool,
    /// Whether all of it was already here, kept aside, when the program ended.
    pub whole: bool,
    /// Whether it was requested before the program ended: it may have got its final name just then.
    pub again: bool,
}

/// Our file to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The file as it was when it was offered.
    pub source: Source,
    /// The file's id in the message that offered it.
    pub file: String,
    pub to: String,
    /// Offset in the file at which to start, in bytes.
    pub offset: u64,
}

/// An order from the room to the transfers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferOrder {
    /// Reads a file that is to be offered; answered with [`TransferEvent::Hashed`].
    Hash(PathBuf),
    /// Prepares a download; answered with [`TransferEvent::Ready`].
    Fetch(Download),
    /// Receives a stream for a prepared file.
    Take {
        stream: Uuid,
        /// Offset in the file at which it starts, in bytes.
        offset: u64,
    },
    /// Deletes the received part of a download that does not run.
    Discard(Download),
    /// Accepts a file that is kept aside, or is being received.
    Keep,
    /// Uploads our file.
    Give(Upload),
    /// Cancels it; the received part of a file is deleted.
    Stop,
}
