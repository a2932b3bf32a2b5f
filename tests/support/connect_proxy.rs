//! An HTTP proxy on loopback that connects every tunnel to one address.

use std::{
    io::{Read, Write, copy},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    thread,
};

pub struct ConnectProxy {
    address: SocketAddr,
    /// The requests that it has got.
    pub requests: Receiver<String>,
}

impl ConnectProxy {
    pub fn start(relay: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (requests_in, requests) = channel();
        // Ends with the test's process.
        thread::spawn(move || {
            for mut client in listener.incoming().map_while(Result::ok) {
                let requests = requests_in.clone();
                thread::spawn(move || {
                    let mut request = Vec::new();
                    let mut byte = [0];
                    while !request.ends_with(b"\r\n\r\n") && client.read_exact(&mut byte).is_ok() {
                        request.push(byte[0]);
                    }
                    // The test may be over.
                    let _ = requests.send(String::from_utf8_lossy(&request).into_owned());
                    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                    forward(client, TcpStream::connect(relay).unwrap());
                });
            }
        });
        Self { address, requests }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn forward(client: TcpStream, relay: TcpStream) {
    for (from, to) in [(&client, &relay), (&relay, &client)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        thread::spawn(move || {
            let _ = copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
    }
}
