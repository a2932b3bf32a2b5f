//! Accepts clients of the session: each has its own task, so that a stalled one blocks nobody else.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{Caller, Entry, Envelope, LINE_MAX, Line, Request, Response, RpcError, SessionRegistry, VERSION};

/// The maximum number of concurrent clients. One more takes the place of the client that has been silent longest; if
/// all wait for a response, it waits.
const CLIENTS: usize = 64;
/// The queue length of requests to the session. Full: their clients wait.
const CALLS: usize = 64;
/// The timeout for a client to read its response.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request to the session.
#[derive(Debug)]
pub struct Call {
    /// The caller's id for the request.
    pub id: u64,
    pub(crate) request: Request,
    /// The name of the calling agent, if it reports one.
    pub agent: Option<String>,
    pub caller: Caller,
    /// Takes the response; if dropped, the session has ended.
    pub reply: oneshot::Sender<Response>,
    /// For `attach`: the session's side of the connection once the request is granted.
    pub line: Option<Line>,
}

/// The socket of a running session, removed on drop.
#[derive(Debug)]
pub struct Server {
    pub calls: mpsc::Receiver<Call>,
    path: PathBuf,
    /// One permit is held from the arrival of a request until its response is written.
    answering: Arc<Semaphore>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Listens for the session whose state is in `place`, which the caller has locked: a leftover socket
    /// belongs to nobody. Fails if the socket cannot be created.
    pub fn start(registry: &SessionRegistry, place: &Path, entry: &Entry) -> io::Result<Self> {
        registry.make()?;
        let path = registry.socket(place);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Nobody else can connect meanwhile: the folder is accessible to this user alone.
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        registry.enter(&path, entry)?;
        let (calls_in, calls) = mpsc::channel(CALLS);
        let answering = Arc::new(Semaphore::new(CLIENTS));
        let task = tokio::spawn(listen(listener, calls_in, answering.clone()));
        Ok(Self {
            calls,
            path,
            answering,
            task,
        })
    }

    /// Waits until all responses are written, for at most a second.
    pub async fn finish(self) {
        // Requests still unanswered get no response.
        self.task.abort();
        let all = self.answering.acquire_many(CLIENTS as u32);
        // A client that does not read delays nobody.
        let _ = timeout(Duration::from_secs(1), all).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        // Leftovers are replaced by the next start.
        let _ = fs::remove_file(self.path.with_extension("json"));
        let _ = fs::remove_file(&self.path);
    }
}

/// The clients whose next request has not arrived yet, in the order in which they fell silent; and how often any has.
#[derive(Debug, Default)]
struct Idle(Mutex<(BTreeMap<u64, CancellationToken>, u64)>);

impl Idle {
    /// Runs `reading` as an idle client's; `None` if its place was given to another client meanwhile.
    async fn during<T>(&self, reading: impl Future<Output = T>) -> Option<T> {
        let sent_away = CancellationToken::new();
        let turn = {
            let (clients, turn) = &mut *self.clients();
            *turn += 1;
            clients.insert(*turn, sent_away.clone());
            *turn
        };
        let read = sent_away.run_until_cancelled(reading).await;
        self.clients().0.remove(&turn);
        read
    }

    /// Ends the client that has been silent longest.
    fn send_one_away(&self) {
        if let Some((_, client)) = self.clients().0.pop_first() {
            client.cancel();
        }
    }

    fn clients(&self) -> MutexGuard<'_, (BTreeMap<u64, CancellationToken>, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn listen(listener: UnixListener, calls: mpsc::Sender<Call>, answering: Arc<Semaphore>) {
    let places = Arc::new(Semaphore::new(CLIENTS));
    let idle = Arc::new(Idle::default());
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if places.available_permits() == 0 {
                    idle.send_one_away();
                }
                // The semaphore is never closed.
                let Ok(place) = places.clone().acquire_owned().await else {
                    return;
                };
                let (calls, answering, idle) = (calls.clone(), answering.clone(), idle.clone());
                tokio::spawn(async move {
                    serve(stream, calls, &answering, &idle).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves one client, in order.
async fn serve(stream: UnixStream, calls: mpsc::Sender<Call>, answering: &Semaphore, idle: &Idle) {
    let Some(caller) = Caller::of(&stream) else {
        tracing::warn!("another user has tried the control socket");
        return;
    };
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut reading).take(LINE_MAX as u64 + 1);
        match idle.during(limited.read_until(b'\n', &mut line)).await {
            None | Some(Ok(0) | Err(_)) => return,
            Some(Ok(_)) => {}
        }
        // The semaphore is never closed.
        let answering = answering.acquire().await;
        let too_long = line.len() > LINE_MAX;
        let mut far = None;
        let response = match read(&line) {
            _ if too_long => problem(0, "usage", "That line is longer than 1 MiB: send it as a file."),
            Err((id, error)) => Response::new(id, Err(error)),
            Ok((id, request, agent)) => {
                let (reply, answer) = oneshot::channel();
                let line = matches!(request, Request::Attach(_)).then(|| {
                    let (line, other) = Line::new();
                    far = Some(other);
                    line
                });
                let call = Call {
                    id,
                    request,
                    agent,
                    caller: caller.clone(),
                    reply,
                    line,
                };
                // A client that disconnects while it waits cancels its request.
                let answered = async {
                    calls.send(call).await.ok()?;
                    answer.await.ok()
                };
                tokio::select! {
                    answered = answered => answered
                        .unwrap_or_else(|| problem(id, "ended", "The session has ended.")),
                    () = gone(&mut reading) => return,
                }
            }
        };
        let Ok(mut bytes) = serde_json::to_vec(&response) else {
            return;
        };
        bytes.push(b'\n');
        let written = timeout(PATIENCE, writing.write_all(&bytes)).await;
        drop(answering);
        if too_long || !matches!(written, Ok(Ok(()))) {
            return;
        }
        if let Some(far) = far.filter(|_| response.ok) {
            return far.carry(reading, writing).await;
        }
    }
}

/// Parses a request; on failure returns the caller's id for it and the error.
fn read(line: &[u8]) -> Result<(u64, Request, Option<String>), (u64, RpcError)> {
    let envelope: Envelope = serde_json::from_slice(line).map_err(|error| {
        tracing::debug!(%error, "a line that is not a request");
        let what = "That line is not a request, which is a JSON object with v, id, method and params.";
        (0, RpcError::usage(what))
    })?;
    let id = envelope.id;
    if envelope.v != VERSION {
        let message = format!(
            "This session speaks version {VERSION}; start the same version of nexscope-tui on both sides."
        );
        return Err((id, RpcError::new("version", message)));
    }
    let request = Request::read(&envelope.method, envelope.params).map_err(|error| (id, error))?;
    Ok((id, request, envelope.agent))
}

/// Completes when the client has closed its end.
async fn gone(reading: &mut BufReader<tokio::net::unix::OwnedReadHalf>) {
    // Data sent meanwhile is its next request, and waits.
    match reading.fill_buf().await {
        Ok([]) | Err(_) => {}
        Ok(_) => std::future::pending().await,
    }
}

fn problem(id: u64, code: &str, message: impl Into<String>) -> Response {
    Response::new(id, Err(RpcError::new(code, message)))
}
