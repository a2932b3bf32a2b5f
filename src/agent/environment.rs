//! The environment of an agent's process, built from an allow-list.
//!
//! Agents pass their whole environment to every tool and server they start, which may print it. Nothing of
//! Nexscope's own is in it: no token, no relay.

use std::ffi::{OsStr, OsString};

use crate::core::runs::settings::Kind;

/// An environment variable: name and value.
pub(super) type Variable = (OsString, OsString);

/// Variables, by whole names and by prefixes.
#[derive(Debug)]
pub(super) struct VariableSet {
    pub names: &'static [&'static str],
    pub prefixes: &'static [&'static str],
}

impl VariableSet {
    fn has(&self, name: &str) -> bool {
        self.names.contains(&name) || self.prefixes.iter().any(|prefix| name.starts_with(prefix))
    }
}

/// Variables that any program may need.
const COMMON: VariableSet = VariableSet {
    names: &[
        "HOME",
        "PATH",
        "LANG",
        "LANGUAGE",
        "TMPDIR",
        "TZ",
        "USER",
        "LOGNAME",
        "SHELL",
        // The certificates of a company's proxy.
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "NODE_EXTRA_CA_CERTS",
        "CODEX_CA_CERTIFICATE",
        // Used by Nix and others to find the loader of a program.
        "NIX_SSL_CERT_FILE",
        "LOCALE_ARCHIVE",
    ],
    prefixes: &["LC_", "XDG_"],
};

/// Proxies, in upper or lower case.
const PROXIES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];

/// The provider and login of Claude Code. Of its many `CLAUDE_CODE_*` variables only these pass: the others
/// tell a nested Claude Code about the outer one.
pub(super) const CLAUDE: VariableSet = VariableSet {
    names: &[
        "CLAUDE_CONFIG_DIR",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CODE_MAX_RETRIES",
        "CLAUDE_CODE_USE_BEDROCK",
        "CLAUDE_CODE_USE_VERTEX",
        "CLAUDE_CODE_USE_FOUNDRY",
        "AWS_REGION",
        "AWS_PROFILE",
        "CLOUD_ML_REGION",
    ],
    prefixes: &["ANTHROPIC_"],
};

/// The provider and login of Codex.
pub(super) const CODEX: VariableSet = VariableSet {
    names: &["CODEX_HOME", "CODEX_API_KEY"],
    prefixes: &["OPENAI_"],
};

/// The provider and login of Gemini CLI.
pub(super) const GEMINI: VariableSet = VariableSet {
    names: &[],
    prefixes: &["GEMINI_", "GOOGLE_"],
};

/// The configuration of opencode. The keys of its providers have names of their own.
pub(super) const OPENCODE: VariableSet = VariableSet {
    names: &[
        "OPENCODE_API_KEY",
        "OPENCODE_CONFIG",
        "OPENCODE_CONFIG_CONTENT",
        "OPENCODE_CONFIG_DIR",
        "OPENCODE_DISABLE_MODELS_FETCH",
        "OPENCODE_MODELS_PATH",
    ],
    prefixes: &[],
};

/// The prefix that never passes, whatever the configuration says.
const OURS: &str = "NEXSCOPE_";

/// Filters `parent` for an agent of `kind`: keeps the variables of the lists above and those that the
/// configuration names in `extra`. `TERM` is `dumb`: there is no terminal.
pub(super) fn environment(
    parent: impl IntoIterator<Item = Variable>,
    kind: Kind,
    extra: &[String],
) -> Vec<Variable> {
    let mut passed: Vec<Variable> = parent
        .into_iter()
        .filter(|(name, _)| passes(name, kind, extra))
        .collect();
    passed.push(("TERM".into(), "dumb".into()));
    passed
}

fn passes(name: &OsStr, kind: Kind, extra: &[String]) -> bool {
    // A name that is not UTF-8 is on no list.
    let Some(name) = name.to_str() else {
        return false;
    };
    if name.starts_with(OURS) || name == "TERM" {
        return false;
    }
    super::profile(kind)
        .variables
        .iter()
        .chain([&COMMON])
        .any(|set| set.has(name))
        || PROXIES.iter().any(|proxy| name.eq_ignore_ascii_case(proxy))
        || extra.iter().any(|extra| extra == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(kind: Kind, extra: &[&str]) -> Vec<String> {
        let parent = [
            "HOME",
            "PATH",
            "LC_ALL",
            "XDG_CONFIG_HOME",
            "https_proxy",
            "NO_PROXY",
            "TERM",
            "NEXSCOPE_TOKEN",
            "NEXSCOPE_RELAY_URL",
            "NEXSCOPE_RUN_ID",
            "SECRET_X",
            "AWS_SECRET_ACCESS_KEY",
            "CLAUDECODE",
            "CLAUDE_CODE_ENTRYPOINT",
            "CLAUDE_CODE_OAUTH_TOKEN",
            "ANTHROPIC_API_KEY",
            "OPENAI_API_KEY",
            "CODEX_HOME",
            "GITHUB_TOKEN",
            "GEMINI_API_KEY",
            "LD_PRELOAD",
            "NODE_OPTIONS",
            "FAKE_KEY",
        ];
        let extra: Vec<String> = extra.iter().map(|name| (*name).to_owned()).collect();
        environment(parent.map(|name| (name.into(), "v".into())), kind, &extra)
            .into_iter()
            .map(|(name, _)| name.into_string().unwrap())
            .collect()
    }

    #[test]
    fn only_what_is_listed_passes() {
        let common = [
            "HOME",
            "PATH",
            "LC_ALL",
            "XDG_CONFIG_HOME",
            "https_proxy",
            "NO_PROXY",
        ];
        for (kind, extra, own) in [
            (
                Kind::Claude,
                &[][..],
                &["CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_API_KEY"][..],
            ),
            (Kind::Codex, &[], &["OPENAI_API_KEY", "CODEX_HOME"]),
            (
                Kind::Codex,
                &["FAKE_KEY"],
                &["OPENAI_API_KEY", "CODEX_HOME", "FAKE_KEY"],
            ),
            (
                Kind::Acp,
                &[],
                &[
                    "CLAUDE_CODE_OAUTH_TOKEN",
                    "ANTHROPIC_API_KEY",
                    "OPENAI_API_KEY",
                    "CODEX_HOME",
                    "GEMINI_API_KEY",
                ],
            ),
            (
                Kind::Command,
                // Our own variables do not pass even if they are named.
                &["NEXSCOPE_TOKEN"],
                &[
                    "CLAUDE_CODE_OAUTH_TOKEN",
                    "ANTHROPIC_API_KEY",
                    "OPENAI_API_KEY",
                    "CODEX_HOME",
                ],
            ),
        ] {
            let want: Vec<&str> = common.iter().chain(own).copied().chain(["TERM"]).collect();
            assert_eq!(names(kind, extra), want, "{kind:?} {extra:?}");
        }
    }

    #[test]
    fn there_is_no_terminal() {
        let passed = environment([("TERM".into(), "xterm".into())], Kind::Command, &["TERM".into()]);
        assert_eq!(passed, [("TERM".into(), "dumb".into())]);
    }
}
