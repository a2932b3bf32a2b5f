//! A run while its process is alive: its output, its timeouts, and its end.

mod ending;

use std::time::Duration;

use nexscope_relay::protocol::body::Activity;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use ending::{End, EndReason, unknown_end};

use super::{
    outbox::Outbox,
    pipes::read,
    requests::{RequestCheck, Requests},
    runner::HostEnvironment,
    tail::{TailLimits, TailTimer},
    watch::{Verdict, Watch},
};
use crate::{
    agent::{
        Run,
        driver::{Conclusion, DriverEvent, Exit},
        process_pool::ProcessPool,
        profile,
        program::Program,
        start_error::StartError,
        workspace_guard::WorkspaceGuard,
    },
    core::{
        Failure,
        runs::{Ending, Failed, RunEvent, ToolAnswer, ToolRequest, settings::Kind},
    },
    text,
};

/// The minimum interval between reports of a growing answer.
const PARTIAL_EVERY: Duration = Duration::from_millis(50);

/// The fallback interval for checking deadlines; no run has this as its deadline.
const PATIENCE: Duration = Duration::from_secs(60);

/// The maximum length of a failure's details, in characters.
pub(crate) const DETAILS: usize = 600;

/// A run whose process is alive.
pub(crate) struct Running {
    started: Instant,
    grace: Duration,
    events: mpsc::Sender<RunEvent>,
    outbox: Outbox,
    program: Program,
    /// A person's answers to its requests, by the request's id.
    answers: mpsc::Receiver<(String, ToolAnswer)>,
    border: WorkspaceGuard,
    told_outside: bool,
    watch: Watch,
    requests: Requests,
    /// The time for late output after its turn, if its kind needs one.
    settling: Option<TailTimer>,
    waits: TailLimits,
    /// It was still writing when that time was over.
    cut: bool,
    kind: Kind,
    /// The progress of ending it, once that has begun.
    end: Option<End>,
    /// Its program may return to the pool after its answer.
    may_stay: bool,
    /// Its turn is over, and whether its program may stay is still to be checked.
    rests: bool,
    /// When the answer is due to be reported.
    partial_due: Option<Instant>,
    state: Option<Activity>,
    session: Option<String>,
    tools: u32,
}

impl Running {
    /// Begins `run` in the pooled program, or starts one; fails with the reason if it cannot be started.
    pub async fn begin(
        run: Run,
        around: &HostEnvironment,
        kept: &ProcessPool,
        events: mpsc::Sender<RunEvent>,
        answers: mpsc::Receiver<(String, ToolAnswer)>,
    ) -> Result<Self, StartError> {
        let started = Instant::now();
        let mut outbox = Outbox::default();
        outbox.push(RunEvent::State(Activity::Thinking));
        let (program, session) = match gone_on(&run, kept, around).await {
            Some(program) => {
                outbox.push(RunEvent::Session(run.resume.clone().unwrap_or_default()));
                (program, run.resume.clone())
            }
            None => {
                let (program, notices) = Program::start(&run, around).await?;
                notices
                    .into_iter()
                    .map(RunEvent::Notice)
                    .for_each(|notice| outbox.push(notice));
                (program, None)
            }
        };
        Ok(Self {
            watch: Watch::new(
                run.agent.kind,
                run.agent.timeout,
                run.agent.stall,
                around.grace * 2,
                started,
            ),
            started,
            grace: around.grace,
            events,
            outbox,
            may_stay: program.goes_on && !run.agent.idle.is_zero(),
            program,
            answers,
            border: WorkspaceGuard::new(&run.dir, &run.files),
            told_outside: false,
            requests: Requests::default(),
            settling: None,
            waits: around.waits,
            cut: false,
            kind: run.agent.kind,
            end: None,
            rests: false,
            partial_due: None,
            state: Some(Activity::Thinking),
            session,
            tools: 0,
        })
    }

    /// The id of the run that its program was started for.
    pub fn began_with(&self) -> &str {
        &self.program.began_with
    }

