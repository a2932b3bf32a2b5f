//! Files of an agent: searched, shown to a person, and sent only as they were then.

use std::{ffi::OsString, os::unix::ffi::OsStringExt, path::PathBuf};

use crate::core::{
    files::{AgentFile, CheckedFile, Source, TransferOrder},
    persist::audit::Entry as AuditEntry,
    runs::ExternalAccess,
    tests::*,
};

const SECRET: &str = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";

fn source(path: &str) -> Source {
    CheckedFile::test(path).into()
}

/// The result of scanning a file that contains `text`.
fn looked(path: &str, text: &str) -> ScanResult {
    ScanResult::through(CheckedFile::test(path), text.as_bytes(), &[], "")
}

impl World {
    pub(crate) fn drafted(&mut self, unasked: UnpromptedText) -> Result<ItemId, String> {
        let (effects, drafted) = self.program.drafted(self.in_room, unasked, self.now);
        self.follow(effects);
        drafted.map_err(|why| why.to_string())
    }

    /// The files to search, with the text from outside to compare them with; the newest last.
    fn looks(&self) -> Vec<(u32, Vec<PathBuf>, String)> {
        let looks = self.effects.iter().filter_map(|effect| match effect {
            Effect::Look {
                draft,
                files,
                brought,
            } => Some((
                *draft,
                files.iter().map(AgentFile::path).collect(),
                brought.clone(),
            )),
            _ => None,
        });
        looks.collect()
    }

    pub(crate) fn looked(&mut self, draft: u32, files: Vec<ScanResult>) {
        self.event(Event::Looked { draft, files });
    }

    /// bob asks, and the agent answers with a file.
    fn answers_with(&mut self, path: &str) {
        let message = self.message("bob", "m-1", &["alice"], true, &Body::Chat(ask("how?")));
        self.receives(message);
        // In auto mode it is already running.
        if let Some(item) = self.room().review.inbox.next().map(|item| item.id) {
            self.accept(item);
        }
        let ending = Ending {
            outcome: Outcome::Answer("See it.".into()),
            files: vec![path.into()],
            ..Ending::failed(failed(""))
        };
        let run = self.started().run;
        let event = AgentEvent::Ended(ending);
        self.event(Event::Run { run, event });
    }

    fn doubt(&self, id: ItemId) -> Option<String> {
        self.room().doubt(&accepting(id))
    }
}

/// The number of effects for files.
fn orders(world: &World) -> usize {
    let orders = world.effects.iter().filter(|e| matches!(e, Effect::File { .. }));
    orders.count()
}

fn accepting(id: ItemId) -> Intent {
    Intent::Accept {
        target: Target::Item(id),
        how: AcceptOptions::default(),
    }
}

const DRAFT: ItemId = ItemId::Draft(1);

#[test]
fn a_file_of_an_agents_leaves_only_by_a_person_and_as_it_was_looked_through() {
    for mode in [wire::Mode::Manual, wire::Mode::Auto] {
        let mut world = World::new();
        world.room_mut().settings.mode = mode;
        let unasked = UnpromptedText {
            agent: "claude".into(),
            to: vec!["bob".into()],
            text: "my notes".into(),
            files: vec!["/w/notes.txt".into()],
            ..UnpromptedText::default()
        };
        assert_eq!(world.drafted(unasked), Ok(DRAFT));
        assert_eq!(world.looks(), [(1, vec!["/w/notes.txt".into()], String::new())]);
        // Until that is done it is not sent, not even by a key.
        let early = world.decide(accepting(DRAFT)).unwrap_err();
        assert!(
            early.contains("notes.txt of d1 is still being searched"),
            "{early}"
        );
        assert!(world.room().review.inbox.get(DRAFT).is_some() && world.chats().is_empty());

        world.looked(1, vec![looked("/w/notes.txt", &format!("a\n{SECRET}\n"))]);
        let item = world.room().review.inbox.get(DRAFT).unwrap();
        assert_eq!(item.warnings(), ["notes.txt line 2 looks like a GitHub token"]);
        assert_eq!(
            world.doubt(DRAFT).as_deref(),
            Some("d1 notes.txt line 2 looks like a GitHub token. Press again to post it anyway.")
        );
        assert_eq!((orders(&world), world.chats().len()), (0, 0), "{mode:?}");

        world.accept(DRAFT);
        let (_, chat) = world.chats().pop().unwrap();
        let file = &chat.files[0];
        assert_eq!((file.size, file.sha256.clone()), (41, Some("ab".repeat(32))));
        // It is not read again: only the content that was searched is sent, or nothing.
        assert_eq!(orders(&world), 0);
        let of = world
            .room()
            .chat
            .timeline
            .posts()
            .next_back()
            .unwrap()
            .1
            .id
            .clone();
        let body = Body::FileAccept {
            of,
            file: file.id.clone(),
            offset: 0,
        };
        let wanted = world.message("bob", "m-want", &["alice"], true, &body);
        world.receives(wanted);
        let given = world.effects.iter().find_map(|effect| match effect {
            Effect::File {
                order: TransferOrder::Give(giving),
                ..
            } => Some(giving.source.clone()),
            _ => None,
        });
        assert_eq!(given, Some(source("/w/notes.txt")));
    }
}

