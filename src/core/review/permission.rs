//! Permission requests of agents, and the person's answers.

use nexscope_relay::protocol::body::Activity;

use crate::core::{
    Attention, Ctx, Effect, Item, ItemId, ItemKind, Permission, Record, Refused, Reply, Room, Run,
    persist::audit::{self, By},
    review::inbox::key,
    runs::{ToolAnswer, ToolRequest, answer, ask::Speaker},
};

/// Handles an agent's permission request: it is allowed at once if the thread has a grant for it, else it waits for
/// the person.
pub(in crate::core) fn wants_permission(room: &mut Room, id: &str, request: ToolRequest, ctx: &mut Ctx) {
    let Some(run) = ctx.runs.get_mut(id) else { return };
    if room
        .review
        .grants
        .covers(&run.whose(), &request, ctx.clock.steady)
    {
        let by = By::Setting("granted for the thread".to_owned());
        let entry = permission_entry(room, None, id, &request, "allowed", by);
        ctx.audit(entry);
        let answer = ToolAnswer::Allow;
        return ctx.push(Effect::Answer {
            run: id.to_owned(),
            request: request.id,
            answer,
        });
    }
    run.activity = Activity::Waiting;
    let run = run.clone();
    let from = Speaker {
        member: room.settings.me.clone(),
        agent: Some(run.ask.agent.clone()),
    };
    let permission = Permission {
        run: id.to_owned(),
        asker: run.ask.from.member.clone(),
        request,
    };
    let number = room.review.inbox.next_permission();
    ctx.keep(Record::Asked { number });
    room.review
        .inbox
        .add_permission(permission, from, run.thread.clone(), ctx.moment());
    answer::say_activity(room, &run, ctx);
    ctx.attention(Attention::Item);
}

/// The audit entry for an answered request.
fn permission_entry(
    room: &Room,
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
        what: room.redacted(&request.what),
        answer: answer.to_owned(),
        by,
    }
}

/// Marks a run as working again, unless it still waits for another permission.
pub(in crate::core) fn works_again(room: &mut Room, id: &str, ctx: &mut Ctx) {
    let waits = room
        .review
        .inbox
        .waiting()
        .any(|item| matches!(&item.matter, ItemKind::Permission(permission) if permission.run == id));
    if let Some(run) = ctx
        .runs
        .get_mut(id)
        .filter(|run| !waits && run.activity == Activity::Waiting)
    {
        run.activity = Activity::Thinking;
        let run = run.clone();
        answer::say_activity(room, &run, ctx);
    }
}

/// Grants a request for the rest of a thread. Fails if that is not possible.
pub(in crate::core) fn grant(room: &mut Room, id: ItemId, by: By, ctx: &mut Ctx) -> Result<Reply, Refused> {
    let item = room.review.inbox.get(id).ok_or(Refused::NotPending(id))?;
    let ItemKind::Permission(permission) = item.matter.clone() else {
        return Err(Refused::NotPermission(id));
    };
    let Some(rule) = permission.request.rule.clone() else {
        return Err(Refused::OnceOnly(id));
    };
    if let Some(whose) = ctx.runs.get(&permission.run).map(Run::whose) {
        room.review.grants.add(whose, rule, ctx.clock.steady);
    }
    if let Some(item) = room.review.inbox.take(id) {
        let answer = "allowed for the thread";
        note_permission(room, &item, &permission, answer, by, ctx);
    }
    answer_request(room, &permission, ToolAnswer::Allow, ctx);
    Ok(Reply::Nothing)
}

pub(in crate::core) fn note_permission(
    room: &mut Room,
    item: &Item,
    permission: &Permission,
    what: &str,
    by: By,
    ctx: &mut Ctx,
) {
    let id = Some(item.id.to_string());
    let entry = permission_entry(room, id, &permission.run, &permission.request, what, by);
    ctx.audit(entry);
    let tool = crate::text::clean_line(&permission.request.tool, 40);
    let (asker, what) = (permission.asker.clone(), format!("{tool} {what}"));
    room.review.inbox.remember(key(&asker, ""), what.clone(), ctx.now);
    ctx.keep(Record::Permitted {
        asker,
        what,
        at: ctx.now,
    });
}

/// Sends the person's answer to the agent that requested it.
pub(in crate::core) fn answer_request(
    room: &mut Room,
    permission: &Permission,
    answer: ToolAnswer,
    ctx: &mut Ctx,
) {
    ctx.push(Effect::Answer {
        run: permission.run.clone(),
        request: permission.request.id.clone(),
        answer,
    });
    works_again(room, &permission.run, ctx);
}
