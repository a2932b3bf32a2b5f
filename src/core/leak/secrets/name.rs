//! Names of files that usually contain secrets.

/// Whole names, in lower case, with the kind of file.
const NAMES: &[(&str, &str)] = &[
    (".env", SETTINGS),
    (".envrc", SETTINGS),
    (".netrc", PASSWORDS),
    ("_netrc", PASSWORDS),
    (".pgpass", PASSWORDS),
    (".my.cnf", PASSWORDS),
    (".git-credentials", PASSWORDS),
    (".htpasswd", PASSWORDS),
    ("shadow", PASSWORDS),
    (".npmrc", SETTINGS),
    (".pypirc", SETTINGS),
    ("credentials", SETTINGS),
    ("kubeconfig", SETTINGS),
    ("wallet.dat", STORE),
];

/// Endings of names, in lower case, with the kind of file.
const ENDINGS: &[(&str, &str)] = &[
    (".env", SETTINGS),
    (".pem", KEY),
    (".key", KEY),
    (".ppk", KEY),
    (".p8", KEY),
    (".p12", STORE),
    (".pfx", STORE),
    (".jks", STORE),
    (".keystore", STORE),
    (".kdbx", STORE),
    (".ovpn", SETTINGS),
    (".tfstate", SETTINGS),
    (".tfvars", SETTINGS),
];

/// Stems of such names with any extension, except those of code.
const STEMS: &[&str] = &["credentials", "secrets", "service-account", "service_account"];
/// Extensions of settings files.
const WRITTEN_IN: &[&str] = &["json", "toml", "yaml", "yml", "ini", "txt", "xml", "csv"];

const SETTINGS: &str = "a file of secret settings";
const PASSWORDS: &str = "a list of passwords";
const KEY: &str = "a private key";
const STORE: &str = "a store of keys";

/// The kind of secret that a file of that name probably contains, if any.
pub fn secret_name(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let is_example = ["example", "sample", "template", "dist"]
        .iter()
        .any(|word| name.contains(word));
    if is_example {
        return None;
    }
    let is_ssh_key = name.starts_with("id_") && !name.contains('.');
    if is_ssh_key
        && ["rsa", "dsa", "ecdsa", "ed25519"]
            .iter()
            .any(|kind| name[3..].starts_with(kind))
    {
        return Some(KEY);
    }
    if name.starts_with(".env.") {
        return Some(SETTINGS);
    }
    let (stem, ending) = name.rsplit_once('.').unwrap_or((&name, ""));
    if STEMS.contains(&stem) && WRITTEN_IN.contains(&ending) {
        return Some(SETTINGS);
    }
    let whole = NAMES.iter().find(|(known, _)| *known == name);
    let found = whole.or_else(|| ENDINGS.iter().find(|(known, _)| name.ends_with(known)));
    found.map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use crate::core::leak::secrets::name::*;

    #[test]
    fn table() {
        let secret = [
            (".env", SETTINGS),
            (".ENV", SETTINGS),
            (".env.production", SETTINGS),
            ("prod.env", SETTINGS),
            ("id_rsa", KEY),
            ("id_ed25519", KEY),
            ("id_ecdsa_sk", KEY),
            ("server.pem", KEY),
            ("tls.key", KEY),
            ("putty.ppk", KEY),
            ("release.jks", STORE),
            ("cert.p12", STORE),
            ("all.kdbx", STORE),
            (".netrc", PASSWORDS),
            (".git-credentials", PASSWORDS),
            ("credentials.json", SETTINGS),
            ("secrets.yml", SETTINGS),
            ("credentials", SETTINGS),
            ("terraform.tfstate", SETTINGS),
        ];
        for (name, what) in secret {
            assert_eq!(secret_name(name), Some(what), "{name}");
        }
        let harmless = [
            ".env.example",
            ".env.sample",
            "id_rsa.pub",
            "id_list",
            "id_",
            "report.md",
            "key.rs",
            "keys.md",
            "secrets.rs",
            "credentials.rs",
            "environment.ts",
            "env",
            "monkey",
            "README",
            "Cargo.lock",
            "",
            "shadow.css",
            "pem",
            "a.keys",
            "secrets",
            "x.pub",
        ];
        for name in harmless {
            assert_eq!(secret_name(name), None, "{name}");
        }
    }
}