#[test]
fn an_answer_with_a_file_waits_in_every_mode_and_can_be_thrown_away() {
    for mode in [wire::Mode::Manual, wire::Mode::Auto] {
        let mut world = World::new();
        world.room_mut().settings.mode = mode;
        world.answers_with("/w/out.md");
        world.looked(1, vec![looked("/w/out.md", "fine")]);
        assert_eq!(world.doubt(DRAFT), None, "{mode:?}");
        let reason = String::new();
        let target = Target::Item(DRAFT);
        world.decide(Intent::Reject { target, reason }).unwrap();
        assert_eq!((orders(&world), world.chats().len()), (0, 0), "{mode:?}");
        assert!(world.room().files.all().next().is_none());
    }
}

#[test]
fn what_a_person_is_told_of_a_file() {
    // (its path, the findings, the text beside it, the warnings)
    let table = [
        ("/w/a.md", looked("/w/a.md", "fine"), "/w/a.md", None),
        (
            "/w/.env",
            looked("/w/.env", "fine"),
            "/w/.env",
            Some(".env is named like a file of secret settings"),
        ),
        (
            "/w/a.png",
            looked("/w/a.png", "\0"),
            "/w/a.png (not searched: it is not text)",
            None,
        ),
        (
            "/w/a.pem",
            ScanResult::too_large(CheckedFile::test("/w/a.pem")),
            "/w/a.pem (not searched: it is larger than 8.4 MB)",
            Some("a.pem is named like a private key"),
        ),
        (
            "/w/a.bin",
            ScanResult::not("it is not a regular file"),
            "/w/a.bin (cannot be sent: it is not a regular file)",
            None,
        ),
        (
            "/w/b.md",
            ScanResult {
                has_hard_links: true,
                ..looked("/w/b.md", "fine")
            },
            "/w/b.md",
            Some("b.md is a hard link: the same file may lie outside the agent's folder"),
        ),
    ];
    for (path, found, words, warned) in table {
        let mut world = World::new();
        world.answers_with(path);
        let told = |world: &World| match &world.room().review.inbox.get(DRAFT).unwrap().matter {
            ItemKind::Draft(draft) => draft.files[0].in_words(),
            other => panic!("{other:?}"),
        };
        assert_eq!(told(&world), format!("{path} (being searched)"));
        world.looked(1, vec![found]);
        assert_eq!(told(&world), words);
        let item = world.room().review.inbox.get(DRAFT).unwrap();
        assert_eq!(item.warnings().first().map(String::as_str), warned, "{path}");
        assert_eq!(item.wants_a_second_yes(), warned.is_some(), "{path}");
    }
}

#[test]
fn files_are_searched_for_text_from_outside() {
    let mut world = World::new();
    let item = world.bob_asks("m-1", "how?");
    world.accept(item);
    let ending = Ending {
        outcome: Outcome::Answer("See it.".into()),
        files: vec!["/w/a.md".into()],
        outside: ExternalAccess {
            paths: vec!["/etc/plan".into()],
            results: "the plan".into(),
        },
        ..Ending::failed(failed(""))
    };
    let (run, event) = (world.started().run, AgentEvent::Ended(ending));
    world.event(Event::Run { run, event });
    assert_eq!(
        world.looks(),
        [(1, vec!["/w/a.md".into()], "the plan".to_owned())]
    );
}

#[test]
fn a_file_that_changed_is_searched_again_before_it_leaves() {
    let mut world = World::new();
    world.answers_with("/w/a.md");
    world.looked(1, vec![looked("/w/a.md", "fine")]);
    let target = Target::Item(DRAFT);
    let (effects, told) = world.program.look_again(world.in_room, target, |_| true);
    assert!(effects.is_empty() && told.is_ok());
    let (effects, told) = world.program.look_again(world.in_room, target, |_| false);
    world.follow(effects);
    let (file, id) = ("a.md".to_owned(), DRAFT);
    assert_eq!(told, Err(Refused::FileChanged { file, id }));
    assert_eq!(world.looks().len(), 2);
    world.decide(accepting(DRAFT)).unwrap_err();
    world.looked(1, vec![looked("/w/a.md", SECRET)]);
    assert!(world.doubt(DRAFT).is_some());
}

