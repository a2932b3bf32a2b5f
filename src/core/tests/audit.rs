//! The entries of the audit log: the whole chain, in order, linked by ids.

use super::*;
use crate::core::{
    files::Source,
    persist::audit::{By, Decided, Entry, Verdict, sha256},
    runs::{Prompt, ToolRequest},
};

const SECRET: &str = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";

fn entries(world: &World) -> Vec<Entry> {
    let noted = world.effects.iter().filter_map(|effect| match effect {
        Effect::Audit(entry) => Some((**entry).clone()),
        _ => None,
    });
    noted.collect()
}

fn decisions(world: &World) -> Vec<Decided> {
    let all = entries(world).into_iter().filter_map(|entry| match entry {
        Entry::Decided(decided) => Some(*decided),
        _ => None,
    });
    all.collect()
}

/// The kinds of the entries that are linked to an id, in order.
fn chain(world: &World, id: &str) -> Vec<&'static str> {
    let name = |entry: &Entry| match entry {
        Entry::Opened { .. } => "opened",
        Entry::Gap { .. } => "gap",
        Entry::In { .. } => "in",
        Entry::Out { .. } => "out",
        Entry::GaveUp { .. } => "gave up",
        Entry::Decided(_) => "decided",
        Entry::Mode { .. } => "mode",
        Entry::Draft { .. } => "draft",
        Entry::Looked { .. } => "looked",
        Entry::Shown { .. } => "shown",
        Entry::Began { .. } => "began",
        Entry::Tool { .. } => "tool",
        Entry::Permission { .. } => "permission",
        Entry::Ended { .. } => "ended",
        Entry::File { .. } => "file",
    };
    let entries = entries(world);
    let runs: Vec<String> = entries
        .iter()
        .filter(|entry| matches!(entry, Entry::Began { .. }) && entry.ids().iter().any(|one| one == id))
        .flat_map(Entry::ids)
        .collect();
    let joined = |entry: &&Entry| entry.ids().iter().any(|one| one == id || runs.contains(one));
    entries.iter().filter(joined).map(name).collect()
}

#[test]
fn a_mention_is_followed_to_what_was_sent() {
    let mut world = World::new();
    let item = world.bob_asks("m-1", "why?");
    world.accept(item);
    let ask = world.started();
    let tool = AgentEvent::Tool {
        name: "Bash".into(),
        detail: format!("echo {SECRET}"),
    };
    let request = ToolRequest {
        id: "r-1".into(),
        tool: "Bash".into(),
        what: format!("login {SECRET}"),
        rule: None,
        hidden: 0,
        outside: Vec::new(),
    };
    for event in [tool, AgentEvent::Permission(request)] {
        let run = ask.run.clone();
        world.event(Event::Run { run, event });
    }
    world.accept(ItemId::Permission(1));
    world.ends(&ask.run, Outcome::Answer("Because.".into()));
    // in · received and queued · decided · accepted · began … · ended · decided · the answer · answered
    assert_eq!(
        chain(&world, "m-1"),
        [
            "in",
            "out",
            "out",
            "decided",
            "out",
            "began",
            "tool",
            "permission",
            "ended",
            "decided",
            "out",
            "out"
        ]
    );
    let text = serde_json::to_string(&entries(&world)).unwrap();
    assert!(!text.contains(SECRET), "{text}");
    let hash = sha256(Prompt::new(&ask).as_str().as_bytes());
    assert!(text.contains(&hash));
    let by: Vec<By> = decisions(&world).into_iter().map(|one| one.by).collect();
    assert_eq!(by[0], By::Person);
    assert!(matches!(&by[1], By::Setting(setting) if setting.starts_with("review")));
    // Each entry precedes the record of the same thing.
    let order: Vec<bool> = world
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Audit(entry) if matches!(**entry, Entry::In { .. }) => Some(true),
            Effect::Keep(record) if matches!(**record, Record::In { .. }) => Some(false),
            _ => None,
        })
        .collect();
    assert_eq!(order, [true, false]);
}

