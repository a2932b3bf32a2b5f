//! One run while its process is there: its output, its clocks, and how it is ended.

use std::time::Duration;

use nexscope_relay::protocol::body::Activity;
use rustix::process::Signal;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

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
        program::Program,
        workspace_guard::WorkspaceGuard,
    },
    core::{
        Failure,
        runs::{Ending, Failed, Outcome, RunEvent, ToolAnswer, ToolRequest, Totals, settings::Kind},
    },
    text,
};

/// How often a growing answer is reported.
const PARTIAL_EVERY: Duration = Duration::from_millis(50);

/// No run has this as its deadline: it is only looked at again.
const PATIENCE: Duration = Duration::from_secs(60);

/// The most characters of a failure's details.
pub(crate) const DETAILS: usize = 600;

/// Why a run is being ended by us.
#[derive(Debug, Clone, PartialEq)]
enum EndReason {
    Cancelled,
    Failed(Failed),
    /// It has said its last and does not go.
    Lingers,
}

/// A run on its way to its end.
struct End {
    why: EndReason,
    /// The signals to come, the mildest first.
    ladder: &'static [Signal],
    /// When the next step is due.
    next: Instant,
}

/// A run whose process is there.
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
    /// What it may still say after its turn, where its kind says more.
    settling: Option<TailTimer>,
    waits: TailLimits,
    /// It was still writing when it was waited for no longer.
    cut: bool,
    kind: Kind,
    /// How it is being ended, once it is.
    end: Option<End>,
    /// Its program may stay when it has answered.
    may_stay: bool,
    /// Its turn is over, and whether its program stays is to be seen.
    rests: bool,
    /// When the answer is to be reported.
    partial_due: Option<Instant>,
    state: Option<Activity>,
    session: Option<String>,
    tools: u32,
}

