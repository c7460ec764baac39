//! Whether a pattern can be matched at all.

use super::Matcher;

/// What is wrong with a pattern however the text looks, in Lua's words. Lua itself finds out when it gets there.
pub(crate) fn fault(pattern: &[u8]) -> Option<&'static str> {
    walk(pattern).err()
}

fn walk(pattern: &[u8]) -> Result<(), &'static str> {
    let classes = Matcher::new(b"", pattern);
    // Of each group, whether it is still open.
    let mut groups: Vec<bool> = Vec::new();
    let mut at = usize::from(pattern.first() == Some(&b'^'));
    while let Some(&byte) = pattern.get(at) {
        match (byte, pattern.get(at + 1)) {
            (b'(', Some(b')')) => {
                groups.push(false);
                at += 2;
            }
            (b'(', _) => {
                groups.push(true);
                at += 1;
            }
            (b')', _) => {
                let open = groups.iter().rposition(|open| *open);
                groups[open.ok_or("invalid pattern capture")?] = false;
                at += 1;
            }
            (b'%', Some(b'b')) if pattern.len() < at + 4 => return Err("unbalanced pattern"),
            (b'%', Some(b'b')) => at += 4,
            (b'%', Some(b'f')) if pattern.get(at + 2) != Some(&b'[') => {
                return Err("missing '[' after '%f' in pattern");
            }
            (b'%', Some(b'f')) => at = classes.class_end(at + 2)?,
            (b'%', Some(digit @ b'0'..=b'9')) => {
                let group = usize::from(digit - b'0').checked_sub(1);
                match group.and_then(|group| groups.get(group)) {
                    Some(false) => at += 2,
                    _ => return Err("invalid capture index"),
                }
            }
            _ => at = classes.class_end(at)?,
        }
    }
    match groups.contains(&true) {
        true => Err("unfinished capture"),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn patterns_that_can_never_be_matched_are_found_out() {
        for (pattern, expected) in [
            ("", None),
            ("^%a[%w_]*$", None),
            ("(%d+)%-%1", None),
            ("()x", None),
            ("%b()", None),
            ("%f[%w]a", None),
            ("[]]", None),
            ("[^%]]+", None),
            ("[", Some("malformed pattern (missing ']')")),
            ("[a", Some("malformed pattern (missing ']')")),
            ("[]", Some("malformed pattern (missing ']')")),
            ("[%", Some("malformed pattern (missing ']')")),
            ("a%", Some("malformed pattern (ends with '%')")),
            ("%b(", Some("unbalanced pattern")),
            ("%fa", Some("missing '[' after '%f' in pattern")),
            ("%f[a", Some("malformed pattern (missing ']')")),
            ("(a", Some("unfinished capture")),
            ("a)", Some("invalid pattern capture")),
            ("%1", Some("invalid capture index")),
            ("(a%1)", Some("invalid capture index")),
            ("%0", Some("invalid capture index")),
        ] {
            assert_eq!(fault(pattern.as_bytes()), expected, "{pattern}");
        }
    }
}
