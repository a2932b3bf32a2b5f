//! `/join INVITE`: the relay is dialled before the room is left, and a refusal leaves everything as it is.

use tokio::task::JoinHandle;

use super::{Screen, state::Tone};
use crate::{
    link::{self, Check, Invite},
    text::sentence,
};

/// A relay that is dialled for a person who wants to go on in a room of it.
#[derive(Debug)]
pub struct Joining {
    invite: Invite,
    /// The line that they wrote for it.
    line: String,
    check: JoinHandle<Check>,
}

impl Drop for Joining {
    fn drop(&mut self) {
        self.check.abort();
    }
}

/// Waits for the answer of the relay that is dialled; forever where none is.
pub async fn answered(joining: &mut Option<Joining>) -> Check {
    let Some(joining) = joining else {
        return std::future::pending().await;
    };
    let unclear = |error| Check::Unreachable(format!("connecting failed: {error}"));
    (&mut joining.check).await.unwrap_or_else(unclear)
}

/// Dials the relay of an invite. The line stays where it was written until the relay has answered.
pub(super) fn dial_invite(screen: &mut Screen, invite: &str, line: String) {
    let invite = match invite.parse::<Invite>() {
        Ok(invite) => invite,
        Err(error) => return screen.state.say(sentence(&error.to_string()), Tone::Bad),
    };
    if screen.state.attached {
        let words = "Only the session's own screen can join another room.";
        return screen.state.say(words, Tone::Bad);
    }
    if let Err(why) = screen.client.may_join_another() {
        return screen.state.say(why, Tone::Bad);
    }
    let words = format!("Connecting to {} …", invite.target.authority());
    screen.state.say(words, Tone::Good);
    let (target, token) = (invite.target.clone(), invite.token.clone());
    let check = tokio::spawn(async move { link::check(&target, &token).await });
    screen.joining = Some(Joining { invite, line, check });
}

/// The relay has answered. Returns whether the person leaves this room for another one.
pub(super) fn joined(screen: &mut Screen, check: Check) -> bool {
    let Some(joining) = screen.joining.take() else {
        return false;
    };
    let refused = match check {
        Check::Well => screen
            .client
            .join(joining.invite.clone())
            .map_err(|why| why.to_string()),
        Check::WrongToken => {
            Err("Wrong token. Ask for a new invite, or check this one. You are still in this room.".into())
        }
        Check::Unreachable(why) => Err(format!(
            "{} Check the invite and your network. You are still in this room.",
            sentence(&why)
        )),
    };
    match refused {
        Ok(()) => {
            // The token in it is not kept among what was written before.
            if screen.state.composer.whole() == joining.line {
                screen.state.composer.set("");
            }
            true
        }
        Err(why) => {
            screen.state.say(why, Tone::Bad);
            false
        }
    }
}
