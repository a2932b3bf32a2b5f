//! Code, coloured: comments, strings, numbers and keywords, by families of languages.
//!
//! A scanner of a few lines instead of grammars: what helps reading in a chat is told by these four, and the
//! grammars of a highlighter would be most of the program's size and of its first build.

use crate::tui::theme::Scope;

/// The scanner's rules for a language.
struct Family {
    names: &'static [&'static str],
    line_comment: &'static [&'static str],
    block_comment: Option<(&'static str, &'static str)>,
    quotes: &'static str,
    keywords: &'static str,
}

const FAMILIES: &[Family] = &[
    Family {
        names: &["rust", "rs"],
        line_comment: &["//"],
        block_comment: Some(("/*", "*/")),
        // A ' is a lifetime as often as a character.
        quotes: "\"",
        keywords: "as async await break const continue crate dyn else enum extern false fn for if impl in let \
                   loop match mod move mut pub ref return self Self static struct super trait true type union \
                   unsafe use where while",
    },
    Family {
        names: &["python", "py"],
        line_comment: &["#"],
        block_comment: None,
        quotes: "\"'",
        keywords: "and as assert async await break class continue def del elif else except False finally for \
                   from global if import in is lambda None nonlocal not or pass raise return True try while \
                   with yield match case self",
    },
    Family {
        names: &[
            "javascript",
            "js",
            "jsx",
            "typescript",
            "ts",
            "tsx",
            "java",
            "c",
            "h",
            "cpp",
            "c++",
            "cc",
            "cs",
            "csharp",
            "go",
            "golang",
            "kotlin",
            "kt",
            "swift",
            "php",
            "scala",
            "dart",
            "zig",
            "css",
            "json",
            "jsonc",
        ],
        line_comment: &["//"],
        block_comment: Some(("/*", "*/")),
        quotes: "\"'`",
        keywords: "abstract any as async await bool boolean break byte case catch chan char class const \
                   constexpr continue default defer delete do double else enum export extends false final \
                   finally float for from fun func function go goto if implements import in instanceof int \
                   interface internal let long map namespace new nil null number of operator override package \
                   private protected public range return short signed sizeof static string struct super switch \
                   template this throw throws true try type typedef typeof undefined union unsigned using val \
                   var virtual void volatile when while yield",
    },
    Family {
        names: &[
            "sh",
            "bash",
            "zsh",
            "shell",
            "console",
            "fish",
            "dockerfile",
            "make",
            "makefile",
        ],
        line_comment: &["#"],
        block_comment: None,
        quotes: "\"'",
        keywords: "case do done elif else esac exit export fi for function if in local return select set shift \
                   then trap unset until while FROM RUN COPY ADD ENV ARG WORKDIR ENTRYPOINT CMD",
    },
    Family {
        names: &["sql", "lua", "haskell", "hs", "elm"],
        line_comment: &["--"],
        block_comment: None,
        quotes: "\"'",
        keywords: "all alter and as asc between by case create delete desc distinct drop else end exists from \
                   full group having if in index inner insert into is join key left like limit not null offset \
                   on or order outer primary references right select set table then union unique update values \
                   view when where with local function return repeat until do for while nil true false \
                   elseif break module import data type let of class instance deriving",
    },
    Family {
        names: &[
            "toml", "yaml", "yml", "ini", "conf", "ruby", "rb", "perl", "pl", "r", "elixir", "ex",
        ],
        line_comment: &["#"],
        block_comment: None,
        quotes: "\"'",
        keywords: "true false null nil yes no on off def end do if else elsif unless class module require \
                   return begin rescue ensure yield self my sub use then case when while until for in",
    },
];

/// Colours code of some language, line by line. What is between the pieces keeps the order; together they
/// are the line again.
pub(super) struct Painter {
    family: Option<&'static Family>,
    diff: bool,
    in_comment: bool,
}

impl Painter {
    /// For the language that the block names, by its first word.
    pub fn new(info: &str) -> Self {
        let name = info.split([' ', ',', '{']).next().unwrap_or_default();
        let name = name.to_ascii_lowercase();
        Self {
            family: FAMILIES
                .iter()
                .find(|family| family.names.contains(&name.as_str())),
            diff: matches!(name.as_str(), "diff" | "patch"),
            in_comment: false,
        }
    }

