//! The outgoing frames of the room, in two lanes: a flood of messages makes many receipts, and our own words must not
//! wait behind them.

use tokio::sync::mpsc;

use crate::core::Outbound;

/// The queue length of each lane. Full: the session keeps the frames; they are in its outbox anyway.
const LENGTH: usize = 256;

/// The receiving end of both lanes.
pub(super) struct Outgoing {
    frames: mpsc::Receiver<Outbound>,
    receipts: mpsc::Receiver<Outbound>,
}

/// Both lanes: the senders of frames and of receipts, and their receiver.
pub(super) fn lanes() -> (mpsc::Sender<Outbound>, mpsc::Sender<Outbound>, Outgoing) {
    let (frames_in, frames) = mpsc::channel(LENGTH);
    let (receipts_in, receipts) = mpsc::channel(LENGTH);
    (frames_in, receipts_in, Outgoing { frames, receipts })
}

impl Outgoing {
    /// The next frame, of either lane by chance, so that neither stops the other. `None`: nobody sends any more.
    pub async fn recv(&mut self) -> Option<Outbound> {
        tokio::select! {
            Some(frame) = self.frames.recv() => Some(frame),
            Some(receipt) = self.receipts.recv() => Some(receipt),
            else => None,
        }
    }

    /// The next frame that is already queued; receipts last.
    pub fn try_recv(&mut self) -> Option<Outbound> {
        self.frames.try_recv().or_else(|_| self.receipts.try_recv()).ok()
    }
}

#[cfg(test)]
mod tests {
    use nexscope_relay::{
        Config, Relay,
        protocol::{Frame, Mode, Send},
    };

    use super::{
        super::{HelloState, Link, Login},
        *,
    };
    use crate::core::Event;

    fn message(id: &str, body: serde_json::Value) -> Outbound {
        let body = serde_json::value::to_raw_value(&body).expect("a body");
        Outbound::Message(Send {
            id: id.into(),
            to: Vec::new(),
            only: false,
            to_keys: std::collections::BTreeMap::new(),
            thread: None,
            body,
        })
    }

    async fn next_ack(link: &mut Link) -> String {
        loop {
            if let Some(Event::Frame(frame)) = link.events.recv().await
                && let Frame::Ack(ack) = *frame
            {
                return ack.id;
            }
        }
    }

    /// Issue 16, 31: the receipts of a flood delayed our own words by 81 s.
    #[tokio::test]
    async fn words_do_not_wait_behind_receipts() {
        let config = Config {
            listen: "127.0.0.1:0".into(),
            rate: 200,
            burst: 100,
            ..Config::new("a token")
        };
        let relay = Relay::start(config).await.expect("a relay");
        let login = Login {
            target: relay.url().parse().expect("an address"),
            room: "lobby".into(),
            name: "alice".into(),
            token: "a token".into(),
            owner: "A".repeat(43),
            history: 0,
        };
        let standing = HelloState {
            resume: None,
            mode: Mode::Manual,
            agents: Vec::new(),
        };
        let mut link = Link::start(login, standing);
        while !matches!(link.events.recv().await, Some(Event::Welcome(_))) {}
        let receipt = serde_json::json!({"kind": "receipt"});
        for number in 0..LENGTH {
            let receipt = message(&format!("r{number}"), receipt.clone());
            link.receipts.try_send(receipt).expect("space");
        }
        // From here on, only the rate lets frames through.
        for _ in 0..120 {
            next_ack(&mut link).await;
        }
        let words = message("words", serde_json::json!({"kind": "chat"}));
        link.frames.try_send(words).expect("space");
        let mut receipts = 0;
        while next_ack(&mut link).await != "words" {
            receipts += 1;
        }
        // One in two by chance: 60 is as unlikely as it gets.
        assert!(receipts < 60, "{receipts} receipts came first");
        link.leave().await;
        relay.stop().await;
    }
}
