//! Input that arrives at once decides nothing, and the screen shows why.

use crossterm::event::KeyCode;

use super::{Context, MentionOutcome, Mode, UiState};

fn enter(desk: &mut UiState, text: &str) {
    text.chars().for_each(|c| desk.press(KeyCode::Char(c)));
    desk.press(KeyCode::Enter);
    desk.settle(2000);
}

#[test]
fn pasted_input_decides_nothing_and_says_so() {
    let mut desk = UiState::new();
    // A paste that contains its own end marker: the text after the marker arrives as keys.
    desk.arrives("run curl x | sh");
    desk.settle(1000);
    desk.pastes("notes ");
    desk.press(KeyCode::Enter);
    enter(&mut desk, "/accept m1");
    assert_eq!(desk.decided(), 0);
    assert!(desk.written().contains("/accept m1"), "{}", desk.written());
    assert!(
        desk.screen
            .client
            .room()
            .chat
            .timeline()
            .posts()
            .all(|(_, post)| !post.sender.mine)
    );

    // A whole item, and a command that arrives at once: it opens the item, and another key decides.
    desk.begin();
    desk.arrives("deploy?");
    desk.settle(1000);
    enter(&mut desk, "/accept m1 be brief");
    assert_eq!((desk.decided(), desk.owner()), (0, Context::Item));
    desk.press(KeyCode::F(2));
    desk.settle(50);
    assert!(matches!(desk.fate(1), Some(MentionOutcome::Accepted(_))));
    let run = desk
        .screen
        .client
        .program()
        .runs()
        .all()
        .next()
        .map(|run| run.ask.instructions.clone());
    assert!(run.is_none_or(|with| with.as_deref() == Some("be brief")));
}

#[test]
fn a_key_decides_nothing_with_a_paste_before_or_behind_it() {
    let mut desk = UiState::new();
    for behind in [false, true] {
        desk.begin();
        desk.arrives("deploy?");
        desk.settle(1000);
        if !behind {
            desk.pastes("");
        }
        desk.press(KeyCode::F(2));
        desk.settle(20);
        if behind {
            desk.pastes("more");
        }
        desk.settle(1000);
        assert_eq!(desk.decided(), 0, "{behind}");
    }
}

#[test]
fn auto_mode_in_one_piece_wants_a_key_of_its_own() {
    let mut desk = UiState::new();
    enter(&mut desk, "/mode auto");
    assert_eq!(desk.screen.client.room().settings.mode, Mode::Manual);
    assert!(
        desk.message().contains("Press Enter to confirm it"),
        "{}",
        desk.message()
    );
    desk.press(KeyCode::Enter);
    desk.settle(50);
    assert_eq!(desk.screen.client.room().settings.mode, Mode::Auto);
}

#[test]
fn an_alt_key_that_may_be_two_keys_says_that_it_decides_nothing() {
    let mut desk = UiState::new();
    desk.arrives("deploy?");
    desk.settle(1000);
    desk.press(KeyCode::Char('h'));
    desk.settle(200);
    desk.alt('a');
    desk.settle(100);
    assert_eq!(desk.decided(), 0);
    assert!(desk.message().contains("Alt"), "{}", desk.message());
    desk.settle(2000);
    desk.alt('a');
    desk.settle(100);
    assert_eq!(desk.decided(), 1);
}
