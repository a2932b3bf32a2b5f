//! A safe local name for a file that another member named.

/// Longest name, in bytes: a suffix (a number, `.part`) still fits a file system's 255.
const LONGEST: usize = 200;
/// Longest extension that is kept when a name is shortened, in bytes.
const LONGEST_EXTENSION: usize = 20;

/// Names that are devices on some systems, whatever extension they have.
const RESERVED: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
    "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// Makes a name safe to create a file with, and to show: the last part of a path, without control characters or
/// bidirectional marks, not hidden, not reserved, and not too long.
pub fn safe_name(name: &str) -> String {
    // Only the end of an overlong name is checked, since that is what counts.
    let mut from = name.len().saturating_sub(16 * 1024);
    while !name.is_char_boundary(from) {
        from += 1;
    }
    let last = name[from..]
        .rsplit(['/', '\\'])
        .map(|part| part.trim_matches(|c: char| c.is_whitespace() || c == '.' || c.is_control()))
        .find(|part| !part.is_empty())
        .unwrap_or_default();
    let clean = crate::text::clean(last).text;
    let clean: String = clean
        .chars()
        .map(|c| match c {
            // Special to a shell, to other systems, or as a separator.
            '<' | '>' | ':' | '"' | '|' | '?' | '*' | '\n' | '\t' | '/' | '\\' | '\0' => '_',
            c if c.is_whitespace() => ' ',
            c => c,
        })
        .collect();
    // A leading dot hides it here, a trailing one is cut off elsewhere; and many programs take a dash as an option.
    let clean = clean
        .trim_start_matches(|c: char| c.is_whitespace() || c == '.')
        .trim_end_matches(|c: char| c.is_whitespace() || c == '.');
    let clean = match clean.strip_prefix('-') {
        Some(rest) => format!("_{rest}"),
        None => clean.to_owned(),
    };
    let stem = clean.split('.').next().unwrap_or_default().trim_end();
    let clean = match RESERVED
        .iter()
        .any(|reserved| reserved.eq_ignore_ascii_case(stem))
    {
        true => format!("_{clean}"),
        false => clean,
    };
    match clean.is_empty() {
        true => "file".to_owned(),
        false => cut(&clean),
    }
}

/// Adds a number before the extension: `name (2).pdf`.
pub fn numbered(name: &str, number: u32) -> String {
    let (stem, extension) = split(name);
    format!("{stem} ({number}){extension}")
}

/// Splits a name before its extension, which keeps its dot.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= LONGEST_EXTENSION => name.split_at(at),
        _ => (name, ""),
    }
}

fn cut(name: &str) -> String {
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let (stem, extension) = split(name);
    let mut end = LONGEST - extension.len();
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{extension}", stem[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sixty names that an attacker, or an unlucky person, may send.
    const HOSTILE: [&str; 60] = [
        "",
        " ",
        ".",
        "..",
        "...",
        "/",
        "//",
        "\\",
        "../../etc/passwd",
        "/etc/passwd",
        "..\\..\\windows\\win.ini",
        "C:\\autoexec.bat",
        "a/b/c",
        "a/",
        "/../",
        ".bashrc",
        "..hidden",
        "~/.ssh/authorized_keys",
        "~",
        "-rf",
        "--help",
        "-",
        "con",
        "CON",
        "nul.txt",
        "COM1.log",
        "lpt9",
        "aux.tar.gz",
        "a\0b",
        "a\nb",
        "a\rb",
        "a\tb",
        "\u{1b}[31mred",
        "\u{1b}]0;title\u{7}x",
        "\u{202e}fdp.exe",
        "a\u{200b}b",
        "a\u{2066}b\u{2069}",
        "\u{feff}bom",
        "name.",
        "name ",
        " name",
        "name. . .",
        "a:b",
        "a|b",
        "a*b?",
        "<script>",
        "\"quoted\"",
        "$(id)",
        "`id`",
        "a;b",
        "a&b",
        "%2e%2e%2f",
        "\u{ff0e}\u{ff0e}\u{ff0f}x",
        "e\u{301}",
        "日本語.pdf",
        "👩‍👩‍👧.png",
        "\u{7f}",
        "\u{85}x",
        "file\u{2028}line",
        "x.\u{0}exe",
    ];

    #[test]
    fn sixty_hostile_names_become_harmless() {
        let dir = tempfile::tempdir().unwrap();
        for hostile in HOSTILE {
            let safe = safe_name(hostile);
            assert!(!safe.is_empty() && safe.len() <= LONGEST, "{hostile:?}: {safe:?}");
            assert!(
                !safe.starts_with(['.', '-', ' ']) && !safe.ends_with(['.', ' ']),
                "{hostile:?}: {safe:?}"
            );
            assert!(
                !safe.contains(['/', '\\', '\0', '\n', '\u{202e}', '\u{1b}']),
                "{hostile:?}: {safe:?}"
            );
            assert!(!safe.chars().any(char::is_control), "{hostile:?}: {safe:?}");
            assert_eq!(safe_name(&safe), safe, "{hostile:?}: safe names stay");
            // It names one file in the folder, and nothing else.
            let path = dir.path().join(&safe);
            std::fs::write(&path, b"x").unwrap();
            assert_eq!(
                path.canonicalize().unwrap().parent().unwrap(),
                dir.path().canonicalize().unwrap()
            );
        }
    }

    #[test]
    fn names_table() {
        let table = [
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\docs\\a.txt", "a.txt"),
            (".bashrc", "bashrc"),
            ("nul.txt", "_nul.txt"),
            ("-rf", "_rf"),
            ("..", "file"),
            ("a\nb", "a_b"),
            ("\u{202e}fdp.exe", "fdp.exe"),
            ("日本語.pdf", "日本語.pdf"),
            ("a/", "a"),
        ];
        for (hostile, safe) in table {
            assert_eq!(safe_name(hostile), safe, "{hostile:?}");
        }
    }

    #[test]
    fn long_names_keep_their_extension() {
        let long = format!("{}.tar.gz", "ä".repeat(400));
        let safe = safe_name(&long);
        assert!(safe.len() <= LONGEST && safe.ends_with("ä.gz"), "{safe}");
        assert_eq!(safe_name(&"x".repeat(9999)).len(), LONGEST);
        assert_eq!(numbered("a.pdf", 2), "a (2).pdf");
        assert_eq!(numbered("noext", 3), "noext (3)");
    }
}
