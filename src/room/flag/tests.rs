//! Made-up secrets in the documented formats, and harmless texts that must pass.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::*;

/// A number that looks like chance, the same at every run.
fn chance(seed: &str, nth: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, nth).hash(&mut hasher);
    hasher.finish()
}

fn letters(seed: &str, length: usize, alphabet: &str) -> String {
    let alphabet: Vec<char> = alphabet.chars().collect();
    (0..length)
        .map(|nth| alphabet[chance(seed, nth) as usize % alphabet.len()])
        .collect()
}

const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HEX: &str = "0123456789abcdef";

fn samples() -> Vec<String> {
    let a = |seed: &str, length| letters(seed, length, ALNUM);
    let hex = |seed: &str, length| letters(seed, length, HEX);
    vec![
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE".into(),
        "-----BEGIN OPENSSH PRIVATE KEY-----".into(),
        "-----BEGIN PRIVATE KEY-----".into(),
        "-----BEGIN PGP PRIVATE KEY BLOCK-----".into(),
        format!(
            "AGE-SECRET-KEY-1{}",
            letters("age", 58, "0123456789ACDEFGHJKLMNPQRSTUVWXYZ")
        ),
        format!("AKIA{}", letters("aws", 16, UPPER)),
        format!("aws_secret_access_key = {}", letters("awss", 40, BASE64)),
        format!("ghp_{}", a("gh", 36)),
        format!("gho_{}", a("gho", 36)),
        format!("github_pat_{}_{}", a("p1", 22), a("p2", 59)),
        format!("glpat-{}", a("gl", 20)),
        format!("xoxb-{}-{}-{}", "123456789012", "1234567890123", a("sl", 24)),
        format!(
            "https://hooks.slack.com/services/T{}/B{}/{}",
            a("t", 8),
            a("b", 8),
            a("w", 24)
        ),
        format!(
            "https://discord.com/api/webhooks/123456789012345678/{}",
            a("dw", 68)
        ),
        format!("123456789:AA{}", a("tg", 33)),
        format!("sk_live_{}", a("st", 24)),
        format!("rk_live_{}", a("rk", 24)),
        format!("whsec_{}", a("wh", 32)),
        format!("sk-ant-api03-{}", a("an", 95)),
        format!("sk-proj-{}", a("op", 48)),
        format!("sk-{}T3BlbkFJ{}", a("o1", 20), a("o2", 20)),
        format!("hf_{}", a("hf", 34)),
        format!("AIza{}", a("go", 35)),
        format!("ya29.{}", a("ya", 60)),
        format!("GOCSPX-{}", a("gc", 28)),
        format!("npm_{}", a("npm", 36)),
        format!("pypi-AgEIcHlwaS5vcmc{}", a("py", 70)),
        format!("cio{}", a("cio", 32)),
        format!("dckr_pat_{}", a("dk", 27)),
        format!("SG.{}.{}", a("s1", 22), a("s2", 43)),
        format!("key-{}", hex("mg", 32)),
        format!("SK{}", hex("tw", 32)),
        format!("dop_v1_{}", hex("do", 64)),
        format!("hvs.{}", a("hv", 90)),
        format!("shpat_{}", hex("sh", 32)),
        format!("lin_api_{}", a("li", 40)),
        format!("AccountKey={}==", letters("az", 86, BASE64)),
        format!("eyJhbGciOiJIUzI1NiJ9.eyJ{}.{}", a("j1", 30), a("j2", 43)),
        "postgres://app:Sup3rS3cr3t@db.internal:5432/app".into(),
        format!("DATABASE_PASSWORD={}", a("pw", 16)),
        format!("Authorization: Bearer {}", a("be", 40)),
        format!("export API_KEY='{}'", a("ak", 32)),
        "nexscope://relay.example:8080/lobby?tls=0#a-secret-token".into(),
    ]
}

