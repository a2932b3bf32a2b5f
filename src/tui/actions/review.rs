//! Keys that decide what waits, past the gate.

use std::time::Instant;

use crate::{
    client::CheckedDecision,
    core::{AcceptOptions, Decision, Intent, ItemId, ItemKind, Person, Shown, Target},
    tui::{
        Screen,
        actions::{navigation, submit},
        composer::Composer,
        input::{
            gate::{Gate, Press, Refusal},
            key::Key,
            pressed::{DecisionKey, Pressed},
        },
        modal::{InputPrompt, ItemView, Modal, PromptKind},
        state::Tone,
    },
};

/// A key that decides was pressed: about the items at hand.
pub(crate) fn press(screen: &mut Screen, deed: DecisionKey, key: Option<Key>, now: Instant) {
    let ids = match &deed {
        DecisionKey::Retry(_) => Vec::new(),
        DecisionKey::Written(intent) => items_of(screen, intent),
        _ => screen.state.target(screen.client.room()),
    };
    let about_items = match &deed {
        DecisionKey::Retry(_) => false,
        DecisionKey::Written(intent) => intent.wants_it_whole(),
        _ => true,
    };
    if about_items && ids.is_empty() {
        let words = match &deed {
            DecisionKey::Written(_) => "Nothing like that is pending. /inbox lists what is.",
            _ => "No requests.",
        };
        return screen.state.say(words, Tone::Good);
    }
    let press = match key {
        Some(key) if key.typed().is_some() => Press::Letter,
        Some(key) if key.has_alt() => Press::Alt,
        _ => Press::Other,
    };
    let gate = &screen.state.deciding.gate;
    let seen = match &deed {
        // Snoozing settles nothing, so it need not be whole; but no typed text snoozes anything.
        DecisionKey::Later if gate.is_typing(now) && press == Press::Letter => Err(Refusal::Typing),
        DecisionKey::Later => Ok(Shown::written(&Intent::Later(ids[0]))),
        DecisionKey::Retry(number)
            if !gate.is_in_burst(now) && (press != Press::Letter || !gate.is_typing(now)) =>
        {
            Ok(Shown::written(&Intent::RunAgain(*number)))
        }
        DecisionKey::Written(intent) if !intent.wants_it_whole() && !gate.is_in_burst(now) => {
            Ok(Shown::written(intent))
        }
        DecisionKey::Retry(_) => Err(Refusal::Typing),
        DecisionKey::Written(intent) if !intent.wants_it_whole() => Err(Refusal::Burst),
        _ => gate.permits(&ids, press, now),
    };
    let asked = screen
        .asked_before
        .take()
        .filter(|(_, at)| Gate::settled(*at, now));
    let pressed = Pressed {
        deed,
        ids,
        seen,
        confirms: asked.map(|(decision, _)| decision),
        press,
        at: now,
    };
    match (&pressed.seen, press) {
        // A letter may still turn out to be text.
        (Ok(_), _) | (Err(_), Press::Letter) => screen.state.deciding.pressed = Some(pressed),
        (Err(_), _) => take_effect(screen, pressed, now),
    }
}

/// The items that a written intent is about.
fn items_of(screen: &Screen, intent: &Intent) -> Vec<ItemId> {
    let (Intent::Accept { target, .. } | Intent::Reject { target, .. }) = intent else {
        return Vec::new();
    };
    screen.client.room().items(*target).unwrap_or_default()
}

/// Lets take effect what was pressed long enough ago.
pub(crate) fn settle_pressed(screen: &mut Screen, now: Instant) {
    if let Some(pressed) = screen
        .state
        .deciding
        .pressed
        .take_if(|pressed| pressed.due() <= now)
    {
        take_effect(screen, pressed, now);
    }
}

/// Something has come while a decision was pending: it is text, or part of a burst, and decides nothing.
/// Returns whether it was a letter that is text now.
pub(crate) fn undo_pressed(screen: &mut Screen, letter: bool, now: Instant) -> bool {
    let undone = |pressed: &mut Pressed| pressed.is_undone_by(letter, now);
    let Some(pressed) = screen.state.deciding.pressed.take_if(undone) else {
        return false;
    };
    if pressed.press == Press::Letter {
        return true;
    }
    take_effect(
        screen,
        Pressed {
            seen: Err(Refusal::Burst),
            ..pressed
        },
        now,
    );
    false
}

