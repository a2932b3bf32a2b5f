//! A file being received: a `.part` file until it is complete and checked, then renamed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{OFlags, RenameFlags, renameat_with};
use sha2::{Digest, Sha256};

use super::{KeepError, STEP, folder};
use crate::core::files::{Download, numbered};

/// Disk space that is always left free, in bytes.
const FLOOR: u64 = 64 << 20;
/// The interval between syncs, in bytes. Otherwise the kernel writes everything at once, and messages wait
/// for the same disk.
const SETTLE: u64 = 4 << 20;
/// The number of suffixes tried after a name that is taken.
const NUMBERS: u32 = 1000;

/// A file that is not yet complete.
pub(super) struct Part {
    file: File,
    path: PathBuf,
    hash: Sha256,
    /// Bytes written to it.
    pub have: u64,
    /// The number of bytes synced.
    settled: u64,
}

impl Part {
    /// Opens or creates (0600) the `.part` of a file in `dir`, and reads its content. Fails if
    /// there is not enough space, the disk fails, or a link is in its place.
    pub fn open(dir: &Path, wanted: &Download) -> Result<Self, KeepError> {
        let said = |error: io::Error| KeepError::Folder(name_of(dir), (&error).into());
        folder::check(dir)?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(said)?;
        folder::check(dir)?;
        let path = dir.join(part_name(wanted));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            // Never follow a link that somebody has put there.
            .custom_flags(OFlags::NOFOLLOW.bits() as i32)
            .open(&path)
            .map_err(|error| KeepError::NotWritten(name_of(&path), (&error).into()))?;
        let unread = |error: io::Error| KeepError::NotRead(name_of(&path), (&error).into());
        let meta = file.metadata().map_err(unread)?;
        if !meta.is_file() {
            return Err(KeepError::Special(name_of(&path)));
        }
        // A longer file cannot be a part of it.
        if meta.len() > wanted.size {
            file.set_len(0).map_err(unread)?;
        }
        let (hash, have) = read_all(&mut file).map_err(unread)?;
        if let Err(why) = room_for(&file, wanted.size - have) {
            if have == 0 {
                // There is nothing in it to resume.
                let _ = fs::remove_file(&path);
            }
            return Err(why);
        }
        Ok(Self {
            file,
            path,
            hash,
            have,
            settled: have,
        })
    }

    /// The path of the file if it was renamed just before the program ended: its `.part` is gone, and a file
    /// of that name has the announced content.
    pub fn finished(dir: &Path, wanted: &Download) -> Option<PathBuf> {
        if dir.join(part_name(wanted)).exists() {
            return None;
        }
        let announced = wanted.sha256.as_ref()?;
        let names = (1..NUMBERS).map(|number| match number {
            1 => wanted.name.clone(),
            number => numbered(&wanted.name, number),
        });
        names
            .map(|name| dir.join(name))
            .take_while(|path| path.exists())
            .filter(|path| fs::metadata(path).is_ok_and(|meta| meta.len() == wanted.size))
            .find(|path| {
                let hash = File::open(path).and_then(|mut file| read_all(&mut file));
                hash.is_ok_and(|(hash, _)| crate::text::hex(&hash.finalize()).eq_ignore_ascii_case(announced))
            })
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            // Partially written bytes are not counted, and must be removed before the rest arrives.
            self.file.set_len(self.have)?;
            self.file.seek(SeekFrom::End(0))?;
            return Err(error);
        }
        self.hash.update(bytes);
        self.have += bytes.len() as u64;
        if self.have - self.settled >= SETTLE {
            self.file.sync_data()?;
            self.settled = self.have;
        }
        Ok(())
    }

    /// Checks the complete file. Fails if it is not what was announced; then it is deleted.
    pub fn check(&mut self, wanted: &Download) -> Result<(), KeepError> {
        let found = crate::text::hex(&self.hash.clone().finalize());
        let well = wanted
            .sha256
            .as_ref()
            .is_none_or(|announced| announced.eq_ignore_ascii_case(&found));
        if !well {
            self.delete();
            return Err(KeepError::WrongHash);
        }
        self.file
            .sync_all()
            .map_err(|error| KeepError::NotWritten(name_of(&self.path), (&error).into()))
    }

    /// Renames it to its final name; a number is added if the name is taken. Returns the path. Fails if it
    /// cannot be renamed, or is not the file that was checked.
    pub fn finish(&self, dir: &Path, wanted: &Download) -> Result<PathBuf, KeepError> {
        if !self.is_in_place() {
            return Err(KeepError::Replaced(name_of(&self.path)));
        }
        for number in 1..NUMBERS {
            let name = match number {
                1 => wanted.name.clone(),
                number => numbered(&wanted.name, number),
            };
            let path = dir.join(name);
            match rename_new(&self.path, &path) {
                Ok(()) => {
                    // The name has to be as durable as the bytes.
                    if let Ok(dir) = File::open(dir) {
                        let _ = dir.sync_all();
                    }
                    return Ok(path);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(KeepError::NotWritten(name_of(&path), (&error).into())),
            }
        }
        Err(KeepError::NameTaken(wanted.name.clone(), NUMBERS))
    }

    /// Whether the file at its path is still the one that was written and checked.
    fn is_in_place(&self) -> bool {
        let id = |meta: fs::Metadata| (meta.dev(), meta.ino(), meta.len());
        let there = fs::symlink_metadata(&self.path).map(id);
        matches!((there, self.file.metadata().map(id)), (Ok(there), Ok(ours)) if there == ours)
    }

    /// Deletes it if nothing was received: there is nothing to resume.
    pub fn tidy(&mut self) {
        if self.have == 0 && self.path.exists() {
            self.delete();
        }
    }

    pub fn delete(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "a part of a file could not be deleted");
        }
    }
}

