//! An invite, and a relay's address: what somebody was sent and pastes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nexscope_tui::link::{Invite, Target};

fuzz_target!(|text: &str| {
    if let Ok(target) = text.parse::<Target>() {
        assert!(target.port > 0 && !target.host.is_empty());
        // Nothing of it ends a request's line, or begins another header.
        assert!(!target.path.contains(['\r', '\n', ' ']) && !target.host.contains(['\r', '\n', ' ']));
        assert_eq!(target.to_string().parse(), Ok(target));
    }
    if let Ok(invite) = text.parse::<Invite>() {
        let another = Invite {
            token: "another".to_owned(),
            ..invite.clone()
        };
        // Nothing of the token is in what logs show.
        assert_eq!(format!("{invite:?}"), format!("{another:?}"));
        assert_eq!(invite.to_string().parse(), Ok(invite));
    }
});
