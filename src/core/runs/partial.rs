//! Answers that others see while they are written, if a setting allows it: ours, of which only whole paragraphs are
//! sent, scanned and one paragraph behind; and those of others' agents.

use nexscope_relay::protocol::{Signal, body::SignalBody, is_id, same_name};

use crate::{
    core::{
        Connection, Ctx, Review, Room, Run,
        chat::outgoing,
        leak::secrets,
        persist::audit,
        review::{draft, inbox::key},
        runs::{answer, ask::Speaker, may_bring_files},
    },
    text::{self, Clean},
};

/// The part of our answer that others see.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::core) struct Shown {
    /// Whether no more of it is sent: something was found in it, or its run accessed something outside.
    pub stopped: bool,
    /// The id that its message will have, once any part of it was shown.
    pub id: Option<String>,
    text: String,
}

/// Highest number of others' answers that are kept at once; a hostile room must not fill the screen.
const MOST: usize = 8;
const OF_ONE: usize = 2;
/// Length of the end that is kept of each, in characters: more than is drawn.
const KEPT: usize = 4_000;

/// An unfinished answer of another member's agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemotePartial {
    pub from: Speaker,
    /// Its thread, if the sender names it.
    pub thread: Option<String>,
    /// The end of the text so far, cleaned.
    pub text: Clean,
    /// The id that the message will have.
    of: String,
}

/// Unfinished answers of others' agents.
#[derive(Debug, Default)]
pub struct PartialAnswers(Vec<RemotePartial>);

impl PartialAnswers {
    /// All of them, in the order in which they started.
    pub fn all(&self) -> impl Iterator<Item = &RemotePartial> {
        self.0.iter()
    }

    /// Drops what a member's agents were writing: it was sent, or will not be.
    pub(in crate::core) fn drop_of(&mut self, member: &str) {
        self.0.retain(|one| !same_name(&one.from.member, member));
    }

    fn put(&mut self, new: RemotePartial) {
        let same =
            |one: &&mut RemotePartial| one.of == new.of && same_name(&one.from.member, &new.from.member);
        if let Some(old) = self.0.iter_mut().find(same) {
            old.text = new.text;
            return;
        }
        let of_one = |one: &&RemotePartial| same_name(&one.from.member, &new.from.member);
        if self.0.iter().filter(of_one).count() >= OF_ONE
            && let Some(oldest) = self.0.iter().position(|one| of_one(&one))
        {
            self.0.remove(oldest);
        }
        if self.0.len() < MOST {
            self.0.push(new);
        }
    }
}

/// Updates another member's unfinished answer; an empty text withdraws it.
pub(in crate::core) fn grows(room: &mut Room, signal: &Signal, of: &str, words: &str) {
    let said = room.chat.seen_ids.contains(&key(&signal.from, of));
    let Some(member) = room
        .chat
        .members
        .get(&signal.from)
        .filter(|member| is_id(of) && !said && !member.doubtful)
    else {
        return;
    };
    // The signal does not name the agent: it is the one that writes, or the first one.
    let writes = member
        .doing
        .iter()
        .find(|(_, activity)| **activity == nexscope_relay::protocol::body::Activity::Writing);
    let agent = writes.map(|(agent, _)| agent).or(member.agents.first());
    let text = text::clean(words).text;
    let new = RemotePartial {
        from: Speaker {
            member: member.name.clone(),
            agent: Some(agent.cloned().unwrap_or_else(|| "agent".into())),
        },
        thread: signal.thread.clone(),
        text: the_end(&text),
        of: of.to_owned(),
    };
    if new.text.trim().is_empty() {
        let other = |one: &RemotePartial| one.of != of || !same_name(&one.from.member, &new.from.member);
        return room.chat.partials.0.retain(other);
    }
    room.chat.partials.put(new);
}

