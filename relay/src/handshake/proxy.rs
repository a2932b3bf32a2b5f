//! Trusted proxies, and the clients behind them.

use std::net::IpAddr;

use ipnet::IpNet;

/// Parses an address or a network: `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`.
pub fn parse_network(text: &str) -> Result<IpNet, String> {
    let network = match text.parse::<IpNet>() {
        Ok(network) => IpNet::new(network.addr().to_canonical(), network.prefix_len()).ok(),
        Err(_) => text
            .parse::<IpAddr>()
            .ok()
            .map(|address| address.to_canonical().into()),
    };
    network.ok_or_else(|| format!("{text:?} is not an address like 10.0.0.7 or a network like 10.0.0.0/8"))
}

/// Whether an address is that of a trusted proxy.
pub fn is_trusted(trusted: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|network| network.contains(&address))
}

/// The client of a connection from `peer`: the peer itself, unless it is a trusted proxy. Then it is the last address in
/// `X-Forwarded-For` that is not a trusted proxy; anyone may have written what comes before that.
pub fn client(trusted: &[IpNet], peer: IpAddr, forwarded: &[&str]) -> IpAddr {
    let mut client = peer;
    let list = forwarded.iter().flat_map(|value| value.split(',')).rev();
    for word in list {
        if !is_trusted(trusted, client) {
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
            ("::ffff:10.0.0.7", "10.0.0.7", true),
            ("10.0.0.7", "10.0.0.8", false),
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.1.2.3/8", "10.255.1.2", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "::1", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
        ] {
            let network = parse_network(network).expect("a network");
            assert_eq!(
                is_trusted(&[network], address.parse().expect("an address")),
                inside,
                "{network:?} {address}"
            );
        }
        for bad in ["", "host", "10.0.0.0/33", "10.0.0.0/x", "10.0.0/8"] {
            assert!(parse_network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_listed_proxies_are_believed() {
        let trusted = ["10.0.0.1", "10.0.0.2"].map(|text| parse_network(text).expect("a network"));
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