    /// Drives the run until all its processes are gone, or until it has answered and its program may stay;
    /// returns the program then.
    pub async fn see_through(mut self, stop: &CancellationToken) -> (Ending, Option<Program>) {
        let mut buffer = vec![0; 64 << 10];
        let events = self.events.clone();
        let mut reader_there = true;
        let exit = loop {
            if std::mem::take(&mut self.rests) {
                match self.rest(stop).await {
                    Some(conclusion) => {
                        self.last_events(reader_there).await;
                        let (ending, program) = self.ending(conclusion);
                        return (ending, Some(program));
                    }
                    None => self.let_go(),
                }
            }
            let next = self.next_deadline();
            // In this order: an agent that floods its output can still be stopped.
            tokio::select! {
                biased;
                status = self.program.process.wait() => break status,
                () = stop.cancelled(), if self.end.is_none() => self.end(EndReason::Cancelled),
                () = events.closed(), if reader_there => {
                    reader_there = false;
                    self.end(EndReason::Cancelled);
                }
                () = sleep_until(next) => self.due(),
                slot = events.reserve(), if reader_there && !self.outbox.is_empty() => {
                    if let (Ok(slot), Some(event)) = (slot, self.outbox.pop()) {
                        slot.send(event);
                    }
                }
                Some((request, answer)) = self.answers.recv() => self.answered(&request, &answer),
                read = read(&mut self.program.stdout, &mut buffer) => self.take(read.map(|n| &buffer[..n])),
                // Only if there is nothing to read.
                () = silence(self.settling.as_ref()) => self.settled(),
            }
        };
        let left = self.program.process.sweep(self.grace).await;
        if left > 0 {
            self.outbox.push(RunEvent::Notice(format!(
                "{left} processes that it started could not be ended"
            )));
        }
        // Output from before its exit is still in the pipe. EOF arrives when nobody holds the pipe any more;
        // a process that escaped the sweep must not block us.
        let _ = timeout(self.grace, async {
            while self.program.stdout.is_some() {
                let read = read(&mut self.program.stdout, &mut buffer).await;
                self.take(read.map(|n| &buffer[..n]));
            }
        })
        .await;
        let stderr = match timeout(self.grace, &mut self.program.stderr).await {
            Ok(Ok(text)) => text,
            _ => String::new(),
        };
        let conclusion = match exit {
            Ok(status) => self.program.reader.conclude(&Exit::new(status, stderr)),
            Err(error) => unknown_end(&error),
        };
        self.last_events(reader_there).await;
        (self.ending(conclusion).0, None)
    }

    /// The result, if it has answered and its program may stay: nothing was left running, and nobody has
    /// stopped it.
    async fn rest(&mut self, stop: &CancellationToken) -> Option<Conclusion> {
        let still = self.watch.is_still() && self.program.stdout.is_some() && self.session.is_some();
        let wanted = self.end.is_none() && !self.cut && !stop.is_cancelled();
        match still && wanted && self.program.process.is_alone().await {
            true => self.program.reader.rest(),
            false => None,
        }
    }

    /// When [`Running::due`] has something to do.
    fn next_deadline(&self) -> Instant {
        let end = match (&self.end, &self.settling) {
            (Some(end), _) => end.next,
            // Its work is done: its limits no longer apply, and pending output is read first.
            (None, Some(_)) => Instant::now() + PATIENCE,
            (None, None) => self.watch.deadline(),
        };
        self.partial_due.map_or(end, |partial| partial.min(end))
    }

    /// Handles expired deadlines.
    fn due(&mut self) {
        let now = Instant::now();
        if self.partial_due.is_some_and(|due| due <= now) {
            self.report_answer();
        }
        match &self.end {
            Some(end) if end.next <= now => self.harder(),
            Some(_) => {}
            // Silence or the time limit ends it, in the read loop.
            None if self.settling.is_some() => {}
            None => match self.watch.verdict(now) {
                Some(Verdict::Failed(failed)) => self.end(EndReason::Failed(failed)),
                Some(Verdict::Lingers) => self.end(EndReason::Lingers),
                None => {}
            },
        }
    }

    /// Forwards a person's answer to the agent.
    fn answered(&mut self, request: &str, answer: &ToolAnswer) {
        self.watch.told(request, Instant::now());
        if self.end.is_some() || !self.requests.close(request) {
            return;
        }
        if let Some(reply) = self.program.reader.reply(request, answer) {
            self.write(reply);
        }
    }

    /// Writes a reply to the program. A program that asks faster than it reads would wait forever for its
    /// answer.
    fn write(&mut self, reply: String) {
        let Some(input) = &self.program.input else { return };
        if input.try_send(reply).is_err() {
            self.end(EndReason::Failed(Failed::new(
                Failure::Protocol,
                "it does not read the answers to its requests",
            )));
        }
    }

    fn report_answer(&mut self) {
        self.partial_due = None;
        self.outbox.push(RunEvent::Partial(text::clean_with_tabs(
            self.program.reader.answer(),
        )));
    }

    /// Handles output; an error or no bytes is its end.
    fn take(&mut self, read: std::io::Result<&[u8]>) {
        let Ok(bytes @ [_, ..]) = read else {
            self.program.stdout = None;
            return self.settled();
        };
        if let Some(settling) = &mut self.settling {
            settling.heard(Instant::now());
        }
        let mut steps = Vec::new();
        self.program.reader.feed(bytes, &mut steps);
        for step in steps {
            self.step(step);
        }
        let waited = |settling: &TailTimer| settling.at_most <= Instant::now();
        if self.settling.as_ref().is_some_and(waited) {
            self.settled();
        }
    }

