//! The session that follows this one: the screen leaves this session and opens the next.

use nexscope_relay::protocol::same_name;

use super::Client;
use crate::{
    config::Config,
    core::{Connection, Offer},
    link::Invite,
};

/// The difference between the next session and this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextSession {
    /// Another name, since this one is taken.
    As(String),
    /// Another room.
    To(Invite),
}

impl Client {
    /// Continues under another name, since this one is taken.
    ///
    /// # Errors
    ///
    /// Fails with a sentence if that would interrupt something.
    pub fn start_as(&mut self, name: String) -> Result<(), String> {
        let me = &self.room().settings.me;
        if self.room().connection == Connection::Online {
            return Err(format!(
                "You are in the room as {me}. To join as {name}, quit with /quit, then run nexscope-tui -n {name}."
            ));
        }
        if self.host.is_some() {
            return Err("You host this room, so your name cannot be taken. Type /start to reconnect.".into());
        }
        no_run(self)?;
        self.onward = Some(NextSession::As(name));
        Ok(())
    }

    /// Checks whether the person can leave this room for another one. Pending items stay, and are there again
    /// on return.
    ///
    /// # Errors
    ///
    /// Fails with a sentence if leaving would interrupt something.
    pub fn may_join_another(&self) -> Result<(), String> {
        if self.host.is_some() {
            return Err(
                "You host this room, and others would lose it. Leave with /quit, then run nexscope-tui with the \
                 invite in NEXSCOPE_INVITE."
                    .into(),
            );
        }
        no_run(self)?;
        if self.room().files.open().any(Offer::is_moving) {
            return Err(
                "A file is being transferred. Wait for it, or cancel it with /cancel, then try again.".into(),
            );
        }
        Ok(())
    }

    /// Whether a configuration is for this place: the same member in the same room of the same relay.
    pub fn is_place_of(&self, config: &Config) -> bool {
        let name = config.name.as_deref().unwrap_or_default();
        config.relay == self.config.relay
            && config.host == self.config.host
            && same_name(&config.room, &self.room().settings.room)
            && same_name(name, &self.room().settings.me)
    }

    /// Continues in another room.
    ///
    /// # Errors
    ///
    /// Fails like [`Client::may_join_another`].
    pub fn join(&mut self, invite: Invite) -> Result<(), String> {
        self.may_join_another()?;
        self.onward = Some(NextSession::To(invite));
        Ok(())
    }

    /// Takes the session that follows this one.
    pub fn take_onward(&mut self) -> Option<NextSession> {
        self.onward.take()
    }
}

fn no_run(client: &Client) -> Result<(), String> {
    if client.program.runs().is_empty() {
        Ok(())
    } else {
        Err("An agent is running. Stop it with /cancel, then try again.".into())
    }
}
