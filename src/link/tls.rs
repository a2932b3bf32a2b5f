//! TLS to a relay: the certificates that are trusted, and errors in plain words.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::{CertificateError, pki_types::UnixTime};
use tokio_tungstenite::{Connector, tungstenite};

use super::{End, Target};

/// TLS with the system's trusted certificates, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`. Fails if there are
/// none.
pub(super) fn connector() -> Result<Connector, End> {
    let roots = rustls_native_certs::load_native_certs();
    let mut store = rustls::RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(roots.certs);
    if added == 0 {
        return Err(End::because(
            "this system has no trusted certificates; install ca-certificates for wss://",
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| End::because(format!("TLS cannot be used: {error}")))?;
    Ok(Connector::Rustls(Arc::new(
        config.with_root_certificates(store).with_no_client_auth(),
    )))
}

/// Explains why no TLS connection was made, if that is the reason for the error.
pub(super) fn explain(error: &tungstenite::Error, target: &Target) -> Option<String> {
    let relay = target.authority();
    if !target.tls {
        return is_not_http(error).then(|| {
            format!(
                "{relay} does not answer in plain HTTP; if it uses TLS, its address is {}",
                Target {
                    tls: true,
                    ..target.clone()
                }
            )
        });
    }
    let error = match error {
        tungstenite::Error::Io(error) => error,
        tungstenite::Error::Tls(error) => {
            return Some(format!("TLS to {relay} failed: {error}"));
        }
        _ => return None,
    };
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref()) else {
        // A server without TLS hangs up, rather than answering.
        return (error.kind() == std::io::ErrorKind::UnexpectedEof).then(|| without_tls(target));
    };
    Some(match error {
        rustls::Error::InvalidCertificate(error) => certificate(error, target),
        rustls::Error::InvalidMessage(_) => without_tls(target),
        rustls::Error::AlertReceived(_) | rustls::Error::PeerIncompatible(_) => {
            format!("{relay} and this program have no version of TLS in common ({error}); update the relay")
        }
        other => format!("TLS to {relay} failed: {other}"),
    })
}

/// Whether an answer to a plain request is something else, such as TLS.
fn is_not_http(error: &tungstenite::Error) -> bool {
    matches!(
        error,
        tungstenite::Error::Protocol(
            tungstenite::error::ProtocolError::HttparseError(_)
                | tungstenite::error::ProtocolError::HandshakeIncomplete
        )
    )
}

fn without_tls(target: &Target) -> String {
    let plain = Target {
        tls: false,
        ..target.clone()
    };
    format!(
        "{relay} does not use TLS; its address is {plain}, and its invite has ?tls=0",
        relay = target.authority()
    )
}

/// What is wrong with a certificate, and what to do.
fn certificate(error: &CertificateError, target: &Target) -> String {
    let relay = target.authority();
    let renew = "ask whoever runs it to renew it";
    match error {
        CertificateError::Expired => {
            format!("the certificate of {relay} has expired; {renew}, or check this computer's clock")
        }
        CertificateError::ExpiredContext { not_after, .. } => format!(
            "the certificate of {relay} expired on {}; {renew}, or check this computer's clock",
            date(*not_after)
        ),
        CertificateError::NotValidYet => {
            format!("the certificate of {relay} is not valid yet; check this computer's clock")
        }
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the certificate of {relay} is valid from {}; check this computer's clock",
            date(*not_before)
        ),
        // Another authority with the name of a known one is unknown, too.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "this computer does not know who issued the certificate of {relay}; add the issuer's certificate to the \
             system's, or set SSL_CERT_FILE to its file"
        ),
        CertificateError::NotValidForName => {
            format!(
                "the certificate of {relay} is not for {}; check the address",
                target.host
            )
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<&str> = presented.iter().map(|name| shown_name(name)).collect();
            format!(
                "the certificate of {relay} is for {}, not for {}; check the address",
                crate::text::clean_line(&names.join(", "), 100),
                target.host
            )
        }
        CertificateError::Revoked => format!("the certificate of {relay} was revoked; {renew}"),
        other if is_authority(other) => format!(
            "the certificate of {relay} is one of an authority, not of a server; ask whoever runs it for one made with \
             CA:FALSE"
        ),
        other => format!(
            "the certificate of {relay} is not valid ({}); {renew}",
            crate::text::clean_line(&other.to_string(), 100)
        ),
    }
}

/// A name of a certificate, which rustls prints as `DnsName("host")`.
fn shown_name(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

/// Whether it is a self-signed certificate as `openssl req -x509` makes it. rustls has no variant for that.
fn is_authority(error: &CertificateError) -> bool {
    format!("{error:?}").contains("CaUsedAsEndEntity")
}

fn date(time: UnixTime) -> String {
    let time = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(time).map_or_else(
        |_| "another day".to_owned(),
        |time| time.strftime("%-d %B %Y").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 16, 39. `tests/tls.rs` has the errors of real handshakes.
    #[test]
    fn certificates_that_a_test_cannot_make_are_explained() {
        let target: Target = "wss://relay.example/ws".parse().unwrap();
        let day = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_893_456_000));
        for (error, says) in [
            (CertificateError::Expired, "has expired"),
            (CertificateError::NotValidYet, "clock"),
            (
                CertificateError::NotValidYetContext {
                    time: day,
                    not_before: day,
                },
                "valid from 1 January 2030",
            ),
            (CertificateError::NotValidForName, "not for relay.example"),
            (CertificateError::Revoked, "revoked"),
            (CertificateError::BadEncoding, "not valid (BadEncoding)"),
        ] {
            let words = certificate(&error, &target);
            assert!(words.contains(says), "{error:?}: {words}");
        }
    }
}