fn take_effect(screen: &mut Screen, pressed: Pressed, now: Instant) {
    let Pressed {
        deed,
        ids,
        seen,
        confirms,
        ..
    } = pressed;
    let shown = match seen {
        Ok(shown) => shown,
        Err(why) => return refuse(screen, deed, &ids, why, now),
    };
    match deed {
        DecisionKey::Accept { review } => {
            let how = AcceptOptions {
                review,
                ..wished(screen)
            };
            let intent = accepting(screen, &ids, how);
            decide_if_sure(screen, Decision::new(intent, shown), confirms, now);
        }
        DecisionKey::Grant => {
            decide_if_sure(screen, Decision::new(Intent::Grant(ids[0]), shown), confirms, now);
        }
        DecisionKey::Reject => ask(screen, PromptKind::Reason, &ids, shown, now),
        DecisionKey::Edit => ask(screen, PromptKind::Words, &ids, shown, now),
        DecisionKey::Instruct => ask(screen, PromptKind::Instructions, &ids, shown, now),
        DecisionKey::Later => {
            check_and_decide(screen, Decision::new(Intent::Later(ids[0]), shown));
            screen.state.close_item();
            screen.state.tidy(screen.client.room());
        }
        DecisionKey::Retry(number) => navigation::retry_message(screen, number, shown),
        DecisionKey::Written(intent) => do_written(screen, Decision::new(intent, shown), confirms, now),
    }
}

/// It decides nothing. What it is about is opened, so that another key decides.
fn refuse(screen: &mut Screen, deed: DecisionKey, ids: &[ItemId], why: Refusal, now: Instant) {
    screen.state.deciding.flash = Some(now);
    match why {
        Refusal::Typing | Refusal::CameLater if ids.is_empty() => {}
        Refusal::Typing => {}
        Refusal::UnclearAlt => {
            let words = "An Alt key right after another key decides nothing. Press it again.";
            screen.state.say(words, Tone::Good);
            screen.state.open(ids);
        }
        Refusal::Burst if ids.is_empty() => {
            screen.state.say(
                "That arrived together with other input. Press Enter to confirm it.",
                Tone::Good,
            );
        }
        Refusal::NotWhole | Refusal::Burst | Refusal::CameLater => {
            screen.state.open(ids);
            if let (DecisionKey::Written(intent), Some(view)) = (deed, screen.state.modals.item_mut()) {
                view.wish = Some(intent);
                screen.state.composer.take();
                screen.state.popup = None;
            }
        }
    }
}

/// With what the open item is to be accepted, where that was written before it was opened.
fn wished(screen: &Screen) -> AcceptOptions {
    match screen.state.modals.item() {
        Some(ItemView {
            wish: Some(Intent::Accept { how, .. }),
            ..
        }) => how.clone(),
        _ => AcceptOptions::default(),
    }
}

/// The intent to accept these items.
fn accepting(screen: &Screen, ids: &[ItemId], how: AcceptOptions) -> Intent {
    match (screen.state.modals.item(), ids) {
        (Some(view), [ItemId::Mention(number)]) if view.hand_over => Intent::HandOver(*number),
        (_, [id]) => Intent::Accept {
            target: Target::Item(*id),
            how,
        },
        _ => Intent::Accept {
            target: thread_of(screen, ids),
            how,
        },
    }
}

/// The thread of items of which several are open.
fn thread_of(screen: &Screen, ids: &[ItemId]) -> Target {
    let room = screen.client.room();
    let item = ids.first().and_then(|id| room.review.inbox().get(*id));
    let thread = item.and_then(|item| room.chat.threads().get(&item.thread));
    Target::Thread(thread.map_or(0, |thread| thread.number))
}

/// Checks a decision, and asks once more if it cannot be undone. Returns it if it may be carried out now.
fn if_sure(
    screen: &mut Screen,
    decision: Decision,
    confirms: Option<Decision>,
    now: Instant,
) -> Option<CheckedDecision> {
    let checked = match screen.client.check(decision) {
        Ok(checked) => checked,
        Err(why) => {
            screen.state.say(why, Tone::Bad);
            return None;
        }
    };
    let decision = checked.get();
    let Some(question) = screen.client.room().doubt(decision.intent()) else {
        return Some(checked);
    };
    if confirms.as_ref() == Some(decision) {
        return Some(checked);
    }
    screen.state.deciding.unsure = Some((decision.clone(), now));
    screen.state.say(question, Tone::Bad);
    None
}

fn decide_if_sure(screen: &mut Screen, decision: Decision, confirms: Option<Decision>, now: Instant) {
    if let Some(decision) = if_sure(screen, decision, confirms, now) {
        decide(screen, decision);
    }
}

/// Does what was written as a command; what is not done stays written.
fn do_written(screen: &mut Screen, decision: Decision, confirms: Option<Decision>, now: Instant) {
    let sure = if_sure(screen, decision, confirms, now);
    if sure.is_some_and(|decision| decide(screen, decision)) {
        screen.state.composer.take();
        screen.state.popup = None;
        screen.state.reading.scroll.go_to_end();
    }
}

