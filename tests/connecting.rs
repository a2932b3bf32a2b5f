//! Errors of TLS, and proxies, with the real program and relay.

mod support;

use std::{fs, path::PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use support::{
    Home, Relay, TOKEN,
    connect_proxy::ConnectProxy,
    shell::{Running, program},
};

/// An authority, and where certificates are written.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: tempfile::TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, dir }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A relay with a certificate of this authority, for a name and up to a year.
    fn relay(&self, name: &str, year: i32) -> Relay {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 3, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.started(&certificate.pem(), &key)
    }

    /// A relay with a certificate that is its own issuer.
    fn relay_of_its_own(&self) -> Relay {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        self.started(&certificate.pem(), &key)
    }

    fn started(&self, certificate: &str, key: &KeyPair) -> Relay {
        let file = |name: &str, text: &str| {
            let path = self.dir.path().join(name);
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (certificate, key) = (
            file("cert.pem", certificate),
            file("key.pem", &key.serialize_pem()),
        );
        Relay::start_with(&["--tls-cert", &certificate, "--tls-key", &key])
    }
}

/// A home that joins a relay, and trusts an authority.
fn home(scheme: &str, relay: &Relay, authority: &Authority) -> Home {
    let mut ann = Home::empty("ann");
    let port = relay.address().port();
    ann.configure(&format!(
        "name = \"ann\"\nrelay = \"{scheme}://localhost:{port}/ws\"\ntoken = \"{TOKEN}\"\n"
    ));
    ann.set("SSL_CERT_FILE", authority.file().display().to_string());
    ann
}

fn doctor(home: &Home) -> String {
    let output = program(home, &["doctor"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Issue 16, 39: these errors were rustls' own, such as `other(othererror(causedasendentity))`.
#[test]
fn errors_of_tls_are_plain_words() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let good = ours.relay("localhost", 2100);
    let plain = Relay::start();
    let expired = ours.relay("localhost", 2021);
    let elsewhere = ours.relay("relay.example", 2100);
    let its_own = ours.relay_of_its_own();
    let table = [
        (home("wss", &good, &ours), "the relay accepts it"),
        (
            home("wss", &good, &other),
            "does not know who issued the certificate of localhost",
        ),
        (
            home("wss", &expired, &ours),
            "expired on 1 March 2021; ask whoever runs it to renew it",
        ),
        (
            home("wss", &elsewhere, &ours),
            "is for relay.example, not for localhost; check the address",
        ),
        (home("wss", &its_own, &ours), "CA:FALSE"),
        (
            home("wss", &plain, &ours),
            "does not use TLS; its address is ws://localhost:",
        ),
        (
            home("ws", &good, &ours),
            "if it uses TLS, its address is wss://localhost:",
        ),
    ];
    for (home, says) in table {
        let told = doctor(&home);
        assert!(told.contains(says), "expected {says:?}:\n{told}");
    }
}

/// Issue 16, 40.
#[test]
fn a_session_reaches_its_relay_through_the_proxy_and_doctor_names_it() {
    let authority = Authority::new("ours");
    let relays = [
        ("ws", "HTTP_PROXY", Relay::start()),
        ("wss", "https_proxy", authority.relay("relay.example", 2100)),
    ];
    for (scheme, variable, relay) in relays {
        let proxy = ConnectProxy::start(relay.address());
        let mut ann = Home::empty("ann");
        ann.configure(&format!(
            "name = \"ann\"\nrelay = \"{scheme}://relay.example:7/ws\"\ntoken = \"{TOKEN}\"\n"
        ));
        ann.set("SSL_CERT_FILE", authority.file().display().to_string());
        ann.set(variable, format!("http://ann:secret@{}", proxy.address()));
        let running = Running::start(&ann, &["--plain"]);
        running.wait_for("-- in #lobby as");
        let request = proxy.requests.recv().unwrap();
        assert!(
            request.starts_with("CONNECT relay.example:7 HTTP/1.1\r\n")
                && request.contains("Proxy-Authorization: Basic YW5uOnNlY3JldA=="),
            "{request}"
        );
        let told = doctor(&ann);
        assert!(
            told.contains(&format!("{} ({variable})", proxy.address())) && told.contains("accepts it"),
            "{told}"
        );
        let (_, errors) = running.end();
        let logs = fs::read_dir(ann.path().join("state/nexscope/log")).unwrap();
        for log in logs {
            let log = fs::read_to_string(log.unwrap().path()).unwrap();
            assert!(!log.contains("secret"), "{log}");
        }
        assert!(!told.contains("secret") && !errors.contains("secret"));
    }
}
