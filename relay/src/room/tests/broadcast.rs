//! A batch of broadcasts has the same effect as the broadcasts one by one.

use proptest::prelude::*;

use super::*;
use crate::protocol::Post;

/// A broadcast: its id, and whether it is a receipt.
type Said = (u8, bool);

fn text((id, receipt): Said) -> String {
    let kind = if receipt { "receipt" } else { "chat" };
    let thread = if id % 3 == 0 { r#","thread":"t""# } else { "" };
    format!(r#"{{"type":"message","id":"m{id}"{thread},"body":{{"kind":"{kind}","text":"{id}"}}}}"#)
}

/// A room in which `walking` of four members have not read their replay when ann sends. The last member speaks version 1 if
/// `v1`. Returns the frames of each, the number of queued messages, and the size of the memory.
fn hear(
    said: &[Said],
    walking: usize,
    v1: bool,
    together: bool,
) -> (Vec<Vec<Value>>, usize, [(usize, usize); 2]) {
    let mut bench = Bench::new(|rules| (rules.memory_messages, rules.memory_bytes) = (6, 900));
    let before = bench.join("before");
    bench.post(&before, "first", &[], false).expect("taken");
    let mut clients: Vec<_> = ["ann", "bob", "cat"]
        .into_iter()
        .map(|name| bench.enter(name, json!({"history": 1})).expect("a welcome"))
        .collect();
    #[cfg(feature = "v1")]
    let v1 = v1.then(v1_seat);
    #[cfg(not(feature = "v1"))]
    let v1 = None.filter(|_| v1);
    clients.push(
        bench
            .enter_as("dan", json!({"history": 1}), v1)
            .expect("a welcome"),
    );
    let mut got: Vec<_> = clients
        .iter_mut()
        .skip(walking)
        .map(|client| bench.read_all(client))
        .collect();
    let texts: Vec<_> = said.iter().copied().map(text).collect();
    let posts: Vec<Post> = texts
        .iter()
        .map(|text| match Request::parse(text) {
            Ok(Request::Message(post)) if post.is_broadcast() => post,
            other => panic!("no message to all: {other:?}"),
        })
        .collect();
    let ann = clients[0].seat_id.clone();
    let count = if together {
        bench.room.broadcast(&ann, &posts, 1000)
    } else {
        let one = |post| bench.room.message(&ann, post, 1000).expect("taken");
        posts.iter().map(one).sum()
    };
    got.extend(clients.iter_mut().map(|client| bench.read_all(client)));
    (got, count, bench.room.memory.size())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn together_is_one_by_one(
        said in proptest::collection::vec((0..12_u8, prop::bool::weighted(0.1)), 0..12),
        walking in 0..4_usize,
        v1 in prop::bool::weighted(0.2),
    ) {
        prop_assert_eq!(hear(&said, walking, v1, true), hear(&said, walking, v1, false));
    }
}

#[test]
fn what_comes_together_is_queued_in_one_piece() {
    let said: Vec<Said> = (0..5).map(|id| (id, false)).collect();
    let texts: Vec<_> = said.iter().copied().map(text).collect();
    let mut bench = Bench::new(|_| {});
    let [mut ann, mut bob] = ["ann", "bob"].map(|name| bench.join(name));
    for client in [&mut ann, &mut bob] {
        bench.read_all(client);
    }
    let posts: Vec<Post> = texts
        .iter()
        .map(|text| match Request::parse(text) {
            Ok(Request::Message(post)) => post,
            other => panic!("no message: {other:?}"),
        })
        .collect();
    assert_eq!(bench.room.broadcast(&ann.seat_id, &posts, 1000), 5);
    let frames = bob.outbox.0.borrow().frames.clone();
    for (one, next) in frames.iter().zip(frames.iter().skip(1)) {
        assert_eq!(one.as_ptr_range().end, next.as_ptr(), "one behind the other");
    }
    assert_eq!(bench.ids(&mut bob), ["m0", "m1", "m2", "m3", "m4"]);
    assert_eq!(bench.read_all(&mut ann).len(), 5, "as many acks");
}
