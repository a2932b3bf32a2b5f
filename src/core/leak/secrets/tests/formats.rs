//! A test for each format that safety reviews have named.

use crate::core::leak::secrets::tests::{samples::made_up, whats};

/// A format, a sample as in `rules.toml`, and the expected finding.
const FORMATS: &[(&str, &str, &str)] = &[
    ("password variable", "DB_PASS={l:10}", "secret setting"),
    (
        "password variable in words",
        "DB_PASS=correcthorse",
        "secret setting",
    ),
    ("MYSQL_PWD", "MYSQL_PWD={l:10} mysql -u root", "secret setting"),
    (
        ".netrc",
        "machine api.example.com login bob password {a:10}",
        "login of a .netrc",
    ),
    (
        ".netrc on lines",
        "machine api.example.com\nlogin bob\npassword {l:10}",
        "login of a .netrc",
    ),
    (".pgpass", "db.internal:5432:app:app:{a:12}", "line of a .pgpass"),
    (
        ".pgpass with wildcards",
        "localhost:*:*:postgres:{a:9}",
        "line of a .pgpass",
    ),
    ("htpasswd, bcrypt", "bob:$2y$10${a:53}", "password hash"),
    ("htpasswd, apr1", "bob:$apr1${a:8}${a:22}", "password hash"),
    ("htpasswd, SHA", "bob:{SHA}{b:27}=", "password hash"),
    (
        "shadow line, SHA-512",
        "root:$6${a:16}${a:86}:19700:0:99999:7:::",
        "password hash",
    ),
    (
        "shadow line, yescrypt",
        "root:$y$j9T${a:22}${a:43}:19700:0:99999:7:::",
        "password hash",
    ),
    ("AWS secret key", "{b:40}", "AWS secret key"),
    (
        "AWS secret key by name",
        "aws_secret_access_key = {b:40}",
        "AWS secret key",
    ),
    (
        "Azure SAS",
        "https://x.blob.core.windows.net/c/b?sv=2022-11-02&sr=b&sig={a:43}%3D",
        "Azure shared access signature",
    ),
    ("Azure client secret", "{a:3}8Q~{a:34}", "Azure client secret"),
    (
        "docker auth",
        "{\"auths\":{\"r.example.com\":{\"auth\":\"{basic}\"}}}",
        "Docker login",
    ),
    (
        "OpenSSH body",
        "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n{b:70}\n{b:70}",
        "private key without its first line",
    ),
    (
        "redis address",
        "redis://:{a:12}@cache:6379/0",
        "password in an address",
    ),
    (
        "password with a slash",
        "postgres://app:a/{a:8}/b@db:5432/app",
        "password in an address",
    ),
    (
        "JDBC",
        "jdbc:postgresql://db/app?user=app&password={a:10}",
        "password in a JDBC address",
    ),
    (
        "libpq",
        "host=db dbname=app user=app password={a:10}",
        "password in a connection string",
    ),
    (
        "curl -u",
        "curl -u admin:{a:10} https://api.example.com",
        "password of a command",
    ),
    (
        "sshpass",
        "sshpass -p {a:10} ssh root@10.0.0.1",
        "password of a command",
    ),
    ("XML password", "<password>{a:10}</password>", "password in XML"),
    ("cookie", "Cookie: theme=dark; sessionid={l:32}", "cookie"),
    ("set cookie", "Set-Cookie: sid={a:40}; Path=/; HttpOnly", "cookie"),
    (
        "Sentry DSN",
        "https://{h:32}@o123456.ingest.sentry.io/1234567",
        "Sentry DSN",
    ),
    ("npm _auth", "//registry.example.com/:_auth={basic}", "npm login"),
    ("Ethereum key", "PRIVATE_KEY=0x{h:64}", "Ethereum private key"),
    ("WIF", "{wif}", "Bitcoin private key"),
    (
        "WireGuard",
        "[Interface]\nPrivateKey = {wireguard}",
        "WireGuard private key",
    ),
    ("seed phrase of 12", "{seed12}", "seed phrase"),
    ("seed phrase of 24", "the words are {seed24}", "seed phrase"),
    ("Slack xoxd", "xoxd-{a:60}%2B{a:30}%3D", "Slack session token"),
    ("xAI", "xai-{a:80}", "xAI key"),
    ("Perplexity", "pplx-{a:48}", "Perplexity key"),
    ("Tavily", "tvly-{a:32}", "Tavily key"),
    ("LangSmith", "lsv2_pt_{h:32}_{h:10}", "LangSmith key"),
    ("Google refresh token", "1//0{w:60}", "Google refresh token"),
    ("Square", "EAAA{a:60}", "Square token"),
    ("Square secret", "sq0csp-{w:43}", "Square token"),
    (
        "Braintree",
        "access_token$production${l:16}${h:32}",
        "Braintree token",
    ),
    ("Atlassian", "ATATT3xFfGF0{w:171}={u:8}", "Atlassian token"),
    ("Bitbucket", "ATBB{a:32}", "Atlassian token"),
    ("Fly", "FlyV1 fm2_{b:180}==", "Fly.io token"),
    ("Netlify", "nfp_{a:36}", "Netlify token"),
    ("Doppler", "dp.pt.{a:43}", "Doppler token"),
    ("PlanetScale", "pscale_tkn_{w:43}", "PlanetScale token"),
    ("Pulumi", "pul-{h:40}", "Pulumi token"),
    ("MongoDB Atlas", "mdb_sa_sk_{w:40}", "MongoDB Atlas secret"),
    (
        "MongoDB Atlas key",
        "MONGODB_ATLAS_PRIVATE_KEY={h:8}-{h:4}-{h:4}-{h:4}-{h:12}",
        "MongoDB Atlas key",
    ),
    ("CircleCI", "CCIPAT_{a:22}_{h:40}", "CircleCI token"),
    ("Buildkite", "bkua_{l:40}", "Buildkite token"),
    ("Postman", "PMAK-{h:24}-{h:34}", "Postman key"),
    ("Figma", "figd_{w:40}", "Figma token"),
    ("Airtable", "pat{a:14}.{h:64}", "Airtable token"),
    ("Dropbox", "sl.{w:135}", "Dropbox token"),
    ("1Password service account", "ops_eyJ{b:300}", "1Password token"),
    (
        "1Password secret key",
        "A3-{u:6}-{u:6}-{u:5}-{u:5}-{u:5}-{u:5}",
        "1Password token",
    ),
    ("Tailscale", "tskey-auth-{a:12}CNTRL-{a:32}", "Tailscale key"),
    ("SonarQube", "squ_{h:40}", "SonarQube token"),
    ("Heroku", "HRKU-AA{w:58}", "Heroku key"),
    (
        "Heroku UUID",
        "HEROKU_API_KEY={h:8}-{h:4}-{h:4}-{h:4}-{h:12}",
        "Heroku key",
    ),
    (
        "invite",
        "nexscope://relay.example:8080/lobby#{w:22}",
        "Nexscope invite",
    ),
];

#[test]
fn every_named_format_is_held() {
    let wrong: Vec<_> = FORMATS
        .iter()
        .flat_map(|(format, sample, what)| (0..5).map(move |nth| (format, sample, what, nth)))
        .filter_map(|(format, sample, what, nth)| {
            let sample = made_up(sample, &format!("{format}{nth}"));
            let found = whats(&format!("Here it is:\n{sample}\nKeep it safe."));
            (!found.iter().any(|found| found == what)).then(|| format!("{format}: {found:?}: {sample}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_key_in_base64_and_a_token_split_by_marks_are_held() {
    use base64::{Engine, prelude::*};
    let pem = made_up(
        "-----BEGIN PRIVATE KEY-----\n{b:64}\n{b:64}\n-----END PRIVATE KEY-----\n",
        "pem",
    );
    assert_eq!(
        whats(&format!("See {}.", BASE64_STANDARD.encode(pem))),
        ["private key"]
    );
    let token = made_up("ghp_{a:18}**{a:18}", "split");
    assert_eq!(whats(&token), ["GitHub token"]);
}