    /// The pieces of the next line.
    pub fn line<'a>(&mut self, line: &'a str) -> Vec<(&'a str, Scope)> {
        if self.diff {
            let scope = match line.as_bytes().first() {
                Some(b'+') => Scope::Good,
                Some(b'-') => Scope::Error,
                Some(b'@') => Scope::CodeKeyword,
                _ => Scope::Code,
            };
            return vec![(line, scope)];
        }
        let Some(family) = self.family else {
            return vec![(line, Scope::Code)];
        };
        let mut pieces = Vec::new();
        let (mut plain, mut at) = (0, 0);
        while at < line.len() {
            let rest = &line[at..];
            let (length, scope) = self.token(family, rest, line[..at].chars().next_back());
            if scope != Scope::Code {
                if plain < at {
                    pieces.push((&line[plain..at], Scope::Code));
                }
                pieces.push((&line[at..at + length], scope));
                plain = at + length;
            }
            at += length;
        }
        if plain < line.len() {
            pieces.push((&line[plain..], Scope::Code));
        }
        pieces
    }

    /// The length in bytes and the scope of what `rest` begins with.
    fn token(&mut self, family: &Family, rest: &str, before: Option<char>) -> (usize, Scope) {
        if self.in_comment {
            let end = family
                .block_comment
                .and_then(|(_, end)| Some(rest.find(end)? + end.len()));
            self.in_comment = end.is_none();
            return (end.unwrap_or(rest.len()), Scope::CodeComment);
        }
        let Some(first) = rest.chars().next() else {
            return (rest.len(), Scope::Code);
        };
        // In shells a # within a word is none.
        let fresh = before.is_none_or(|c| c.is_whitespace() || !c.is_alphanumeric() && c != '$' && c != '{');
        if fresh && family.line_comment.iter().any(|mark| rest.starts_with(mark)) {
            return (rest.len(), Scope::CodeComment);
        }
        if let Some((begin, _)) = family.block_comment.filter(|(begin, _)| rest.starts_with(begin)) {
            self.in_comment = true;
            let (length, scope) = self.token(family, &rest[begin.len()..], None);
            return (begin.len() + length, scope);
        }
        if family.quotes.contains(first) {
            return (quoted(rest, first), Scope::CodeString);
        }
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        if !is_word(first) {
            return (first.len_utf8(), Scope::Code);
        }
        let length = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let word = &rest[..length];
        let scope =
            if first.is_ascii_digit() {
                Scope::CodeNumber
            } else if family.keywords.split_ascii_whitespace().any(|keyword| {
                keyword == word || family.names[0] == "sql" && keyword.eq_ignore_ascii_case(word)
            }) {
                Scope::CodeKeyword
            } else {
                Scope::Code
            };
        (length, scope)
    }
}

/// The length of a string that begins with `quote`, to its end or the line's.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Scope::*;

    #[test]
    fn pieces_table() {
        type Row = (&'static str, &'static str, &'static [(&'static str, Scope)]);
        let table: &[Row] = &[
            (
                "rust",
                "let x = \"a\\\"b\"; // 日",
                &[
                    ("let", CodeKeyword),
                    (" x = ", Code),
                    ("\"a\\\"b\"", CodeString),
                    ("; ", Code),
                    ("// 日", CodeComment),
                ],
            ),
            (
                "py,extra",
                "x = 42 # no",
                &[
                    ("x = ", Code),
                    ("42", CodeNumber),
                    (" ", Code),
                    ("# no", CodeComment),
                ],
            ),
            ("sh", "a=${#b}", &[("a=${#b}", Code)]),
            (
                "SQL",
                "SELECT 1",
                &[("SELECT", CodeKeyword), (" ", Code), ("1", CodeNumber)],
            ),
            ("diff", "+added", &[("+added", Good)]),
            ("", "let it be", &[("let it be", Code)]),
        ];
        for (info, line, expected) in table {
            assert_eq!(Painter::new(info).line(line), *expected, "{info}: {line}");
        }
    }

    #[test]
    fn comments_go_on_over_lines_and_nothing_is_lost() {
        let mut painter = Painter::new("c");
        assert_eq!(painter.line("int a; /* one")[2], ("/* one", CodeComment));
        assert_eq!(painter.line("two */ int")[0], ("two */", CodeComment));
        for line in ["\"never ended", "'", "/*", "*/ é👍 #", "0x1f_u8", ""] {
            for info in ["rust", "py", "js", "sh", "sql", "toml"] {
                let pieces = Painter::new(info).line(line);
                assert_eq!(pieces.iter().map(|(text, _)| *text).collect::<String>(), line);
            }
        }
    }
}
