//! A file that comes: a `.part` until it is whole and checked, then under its name.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{OFlags, RenameFlags, renameat_with};
use sha2::{Digest, Sha256};

use super::{STEP, disk};
use crate::core::files::{Download, numbered};

/// What stays free on the disk, in bytes, whatever comes.
const FLOOR: u64 = 64 << 20;
/// After so many bytes they are brought to the disk. What the kernel collects it writes all at once, and meanwhile
/// messages wait for the same disk.
const SETTLE: u64 = 4 << 20;
/// How many numbers are tried behind a name that is taken.
const NUMBERS: u32 = 1000;

/// A file that is not yet whole.
pub(super) struct Part {
    file: File,
    path: PathBuf,
    hash: Sha256,
    /// Bytes that are in it.
    pub have: u64,
    /// How many of them are on the disk for certain.
    settled: u64,
}

impl Part {
    /// Opens the `.part` of a file in `dir`, or makes it (0600), and reads what is in it. Fails, in words, where
    /// there is not enough room, or the disk or a link stands in the way.
    pub fn open(dir: &Path, wanted: &Download) -> Result<Self, String> {
        let said = |error: io::Error| format!("{} cannot be used: {}", dir.display(), disk(&error));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(said)?;
        let meta = fs::symlink_metadata(dir).map_err(said)?;
        if !meta.is_dir() {
            return Err(format!(
                "{} is a link, and is not followed; remove it",
                dir.display()
            ));
        }
        let path = dir.join(part_name(wanted));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            // Never through a link that somebody has put there.
            .custom_flags(OFlags::NOFOLLOW.bits() as i32)
            .open(&path)
            .map_err(|error| format!("{} cannot be written: {}", path.display(), disk(&error)))?;
        let unread = |error: io::Error| format!("{} cannot be read: {}", path.display(), disk(&error));
        let meta = file.metadata().map_err(unread)?;
        if !meta.is_file() {
            return Err(format!("{} is not a regular file; remove it", path.display()));
        }
        // What is more than the file cannot be of it.
        if meta.len() > wanted.size {
            file.set_len(0).map_err(unread)?;
        }
        let (hash, have) = read_all(&mut file).map_err(unread)?;
        if let Err(why) = room_for(&file, wanted.size - have) {
            if have == 0 {
                // Nothing of it is there to go on with.
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

    /// Where the file lies, if it got its name just before the program ended: nothing is left of its `.part`, and a
    /// file of that name is what was announced.
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
            // What was written of it is not counted, and must not be there when the rest comes.
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

    /// Checks the whole. Fails, in words, where it is not what was announced; then it is deleted.
    pub fn check(&mut self, wanted: &Download) -> Result<(), String> {
        let found = crate::text::hex(&self.hash.clone().finalize());
        let well = wanted
            .sha256
            .as_ref()
            .is_none_or(|announced| announced.eq_ignore_ascii_case(&found));
        if !well {
            self.delete();
            return Err("its SHA-256 does not match; what was received was deleted".to_owned());
        }
        self.file
            .sync_all()
            .map_err(|error| format!("{} cannot be written: {}", self.path.display(), disk(&error)))
    }

    /// Gives it its name; one that is taken gets a number. Returns where it lies.
    pub fn finish(&self, dir: &Path, wanted: &Download) -> Result<PathBuf, String> {
        for number in 1..NUMBERS {
            let name = match number {
                1 => wanted.name.clone(),
                number => numbered(&wanted.name, number),
            };
            let path = dir.join(name);
            match rename_new(&self.path, &path) {
                Ok(()) => {
                    // That the name is there is worth as much as that the bytes are.
                    if let Ok(dir) = File::open(dir) {
                        let _ = dir.sync_all();
                    }
                    return Ok(path);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(format!("{} cannot be written: {}", path.display(), disk(&error))),
            }
        }
        Err(format!("{} exists {NUMBERS} times; remove some", wanted.name))
    }

    /// Deletes it where nothing has come: there is nothing to go on from.
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

fn part_name(wanted: &Download) -> String {
    format!("{}.{}.part", wanted.name, wanted.tag)
}

/// Renames, and never over something.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::CWD;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system knows it; a second name and then the first one's end are as good.
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

/// Whether so many bytes may still come.
fn room_for(file: &File, bytes: u64) -> Result<(), String> {
    let Ok(disk) = rustix::fs::fstatvfs(file) else {
        return Ok(());
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    match free >= bytes.saturating_add(FLOOR) {
        true => Ok(()),
        false => Err(format!(
            "not enough disk space: {} needed, {} free, of which {} stay reserved",
            crate::text::bytes(bytes),
            crate::text::bytes(free),
            crate::text::bytes(FLOOR)
        )),
    }
}
