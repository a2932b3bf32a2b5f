//! The thread that starts the agents' processes.
//!
//! Linux ties the parent-death signal to the *thread* that forked (prctl(2), PR_SET_PDEATHSIG): a child
//! spawned from a pool thread would be killed when the pool drops that thread. So all are spawned from one
//! thread, which lives as long as the program.

use std::{
    io,
    sync::{Mutex, mpsc},
    thread,
};

use tokio::{process::Child, process::Command, runtime, sync::oneshot};

type Job = Box<dyn FnOnce() + Send>;

/// The maximum number of queued spawns. If the queue is full, which takes more agents at once than anybody
/// has, the spawn fails and its run reports it.
const WAITING: usize = 64;

static SPAWNER: Mutex<Option<mpsc::SyncSender<Job>>> = Mutex::new(None);

/// Spawns `command` from the thread that lives as long as the program. Fails if it cannot be spawned.
pub(super) async fn spawn(mut command: Command) -> io::Result<Child> {
    let (answer, spawned) = oneshot::channel();
    // tokio needs it to find the reactor that watches the child's pipes and exit.
    let runtime = runtime::Handle::current();
    hand_over(Box::new(move || {
        let _entered = runtime.enter();
        // If the run was stopped meanwhile, nobody receives this: the child is dropped, and so killed.
        let _ = answer.send(command.spawn());
    }))?;
    spawned
        .await
        .map_err(|_| io::Error::other("the thread that starts agents is gone"))?
}

fn hand_over(job: Job) -> io::Result<()> {
    let mut spawner = SPAWNER
        .lock()
        .map_err(|_| io::Error::other("the thread that starts agents is gone"))?;
    let sender = match spawner.take() {
        Some(sender) => sender,
        None => {
            let (sender, jobs) = mpsc::sync_channel::<Job>(WAITING);
            thread::Builder::new()
                .name("agent-spawner".to_owned())
                .spawn(move || jobs.into_iter().for_each(|job| job()))?;
            sender
        }
    };
    let handed = sender.try_send(job);
    *spawner = Some(sender);
    handed.map_err(|_| io::Error::other("too many agents are being started at once"))
}
