//! A file open for sending, whose content is checked against what was offered.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
};

use sha2::{Digest, Sha256};

use super::{STEP, SendError};
use crate::core::files::Source;

/// An open file; each part is read before it is sent.
pub(super) enum Outflow {
    /// A file named by the person.
    Named(File),
    /// A file named by an agent, compared in full with what was checked.
    Checked(Compared),
}

/// A file whose whole content was compared through this handle.
///
/// It may be written to while it is sent, so each block is compared again in memory: only bytes that were
/// compared are sent. It holds 32 bytes per block of 256 KiB.
pub(super) struct Compared {
    file: File,
    size: u64,
    blocks: Vec<[u8; 32]>,
    /// The last block that was read and compared, with its number.
    block: Option<(usize, Vec<u8>)>,
}

impl Outflow {
    /// Opens a file for sending; returns `None` if `is_over` cancels it. Fails if the file is
    /// gone or no longer what was offered.
    pub fn open(source: &Source, is_over: impl FnMut() -> bool) -> Result<Option<Self>, SendError> {
        let file = source.open()?;
        match source.identity {
            None => Ok(Some(Outflow::Named(file))),
            Some(_) => Ok(Compared::new(file, source, is_over)?.map(Outflow::Checked)),
        }
    }

    /// Seeks to the byte at which sending begins. Fails if the file cannot be read there.
    pub fn seek(&mut self, offset: u64) -> Result<(), SendError> {
        match self {
            Outflow::Named(file) => file
                .seek(SeekFrom::Start(offset))
                .map(drop)
                .map_err(|error| unread(&error)),
            Outflow::Checked(_) => Ok(()),
        }
    }

    /// Appends at most `length` bytes, starting at byte `at`, and returns how many. Fails if
    /// the file cannot be read or has changed.
    pub fn read(&mut self, at: u64, length: usize, into: &mut Vec<u8>) -> Result<usize, SendError> {
        let read = match self {
            Outflow::Named(file) => Read::by_ref(file)
                .take(length as u64)
                .read_to_end(into)
                .map_err(|error| unread(&error))?,
            Outflow::Checked(compared) => compared.read(at, length, into)?,
        };
        match read {
            0 => Err(SendError::Shorter),
            read => Ok(read),
        }
    }

    /// Whether everything that was read is what was offered.
    pub fn is_as_offered(&self, source: &Source) -> bool {
        match self {
            Outflow::Named(file) => source.is_unchanged(file),
            // Each block was compared.
            Outflow::Checked(_) => true,
        }
    }
}

impl Compared {
    fn new(
        file: File,
        source: &Source,
        mut is_over: impl FnMut() -> bool,
    ) -> Result<Option<Self>, SendError> {
        let mut compared = Self {
            file,
            size: source.size,
            blocks: Vec::new(),
            block: None,
        };
        let mut whole = Sha256::new();
        for number in 0..source.size.div_ceil(STEP as u64) as usize {
            if is_over() {
                return Ok(None);
            }
            let bytes = compared.load(number)?;
            whole.update(&bytes);
            compared.blocks.push(Sha256::digest(&bytes).into());
        }
        match crate::text::hex(&whole.finalize()) == source.sha256 {
            true => Ok(Some(compared)),
            false => Err(SendError::Changed),
        }
    }

    fn load(&self, number: usize) -> Result<Vec<u8>, SendError> {
        let start = number as u64 * STEP as u64;
        let mut bytes = vec![0; (self.size - start).min(STEP as u64) as usize];
        match self.file.read_exact_at(&mut bytes, start) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(SendError::Changed),
            Err(error) => Err(unread(&error)),
        }
    }

    fn read(&mut self, at: u64, length: usize, into: &mut Vec<u8>) -> Result<usize, SendError> {
        let end = (at + length as u64).min(self.size);
        let mut next = at;
        while next < end {
            let number = (next / STEP as u64) as usize;
            if self.block.as_ref().is_none_or(|(loaded, _)| *loaded != number) {
                let bytes = self.load(number)?;
                let digest: [u8; 32] = Sha256::digest(&bytes).into();
                if self.blocks.get(number) != Some(&digest) {
                    return Err(SendError::Changed);
                }
                self.block = Some((number, bytes));
            }
            let Some((_, bytes)) = &self.block else { break };
            let start = number as u64 * STEP as u64;
            let part = (next - start) as usize..((end - start) as usize).min(bytes.len());
            next += part.len() as u64;
            into.extend_from_slice(&bytes[part]);
        }
        Ok((next - at) as usize)
    }
}

fn unread(error: &std::io::Error) -> SendError {
    SendError::Unreadable(error.into())
}
