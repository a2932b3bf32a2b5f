//! Answers to a question that went to several members: shown as one card below the question.

use std::collections::HashMap;

use nexscope_relay::protocol::{
    body::{Activity, Origin, ReceiptState},
    same_name,
};

use crate::core::{Post, Room};

/// The number of each member's newest answer to each question that went to several members, by the question's id
/// and the member's name in lower case.
#[derive(Debug, Default)]
pub(in crate::core) struct GroupAnswers(HashMap<(String, String), u32>);

/// One member who was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipient<'a> {
    pub name: &'a str,
    /// Delivery state of the question there, and the reason; `None` before it has arrived.
    pub state: Option<(ReceiptState, &'a str)>,
    /// Whether the member was absent when the question was sent.
    pub absent: bool,
    /// The activity of the member's agent, while it works on the question.
    pub doing: Option<Activity>,
    pub answer: Option<&'a Post>,
}

impl Recipient<'_> {
    pub fn has_answered(&self) -> bool {
        self.answer.is_some() || matches!(self.state, Some((ReceiptState::Answered, _)))
    }
}

impl Room {
    /// The recipients of our message, if it asks several members; else empty.
    pub fn asked(&self, post: &Post) -> Vec<Recipient<'_>> {
        let asked = self
            .chat
            .outbox
            .get(&post.id)
            .filter(|_| post.sender.mine && post.asks);
        let Some(asked) = asked.filter(|asked| asked.to.len() > 1) else {
            return Vec::new();
        };
        let one = |name: &'_ String| {
            let lower = name.to_ascii_lowercase();
            let state = asked.receipts.get(&lower);
            let works = matches!(state, Some((ReceiptState::Accepted, _)));
            let member = self.chat.members.get(name).filter(|_| works);
            let answer = self.chat.group_answers.0.get(&(post.id.clone(), lower));
            (
                state,
                member.and_then(|member| member.doing.values().next().copied()),
                answer,
            )
        };
        let all = asked.to.iter().map(|name| {
            let (state, doing, answer) = one(name);
            Recipient {
                name,
                state: state.map(|(state, why)| (*state, why.as_str())),
                absent: asked.absent.iter().any(|gone| same_name(gone, name)),
                doing,
                answer: answer.and_then(|number| self.chat.timeline.post_numbered(*number)),
            }
        });
        all.collect()
    }
}

/// Notes a message as an answer, if it answers a question of ours to several members.
pub(in crate::core) fn gather(room: &mut Room, post: &Post, number: u32) {
    if post.sender.mine {
        return;
    }
    // Version 1 does not say what it answers: an agent's message in the question's thread counts.
    let plain = (post.author.origin == Origin::Agent).then_some(&post.thread);
    let Some(of) = post.reply_to.as_ref().or(plain) else {
        return;
    };
    let asked = room.chat.outbox.get(of).filter(|asked| asked.to.len() > 1);
    if asked.is_some_and(|asked| asked.to.iter().any(|to| same_name(to, &post.from))) {
        let key = (of.clone(), post.from.to_ascii_lowercase());
        room.chat.group_answers.0.insert(key, number);
    }
}
