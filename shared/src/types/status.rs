//! Ranges of status codes.

use super::{Text, text_value};

/// `404` or `500-599`, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRange {
    /// Lowest status that is meant.
    pub low: u16,
    /// Highest status that is meant.
    pub high: u16,
}

impl StatusRange {
    /// Whether a status is meant.
    pub fn contains(&self, status: u16) -> bool {
        (self.low..=self.high).contains(&status)
    }
}

impl Text for StatusRange {
    fn parse(text: &str) -> Result<Self, String> {
        let range = match text.split_once('-') {
            Some((low, high)) => code(low).zip(code(high)),
            None => code(text).map(|code| (code, code)),
        };
        match range {
            Some((low, high)) if low <= high => Ok(StatusRange { low, high }),
            _ => Err(format!(
                "value '{text}' is not a status code or a range of status codes"
            )),
        }
    }
}

fn code(text: &str) -> Option<u16> {
    let text = text.trim_ascii();
    let digits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
    if digits {
        text.parse().ok().filter(|code| *code >= 100)
    } else {
        None
    }
}

text_value!(StatusRange);
