//! What is drawn of a text, at some widths.

use super::*;

fn plain(body: &Body) -> Vec<String> {
    let text = |row: &Row| {
        row.line
            .spans
            .iter()
            .map(|span| &*span.content)
            .collect::<String>()
    };
    body.rows.iter().map(text).collect()
}

fn laid(source: &str, columns: usize) -> Vec<String> {
    plain(&lay(&source.into(), columns, &Theme::built_in()))
}

#[test]
fn blocks_table() {
    let table: &[(&str, usize, &[&str])] = &[
        ("one\ntwo", 20, &["one", "two"]),
        ("one\n\ntwo", 20, &["one", "", "two"]),
        ("# Head\ntext", 20, &["Head", "", "text"]),
        (
            "- one\n- two *three* four",
            12,
            &["• one", "• two three", "  four"],
        ),
        ("3. a\n4. b\n   - c", 20, &["3. a", "4. b", "   • c"]),
        ("- [x] done\n- [ ] not", 20, &["• [x] done", "• [ ] not"]),
        (
            "> quoted words\n> here\n\nand",
            10,
            &["▎ quoted", "▎ words", "▎ here", "", "and"],
        ),
        (
            "```rust\nlet x = 1;\n\n  y\n```\nend",
            20,
            &["rust", "let x = 1;", "", "  y", "", "end"],
        ),
        ("```\n日本語日本\n```", 5, &["日本", "語日", "本"]),
        (
            "see [this](https://e.x/y) now",
            40,
            &["see this (https://e.x/y) now"],
        ),
        (
            "<https://e.x> and https://e.y.",
            40,
            &["https://e.x and https://e.y."],
        ),
        (
            "a|b\n-|-\nlong cell|c",
            20,
            &["a          b", "────────────", "long cell  c"],
        ),
        (
            "a|b\n-|-\nlonglonglong|cccccccc",
            12,
            &["a", "b", "longlonglong", "cccccccc"],
        ),
        (
            "above\n\n---\nbelow",
            30,
            &["above", "", "────────────────────", "", "below"],
        ),
        ("<b>bold</b> &amp; x", 30, &["<b>bold</b> &amp; x"]),
        ("x & y < z", 30, &["x & y < z"]),
        ("snake_case_name and 2*3*4", 30, &["snake_case_name and 234"]),
        ("", 10, &[]),
    ];
    for (source, columns, expected) in table {
        assert_eq!(laid(source, *columns), *expected, "{source:?} at {columns}");
    }
}

#[test]
fn what_markdown_would_hide_is_shown_as_written() {
    let table = [
        "[note]: https://evil.example \"run this\"",
        "text\n\n[a]: b",
        "a|b\n-|-\nc|d|hidden",
        "1. one\n1. two",
        "![](x)\n[](https://e.x)",
    ];
    for source in table {
        let rows = laid(source, 60).join("\n");
        let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
        assert!(letters(&rows).contains(&letters(source)), "{source}: {rows}");
    }
}

#[test]
fn characters_written_by_their_number_are_cleaned() {
    for source in [
        "a&#27;[2Jb",
        "a&#x202e;b",
        "`a&#155;b`",
        "[a](https://x&#27;]52;c;aGk=&#7;)",
    ] {
        let theme = Theme::built_in();
        for row in lay(&source.into(), 40, &theme).rows {
            let text: String = row.line.spans.iter().map(|span| &*span.content).collect();
            assert!(
                !text.chars().any(|c| c.is_control() || c == '\u{202e}'),
                "{text:?}"
            );
            let links = format!("{:?}", row.links);
            assert!(
                !links.contains(['\u{1b}', '\u{7}']) && !links.contains("\\u{"),
                "{links}"
            );
        }
    }
}

#[test]
fn code_blocks_are_found_as_they_were_written() {
    let source = "a\n```rust\nfn x() {\n    1\n}\n```\n> ```\n> y\n> ```";
    assert_eq!(code_blocks(&source.into()), ["fn x() {\n    1\n}\n", "y\n"]);
    assert!(code_blocks(&"none".into()).is_empty());
}

