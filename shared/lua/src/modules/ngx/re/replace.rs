//! `sub` and `gsub` with a text to put in.

use mlua::{Lua, Value};

use super::pcre::Groups;
use super::{Call, Refusal, after, place, spelled};
use crate::limits::{TOO_LONG, overrun};
use crate::native::Raise;
use crate::state::LONGEST_TEXT;

/// What a replacement is made of.
enum Part<'a> {
    Text(&'a [u8]),
    Group(usize),
}

/// `$0`, `$1`, `${1}`, `$$`; nothing else may follow a `$`.
fn parts(replacement: &[u8]) -> Option<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    let mut rest = replacement;
    while let Some(at) = memchr::memchr(b'$', rest) {
        parts.push(Part::Text(&rest[..at]));
        rest = &rest[at + 1..];
        if let Some(b'$') = rest.first() {
            parts.push(Part::Text(b"$"));
            rest = &rest[1..];
            continue;
        }
        let braced = rest.first() == Some(&b'{');
        rest = &rest[usize::from(braced)..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = std::str::from_utf8(&rest[..digits]).ok()?;
        parts.push(Part::Group(number.parse().ok()?));
        rest = &rest[digits..];
        if braced {
            rest = rest.strip_prefix(b"}")?;
        }
    }
    parts.push(Part::Text(rest));
    Some(parts)
}

/// `sub(text, pattern, options, replacement, all)`: the new text, and how many matches were replaced.
pub(super) fn sub(lua: &Lua, mut call: Call) -> Result<Vec<Value>, Refusal> {
    let replacement = spelled(lua, call.rest.pop_front())?;
    let all = matches!(call.rest.pop_front(), Some(Value::Boolean(true)));
    let replacement = replacement.as_bytes();
    let parts = parts(&replacement)
        .ok_or_else(|| Refusal::Told("failed to compile the replacement template".to_owned()))?;
    let text = call.text.as_bytes();
    let (mut out, mut groups) = (Vec::new(), Groups::new());
    let (mut copied, mut from, mut count) = (0, 0, 0);
    while call.regex.find(&text, from, &mut groups)? {
        let whole @ (start, end) = groups[0].unwrap_or_default();
        count += 1;
        // `\K` and what looks back can find what has been copied.
        out.extend_from_slice(&text[copied.min(start)..start]);
        for part in &parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Group(group) => {
                    if let Some((start, end)) = groups.get(*group).copied().flatten() {
                        out.extend_from_slice(&text[start..end]);
                    }
                }
            }
            if out.len() > LONGEST_TEXT {
                return Err(Raise::from("not enough memory").into());
            }
        }
        copied = end;
        from = after(&call.regex, &text, whole);
        if overrun() {
            return Err(Raise::from(TOO_LONG).into());
        } else if !all {
            break;
        }
    }
    if count == 0 {
        return Ok(vec![Value::String(call.text.clone()), place(0)]);
    }
    out.extend_from_slice(&text[copied..]);
    Ok(vec![Value::String(lua.create_string(out)?), place(count)])
}
