//! The HTTP proxy for a relay, by the variables that curl reads too.

use std::{fmt, net::IpAddr};

use base64::{Engine, prelude::BASE64_STANDARD};

use super::Target;

/// An HTTP proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Host name or address; an IPv6 address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// The name and password, as basic authentication sends them.
    pub(super) login: Option<String>,
    /// The variable that names it.
    pub(super) variable: &'static str,
}

/// A variable does not name an HTTP proxy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    #[error("{0} is no address of a proxy; set it to http://HOST:PORT")]
    Address(&'static str),
    /// A proxy that is not spoken to in HTTP.
    #[error(
        "{0} names a proxy of a kind that is not supported; set it to http://HOST:PORT, or add {1} to NO_PROXY to connect directly"
    )]
    Kind(&'static str, String),
}

impl Proxy {
    /// The proxy for a relay, if its variables name one. The first variable that is set counts; in lower case first,
    /// as curl does it. Loopback addresses are never proxied.
    ///
    /// # Errors
    ///
    /// If the variable names something else.
    pub fn of(
        target: &Target,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, ProxyError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let own: [&'static str; 2] = match target.tls {
            true => ["https_proxy", "HTTPS_PROXY"],
            false => ["http_proxy", "HTTP_PROXY"],
        };
        let mut names = own.into_iter().chain(["all_proxy", "ALL_PROXY"]);
        let Some((name, value)) = names.find_map(|name| Some((name, variable(name)?))) else {
            return Ok(None);
        };
        let direct = variable("no_proxy").or_else(|| variable("NO_PROXY"));
        if target.is_loopback() || direct.is_some_and(|list| is_listed(&list, &target.host)) {
            return Ok(None);
        }
        parse(&value, name, target).map(Some)
    }

    /// The proxy as a person may see it: without name and password.
    pub fn shown(&self) -> String {
        let address = super::target::authority(&self.host, self.port);
        format!("{address} ({})", self.variable)
    }
}

// Its login is a secret.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_tuple("Proxy").field(&self.shown()).finish()
    }
}

/// Reads `[http://][NAME:PASSWORD@]HOST[:PORT][/]`; the port is 80 if none is given.
fn parse(value: &str, variable: &'static str, target: &Target) -> Result<Proxy, ProxyError> {
    let value = value.trim();
    let rest = match value.split_once("://") {
        None => value,
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
        Some(_) => return Err(ProxyError::Kind(variable, target.host.clone())),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    // A password may contain an @.
    let (login, address) = match authority.rsplit_once('@') {
        Some((login, address)) => (Some(login), address),
        None => (None, authority),
    };
    let (host, port) =
        super::target::host_and_port(address, 80).map_err(|_| ProxyError::Address(variable))?;
    let login = login.map(|login| {
        let (name, password) = login.split_once(':').unwrap_or((login, ""));
        let login = [&decoded(name)[..], b":", &decoded(password)[..]].concat();
        BASE64_STANDARD.encode(login)
    });
    Ok(Proxy {
        host,
        port,
        login,
        variable,
    })
}

/// Decodes `%40` and the like.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%');
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

/// Whether `NO_PROXY` lists a host: `*`, a name with all names below it, an address, or a network such as
/// `10.0.0.0/8`.
fn is_listed(list: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let address = host.parse::<IpAddr>().ok();
    let entries = list.split(|c: char| c == ',' || c.is_whitespace());
    entries.filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        let entry = entry.trim_start_matches('[').trim_end_matches(']');
        if let Some(address) = address {
            return is_in_network(address, entry);
        }
        let entry = entry.trim_matches('.').to_ascii_lowercase();
        let below = host.strip_suffix(&entry);
        below.is_some_and(|below| !entry.is_empty() && (below.is_empty() || below.ends_with('.')))
    })
}

