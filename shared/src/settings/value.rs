//! Values that read themselves from a setting's text, in Kong's spelling.

use serde_json::Value;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// A type that a setting can have.
pub trait SettingValue: Sized {
    /// What a value looks like: ends the sentence "expected …".
    const HINT: &'static str;

    /// Whether a text must never be printed, a wrong one neither.
    const SECRET: bool = false;

    /// Reads a text. The error says what is wrong with it, or is empty when [`Self::HINT`] says it all.
    fn parse(text: &str) -> Result<Self, String>;

    /// Writes the value so that it can be read back (a secret: so that it cannot).
    fn render(&self) -> String;

    /// The value as JSON, as the Admin API shows it.
    fn shown(&self) -> Value {
        Value::String(self.render())
    }
}

impl SettingValue for bool {
    const HINT: &'static str = "`on` or `off`";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "on" | "true" => Ok(true),
            "off" | "false" => Ok(false),
            _ => Err(String::new()),
        }
    }

    fn render(&self) -> String {
        if *self { "on" } else { "off" }.to_owned()
    }

    fn shown(&self) -> Value {
        Value::Bool(*self)
    }
}

impl SettingValue for u32 {
    const HINT: &'static str = "a whole number, 0 or more";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| String::new())
    }

    fn render(&self) -> String {
        self.to_string()
    }

    fn shown(&self) -> Value {
        Value::from(*self)
    }
}

impl SettingValue for PathBuf {
    const HINT: &'static str = "a path";

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err(String::new());
        }
        Ok(PathBuf::from(text))
    }

    fn render(&self) -> String {
        self.display().to_string()
    }
}

/// Nothing given, and `off`, are `None`.
impl<T: SettingValue> SettingValue for Option<T> {
    const HINT: &'static str = T::HINT;
    const SECRET: bool = T::SECRET;

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" | "off" => Ok(None),
            text => T::parse(text).map(Some),
        }
    }

    fn render(&self) -> String {
        self.as_ref().map(T::render).unwrap_or_default()
    }

    fn shown(&self) -> Value {
        self.as_ref().map(T::shown).unwrap_or_default()
    }
}

/// Words separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl SettingValue for Words {
    const HINT: &'static str = "words separated by commas";

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(pieces(text).map(str::to_owned).collect()))
    }

    fn render(&self) -> String {
        self.0.join(", ")
    }
}

/// A number of bytes: `8m`, `512k`, `1g` or plain bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl SettingValue for Size {
    const HINT: &'static str = "a size such as `512k`, `8m`, `1g`, or bytes";

    fn parse(text: &str) -> Result<Self, String> {
        let (digits, unit) = match text.char_indices().last() {
            Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
            Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
            Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
            _ => (text, 1),
        };
        // `parse` alone would take a sign.
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(String::new());
        }
        let count: u64 = digits.parse().map_err(|_| String::new())?;
        let bytes = count
            .checked_mul(unit)
            .ok_or("is more than can be counted")?;
        Ok(Self(bytes))
    }

    fn render(&self) -> String {
        let units = [(1 << 30, "g"), (1 << 20, "m"), (1 << 10, "k")];
        let whole = |(unit, _): &(u64, &str)| self.0 > 0 && self.0.is_multiple_of(*unit);
        match units.iter().find(|unit| whole(unit)) {
            Some((unit, letter)) => format!("{}{letter}", self.0 / unit),
            None => self.0.to_string(),
        }
    }
}

impl Size {
    /// The size as a length in memory; what a machine cannot address is its largest length.
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// A length of time in seconds, as Kong writes them; fractions are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub Duration);

impl SettingValue for Seconds {
    const HINT: &'static str = "a number of seconds, 0 or more";

    fn parse(text: &str) -> Result<Self, String> {
        let seconds: f64 = text.parse().map_err(|_| String::new())?;
        let duration = Duration::try_from_secs_f64(seconds).map_err(|_| String::new())?;
        Ok(Self(duration))
    }

    fn render(&self) -> String {
        self.0.as_secs_f64().to_string()
    }
}

/// How many threads serve: `auto` is one for each core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Workers(pub Option<NonZeroUsize>);

impl Workers {
    /// The number of threads on this machine.
    pub fn count(self) -> usize {
        let chosen = self.0.or_else(|| std::thread::available_parallelism().ok());
        chosen.map_or(1, NonZeroUsize::get)
    }
}

impl SettingValue for Workers {
    const HINT: &'static str = "`auto` or a number from 1 to 1024";

    fn parse(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self(None));
        }
        let count: NonZeroUsize = text.parse().map_err(|_| String::new())?;
        if count.get() > 1024 {
            return Err(String::new());
        }
        Ok(Self(Some(count)))
    }

    fn render(&self) -> String {
        self.0.map_or("auto".to_owned(), |count| count.to_string())
    }
}

/// A text that is never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("******")
    }
}

impl SettingValue for Secret {
    const HINT: &'static str = "one word";
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.chars().any(char::is_whitespace) {
            return Err(String::new());
        }
        Ok(Self::from(text))
    }

    fn render(&self) -> String {
        "******".to_owned()
    }
}

/// The parts of a comma list: trimmed, empty ones left out.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|piece| !piece.is_empty())
}
