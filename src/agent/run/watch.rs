//! The timeouts of a run: for its work, and for silence.
//!
//! Both programs retry a failed request for minutes without output (Claude Code ten times, Codex forever if
//! the connection is refused), so we do not rely on their own timeouts.

use std::{collections::HashSet, time::Duration};

use tokio::time::Instant;

use crate::{
    agent::{
        driver::{DriverEvent, Output},
        profile,
    },
    core::{
        Failure,
        runs::{Failed, settings::Kind},
    },
};

/// In effect no timeout for a person's answer; whoever wants one sets the limit.
const FOR_EVER: Duration = Duration::from_secs(7 * 86_400);

/// How many times longer a program that starts slowly may be silent before its first sign of life: opencode took 37 s.
const SLOW_START: u32 = 3;

/// The result of a passed deadline.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// It took too long; with the failure.
    Failed(Failed),
    /// It has finished its turn and is still there.
    Lingers,
}

#[derive(Debug)]
pub(crate) struct Watch {
    kind: Kind,
    timeout: Duration,
    stall: Duration,
    started: Instant,
    /// The last sign of life; the first retry after one counts as one.
    alive: Instant,
    /// It has begun to work.
    works: bool,
    retry: Option<String>,
    /// Open tool calls. A tool may be silent for long: that counts as work.
    tools: HashSet<String>,
    /// Open requests, and since when the first is open. Waiting is neither work nor silence.
    asking: HashSet<String>,
    asking_since: Option<Instant>,
    over: bool,
    /// The timeout for a program that has finished its turn to exit, or to send more.
    linger: Duration,
}

impl Watch {
    pub fn new(kind: Kind, timeout: Duration, stall: Duration, linger: Duration, started: Instant) -> Self {
        Self {
            kind,
            timeout,
            stall,
            started,
            alive: started,
            works: false,
            retry: None,
            tools: HashSet::new(),
            asking: HashSet::new(),
            asking_since: None,
            over: false,
            linger,
        }
    }

    /// Records an event.
    pub fn saw(&mut self, step: &DriverEvent, now: Instant) {
        match step {
            DriverEvent::Retry(reason) => {
                if self.retry.replace(reason.clone()).is_none() {
                    self.alive = now;
                }
                return;
            }
            // Both accompany the beginning or end of a call.
            DriverEvent::Touches { .. } | DriverEvent::Gave { .. } => return,
            DriverEvent::Notice(_) | DriverEvent::Reply(_) => return,
            // An existing session does not show that the model answers.
            DriverEvent::Session(_) => {
                self.alive = now;
                return;
            }
            DriverEvent::Tool { id, .. } => {
                self.tools.insert(id.clone());
            }
            DriverEvent::ToolDone(id) => {
                self.tools.remove(id);
            }
            // Also sent along with a retry: no sign of life.
            DriverEvent::ToolsDone => {
                self.tools.clear();
                return;
            }
            DriverEvent::Ask(request) => {
                self.asking.insert(request.id.clone());
                self.asking_since.get_or_insert(now);
            }
            DriverEvent::AskGone(id) => {
                self.told(id, now);
                return;
            }
            DriverEvent::TurnOver => {
                // A result does not wait for anyone's answer.
                self.asking.clear();
                self.asking_since = None;
                self.over = true;
            }
            DriverEvent::Life | DriverEvent::State(_) | DriverEvent::Grew => {}
        }
        self.alive = now;
        self.works = true;
        self.retry = None;
    }

    /// A request is answered or withdrawn: the time in between does not count as work.
    pub fn told(&mut self, request: &str, now: Instant) {
        self.asking.remove(request);
        if self.asking.is_empty()
            && let Some(since) = self.asking_since.take()
        {
            self.started += now - since;
            self.alive = now;
        }
    }

    /// Whether it has finished its turn.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Whether no tool call and no request is open.
    pub fn is_still(&self) -> bool {
        self.tools.is_empty() && self.asking.is_empty()
    }

    /// When [`Watch::verdict`] may have a result.
    pub fn deadline(&self) -> Instant {
        if let Some(since) = self.asking_since {
            return since + FOR_EVER;
        }
        let limit = self.started + self.timeout;
        match self.patience() {
            Some(patience) => limit.min(self.alive + patience),
            None => limit,
        }
    }

    /// Checks the deadlines at `now`.
    pub fn verdict(&self, now: Instant) -> Option<Verdict> {
        if now < self.deadline() {
            return None;
        }
        Some(if self.over {
            Verdict::Lingers
        } else if now >= self.started + self.timeout {
            let limit = in_words(self.timeout);
            let details = format!("it reached its time limit of {limit}");
            Verdict::Failed(Failed::new(Failure::TimedOut, details))
        } else {
            let stall = in_words(self.silence());
            Verdict::Failed(match &self.retry {
                Some(reason) => Failed::new(
                    Failure::Unreachable,
                    format!("nothing but retries for {stall}; the last one: {reason}"),
                ),
                None if !self.works => {
                    let details = format!("it has shown nothing for {stall}; its provider may be down");
                    Failed::new(Failure::Stalled, details)
                }
                None => Failed::new(Failure::Stalled, format!("it has shown nothing for {stall}")),
            })
        })
    }