fn is_in_network(address: IpAddr, network: &str) -> bool {
    let (network, bits) = match network.split_once('/') {
        Some((network, bits)) => (network, bits.parse::<u32>().ok()),
        None => (network, Some(128)),
    };
    let Some(bits) = bits else { return false };
    let same = |one: u128, other: u128, all: u32| {
        let rest = all.saturating_sub(bits);
        one.checked_shr(rest).unwrap_or(0) == other.checked_shr(rest).unwrap_or(0)
    };
    match (address, network.parse()) {
        (IpAddr::V4(one), Ok(IpAddr::V4(other))) => same(one.to_bits().into(), other.to_bits().into(), 32),
        (IpAddr::V6(one), Ok(IpAddr::V6(other))) => same(one.to_bits(), other.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(relay: &str, variables: &[(&str, &str)]) -> Result<Option<String>, ProxyError> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Proxy::of(&relay.parse().unwrap(), variable).map(|proxy| Some(proxy?.shown()))
    }

    /// Issue 16, 40.
    #[test]
    fn the_variable_that_counts() {
        let (wss, ws) = ("wss://relay.example/ws", "ws://relay.example/ws");
        type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a str>);
        let table: [Row; 12] = [
            (wss, &[], None),
            (wss, &[("HTTPS_PROXY", "")], None),
            (wss, &[("HTTP_PROXY", "http://p:1")], None),
            (ws, &[("HTTPS_PROXY", "http://p:1")], None),
            (wss, &[("HTTPS_PROXY", "http://p:1")], Some("p:1 (HTTPS_PROXY)")),
            (ws, &[("HTTP_PROXY", "p:1")], Some("p:1 (HTTP_PROXY)")),
            (
                wss,
                &[("HTTPS_PROXY", "upper:1"), ("https_proxy", "lower:1")],
                Some("lower:1 (https_proxy)"),
            ),
            (
                ws,
                &[("http_proxy", ""), ("HTTP_PROXY", "p:1")],
                Some("p:1 (HTTP_PROXY)"),
            ),
            (
                ws,
                &[("ALL_PROXY", "all:1"), ("HTTP_PROXY", "own:1")],
                Some("own:1 (HTTP_PROXY)"),
            ),
            (wss, &[("all_proxy", "HTTP://all")], Some("all:80 (all_proxy)")),
            (
                ws,
                &[("ALL_PROXY", "http://[::2]:8/x")],
                Some("[::2]:8 (ALL_PROXY)"),
            ),
            (
                ws,
                &[("HTTP_PROXY", "http://ann:pa@ss@p:1/")],
                Some("p:1 (HTTP_PROXY)"),
            ),
        ];
        for (relay, variables, expected) in table {
            assert_eq!(
                of(relay, variables).unwrap().as_deref(),
                expected,
                "{relay} {variables:?}"
            );
        }
        for (value, kind) in [
            ("socks5://p:1", true),
            ("https://p:1", true),
            ("http://", false),
            ("http://p:x", false),
            ("a b", false),
        ] {
            let error = of(ws, &[("HTTP_PROXY", value)]).unwrap_err();
            assert_eq!(matches!(error, ProxyError::Kind(..)), kind, "{value}: {error}");
        }
    }

    #[test]
    fn no_proxy_lists_names_addresses_and_networks() {
        let table = [
            ("relay.example", "relay.example", true),
            ("RELAY.example.", "relay.EXAMPLE", true),
            ("a.relay.example", ".relay.example", true),
            ("a.relay.example", "relay.example", true),
            ("arelay.example", "relay.example", false),
            ("relay.example", "a.relay.example", false),
            ("relay.example", "x, relay.example", true),
            ("relay.example", "x relay.example", true),
            ("relay.example", "*", true),
            ("relay.example", ",.,", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "2.3", false),
            ("10.1.2.3", "10.0.0.0/8", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("11.1.2.3", "10.0.0.0/0", true),
            ("10.1.2.3", "10.0.0.0/x", false),
            ("fd00::1", "[fd00::1]", true),
            ("fd00::1", "fd00::/8", true),
            ("fe00::1", "fd00::/8", false),
            ("fd00::1", "10.0.0.0/8", false),
        ];
        for (host, list, expected) in table {
            assert_eq!(is_listed(list, host), expected, "{host} in {list}");
        }
    }

    #[test]
    fn loopback_is_never_proxied() {
        for relay in ["ws://localhost:1/ws", "ws://127.0.0.9:1/ws", "ws://[::1]:1/ws"] {
            assert_eq!(of(relay, &[("HTTP_PROXY", "p:1")]), Ok(None), "{relay}");
        }
    }

    #[test]
    fn name_and_password_are_decoded_and_never_shown() {
        let target = "ws://relay.example/ws".parse().unwrap();
        let login = |value: &str| {
            let proxy = parse(value, "HTTP_PROXY", &target).unwrap();
            assert!(!format!("{proxy:?}").contains("pass"));
            let login = proxy.login.map(|login| BASE64_STANDARD.decode(login).unwrap());
            login.map(|login| String::from_utf8(login).unwrap())
        };
        for (value, expected) in [
            ("http://p:1", None),
            ("http://ann:pass%40%word%3a@p:1", Some("ann:pass@%word:")),
            ("ann@p", Some("ann:")),
        ] {
            assert_eq!(login(value).as_deref(), expected, "{value}");
        }
    }
}