/// Asks why the item at hand is rejected, or for other words to accept it with.
fn ask(screen: &mut Screen, what: PromptKind, ids: &[ItemId], shown: Shown, now: Instant) {
    let Some(first) = ids.first().and_then(|id| screen.client.room().at_hand(*id)) else {
        return;
    };
    let hands_over = screen.state.modals.item().is_some_and(|view| view.hand_over);
    let mut field = Composer::default();
    match (what, &first.matter) {
        (PromptKind::Reason, _) if hands_over => {
            return screen.state.say("Press Esc to leave it.", Tone::Good);
        }
        (PromptKind::Words | PromptKind::Instructions, _) if ids.len() > 1 => {
            return screen.state.say("Open one of them to edit it.", Tone::Bad);
        }
        (PromptKind::Words | PromptKind::Instructions, _) if hands_over => {
            return screen.state.say(
                "A message cannot be edited before it is handed to an agent.",
                Tone::Bad,
            );
        }
        (PromptKind::Words, ItemKind::Permission(_) | ItemKind::File(_)) => {
            let words = "Only text can be edited; you can reject this with a reason.";
            return screen.state.say(words, Tone::Bad);
        }
        (PromptKind::Instructions, ItemKind::Permission(_) | ItemKind::Draft(_) | ItemKind::File(_)) => {
            let words = "Only a mention takes instructions; edit a draft instead.";
            return screen.state.say(words, Tone::Bad);
        }
        (PromptKind::Words, _) => field.set(&first.text),
        (PromptKind::Reason, _) => {
            if let Some(ItemView {
                wish: Some(Intent::Reject { reason, .. }),
                ..
            }) = screen.state.modals.item()
            {
                field.set(reason);
            }
        }
        (PromptKind::Instructions, _) => {}
    }
    screen.state.modals.open(Modal::Prompt(InputPrompt {
        ids: ids.to_vec(),
        shown,
        what,
        field,
        since: now,
    }));
}

/// Takes another agent for the item at hand, and opens it: all of it is to be read again before it is decided.
pub(crate) fn next_agent(screen: &mut Screen) {
    let [item] = screen.state.target(screen.client.room())[..] else {
        return;
    };
    let intent = Intent::NextAgent(item);
    let shown = Shown::written(&intent);
    check_and_decide(screen, Decision::new(intent, shown));
    screen.state.modals.uncover();
    screen.state.open(&[item]);
}

/// Carries out a decision that needs no confirmation. Returns whether it was done.
pub(crate) fn check_and_decide(screen: &mut Screen, decision: Decision) -> bool {
    match screen.client.check(decision) {
        Ok(decision) => decide(screen, decision),
        Err(why) => {
            screen.state.say(why, Tone::Bad);
            false
        }
    }
}

/// Carries out a decision. Returns whether it was done.
fn decide(screen: &mut Screen, decision: CheckedDecision) -> bool {
    let result = screen.client.decide(decision, Person::at_keyboard());
    let done = result.is_ok();
    submit::show(screen, result);
    screen.state.tidy(screen.client.room());
    done
}

/// Carries out the decision that something was written for.
pub(crate) fn send_asked(screen: &mut Screen, now: Instant) {
    // A key that was on its way when the question appeared, or that came with other input, does not answer it.
    let gate = &screen.state.deciding.gate;
    let asked = screen.state.modals.prompt();
    if !asked.is_some_and(|asked| Gate::settled(asked.since, now)) || gate.is_in_burst(now) {
        screen.state.deciding.flash = Some(now);
        return screen.state.say("Press Enter again to send it.", Tone::Good);
    }
    let Some(asked) = screen.state.modals.close_prompt() else {
        return;
    };
    let text = asked.field.text();
    let intent = match asked.what {
        PromptKind::Reason => Intent::Reject {
            target: match asked.ids[..] {
                [id] => Target::Item(id),
                _ => thread_of(screen, &asked.ids),
            },
            reason: text,
        },
        PromptKind::Words => accepting(
            screen,
            &asked.ids,
            AcceptOptions {
                text: Some(text),
                ..AcceptOptions::default()
            },
        ),
        PromptKind::Instructions => accepting(
            screen,
            &asked.ids,
            AcceptOptions {
                instructions: Some(text),
                ..AcceptOptions::default()
            },
        ),
    };
    let decision = Decision::new(intent, asked.shown.clone());
    let confirms = screen
        .asked_before
        .take()
        .filter(|(_, at)| Gate::settled(*at, now));
    match if_sure(screen, decision, confirms.map(|(decision, _)| decision), now) {
        Some(decision) => {
            if !decide(screen, decision) {
                screen.state.modals.open(Modal::Prompt(asked));
                screen.state.tidy(screen.client.room());
            }
        }
        // What is written stays until it is confirmed.
        None => screen.state.modals.open(Modal::Prompt(asked)),
    }
}
