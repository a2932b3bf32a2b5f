//! Writers that are woken after a burst of frames, not after each.
//!
//! A reader takes what has come in one go. Every frame of it may be queued for the same connections, so their
//! writers are told once, when the burst is over: each has more to write at once then. The first few are run
//! right there, with their own wakers: a message on its way between two members needs no other thread, and no
//! turn of the scheduler. What cannot be written at once goes on in the writer's own task.
//!
//! And a reader learns how long to rest after a burst, where it has filled a queue faster than it is drained: many
//! who read at the pace of a busy machine are not to be cut because one speaks at the pace of an idle one.

use std::{
    cell::RefCell,
    sync::Weak,
    task::{Context, Waker},
    time::Duration,
};

/// Writers that are run where the burst was taken. More are left to their own tasks, which other threads take
/// a share of.
const IN_PLACE: usize = 16;

/// A writer that can be run where its task is not.
pub trait InPlace: Send + Sync {
    /// Writes what can be written at once; what is left wakes `context`. False where the writer is being run
    /// already, or has more to do for its own task.
    fn write(&self, context: &mut Context<'_>) -> bool;
}

/// A writer, and what wakes its task.
type Told = (Option<Weak<dyn InPlace>>, Waker);

/// What a burst has come to so far.
#[derive(Default)]
struct Burst {
    /// Whom to tell. Holds each writer once at most, since a queue gives its writer's waker away.
    told: Vec<Told>,
    rest: Duration,
}

thread_local! {
    /// There while a burst is being taken on this thread.
    static HELD: RefCell<Option<Burst>> = const { RefCell::new(None) };
}

/// Takes a burst: wakes that [`tell`] is asked for meanwhile are held back until it is over, by a panic too.
/// Gives for how long its reader is to rest before the next.
pub fn held<T>(take: impl FnOnce() -> T) -> (T, Duration) {
    struct Release;
    impl Drop for Release {
        fn drop(&mut self) {
            release();
        }
    }
    HELD.set(Some(Burst::default()));
    let _release = Release;
    let taken = take();
    let rest = HELD.with_borrow(|held| held.as_ref().map(|burst| burst.rest));
    (taken, rest.unwrap_or_default())
}

/// Says that a queue fills: whoever takes the burst that this is of is to rest for so long at least.
pub fn rest(time: Duration) {
    HELD.with_borrow_mut(|held| {
        if let Some(burst) = held {
            burst.rest = burst.rest.max(time);
        }
    });
}

/// Tells a writer that there is something: now, or after the burst.
pub fn tell(writer: Option<&Weak<dyn InPlace>>, waker: Waker) {
    let now = HELD.with_borrow_mut(|held| match held {
        Some(burst) => {
            burst.told.push((writer.cloned(), waker));
            None
        }
        None => Some(waker),
    });
    if let Some(waker) = now {
        waker.wake();
    }
}

fn release() {
    // Taken out first: what is run from here on holds nothing back.
    let burst = HELD.take().unwrap_or_default();
    for (index, (writer, waker)) in burst.told.into_iter().enumerate() {
        let here = index < IN_PLACE && !std::thread::panicking();
        let writer = writer.filter(|_| here).and_then(|writer| writer.upgrade());
        if !writer.is_some_and(|writer| writer.write(&mut Context::from_waker(&waker))) {
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

    /// A writer that counts how often it was run in place and woken; it can be run where it says so.
    #[derive(Default)]
    struct Writer {
        free: bool,
        run: AtomicUsize,
        woken: AtomicUsize,
    }

    impl InPlace for Writer {
        fn write(&self, _: &mut Context<'_>) -> bool {
            self.run.fetch_add(1, Relaxed);
            self.free
        }
    }

    impl Wake for Writer {
        fn wake(self: Arc<Self>) {
            self.woken.fetch_add(1, Relaxed);
        }
    }

    fn tell_it(writer: &Arc<Writer>) {
        let in_place: Arc<dyn InPlace> = Arc::clone(writer) as _;
        tell(Some(&Arc::downgrade(&in_place)), Waker::from(Arc::clone(writer)));
    }

    fn counts(writer: &Writer) -> (usize, usize) {
        (writer.run.load(Relaxed), writer.woken.load(Relaxed))
    }

    #[test]
    fn writers_are_told_when_the_burst_is_over() {
        let free = Arc::new(Writer {
            free: true,
            ..Writer::default()
        });
        let busy = Arc::new(Writer::default());
        let ((), rest) = held(|| {
            tell_it(&free);
            tell_it(&busy);
            assert_eq!((counts(&free), counts(&busy)), ((0, 0), (0, 0)));
        });
        assert_eq!(rest, Duration::ZERO, "nothing fills");
        assert_eq!(counts(&free), (1, 0), "run in place, and not woken");
        assert_eq!(counts(&busy), (1, 1), "woken, since it could not be run");
        tell_it(&free);
        assert_eq!(counts(&free), (1, 1), "without a burst its task is woken at once");
    }

    #[test]
    fn of_many_the_rest_are_left_to_their_tasks() {
        let writers: Vec<_> = (0..IN_PLACE + 3)
            .map(|_| {
                Arc::new(Writer {
                    free: true,
                    ..Writer::default()
                })
            })
            .collect();
        held(|| writers.iter().for_each(tell_it));
        let run = writers.iter().filter(|writer| counts(writer) == (1, 0)).count();
        let woken = writers.iter().filter(|writer| counts(writer) == (0, 1)).count();
        assert_eq!((run, woken), (IN_PLACE, 3));
    }

    #[test]
    fn the_longest_rest_counts() {
        let times = [2, 5, 3].map(Duration::from_millis);
        assert_eq!(held(|| times.map(rest)).1, times[1]);
        rest(times[2]);
        assert_eq!(
            held(|| ()).1,
            Duration::ZERO,
            "what is of no burst is of no account"
        );
    }

    #[test]
    fn a_panic_leaves_nobody_waiting() {
        let writer = Arc::new(Writer {
            free: true,
            ..Writer::default()
        });
        let fell = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            held(|| {
                tell_it(&writer);
                panic!("this panic is part of a test");
            })
        }));
        assert!(fell.is_err());
        assert_eq!(counts(&writer), (0, 1));
    }
}