#[test]
fn a_file_that_could_not_be_read_never_leaves() {
    let mut world = World::new();
    world.answers_with("/w/a.md");
    let why = "it is a link, or a folder on the way to it is one";
    world.looked(1, vec![ScanResult::not(why)]);
    let refused = world.decide(accepting(DRAFT)).unwrap_err();
    assert!(
        refused.starts_with(&format!("a.md of d1 cannot be sent: {why}.")),
        "{refused}"
    );
    let all = Intent::Accept {
        target: Target::Thread(1),
        how: AcceptOptions::default(),
    };
    world.decide(all).unwrap_err();
    assert!(world.room().review.inbox.get(DRAFT).is_some());
    assert_eq!((orders(&world), world.chats().len()), (0, 0));
    // After a restart, it is searched again and can be sent.
    let (effects, told) = world
        .program
        .look_again(world.in_room, Target::Item(DRAFT), |_| true);
    world.follow(effects);
    assert!(matches!(told, Err(Refused::Unreadable { .. })));
    assert_eq!(world.looks().len(), 2);
    world.looked(1, vec![looked("/w/a.md", "fine")]);
    world.accept(DRAFT);
    assert_eq!(world.chats().pop().unwrap().1.files.len(), 1);
}

#[test]
fn a_file_of_which_is_not_known_what_was_checked_is_given_to_nobody() {
    let mut world = World::new();
    world.answers_with("/w/a.md");
    world.looked(1, vec![looked("/w/a.md", "fine")]);
    world.accept(DRAFT);
    let (frame, chat) = world.chats().pop().unwrap();
    // In the format of an earlier version.
    for record in &mut world.records {
        if let Record::Out(outgoing) = record {
            outgoing
                .sources
                .iter_mut()
                .for_each(|source| source.identity = None);
        }
    }
    world.restart();
    world.event(Event::Welcome(Box::new(welcome(Resumed::Ok, "e1", 1))));
    let body = Body::FileAccept {
        of: frame.id,
        file: chat.files[0].id.clone(),
        offset: 0,
    };
    let wanted = world.message("bob", "m-want", &["alice"], true, &body);
    world.receives(wanted);
    assert_eq!(orders(&world), 0);
}

#[test]
fn drafts_of_earlier_versions_are_read() {
    for path in [r#""/w/a.md""#, r#"{"bytes":[47,119,47,97,46,109,100]}"#] {
        let earlier: Attachment = serde_json::from_str(path).unwrap();
        let expected = Attachment {
            file: "/w/a.md".into(),
            looked: None,
        };
        assert_eq!(earlier, expected);
    }
    // A file that was never checked is not a checked file, whatever the journal says.
    let mut source = serde_json::to_value(source("/w/a.md")).unwrap();
    assert!(serde_json::from_value::<CheckedFile>(source.clone()).is_ok());
    source.as_object_mut().unwrap().remove("identity");
    assert!(serde_json::from_value::<CheckedFile>(source).is_err());
}

#[test]
fn after_a_restart_they_are_there_whatever_their_names_and_are_those_that_were_checked() {
    let path = PathBuf::from(OsString::from_vec(b"/w/a\xff.md".to_vec()));
    let mut world = World::new();
    let unasked = UnpromptedText {
        agent: "claude".into(),
        to: vec!["bob".into()],
        text: "see".into(),
        files: vec![path.clone().into()],
        ..UnpromptedText::default()
    };
    world.drafted(unasked).unwrap();
    // Files that were not searched before are searched now.
    world.restart();
    assert_eq!(world.looks(), [(1, vec![path.clone()], String::new())]);
    world.looked(
        1,
        vec![ScanResult::through(
            CheckedFile::test(path.clone()),
            SECRET.as_bytes(),
            &[],
            "",
        )],
    );
    let matter = world.room().review.inbox.get(DRAFT).unwrap().matter.clone();
    world.restart();
    // It is not searched again: that would replace the content that the person has read with the present one.
    assert_eq!(world.looks(), []);
    assert_eq!(world.room().review.inbox.get(DRAFT).unwrap().matter, matter);
    world.event(Event::Welcome(Box::new(welcome(Resumed::Ok, "e1", 1))));
    world.accept(DRAFT);
    // The same holds for the message that it became.
    world.restart();
    let offer = world.room().files.all().next().unwrap();
    assert_eq!(offer.place(), Some(path.as_path()));
}