/// Hashes, ids, pictures, code: what agents write all day.
fn harmless() -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for nth in 0..60 {
        let seed = |kind: &str| format!("{kind}{nth}");
        texts.push(format!("commit {}", letters(&seed("sha1"), 40, HEX)));
        texts.push(format!("sha256:{}", letters(&seed("sha256"), 64, HEX)));
        let id = letters(&seed("uuid"), 32, HEX);
        texts.push(format!(
            "{}-{}-4{}-a{}-{}",
            &id[..8],
            &id[8..12],
            &id[12..15],
            &id[15..18],
            &id[18..30]
        ));
        texts.push(format!(
            "data:image/png;base64,iVBORw0KGgo{}",
            letters(&seed("png"), 200, BASE64)
        ));
        texts.push(format!(
            "\"integrity\": \"sha512-{}==\"",
            letters(&seed("npm"), 86, BASE64)
        ));
        texts.push(format!(
            "let x{nth} = compute({}, \"{}\");",
            chance("n", nth),
            letters(&seed("s"), 12, "abcdef ghij")
        ));
    }
    let code = [
        "let token = self.tokens.next();",
        "token: Option<Token>,",
        "password = os.environ[\"DB_PASSWORD\"]",
        "API_KEY=your-api-key-here",
        "api_key = \"YOUR_API_KEY\"",
        "secret: process.env.SECRET_V2,",
        "fn parse_token(input: &str) -> Result<Token, Error>",
        "The token expires after 3600 seconds.",
        "PASSWORD=changeme",
        "password: ********",
        "const token = await getToken();",
        "auth_key: AuthKey2,",
        "# token = \"…\"",
        "secret_key_base: <%= ENV[\"SECRET_KEY_BASE\"] %>",
        "csrf_token = form.token_v1",
        "if password == expected_password1 {",
        "tokenizer = Tokenizer::new(vocab_32k)",
        "max_tokens: 4096,",
        "access_key: config.access_key_1",
        "https://user@example.com/path",
        "http://localhost:8080/a:b@c",
        "git@github.com:owner/repo.git",
        "ssh://git@host:22/repo",
        "sk_list = [1, 2, 3]",
        "task-force-2024",
        "passwd: files systemd",
        "credentials: include",
        "token=$TOKEN",
        "token: ${{ secrets.TOKEN_1 }}",
        "npm_config_registry=https://registry.npmjs.org",
        "AKIAEXAMPLE",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----",
        "key-value-store-with-32-shards",
        "Authorization: Bearer <token>",
        "password_hash = bcrypt(password, 12)",
        "private_key_path = /etc/ssl/key1.pem",
        "token_count=1234",
        "client_secret = settings.CLIENT_SECRET_1",
        "eyJ is how a JWT begins",
        "credentials_file: ./creds-v2.json",
    ];
    texts.extend(code.iter().map(|line| (*line).to_owned()));
    texts
}

#[test]
fn every_pattern_compiles() {
    assert_eq!(RULES.len(), KNOWN.len() + 2);
}

#[test]
fn every_sample_is_held() {
    let samples = samples();
    assert!(samples.len() >= 40);
    let missed: Vec<&String> = samples
        .iter()
        .filter(|sample| secrets(sample, &[]).is_empty())
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
    // Wherever they stand.
    for sample in &samples {
        let text = format!("Here you are:\n```\n{sample}\n```\nUse it well.");
        let flags = secrets(&text, &[]);
        assert!(!flags.is_empty(), "{text}");
        assert!(
            flags
                .iter()
                .all(|flag| text.is_char_boundary(flag.at.start) && flag.at.end <= text.len())
        );
    }
}

#[test]
fn harmless_texts_pass() {
    let harmless = harmless();
    assert!(harmless.len() >= 400);
    let held: Vec<_> = harmless
        .iter()
        .filter_map(|text| secrets(text, &[]).first().map(|flag| (text, flag.what.clone())))
        .collect();
    assert!(
        held.len() * 50 < harmless.len(),
        "{} of {}: {held:#?}",
        held.len(),
        harmless.len()
    );
}

#[test]
fn ones_own_token_is_found_in_any_surroundings() {
    let flags = secrets("it is xx0123456789abcdefxx", &["0123456789abcdef"]);
    assert_eq!(flags.len(), 1);
    assert_eq!(flags[0].at, 8..24);
}

#[test]
fn one_place_is_told_once() {
    let text = format!("API_KEY=ghp_{}", letters("gh", 36, ALNUM));
    assert_eq!(secrets(&text, &[]).len(), 1);
}
