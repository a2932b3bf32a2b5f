//! Carries out the effects that the room returns.

use tokio::sync::mpsc;

use super::{Client, FRAMES_WAITING, RunControls};
use crate::{
    agent,
    clock::now,
    core::{
        Effect, Failure, Outbound,
        runs::{Ending, Failed, Prompt, RunEvent, Totals, ask::Ask},
    },
    store::ToWrite,
};

impl Client {
    pub(super) fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(frame) => match self.to_link.is_empty() {
                    true => {
                        if let Err(mpsc::error::TrySendError::Full(frame)) = self.link.frames.try_send(frame)
                        {
                            self.to_link.push_back(frame);
                        }
                    }
                    false if matches!(frame, Outbound::Signal(_)) && self.to_link.len() >= FRAMES_WAITING => {
                    }
                    false => self.to_link.push_back(frame),
                },
                Effect::Keep(record) => self.write(ToWrite::Record(record)),
                Effect::Audit(entry) => self.write(ToWrite::Audit(now(), entry)),
                Effect::Start { ask, before } => self.start_run(&ask, before),
                Effect::Stop { run } => {
                    if let Some(run) = self.runs.get(&run) {
                        run.stop.cancel();
                    }
                }
                Effect::Answer { run, request, answer } => {
                    if let Some(answers) = self.runs.get(&run).map(|run| run.answers.clone()) {
                        // A run that no longer takes answers is about to end.
                        tokio::spawn(async move { answers.send((request, answer)).await });
                    }
                }
                Effect::SweepUp { run } => {
                    let swept = self.swept_in.clone();
                    tokio::spawn(async move {
                        let left = agent::end_leftovers(&run).await;
                        if left > 0 {
                            tracing::warn!(run, left, "processes of an earlier run could not be ended");
                        } else {
                            // The session may have ended meanwhile; the next one sweeps again.
                            let _ = swept.send(run).await;
                        }
                    });
                }
                Effect::Confirm { agent } => {
                    let confirmed = self.config.agents.get(&agent);
                    let kept = confirmed.map(|settings| self.config.confirmed.confirm(&agent, settings));
                    if let Some(Err(error)) = kept {
                        self.warnings.push(format!(
                            "That cannot be saved, so it will be asked again: {error}."
                        ));
                    }
                }
                Effect::File { handle, order } => self.transfers.carry_out(handle, order),
                Effect::Look {
                    draft,
                    files,
                    brought,
                } => {
                    self.looking
                        .start(draft, files, self.room.settings.token.clone(), brought);
                }
                Effect::RefuseStream { stream, why } => self.link.files.refuse(stream, &why),
                Effect::Attention(attention) => self.attention.push(attention),
            }
        }
        if self.room.settings.mode != self.staying.mode() {
            self.staying.hold_to(self.room.settings.mode, &self.config);
        }
        self.link.set_standing(super::standing(&self.room));
    }

    /// Queues something for the disk.
    fn write(&mut self, what: ToWrite) {
        match self.to_journal.is_empty() {
            true => {
                if let Err(mpsc::error::TrySendError::Full(what)) = self.journal.records.try_send(what) {
                    self.to_journal.push_back(what);
                }
            }
            false => self.to_journal.push_back(what),
        }
    }

    fn start_run(&mut self, ask: &Ask, before: Totals) {
        let events = self.agent_events_in.clone();
        let id = ask.run.clone();
        if self.hand_over(ask) {
            return;
        }
        let Some(settings) = self.config.agents.get(&ask.agent).cloned() else {
            // Requests name configured agents only; a reload may have removed one.
            let ending = Ending::failed(Failed::new(
                Failure::NotStarted,
                format!("there is no agent {} any more", ask.agent),
            ));
            tokio::spawn(async move { events.send((id, RunEvent::Ended(ending))).await });
            return;
        };
        let settings = match ask.alone {
            true => settings.unattended(self.config.auto_tools),
            false => settings,
        };
        let dir = settings
            .dir
            .as_ref()
            .map_or_else(|| self.here.clone(), |dir| crate::config::in_home(dir));
        let run = agent::Run {
            id: id.clone(),
            name: ask.agent.clone(),
            agent: settings,
            dir,
            prompt: Prompt::new(ask),
            files: ask.files.clone(),
            resume: ask.resume.clone(),
            before,
        };
        let mut handle = self.staying.start(run);
        let steering = RunControls {
            stop: handle.stop.clone(),
            answers: handle.answers.clone(),
        };
        self.runs.insert(id.clone(), steering);
        tokio::spawn(async move {
            while let Some(event) = handle.events.recv().await {
                if events.send((id.clone(), event)).await.is_err() {
                    return;
                }
            }
        });
    }
}
