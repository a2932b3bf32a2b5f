//! Wakes writers once per batch of frames instead of once per frame, and slows producers that outrun them.
//!
//! A reader handles all frames that are ready in one go. Many of them end up in the same queues, so the writers of
//! those queues are woken when the batch is over and have more to write at once. The first few are polled inline,
//! with their own wakers: a message between two members needs neither another thread nor a turn of the scheduler.
//!
//! The batch also tells the reader how long to pause when a queue fills faster than it drains, so that receivers on a
//! busy machine are not disconnected because of one fast sender.

use std::{
    cell::RefCell,
    sync::Weak,
    task::{Context, Waker},
    time::Duration,
};

/// Writers that are polled inline per batch. The rest are left to their own tasks, which other threads can steal.
const MAX_INLINE: usize = 16;

/// A writer that can be polled outside of its own task.
pub trait PollInline: Send + Sync {
    /// Writes as much as possible and registers `context` for the rest. Returns false if the writer is already
    /// being polled, or has work that only its own task does.
    fn poll_inline(&self, context: &mut Context<'_>) -> bool;
}

/// The wakes and the pause that one batch has collected.
#[derive(Default)]
struct WakeBatch {
    /// Each writer at most once, because a queue gives its writer's waker away.
    wakes: Vec<(Option<Weak<dyn PollInline>>, Waker)>,
    pause: Duration,
}

thread_local! {
    /// The batch that this thread is collecting, if any.
    static CURRENT: RefCell<Option<WakeBatch>> = const { RefCell::new(None) };
}

/// Runs `f` and delays every [`wake`] until it returns or panics. Also returns how long the caller should pause
/// before its next batch.
pub fn batch_wakes<T>(f: impl FnOnce() -> T) -> (T, Duration) {
    struct FlushOnDrop;
    impl Drop for FlushOnDrop {
        fn drop(&mut self) {
            flush();
        }
    }
    CURRENT.set(Some(WakeBatch::default()));
    let _flush = FlushOnDrop;
    let result = f();
    let pause = CURRENT.with_borrow(|current| current.as_ref().map(|batch| batch.pause));
    (result, pause.unwrap_or_default())
}

/// Asks the producer of the current batch to pause for at least this long.
pub fn throttle(pause: Duration) {
    CURRENT.with_borrow_mut(|current| {
        if let Some(batch) = current {
            batch.pause = batch.pause.max(pause);
        }
    });
}

/// Wakes a writer, at the end of the current batch if there is one.
pub fn wake(writer: Option<&Weak<dyn PollInline>>, waker: Waker) {
    let now = CURRENT.with_borrow_mut(|current| match current {
        Some(batch) => {
            batch.wakes.push((writer.cloned(), waker));
            None
        }
        None => Some(waker),
    });
    if let Some(waker) = now {
        waker.wake();
    }
}

fn flush() {
    // Take the batch out first, so that wakes from inside the loop are not delayed.
    let batch = CURRENT.take().unwrap_or_default();
    for (index, (writer, waker)) in batch.wakes.into_iter().enumerate() {
        let inline = index < MAX_INLINE && !std::thread::panicking();
        let writer = writer.filter(|_| inline).and_then(|writer| writer.upgrade());
        if !writer.is_some_and(|writer| writer.poll_inline(&mut Context::from_waker(&waker))) {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::Relaxed},
        },
        task::Wake,
    };

    use super::*;

    /// A writer that counts how often it was polled inline and woken.
    #[derive(Default)]
    struct Writer {
        free: bool,
        run: AtomicUsize,
        woken: AtomicUsize,
    }

    impl PollInline for Writer {
        fn poll_inline(&self, _: &mut Context<'_>) -> bool {
            self.run.fetch_add(1, Relaxed);
            self.free
        }
    }

    impl Wake for Writer {
        fn wake(self: Arc<Self>) {
            self.woken.fetch_add(1, Relaxed);
        }
    }

    fn wake_it(writer: &Arc<Writer>) {
        let inline: Arc<dyn PollInline> = Arc::clone(writer) as _;
        wake(Some(&Arc::downgrade(&inline)), Waker::from(Arc::clone(writer)));
    }

    fn counts(writer: &Writer) -> (usize, usize) {
        (writer.run.load(Relaxed), writer.woken.load(Relaxed))
    }

    #[test]
    fn writers_are_woken_when_the_batch_is_over() {
        let free = Arc::new(Writer {
            free: true,
            ..Writer::default()
        });
        let busy = Arc::new(Writer::default());
        let ((), throttle) = batch_wakes(|| {
            wake_it(&free);
            wake_it(&busy);
            assert_eq!((counts(&free), counts(&busy)), ((0, 0), (0, 0)));
        });
        assert_eq!(throttle, Duration::ZERO, "no queue fills");
        assert_eq!(counts(&free), (1, 0), "polled inline, not woken");
        assert_eq!(counts(&busy), (1, 1), "woken, since it could not be polled");
        wake_it(&free);
        assert_eq!(counts(&free), (1, 1), "without a batch its task is woken at once");
    }

    #[test]
    fn only_the_first_writers_are_polled_inline() {
        let writers: Vec<_> = (0..MAX_INLINE + 3)
            .map(|_| {
                Arc::new(Writer {
                    free: true,
                    ..Writer::default()
                })
            })
            .collect();
        batch_wakes(|| writers.iter().for_each(wake_it));
        let run = writers.iter().filter(|writer| counts(writer) == (1, 0)).count();
        let woken = writers.iter().filter(|writer| counts(writer) == (0, 1)).count();
        assert_eq!((run, woken), (MAX_INLINE, 3));
    }

    #[test]
    fn the_longest_pause_counts() {
        let times = [2, 5, 3].map(Duration::from_millis);
        assert_eq!(batch_wakes(|| times.map(throttle)).1, times[1]);
        throttle(times[2]);
        assert_eq!(
            batch_wakes(|| ()).1,
            Duration::ZERO,
            "a pause outside of a batch is ignored"
        );
    }

    #[test]
    fn a_panic_still_wakes_the_writers() {
        let writer = Arc::new(Writer {
            free: true,
            ..Writer::default()
        });
        let fell = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            batch_wakes(|| {
                wake_it(&writer);
                panic!("this panic is part of a test");
            })
        }));
        assert!(fell.is_err());
        assert_eq!(counts(&writer), (0, 1));
    }
}
