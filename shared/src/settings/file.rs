//! The settings file: top-level keys for both planes, a table for each.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::SettingError;

/// One key of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The table it stands in; `None` at the top.
    pub table: Option<String>,
    /// The key.
    pub key: String,
    /// Its value as the setting's text.
    pub text: String,
    /// File and line.
    pub place: String,
}

/// The file to read: the one named, else `./headgate.toml`, else the system's. Only a file that is named must exist.
pub(super) fn locate(named: Option<&Path>, directory: &Path) -> Option<PathBuf> {
    match named {
        Some(path) => Some(directory.join(path)),
        None => [
            directory.join("headgate.toml"),
            "/etc/headgate/headgate.toml".into(),
        ]
        .into_iter()
        .find(|path| path.exists()),
    }
}

/// Reads a file into its keys.
pub(super) fn read(path: &Path) -> Result<Vec<Entry>, SettingError> {
    let text = std::fs::read_to_string(path).map_err(|error| SettingError::File {
        place: path.display().to_string(),
        message: format!("cannot read the settings file: {error}"),
    })?;
    entries(&text, &path.display().to_string())
}

/// The keys of a file's text; `name` is the file as complaints call it.
pub(super) fn entries(text: &str, name: &str) -> Result<Vec<Entry>, SettingError> {
    let place = |at: usize| format!("{name}:{}", 1 + text[..at].matches('\n').count());
    let root = DeTable::parse(text).map_err(|error| SettingError::File {
        place: error
            .span()
            .map_or(name.to_owned(), |span| place(span.start)),
        message: error.message().to_owned(),
    })?;
    let mut found = Vec::new();
    collect(&mut found, None, root.get_ref(), &place)?;
    Ok(found)
}

fn collect(
    found: &mut Vec<Entry>,
    table: Option<&str>,
    values: &DeTable<'_>,
    place: &impl Fn(usize) -> String,
) -> Result<(), SettingError> {
    for (key, value) in values {
        let place_of_key = place(key.span().start);
        match (value.get_ref(), table) {
            (DeValue::Table(inner), None) => collect(found, Some(key.get_ref()), inner, place)?,
            _ => found.push(Entry {
                table: table.map(str::to_owned),
                key: key.get_ref().to_string(),
                text: scalar(value).ok_or_else(|| SettingError::File {
                    place: place_of_key.clone(),
                    message: format!(
                        "'{}' takes a text, a number, true or false, or a list of these",
                        key.get_ref()
                    ),
                })?,
                place: place_of_key,
            }),
        }
    }
    Ok(())
}

/// A value as the text that a flag would have: lists are joined by commas.
fn scalar(value: &Spanned<DeValue<'_>>) -> Option<String> {
    Some(match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => super::SettingValue::render(flag),
        DeValue::Array(items) => {
            let texts: Option<Vec<_>> = items.iter().map(scalar).collect();
            texts?.join(", ")
        }
        DeValue::Datetime(_) | DeValue::Table(_) => return None,
    })
}
