//! Auto mode: which mentions run without our person, which wait for their turn, and which wait for the person
//! after all.

use nexscope_relay::protocol::{
    Mode,
    body::{Origin, ReceiptState},
};

use crate::core::{
    Attention, Effect, ItemId, Millis, Post, Risk, Room,
    auto::limits::Candidate,
    review::{inbox::key, risk},
};

/// Why a mention waits that will run by itself. One at a time is started: what the run before uses up counts.
const TURN: &str = "its agent is at work; this one is next";

impl Room {
    /// A mention waits for our person, or, in auto mode and within its limits, is run at once. Without
    /// `effects` it comes from the journal, and nothing follows.
    pub(in crate::core) fn mention(&mut self, post: &Post, now: Millis, effects: Option<&mut Vec<Effect>>) {
        let is_reply = post.reply_to.is_some() && post.agent.is_some();
        self.inbox.add(post, is_reply, None, self.moment(now));
        let Some(effects) = effects else { return };
        match self.may_run_alone(post) {
            Ok(agent) => self.run_automatically(post, agent, now, effects),
            Err(held) => {
                let turn = held.as_deref() == Some(TURN);
                self.hold(post, held);
                if !turn {
                    effects.push(Effect::Attention(Attention::Item));
                }
            }
        }
    }

    /// Mentions that waited for their turn run, or wait for our person now.
    pub(in crate::core) fn run_waiting(&mut self, now: Millis, effects: &mut Vec<Effect>) {
        let waiting: Vec<u32> = self
            .inbox
            .mentions_mut()
            .filter_map(|(id, mention)| match id {
                ItemId::Mention(number) if mention.held.as_deref() == Some(TURN) => Some(number),
                _ => None,
            })
            .collect();
        for number in waiting {
            let Some(post) = self.timeline.post_numbered(number).cloned() else {
                continue;
            };
            match self.may_run_alone(&post) {
                Ok(agent) => self.run_automatically(&post, agent, now, effects),
                Err(Some(held)) if held == TURN => {}
                Err(held) => {
                    self.hold(&post, held);
                    let key = key(&post.from, &post.id);
                    if let Some(why) = self.inbox.told_why(&key) {
                        self.tell(&post.from, &key, ReceiptState::Queued, why, effects);
                    }
                    effects.push(Effect::Attention(Attention::Item));
                }
            }
        }
    }

    /// Notes why a mention waits. Its sender is told once in a thread.
    fn hold(&mut self, post: &Post, held: Option<String>) {
        let why = held.as_deref().filter(|why| *why != TURN);
        let tells = why.is_some() && self.told_held.insert(post.thread.clone());
        let id = ItemId::Mention(post.number);
        let mention = self.inbox.mentions_mut().find(|(one, _)| *one == id);
        if let Some((_, mention)) = mention {
            (mention.held, mention.tells) = (held, tells);
        }
    }

    /// Which agent may answer a mention without our person. Else why it may not, where auto mode is on.
    fn may_run_alone(&self, post: &Post) -> Result<String, Option<String>> {
        if self.settings.mode != Mode::Auto {
            return Err(None);
        }
        let agent = self
            .settings
            .default_agent()
            .ok_or_else(|| Some("no agent is configured".to_owned()))?;
        if let Some(reach) = self.settings.unconfirmed.get(&agent) {
            return Err(Some(format!("{agent} {reach}, which was not allowed yet")));
        }
        self.vouched_for(post).map_err(Some)?;
        let risks = risk::of(&post.text, post.hidden);
        // A long text is only slower to read.
        let marked: Vec<&str> = risks
            .into_iter()
            .filter(|risk| *risk != Risk::Long)
            .map(Risk::in_words)
            .collect();
        if !marked.is_empty() {
            return Err(Some(format!("a person reads it first: {}", marked.join(", "))));
        }
        let candidate = self.candidate(post, &agent);
        let budget = self.settings.budget(&agent);
        self.guard
            .check(candidate, &self.settings.limits, &budget, self.steady)
            .map_err(Some)?;
        if !self.files_come_alone(&post.files) {
            return Err(Some("it brings files".to_owned()));
        }
        if self.runs.all().any(|run| run.ask.agent == agent) {
            return Err(Some(TURN.to_owned()));
        }
        Ok(agent)
    }

    fn candidate<'a>(&'a self, post: &'a Post, agent: &'a str) -> Candidate<'a> {
        let answers = post.reply_to.as_ref().and_then(|id| self.outbox.get(id));
        Candidate {
            thread: &post.thread,
            member: &post.from,
            agent,
            hop: post.hop,
            answers: answers.and_then(|answered| answered.thread.as_deref()),
            by_agent: post.agent.is_some() || post.origin == Origin::Agent,
        }
    }

    /// The how manieth automatic answer in a row one to this message is.
    pub(in crate::core) fn row_of(&self, post: &Post, agent: &str) -> u32 {
        self.guard.in_a_row(self.candidate(post, agent), self.steady) + 1
    }
}