    fn step(&mut self, step: DriverEvent) {
        // The end of a turn counts only if nothing more follows it.
        if step != DriverEvent::TurnOver {
            self.watch.saw(&step, Instant::now());
        }
        match step {
            DriverEvent::Touches { id, places } => {
                self.border.touches(&id, &places);
                if let Some(place) = self.border.crossed() {
                    self.outside(place.clone());
                }
            }
            DriverEvent::Gave { id, text } => self.border.gave(&id, &text),
            DriverEvent::Life | DriverEvent::ToolDone(_) | DriverEvent::ToolsDone => {}
            DriverEvent::Session(id) => {
                if self.session.as_ref() != Some(&id) {
                    self.outbox.push(RunEvent::Session(id.clone()));
                    self.session = Some(id);
                }
            }
            DriverEvent::State(state) => self.show(state),
            DriverEvent::Tool { name, detail, .. } => {
                self.tools += 1;
                self.outbox.push(RunEvent::Tool {
                    name: text::escaped_line(&name, 64),
                    detail: text::escaped_line(&detail, 300),
                });
                self.show(Activity::Tool);
            }
            DriverEvent::Grew => {
                if let Some(settling) = &mut self.settling {
                    settling.grew(Instant::now());
                }
                self.partial_due
                    .get_or_insert_with(|| Instant::now() + PARTIAL_EVERY);
            }
            DriverEvent::Retry(reason) => {
                self.outbox.push(RunEvent::Notice(format!(
                    "it tries again: {}",
                    text::one_line(&reason, 300)
                )));
            }
            DriverEvent::Notice(notice) => self.outbox.push(RunEvent::Notice(text::one_line(&notice, 400))),
            DriverEvent::Ask(request) => self.asks(request),
            DriverEvent::AskGone(id) => {
                if self.requests.close(&id) {
                    self.outbox.push(RunEvent::PermissionGone(id));
                }
            }
            DriverEvent::Reply(line) => self.write(line),
            DriverEvent::TurnOver => self.turn_over(),
        }
    }

    /// Reports the first place outside at once.
    fn outside(&mut self, place: String) {
        if !std::mem::replace(&mut self.told_outside, true) {
            self.outbox.push(RunEvent::Outside(place));
        }
    }

    /// Handles a request to use a tool. A request id is never reused, not even after its answer: an answer to
    /// the first must not reach the second, and every known program counts its ids up.
    fn asks(&mut self, request: ToolRequest) {
        // After its turn it waits for nothing.
        let over = self.end.is_some() || self.settling.is_some() || self.watch.is_over();
        match self.requests.ask(&request.id, over) {
            RequestCheck::New => {
                let outside = self.border.beyond(&request.outside);
                self.outbox.push(RunEvent::Permission(ToolRequest {
                    tool: crate::text::escape_line(text::first_bytes(&request.tool, 256)).text,
                    outside,
                    ..request
                }));
                self.show(Activity::Waiting);
            }
            RequestCheck::Refused => {
                self.watch.told(&request.id, Instant::now());
                let answer = ToolAnswer::Deny("nobody can be asked now".to_owned());
                if let Some(reply) = self.program.reader.reply(&request.id, &answer) {
                    self.write(reply);
                }
            }
            RequestCheck::Twice => {
                self.close_requests();
                self.end(EndReason::Failed(Failed::new(
                    Failure::Protocol,
                    "it used one request's ID for another one, and was stopped",
                )));
            }
        }
    }

    /// Closes all open requests.
    fn close_requests(&mut self) {
        for id in self.requests.close_all() {
            self.watch.told(&id, Instant::now());
            self.outbox.push(RunEvent::PermissionGone(id));
        }
    }

    /// Handles the end of its turn. Some kinds send more anyway, and are given a moment.
    fn turn_over(&mut self) {
        // A turn with an open request has not ended well: such a program is not kept.
        self.may_stay &= self.requests.is_empty();
        self.close_requests();
        let more = profile(self.kind).sends_late;
        if more && self.end.is_none() && !self.watch.is_over() && self.program.stdout.is_some() {
            self.settling
                .get_or_insert_with(|| TailTimer::since(Instant::now(), self.waits));
        } else {
            self.over();
        }
    }

    /// Its late output has ended.
    fn settled(&mut self) {
        let Some(settling) = self.settling.take() else {
            return;
        };
        self.cut = settling.is_cut(Instant::now());
        self.over();
    }

    fn over(&mut self) {
        self.watch.saw(&DriverEvent::TurnOver, Instant::now());
        match self.may_stay && self.end.is_none() {
            true => self.rests = true,
            false => self.let_go(),
        }
    }

    fn show(&mut self, state: Activity) {
        if self.state != Some(state) {
            self.state = Some(state);
            self.outbox.push(RunEvent::State(state));
        }
    }
}

/// Completes once it is silent after its turn; pending forever if its turn is not over.
async fn silence(settling: Option<&TailTimer>) {
    match settling {
        Some(settling) => sleep_until(settling.silent_at()).await,
        None => std::future::pending().await,
    }
}

/// Sends `run` to its pooled program; `None` if there is none that can continue.
async fn gone_on(run: &Run, kept: &ProcessPool, around: &HostEnvironment) -> Option<Program> {
    let mut program = kept.take(run, around).await?;
    let asked = match (program.reader.go_on(run), &program.input) {
        (Some(prompt), Some(input)) => input.try_send(prompt).is_ok(),
        _ => false,
    };
    if asked {
        return Some(program);
    }
    kept.finish(program, around.grace).await;
    None
}
