//! The query string: its arguments, and the ones that lists understand (admin-api.md 4.1 and 9).

use super::error::Failure;
use crate::store::Filter;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use uuid::Uuid;

/// More arguments than this are refused.
pub const MAX_ARGUMENTS: usize = 1000;
const DEFAULT_SIZE: usize = 100;
const MAX_SIZE: f64 = 1000.0;
const MAX_TAGS: usize = 5;

/// Written without padding; read as leniently as Kong reads it.
const TOKEN: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What stays as it is in a query value that we write.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Decoded arguments, in the order they came.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(raw: Option<&str>) -> Result<Query, Failure> {
        let pairs = form_urlencoded::parse(raw.unwrap_or_default().as_bytes());
        let pairs: Vec<_> = pairs
            .take(MAX_ARGUMENTS + 1)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        if pairs.len() > MAX_ARGUMENTS {
            return Err(Failure::bad_request("Too many arguments"));
        }
        Ok(Query(pairs))
    }

    /// The first value of that name.
    pub fn first(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(candidate, _)| candidate == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }

    /// How many rows a page may have.
    pub fn size(&self) -> Result<usize, Failure> {
        let Some(text) = self.first("size") else {
            return Ok(DEFAULT_SIZE);
        };
        let size = number(text).ok_or_else(|| Failure::invalid_size("size must be a number"))?;
        if size.fract() != 0.0 || !(1.0..=MAX_SIZE).contains(&size) {
            return Err(Failure::invalid_size(
                "size must be an integer between 1 and 1000",
            ));
        }
        Ok(size as usize)
    }

    /// The paging token, decoded to the strings it holds.
    pub fn offset(&self) -> Result<Option<Vec<String>>, Failure> {
        let Some(token) = self.first("offset") else {
            return Ok(None);
        };
        let bytes = TOKEN
            .decode(token)
            .map_err(|_| Failure::invalid_offset(token, "bad base64 encoding"))?;
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|_| Failure::invalid_offset(token, "bad json encoding"))
    }

    /// The paging token of a list in the order of ids.
    pub fn offset_id(&self) -> Result<Option<Uuid>, Failure> {
        let Some(keys) = self.offset()? else {
            return Ok(None);
        };
        let id = match keys.as_slice() {
            [id] => Uuid::parse_str(id).ok(),
            _ => None,
        };
        let token = self.first("offset").unwrap_or_default();
        id.map(Some)
            .ok_or_else(|| Failure::invalid_offset(token, "bad primary key"))
    }

    /// The tags filter; `tag` says what is wrong with one tag.
    pub fn tags(&self, tag: impl Fn(&str) -> Option<String>) -> Result<Filter, Failure> {
        let Some(text) = self.first("tags") else {
            return Ok(Filter::None);
        };
        if text.is_empty() {
            return Err(Failure::invalid_option("tags", "cannot be null"));
        }
        let any = text.contains('/');
        let separator = if any { '/' } else { ',' };
        let tags: Vec<String> = text.split(separator).map(str::to_owned).collect();
        let mixed = any && text.contains(',');
        if mixed || tags.iter().any(|one| one.is_empty() || tag(one).is_some()) {
            return Err(Failure::invalid_option("tags", "invalid filter syntax"));
        }
        if tags.len() > MAX_TAGS {
            return Err(Failure::invalid_option(
                "tags",
                "cannot query more than 5 tags",
            ));
        }
        Ok(if any {
            Filter::AnyTag(tags)
        } else {
            Filter::AllTags(tags)
        })
    }
}

/// Lua's `tonumber`: decimal, exponent, hexadecimal.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    match lower.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(|n| n as f64),
        None if lower.contains(['n', 'i']) => None, // "nan" and "inf" are numbers to Rust only
        None => text.parse().ok(),
    }
}

/// The token of the page after the row with these keys.
pub fn token(keys: &[&str]) -> String {
    TOKEN.encode(json!(keys).to_string())
}

