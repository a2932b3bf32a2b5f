//! Rooms without sockets: tables of rules, and properties of arbitrary sequences of frames.

mod broadcast;
mod owners;
mod property;
mod rules;
mod streams;
#[cfg(feature = "v1")]
mod version1;

use std::{
    cell::RefCell,
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr},
    rc::Rc,
    sync::Arc,
};

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::protocol::{Code, ErrorFrame, Greeting, Limits, Request};

/// An outbox that is read by the test.
#[derive(Clone, Default)]
struct Box_(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    frames: VecDeque<Bytes>,
    lanes: Vec<(Arc<StreamProgress>, VecDeque<StreamItem>)>,
    closed: Option<Code>,
}

impl Outbox for Box_ {
    fn push(&self, frame: Bytes, _: FrameClass) -> bool {
        let mut state = self.0.borrow_mut();
        if state.closed.is_none() {
            state.frames.push_back(frame);
        }
        state.closed.is_none()
    }

    fn push_batch(&self, batch: &FrameBatch) -> bool {
        batch.frames().all(|frame| self.push(frame, FrameClass::Message))
    }

    fn close(&self, error: ErrorFrame) {
        let mut state = self.0.borrow_mut();
        if state.closed.is_none() {
            state.frames.clear();
            state.closed = Some(error.code);
        }
    }

    fn push_stream(&self, progress: &Arc<StreamProgress>, piece: StreamItem) {
        let mut state = self.0.borrow_mut();
        match state
            .lanes
            .iter_mut()
            .find(|(other, _)| other.stream == progress.stream)
        {
            Some((_, lane)) => lane.push_back(piece),
            None => state.lanes.push((Arc::clone(progress), [piece].into())),
        }
    }

    #[cfg(feature = "v1")]
    fn stream_bytes_taken(&self) -> u64 {
        0
    }

    #[cfg(feature = "v1")]
    fn is_between_files(&self) -> bool {
        false
    }

    fn cut_stream(&self, lane: uuid::Uuid, _: Bytes) {
        self.drop_stream(lane);
    }

    fn drop_stream(&self, lane: uuid::Uuid) {
        self.0
            .borrow_mut()
            .lanes
            .retain(|(progress, _)| progress.stream != lane);
    }
}

/// A room and its next connection.
struct Bench {
    room: Room<Box_>,
    connections: u64,
    /// The address of the next connection.
    address: IpAddr,
    /// Shared by all rooms of the relay.
    owners: Arc<Mutex<Owners>>,
}

/// A connection to the room.
struct Client {
    seat_id: SeatId,
    outbox: Box_,
    walking: bool,
}

impl Bench {
    fn new(change: impl FnOnce(&mut Rules)) -> Bench {
        let mut rules = Rules {
            max_members: 0,
            #[cfg(feature = "v1")]
            v1: v1::Rules {
                max_users: 50,
                max_file: 1 << 20,
            },
            memory_messages: 1000,
            memory_bytes: 1 << 20,
            queue_frames: 1000,
            queue_bytes: 1 << 20,
            heartbeat: 20,
            server: "test".into(),
            limits: Limits {
                message_bytes: 1,
                chunk_bytes: 1,
                window_bytes: 1,
                rate: 1,
                burst: 1,
            },
        };
        change(&mut rules);
        let owners = Arc::<Mutex<Owners>>::default();
        Bench {
            room: Room::new("lobby", "epoch".into(), Arc::new(rules), Arc::clone(&owners)),
            connections: 0,
            address: Ipv4Addr::LOCALHOST.into(),
            owners,
        }
    }

    /// Joins with these fields in the hello.
    fn enter(&mut self, name: &str, fields: Value) -> Result<Client, Code> {
        self.enter_as(name, fields, None)
    }

    /// Joins, as version 1 with `v1`.
    fn enter_as(&mut self, name: &str, fields: Value, v1: Option<Box<v1::V1Seat>>) -> Result<Client, Code> {
        let mut hello = json!({"type": "hello", "v": 2, "name": name, "token": "t"});
        for (key, value) in fields.as_object().expect("fields") {
            hello[key] = value.clone();
        }
        self.connections += 1;
        let entry = JoinRequest {
            greeting: Greeting::parse(&hello.to_string()).expect("a hello"),
            connection: self.connections,
            address: self.address,
            session: format!("session{}", self.connections),
            v1,
            over_limit: false,
        };
        let outbox = Box_::default();
        let seat_id = self
            .room
            .join(entry, outbox.clone(), self.connections)
            .map_err(|error| error.code)?;
        Ok(Client {
            seat_id,
            outbox,
            walking: true,
        })
    }

    fn join(&mut self, name: &str) -> Client {
        self.enter(name, json!({})).expect("a welcome")
    }

    fn post(&mut self, client: &Client, id: &str, to: &[&str], only: bool) -> Result<usize, Code> {
        self.post_body(client, id, to, only, json!({"text": id}))
    }

    fn post_body(
        &mut self,
        from: &Client,
        id: &str,
        to: &[&str],
        only: bool,
        body: Value,
    ) -> Result<usize, Code> {
        let frame = json!({"type": "message", "id": id, "to": to, "only": only, "body": body}).to_string();
        let Ok(Request::Message(post)) = Request::parse(&frame) else {
            panic!("no message: {frame}")
        };
        self.room
            .message(&from.seat_id, &post, 1000)
            .map_err(|error| error.code)
    }

    /// Reads what a writer would take next: the queue, then a step of the replay.
    fn read(&mut self, client: &mut Client, budget: usize) -> Vec<Value> {
        let mut frames: Vec<Bytes> = client.outbox.0.borrow_mut().frames.drain(..).collect();
        if client.walking {
            client.walking = self.room.replay(&client.seat_id, budget, &mut frames) == ReplayStep::More;
        }
        frames.iter().map(|frame| json_of(frame)).collect()
    }

    /// Reads everything for a connection.
    fn read_all(&mut self, client: &mut Client) -> Vec<Value> {
        let mut frames = self.read(client, usize::MAX);
        while client.walking {
            frames.extend(self.read(client, usize::MAX));
        }
        frames
    }

    /// Reads everything for a connection and returns the ids of the messages.
    fn ids(&mut self, client: &mut Client) -> Vec<String> {
        let frames = self.read_all(client);
        let messages = frames.iter().filter(|frame| frame["type"] == "message");
        messages
            .map(|frame| frame["id"].as_str().expect("an id").to_owned())
            .collect()
    }
}

/// Makes a client one of version 1.
#[cfg(feature = "v1")]
fn v1_seat() -> Box<v1::V1Seat> {
    Box::new(v1::V1Seat::new(Arc::default()))
}

impl Client {
    fn closed(&self) -> Option<Code> {
        self.outbox.0.borrow().closed
    }
}

/// The JSON in an encoded text frame.
fn json_of(frame: &[u8]) -> Value {
    let header = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    serde_json::from_slice(&frame[header..]).expect("JSON")
}
