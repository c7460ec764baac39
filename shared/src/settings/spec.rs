//! One setting as a value: what the derive writes for each field.

use super::SettingValue;

/// One setting: its names, its default and how a text is checked.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The plane (or program) it belongs to, which is its table in the file: `control_plane`.
    pub section: &'static str,
    /// Its key in the file: `admin_listen`.
    pub name: &'static str,
    /// What it is for, from the field's doc comment.
    pub doc: &'static str,
    /// The text that applies when nobody gives one.
    pub default: &'static str,
    /// What a value looks like, for help and for complaints.
    pub hint: &'static str,
    /// Set when only the default, nothing and `off` work yet; names what is missing.
    pub unbuilt: Option<&'static str>,
    /// Checks a text and gives it back as the setting would print it.
    pub check: fn(&str) -> Result<String, String>,
}

impl Spec {
    /// Describes a setting whose value is a `T`.
    pub fn of<T: SettingValue>(
        section: &'static str,
        name: &'static str,
        doc: &'static str,
        default: &'static str,
        unbuilt: Option<&'static str>,
    ) -> Self {
        let check = |text: &str| T::parse(text).map(|value| value.render());
        Self {
            section,
            name,
            doc,
            default,
            hint: T::HINT,
            unbuilt,
            check,
        }
    }

    /// The flag without its dashes: `admin-listen`.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The environment variable: `HEADGATE_ADMIN_LISTEN`.
    pub fn variable(&self) -> String {
        format!("HEADGATE_{}", self.name.to_ascii_uppercase())
    }

    /// The first sentence of the description.
    pub fn summary(&self) -> &'static str {
        let line = self.doc.lines().next().unwrap_or_default();
        line.split_once(". ").map_or(line, |(first, _)| first)
    }
}
