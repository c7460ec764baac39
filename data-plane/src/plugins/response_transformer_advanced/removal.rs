//! Headers that go whole, by value, or by regular expression (transformers.md 4.3).

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};
use shared::types::Removal;

use crate::plugins::transform::headers::{self, Name};

/// Removes a header, or those of its values that are meant (transformers.md 4.3).
pub(super) fn remove_values(headers: &mut HeaderMap, name: &Name, removal: &Removal) {
    if matches!(removal, Removal::All) {
        return headers::remove(headers, name);
    }
    let name = name.name();
    let keep = |value: &HeaderValue| {
        if *name == SET_COOKIE {
            kept_cookie(value, removal)
        } else {
            kept_members(value, removal)
        }
    };
    let old = headers.get_all(name);
    let new: Vec<Option<HeaderValue>> = old.iter().map(keep).collect();
    if old
        .iter()
        .zip(&new)
        .all(|(old, new)| new.as_ref() == Some(old))
    {
        return;
    }
    headers.remove(name);
    for value in new.into_iter().flatten() {
        let _ = headers.try_append(name, value);
    }
}

/// A cookie may hold commas: its line is meant as a whole or not at all.
fn kept_cookie(line: &HeaderValue, removal: &Removal) -> Option<HeaderValue> {
    if is_meant(&String::from_utf8_lossy(line.as_bytes()), removal) {
        None
    } else {
        Some(line.clone())
    }
}

/// What is left of a comma list; `None` if nothing is.
fn kept_members(line: &HeaderValue, removal: &Removal) -> Option<HeaderValue> {
    if let Removal::Value(whole) = removal
        && line.as_bytes() == whole.as_bytes()
    {
        return None;
    }
    let members = || {
        line.as_bytes()
            .split(|b| *b == b',')
            .map(<[u8]>::trim_ascii)
    };
    let kept: Vec<&[u8]> = members()
        .filter(|member| !is_meant(&String::from_utf8_lossy(member), removal))
        .collect();
    if kept.len() == members().count() {
        return Some(line.clone());
    }
    if kept.is_empty() {
        None
    } else {
        Some(headers::value(&kept.join(&b',')))
    }
}

fn is_meant(member: &str, removal: &Removal) -> bool {
    match removal {
        Removal::All => true,
        Removal::Value(value) => {
            *member == **value
                || value
                    .split(',')
                    .any(|one| !one.is_empty() && one.trim() == member)
        }
        Removal::Matching(regex) => regex.is_match(member),
    }
}
