//! Decisions that are requested over the socket. They mark an item for the person at the screen; in a session that
//! was started with `--allow-remote-decisions`, a program that no agent has started can decide.

use nexscope_relay::protocol::Mode;

use super::{Answer, Client, Progress, long_poll::WaitFor};
use crate::{
    client::rpc,
    control::{
        Caller, Reply, Request, RpcError,
        policy::Permit,
        protocol::{CurrentMode, Decided, ModeName, SCAN_WAIT, SetMode},
    },
    core::{AcceptOptions, Command, Decision, Intent, ItemId, MentionOutcome, Person, Shown},
};

/// The reply to a decision that was carried out.
const DECIDED: Decided = Decided {
    decided: true,
    waits: Vec::new(),
    message: None,
};

pub(super) fn serve_mode(client: &mut Client, permit: Permit, wanted: SetMode, caller: &Caller) -> Answer {
    match wanted.mode {
        Some(ModeName::Auto) if client.room().settings.mode == Mode::Auto => {}
        Some(ModeName::Auto) if permit.decides() => {
            decide_written(client, Intent::Auto)?;
        }
        Some(ModeName::Auto) => {
            rpc::tell_once(
                client,
                format!(
                    "{} has asked for auto mode; it stays manual until you write /mode auto.",
                    caller.process
                ),
            );
            return Err(RpcError::refused(
                "Only a person at the screen turns auto mode on, by /mode auto; they were told that you ask.",
            ));
        }
        Some(ModeName::Manual) => {
            client
                .perform(Command::Mode(Some(Mode::Manual)))
                .map_err(RpcError::refused)?;
        }
        None => {}
    }
    let mode = client.room().settings.mode.into();
    Ok(Reply::Mode(CurrentMode { mode }))
}

/// Marks the item as asked for; decides nothing.
pub(super) fn ask_person(client: &mut Client, request: Request, caller: &Caller) -> Answer {
    let me = client.room().settings.me.clone();
    let (target, reply): (_, fn(Decided) -> Reply) = match request {
        Request::Accept(accept) => (accept.id.0, Reply::Accept),
        Request::Reject(reject) => (reject.id.0, Reply::Reject),
        _ => {
            rpc::tell_once(
                client,
                format!("{} has asked you to retry something.", caller.process),
            );
            return Err(RpcError::refused(format!(
                "Only a person at the screen retries: {me} was told that you ask."
            )));
        }
    };
    let ids = client
        .room_mut()
        .asked_for(target, &caller.process)
        .map_err(RpcError::refused)?;
    let waits: Vec<String> = ids.iter().map(ItemId::to_string).collect();
    let message = format!(
        "Nothing is decided: {} waits for {me}'s decision {}; they see that you ask.",
        waits.join(", "),
        rpc::where_decided(client)
    );
    Ok(reply(Decided {
        decided: false,
        waits,
        message: Some(message),
    }))
}

/// Decides, as the person allowed when they started the session.
pub(super) fn decide_remotely(client: &mut Client, request: Request) -> Result<Progress, RpcError> {
    let intent = match request {
        Request::Ask(ask) => Intent::Ask {
            words: ask.words.join(" "),
        },
        Request::Reject(reject) => Intent::Reject {
            target: reject.id.0,
            reason: reject.words.join(" "),
        },
        Request::Accept(accept) => {
            let instructions = accept.words.join(" ");
            let how = AcceptOptions {
                instructions: Some(instructions).filter(|words| !words.trim().is_empty()),
                agent: accept.agent,
                review: accept.review,
                text: None,
            };
            Intent::Accept {
                target: accept.id.0,
                how,
            }
        }
        Request::Retry(item) => return retry_remotely(client, item.id.0).map(Progress::Done),
        _ => return Err(RpcError::usage("That is not a decision.")),
    };
    if client.room().may_leave(&intent) {
        return decide_now(client, intent).map(Progress::Done);
    }
    Ok(Progress::Later(
        WaitFor::Decide(intent),
        client.clock.now().plus(SCAN_WAIT * 1000),
    ))
}

/// Decides, unless that needs a second confirmation.
pub(super) fn decide_now(client: &mut Client, intent: Intent) -> Answer {
    if !intent.wants_it_whole() {
        return decide_written(client, intent);
    }
    let shown = client.returned.clone().ok_or_else(|| {
        RpcError::refused("Nothing was shown to you yet. Run nexscope-tui inbox, read it, then decide.")
    })?;
    let decision = client
        .check(Decision::new(intent.clone(), shown))
        .map_err(RpcError::refused)?;
    if let Some(doubt) = client.room().doubt(&intent) {
        return Err(RpcError::refused(format!(
            "{doubt} Only a key press confirms that: run nexscope-tui attach."
        )));
    }
    client
        .decide(decision, Person::through_program())
        .map_err(RpcError::refused)?;
    Ok(Reply::Accept(DECIDED))
}

/// Carries out a decision that the person's program has written on their behalf.
fn decide_written(client: &mut Client, intent: Intent) -> Answer {
    if let Some(doubt) = client.room().doubt(&intent) {
        return Err(RpcError::refused(format!(
            "{doubt} Only a key press confirms that: run nexscope-tui attach."
        )));
    }
    let shown = Shown::written(&intent);
    client
        .check(Decision::new(intent, shown))
        .and_then(|decision| client.decide(decision, Person::through_program()))
        .map_err(RpcError::refused)?;
    Ok(Reply::Accept(DECIDED))
}

fn retry_remotely(client: &mut Client, id: ItemId) -> Answer {
    let run_failed = match id {
        ItemId::Mention(number) => client
            .room()
            .chat
            .timeline()
            .post_numbered(number)
            .filter(|post| {
                matches!(
                    client.room().review.inbox().fate(post),
                    Some(MentionOutcome::Failed(_))
                )
            }),
        _ => None,
    };
    if let Some(post) = run_failed {
        return decide_written(client, Intent::RunAgain(post.number));
    }
    client.perform(Command::Retry(id)).map_err(RpcError::refused)?;
    Ok(Reply::Retry(DECIDED))
}
