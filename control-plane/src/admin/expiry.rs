//! Documents that expire: sent and shown as seconds to live, stored as the second they end (admin-api.md 8.5).

use super::body::Arguments;
use super::draft::now;
use super::error::Failure;
use serde_json::{Value, json};
use shared::entities::Entity;
use shared::schema::Document;

const MEMBER: &str = "ttl";
const LONGEST_S: u64 = 100_000_000;

/// What a body says about how long its document lives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lifetime {
    /// The entity knows no such thing.
    None,
    /// Nothing: a new document stays for good, a stored one keeps its end.
    Unsaid,
    /// For good.
    Endless,
    /// For so many seconds from now.
    Seconds(u64),
}

/// Takes the member out of a body, before the schema calls it unknown.
pub fn take(entity: &'static Entity, arguments: &mut Arguments) -> Result<Lifetime, Failure> {
    if !entity.has_ttl {
        return Ok(Lifetime::None);
    }
    let Some(value) = arguments.document.shift_remove(MEMBER) else {
        return Ok(Lifetime::Unsaid);
    };
    let seconds = match &value {
        Value::Null => return Ok(Lifetime::Endless),
        Value::String(text) if arguments.form && text.is_empty() => return Ok(Lifetime::Endless),
        Value::String(text) if arguments.form => text.parse().ok(),
        Value::Number(number) => number.as_u64(),
        _ => None,
    };
    match seconds {
        Some(0) => Ok(Lifetime::Endless),
        Some(seconds) if seconds <= LONGEST_S => Ok(Lifetime::Seconds(seconds)),
        _ => Err(Failure::invalid_option(
            MEMBER,
            "must be an integer between 0 and 100000000",
        )),
    }
}

impl Lifetime {
    /// Writes the end of a complete document. `stored`: the document that it replaces part of.
    pub fn stamp(self, document: &mut Document, stored: Option<&Document>) {
        let end = match self {
            Lifetime::None => return,
            Lifetime::Unsaid => stored.and_then(|stored| stored.get(MEMBER).cloned()),
            Lifetime::Endless => None,
            Lifetime::Seconds(seconds) => Some(json!(now() as u64 + seconds)),
        };
        document.insert(MEMBER.to_owned(), end.unwrap_or(Value::Null));
    }
}

/// Whether a document has not expired.
pub fn is_live(entity: &'static Entity, document: &Document) -> bool {
    !entity.has_ttl || end(document).is_none_or(|end| end > now() as u64)
}

/// The document with the seconds it has left.
pub fn shown(document: &Document) -> Document {
    let left = end(document).map(|end| end.saturating_sub(now() as u64));
    let mut shown = document.clone();
    shown.insert(MEMBER.to_owned(), json!(left));
    shown
}

/// The second it ends; none: never.
fn end(document: &Document) -> Option<u64> {
    document.get(MEMBER)?.as_u64().filter(|end| *end > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::entities;

    fn read(value: Value, form: bool) -> Result<Lifetime, Failure> {
        let entity = entities::find("keyauth_credentials").expect("a kind of the list");
        let mut document = Document::new();
        document.insert(MEMBER.to_owned(), value);
        take(entity, &mut Arguments { document, form })
    }

    #[test]
    fn lifetimes_are_whole_seconds() {
        let good = [
            (json!(60), false, Lifetime::Seconds(60)),
            (json!("60"), true, Lifetime::Seconds(60)),
            (json!(0), false, Lifetime::Endless),
            (json!(null), false, Lifetime::Endless),
        ];
        for (value, form, expected) in good {
            assert_eq!(read(value, form).expect("valid"), expected);
        }
        for value in [
            json!("60"),
            json!(-1),
            json!(1.5),
            json!(100_000_001),
            json!(true),
        ] {
            let reply = read(value, false).expect_err("refused").into_reply();
            let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
            assert_eq!(body["code"], 11);
            assert_eq!(
                body["message"],
                "invalid option (ttl: must be an integer between 0 and 100000000)"
            );
        }
    }

    #[test]
    fn a_document_shows_the_seconds_it_has_left() {
        let entity = entities::find("keyauth_credentials").expect("a kind of the list");
        let mut document = Document::new();
        Lifetime::Seconds(100).stamp(&mut document, None);
        assert!(is_live(entity, &document));
        let left = shown(&document)[MEMBER].as_u64().expect("seconds");
        assert!((99..=100).contains(&left), "{left}");
        document.insert(MEMBER.to_owned(), json!(1));
        assert!(!is_live(entity, &document));
        Lifetime::Endless.stamp(&mut document, None);
        assert_eq!(shown(&document)[MEMBER], Value::Null);
    }

    #[test]
    fn an_update_that_does_not_speak_of_it_keeps_the_end() {
        let mut stored = Document::new();
        stored.insert(MEMBER.to_owned(), json!(4_000_000_000_u64));
        let mut document = Document::new();
        Lifetime::Unsaid.stamp(&mut document, Some(&stored));
        assert_eq!(document[MEMBER], 4_000_000_000_u64);
    }
}
