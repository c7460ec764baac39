//! Parameters of header values: `form-data; name="a"`.

/// A parameter of a header value: `; name=value` or `; name="value"`.
pub(super) fn parameter(value: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
    let mut rest = value;
    loop {
        rest = &rest[end_of_element(rest)?..];
        rest = rest[1..].trim_ascii_start();
        let element = &rest[..end_of_element(rest).unwrap_or(rest.len())];
        let Some(at) = element.iter().position(|b| *b == b'=') else {
            continue;
        };
        if element[..at].trim_ascii().eq_ignore_ascii_case(wanted) {
            return Some(unquote(element[at + 1..].trim_ascii()));
        }
    }
}

/// Where the `;` is that is not inside quotes.
fn end_of_element(text: &[u8]) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.iter().position(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' if !quoted => return true,
            _ => {}
        }
        false
    })
}

fn unquote(text: &[u8]) -> Vec<u8> {
    let Some(inside) = text.strip_prefix(b"\"") else {
        return text.to_vec();
    };
    let mut out = Vec::with_capacity(inside.len());
    let mut bytes = inside.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            // Only these two: browsers send a Windows path with bare backslashes.
            b'\\' if matches!(bytes.as_slice().first(), Some(b'"' | b'\\')) => {
                out.extend(bytes.next())
            }
            other => out.push(*other),
        }
    }
    out
}
