//! Types keys one by one, each after the one before is on the screen.

use std::time::{Duration, Instant};

use super::support::Term;

/// Types this number of letters at the prompt while other things are drawn; returns the time until each is on the
/// screen.
pub fn letters(a: &Term, count: usize) -> Vec<Duration> {
    let keys = "typinggoesonallthewhile".chars().cycle().take(count);
    keys.map(|key| {
        let typed = a.prompt().len();
        let began = Instant::now();
        a.send(&key.to_string());
        let took = a.wait_for_prompt_beyond(typed).duration_since(began);
        std::thread::sleep(Duration::from_millis(20));
        took
    })
    .collect()
}
