//! One connection that panics, and another that does not notice.

use std::{
    io,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    task::{Context, Poll},
};

use futures_util::SinkExt;
use tokio::io::{DuplexStream, ReadBuf, duplex};
use tokio_tungstenite::client_async;

use super::*;
use crate::{Config, server};

/// A stream that panics when it is read after its fuse was lit.
struct Bomb(DuplexStream, Arc<AtomicBool>);

impl AsyncRead for Bomb {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        assert!(!self.1.load(Relaxed), "this panic is part of a test");
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Bomb {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_panic_ends_only_one_connection() {
    let shared = Arc::new(server::shared(Config::new("token")));
    let fuse = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for (name, fuse) in [("ann", Arc::default()), ("bob", Arc::clone(&fuse))] {
        let (near, far) = duplex(1 << 16);
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let permit = shared.conn_limits.admit(Some(peer.ip())).expect("a permit");
        tokio::spawn(serve(Arc::clone(&shared), Bomb(far, fuse), peer, permit));
        let (mut client, _) = client_async("ws://relay/ws", near).await.expect("an upgrade");
        let hello = format!(r#"{{"type":"hello","v":2,"name":"{name}","token":"token"}}"#);
        client.send(Message::text(hello)).await.expect("sent");
        let welcome = client.next().await.expect("a frame").expect("a frame");
        assert!(welcome.to_text().is_ok_and(|text| text.contains("welcome")));
        clients.push(client);
    }
    let [ann, bob] = &mut clients[..] else {
        panic!("two clients")
    };
    let joined = ann.next().await.expect("a frame").expect("a frame");
    assert!(joined.to_text().is_ok_and(|text| text.contains("\"join\"")));
    fuse.store(true, Relaxed);
    bob.send(Message::text("{}")).await.expect("sent");
    let away = ann.next().await.expect("a frame").expect("a frame");
    assert!(away.to_text().is_ok_and(|text| text.contains("\"away\"")));
    ann.send(Message::text(
        r#"{"type":"message","id":"a","to":["bob"],"body":{}}"#,
    ))
    .await
    .expect("sent");
    let ack = ann.next().await.expect("a frame").expect("a frame");
    assert!(
        ack.to_text()
            .is_ok_and(|text| text.contains(r#""absent":["bob"]"#))
    );
    assert_eq!(shared.conn_limits.count(), 1, "its permit is free again");
}
