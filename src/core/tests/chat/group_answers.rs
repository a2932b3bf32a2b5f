//! A question to several members, and the answers of each.

use super::delivery::receipt;
use crate::core::tests::*;

fn answer(of: Option<&str>) -> Chat {
    Chat {
        text: "At line 42.".into(),
        origin: Origin::Agent,
        agent: Some("codex".into()),
        reply_to: of.map(str::to_owned),
        ..Chat::default()
    }
}

fn says(world: &mut World, from: &str, id: &str, thread: &str, chat: Chat) {
    let mut message = world.message(from, id, &["alice"], true, &Body::Chat(chat));
    message.thread = Some(thread.into());
    world.receives(message);
}

/// Each of the addressees: name, state, the number of the answer.
fn asked(world: &World) -> Vec<(String, Option<ReceiptState>, Option<u32>)> {
    let post = world.room().chat.timeline.post_numbered(1).unwrap();
    let one = |one: &Recipient| {
        let state = one.state.map(|(state, _)| state);
        (one.name.to_owned(), state, one.answer.map(|post| post.number))
    };
    world.room().asked(post).iter().map(one).collect()
}

#[test]
fn each_ones_state_and_answer_stand_together() {
    let mut world = World::new();
    world.perform("@bob @carol where does it race?").unwrap();
    let id = world.chats()[0].0.id.clone();
    let all = |bob, carol| vec![("bob".to_owned(), bob, None), ("carol".to_owned(), carol, None)];
    assert_eq!(asked(&world), all(None, None));
    receipt(&mut world, "BOB", &id, ReceiptState::Accepted, "");
    receipt(&mut world, "carol", &id, ReceiptState::Rejected, "busy");
    use ReceiptState::{Accepted, Rejected};
    assert_eq!(asked(&world), all(Some(Accepted), Some(Rejected)));
    // A member that was not asked cannot answer, whatever it sends; nor is a reply to another message an answer.
    says(&mut world, "dan", "x-1", &id, answer(Some(&id)));
    says(&mut world, "carol", "x-2", &id, answer(Some("other")));
    let human = Chat {
        origin: Origin::Human,
        agent: None,
        ..answer(None)
    };
    says(&mut world, "carol", "x-3", &id, human);
    assert_eq!(asked(&world), all(Some(Accepted), Some(Rejected)));
    // An answer; and one of version 1, which does not state the question.
    says(&mut world, "bob", "x-4", &id, answer(Some(&id)));
    says(&mut world, "carol", "x-5", &id, answer(None));
    let numbers = |world: &World| asked(world).into_iter().map(|one| one.2).collect::<Vec<_>>();
    assert_eq!(numbers(&world), [Some(5), Some(6)]);
    // The newest one counts, also after a restart.
    says(&mut world, "bob", "x-6", &id, answer(Some(&id)));
    world.restart();
    assert_eq!(numbers(&world), [Some(7), Some(6)]);
}

#[test]
fn a_single_recipient_and_a_note_gather_nothing() {
    for words in ["@bob look", "/tell @bob @carol look", "look"] {
        let mut world = World::new();
        world.perform(words).unwrap();
        assert!(asked(&world).is_empty(), "{words}");
    }
}
