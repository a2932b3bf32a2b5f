//! The screen of a headless session, on this terminal.

use std::{
    io::{self, IsTerminal, stdin, stdout},
    os::unix::net,
    process::ExitCode,
};

use clap::Args;

use futures_util::StreamExt;
use tokio::{
    io::{AsyncReadExt, BufReader},
    net::UnixStream,
    sync::mpsc,
};

use super::{Failure, client, log, start::stopped};
use crate::{
    config::{self, Flags, Paths},
    control::{Attach as Terminal, FromTerminal, Request, ToTerminal, read_line, write_line},
    tui::{Events, Guard, Surface},
};

/// Show the screen of a headless session
#[derive(Debug, Args)]
pub(super) struct Attach {
    /// The member whose session to show, if several run
    #[arg(long, value_name = "NAME")]
    member: Option<String>,
}

/// Shows the session until the person leaves or it ends.
pub(super) fn run(attach: &Attach, paths: &Paths) -> Result<ExitCode, Failure> {
    if !stdin().is_terminal() || !stdout().is_terminal() {
        return Err(Failure::Words(
            "attach shows a screen: run it in a terminal.".into(),
        ));
    }
    let mut client = client::open(paths, attach.member.as_deref())?;
    if !client.entry.headless {
        let words = format!(
            "{}'s session has a screen or lines of its own; use it there.",
            client.entry.name
        );
        return Err(Failure::Words(words));
    }
    let config = config::load(paths, |name| std::env::var(name).ok(), &Flags::default())?;
    let _log = log::start(&paths.state);
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::Runtime)?;
    let why = runtime.block_on(async {
        let mut stop = std::pin::pin!(stopped());
        let mut guard =
            Guard::take(&log::folder(&paths.state), &config.terminal).map_err(Failure::Terminal)?;
        let (columns, rows) = crossterm::terminal::size().map_err(Failure::Terminal)?;
        let terminal = Terminal {
            columns,
            rows,
            abilities: guard.abilities,
        };
        client.ask(&Request::Attach(terminal))?;
        let (begun, stream) = client.into_parts().map_err(Failure::Terminal)?;
        tokio::select! {
            ended = carry(&mut guard, begun, stream, paths) => ended.map_err(Failure::Terminal),
            () = &mut stop => Ok(String::new()),
        }
    })?;
    runtime.shutdown_background();
    super::say(&why)?;
    Ok(ExitCode::SUCCESS)
}

/// Forwards between the terminal and the session; returns the reason for the end.
async fn carry(
    guard: &mut Guard,
    begun: Vec<u8>,
    stream: net::UnixStream,
    paths: &Paths,
) -> io::Result<String> {
    stream.set_nonblocking(true)?;
    let (reading, mut writing) = UnixStream::from_std(stream)?.into_split();
    let mut reading = BufReader::new(io::Cursor::new(begun).chain(reading));
    // In its own task: a partly read line must not be dropped when a key arrives.
    let (told_in, mut told) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Ok(Some(line)) = read_line(&mut reading).await {
            if told_in.send(line).await.is_err() {
                return;
            }
        }
    });
    let mut events = Events::new();
    loop {
        tokio::select! {
            told = told.recv() => match told {
                Some(ToTerminal::Draw(bytes)) => {
                    let out = guard.raw();
                    out.write_all(bytes.as_bytes())?;
                    out.flush()?;
                }
                Some(ToTerminal::Copy(text)) => guard.copy(text)?,
                Some(ToTerminal::Lend(errand)) => {
                    drop(events);
                    let back = guard.lend(&errand, &paths.state).await;
                    events = Events::new();
                    let back = FromTerminal::Back(back.map_err(|error| error.to_string()));
                    write_line(&mut writing, &back).await?;
                }
                Some(ToTerminal::End(why)) => return Ok(why),
                None => return Ok("The session has ended.".to_owned()),
            },
            event = events.next() => match event.transpose()? {
                Some(event) => write_line(&mut writing, &FromTerminal::Event(event)).await?,
                None => return Ok(String::new()),
            },
        }
    }
}
