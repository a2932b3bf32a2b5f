//! File transfers between two sessions over a real relay.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use nexscope_relay::Relay;

use crate::{
    client::Client,
    config::{self, Flags, Paths},
    core::{
        AcceptOptions, Command, Connection, Decision, DeliveryStatus, Intent, ItemId, Person, Side, Stage,
        Target,
    },
};

/// The timeout for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A relay, and a folder for its members.
struct World {
    relay: nexscope_relay::Running,
    dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let config = nexscope_relay::Config {
            listen: "127.0.0.1:0".into(),
            ..nexscope_relay::Config::new("token-of-sixteen-characters")
        };
        Self {
            relay: Relay::start(config).await.unwrap(),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// Restarts the relay at the same address.
    async fn restart_relay(&mut self) {
        let address = self.relay.address();
        let again = nexscope_relay::Config {
            listen: address.to_string(),
            ..nexscope_relay::Config::new("token-of-sixteen-characters")
        };
        let other = Relay::start(nexscope_relay::Config {
            listen: "127.0.0.1:0".into(),
            ..nexscope_relay::Config::new("token-of-sixteen-characters")
        });
        let before = std::mem::replace(&mut self.relay, other.await.unwrap());
        before.stop().await;
        let stand_in = std::mem::replace(&mut self.relay, Relay::start(again).await.unwrap());
        stand_in.stop().await;
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file of `size` bytes without patterns, so it does not compress.
    fn file(&self, name: &str, size: usize) -> PathBuf {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let bytes: Vec<u8> = (0..size)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    async fn join(&self, name: &str, extra: &str) -> Client {
        let root = self.path(name);
        let paths = Paths {
            config: root.join("config"),
            state: root.join("state"),
            here: root.clone(),
            runtime: None,
        };
        fs::create_dir_all(&paths.config).unwrap();
        let files = root.join("files");
        let text = format!(
            "name = \"{name}\"\nrelay = \"ws://{}/ws\"\ntoken = \"token-of-sixteen-characters\"\n[files]\ndir = {:?}\n{extra}",
            self.relay.address(),
            files
        );
        fs::write(paths.user_file(), text).unwrap();
        fs::set_permissions(paths.user_file(), fs::Permissions::from_mode(0o600)).unwrap();
        let config = config::load(&paths, |_| None, &Flags::default()).unwrap();
        let mut session = Client::start(config, &paths).await.unwrap();
        until(&mut [&mut session], |all| {
            all[0].room().connection == Connection::Online
        })
        .await;
        session
    }

    fn got(&self, name: &str) -> PathBuf {
        self.path(name).join("files/lobby")
    }
}

/// Drives all sessions until a condition holds.
async fn until(sessions: &mut [&mut Client], mut is: impl FnMut(&[&mut Client]) -> bool) {
    let done = async {
        while !is(sessions) {
            let steps = sessions.iter_mut().map(|session| Box::pin(session.step()));
            futures_util::future::select_all(steps).await;
        }
    };
    if tokio::time::timeout(PATIENCE, done).await.is_err() {
        let told: Vec<String> = sessions
            .iter()
            .map(|one| {
                let words: Vec<String> = one.room().files.all().map(|offer| offer.in_words()).collect();
                format!(
                    "{}: {words:?} {:?}",
                    one.room().settings.me,
                    one.room().connection
                )
            })
            .collect();
        panic!("it did not come to that: {told:?}");
    }
}

fn offer(session: &mut Client, to: &[&str], path: &Path) -> u32 {
    let say = Command::Say {
        to: to.iter().map(|name| (*name).to_owned()).collect(),
        text: "look".into(),
        thread: None,
        public: false,
        note: true,
        files: vec![path.to_owned()],
        force: true,
    };
    match session.perform(say) {
        Ok(crate::core::Reply::Said(number)) => number,
        other => panic!("{other:?}"),
    }
}

fn accept(session: &mut Client, number: u32) {
    let accept = Intent::Accept {
        target: Target::Item(ItemId::File(number)),
        how: AcceptOptions::default(),
    };
    decide(session, accept, number);
}

/// Decides as a person who has just read the offer.
fn decide(session: &mut Client, intent: Intent, number: u32) {
    let shown = session.room().shown(&[ItemId::File(number)]);
    session
        .check(Decision::new(intent, shown))
        .and_then(|decision| session.decide(decision, Person::at_keyboard()))
        .unwrap();
}

fn stage(session: &Client, number: u32) -> Option<Stage> {
    match &session.room().files.get(number)?.side {
        Side::Theirs(fetch) => Some(fetch.stage.clone()),
        _ => None,
    }
}

fn is_done(session: &Client, number: u32) -> bool {
    matches!(stage(session, number), Some(Stage::Done(_)))
}

fn failure(session: &Client, number: u32) -> Option<String> {
    match stage(session, number) {
        Some(Stage::Failed(why)) => Some(why),
        _ => None,
    }
}

fn waits(session: &Client, number: u32) -> bool {
    session.room().review.inbox().get(ItemId::File(number)).is_some()
}

/// The names of the files in a folder.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .map(|entries| {
            entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}

#[tokio::test]
async fn files_of_every_size_arrive_whole_and_are_private() {
    let world = World::new().await;
    let mut alice = world.join("alice", "").await;
    let mut bob = world.join("bob", "").await;
    let sizes = [0, 1, 65_535, 65_536, 65_537, 3_000_001, 100_000_000];
    for (nth, size) in sizes.into_iter().enumerate() {
        let number = nth as u32 + 1;
        let path = world.file(&format!("file-{size}.bin"), size);
        offer(&mut alice, &["bob"], &path);
        until(&mut [&mut alice, &mut bob], |all| waits(all[1], number)).await;
        accept(&mut bob, number);
        until(&mut [&mut alice, &mut bob], |all| is_done(all[1], number)).await;
        let got = world.got("bob").join(path.file_name().unwrap());
        assert!(fs::read(&got).unwrap() == fs::read(&path).unwrap(), "{size}");
        assert_eq!(fs::metadata(&got).unwrap().permissions().mode() & 0o777, 0o600);
        until(&mut [&mut alice, &mut bob], |all| {
            all[0].room().files.get(number).unwrap().in_words() == "bob has it"
        })
        .await;
    }
    assert!(
        names(&world.got("bob"))
            .iter()
            .all(|name| !name.ends_with(".part"))
    );
}

#[tokio::test]
async fn nothing_is_overwritten_and_hostile_names_stay_in_the_folder() {
    let world = World::new().await;
    let mut alice = world.join("alice", "").await;
    let mut bob = world.join("bob", "").await;
    let path = world.file("note.txt", 100);
    for number in 1..=3 {
        offer(&mut alice, &["bob"], &path);
        until(&mut [&mut alice, &mut bob], |all| waits(all[1], number)).await;
        accept(&mut bob, number);
        until(&mut [&mut alice, &mut bob], |all| is_done(all[1], number)).await;
    }
    assert_eq!(
        names(&world.got("bob")),
        ["note (2).txt", "note (3).txt", "note.txt"]
    );
}

#[tokio::test]
async fn a_broadcast_is_fetched_by_each_who_wants_it() {
    let world = World::new().await;
    let mut alice = world.join("alice", "").await;
    let mut bob = world.join("bob", "").await;
    let mut carol = world.join("carol", "auto_accept_below = \"1 MB\"\n").await;
    let path = world.file("all.bin", 500_000);
    offer(&mut alice, &[], &path);
    // carol's settings accept it, bob declines.
    until(&mut [&mut alice, &mut bob, &mut carol], |all| {
        waits(all[1], 1) && is_done(all[2], 1)
    })
    .await;
    let reject = Intent::Reject {
        target: Target::Item(ItemId::File(1)),
        reason: "no room".into(),
    };
    decide(&mut bob, reject, 1);
    until(&mut [&mut alice, &mut bob, &mut carol], |all| {
        let words = all[0].room().files.get(1).unwrap().in_words();
        words.contains("carol has it") && words.contains("bob declined: no room")
    })
    .await;
    assert!(names(&world.got("bob")).is_empty());
    assert_eq!(names(&world.got("carol")), ["all.bin"]);
}

/// More files than streams per connection: they take turns.
#[tokio::test]
async fn many_files_that_are_wanted_at_once_all_arrive() {
    const MANY: u32 = 40;
    let world = World::new().await;
    let mut alice = world.join("alice", "").await;
    let mut bob = world.join("bob", "").await;
    let path = world.file("one.bin", 2_000_000);
    for _ in 0..MANY {
        offer(&mut alice, &["bob"], &path);
    }
    until(&mut [&mut alice, &mut bob], |all| waits(all[1], MANY)).await;
    for number in 1..=MANY {
        accept(&mut bob, number);
    }
    until(&mut [&mut alice, &mut bob], |all| {
        (1..=MANY).all(|number| is_done(all[1], number))
    })
    .await;
    until(&mut [&mut alice, &mut bob], |all| {
        (1..=MANY).all(|number| all[0].room().files.get(number).unwrap().in_words() == "bob has it")
    })
    .await;
}

/// Writes as many other bytes and keeps the time, like somebody who wants to hide the change.
fn rewrite_unseen(path: &Path) {
    let before = fs::metadata(path).unwrap();
    // The system clock may not advance for some milliseconds.
    while fs::metadata(path).unwrap().ctime_nsec() == before.ctime_nsec() {
        fs::write(path, vec![7; before.len() as usize]).unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(before.modified().unwrap()).unwrap();
    }
}

#[tokio::test]
async fn a_changed_or_missing_source_fails_only_that_file() {
    let world = World::new().await;
    let mut alice = world.join("alice", "").await;
    let mut bob = world.join("bob", "").await;
    let changed = world.file("changed.bin", 1000);
    let gone = world.file("gone.bin", 1000);
    let well = world.file("well.bin", 1000);
    let grown = world.file("grown.bin", 1000);
    let shrunk = world.file("shrunk.bin", 1000);
    for (number, path) in (1..).zip([&changed, &gone, &well, &grown, &shrunk]) {
        offer(&mut alice, &["bob"], path);
        until(&mut [&mut alice, &mut bob], |all| waits(all[1], number)).await;
    }
    rewrite_unseen(&changed);
    fs::remove_file(&gone).unwrap();
    fs::write(&grown, [7; 2000]).unwrap();
    fs::write(&shrunk, [7; 500]).unwrap();
    for number in 1..=5 {
        accept(&mut bob, number);
    }
    let failing = [1, 2, 4, 5];
    until(&mut [&mut alice, &mut bob], |all| {
        failing.iter().all(|number| failure(all[1], *number).is_some()) && is_done(all[1], 3)
    })
    .await;
    for number in failing {
        let says = match number {
            2 => "no such file",
            _ => "has changed since it was offered",
        };
        let why = failure(&bob, number).unwrap();
        assert!(why.contains(says), "{number}: {why}");
    }
    assert_eq!(names(&world.got("bob")), ["well.bin"]);
}

#[tokio::test]
async fn a_file_resumes_after_the_receiver_was_away() {
    let world = World::new().await;
    let mut alice = world.join("alice", "").await;
    let mut bob = world.join("bob", "").await;
    let path = world.file("long.bin", 40_000_000);
    offer(&mut alice, &["bob"], &path);
    until(&mut [&mut alice, &mut bob], |all| waits(all[1], 1)).await;
    accept(&mut bob, 1);
    until(
        &mut [&mut alice, &mut bob],
        |all| matches!(stage(all[1], 1), Some(Stage::Moving(progress)) if progress.have > 1_000_000),
    )
    .await;
    // As if killed: nothing more is sent or written.
    drop(bob);
    let part = names(&world.got("bob"));
    assert!(part.len() == 1 && part[0].ends_with(".part"), "{part:?}");
    let before = fs::metadata(world.got("bob").join(&part[0])).unwrap().len();
    let mut bob = world.join("bob", "").await;
    let mut least = u64::MAX;
    until(&mut [&mut alice, &mut bob], |all| {
        if let Some(Stage::Asked(have)) = stage(all[1], 1) {
            least = least.min(have);
        }
        if let Some(Stage::Moving(progress)) = stage(all[1], 1) {
            least = least.min(progress.have);
        }
        is_done(all[1], 1)
    })
    .await;
    assert!(least >= before && before >= 1_000_000, "{least} of {before}");
    assert_eq!(
        fs::read(world.got("bob").join("long.bin")).unwrap(),
        fs::read(&path).unwrap()
    );
}

fn have(session: &Client, number: u32) -> u64 {
    match stage(session, number) {
        Some(Stage::Asked(have)) => have,
        Some(Stage::Moving(progress)) => progress.have,
        Some(Stage::Done(_)) => u64::MAX,
        _ => 0,
    }
}

/// Kills a client or the relay again and again; no received byte is sent again, except those in flight.
#[tokio::test]
async fn a_file_that_is_cut_again_and_again_arrives_whole() {
    const SIZE: usize = 64_000_000;
    const CUTS: u64 = 9;
    let mut world = World::new().await;
    let mut alice = world.join("alice", "").await;
    let mut bob = world.join("bob", "").await;
    let path = world.file("long.bin", SIZE);
    offer(&mut alice, &["bob"], &path);
    until(&mut [&mut alice, &mut bob], |all| waits(all[1], 1)).await;
    accept(&mut bob, 1);
    for cut in 1..=CUTS {
        let far = SIZE as u64 * cut / (CUTS + 1);
        until(&mut [&mut alice, &mut bob], |all| have(all[1], 1) >= far).await;
        match cut % 3 {
            0 => {
                drop(bob);
                bob = world.join("bob", "").await;
            }
            1 => {
                drop(alice);
                alice = world.join("alice", "").await;
            }
            _ => world.restart_relay().await,
        }
        let mut least = u64::MAX;
        let more = far + 1_000_000;
        until(&mut [&mut alice, &mut bob], |all| {
            if let now @ 1.. = have(all[1], 1) {
                least = least.min(now);
            }
            is_done(all[1], 1) || least < u64::MAX && have(all[1], 1) >= more
        })
        .await;
        assert!(
            least >= far,
            "cut {cut}: it went on at {least}, although {far} bytes were there"
        );
    }
    until(&mut [&mut alice, &mut bob], |all| {
        is_done(all[1], 1) && all[0].room().files.get(1).unwrap().in_words() == "bob has it"
    })
    .await;
    let got = world.got("bob").join("long.bin");
    assert_eq!(fs::read(got).unwrap(), fs::read(&path).unwrap());
}

#[tokio::test]
async fn a_slow_receiver_delays_nobody() {
    let world = World::new().await;
    let mut alice = world.join("alice", "").await;
    let mut bob = world.join("bob", "").await;
    let carol = world.join("carol", "").await;
    let path = world.file("all.bin", 20_000_000);
    offer(&mut alice, &["bob", "carol"], &path);
    let mut carol = carol;
    until(&mut [&mut alice, &mut bob, &mut carol], |all| {
        waits(all[1], 1) && waits(all[2], 1)
    })
    .await;
    accept(&mut bob, 1);
    accept(&mut carol, 1);
    until(&mut [&mut alice, &mut carol], |all| {
        matches!(stage(all[1], 1), Some(Stage::Asked(_) | Stage::Moving(_)))
    })
    .await;
    // carol is no longer driven and reads nothing; bob receives it anyway.
    until(&mut [&mut alice, &mut bob], |all| is_done(all[1], 1)).await;
    until(&mut [&mut alice, &mut carol], |all| is_done(all[1], 1)).await;
}

#[tokio::test]
async fn a_file_that_is_stopped_leaves_nothing() {
    let world = World::new().await;
    let mut alice = world.join("alice", "").await;
    let mut bob = world.join("bob", "").await;
    let path = world.file("long.bin", 60_000_000);
    for (number, stopper) in [(1, "bob"), (2, "alice")] {
        offer(&mut alice, &["bob"], &path);
        until(&mut [&mut alice, &mut bob], |all| waits(all[1], number)).await;
        accept(&mut bob, number);
        until(
            &mut [&mut alice, &mut bob],
            |all| matches!(stage(all[1], number), Some(Stage::Moving(progress)) if progress.have > 0),
        )
        .await;
        let cancel = Command::Cancel(Some(ItemId::File(number)));
        let session = if stopper == "bob" { &mut bob } else { &mut alice };
        session.perform(cancel).unwrap();
        until(&mut [&mut alice, &mut bob], |all| {
            matches!(stage(all[1], number), Some(Stage::Declined | Stage::Failed(_)))
        })
        .await;
    }
    // Both sides are free for the next one.
    let small = world.file("small.bin", 10);
    offer(&mut alice, &["bob"], &small);
    until(&mut [&mut alice, &mut bob], |all| waits(all[1], 3)).await;
    accept(&mut bob, 3);
    until(&mut [&mut alice, &mut bob], |all| is_done(all[1], 3)).await;
    // A cancelled file is deleted by its thread, once that is notified.
    let deleted = async {
        while names(&world.got("bob")) != ["small.bin"] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, deleted).await.unwrap();
}

#[tokio::test]
async fn a_file_that_cannot_be_offered_says_why_at_once() {
    let world = World::new().await;
    let mut alice = world.join("alice", "").await;
    let _socket = std::os::unix::net::UnixListener::bind(world.path("socket")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(world.path("pipe"))
        .status();
    assert!(made.unwrap().success());
    for (path, why) in [
        (world.path("nothing"), "no such file"),
        (world.dir.path().to_owned(), "is a folder"),
        (PathBuf::from("/dev/null"), "not a regular file"),
        (world.path("socket"), "not a regular file"),
        (world.path("pipe"), "not a regular file"),
    ] {
        let say = Command::Say {
            to: vec![],
            text: String::new(),
            thread: None,
            public: false,
            note: false,
            files: vec![path],
            force: false,
        };
        let error = alice.perform(say).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(alice.room().chat.timeline().posts().count(), 0);
}

#[tokio::test]
async fn a_message_waits_for_its_file_to_be_read_and_is_sent_then() {
    let world = World::new().await;
    let mut alice = world.join("alice", "").await;
    let mut bob = world.join("bob", "").await;
    let path = world.file("read.bin", 1000);
    let number = offer(&mut alice, &["bob"], &path);
    let fate = |session: &Client| {
        let post = session.room().chat.timeline().post_numbered(number).unwrap();
        session.room().fate_of(post).unwrap()
    };
    assert_eq!(fate(&alice), DeliveryStatus::Preparing);
    until(&mut [&mut alice, &mut bob], |all| {
        fate(all[0]) == DeliveryStatus::Delivered
    })
    .await;
    let offer = bob.room().files.get(1).unwrap();
    assert_eq!((offer.name.as_str(), offer.size), ("read.bin", 1000));
}
