//! Keys and pauses in any order: only items that were on the screen are decided, and only by keys that may decide.

use std::time::Instant;

use crossterm::event::KeyCode;
use proptest::prelude::*;

use super::UiState;

#[derive(Debug, Clone)]
enum Does {
    Key(KeyCode),
    Alt(char),
    Paste,
    Comes,
    Waits(u64),
}

fn does() -> impl Strategy<Value = Does> {
    let letters = prop::sample::select("aAeirwtzhRlsx ,?/".chars().collect::<Vec<_>>());
    let keys = prop::sample::select(vec![
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::PageDown,
        KeyCode::F(2),
        KeyCode::F(3),
        KeyCode::F(4),
    ]);
    let pauses = prop::sample::select(vec![5, 40, 49, 51, 120, 249, 251, 299, 301, 700, 1100]);
    prop_oneof![
        6 => letters.prop_map(|c| Does::Key(KeyCode::Char(c))),
        3 => keys.prop_map(Does::Key),
        1 => prop::sample::select(vec!['a', 'r']).prop_map(Does::Alt),
        1 => Just(Does::Paste),
        2 => Just(Does::Comes),
        8 => pauses.prop_map(Does::Waits),
    ]
}

/// Whatever is pressed, anywhere, and whatever arrives in the meantime: a decided item had been on the screen for a
/// while before the key, the key arrived alone, and a letter was not part of a text.
#[test]
fn no_order_of_keys_and_pauses_decides_what_it_may_not() {
    let desk = std::cell::RefCell::new(UiState::new());
    let config = ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let steps = prop::collection::vec(does(), 1..60);
    runner
        .run(&steps, |steps| {
            let desk = &mut *desk.borrow_mut();
            desk.begin();
            does_all(desk, steps)
        })
        .unwrap();
}

fn does_all(desk: &mut UiState, steps: Vec<Does>) -> Result<(), TestCaseError> {
    let mut arrived: Vec<(u32, Instant)> = Vec::new();
    // The time of each input, whether it was a letter, and whether it may decide at all.
    let mut inputs: Vec<(Instant, bool, bool)> = Vec::new();
    for does in steps {
        let before = desk.decided();
        let input = match does {
            Does::Key(code) => {
                desk.press(code);
                let letter = matches!(code, KeyCode::Char(_));
                let decides = matches!(
                    code,
                    KeyCode::Char('a' | 'A' | 't') | KeyCode::Enter | KeyCode::F(2)
                );
                Some((letter, decides))
            }
            Does::Alt(c) => {
                desk.alt(c);
                Some((false, c == 'a'))
            }
            Does::Paste => {
                desk.pastes("y");
                Some((false, false))
            }
            Does::Comes => {
                desk.arrives("deploy?");
                arrived.push((desk.screen.client.room().chat.timeline().newest(), desk.now));
                None
            }
            Does::Waits(millis) => {
                // In two steps, to know when something took effect.
                let due = desk
                    .screen
                    .state
                    .deciding
                    .pressed
                    .as_ref()
                    .map(|pressed| pressed.due());
                let first = due.map_or(0, |due| due.saturating_duration_since(desk.now).as_millis());
                let first = u64::try_from(first).unwrap_or(0).min(millis);
                desk.settle(first);
                if desk.decided() > before {
                    allowed(desk, &inputs, &arrived)?;
                }
                desk.settle(millis - first);
                continue;
            }
        };
        if let Some((letter, decides)) = input {
            let pressed = desk.now;
            inputs.push((pressed, letter, decides));
        }
        if desk.decided() > before {
            allowed(desk, &inputs, &arrived)?;
        }
    }
    Ok(())
}

/// Whether the last decision is legal, given the newest input that can have made it.
fn allowed(
    desk: &UiState,
    inputs: &[(Instant, bool, bool)],
    arrived: &[(u32, Instant)],
) -> Result<(), TestCaseError> {
    let now = desk.now;
    let since = |at: Instant| now.duration_since(at).as_millis();
    let by = inputs
        .iter()
        .enumerate()
        .rev()
        .find(|(_, (at, letter, decides))| {
            // A letter takes effect after 300 ms, another key after 50 ms, or at once if it sends text.
            *decides
                && if *letter {
                    since(*at) == 300
                } else {
                    [0, 50].contains(&since(*at))
                }
        });
    let Some((nth, (at, letter, _))) = by else {
        return Err(TestCaseError::fail("something was decided without a key"));
    };
    for (other, (when, other_letter, _)) in inputs.iter().enumerate() {
        let apart = if *when > *at { *when - *at } else { *at - *when }.as_millis();
        let together = other != nth && (apart < 50 || *letter && *other_letter && apart < 300);
        prop_assert!(!together, "another input came {apart} ms apart");
    }
    for (number, came) in arrived {
        if desk.fate(*number).is_some() {
            let seen = at.duration_since(*came).as_millis();
            prop_assert!(seen >= 250, "m{number} was there for {seen} ms");
        }
    }
    Ok(())
}
