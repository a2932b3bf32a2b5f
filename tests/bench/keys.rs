//! Keys one by one, each when the one before stands on the screen.

use std::time::{Duration, Instant};

use super::support::Term;

/// Types so many letters at the prompt while other things are drawn too; how long each takes to stand there.
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
