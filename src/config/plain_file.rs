//! Reads small files that anyone may have put there, if they are plain files.

use std::{
    fs::OpenOptions,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::OFlags;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// For the person's own files.
    Followed,
    /// For files that came with somebody else's folder.
    Refused,
}

/// Reads a small plain file. Fails where it is missing, a refused link, not a plain file (a pipe would never end),
/// larger than 1 MiB, or not UTF-8.
pub(crate) fn read(path: &Path, links: Links) -> io::Result<String> {
    let no_follow = match links {
        Links::Followed => OFlags::empty(),
        Links::Refused => OFlags::NOFOLLOW,
    };
    // Without NONBLOCK, opening a pipe waits for a writer.
    let flags = (OFlags::NONBLOCK | OFlags::CLOEXEC | no_follow)
        .bits()
        .cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(|error| match rustix::io::Errno::from_io_error(&error) {
        Some(rustix::io::Errno::LOOP) if links == Links::Refused => {
            io::Error::other("it is a link; only a plain file is read")
        }
        _ => error,
    })?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("it is not a plain file"));
    }
    let mut text = String::new();
    // It may grow while it is read.
    file.take(LARGEST + 1).read_to_string(&mut text)?;
    match meta.len() > LARGEST || text.len() as u64 > LARGEST {
        true => Err(io::Error::other("it is larger than 1 MiB")),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn only_small_plain_files_are_read_and_nothing_waits() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("plain"), "a = 1\n").unwrap();
        symlink(at("plain"), at("link")).unwrap();
        fs::File::create(at("huge")).unwrap().set_len(3 << 30).unwrap();
        symlink(at("huge"), at("to-huge")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            0o600.into(),
            0,
        )
        .unwrap();
        symlink(at("pipe"), at("to-pipe")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        // (file, what is said where links are followed, and where they are refused)
        let table = [
            ("plain", Ok("a = 1\n"), Ok("a = 1\n")),
            ("link", Ok("a = 1\n"), Err("it is a link")),
            ("huge", Err("larger than 1 MiB"), Err("larger than 1 MiB")),
            ("to-huge", Err("larger than 1 MiB"), Err("it is a link")),
            ("pipe", Err("not a plain file"), Err("not a plain file")),
            ("to-pipe", Err("not a plain file"), Err("it is a link")),
            ("folder", Err("not a plain file"), Err("not a plain file")),
            ("missing", Err("No such file"), Err("No such file")),
        ];
        for (name, followed, refused) in table {
            for (links, expected) in [(Links::Followed, followed), (Links::Refused, refused)] {
                let read = read(&at(name), links).map_err(|error| error.to_string());
                match expected {
                    Ok(text) => assert_eq!(read.as_deref(), Ok(text), "{name}"),
                    Err(why) => assert!(
                        read.as_ref().is_err_and(|said| said.contains(why)),
                        "{name}: {read:?}"
                    ),
                }
            }
        }
    }
}
