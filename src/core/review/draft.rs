//! Drafts: answers that are pending before they are sent.

use nexscope_relay::protocol::{body::Chat, same_name};

use crate::core::{
    Attachment, Attention, Ctx, Draft, ItemId, MentionOutcome, OutgoingText, Record, Room,
    chat::outgoing,
    leading_names,
    leak::attachment,
    persist::audit::{self, By, Decided, Edited, Verdict},
    review::decide,
};

/// Space in a frame that is reserved for an answer's envelope, in bytes.
const ENVELOPE: usize = 8 * 1024;

/// Adds a draft to the inbox. `brought` is text that its agent got from outside its folder.
pub(in crate::core) fn draft_waits(room: &mut Room, draft: Draft, brought: String, ctx: &mut Ctx) -> ItemId {
    let (text, flags) = audit::without(&draft.chat.text, &draft.flags);
    let number = room.review.inbox.next_draft();
    let id = ItemId::Draft(number);
    let entry = audit::Entry::Draft {
        item: id.to_string(),
        run: draft.run.clone(),
        agent: draft.chat.agent.clone(),
        answers: draft.question.as_ref().map(|(_, key)| key.1.clone()),
        to: draft.to.clone(),
        only: draft.only,
        text,
        flags,
    };
    ctx.record(
        entry,
        Record::Draft {
            number,
            at: ctx.now,
            draft: Box::new(draft.clone()),
        },
    );
    room.review
        .inbox
        .add_draft(number, draft, &room.settings.me, ctx.moment());
    attachment::look_through(room, number, brought, ctx);
    ctx.attention(Attention::Item);
    id
}

/// Members whom an answer would ask, by `@NAME` at the beginning of its first line, although they are not among its
/// recipients.
pub(in crate::core) fn asks_others(room: &Room, text: &str, to: &[String]) -> Vec<String> {
    let first = text.lines().next().unwrap_or_default();
    let Ok((names, _)) = leading_names(first) else {
        return Vec::new();
    };
    let others = names.into_iter().filter(|name| !room.is_me(name));
    let others = others.filter(|name| !to.iter().any(|known| same_name(known, name)));
    others
        .map(|name| {
            room.chat
                .members
                .get(&name)
                .map_or(name, |member| member.name.clone())
        })
        .collect()
}

/// Posts a draft for the person, perhaps edited.
pub(in crate::core) fn post_draft(
    room: &mut Room,
    number: u32,
    draft: &Draft,
    text: Option<String>,
    by: &By,
    ctx: &mut Ctx,
) {
    let edited = text.filter(|text| draft.is_edited(text));
    let id = draft.message.clone().unwrap_or_else(|| ctx.fresh_id());
    decide::note_decided(
        room,
        Decided {
            item: Some(ItemId::Draft(number).to_string()),
            // A draft that answers nothing is linked to the message that it becomes.
            message: draft
                .question
                .as_ref()
                .map_or(Some(id.clone()), |(_, key)| Some(key.1.clone())),
            run: draft.run.clone(),
            edited: edited.as_ref().map(|after| Edited {
                // Removed secrets stay removed.
                before: audit::without(&draft.chat.text, &draft.flags).0,
                after: after.clone(),
            }),
            ..Decided::new(by.clone(), Verdict::Posted)
        },
        ctx,
    );
    let edited_by = edited.as_ref().map(|_| room.settings.me.clone());
    let text = fit(room, edited.unwrap_or_else(|| draft.chat.text.clone()));
    let chat = Chat {
        text,
        edited_by,
        ..draft.chat.clone()
    };
    let words = OutgoingText {
        to: draft.to.clone(),
        only: draft.only,
        thread: draft.thread.clone(),
        chat,
        // All were read whole: `is_looked_through` was checked before.
        files: draft.files.iter().filter_map(Attachment::source).collect(),
        id: Some(id),
        draft: Some(number),
    };
    outgoing::say(room, words, ctx);
    if let Some((from, key)) = draft.question.clone() {
        decide::settle(room, key, &from, MentionOutcome::Answered, ctx);
    }
}

/// Truncates an answer that no frame could carry, and says so in it.
pub(in crate::core) fn fit(room: &Room, text: impl Into<String>) -> String {
    let mut text = text.into();
    let room = room.chat.message_bytes.saturating_sub(ENVELOPE);
    // JSON escapes make some characters longer; the cut is repeated until it fits.
    while serde_json::to_string(&text).map_or(0, |json| json.len()) > room {
        let mut end = text.len() * 3 / 4;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("\n\n[cut: the answer was longer than the relay carries]");
    }
    text
}
