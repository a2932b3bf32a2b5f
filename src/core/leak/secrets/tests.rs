//! Every rule with its samples, in any surroundings and encoding, and harmless texts that must pass.

use std::fmt::Write;

use proptest::prelude::*;

use crate::core::leak::secrets::{rules::BUILT_IN, *};

mod formats;
mod harmless;
mod hidden;
pub(crate) mod samples;

use samples::{all, made_up};

fn whats(text: &str) -> Vec<String> {
    secrets(text, &[])
        .iter()
        .map(|flag| flag.what.to_string())
        .collect()
}

/// The text that a person or a log would see once its secrets are removed.
fn left(text: &str) -> String {
    let (left, findings) = crate::core::persist::audit::without(text, &secrets(text, &[]));
    assert_eq!(findings.len(), secrets(text, &[]).len());
    left
}

#[test]
fn every_rule_can_be_used() {
    let rules = BUILT_IN.as_ref().expect("rules.toml is whole");
    let mut ids: Vec<&str> = rules.all().map(|(_, rule)| rule.id.as_str()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id stands twice");
    assert!(count >= 100);
}

#[test]
fn a_broken_rule_flags_everything() {
    let rule = |pattern: &str, check: &str| {
        format!(
            "[[rule]]\nid = 'x'\nwhat = 'x'\npattern = '{pattern}'\ncheck = '{check}'\nsource = 's'\nsamples = ['a', 'b']"
        )
    };
    assert!(Rules::parse(&rule("a+", "random")).is_ok());
    let broken = [
        String::new(),
        "nonsense".into(),
        rule("(", "random"),
        rule("a", "unheard-of"),
        rule("a", "random").replace("['a', 'b']", "['a']"),
        format!("{}\nunknown = 1", rule("a", "random")),
        format!("{}\n{}", rule("a", "random"), rule("[", "random")),
    ];
    for text in broken {
        let rules = Rules::parse(&text);
        assert!(rules.is_err(), "{text}");
        let flags = found_by(&rules, "hello é", &[]);
        assert_eq!(flags.len(), 1);
        assert_eq!(flags[0].at, 0..8);
        assert_eq!(
            flags[0].in_words(),
            "could not be checked: the secret rules could not be loaded"
        );
        assert!(found_by(&rules, "", &[]).is_empty());
    }
}

#[test]
fn every_sample_is_found_by_its_own_rule() {
    let rules = BUILT_IN.as_ref().expect("rules.toml is whole");
    let mut missed = String::new();
    for (rank, rule) in rules.all() {
        for sample in &rule.samples {
            // Several draws, so that the result does not depend on one.
            for nth in 0..20 {
                let sample = made_up(sample, &format!("{}{nth}", rule.id));
                let mut found = false;
                rules.find(&sample, false, &mut |by, _| found |= by == rank);
                if !found {
                    writeln!(missed, "{}: {sample}", rule.id).expect("a string");
                }
            }
        }
    }
    assert!(missed.is_empty(), "{missed}");
}

#[test]
fn samples_are_found_in_any_surroundings() {
    for (id, sample) in all() {
        for text in [
            format!("Here you are:\n```\n{sample}\n```\nUse it well."),
            format!("é {sample} ü"),
            format!("\"{}\"", sample.replace('\n', "\\n")),
        ] {
            let found = !secrets(&text, &[]).is_empty();
            // The last one may be missed: escaped line breaks do not match rules that rely on lines.
            assert!(found || text.starts_with('"'), "{id}: {text}");
        }
    }
}

/// The secret of a sample: its longest flagged run of letters.
fn core(sample: &str) -> String {
    let flags = secrets(sample, &[]);
    let words = flags
        .iter()
        .flat_map(|flag| sample[flag.at.clone()].split_whitespace());
    words.max_by_key(|word| word.len()).unwrap_or_default().to_owned()
}

#[test]
fn marks_and_line_breaks_hide_nothing() {
    let token = made_up("ghp_{a:36}", "hidden");
    let (head, tail) = token.split_at(15);
    let hidden = [
        format!("{head}**{tail}**"),
        format!("**{head}**{tail}"),
        format!("`{head}``{tail}`"),
        format!("{head}~~{tail}~~"),
        format!("{head}\u{200b}{tail}"),
        format!("{head}\u{2060}\u{ad}{tail}"),
        format!("{head}\n{tail}"),
        format!("{head}  \n    {tail}"),
        format!("> {head}\n> {tail}"),
        format!("{head}\\\n{tail}"),
        format!("{head}\r\n\r\n{tail}"),
        token.replace('_', "\\_"),
        token.replace('_', "&#95;"),
        token.replace('_', "&#x5f;"),
        token.replace('_', "&lowbar;"),
        token.replace('_', "%5F"),
        format!("{head}<wbr>{tail}"),
        format!("<b>{head}</b>{tail}"),
        format!("{head}<!-- x -->{tail}"),
    ];
    for text in hidden {
        let text = format!("It is {text}, see?");
        assert_eq!(whats(&text), ["GitHub token"], "{text}");
        let left = left(&text);
        assert!(!left.contains(&tail[1..]) && !left.contains(head), "{left}");
        assert!(left.starts_with("It is ") && left.ends_with(", see?"), "{left}");
    }
}

#[test]
fn what_is_encoded_once_is_found() {
    use base64::{Engine, prelude::*};
    for (id, sample) in all() {
        let plain = format!("export X={sample} # yes");
        let lines = format!("x\n{sample}\nyes");
        for sample in [plain, lines] {
            if secrets(&sample, &[]).is_empty() {
                continue;
            }
            let url: String = sample.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let base64 = BASE64_STANDARD.encode(&sample);
            let url_safe = BASE64_URL_SAFE_NO_PAD.encode(&sample);
            let wrapped: Vec<&str> = base64
                .as_bytes()
                .chunks(76)
                .map(|line| std::str::from_utf8(line).expect("ASCII"))
                .collect();
            for encoded in [url, base64.clone(), url_safe, wrapped.join("\n")] {
                let text = format!("Here: {encoded}");
                assert!(!secrets(&text, &[]).is_empty(), "{id}: {sample}: {text}");
            }
        }
    }
}

#[test]
fn nothing_of_a_sample_is_left_over() {
    for (id, sample) in all() {
        let core = core(&sample);
        assert!(core.len() >= 3, "{id}: {sample}");
        let text = format!("API_KEY={sample}\nand once more {sample}.");
        assert!(!left(&text).contains(&core), "{id}: {}", left(&text));
    }
}

#[test]
fn a_key_is_found_as_a_whole() {
    let body: Vec<String> = (0..20).map(|nth| made_up("{b:64}", &nth.to_string())).collect();
    let key = format!(
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{}\n-----END RSA PRIVATE KEY-----",
        body.join("\n")
    );
    for text in [key.clone(), key.replace('\n', "\\n"), key.replace('\n', "\r\n")] {
        let left = left(&format!("a\n{text}\nz"));
        assert_eq!(left, "a\n[left out: private key]\nz");
    }
    let cut = format!("-----BEGIN PRIVATE KEY-----\n{}", body.join("\n"));
    assert_eq!(left(&cut), "[left out: private key]");
}

#[test]
fn places_that_meet_are_one() {
    let text = made_up("API_KEY=ghp_{a:36}", "one");
    assert_eq!(whats(&text), ["GitHub token"]);
    // The second rule matches more than the first.
    let longer = made_up("API_KEY=ghp_{a:40}-{a:20}", "two");
    assert_eq!(left(&longer), "API_KEY=[left out: GitHub token]");
    let all = together(vec![(3, 0..4), (1, 2..6), (2, 6..8), (0, 5..5), (7, 7..8)]);
    assert_eq!(all, [(1, 0..6), (2, 6..8)]);
}

#[test]
fn ones_own_token_is_found_in_any_surroundings() {
    let flags = secrets("it is xx0123456789abcdefxx", &["0123456789abcdef"]);
    assert_eq!(flags.len(), 1);
    assert_eq!(flags[0].at, 8..24);
    assert_eq!(flags[0].in_words(), "holds this room's token");
    assert_eq!(
        secrets("it is 01234**56789**abcdef", &["0123456789abcdef"]).len(),
        1
    );
}

#[test]
fn an_invite_of_any_room_is_found() {
    for (text, found) in [
        ("nexscope://relay.example:8080/lobby?tls=0#k3y", true),
        ("join `nexscope://10.0.0.1/dev#abcdefgh` now", true),
        ("NEXSCOPE://h/r#abcdefgh", true),
        ("nexscope://HOST:PORT/ROOM#TOKEN", false),
        ("nexscope://relay.example/lobby", false),
        ("nexscope://host/room#your-token", false),
    ] {
        assert_eq!(!secrets(text, &[]).is_empty(), found, "{text}");
    }
}

#[test]
fn passwords_and_their_examples() {
    let table = [
        ("DB_PASS=hunter2pw", true),
        ("DB_PASS=correcthorse", true),
        ("DB_PASS=changeme", false),
        ("POSTGRES_PASSWORD=postgres", false),
        ("DB_PASSWORD=${DB_PASSWORD}", false),
        ("DB_PASSWORD=$(cat /run/secret)", false),
        ("PASS: some_test_name", false),
        ("PWD=/home/bob/work", false),
        ("MYSQL_PWD=s3cr3tpw", true),
        ("redis://:hunter2pw@cache:6379", true),
        ("postgres://app:p4ss/w0rd@db/app", true),
        ("postgres://user:password@localhost/db", false),
        ("postgres://user:$PASSWORD@localhost/db", false),
        ("machine h login l password hunter2pw", true),
        ("localhost:5432:db:bob:hunter2pw", true),
        ("curl -u bob:hunter2pw https://h", true),
        ("curl -u user:password https://h", false),
        ("curl -u \"$USER:$PASS\" https://h", false),
        ("sshpass -p hunter2pw ssh h", true),
        ("sshpass -p \"$PASS\" ssh h", false),
        ("<password>hunter2pw</password>", true),
        ("<password>${env.PASS}</password>", false),
        ("mysql -u root -phunter2pw db", true),
        ("jdbc:mysql://h/db?user=a&password=hunter2pw", true),
        ("host=h user=u password=hunter2pw dbname=d", true),
    ];
    for (text, found) in table {
        assert_eq!(!secrets(text, &[]).is_empty(), found, "{text}");
    }
}

/// Scans 64 KiB of typical agent output; `cargo test --release … -- --ignored --nocapture` prints the time.
#[test]
#[ignore = "prints figures"]
fn figures() {
    let texts = harmless::written();
    let mut answer = String::new();
    for text in texts.iter().cycle() {
        answer.push_str(text);
        if answer.len() >= 64 * 1024 {
            break;
        }
    }
    secrets(&answer, &[]);
    let mut times: Vec<_> = (0..21)
        .map(|_| {
            let start = std::time::Instant::now();
            std::hint::black_box(secrets(&answer, &["0123456789abcdef"]));
            start.elapsed()
        })
        .collect();
    times.sort();
    println!(
        "{} bytes: median {:?}, worst {:?}",
        answer.len(),
        times[10],
        times[20]
    );
    let rules = BUILT_IN.as_ref().expect("rules.toml is whole");
    let mut slow: Vec<_> = rules
        .all()
        .map(|(_, rule)| {
            let start = std::time::Instant::now();
            rule.find(&answer, false, &mut |_| ());
            (start.elapsed(), rule.id.clone())
        })
        .collect();
    slow.sort();
    slow.reverse();
    println!("{:#?}", &slow[..12]);
}

/// Issue 16, 32c: each beginning of a key was followed to the end of the text.
#[test]
fn the_time_of_a_scan_grows_with_the_length_only() {
    let time = |piece: &str, length: usize| {
        let text = piece.repeat(length / piece.len());
        let times = (0..3).map(|_| {
            let start = std::time::Instant::now();
            std::hint::black_box(secrets(&text, &[]));
            start.elapsed()
        });
        times.min().unwrap_or_default()
    };
    for piece in ["-----BEGIN PRIVATE KEY-----\n", "<!--", "*a ", "=", "%41"] {
        // 8 times as long: a quadratic search takes 64 times as long, whatever else the machine does.
        let linear = || time(piece, 64 << 10) < time(piece, 8 << 10) * 24;
        assert!((0..5).any(|_| linear()), "{piece}");
    }
}

/// Scans hostile texts of 8 MiB, the longest file that is searched; `cargo test --release … -- --ignored --nocapture`
/// prints the times.
#[test]
#[ignore = "prints figures"]
fn hostile_figures() {
    const SIZE: usize = 8 << 20;
    let typical = harmless::written().concat();
    let texts = [
        ("base64 letters", "QWxhZGRpbjpvcGVuIHNlc2FtZQ".to_owned()),
        ("letters", "a".to_owned()),
        ("spaces", " ".to_owned()),
        ("equals signs", "=".to_owned()),
        ("one long line", "the quick brown fox jumps ".to_owned()),
        ("short lines", "ab\n".to_owned()),
        ("emphasis", "*a ".to_owned()),
        ("tags", "<a ".to_owned()),
        ("comments", "<!--".to_owned()),
        ("percent signs", "%41".to_owned()),
        ("references", "&#".to_owned()),
        ("passwords", "password=".to_owned()),
        ("keys", "-----BEGIN PRIVATE KEY-----".to_owned()),
        ("seed words", "abandon ability ".to_owned()),
        ("typical answers", typical),
    ];
    println!("| 8 MiB of | time |\n|---|---|");
    for (name, piece) in texts {
        let text = piece.repeat(SIZE / piece.len() + 1);
        let start = std::time::Instant::now();
        std::hint::black_box(secrets(&text, &["0123456789abcdef"]));
        println!("| {name} | {:?} |", start.elapsed());
    }
}

fn flags_are_sound(text: &str) {
    let flags = secrets(text, &["0123456789abcdef"]);
    let mut end = 0;
    for flag in &flags {
        assert!(
            flag.at.start < flag.at.end && flag.at.start >= end,
            "{flags:?} in {text:?}"
        );
        assert!(text.get(flag.at.clone()).is_some(), "{flags:?} in {text:?}");
        end = flag.at.end;
    }
    crate::core::persist::audit::without(text, &flags);
}

fn pieces() -> impl Strategy<Value = String> {
    let samples: Vec<String> = all().into_iter().map(|(_, sample)| sample).collect();
    let marks = [
        "*",
        "**",
        "`",
        "\\",
        "\n",
        "\r\n",
        "%",
        "%5F",
        "%e9",
        "=",
        "<b>",
        "<!--",
        "-->",
        "&#95;",
        "&#",
        "é",
        "\u{200b}",
        "> ",
        "~~",
        "https://",
        "-----BEGIN ",
        "{",
        "\"",
    ];
    prop_oneof![
        any::<String>(),
        proptest::sample::select(marks.to_vec()).prop_map(str::to_owned),
        (
            proptest::sample::select(samples),
            any::<prop::sample::Index>(),
            any::<prop::sample::Index>()
        )
            .prop_map(|(sample, from, to)| {
                let chars: Vec<char> = sample.chars().collect();
                let (from, to) = (from.index(chars.len()), to.index(chars.len()));
                chars[from.min(to)..=from.max(to)].iter().collect()
            }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_text_is_looked_at(text in proptest::collection::vec(pieces(), 0..24)) {
        flags_are_sound(&text.concat());
    }

    /// Old journals may contain arbitrary flags.
    #[test]
    fn what_is_left_out_is_whole(text in ".{0,60}", places in proptest::collection::vec((0_usize..90, 0_usize..90), 0..6)) {
        let flags: Vec<Flag> = places.iter().map(|(start, end)| Flag { what: "x".into(), at: *start..*end }).collect();
        crate::core::persist::audit::without(&text, &flags);
    }
}