/// Shows others more of a run's answer, as far as that is allowed by now.
pub(in crate::core) fn show_growing(room: &mut Room, id: &str, ctx: &mut Ctx) {
    let Some(run) = ctx
        .runs
        .get(id)
        .filter(|run| may_be_shown(room, run, ctx))
        .cloned()
    else {
        return;
    };
    let own = room.settings.token.as_ref().map(|token| token.0.as_str());
    let (to, _) = answer::answers_to(room, &run);
    // Text that no frame could carry is seen when the answer is sent; it is scanned then, and not with each piece.
    if run.partial.len() > room.chat.message_bytes / 4 {
        return;
    }
    // Scan the whole text, including the held back part: a secret may straddle the two.
    let found = run.growing.stopped
        || may_bring_files(&run.partial)
        || !secrets::secrets(&run.partial, own.as_slice()).is_empty()
        || !draft::asks_others(room, &run.partial, &to).is_empty();
    if found {
        if let Some(run) = ctx.runs.get_mut(id) {
            run.growing.stopped = true;
        }
        return withdraw(room, &run, ctx);
    }
    let whole = settled(&run.partial);
    if whole.is_empty() || whole == run.growing.text {
        return;
    }
    let message = run.growing.id.clone().unwrap_or_else(|| ctx.fresh_id());
    let new = whole.strip_prefix(run.growing.text.as_str()).unwrap_or(whole);
    ctx.audit(audit::Entry::Shown {
        run: run.id.clone(),
        message: message.clone(),
        text: new.to_owned(),
    });
    signal_partial(room, &run, &message, whole, ctx);
    if let Some(run) = ctx.runs.get_mut(id) {
        run.growing.id = Some(message);
        whole.clone_into(&mut run.growing.text);
    }
}

/// Whether any part of a run's answer may be shown before its end, or was shown and has to be withdrawn: not if a
/// person reviews it first, nor to a name that may belong to somebody else by now.
fn may_be_shown(room: &Room, run: &Run, ctx: &Ctx) -> bool {
    let session = ctx.runs.session(ctx.room, &run.thread, &run.ask.agent);
    let outside = session.is_some_and(|session| {
        run.ask.resume.as_ref() == Some(&session.id) && !session.outside.paths.is_empty()
    });
    let (to, _) = answer::answers_to(room, run);
    let doubtful = to.iter().any(|name| room.chat.members.is_doubtful(name));
    let drafted = run.review || room.settings.review == Review::Always || outside;
    let is_new = !run.growing.stopped || !run.growing.text.is_empty();
    room.settings.share_partial
        && room.connection == Connection::Online
        && is_new
        && !(drafted || doubtful || run.stopping)
}

/// Withdraws the shown part of an answer that is not sent, or not yet.
pub(in crate::core) fn withdraw(room: &mut Room, run: &Run, ctx: &mut Ctx) {
    if let Some(id) = run.growing.id.as_ref().filter(|_| !run.growing.text.is_empty()) {
        signal_partial(room, run, id, "", ctx);
    }
    if let Some(run) = ctx.runs.get_mut(&run.id) {
        run.growing.text.clear();
    }
}

fn signal_partial(room: &Room, run: &Run, of: &str, text: &str, ctx: &mut Ctx) {
    let body = SignalBody::Partial {
        of: of.to_owned(),
        text: text.to_owned(),
    };
    outgoing::signal(room, &run.audience, &run.thread, &body, ctx);
}

/// The complete paragraphs except the last, so that a secret across two paragraphs is still scanned as a whole. A
/// paragraph ends with an empty line.
fn settled(text: &str) -> &str {
    let mut ends = text.rmatch_indices("\n\n").map(|(at, _)| at);
    // Several empty lines in a row count as one.
    let Some(last) = ends.next() else { return "" };
    let before = ends.find(|at| !text[at + 2..last].trim().is_empty());
    before.map_or("", |at| text[..at].trim_end())
}

/// The last `KEPT` characters of a text.
fn the_end(text: &Clean) -> Clean {
    let start = text.char_indices().rev().nth(KEPT - 1);
    text.after_byte(start.map_or(0, |(at, _)| at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_settled() {
        let table = [
            ("", ""),
            ("one", ""),
            ("one\n\n", ""),
            ("one\n\ntwo", ""),
            ("one\n\ntwo\n\n", "one"),
            ("one\n\ntwo\n\nthree", "one"),
            ("one\n\n\n\ntwo", ""),
            ("one\n\n\n\n\ntwo\n\n\n", "one"),
            ("a\nb\n\nc\n\nd\n\ne", "a\nb\n\nc"),
            ("é\n\nü\n\n", "é"),
        ];
        for (text, expected) in table {
            assert_eq!(settled(text), expected, "{text:?}");
        }
    }
}
