//! Texts without secrets, as agents write them all day.

use std::path::Path;

use crate::core::leak::secrets::tests::{samples::letters, secrets};

/// Separator between the texts of a file.
const BETWEEN: &str = "\n%%%%\n";

/// Texts written by people and programs.
pub(super) fn written() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/harmless");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("tests/harmless")
        .map(|entry| entry.expect("an entry").path())
        .filter(|file| file.extension().is_some_and(|kind| kind == "txt"))
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read_to_string(file).expect("a text"))
        .flat_map(|text| text.split(BETWEEN).map(str::to_owned).collect::<Vec<_>>())
        .filter(|text| !text.trim().is_empty())
        .collect()
}

fn generated() -> Vec<String> {
    const HEX: &str = "0123456789abcdef";
    const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = |nth: usize| {
        let hex = |kind: &str, length| letters(&format!("{kind}{nth}"), length, HEX);
        let base64 = |kind: &str, length| letters(&format!("{kind}{nth}"), length, BASE64);
        [
            format!("commit {}", hex("sha1", 40)),
            format!("sha256:{}", hex("sha256", 64)),
            format!(
                "{}-{}-4{}-a{}-{}",
                hex("a", 8),
                hex("b", 4),
                hex("c", 3),
                hex("d", 3),
                hex("e", 12)
            ),
            format!("data:image/png;base64,iVBORw0KGgo{}", base64("png", 200)),
            format!("\"integrity\": \"sha512-{}==\"", base64("npm", 86)),
            format!("index {}..{} 100644", hex("i", 7), hex("j", 7)),
            format!("ETag: \"{}\"", hex("etag", 32)),
            format!("checksum = \"{}\"", hex("sum", 64)),
            format!("<script integrity=\"sha384-{}\">", base64("sri", 64)),
            format!("h1:{}=", base64("go", 43)),
        ]
    };
    (0..20).flat_map(text).collect()
}

#[test]
fn harmless_texts_pass() {
    let (written, generated) = (written(), generated());
    assert!(written.len() >= 400, "{}", written.len());
    for texts in [written, generated] {
        let held: Vec<_> = texts
            .iter()
            .flat_map(|text| {
                let flags = secrets(text, &[]);
                let first = flags.into_iter().next();
                first.map(|flag| format!("{}: {:?}", flag.what, &text[flag.at]))
            })
            .collect();
        println!(
            "{} of {} harmless texts are held: {held:#?}",
            held.len(),
            texts.len()
        );
        assert!(
            held.len() * 50 < texts.len(),
            "{} of {}: {held:#?}",
            held.len(),
            texts.len()
        );
    }
}
