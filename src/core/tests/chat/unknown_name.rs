//! Messages to names that no member has or had.

use crate::core::tests::*;

#[test]
fn a_mistyped_name_is_sent_to_nobody() {
    let mut world = World::new();
    let error = world.perform("@bbo look").unwrap_err();
    assert_eq!(
        error,
        "No one called bbo has been here. Did you mean bob? /say --force sends it anyway."
    );
    let error = world.perform("/tell @bob @zacharias look").unwrap_err();
    assert!(
        error.starts_with("No one called zacharias has been here. /tell --force"),
        "{error}"
    );
    assert!(world.chats().is_empty(), "nothing has left");
    world.perform("/say --force @bbo look").unwrap();
    world.perform("/tell --force @zed look").unwrap();
    let to: Vec<_> = world.chats().into_iter().map(|(chat, _)| chat.to).collect();
    assert_eq!(to, [["bbo"], ["zed"]]);
}

#[test]
fn who_is_here_or_was_is_known() {
    let mut world = World::new();
    // Members that have left, also while we were disconnected, or that sent something before a restart.
    for name in ["carol", "dan"] {
        let mut one = member(name);
        one.key = None;
        world.event(Event::Frame(Box::new(Frame::Presence(Presence {
            event: PresenceEvent::Join,
            member: one,
        }))));
    }
    world.event(Event::Frame(Box::new(Frame::Presence(Presence {
        event: PresenceEvent::Leave,
        member: member("carol"),
    }))));
    let message = world.message("erin", "e-1", &[], false, &Body::Chat(ask("hello")));
    world.receives(message);
    world.event(Event::Welcome(Box::new(welcome(Resumed::New, "e2", 0))));
    for name in ["bob", "BOB", "alice", "carol", "dan", "erin"] {
        let unknown = world.room().unknown_name(&[name.to_owned()]);
        assert_eq!(unknown, None, "{name}");
    }
    world.restart();
    // Until the members are known, there is no question; after that, earlier senders are known.
    assert_eq!(world.room().unknown_name(&["zoe".to_owned()]), None);
    world.event(Event::Welcome(Box::new(welcome(Resumed::New, "e3", 0))));
    assert_eq!(world.room().unknown_name(&["erin".to_owned()]), None);
    assert!(world.room().unknown_name(&["zoe".to_owned()]).is_some());
}
