//! The lines between the parts of a body.

/// A line `--boundary` or `--boundary--`.
pub(super) struct Delimiter {
    /// Where the line break before it starts.
    pub(super) start: usize,
    /// Behind its own line break.
    pub(super) end: usize,
    /// Nothing follows it.
    pub(super) last: bool,
}

/// The first delimiter in a text.
pub(super) fn next_delimiter(text: &[u8], boundary: &[u8]) -> Option<Delimiter> {
    let mut at = 0;
    loop {
        let end = text[at..]
            .iter()
            .position(|b| *b == b'\n')
            .map_or(text.len(), |length| at + length + 1);
        if let Some(last) = is_delimiter(&text[at..end], boundary) {
            let before = &text[..at];
            let before = before.strip_suffix(b"\n").unwrap_or(before);
            let start = before.strip_suffix(b"\r").map_or(before.len(), <[u8]>::len);
            return Some(Delimiter { start, end, last });
        }
        if end == text.len() {
            return None;
        }
        at = end;
    }
}

/// Whether the line is a delimiter, and if so whether it is the last one.
fn is_delimiter(line: &[u8], boundary: &[u8]) -> Option<bool> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
    match rest.strip_prefix(b"--") {
        Some(after) if after.trim_ascii().is_empty() => Some(true),
        _ => rest.trim_ascii().is_empty().then_some(false),
    }
}