#[test]
fn a_secret_that_was_rejected_or_edited_out_is_not_written() {
    for edited in [false, true] {
        let mut world = World::new();
        let item = world.bob_asks("m-1", "how?");
        world.accept(item);
        let run = world.started().run;
        world.ends(&run, Outcome::Answer(format!("Take {SECRET} and go.").into()));
        let target = Target::Item(ItemId::Draft(1));
        let decision = match edited {
            true => Intent::Accept {
                target,
                how: AcceptOptions {
                    text: Some("Ask me.".into()),
                    ..AcceptOptions::default()
                },
            },
            false => Intent::Reject {
                target,
                reason: "no".into(),
            },
        };
        world.decide(decision).unwrap();
        let text = serde_json::to_string(&entries(&world)).unwrap();
        assert!(!text.contains(SECRET), "{text}");
        let flags = entries(&world).into_iter().find_map(|entry| match entry {
            Entry::Draft { flags, .. } => Some(flags),
            _ => None,
        });
        let flags = flags.unwrap();
        assert_eq!((flags[0].rule.as_str(), flags[0].at), ("GitHub token", 5));
        assert_eq!(flags[0].sha256, sha256(SECRET.as_bytes()));
        let last = decisions(&world).pop().unwrap();
        assert_eq!((last.item.as_deref(), last.by), (Some("d1"), By::Person));
        match edited {
            true => {
                let both = last.edited.unwrap();
                assert_eq!(both.before, "Take [left out: GitHub token] and go.");
                assert_eq!(both.after, "Ask me.");
            }
            false => assert_eq!(last.verdict, Verdict::Rejected),
        }
    }
}

#[test]
fn who_has_decided_is_told() {
    // Auto mode.
    let mut world = World::new();
    world.decide(Intent::Auto).unwrap();
    world.trusts("bob");
    let message = world.message("bob", "m-1", &["alice"], true, &Body::Chat(ask("how?")));
    world.receives(message);
    assert_eq!(decisions(&world)[0].by, By::Auto);
    assert!(matches!(entries(&world)[0], Entry::Mode { by: By::Person, .. }));

    // Nobody.
    let mut world = World::new();
    world.bob_asks("m-1", "how?");
    world.now += 86_400_000;
    world.event(Event::Tick);
    let decided = decisions(&world).pop().unwrap();
    assert_eq!((decided.by, decided.verdict), (By::Expiry, Verdict::Expired));
    assert_eq!(decided.item.as_deref(), Some("m1"));

    // The person, with edited text and instructions.
    let mut world = World::new();
    let item = world.bob_asks("m-1", "delete it");
    let how = AcceptOptions {
        text: Some("list it".into()),
        instructions: Some("be brief".into()),
        ..AcceptOptions::default()
    };
    let target = Target::Item(item);
    world.decide(Intent::Accept { target, how }).unwrap();
    let decided = decisions(&world).pop().unwrap();
    let edited = decided.edited.unwrap();
    assert_eq!(
        (edited.before.as_str(), edited.after.as_str()),
        ("delete it", "list it")
    );
    assert_eq!(decided.instructions.as_deref(), Some("be brief"));
    assert_eq!(decided.run, Some(world.started().run));
}

#[test]
fn a_run_that_the_program_took_with_it_is_told() {
    let mut world = World::new();
    let item = world.bob_asks("m-1", "how?");
    world.accept(item);
    let run = world.started().run;
    world.restart();
    let told = entries(&world).into_iter().any(|entry| {
        matches!(entry, Entry::Ended { run: of, outcome, .. } if of == run && outcome == "interrupted")
    });
    assert!(told);
}

/// Issue 14, 23: a record that another program put into the journal was sent at the next start.
#[test]
fn a_planted_message_is_not_sent() {
    let mut world = World::offline();
    world.perform("mine").unwrap();
    let ours = world
        .records
        .iter()
        .find_map(|record| match record {
            Record::Out(outgoing) => Some((**outgoing).clone()),
            _ => None,
        })
        .unwrap();
    let plant = |id: &str, change: &dyn Fn(&mut Outgoing)| {
        let mut planted = Outgoing {
            id: id.into(),
            thread: Some(id.into()),
            ..ours.clone()
        };
        change(&mut planted);
        Record::Out(Box::new(planted))
    };
    let planted = [
        plant("p-1", &|_| {}),
        plant("p-2", &|one| one.to = vec!["bob".into()]),
        // One with a file that is still unread.
        plant("p-3", &|one| {
            one.sources = vec![Source {
                path: "/etc/passwd".into(),
                size: 1,
                modified: 0,
                sha256: String::new(),
                identity: None,
            }];
        }),
    ];
    world.records.extend(planted);
    world.restart();
    world.event(Event::Welcome(Box::new(welcome(Resumed::New, "e1", 0))));
    let sent: Vec<String> = world
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send(Outbound::Message(send)) => Some(send.id.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(sent, std::slice::from_ref(&ours.id));
    let said = |world: &World| {
        let notes = world.room().chat.timeline.entries().iter();
        notes
            .filter(|entry| format!("{entry:?}").contains("not in the audit log"))
            .count()
    };
    assert_eq!(said(&world), 3);
    // The same id with other text, after the audited one.
    let changed = Outgoing {
        only: true,
        to: vec!["bob".into()],
        ..ours.clone()
    };
    world.records.push(Record::Out(Box::new(changed)));
    world.restart();
    assert!(
        world
            .room()
            .chat
            .outbox
            .get(&ours.id)
            .is_some_and(|one| one.failed.is_some())
    );
}
