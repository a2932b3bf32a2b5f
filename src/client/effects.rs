//! Carries out the room's effects.

use nexscope_relay::protocol::body::is_receipt;
use tokio::sync::mpsc;

use super::{Client, FRAMES_WAITING, RunControls};
use crate::{
    agent,
    client::delegated,
    clock::now,
    core::{
        Effect, Effects, Failure, Outbound,
        runs::{Ending, Failed, Prompt, RunEvent, Totals, ask::Ask},
    },
    store::ToWrite,
};

pub(super) fn carry_out(client: &mut Client, effects: Effects) {
    for (_, effect) in effects {
        match effect {
            Effect::Send(frame) => send(client, frame),
            Effect::Keep(record) => write(client, ToWrite::Record(record)),
            Effect::Audit(entry) => write(client, ToWrite::Audit(now(), entry)),
            Effect::Start { ask, before } => start_run(client, &ask, before),
            Effect::Stop { run } => {
                if let Some(run) = client.runs.get(&run) {
                    run.stop.cancel();
                }
            }
            Effect::Answer { run, request, answer } => {
                if let Some(answers) = client.runs.get(&run).map(|run| run.answers.clone()) {
                    // A run that no longer accepts answers is about to end.
                    tokio::spawn(async move { answers.send((request, answer)).await });
                }
            }
            Effect::SweepUp { run } => {
                let swept = client.swept_in.clone();
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
                let confirmed = client.config.agents.get(&agent);
                let kept = confirmed.map(|settings| client.config.confirmed.confirm(&agent, settings));
                if let Some(Err(error)) = kept {
                    client.warnings.push(format!(
                        "That cannot be saved, so it will be asked again: {error}."
                    ));
                }
            }
            Effect::File { handle, order } => client.transfers.carry_out(handle, order),
            Effect::Look {
                draft,
                files,
                brought,
            } => {
                client
                    .looking
                    .start(draft, files, client.room().settings.token.clone(), brought);
            }
            Effect::RefuseStream { stream, why } => client.link.files.refuse(stream, &why.to_string()),
            Effect::Attention(attention) => client.attention.push(attention),
        }
    }
    if client.room().settings.mode != client.staying.mode() {
        client
            .staying
            .hold_to(client.room().settings.mode, &client.config);
    }
    client.link.set_standing(super::standing(client.room()));
}

/// Queues a frame for the link in its lane, behind those that are already waiting there.
fn send(client: &mut Client, frame: Outbound) {
    let (lane, waiting) = match &frame {
        Outbound::Message(message) if is_receipt(&message.body) => {
            (&client.link.receipts, &mut client.receipts_to_link)
        }
        _ => (&client.link.frames, &mut client.to_link),
    };
    if waiting.is_empty() {
        if let Err(mpsc::error::TrySendError::Full(frame)) = lane.try_send(frame) {
            waiting.push_back(frame);
        }
    } else if !matches!(frame, Outbound::Signal(_)) || waiting.len() < FRAMES_WAITING {
        waiting.push_back(frame);
    }
}

/// Queues a write to the disk, behind those that are already waiting.
fn write(client: &mut Client, what: ToWrite) {
    match client.to_journal.is_empty() {
        true => {
            if let Err(mpsc::error::TrySendError::Full(what)) = client.journal.records.try_send(what) {
                client.to_journal.push_back(what);
            }
        }
        false => client.to_journal.push_back(what),
    }
}

fn start_run(client: &mut Client, ask: &Ask, before: Totals) {
    let events = client.agent_events_in.clone();
    let id = ask.run.clone();
    if delegated::hand_over(client, ask) {
        return;
    }
    let Some(settings) = client.config.agents.get(&ask.agent).cloned() else {
        // Asks name only configured agents; a reload may have removed one.
        let ending = Ending::failed(Failed::new(
            Failure::NotStarted,
            format!("there is no agent {} any more", ask.agent),
        ));
        tokio::spawn(async move { events.send((id, RunEvent::Ended(ending))).await });
        return;
    };
    let settings = match ask.alone {
        true => settings.unattended(client.config.auto_tools),
        false => settings,
    };
    let dir = settings
        .dir
        .as_ref()
        .map_or_else(|| client.here.clone(), |dir| crate::config::in_home(dir));
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
    let mut handle = client.staying.start(run);
    let steering = RunControls {
        stop: handle.stop.clone(),
        answers: handle.answers.clone(),
    };
    client.runs.insert(id.clone(), steering);
    tokio::spawn(async move {
        while let Some(event) = handle.events.recv().await {
            if events.send((id.clone(), event)).await.is_err() {
                return;
            }
        }
    });
}