/// Deletes what is here of a file, if anything is.
pub(super) fn discard(dir: &Path, wanted: &Download) {
    match fs::remove_file(dir.join(part_name(wanted))) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "a part of a file could not be deleted");
        }
        _ => {}
    }
}

fn name_of(path: &Path) -> String {
    crate::text::clean_line(&path.to_string_lossy(), 200)
}

fn part_name(wanted: &Download) -> String {
    format!("{}.{}.part", wanted.name, wanted.tag)
}

/// Renames without overwriting. Fails if `to` exists.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::CWD;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system supports it; linking the new name and removing the old one is equivalent.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        other => Ok(other?),
    }
}

fn read_all(file: &mut File) -> io::Result<(Sha256, u64)> {
    let (mut hash, mut buffer, mut have) = (Sha256::new(), vec![0; STEP], 0);
    file.seek(SeekFrom::Start(0))?;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((hash, have));
        }
        hash.update(&buffer[..read]);
        have += read as u64;
    }
}

/// Checks that there is room for `bytes` more. Fails if not.
fn room_for(file: &File, bytes: u64) -> Result<(), KeepError> {
    let Ok(disk) = rustix::fs::fstatvfs(file) else {
        return Ok(());
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    match free >= bytes.saturating_add(FLOOR) {
        true => Ok(()),
        false => Err(KeepError::NoSpace {
            needed: bytes,
            free,
            reserved: FLOOR,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 16, 32c: a `.part` that was replaced meanwhile got the final name of the checked file.
    #[test]
    fn a_replaced_part_gets_no_name() {
        let dir = tempfile::tempdir().expect("a folder");
        let wanted = Download {
            name: "a.txt".into(),
            size: 4,
            sha256: None,
            tag: "0".repeat(16),
            accepted: true,
            whole: false,
            again: false,
        };
        for link in [false, true] {
            let mut part = Part::open(dir.path(), &wanted).expect("a part");
            part.write(b"good").expect("written");
            part.check(&wanted).expect("checked");
            fs::remove_file(&part.path).expect("removed");
            if link {
                std::os::unix::fs::symlink("/etc/hostname", &part.path).expect("a link");
            } else {
                fs::write(&part.path, "evil").expect("replaced");
            }
            let why = part.finish(dir.path(), &wanted).expect_err("another file");
            assert!(matches!(why, KeepError::Replaced(_)), "{why}");
            assert!(!dir.path().join("a.txt").exists());
            fs::remove_file(&part.path).expect("removed");
        }
        let mut part = Part::open(dir.path(), &wanted).expect("a part");
        part.write(b"good").expect("written");
        assert_eq!(part.finish(dir.path(), &wanted), Ok(dir.path().join("a.txt")));
    }
}
