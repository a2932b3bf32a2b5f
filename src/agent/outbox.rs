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
    outside: bool,
    kept: VecDeque<Event>,
    state: Option<Activity>,
    partial: Option<String>,
}

impl Outbox {
    pub fn push(&mut self, event: Event) {
        match event {
            Event::Session(id) => self.session = Some(id),
            Event::Outside => self.outside = true,
            Event::State(state) => self.state = Some(state),
            Event::Partial(text) => self.partial = Some(text),
            event => {
                if self.kept.len() == MAX_KEPT {
                    self.kept.pop_front();
                    tracing::debug!("a reader of an agent's events is far behind; the oldest is dropped");
                }
                self.kept.push_back(event);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.session.is_none()
            && !self.outside
            && self.kept.is_empty()
            && self.state.is_none()
            && self.partial.is_none()
    }

    /// The next to send: a state after what led to it, the answer last.
    pub fn pop(&mut self) -> Option<Event> {
        None.or_else(|| self.session.take().map(Event::Session))
            .or_else(|| std::mem::take(&mut self.outside).then_some(Event::Outside))
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
        outbox.push(Event::Outside);
        outbox.push(Event::Session("s".to_owned()));
        let events: Vec<Event> = std::iter::from_fn(|| outbox.pop()).collect();
        assert_eq!(events.len(), MAX_KEPT + 4);
        assert_eq!(events[0], Event::Session("s".to_owned()));
        // Before all that was written since.
        assert_eq!(events[1], Event::Outside);
        assert_eq!(events[2], Event::Notice((1000 - MAX_KEPT).to_string()));
        assert_eq!(events.last(), Some(&Event::Partial("999".to_owned())));
        assert!(outbox.is_empty());
    }
}
