//! Colours, from a file of `themes/`: one style for each scope, by name.

use std::{collections::BTreeMap, path::Path};

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;
use toml::Spanned;

use crate::tui::actions::reload::Chain;

/// Makes the scopes from rows of `Variant "name in a theme" or Fallback`. The fallback's style is used where a theme does
/// not have the scope.
macro_rules! scopes {
    (@) => { None };
    (@ $fallback:ident) => { Some(Scope::$fallback) };
    ($($variant:ident $name:literal $(or $fallback:ident)?,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Scope {
            $(#[doc = concat!("`", $name, "` in a theme.")] $variant,)*
        }

        impl Scope {
            pub const ALL: &[Scope] = &[$(Scope::$variant,)*];

            /// The name that themes use.
            pub fn name(self) -> &'static str {
                match self { $(Scope::$variant => $name,)* }
            }

            fn fallback(self) -> Option<Scope> {
                match self { $(Scope::$variant => scopes!(@ $($fallback)?),)* }
            }
        }
    };
}

scopes! {
    Text "text",
    Dim "dim",
    Border "border",
    Scrollbar "scrollbar",
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
    Heading "heading",
    Quote "quote",
    Link "link",
    Code "code",
    CodeKeyword "code.keyword" or Code,
    CodeString "code.string" or Code,
    CodeComment "code.comment" or Code,
    CodeNumber "code.number" or Code,
    Unread "unread",
    Found "found",
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
    ("high-contrast", include_str!("../../themes/high-contrast.toml")),
    ("gruvbox", include_str!("../../themes/gruvbox.toml")),
    ("nord", include_str!("../../themes/nord.toml")),
    (
        "solarized-light",
        include_str!("../../themes/solarized-light.toml"),
    ),
];

/// A theme as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The theme that this one changes.
    inherits: Option<Spanned<String>>,
    #[serde(default)]
    palette: BTreeMap<String, Color>,
    #[serde(default)]
    scopes: BTreeMap<String, Spanned<Written>>,
}

#[derive(Clone, Deserialize)]
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
    /// that names file and line, and what is wrong.
    pub fn load(name: &str, dir: &Path) -> Result<Self, String> {
        Self::resolve(name, Chain::new("theme", Some(dir), BUILT_IN))
    }

    fn resolve(name: &str, mut chain: Chain) -> Result<Self, String> {
        let mut styles = BTreeMap::new();
        let place = layered(name, &mut chain, &mut BTreeMap::new(), &mut styles)?;
        let style = |scope: &Scope| {
            let fallback = scope.fallback();
            let mut names = [Some(*scope), fallback].into_iter().flatten().map(Scope::name);
            names.find_map(|name| styles.get(name)).copied().ok_or_else(|| {
                format!(
                    "{place}: the scope \"{}\" is missing; write it, or inherits = \"terminal\"",
                    scope.name()
                )
            })
        };
        Ok(Self {
            styles: Scope::ALL.iter().map(style).collect::<Result<_, _>>()?,
        })
    }

    /// The built-in default: the terminal's own 16 colours.
    pub fn built_in() -> Self {
        let chain = Chain::new("theme", None, BUILT_IN);
        Self::resolve(BUILT_IN[0].0, chain).expect("it is part of the program, and a test reads it")
    }

    /// The style of a scope.
    pub fn style(&self, scope: Scope) -> Style {
        self.styles[scope as usize]
    }
}

