//! Connects to a running session, from a shell command, a hook, or the MCP server.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use super::{Entry, Envelope, Reply, Request, Response, RpcError, SessionRegistry, VERSION};

/// A connection to a running session.
#[derive(Debug)]
pub struct SocketClient {
    pub entry: Entry,
    stream: BufReader<UnixStream>,
    agent: Option<String>,
    asked: u64,
}

/// A session cannot be reached, or refuses the request.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("no session runs for this folder; open one with nexscope-tui, or nexscope-tui start --headless")]
    None,
    /// The member has no running session.
    #[error("no session of {0} runs here; leave --member out, or start one with -n {0}")]
    NoneOf(String),
    /// Several sessions match.
    #[error("several sessions run ({0}); change to the folder of one, or give --member NAME")]
    Several(String),
    #[error("the session does not answer ({0}); check whether it still runs")]
    Broken(#[from] io::Error),
    /// It accepts a connection or not, but does not respond in time.
    #[error(
        "the session of {0} is not responding: process {1} may be stopped (kill -CONT {1} continues it) or very busy"
    )]
    Silent(String, u32),
    /// It answers something else than this program expects.
    #[error(
        "the session answers in a form that this program does not know, such as that of another version; start it again"
    )]
    Unreadable,
    #[error("{}", .0.message)]
    Problem(RpcError),
}

/// How long a session may take to accept a request and to respond, beyond the time that the request itself waits.
const RESPONSE: Duration = Duration::from_secs(5);

/// A session that runs, with a connection unless it accepts none at the moment.
type Found = (Entry, Option<UnixStream>);

/// The sessions that run.
fn alive(registries: &[SessionRegistry]) -> Vec<Found> {
    let entries = registries.iter().flat_map(SessionRegistry::entries);
    entries
        .filter_map(|(socket, entry)| match connect(&socket) {
            Ok(stream) => is_ours(&stream).then_some((entry, Some(stream))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some((entry, None)),
            Err(_) => None,
        })
        .collect()
}

/// Connects without waiting: a session that is stopped may have a full queue. Fails with `WouldBlock` if it has.
fn connect(socket: &Path) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(socket)?;
    let stream = UnixStream::from(rustix::net::socket(
        AddressFamily::UNIX,
        SocketType::STREAM,
        None,
    )?);
    rustix::io::fcntl_setfd(&stream, rustix::io::FdFlags::CLOEXEC)?;
    stream.set_nonblocking(true)?;
    rustix::net::connect(&stream, &address)?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Whether the process at the other end belongs to this user: nothing is sent before that is checked.
#[cfg(target_os = "linux")]
fn is_ours(stream: &UnixStream) -> bool {
    rustix::net::sockopt::socket_peercred(stream).is_ok_and(|peer| peer.uid == rustix::process::geteuid())
}

/// This system has no safe call to check that; the folder and the socket belong to this user.
#[cfg(not(target_os = "linux"))]
fn is_ours(_: &UnixStream) -> bool {
    true
}

/// Finds the session to use: the one with that name if one is given, otherwise the one of `here` or of a
/// folder above it, otherwise the only one. Fails if no session, or more than one, matches.
pub fn find(
    registries: &[SessionRegistry],
    here: &Path,
    name: Option<&str>,
) -> Result<SocketClient, SocketError> {
    let mut all = alive(registries);
    if let Some(name) = name {
        all.retain(|(entry, _)| entry.name.eq_ignore_ascii_case(name));
    }
    let above: Vec<PathBuf> = here.ancestors().map(Path::to_owned).collect();
    for folder in &above {
        let mut of_folder: Vec<usize> = (0..all.len()).filter(|at| all[*at].0.folder == *folder).collect();
        match of_folder.len() {
            0 => {}
            1 => return SocketClient::new(all.swap_remove(of_folder.remove(0))),
            _ => return Err(SocketError::Several(names(&all))),
        }
    }
    match all.len() {
        0 => Err(name.map_or(SocketError::None, |name| {
            SocketError::NoneOf(crate::text::clean_line(name, 40))
        })),
        1 => SocketClient::new(all.swap_remove(0)),
        _ => Err(SocketError::Several(names(&all))),
    }
}

fn names(all: &[Found]) -> String {
    let each: Vec<String> = all
        .iter()
        .map(|(entry, _)| {
            format!(
                "{} in #{}, started in {}",
                entry.name,
                entry.room,
                entry.folder.display()
            )
        })
        .collect();
    each.join("; ")
}

impl SocketClient {
    fn new((entry, stream): Found) -> Result<Self, SocketError> {
        let Some(stream) = stream else {
            return Err(silent(&entry));
        };
        stream.set_write_timeout(Some(RESPONSE))?;
        Ok(Self {
            entry,
            stream: BufReader::new(stream),
            agent: None,
            asked: 0,
        })
    }

    /// Returns the connection after the last response: bytes already read beyond it, and the socket. Fails if the
    /// socket is broken.
    pub fn into_parts(self) -> io::Result<(Vec<u8>, UnixStream)> {
        let begun = self.stream.buffer().to_vec();
        let stream = self.stream.into_inner();
        stream.set_read_timeout(None)?;
        stream.set_write_timeout(None)?;
        Ok((begun, stream))
    }

    /// Makes all further requests as an agent of that name.
    pub fn for_agent(mut self, agent: &str) -> Self {
        self.agent = Some(agent.to_owned());
        self
    }

    /// Makes a request, and waits for the reply.
    ///
    /// # Errors
    ///
    /// If the session refuses it, or does not respond within 5 s beyond the time that the request itself waits.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Reply, SocketError> {
        self.exchange(request).map_err(|error| match error {
            SocketError::Broken(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                silent(&self.entry)
            }
            other => other,
        })
    }

    fn exchange(&mut self, request: &Request) -> Result<Reply, SocketError> {
        self.asked += 1;
        let patience = request.waits() + RESPONSE;
        self.stream.get_ref().set_read_timeout(Some(patience))?;
        let envelope = Envelope {
            v: VERSION,
            id: self.asked,
            method: request.definition().name.to_owned(),
            params: request.arguments().map_err(io::Error::other)?,
            agent: self.agent.clone(),
        };
        let mut line = serde_json::to_vec(&envelope).map_err(io::Error::other)?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line)?;
        let mut answer = String::new();
        if self.stream.read_line(&mut answer)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let response: Response = serde_json::from_str(&answer).map_err(unreadable)?;
        match response.error {
            Some(problem) => Err(SocketError::Problem(problem)),
            None => request.reply(response.result).map_err(unreadable),
        }
    }
}

/// What was wrong goes to the log: it says nothing to a person.
fn unreadable(error: serde_json::Error) -> SocketError {
    tracing::warn!(%error, "an answer of the session cannot be read");
    SocketError::Unreadable
}

fn silent(entry: &Entry) -> SocketError {
    SocketError::Silent(crate::text::clean_line(&entry.name, 40), entry.pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stopped session accepts nobody, and its queue is full some time.
    #[test]
    fn a_full_queue_is_no_wait() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("full.sock");
        let listener = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&listener, 1).unwrap();
        let mut waiting = Vec::new();
        let full = (0..1000).find_map(|_| match connect(&path) {
            Ok(stream) => {
                waiting.push(stream);
                None
            }
            Err(error) => Some(error.kind()),
        });
        assert_eq!(full, Some(io::ErrorKind::WouldBlock));
    }
}
