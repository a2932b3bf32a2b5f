use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use std::path::PathBuf;

use super::*;
use crate::transfer::{STEP, outflow::Outflow};

/// An agent's folder with a file in it, and a secret outside.
struct World {
    dir: tempfile::TempDir,
}

const WORDS: &[u8] = b"harmless words";
const SECRET: &[u8] = b"secret of mine";

impl World {
    fn new() -> Self {
        let world = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        for folder in ["work/out", "outside"] {
            fs::create_dir_all(world.at(folder)).unwrap();
        }
        fs::write(world.at("work/out/a.txt"), WORDS).unwrap();
        fs::write(world.at("outside/a.txt"), SECRET).unwrap();
        world
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn find(&self, path: &str) -> Result<AgentFile, SendError> {
        AgentFile::find(&self.at("work").join(path), &self.at("work"))
    }

    fn named(&self) -> AgentFile {
        self.find("out/a.txt").unwrap()
    }

    fn checked(&self) -> CheckedFile {
        look(&self.named()).unwrap().checked
    }
}

fn look(file: &AgentFile) -> Result<Contents, SendError> {
    contents(file, 1 << 20, || false).map(Option::unwrap)
}

fn sent(checked: &CheckedFile) -> Result<Vec<u8>, SendError> {
    let source = checked.source();
    let mut outflow = Outflow::open(source, || false)?.unwrap();
    let mut all = Vec::new();
    while (all.len() as u64) < source.size {
        outflow.read(all.len() as u64, 65_536, &mut all)?;
    }
    Ok(all)
}

type ConfigDiff = fn(&World);

/// Ways to replace a file after it was checked.
const CHANGES: &[(&str, ConfigDiff)] = &[
    ("a link to outside", |world| {
        fs::remove_file(world.at("work/out/a.txt")).unwrap();
        symlink(world.at("outside/a.txt"), world.at("work/out/a.txt")).unwrap();
    }),
    ("a link inside the folder", |world| {
        fs::rename(world.at("work/out/a.txt"), world.at("work/b.txt")).unwrap();
        symlink("../b.txt", world.at("work/out/a.txt")).unwrap();
    }),
    ("a folder on the way is a link", |world| {
        fs::rename(world.at("work/out"), world.at("work/before")).unwrap();
        symlink(world.at("outside"), world.at("work/out")).unwrap();
    }),
    ("the agent's folder is a link", |world| {
        fs::create_dir(world.at("outside/out")).unwrap();
        fs::rename(world.at("outside/a.txt"), world.at("outside/out/a.txt")).unwrap();
        fs::rename(world.at("work"), world.at("before")).unwrap();
        symlink(world.at("outside"), world.at("work")).unwrap();
    }),
    ("a hard link to a file outside", |world| {
        fs::remove_file(world.at("work/out/a.txt")).unwrap();
        fs::hard_link(world.at("outside/a.txt"), world.at("work/out/a.txt")).unwrap();
    }),
    ("a file of the same size", |world| {
        fs::write(world.at("work/new"), SECRET).unwrap();
        fs::rename(world.at("work/new"), world.at("work/out/a.txt")).unwrap();
    }),
    ("a pipe", |world| {
        fs::remove_file(world.at("work/out/a.txt")).unwrap();
        let pipe = world.at("work/out/a.txt");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
    }),
    ("unreadable", |world| {
        let mode = fs::Permissions::from_mode(0o000);
        fs::set_permissions(world.at("work/out/a.txt"), mode).unwrap();
    }),
    ("nothing", |world| {
        fs::remove_file(world.at("work/out/a.txt")).unwrap()
    }),
];

#[test]
fn what_was_checked_leaves_and_nothing_that_took_its_place() {
    assert_eq!(WORDS.len(), SECRET.len());
    let world = World::new();
    assert_eq!(sent(&world.checked()).unwrap(), WORDS);
    for (what, change) in CHANGES {
        let world = World::new();
        let checked = world.checked();
        // As after a restart between draft and acceptance.
        let checked: CheckedFile = serde_json::from_str(&serde_json::to_string(&checked).unwrap()).unwrap();
        assert!(checked.source().is_there(), "{what}");
        change(&world);
        assert!(!checked.source().is_there(), "{what}");
        assert!(sent(&checked).is_err(), "{what}");
    }
}

#[test]
fn what_is_looked_at_is_never_reached_through_a_link() {
    for (what, change) in CHANGES {
        let world = World::new();
        let named = world.named();
        change(&world);
        match (*what, look(&named)) {
            // The same user's file may be linked into the folder: it is checked like any other, and the link
            // is reported.
            ("a hard link to a file outside", looked) => {
                let looked = looked.unwrap();
                assert!(looked.has_hard_links && looked.bytes.as_deref() == Some(SECRET));
            }
            ("a file of the same size", looked) => assert!(!looked.unwrap().has_hard_links),
            // The superuser can read it anyway.
            ("unreadable", looked) => assert!(looked.is_err() || rustix::process::geteuid().is_root()),
            (_, looked) => assert!(looked.is_err(), "{what}"),
        }
    }
}

#[test]
fn opening_by_component_holds_to_the_same_rule() {
    let world = World::new();
    let folder = open_folder(&world.at("work").canonicalize().unwrap()).unwrap();
    let open = |path: &str| open_by_component(&folder, Path::new(path), READ);
    assert!(open("out/a.txt").is_ok() && open("out").is_ok());
    symlink(world.at("outside"), world.at("work/link")).unwrap();
    symlink(world.at("outside/a.txt"), world.at("work/out/link")).unwrap();
    for path in [
        "link/a.txt",
        "out/link",
        "../outside/a.txt",
        "/etc/passwd",
        "",
        "gone",
    ] {
        assert!(open(path).is_err(), "{path}");
        assert!(open_beneath(&folder, Path::new(path), READ).is_err(), "{path}");
    }
}

/// The content changes while time, size and inode stay the same, as with a write through a mapping.
#[test]
fn a_content_that_changed_unseen_does_not_leave() {
    for size in [1, STEP, STEP + 1, 9 << 20] {
        let world = World::new();
        let path = world.at("work/out/a.txt");
        fs::write(&path, vec![0; size]).unwrap();
        let before = world.checked();
        assert_eq!(sent(&before).unwrap(), vec![0; size]);
        let mut bytes = vec![0; size];
        bytes[size - 1] = 1;
        fs::write(&path, &bytes).unwrap();
        let now = world.checked();
        let unseen = Source {
            modified: now.source().modified,
            ..before.source().clone()
        };
        let unseen = CheckedFile::try_from(unseen).unwrap();
        assert!(unseen.source().is_there());
        assert_eq!(sent(&unseen).unwrap_err(), SendError::Changed);
        assert_eq!(sent(&now).unwrap(), bytes);
    }
}

#[test]
fn no_byte_leaves_that_was_written_while_it_was_sent() {
    let size = 4 * STEP;
    let world = World::new();
    let path = world.at("work/out/a.txt");
    for (later, expected) in [
        (vec![1; size], SendError::Changed),
        (vec![0; STEP], SendError::Changed),
    ] {
        fs::write(&path, vec![0; size]).unwrap();
        let checked = world.checked();
        let mut outflow = Outflow::open(checked.source(), || false).unwrap().unwrap();
        let mut sent = Vec::new();
        outflow.read(0, STEP + 1, &mut sent).unwrap();
        fs::write(&path, &later).unwrap();
        let at = sent.len() as u64;
        let failed = (0..).find_map(|_| {
            let at = at.max(sent.len() as u64);
            outflow.read(at, 1 << 16, &mut sent).err()
        });
        assert_eq!(failed, Some(expected));
        assert!(sent.iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_file_of_any_size_is_remembered_whole_and_what_is_wanted_no_more_is_not_read() {
    let world = World::new();
    let large = fs::File::create(world.at("work/large")).unwrap();
    large.set_len((8 << 20) + 1).unwrap();
    let file = world.find("large").unwrap();
    let looked = contents(&file, 8 << 20, || false).unwrap().unwrap();
    assert!(looked.bytes.is_none());
    assert_eq!(looked.checked.source().size, (8 << 20) + 1);
    assert!(contents(&file, 8 << 20, || true).unwrap().is_none());
    assert!(Outflow::open(looked.checked.source(), || true).unwrap().is_none());
    // The same size, other bytes, and not text.
    fs::write(world.at("work/large"), vec![1; (8 << 20) + 1]).unwrap();
    assert!(!looked.checked.source().is_there() && sent(&looked.checked).is_err());
}

#[test]
fn what_an_agent_may_not_name() {
    let world = World::new();
    symlink(world.at("outside/a.txt"), world.at("work/link")).unwrap();
    symlink("out/a.txt", world.at("work/inner")).unwrap();
    for path in ["link", "../outside/a.txt", "gone", "out", "/dev/null"] {
        world.find(path).unwrap_err();
    }
    // A link to a file inside the folder is that file, now and later.
    assert_eq!(world.find("inner").unwrap(), world.named());
}
