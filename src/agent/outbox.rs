//! Events on their way to a reader who may be slow.

use std::collections::VecDeque;

use nexscope_relay::protocol::body::Activity;

use super::Event;

/// How many tools and notices wait; then the oldest goes.
const MAX_KEPT: usize = 256;

/// What waits to be read. It never makes the agent wait: of states and partial answers only the newest
/// is kept.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    session: Option<String>,
    outside: Option<String>,
    kept: VecDeque<Event>,
    state: Option<Activity>,
    partial: Option<String>,
}

impl Outbox {
    pub fn push(&mut self, event: Event) {
        match event {
            Event::Session(id) => self.session = Some(id),
            Event::Outside(place) => _ = self.outside.get_or_insert(place),
            Event::State(state) => self.state = Some(state),
            Event::Partial(text) => self.partial = Some(text),
            // One that nobody has seen yet is no news any more.
            Event::PermissionGone(id) if self.forget_request(&id) => {}
            event => {
                // A request is never dropped: the agent would wait for ever. Of those few are open at once.
                let droppable = |one: &Event| matches!(one, Event::Tool { .. } | Event::Notice(_));
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

    /// Takes out a request that is not sent yet; whether there was one.
    fn forget_request(&mut self, id: &str) -> bool {
        let asked = |one: &Event| matches!(one, Event::Permission(request) if request.id == id);
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

    /// The next to send: a state after what led to it, the answer last.
    pub fn pop(&mut self) -> Option<Event> {
        None.or_else(|| self.session.take().map(Event::Session))
            .or_else(|| self.outside.take().map(Event::Outside))
            .or_else(|| self.kept.pop_front())
            .or_else(|| self.state.take().map(Event::State))
            .or_else(|| self.partial.take().map(Event::Partial))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest_and_stays_small() {
        let mut outbox = Outbox::default();
        for n in 0..1000 {
            outbox.push(Event::Partial(n.to_string()));
            outbox.push(Event::State(Activity::Writing));
            outbox.push(Event::Notice(n.to_string()));
        }
        outbox.push(Event::Outside("/x".to_owned()));
        outbox.push(Event::Outside("/y".to_owned()));
        outbox.push(Event::Session("s".to_owned()));
        let events: Vec<Event> = std::iter::from_fn(|| outbox.pop()).collect();
        assert_eq!(events.len(), MAX_KEPT + 4);
        assert_eq!(events[0], Event::Session("s".to_owned()));
        // Before all that was written since.
        assert_eq!(events[1], Event::Outside("/x".to_owned()));
        assert_eq!(events[2], Event::Notice((1000 - MAX_KEPT).to_string()));
        assert_eq!(events.last(), Some(&Event::Partial("999".to_owned())));
        assert!(outbox.is_empty());
    }
}