    /// How long it may be silent before it counts as failed.
    fn silence(&self) -> Duration {
        match profile(self.kind).starts_slowly && !self.works {
            true => self.stall * SLOW_START,
            false => self.stall,
        }
    }

    /// The silence timeout now; `None` if only the run's time limit applies.
    fn patience(&self) -> Option<Duration> {
        if self.over {
            return Some(self.linger);
        }
        match profile(self.kind).output {
            Output::AtEnd => None,
            _ if self.retry.is_some() || !self.works => Some(self.silence()),
            Output::Continuous if self.tools.is_empty() => Some(self.stall),
            Output::Continuous | Output::Items => None,
        }
    }
}

/// Formats `duration` for people.
pub(crate) fn in_words(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if millis >= size && millis.is_multiple_of(size) {
            return format!("{} {unit}", millis / size);
        }
    }
    format!("{millis} ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Duration = Duration::from_secs(60);
    const LIMIT: Duration = Duration::from_secs(600);
    const LINGER: Duration = Duration::from_secs(5);

    fn tool() -> DriverEvent {
        DriverEvent::Tool {
            id: "t".to_owned(),
            name: String::new(),
            detail: String::new(),
        }
    }

    #[test]
    fn clocks() {
        use Kind::{Acp, Claude, Codex, Command};
        let retry = || DriverEvent::Retry("overloaded".to_owned());
        let done = || DriverEvent::ToolDone("t".to_owned());
        // Steps and the second at which each comes; then when and how it ends.
        let dead = "it has shown nothing for 1 m; its provider may be down";
        let silent = "it has shown nothing for 1 m";
        let retries = "nothing but retries for 1 m; the last one: overloaded";
        let limit = "it reached its time limit of 10 m";
        for (kind, steps, second, reason) in [
            (Claude, vec![], 60, dead),
            (Codex, vec![], 60, dead),
            (
                Acp,
                vec![],
                180,
                "it has shown nothing for 3 m; its provider may be down",
            ),
            (Acp, vec![(100, DriverEvent::Life)], 600, limit),
            (Acp, vec![(100, DriverEvent::Life), (200, retry())], 260, retries),
            (Command, vec![], 600, limit),
            (
                Claude,
                vec![
                    (0, DriverEvent::Session("s".to_owned())),
                    (10, DriverEvent::Notice("n".to_owned())),
                ],
                60,
                dead,
            ),
            (Claude, vec![(50, DriverEvent::Life)], 110, silent),
            (Codex, vec![(50, DriverEvent::Life)], 600, limit),
            (
                Codex,
                vec![(50, DriverEvent::Life), (300, retry()), (350, retry())],
                360,
                retries,
            ),
            (
                Claude,
                vec![(1, retry()), (5, retry()), (20, retry())],
                61,
                retries,
            ),
            (Claude, vec![(1, retry()), (5, DriverEvent::Grew)], 65, silent),
            (Claude, vec![(1, tool())], 600, limit),
            (Claude, vec![(1, tool()), (200, done())], 260, silent),
            (Claude, vec![(1, tool()), (2, retry())], 62, retries),
            (
                Codex,
                vec![
                    (1, tool()),
                    (3, DriverEvent::ToolsDone),
                    (3, retry()),
                    (9, DriverEvent::ToolsDone),
                    (9, retry()),
                ],
                63,
                retries,
            ),
        ] {
            let start = Instant::now();
            let mut watch = Watch::new(kind, LIMIT, STALL, LINGER, start);
            for (at, step) in &steps {
                let now = start + Duration::from_secs(*at);
                assert_eq!(watch.verdict(now), None);
                watch.saw(step, now);
            }
            let end = start + Duration::from_secs(second);
            assert_eq!(watch.deadline(), end, "{kind:?} {steps:?}");
            let Some(Verdict::Failed(failed)) = watch.verdict(end) else {
                panic!("{kind:?} {steps:?}")
            };
            assert_eq!(failed.details, reason);
        }
    }

    #[test]
    fn what_has_answered_is_given_a_moment() {
        let start = Instant::now();
        let mut watch = Watch::new(Kind::Claude, LIMIT, STALL, LINGER, start);
        watch.saw(&DriverEvent::TurnOver, start);
        assert_eq!(watch.verdict(start), None);
        assert_eq!(watch.verdict(start + LINGER), Some(Verdict::Lingers));
        watch.saw(&DriverEvent::Grew, start + Duration::from_secs(4));
        assert_eq!(watch.verdict(start + LINGER), None);
    }

    #[test]
    fn words() {
        for (millis, want) in [
            (1, "1 ms"),
            (1_500, "1500 ms"),
            (90_000, "90 s"),
            (600_000, "10 m"),
            (7_200_000, "2 h"),
        ] {
            assert_eq!(in_words(Duration::from_millis(millis)), want);
        }
    }
}
