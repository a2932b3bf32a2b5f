//! Files on their way: what the rules want of them, and what becomes of it.

use std::path::PathBuf;

use uuid::Uuid;

use super::Source;

/// Which transfer: the file's number in the room, and to whom it goes where it is one of ours.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TransferId {
    /// The file's number: `f12`.
    pub number: u32,
    /// The receiver of one of our files; `None` for a file that comes.
    pub to: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferEvent {
    /// A file of ours is read: it can be offered.
    Hashed(Source),
    /// It can come: so many bytes of it are here already.
    Ready {
        /// Bytes that are here and checked.
        have: u64,
    },
    /// So many bytes have gone or come, counted from the file's beginning.
    Progress {
        /// Bytes.
        have: u64,
    },
    /// A file that nobody has accepted yet is here, whole, and kept aside.
    Aside,
    /// It is over, and well.
    Done {
        /// Where a file that came lies; the source of one of ours.
        path: PathBuf,
    },
    /// The stream was cut; it can go on from here.
    Cut {
        /// Bytes.
        have: u64,
    },
    Failed(String),
}

/// A file to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    pub name: String,
    /// Its size in bytes, as announced.
    pub size: u64,
    /// Its SHA-256 in hex, where it was announced.
    pub sha256: Option<String>,
    /// What tells its `.part` from others: 16 hex digits.
    pub tag: String,
    /// The person has accepted it: it gets its final name when it is whole.
    pub accepted: bool,
    /// All of it was here already, kept aside, when the program ended.
    pub whole: bool,
    /// It was wanted before the program ended: it may have got its name just then.
    pub again: bool,
}

/// A file of ours to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The file as it was when it was offered.
    pub source: Source,
    /// The file's id in the message that offered it.
    pub file: String,
    pub to: String,
    /// Where in the file to begin.
    pub offset: u64,
}

/// What the room wants of the transfers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferOrder {
    /// Read a file that is to be offered; answered with [`TransferEvent::Hashed`].
    Hash(PathBuf),
    /// Make ready for a file; answered with [`TransferEvent::Ready`].
    Fetch(Download),
    /// Take what comes on a stream for a file that was made ready.
    Take {
        stream: Uuid,
        /// Where in the file it begins.
        offset: u64,
    },
    /// The person has accepted a file that is kept aside, or is coming to be.
    Keep,
    /// Send a file of ours.
    Give(Upload),
    /// End it; what has come of a file is deleted.
    Stop,
}
