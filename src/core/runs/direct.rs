//! What our person gives to their own agent: a message from the room, or a question of their own.

use nexscope_relay::protocol::body::Chat;

use crate::core::{
    AcceptOptions, Effect, Item, ItemId, MentionOutcome, Millis, Moment, OutgoingText, Reply, Room,
    persist::audit::{By, Decided, Verdict},
    review::{decide::not_waiting, inbox::key},
};

impl Room {
    /// A message of the timeline as the item that it is once it is handed to an agent; none where it cannot be.
    pub fn to_hand_over(&self, number: u32) -> Option<Item> {
        let post = self.timeline.post_numbered(number)?;
        self.may_hand_over(number).ok()?;
        // How long it has been there is not told.
        Some(Item::of_mention(post, false, None, Moment::default()))
    }

    /// Fails, with a sentence, where a message cannot be handed to an agent.
    pub fn may_hand_over(&self, number: u32) -> Result<(), String> {
        let post = self.timeline.post_numbered(number);
        let post = post.ok_or_else(|| format!("There is no message m{number}."))?;
        if post.is_strangers() {
            return Err(format!(
                "Somebody else wrote m{number} under your name, so no agent gets it."
            ));
        }
        if post.mine {
            return Err("That is your own message. Write to your agent with /ask instead.".into());
        }
        if self.runs.all().any(|run| run.key == key(&post.from, &post.id)) {
            return Err(format!("An agent of yours is already working on m{number}."));
        }
        Ok(())
    }

    /// A message is handed to an agent, as if it had asked.
    pub(in crate::core) fn hand_over(
        &mut self,
        number: u32,
        by: By,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, String> {
        self.begin(number, AcceptOptions::default(), by, now, effects)
    }

    /// What was accepted and failed runs again as it was accepted: with the words, and the instructions, of then.
    pub(in crate::core) fn run_again(
        &mut self,
        number: u32,
        by: By,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, String> {
        let post = self.timeline.post_numbered(number);
        let failed = post.filter(|post| matches!(self.inbox.fate(post), Some(MentionOutcome::Failed(_))));
        let post = failed.ok_or_else(|| format!("m{number} has not failed. Only what failed runs again."))?;
        let how = self.inbox.accepted_with(&key(&post.from, &post.id)).clone();
        self.begin(number, how, by, now, effects)
    }

    fn begin(
        &mut self,
        number: u32,
        how: AcceptOptions,
        by: By,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, String> {
        let post = self.timeline.post_numbered(number).cloned();
        let post = post.ok_or_else(|| format!("There is no message m{number}."))?;
        if self.runs.all().any(|run| run.key == key(&post.from, &post.id)) {
            return Err(format!("An agent of yours is already working on m{number}."));
        }
        let chosen = self.agent_named(how.agent.clone());
        let agent = chosen.or_else(|_| self.agent_named(None))?;
        let id = ItemId::Mention(number);
        if self.inbox.get(id).is_none() {
            self.inbox.add(&post, false, None, self.moment(now));
        }
        let Some(item) = self.inbox.take(id) else {
            return Err(not_waiting(id));
        };
        self.person_spoke(&item.thread, &by, effects);
        let decided = Decided::new(by, Verdict::HandedOver);
        self.run(&item, &agent, how, decided, now, effects);
        self.start_next(now, effects);
        Ok(Reply::Nothing)
    }

    /// Our person asks their own agent: everybody sees the question, and the answer.
    pub(in crate::core) fn ask_own(
        &mut self,
        words: &str,
        by: By,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, String> {
        let (first, rest) = words.trim().split_once(char::is_whitespace).unwrap_or_default();
        let named = self
            .agent_named(Some(first.to_owned()))
            .ok()
            .filter(|_| !rest.trim().is_empty());
        let (agent, text) = match named {
            Some(agent) => (agent, rest.trim()),
            None => (self.agent_named(None)?, words.trim()),
        };
        if text.is_empty() {
            return Err("There is nothing to ask yet: write a text behind /ask.".into());
        }
        let chat = Chat {
            text: text.to_owned(),
            ..Chat::default()
        };
        self.fits(&chat, 0)?;
        let words = OutgoingText {
            chat,
            ..OutgoingText::default()
        };
        let number = self.say(words, now, effects);
        if let Some(post) = self.timeline.post_numbered(number).cloned() {
            self.inbox.add(&post, false, None, self.moment(now));
        }
        if let Some(item) = self.inbox.take(ItemId::Mention(number)) {
            let decided = Decided::new(by, Verdict::Asked);
            self.run(&item, &agent, AcceptOptions::default(), decided, now, effects);
            self.start_next(now, effects);
        }
        Ok(Reply::Said(number))
    }

    /// An agent by its name, or the usual one, which its person has said yes to.
    pub(in crate::core) fn agent_named(&self, name: Option<String>) -> Result<String, String> {
        let agent = self.agent_called(name)?;
        match self.settings.unconfirmed.get(&agent) {
            Some(reach) => Err(format!(
                "{agent} {reach}: /trust {agent} allows that, once and for all."
            )),
            None => Ok(agent),
        }
    }

    fn agent_called(&self, name: Option<String>) -> Result<String, String> {
        let known = &self.settings.agents;
        match name {
            Some(name) => known
                .iter()
                .find(|one| one.eq_ignore_ascii_case(&name))
                .cloned()
                .ok_or_else(|| format!("There is no agent {name}; there is {}.", list(known))),
            None => self.settings.default_agent().ok_or_else(|| {
                "No agent is configured: add an [agents.NAME] table to config.toml, for example \
                 kind = \"claude\"."
                    .to_owned()
            }),
        }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
