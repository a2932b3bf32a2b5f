//! The actions of keys. Keymaps bind keys to these names; help lists them with these words.

use serde::Deserialize;

macro_rules! actions {
    ($($variant:ident $name:literal $does:literal,)*) => {
        /// An action of a key.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Action {
            $(#[doc = $does] $variant,)*
        }

        impl Action {
            /// Every action, in the order in which help lists them.
            pub const ALL: &[Action] = &[$(Action::$variant,)*];

            /// The name that keymaps use.
            pub fn name(self) -> &'static str {
                match self { $(Action::$variant => $name,)* }
            }

            /// Its effect, in a few words.
            pub fn does(self) -> &'static str {
                match self { $(Action::$variant => $does,)* }
            }
        }
    };
}

actions! {
    Accept "accept" "accept",
    Reject "reject" "reject",
    AcceptReview "accept-review" "accept and review the answer",
    Edit "edit" "edit first",
    Grant "grant" "allow for the thread",
    Later "later" "snooze",
    Open "open" "open",
    Inbox "inbox" "inbox",
    Instruct "instruct" "accept with instructions",
    NextAgent "next-agent" "choose another agent",
    Filter "filter" "filter by kind",
    Decided "decided" "today's decisions",
    HandOver "hand-over" "hand to my agent",
    Retry "retry" "retry",
    Fold "fold" "fold or unfold the thread",
    FirstNew "first-new" "go to the first new message",
    KeepNew "keep-new" "mark as new from here on",
    Copy "copy" "copy the message",
    CopyCode "copy-code" "copy its code block",
    Mark "mark" "select several messages",
    Search "search" "search",
    NextFound "next-found" "next found, older",
    PreviousFound "previous-found" "next found, newer",
    Palette "palette" "command palette",
    EndRun "end-run" "stop the running agent",
    NextPane "next-pane" "next pane",
    PreviousPane "previous-pane" "previous pane",
    Back "back" "go back",
    Up "up" "up",
    Down "down" "down",
    PageUp "page-up" "page up",
    PageDown "page-down" "page down",
    Top "top" "go to the start",
    Bottom "bottom" "go to the end",
    Help "help" "help",
    Mouse "mouse" "mouse on or off",
    Leave "leave" "leave (twice)",
    Send "send" "send",
    NewLine "new-line" "new line",
    Editor "editor" "write in your editor",
    Left "left" "left",
    Right "right" "right",
    WordLeft "word-left" "word left",
    WordRight "word-right" "word right",
    LineStart "line-start" "start of line",
    LineEnd "line-end" "end of line",
    DeleteLeft "delete-left" "delete to the left",
    DeleteRight "delete-right" "delete to the right",
    DeleteWord "delete-word" "delete a word",
    DeleteToStart "delete-to-start" "delete to the start of the line",
    DeleteToEnd "delete-to-end" "delete to the end of the line",
    Undo "undo" "undo",
    Redo "redo" "redo",
    Redraw "redraw" "redraw",
    TakeSettings "take-settings" "apply looser settings",
    Toggle "toggle" "select or deselect",
    Write "write" "write",
    WriteBehind "write-behind" "append",
    StopWriting "stop-writing" "stop writing",
}

impl Action {
    /// Whether it decides an item.
    pub fn decides(self) -> bool {
        matches!(
            self,
            Action::Accept
                | Action::Reject
                | Action::AcceptReview
                | Action::Edit
                | Action::Instruct
                | Action::Grant
                | Action::Later
                | Action::Retry
        )
    }

    /// Whether it makes sense to look for it by its name: not what only moves or edits.
    pub fn is_for_the_palette(self) -> bool {
        !self.edits()
            && !matches!(
                self,
                Action::Send
                    | Action::Back
                    | Action::Palette
                    | Action::Toggle
                    | Action::Write
                    | Action::WriteBehind
                    | Action::StopWriting
            )
    }

    /// Whether it changes what is being written, or where in it one is.
    pub fn edits(self) -> bool {
        matches!(
            self,
            Action::NewLine
                | Action::Left
                | Action::Right
                | Action::WordLeft
                | Action::WordRight
                | Action::LineStart
                | Action::LineEnd
                | Action::DeleteLeft
                | Action::DeleteRight
                | Action::DeleteWord
                | Action::DeleteToStart
                | Action::DeleteToEnd
                | Action::Undo
                | Action::Redo
                | Action::Up
                | Action::Down
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_keymaps_write() {
        for action in Action::ALL {
            let read: Action = toml::Value::String(action.name().into()).try_into().unwrap();
            assert_eq!(read, *action);
        }
    }
}