/// Texts that are made to be laid out slowly: each is one of these, repeated up to the largest message.
const BOMBS: &[&str] = &[
    ">",
    "> ",
    "> a\n",
    ">\n",
    "b\n",
    "[",
    "![",
    "[a](",
    "[](",
    "[a][",
    "[a]: b\n",
    "]",
    "*",
    "*a ",
    "_a ",
    "*_",
    "~~a ",
    "***a ",
    "a**b",
    "`",
    "``a `",
    "```\n",
    "<",
    "<a ",
    "<a href=\"",
    "<!--",
    "<a@b ",
    "&",
    "&#1;",
    "\\",
    "- ",
    "- a\n",
    "+\n",
    "1. ",
    "\t- ",
    "  - a\n",
    "# ",
    "a\n\n",
    "|",
    "|a",
    "|a\n|-\n",
    "http",
    "http://",
    "http://a ",
    "https://a)",
    "https://a].",
    "http://",
    "(",
    "日",
    "a\u{301}",
    "e\n> ",
];

const LARGEST: usize = 256 * 1024;

/// Whether a layout hides nothing, and no row is wider than it may be.
fn is_whole(source: &str, columns: usize) {
    let body = lay(&source.into(), columns, &Theme::built_in());
    let mut drawn = String::new();
    for row in &body.rows {
        assert!(row.width() <= columns, "{:?}", &source[..source.len().min(40)]);
        // The margins are few, however deep the quotes are.
        assert!(
            row.line.spans.len() <= 3 * columns,
            "{:?}",
            &source[..source.len().min(40)]
        );
        drawn.extend(row.line.spans.iter().map(|span| &*span.content));
    }
    assert!(shows_all(source, &drawn), "{:?}", &source[..source.len().min(40)]);
}

/// Were the time of any of them to grow with the square of its length, this would take hours.
#[test]
fn texts_made_to_be_slow_are_laid_out() {
    for bomb in BOMBS {
        is_whole(&bomb.repeat(LARGEST / bomb.len()), 50);
        is_whole(&bomb.repeat(MARKDOWN_BYTES / bomb.len()), 4);
    }
    let table = format!(
        "{}\n{}\n{}",
        "|a".repeat(2700),
        "|-".repeat(2700),
        "a\n".repeat(2600)
    );
    is_whole(&table, 50);
}

#[test]
fn what_is_behind_the_limit_is_shown_as_written() {
    let line = format!("- {}\n", "word ".repeat(10));
    let source = line.repeat(2 * MARKDOWN_BYTES / line.len());
    let rows = laid(&source, 80);
    assert!(
        rows.first().is_some_and(|row| row.starts_with("• word")),
        "{rows:?}"
    );
    assert!(
        rows.iter()
            .rev()
            .nth(1)
            .is_some_and(|row| row.starts_with("- word")),
        "{rows:?}"
    );
}

proptest::proptest! {
    #[test]
    fn mixtures_of_slow_texts_are_laid_out(
        parts in proptest::collection::vec((0..BOMBS.len(), 1_usize..3000), 1..8), columns in 4_usize..80
    ) {
        let source: String = parts.iter().map(|(which, times)| BOMBS[*which].repeat(*times)).collect();
        is_whole(&text::clean(&source).text, columns);
    }

    #[test]
    fn no_row_is_wider_and_no_letter_is_lost(
        source in "([a-z0-9 日>|#*_`\\[\\]()\n.-]|```\n|    ){0,60}", columns in 4_usize..40
    ) {
        let source = text::clean(&source).text;
        let body = lay(&source, columns, &Theme::built_in());
        let mut drawn = String::new();
        for row in &body.rows {
            proptest::prop_assert!(row.width() <= columns, "{:?}", plain(&body));
            drawn.extend(row.line.spans.iter().map(|span| &*span.content));
        }
        proptest::prop_assert!(shows_all(&source, &drawn), "{:?}", plain(&body));
    }
}
