//! The query of a version 1 request. It holds the name, the token and the version.

use std::fmt;

/// The request of a version 1 client. `Debug` hides it, so it is never logged.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Query {
    pub name: String,
    pub token: String,
    /// `"1"` if left out.
    pub version: String,
}

impl Query {
    /// Parses a query. Returns `None` for version 2. If a key is repeated, the first one counts.
    pub fn parse(query: &str) -> Option<Query> {
        let (mut name, mut token, mut version) = (None, None, None);
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let field = match key {
                "name" => &mut name,
                "token" => &mut token,
                "v" => &mut version,
                _ => continue,
            };
            field.get_or_insert_with(|| decode(value));
        }
        (name.is_some() || token.is_some() || version.is_some()).then(|| Query {
            name: name.unwrap_or_default(),
            token: token.unwrap_or_default(),
            version: version.unwrap_or_else(|| "1".into()),
        })
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Query(…)")
    }
}

/// Decodes the encoding of forms: `%41` and `+`. Invalid UTF-8 becomes a character that no name or token contains.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
        match (byte, hex(bytes.get(at)), hex(bytes.get(at + 1))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        for (query, expected) in [
            ("", None),
            ("x=1&names=2", None),
            ("name=a&token=b&v=1", Some(("a", "b", "1"))),
            ("token=b%2B%20c+d&name=%61&name=z", Some(("a", "b+ c d", "1"))),
            ("v", Some(("", "", ""))),
            ("name=%", Some(("%", "", "1"))),
            ("name=%4&v=2", Some(("%4", "", "2"))),
        ] {
            let parsed = Query::parse(query);
            let parsed = parsed
                .as_ref()
                .map(|q| (q.name.as_str(), q.token.as_str(), q.version.as_str()));
            assert_eq!(parsed, expected, "{query}");
        }
        assert_eq!(format!("{:?}", Query::parse("token=secret")), "Some(Query(…))");
    }
}