impl Running {
    /// Begins `run` in the program that was kept for it, or starts one; says why where it cannot be.
    pub async fn begin(
        run: Run,
        around: &HostEnvironment,
        kept: &ProcessPool,
        events: mpsc::Sender<RunEvent>,
        answers: mpsc::Receiver<(String, ToolAnswer)>,
    ) -> Result<Self, String> {
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

    /// The run that its program was started for.
    pub fn began_with(&self) -> &str {
        &self.program.began_with
    }

    /// Sees it through until every process of it is gone, or until it has answered and its program may stay, which is
    /// given back then.
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
            // In this order: an agent that floods its output is stopped anyway.
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
                // Only where nothing is there to read.
                () = silence(self.settling.as_ref()) => self.settled(),
            }
        };
        let left = self.program.process.sweep(self.grace).await;
        if left > 0 {
            self.outbox.push(RunEvent::Notice(format!(
                "{left} processes that it started could not be ended"
            )));
        }
        // What it wrote before it ended is still in the pipe. Its end comes when nobody holds the pipe
        // any more; what got away from the sweep must not hold us up.
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

    /// What came of it, where it has answered and its program may stay: it has left nothing running, and nobody has
    /// stopped it.
    async fn rest(&mut self, stop: &CancellationToken) -> Option<Conclusion> {
        let still = self.watch.is_still() && self.program.stdout.is_some() && self.session.is_some();
        let wanted = self.end.is_none() && !self.cut && !stop.is_cancelled();
        match still && wanted && self.program.process.is_alone().await {
            true => self.program.reader.rest(),
            false => None,
        }
    }

    /// The moment at which [`Running::due`] has something to do.
    fn next_deadline(&self) -> Instant {
        let end = match (&self.end, &self.settling) {
            (Some(end), _) => end.next,
            // Its work is done: no limit of it is reached any more, and what there is to read comes first.
            (None, Some(_)) => Instant::now() + PATIENCE,
            (None, None) => self.watch.deadline(),
        };
        self.partial_due.map_or(end, |partial| partial.min(end))
    }

    /// Does what time asks for.
    fn due(&mut self) {
        let now = Instant::now();
        if self.partial_due.is_some_and(|due| due <= now) {
            self.report_answer();
        }
        match &self.end {
            Some(end) if end.next <= now => self.harder(),
            Some(_) => {}
            // Silence or its limit ends it, where it is read.
            None if self.settling.is_some() => {}
            None => match self.watch.verdict(now) {
                Some(Verdict::Failed(failed)) => self.end(EndReason::Failed(failed)),
                Some(Verdict::Lingers) => self.end(EndReason::Lingers),
                None => {}
            },
        }
    }

    /// A person has answered a request: the agent is told.
    fn answered(&mut self, request: &str, answer: &ToolAnswer) {
        self.watch.told(request, Instant::now());
        if self.end.is_some() || !self.requests.close(request) {
            return;
        }
        if let Some(reply) = self.program.reader.reply(request, answer) {
            self.write(reply);
        }
    }

    /// Writes a reply to the program. A program that asks faster than it reads would wait forever for its answer.
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

    /// Reads output; an error or nothing is its end.
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
        // That a turn is over is believed once nothing more comes of it.
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

    /// The first place outside is told at once.
    fn outside(&mut self, place: String) {
        if !std::mem::replace(&mut self.told_outside, true) {
            self.outbox.push(RunEvent::Outside(place));
        }
    }

    /// It wants to use a tool. One request id is one request, also after its answer: who decides on the first one
    /// must not answer the second, and every known program counts its ids up.
    fn asks(&mut self, request: ToolRequest) {
        // With its turn it waits for nothing any more.
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

    /// Nobody answers what it has asked for any more.
    fn close_requests(&mut self) {
        for id in self.requests.close_all() {
            self.watch.told(&id, Instant::now());
            self.outbox.push(RunEvent::PermissionGone(id));
        }
    }

    /// It says that its turn is over. Some kinds say more anyway, and are given a moment.
    fn turn_over(&mut self) {
        // What waits for an answer does not end well: such a program does not stay.
        self.may_stay &= self.requests.is_empty();
        self.close_requests();
        let more = matches!(self.kind, Kind::Codex | Kind::Acp);
        if more && self.end.is_none() && !self.watch.is_over() && self.program.stdout.is_some() {
            self.settling
                .get_or_insert_with(|| TailTimer::since(Instant::now(), self.waits));
        } else {
            self.over();
        }
    }

    /// It has said all that it is waited for.
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

    /// Its input ends, and so will it, or it is told to.
    fn let_go(&mut self) {
        self.program.input = None;
        match &mut self.end {
            _ if !self.program.stays_there => {}
            // It has stopped, as it was asked to.
            Some(end) => end.next = Instant::now(),
            None => self.end(EndReason::Lingers),
        }
    }

    fn show(&mut self, state: Activity) {
        if self.state != Some(state) {
            self.state = Some(state);
            self.outbox.push(RunEvent::State(state));
        }
    }

    /// Begins to end the run. A reason that comes later changes nothing, and a stop of what has already
    /// answered leaves the answer standing.
    fn end(&mut self, why: EndReason) {
        if self.end.is_none() {
            let why = if self.watch.is_over() {
                EndReason::Lingers
            } else {
                why
            };
            self.end = Some(End {
                why,
                ladder: self.program.signals.ladder,
                next: Instant::now(),
            });
            self.harder();
        }
    }

    /// The next step towards an end: asked in its own words where it knows any, then signals to its group.
    fn harder(&mut self) {
        // The end of its input, too, says that nothing more will be asked.
        let asked = self
            .program
            .input
            .take()
            .zip(self.program.reader.interrupt())
            .is_some_and(|(input, interrupt)| input.try_send(interrupt).is_ok());
        let Some(end) = &mut self.end else {
            return;
        };
        end.next = Instant::now() + self.grace;
        if asked {
            return;
        }
        if let [signal, harder @ ..] = end.ladder {
            self.program.process.signal(*signal);
            // The last one is given again and again.
            if !harder.is_empty() {
                end.ladder = harder;
            }
        }
    }

    /// Sends what waits, and the answer as it is last seen, to a reader who is there.
    async fn last_events(&mut self, reader_there: bool) {
        if self.partial_due.is_some() {
            self.report_answer();
        }
        while let Some(event) = self.outbox.pop() {
            if !reader_there || self.events.send(event).await.is_err() {
                return;
            }
        }
    }

    fn ending(self, conclusion: Conclusion) -> (Ending, Program) {
        let outcome = match self.end.map(|end| end.why) {
            Some(EndReason::Cancelled) => Outcome::Cancelled,
            Some(EndReason::Failed(failed)) => Outcome::Failed(failed),
            Some(EndReason::Lingers) | None => conclusion.outcome,
        };
        let outcome = match outcome {
            Outcome::Answer(_) if self.cut => Outcome::Failed(Failed::new(
                Failure::Unfinished,
                "it went on writing after its turn was over",
            )),
            Outcome::Answer(answer) => match text::clean_with_tabs(&answer).trim() {
                "" => Outcome::Failed(Failed::new(Failure::NoAnswer, Failure::NoAnswer.in_words())),
                answer => Outcome::Answer(answer.to_owned()),
            },
            Outcome::Failed(failed) => Outcome::Failed(Failed {
                details: text::one_line(&failed.details, DETAILS),
                ..failed
            }),
            Outcome::Cancelled => Outcome::Cancelled,
        };
        let unfinished = match &outcome {
            Outcome::Answer(_) => String::new(),
            _ => text::clean_with_tabs(&self.program.reader.written())
                .trim()
                .to_owned(),
        };
        let ending = Ending {
            outcome,
            // What was written is not lost where the same ask begins again.
            session_lost: conclusion.session_lost && unfinished.is_empty(),
            unfinished,
            files: Vec::new(),
            session: self.session,
            took: self.started.elapsed(),
            tools: self.tools,
            usd: conclusion.usd,
            tokens: conclusion.tokens,
            totals: conclusion.totals,
            outside: self.border.found(),
            stays: false,
        };
        (ending, self.program)
    }
}

/// Until it is silent after its turn; forever where its turn is not over.
async fn silence(settling: Option<&TailTimer>) {
    match settling {
        Some(settling) => sleep_until(settling.silent_at()).await,
        None => std::future::pending().await,
    }
}

/// The program that was kept for `run`, asked; `None` if there is none that goes on.
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

/// The end of a process that the system would not tell about.
fn unknown_end(error: &std::io::Error) -> Conclusion {
    Conclusion {
        outcome: Outcome::Failed(Failed::new(
            Failure::Internal,
            format!("its end could not be learned: {error}"),
        )),
        usd: None,
        tokens: None,
        totals: Totals::default(),
        session_lost: false,
    }
}
