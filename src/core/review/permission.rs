//! What an agent asks leave for on the way, and what our person says to it.

use nexscope_relay::protocol::body::Activity;

use crate::core::{
    Attention, Effect, Item, ItemId, ItemKind, Millis, Permission, Record, Reply, Room, Run,
    persist::audit::{self, By},
    review::{decide::not_waiting, inbox::key},
    runs::{ToolAnswer, ToolRequest, ask::Speaker},
};

impl Room {
    /// An agent asks for a permission: what was granted for the thread is answered at once, all else waits
    /// for our person.
    pub(in crate::core) fn wants_permission(
        &mut self,
        id: &str,
        request: ToolRequest,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) {
        let Some(run) = self.runs.get_mut(id) else { return };
        if self.grants.covers(&run.whose(), &request, self.steady) {
            let by = By::Setting("granted for the thread".to_owned());
            let entry = self.permission_entry(None, id, &request, "allowed", by);
            Self::note_audit(entry, effects);
            let answer = ToolAnswer::Allow;
            return effects.push(Effect::Answer {
                run: id.to_owned(),
                request: request.id,
                answer,
            });
        }
        run.activity = Activity::Waiting;
        let run = run.clone();
        let from = Speaker {
            member: self.settings.me.clone(),
            agent: Some(run.ask.agent.clone()),
        };
        let permission = Permission {
            run: id.to_owned(),
            asker: run.ask.from.member.clone(),
            request,
        };
        let number = self.inbox.next_permission();
        effects.push(Effect::Keep(Box::new(Record::Asked { number })));
        self.inbox
            .add_permission(permission, from, run.thread.clone(), self.moment(now));
        self.say_activity(&run, effects);
        effects.push(Effect::Attention(Attention::Item));
    }

    /// What the audit log has of an answered request.
    fn permission_entry(
        &self,
        item: Option<String>,
        run: &str,
        request: &ToolRequest,
        answer: &str,
        by: By,
    ) -> audit::Entry {
        audit::Entry::Permission {
            run: run.to_owned(),
            request: request.id.clone(),
            item,
            tool: crate::text::clean_line(&request.tool, 64),
            what: self.redacted(&request.what),
            answer: answer.to_owned(),
            by,
        }
    }

    /// A run no longer waits for our person, unless for something else.
    pub(in crate::core) fn works_again(&mut self, id: &str, effects: &mut Vec<Effect>) {
        let waits = self
            .inbox
            .waiting()
            .any(|item| matches!(&item.matter, ItemKind::Permission(permission) if permission.run == id));
        if let Some(run) = self
            .runs
            .get_mut(id)
            .filter(|run| !waits && run.activity == Activity::Waiting)
        {
            run.activity = Activity::Thinking;
            let run = run.clone();
            self.say_activity(&run, effects);
        }
    }

    /// Our person allows something for the rest of a thread.
    pub(in crate::core) fn grant(
        &mut self,
        id: ItemId,
        by: By,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, String> {
        let item = self.inbox.get(id).ok_or_else(|| not_waiting(id))?;
        let ItemKind::Permission(permission) = item.matter.clone() else {
            return Err(format!(
                "{id} is no permission; only those are granted for a thread."
            ));
        };
        let Some(rule) = permission.request.rule.clone() else {
            return Err(format!("{id} can only be allowed once: accept it."));
        };
        if let Some(whose) = self.runs.get(&permission.run).map(Run::whose) {
            self.grants.add(whose, rule, self.steady);
        }
        if let Some(item) = self.inbox.take(id) {
            let answer = "allowed for the thread";
            self.note_permission(&item, &permission, answer, by, now, effects);
        }
        self.answer_request(&permission, ToolAnswer::Allow, effects);
        Ok(Reply::Nothing)
    }

    pub(in crate::core) fn note_permission(
        &mut self,
        item: &Item,
        permission: &Permission,
        what: &str,
        by: By,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) {
        let id = Some(item.id.to_string());
        let entry = self.permission_entry(id, &permission.run, &permission.request, what, by);
        Self::note_audit(entry, effects);
        let tool = crate::text::clean_line(&permission.request.tool, 40);
        let (asker, what) = (permission.asker.clone(), format!("{tool} {what}"));
        self.inbox.remember(key(&asker, ""), what.clone(), now);
        effects.push(Effect::Keep(Box::new(Record::Permitted { asker, what, at: now })));
    }

    /// Tells an agent what our person says to its request.
    pub(in crate::core) fn answer_request(
        &mut self,
        permission: &Permission,
        answer: ToolAnswer,
        effects: &mut Vec<Effect>,
    ) {
        effects.push(Effect::Answer {
            run: permission.run.clone(),
            request: permission.request.id.clone(),
            answer,
        });
        self.works_again(&permission.run, effects);
    }
}