/// The address of the next page. `carried` are the arguments it keeps, as they were sent.
pub fn next_address(path: &str, token: &str, carried: &[(&str, Option<&str>)]) -> String {
    let mut address = format!("{path}?offset={}", escape(token));
    for (name, value) in carried {
        if let Some(value) = value {
            address.push_str(&format!("&{name}={}", escape(value)));
        }
    }
    address
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(Some(text)).expect("few arguments")
    }

    fn words(failure: Failure) -> String {
        let reply = failure.into_reply();
        let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
        format!(
            "{} {}",
            body["code"],
            body["message"].as_str().unwrap_or("")
        )
    }

    #[test]
    fn sizes_are_whole_numbers_from_1_to_1000() {
        let good = [
            ("", 100),
            ("size=1", 1),
            ("size=1000", 1000),
            ("size=1e2", 100),
            ("size=0x10", 16),
        ];
        for (text, size) in good {
            assert_eq!(query(text).size().expect("valid"), size, "{text}");
        }
        let range = "9 size must be an integer between 1 and 1000";
        let bad = [
            ("size=0", range),
            ("size=1001", range),
            ("size=2.5", range),
            ("size=-1", range),
            ("size=x", "9 size must be a number"),
            ("size=", "9 size must be a number"),
            ("size=nan", "9 size must be a number"),
        ];
        for (text, message) in bad {
            assert_eq!(words(query(text).size().expect_err(text)), message);
        }
    }

    #[test]
    fn an_offset_is_the_token_of_the_last_row() {
        let id = Uuid::from_u128(7);
        let token = token(&[&id.to_string()]);
        assert!(!token.contains('='));
        let found = query(&format!("offset={token}")).offset_id();
        assert_eq!(found.expect("our own token"), Some(id));
        let bad = [
            (
                "offset=%25",
                "7 '%' is not a valid offset: bad base64 encoding",
            ),
            (
                "offset=zzz",
                "7 'zzz' is not a valid offset: bad json encoding",
            ),
            (
                "offset=WyJ4Il0",
                "7 'WyJ4Il0' is not a valid offset: bad primary key",
            ),
        ];
        for (text, message) in bad {
            assert_eq!(words(query(text).offset_id().expect_err(text)), message);
        }
    }

    #[test]
    fn tag_filters_are_all_or_any_but_not_both() {
        let tags = |text: &str| query(text).tags(|tag| tag.contains('!').then(|| "bad".into()));
        assert!(matches!(tags("").expect("absent"), Filter::None));
        assert!(matches!(tags("tags=a,b").expect("and"), Filter::AllTags(t) if t == ["a", "b"]));
        assert!(matches!(tags("tags=a/b").expect("or"), Filter::AnyTag(t) if t == ["a", "b"]));
        assert!(matches!(tags("tags=a&tags=b").expect("first"), Filter::AllTags(t) if t == ["a"]));
        let bad = [
            ("tags=a,b/c", "invalid filter syntax"),
            ("tags=!", "invalid filter syntax"),
            ("tags=", "cannot be null"),
            ("tags=a,b,c,d,e,f", "cannot query more than 5 tags"),
        ];
        for (text, why) in bad {
            let message = format!("11 invalid option (tags: {why})");
            assert_eq!(words(tags(text).expect_err(text)), message);
        }
    }

    #[test]
    fn the_next_address_carries_what_was_sent() {
        let carried = [("tags", Some("a,b")), ("size", None)];
        let address = next_address("/services", "WyJ4Il0", &carried);
        assert_eq!(address, "/services?offset=WyJ4Il0&tags=a%2Cb");
    }

    #[test]
    fn too_many_arguments_are_refused() {
        let text = vec!["a=1"; MAX_ARGUMENTS + 1].join("&");
        assert!(Query::parse(Some(&text)).is_err());
    }
}