#[test]
fn the_audit_log_has_what_was_found_and_not_the_secret() {
    let mut world = World::new();
    world.answers_with("/w/a.md");
    world.looked(1, vec![looked("/w/a.md", SECRET)]);
    let entries = world.effects.iter().filter_map(|effect| match effect {
        Effect::Audit(entry) => Some((**entry).clone()),
        _ => None,
    });
    let entries: Vec<AuditEntry> = entries.collect();
    assert!(!serde_json::to_string(&entries).unwrap().contains(SECRET));
    let Some(AuditEntry::Looked {
        item,
        run,
        answers,
        files,
    }) = entries.last()
    else {
        panic!("{entries:?}")
    };
    assert_eq!(
        (item.as_str(), run.as_ref(), answers.as_deref()),
        ("d1", Some(&world.started().run), Some("m-1"))
    );
    assert_eq!(files[0].found, ["line 1: GitHub token"]);
    assert_eq!(files[0].sha256, Some("ab".repeat(32)));
}

#[test]
fn a_draft_that_was_edited_is_asked_about_as_it_is_now() {
    let mut world = World::new();
    let item = world.bob_asks("m-1", "how?");
    world.accept(item);
    let run = world.started().run;
    world.ends(&run, Outcome::Answer(format!("It is {SECRET}.").into()));
    let doubt = |text: &str| {
        world.room().doubt(&Intent::Accept {
            target: Target::Item(DRAFT),
            how: AcceptOptions {
                text: Some(text.into()),
                ..AcceptOptions::default()
            },
        })
    };
    assert_eq!(doubt("Ask me."), None);
    for text in [
        format!("It is {SECRET}."),
        SECRET.into(),
        "AKIAABCDEFGHIJKLMNOP".into(),
    ] {
        assert!(doubt(&text).is_some(), "{text}");
    }
    // Accepting a whole thread does not bypass this.
    let all = Intent::Accept {
        target: Target::Thread(1),
        how: AcceptOptions::default(),
    };
    assert_eq!(
        world.room().doubt(&all).as_deref(),
        Some("d1 looks like a GitHub token. Press again to post it anyway.")
    );
}

#[test]
fn what_was_put_off_stays_so_over_a_restart() {
    let mut world = World::new();
    world.answers_with("/w/a.md");
    let second = world.bob_asks("m-2", "two");
    let third = world.bob_asks("m-3", "three");
    for id in [DRAFT, second] {
        world.decide(Intent::Later(id)).unwrap();
    }
    let order = |world: &World| -> Vec<(ItemId, bool)> {
        let items = world.room().review.inbox.waiting();
        items.map(|item| (item.id, item.later)).collect()
    };
    let expected = [(third, false), (DRAFT, true), (second, true)];
    let mut before = order(&world);
    before.sort();
    world.restart();
    let mut after = order(&world);
    assert_eq!(world.room().review.inbox.next().map(|item| item.id), Some(third));
    after.sort();
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!((before, after), (expected.clone(), expected));
}

#[test]
fn a_draft_that_was_only_looked_at_is_posted_as_it_came() {
    let mut world = World::new();
    let item = world.bob_asks("m-1", "how?");
    world.accept(item);
    let run = world.started().run;
    world.ends(&run, Outcome::Answer(format!("\tIt is {SECRET}.").into()));
    // Text in front of a person has no tabs.
    let text = Some(world.room().review.inbox.get(DRAFT).unwrap().text.to_string());
    let how = AcceptOptions {
        text,
        ..AcceptOptions::default()
    };
    let target = Target::Item(DRAFT);
    world.decide(Intent::Accept { target, how }).unwrap();
    let (_, chat) = world.chats().pop().unwrap();
    assert_eq!((chat.text, chat.edited_by), (format!("\tIt is {SECRET}."), None));
}

#[test]
fn what_an_agent_sent_unasked_is_followed_to_what_was_sent() {
    let mut world = World::new();
    let unasked = UnpromptedText {
        agent: "claude".into(),
        to: vec!["bob".into()],
        text: "see".into(),
        ..UnpromptedText::default()
    };
    world.drafted(unasked).unwrap();
    world.accept(DRAFT);
    let joined = |ids: &[String]| -> Vec<AuditEntry> {
        let entries = world.effects.iter().filter_map(|effect| match effect {
            Effect::Audit(entry) if entry.ids().iter().any(|id| ids.contains(id)) => Some((**entry).clone()),
            _ => None,
        });
        entries.collect()
    };
    let of_draft: Vec<String> = joined(&["d1".into()]).iter().flat_map(AuditEntry::ids).collect();
    let chain = joined(&of_draft);
    assert!(
        matches!(
            chain.as_slice(),
            [
                AuditEntry::Draft { .. },
                AuditEntry::Decided(_),
                AuditEntry::Out { .. }
            ]
        ),
        "{chain:?}"
    );
}
