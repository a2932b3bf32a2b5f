//! Every sample is found in any surroundings, split or encoded once.

use base64::{Engine, prelude::*};
use proptest::prelude::*;

use crate::core::leak::secrets::{
    rules::BUILT_IN,
    tests::{samples::made_up, secrets},
};

/// A way to hide a sample.
#[derive(Debug, Clone)]
enum Hiding {
    Nothing,
    Marks(&'static str),
    Lines(&'static str),
    Base64,
    Base64Url,
    Base64Lines,
    Percent,
}

fn hidings() -> impl Strategy<Value = Hiding> {
    let marks = [
        "**",
        "*",
        "`",
        "``",
        "~~",
        "\u{200b}",
        "\u{2060}\u{ad}",
        "\u{feff}",
        "<b>",
        "</span>",
        "<wbr>",
        "<!-- x -->",
    ];
    let lines = ["\n", "\r\n", "\n\n", "  \n", "\n    ", "\n> ", "\\\n"];
    prop_oneof![
        Just(Hiding::Nothing),
        Just(Hiding::Base64),
        Just(Hiding::Base64Url),
        Just(Hiding::Base64Lines),
        Just(Hiding::Percent),
        proptest::sample::select(marks.to_vec()).prop_map(Hiding::Marks),
        proptest::sample::select(marks.to_vec()).prop_map(Hiding::Marks),
        proptest::sample::select(lines.to_vec()).prop_map(Hiding::Lines),
        proptest::sample::select(lines.to_vec()).prop_map(Hiding::Lines),
    ]
}

/// Inserts `between` into the secret of `text`, at positions that are given as shares of its length.
fn split(text: &str, between: &str, places: &[prop::sample::Index]) -> String {
    // The longest flagged part is the secret.
    let secret = secrets(text, &[])
        .into_iter()
        .map(|flag| flag.at)
        .max_by_key(|at| at.len());
    let Some(secret) = secret else {
        return text.to_owned();
    };
    let mut cuts: Vec<usize> = places
        .iter()
        .map(|place| secret.start + 1 + place.index(secret.len() - 1))
        .collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut out = text.to_owned();
    for cut in cuts.into_iter().rev().filter(|cut| text.is_char_boundary(*cut)) {
        out.insert_str(cut, between);
    }
    out
}

fn hidden(sample: &str, hiding: &Hiding, places: &[prop::sample::Index]) -> String {
    match hiding {
        Hiding::Nothing => sample.to_owned(),
        Hiding::Marks(between) => split(sample, between, places),
        Hiding::Lines(between) => split(sample, between, &places[..1]),
        // The README lists what is too short to be recognized.
        Hiding::Base64 => BASE64_STANDARD.encode(format!("{sample}\n")),
        Hiding::Base64Url => BASE64_URL_SAFE_NO_PAD.encode(format!("{sample}\n")),
        Hiding::Base64Lines => {
            let encoded = BASE64_STANDARD.encode(format!("{sample}\n"));
            let lines: Vec<&str> = encoded
                .as_bytes()
                .chunks(76)
                .filter_map(|line| std::str::from_utf8(line).ok())
                .collect();
            lines.join("\n")
        }
        Hiding::Percent => sample.bytes().map(|byte| format!("%{byte:02X}")).collect(),
    }
}

proptest! {
    // PROPTEST_CASES sets the number of cases; no file of failures is written.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sample_can_be_hidden(
        rule in any::<prop::sample::Index>(),
        nth in any::<prop::sample::Index>(),
        draw in 0_u32..1_000,
        before in "[ -%'-;=?-\\[\\]-~éü€\n]{0,60}",
        after in "[ -%'-;=?-\\[\\]-~éü€\n]{0,60}",
        hiding in hidings(),
        places in proptest::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let rules = BUILT_IN.as_ref().expect("rules.toml is whole");
        let all: Vec<_> = rules.all().map(|(_, rule)| rule).collect();
        let rule = all[rule.index(all.len())];
        let sample = made_up(&rule.samples[nth.index(rule.samples.len())], &format!("{} {draw}", rule.id));
        // Heuristics and rules that rely on a line do not apply to joined lines; the first word of a phrase cannot
        // be told from the end of the line before.
        let by_lines = rule.joins_lines() && rule.id != "seed-phrase";
        let hiding = match hiding {
            Hiding::Lines(_) if !by_lines => Hiding::Nothing,
            other => other,
        };
        // A key without a format or a name is found by a heuristic, which misses some.
        prop_assume!(rule.id != "bare-aws-secret-key" || !secrets(&sample, &[]).is_empty());
        let hidden = hidden(&sample, &hiding, &places);
        let text = format!("{before}\n{hidden}\n{after}");
        prop_assert!(!secrets(&text, &[]).is_empty(), "{}: {hiding:?}: {sample}\n{text:?}", rule.id);
    }
}
