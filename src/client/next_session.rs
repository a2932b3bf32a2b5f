//! The session that follows this one: the screen leaves this session and opens the next.

use nexscope_relay::protocol::same_name;

use super::{Client, ClientError};
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
    /// Fails if that would interrupt something.
    pub fn start_as(&mut self, name: String) -> Result<(), ClientError> {
        let me = &self.room().settings.me;
        if self.room().connection == Connection::Online {
            let me = me.clone();
            return Err(ClientError::OnlineAs { me, name });
        }
        if self.host.is_some() {
            return Err(ClientError::HostKeepsName);
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
    /// Fails if leaving would interrupt something.
    pub fn may_join_another(&self) -> Result<(), ClientError> {
        if self.host.is_some() {
            return Err(ClientError::Hosting);
        }
        no_run(self)?;
        if self.room().files.open().any(Offer::is_moving) {
            return Err(ClientError::FileMoving);
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
    pub fn join(&mut self, invite: Invite) -> Result<(), ClientError> {
        self.may_join_another()?;
        self.onward = Some(NextSession::To(invite));
        Ok(())
    }

    /// Takes the session that follows this one.
    pub fn take_onward(&mut self) -> Option<NextSession> {
        self.onward.take()
    }
}

fn no_run(client: &Client) -> Result<(), ClientError> {
    match client.program.runs().is_empty() {
        true => Ok(()),
        false => Err(ClientError::AgentRunning),
    }
}
