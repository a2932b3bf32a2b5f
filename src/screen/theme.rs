//! Colours, from a file of `themes/`: one style for each scope, by name.

use std::{collections::BTreeMap, path::Path};

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

macro_rules! scopes {
    ($($variant:ident $name:literal,)*) => {
        /// What is drawn.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Scope {
            $(#[doc = concat!("`", $name, "` in a theme.")] $variant,)*
        }

        impl Scope {
            /// Every scope.
            pub const ALL: &[Scope] = &[$(Scope::$variant,)*];

            /// The name that themes use.
            pub fn name(self) -> &'static str {
                match self { $(Scope::$variant => $name,)* }
            }
        }
    };
}

scopes! {
    Text "text",
    Dim "dim",
    Border "border",
    Title "title",
    Focus "focus",
    Selected "selected",
    Time "time",
    NameMe "name.me",
    NamePerson "name.person",
    NameAgent "name.agent",
    Note "note",
    Good "good",
    Warning "warning",
    Error "error",
    Waiting "waiting",
    Strip "strip",
    Risk "risk",
    Working "working",
    Partial "partial",
    Hint "hint",
    Key "key",
    Prompt "prompt",
}

/// A style for every scope.
#[derive(Debug, Clone)]
pub struct Theme {
    styles: Vec<Style>,
}

/// Themes that are built in.
const BUILT_IN: &[(&str, &str)] = &[
    ("terminal", include_str!("../../themes/terminal.toml")),
    ("dark", include_str!("../../themes/dark.toml")),
    ("light", include_str!("../../themes/light.toml")),
];

/// A theme as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Names for colours.
    #[serde(default)]
    palette: BTreeMap<String, Color>,
    /// The scopes.
    scopes: BTreeMap<String, Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    fg: Option<String>,
    bg: Option<String>,
    #[serde(default)]
    add: Vec<Add>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Add {
    Bold,
    Dim,
    Italic,
    Underline,
    Reverse,
}

impl Theme {
    /// The theme of that name: the user's own in `dir`, else one that is built in. Fails with a sentence
    /// that names the file and what is wrong.
    pub fn load(name: &str, dir: &Path) -> Result<Self, String> {
        let (place, text) = super::bundled(name, dir, BUILT_IN, "theme")?;
        Self::parse(&text).map_err(|what| format!("{place}: {what}"))
    }

    /// The built-in default: the terminal's own 16 colours.
    pub fn built_in() -> Self {
        // A test reads every bundled file.
        Self::parse(BUILT_IN[0].1).unwrap_or(Self {
            styles: vec![Style::new(); Scope::ALL.len()],
        })
    }

    /// The style of a scope.
    pub fn style(&self, scope: Scope) -> Style {
        self.styles[scope as usize]
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| super::toml_error(&error, text))?;
        if let Some(unknown) = file
            .scopes
            .keys()
            .find(|name| !Scope::ALL.iter().any(|s| s.name() == *name))
        {
            let nearest = Scope::ALL
                .iter()
                .map(|s| (strsim::damerau_levenshtein(s.name(), unknown), s.name()))
                .min();
            let nearest = nearest.map_or("", |(_, nearest)| nearest);
            return Err(format!(
                "there is no scope \"{unknown}\"; did you mean \"{nearest}\"?"
            ));
        }
        let mut styles = Vec::new();
        for scope in Scope::ALL {
            styles.push(match file.scopes.get(scope.name()) {
                Some(written) => written.style(&file.palette)?,
                None => return Err(format!("the scope \"{}\" is missing", scope.name())),
            });
        }
        Ok(Self { styles })
    }
}

impl Written {
    fn style(&self, palette: &BTreeMap<String, Color>) -> Result<Style, String> {
        let color = |name: &String| match palette.get(name) {
            Some(color) => Ok(*color),
            None => name
                .parse::<Color>()
                .map_err(|_| format!("\"{name}\" is neither a colour nor in [palette]")),
        };
        let mut style = Style::new();
        if let Some(name) = &self.fg {
            style = style.fg(color(name)?);
        }
        if let Some(name) = &self.bg {
            style = style.bg(color(name)?);
        }
        Ok(self.add.iter().fold(style, |style, add| {
            style.add_modifier(match add {
                Add::Bold => Modifier::BOLD,
                Add::Dim => Modifier::DIM,
                Add::Italic => Modifier::ITALIC,
                Add::Underline => Modifier::UNDERLINED,
                Add::Reverse => Modifier::REVERSED,
            })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundled_themes_cover_every_scope() {
        for (name, text) in BUILT_IN {
            Theme::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn what_is_selected_is_not_told_by_colour_alone() {
        for (name, text) in BUILT_IN {
            let theme = Theme::parse(text).unwrap();
            assert!(!theme.style(Scope::Selected).add_modifier.is_empty(), "{name}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let table = [
            ("[scopes]\ntxt = {}", "did you mean \"text\"?"),
            ("[scopes]\ntext = { fg = \"pinkish\" }", "neither a colour"),
            ("[scopes]\ntext = {}", "is missing"),
            ("[scopes]\ntext = { foreground = \"red\" }", "line 2"),
        ];
        for (text, expected) in table {
            let error = Theme::parse(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
