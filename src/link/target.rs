//! The address of a relay: `ws://host:port/ws`, or an invite `nexscope://host:port/room?tls=0#TOKEN`.

use std::{fmt, str::FromStr};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Host name or address; an IPv6 address without brackets.
    pub host: String,
    pub port: u16,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// The path of the request.
    pub path: String,
}

/// An invite: the relay, the room, and its secret in one string.
#[derive(Clone, PartialEq, Eq)]
pub struct Invite {
    pub target: Target,
    pub room: String,
    pub token: String,
}

/// Text that is not a relay's address or an invite.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It does not begin with a known scheme.
    #[error(
        "a relay is ws://HOST:PORT/ws or wss://HOST/ws, and an invite is nexscope://HOST:PORT/ROOM#TOKEN"
    )]
    Scheme,
    /// The host is missing or invalid.
    #[error("the address has no host")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// An invite without its token.
    #[error("the invite has no token behind a #; ask for it whole")]
    Token,
    /// An invite with an invalid room name.
    #[error("the invite's room is not 1 to 32 of a-z, 0-9, _ and -")]
    Room,
}

impl Target {
    /// Host and port as one string.
    pub fn authority(&self) -> String {
        authority(&self.host, self.port)
    }

    /// Whether it is this computer.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self
                .host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "{}://{}{}",
            if self.tls { "wss" } else { "ws" },
            self.authority(),
            self.path
        )
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let text = text.trim();
        let (tls, rest) = match (text.strip_prefix("wss://"), text.strip_prefix("ws://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err(TargetError::Scheme),
        };
        // A query does not belong in the request line.
        let rest = rest.split(['?', '#']).next().unwrap_or(rest);
        let (authority, path) = rest.split_once('/').unwrap_or((rest, "ws"));
        let (host, port) = host_and_port(authority, if tls { 443 } else { 80 })?;
        let path = if path.is_empty() { "ws" } else { path };
        if !path.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(TargetError::Host);
        }
        Ok(Self {
            host,
            port,
            tls,
            path: format!("/{path}"),
        })
    }
}

impl FromStr for Invite {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let rest = text
            .trim()
            .strip_prefix("nexscope://")
            .ok_or(TargetError::Scheme)?;
        let (rest, token) = rest.split_once('#').ok_or(TargetError::Token)?;
        if !nexscope_relay::protocol::is_token(token) {
            return Err(TargetError::Token);
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, room) = rest.split_once('/').unwrap_or((rest, ""));
        let room = if room.is_empty() { "lobby" } else { room };
        if !nexscope_relay::protocol::is_name(room) {
            return Err(TargetError::Room);
        }
        let tls = !query.split('&').any(|pair| pair == "tls=0");
        let (host, port) = host_and_port(authority, if tls { 443 } else { 80 })?;
        let target = Target {
            host,
            port,
            tls,
            path: "/ws".into(),
        };
        Ok(Self {
            target,
            room: room.into(),
            token: token.into(),
        })
    }
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let tls = if self.target.tls { "" } else { "?tls=0" };
        write!(
            f,
            "nexscope://{}/{}{tls}#{}",
            self.target.authority(),
            self.room,
            self.token
        )
    }
}

// An invite contains a secret: it is only shown on purpose.
impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Invite")
            .field("target", &self.target)
            .field("room", &self.room)
            .finish_non_exhaustive()
    }
}

/// Host and port as one string.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

pub(super) fn host_and_port(authority: &str, usual: u16) -> Result<(String, u16), TargetError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(TargetError::Host)?;
            host.parse::<std::net::Ipv6Addr>()
                .map_err(|_| TargetError::Host)?;
            (host, port.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let host_ok = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':'));
    if !host_ok {
        return Err(TargetError::Host);
    }
    let port = match port {
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or(TargetError::Port)?,
        None => usual,
    };
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays() {
        let table = [
            ("ws://localhost:8080/ws", "ws://localhost:8080/ws"),
            ("wss://relay.example", "wss://relay.example:443/ws"),
            ("ws://[::1]:9/x/y", "ws://[::1]:9/x/y"),
            ("ws://h:1/ws?token=secret#x", "ws://h:1/ws"),
        ];
        for (given, expected) in table {
            assert_eq!(given.parse::<Target>().unwrap().to_string(), expected);
        }
        for bad in [
            "http://x",
            "ws://",
            "ws://a b/",
            "ws://x:0/",
            "ws://x:99999/",
            "ws://[zz]/",
            "x",
        ] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }

    #[test]
    fn invites() {
        let table = [
            (
                "nexscope://relay.example:8080/lobby?tls=0#TOKEN",
                "nexscope://relay.example:8080/lobby?tls=0#TOKEN",
            ),
            (
                "nexscope://relay.example#T",
                "nexscope://relay.example:443/lobby#T",
            ),
            ("  nexscope://[::1]:5/dev#a_b-c\n", "nexscope://[::1]:5/dev#a_b-c"),
        ];
        for (given, expected) in table {
            assert_eq!(given.parse::<Invite>().unwrap().to_string(), expected);
        }
        for bad in [
            "nexscope://h/lobby",
            "nexscope://h/lobby#",
            "nexscope://h/all#t",
            "nexscope:///x#t",
            "ws://h#t",
        ] {
            assert!(bad.parse::<Invite>().is_err(), "{bad}");
        }
        let debug = format!("{:?}", "nexscope://h#SECRET".parse::<Invite>().unwrap());
        assert!(!debug.contains("SECRET"));
    }
}