/// Reads a theme's styles over those of the one that it inherits, with the names of both palettes. Returns where
/// the file is.
fn layered(
    name: &str,
    chain: &mut Chain,
    palette: &mut BTreeMap<String, Color>,
    styles: &mut BTreeMap<&'static str, Style>,
) -> Result<String, String> {
    let (place, text) = chain.read(name)?;
    let file: File = toml::from_str(&text).map_err(|error| {
        format!(
            "{place}, {}",
            crate::tui::actions::reload::toml_error(&error, &text)
        )
    })?;
    if let Some(parent) = &file.inherits {
        chain.inherits(&place, &text, parent);
        layered(parent.get_ref(), chain, palette, styles)?;
    }
    palette.extend(file.palette);
    for (name, written) in &file.scopes {
        let wrong = |what: String| {
            format!(
                "{place}, line {}: {what}",
                crate::tui::actions::reload::line_at(&text, written.span().start)
            )
        };
        let scope = Scope::ALL
            .iter()
            .find(|scope| scope.name() == name)
            .ok_or_else(|| {
                let known = Scope::ALL.iter().map(|scope| scope.name());
                let nearest = crate::text::nearest(name, known).unwrap_or_default();
                wrong(format!(
                    "there is no scope \"{name}\"; did you mean \"{nearest}\"?"
                ))
            })?;
        styles.insert(scope.name(), written.get_ref().style(palette).map_err(wrong)?);
    }
    Ok(place)
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

    fn bundled(name: &str) -> Theme {
        Theme::load(name, Path::new("")).unwrap_or_else(|error| panic!("{error}"))
    }

    fn luminance((r, g, b): (u8, u8, u8)) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }

    fn rgb(color: Option<Color>) -> Option<(u8, u8, u8)> {
        match color {
            Some(Color::Rgb(r, g, b)) => Some((r, g, b)),
            _ => None,
        }
    }

    #[test]
    fn bundled_themes_cover_every_scope_with_enough_contrast() {
        for (name, _) in BUILT_IN {
            let theme = bundled(name);
            let page = rgb(theme.style(Scope::Text).bg);
            let mut checked = 0;
            for scope in Scope::ALL {
                let style = theme.style(*scope);
                let ink = rgb(style.fg).or(rgb(theme.style(Scope::Text).fg));
                let (Some(ink), Some(paper)) = (ink, rgb(style.bg).or(page)) else {
                    continue;
                };
                let (ink, paper) = (luminance(ink), luminance(paper));
                let contrast = (ink.max(paper) + 0.05) / (ink.min(paper) + 0.05);
                assert!(contrast >= 4.5, "{name}, {}: {contrast:.2}", scope.name());
                checked += 1;
            }
            assert!(
                *name == "terminal" || checked == Scope::ALL.len(),
                "{name} leaves colours to the terminal"
            );
        }
    }

    #[test]
    fn what_is_selected_is_not_told_by_colour_alone() {
        for (name, _) in BUILT_IN {
            assert!(
                !bundled(name).style(Scope::Selected).add_modifier.is_empty(),
                "{name}"
            );
        }
    }

    fn own(text: &str) -> Result<Theme, String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("own.toml"), text).unwrap();
        Theme::load("own", dir.path())
    }

    #[test]
    fn a_file_inherits_and_changes() {
        let theme =
            own("inherits = \"nord\"\n[palette]\nmine = \"#ff0000\"\n[scopes]\nerror = { fg = \"mine\" }")
                .unwrap();
        assert_eq!(theme.style(Scope::Error).fg, Some(Color::Rgb(255, 0, 0)));
        assert_eq!(theme.style(Scope::Good), bundled("nord").style(Scope::Good));
    }

    #[test]
    fn mistakes_are_named() {
        let table = [
            (
                "[scopes]\n\ntxt = {}",
                "line 3: there is no scope \"txt\"; did you mean \"text\"?",
            ),
            (
                "[scopes]\ntext = { fg = \"pinkish\" }",
                "line 2: \"pinkish\" is neither a colour",
            ),
            ("[scopes]\ntext = {}", "is missing"),
            ("[scopes]\ntext = { foreground = \"red\" }", "line 2"),
            (
                "\ninherits = \"nrod\"",
                "own.toml, line 2: there is no theme nrod",
            ),
            ("inherits = \"own\"", "there is no theme own"),
        ];
        for (text, expected) in table {
            let error = own(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
