//! Proxies that may say on whose behalf they connect.

use std::{net::IpAddr, str::FromStr};

/// An address, or all that begin alike: `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32, self.prefix),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128, self.prefix),
            _ => false,
        }
    }
}

fn same(a: u128, b: u128, width: u32, prefix: u32) -> bool {
    (a ^ b).checked_shr(width - prefix).unwrap_or(0) == 0
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let fault = || format!("{text:?} is no address like 10.0.0.7, and no network like 10.0.0.0/8");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u32>().map_err(|_| fault())?)),
            None => (text, None),
        };
        let address = address.parse::<IpAddr>().map_err(|_| fault())?.to_canonical();
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(width);
        if prefix > width {
            return Err(fault());
        }
        Ok(Network { address, prefix })
    }
}

/// Who is behind a connection from `peer`: itself, unless it is a trusted proxy; then the last address of
/// `X-Forwarded-For` that is none. What stands before that was written by who knows whom.
pub fn client(trusted: &[Network], peer: IpAddr, forwarded: &[&str]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer;
    let list = forwarded.iter().flat_map(|value| value.split(',')).rev();
    for word in list {
        if !is_trusted(client) {
            break;
        }
        let Ok(address) = word.trim().parse::<IpAddr>() else {
            break;
        };
        client = address.to_canonical();
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        for (network, address, inside) in [
            ("10.0.0.7", "10.0.0.7", true),
            ("10.0.0.7", "::ffff:10.0.0.7", true),
            ("10.0.0.7", "10.0.0.8", false),
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "::1", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
        ] {
            let network: Network = network.parse().expect("a network");
            assert_eq!(
                network.contains(address.parse().expect("an address")),
                inside,
                "{network:?} {address}"
            );
        }
        for bad in ["", "host", "10.0.0.0/33", "10.0.0.0/x", "10.0.0/8"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_listed_proxies_are_believed() {
        let trusted: Vec<Network> = ["10.0.0.1", "10.0.0.2"]
            .iter()
            .map(|n| n.parse().expect("a network"))
            .collect();
        for (peer, forwarded, expected) in [
            ("192.0.2.9", &["203.0.113.1"][..], "192.0.2.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1"], "203.0.113.1"),
            // The first was written by the client.
            ("10.0.0.1", &["198.51.100.1, 203.0.113.1"], "203.0.113.1"),
            ("10.0.0.1", &["203.0.113.1", "10.0.0.2"], "203.0.113.1"),
            ("10.0.0.1", &["203.0.113.1, nonsense"], "10.0.0.1"),
        ] {
            let client = client(&trusted, peer.parse().expect("an address"), forwarded);
            assert_eq!(client.to_string(), expected, "{peer} {forwarded:?}");
        }
    }
}
