//! Queues events for a reader who may be slow.

use std::collections::VecDeque;

use nexscope_relay::protocol::body::Activity;

use crate::{core::runs::RunEvent, text::Clean};

/// The maximum number of queued tools and notices; then the oldest is dropped.
const MAX_KEPT: usize = 256;

/// The queue of events. It never blocks the agent: of states and partial answers only the newest is kept.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    session: Option<String>,
    outside: Option<String>,
    kept: VecDeque<RunEvent>,
    state: Option<Activity>,
    partial: Option<Clean>,
}

impl Outbox {
    pub fn push(&mut self, event: RunEvent) {
        match event {
            RunEvent::Session(id) => self.session = Some(id),
            RunEvent::Outside(place) => _ = self.outside.get_or_insert(place),
            RunEvent::State(state) => self.state = Some(state),
            RunEvent::Partial(text) => self.partial = Some(text),
            // If nobody has seen the request yet, both are dropped.
            RunEvent::PermissionGone(id) if self.forget_request(&id) => {}
            event => {
                // Requests are never dropped: the agent would wait forever. Few of them are open at once.
                let droppable = |one: &RunEvent| matches!(one, RunEvent::Tool { .. } | RunEvent::Notice(_));
                if self.kept.len() >= MAX_KEPT
                    && let Some(at) = self.kept.iter().position(droppable)
                {
                    self.kept.remove(at);
                    tracing::debug!("a reader of an agent's events is far behind; the oldest is dropped");
                }
                self.kept.push_back(event);
            }
        }
    }

    /// Removes a request that is not sent yet; returns whether there was one.
    fn forget_request(&mut self, id: &str) -> bool {
        let asked = |one: &RunEvent| matches!(one, RunEvent::Permission(request) if request.id == id);
        let at = self.kept.iter().position(asked);
        at.and_then(|at| self.kept.remove(at)).is_some()
    }

    pub fn is_empty(&self) -> bool {
        self.session.is_none()
            && self.outside.is_none()
            && self.kept.is_empty()
            && self.state.is_none()
            && self.partial.is_none()
    }

    /// Pops the next event to send: a state after the events that led to it, the answer last.
    pub fn pop(&mut self) -> Option<RunEvent> {
        None.or_else(|| self.session.take().map(RunEvent::Session))
            .or_else(|| self.outside.take().map(RunEvent::Outside))
            .or_else(|| self.kept.pop_front())
            .or_else(|| self.state.take().map(RunEvent::State))
            .or_else(|| self.partial.take().map(RunEvent::Partial))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest_and_stays_small() {
        let mut outbox = Outbox::default();
        for n in 0..1000 {
            outbox.push(RunEvent::Partial(n.to_string().into()));
            outbox.push(RunEvent::State(Activity::Writing));
            outbox.push(RunEvent::Notice(n.to_string()));
        }
        outbox.push(RunEvent::Outside("/x".to_owned()));
        outbox.push(RunEvent::Outside("/y".to_owned()));
        outbox.push(RunEvent::Session("s".to_owned()));
        let events: Vec<RunEvent> = std::iter::from_fn(|| outbox.pop()).collect();
        assert_eq!(events.len(), MAX_KEPT + 4);
        assert_eq!(events[0], RunEvent::Session("s".to_owned()));
        // Before everything written since.
        assert_eq!(events[1], RunEvent::Outside("/x".to_owned()));
        assert_eq!(events[2], RunEvent::Notice((1000 - MAX_KEPT).to_string()));
        assert_eq!(events.last(), Some(&RunEvent::Partial("999".into())));
        assert!(outbox.is_empty());
    }
}
