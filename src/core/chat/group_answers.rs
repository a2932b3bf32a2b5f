//! What several members whom the person has asked at once have answered: one card below the question.

use std::collections::HashMap;

use nexscope_relay::protocol::{
    body::{Activity, Origin, ReceiptState},
    same_name,
};

use crate::core::{Post, Room};

/// The newest answer of each member to each question that went to several: by the question's id and the
/// member's name in lower case, the answer's number.
#[derive(Debug, Default)]
pub(in crate::core) struct GroupAnswers(HashMap<(String, String), u32>);

/// One of those who were asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipient<'a> {
    pub name: &'a str,
    /// How far the question has come there, and why; none before it has arrived.
    pub state: Option<(ReceiptState, &'a str)>,
    /// It was not there when the question was sent.
    pub absent: bool,
    /// What an agent of theirs is doing, while it works on it.
    pub doing: Option<Activity>,
    pub answer: Option<&'a Post>,
}

impl Recipient<'_> {
    pub fn has_answered(&self) -> bool {
        self.answer.is_some() || matches!(self.state, Some((ReceiptState::Answered, _)))
    }
}

impl Room {
    /// Each of those whom a message of ours asks, where they are several; else nobody.
    pub fn asked(&self, post: &Post) -> Vec<Recipient<'_>> {
        let asked = self.chat.outbox.get(&post.id).filter(|_| post.mine && post.asks);
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

/// Notes a message as the answer that it is, where it answers a question of ours to several members.
pub(in crate::core) fn gather(room: &mut Room, post: &Post, number: u32) {
    if post.mine {
        return;
    }
    // Version 1 does not tell what it answers: an agent's word in the thread that the question began.
    let plain = (post.origin == Origin::Agent).then_some(&post.thread);
    let Some(of) = post.reply_to.as_ref().or(plain) else {
        return;
    };
    let asked = room.chat.outbox.get(of).filter(|asked| asked.to.len() > 1);
    if asked.is_some_and(|asked| asked.to.iter().any(|to| same_name(to, &post.from))) {
        let key = (of.clone(), post.from.to_ascii_lowercase());
        room.chat.group_answers.0.insert(key, number);
    }
}
