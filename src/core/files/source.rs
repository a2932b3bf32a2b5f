//! Our files: what was offered, and which file it was.
//!
//! They are opened in `transfer`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::text::path_serde;

/// Our file as it was when it was offered, so that a later change of the file does not send something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    #[serde(with = "path_serde")]
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last changed, in nanoseconds since the Unix epoch. This is the change time (ctime), which a
    /// program cannot set back as it can the modification time.
    pub modified: u64,
    /// The SHA-256 of its bytes in hex; empty before they are read.
    pub sha256: String,
    /// Its identity, if an agent named it: it is opened only beneath that agent's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

impl Source {
    /// A file that the person named and that is still to be read.
    pub fn unread(path: PathBuf) -> Self {
        Self {
            path,
            size: 0,
            modified: 0,
            sha256: String::new(),
            identity: None,
        }
    }
}

/// The path of an agent's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct AgentFile {
    /// The agent's folder, absolute and without links when the file was named.
    #[serde(with = "path_serde")]
    pub(crate) folder: PathBuf,
    #[serde(with = "path_serde")]
    pub(crate) name: PathBuf,
}

/// An [`AgentFile`] in the journal; earlier versions kept only its path, below the folder.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Beneath {
        #[serde(with = "path_serde")]
        folder: PathBuf,
        #[serde(with = "path_serde")]
        name: PathBuf,
    },
    Path(#[serde(with = "path_serde")] PathBuf),
}

impl From<Written> for AgentFile {
    fn from(written: Written) -> Self {
        match written {
            Written::Beneath { folder, name } => Self { folder, name },
            Written::Path(path) => Self {
                folder: path.parent().unwrap_or(Path::new("/")).to_owned(),
                name: path.file_name().unwrap_or_default().into(),
            },
        }
    }
}

impl AgentFile {
    /// The whole path, for people.
    pub fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }
}

#[cfg(test)]
impl From<&str> for AgentFile {
    fn from(path: &str) -> Self {
        Written::Path(path.into()).into()
    }
}

#[cfg(test)]
impl From<PathBuf> for AgentFile {
    fn from(path: PathBuf) -> Self {
        Written::Path(path).into()
    }
}

/// Identifies which agent's file a [`Source`] is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub(crate) file: AgentFile,
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// An agent's file that was read whole: only this very file is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Source", into = "Source")]
pub struct CheckedFile(pub(crate) Source);

impl CheckedFile {
    pub fn source(&self) -> &Source {
        &self.0
    }

    #[cfg(test)]
    pub(crate) fn test(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let identity = Identity {
            file: path.clone().into(),
            device: 1,
            inode: 2,
        };
        Self(Source {
            path,
            size: 41,
            modified: 7,
            sha256: "ab".repeat(32),
            identity: Some(identity),
        })
    }
}

impl TryFrom<Source> for CheckedFile {
    type Error = &'static str;

    fn try_from(source: Source) -> Result<Self, Self::Error> {
        match source.identity.is_some() && !source.sha256.is_empty() {
            true => Ok(Self(source)),
            false => Err("a file that was never checked"),
        }
    }
}

impl From<CheckedFile> for Source {
    fn from(checked: CheckedFile) -> Self {
        checked.0
    }
}
