//! A multipart body as a list of parts.

/// A part: its name if it has one, head and blank line as they came, and the content.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What `Content-Disposition` names.
    pub name: Option<Vec<u8>>,
    /// Everything before the content.
    pub head: Vec<u8>,
    /// The content.
    pub body: Vec<u8>,
}

/// Reads the parts between delimiters.
pub fn parse(body: &[u8], boundary: &[u8]) -> Vec<Part> {
    let mut parts: Vec<Option<Vec<u8>>> = Vec::new();
    let mut open: Option<Vec<u8>> = None;
    for line in body.split_inclusive(|b| *b == b'\n') {
        match delimiter(line, boundary) {
            None => {
                if let Some(text) = &mut open {
                    text.extend(line);
                }
            }
            Some(last) => {
                parts.push(open.take());
                if last {
                    break;
                }
                open = Some(Vec::new());
            }
        }
    }
    parts.push(open);
    parts
        .into_iter()
        .flatten()
        .filter_map(|text| part(&text))
        .collect()
}

/// Whether a line is a delimiter, and whether it is the last.
fn delimiter(line: &[u8], boundary: &[u8]) -> Option<bool> {
    let start = [b"--", boundary].concat();
    let after = line.strip_prefix(&start[..])?;
    let blank = |text: &[u8]| text.iter().all(u8::is_ascii_whitespace);
    match after.strip_prefix(b"--") {
        Some(rest) if blank(rest) => Some(true),
        _ if blank(after) => Some(false),
        _ => None,
    }
}

/// The line break before a delimiter belongs to the delimiter.
fn part(text: &[u8]) -> Option<Part> {
    let text = match text.strip_suffix(b"\n") {
        Some(text) => text.strip_suffix(b"\r").unwrap_or(text),
        None => text,
    };
    let (mut name, mut at) = (None, 0);
    for line in text.split_inclusive(|b| *b == b'\n') {
        at += line.len();
        let bare = line.strip_suffix(b"\n")?;
        let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
        if bare.is_empty() {
            let (head, body) = text.split_at(at);
            return Some(Part {
                name,
                head: head.to_vec(),
                body: body.to_vec(),
            });
        }
        if name.is_none() {
            name = disposition(bare);
        }
    }
    None
}

fn disposition(line: &[u8]) -> Option<Vec<u8>> {
    let colon = line.iter().position(|b| *b == b':')?;
    let field = line[..colon].trim_ascii().to_ascii_lowercase();
    if field == b"content-disposition" {
        parameter(&line[colon + 1..], "name")
    } else {
        None
    }
}

/// The first parameter of that name, without its quotes.
pub fn parameter(value: &[u8], wanted: &str) -> Option<Vec<u8>> {
    let mut elements: Vec<Vec<u8>> = vec![Vec::new()];
    let (mut quoted, mut escaped) = (false, false);
    for byte in value {
        if *byte == b';' && !quoted {
            elements.push(Vec::new());
            continue;
        }
        if escaped {
            escaped = false;
        } else if quoted && *byte == b'\\' {
            escaped = true;
        } else if *byte == b'"' {
            quoted = !quoted;
        }
        elements.last_mut()?.push(*byte);
    }
    for element in &elements[1..] {
        let mut halves = element.splitn(2, |b| *b == b'=');
        let name = halves.next()?.trim_ascii().to_ascii_lowercase();
        if let Some(text) = halves.next().filter(|_| name == wanted.as_bytes()) {
            return Some(unquoted(text.trim_ascii()));
        }
    }
    None
}

fn unquoted(text: &[u8]) -> Vec<u8> {
    if text.first() != Some(&b'"') {
        return text.to_vec();
    }
    let (mut out, mut at) = (Vec::new(), 1);
    while at < text.len() && text[at] != b'"' {
        if text[at] == b'\\' && matches!(text.get(at + 1), Some(b'"' | b'\\')) {
            at += 1;
        }
        out.push(text[at]);
        at += 1;
    }
    out
}

fn field(name: &[u8], body: &[u8]) -> Part {
    let mut safe = Vec::new();
    for byte in name {
        match byte {
            b'"' | b'\r' | b'\n' => safe.extend(format!("%{byte:02X}").into_bytes()),
            byte => safe.push(*byte),
        }
    }
    Part {
        name: Some(name.to_vec()),
        head: [
            b"Content-Disposition: form-data; name=\"",
            &safe[..],
            b"\"\r\n\r\n",
        ]
        .concat(),
        body: body.to_vec(),
    }
}

/// The first part of a name.
pub fn first<'p>(parts: &'p [Part], name: &[u8]) -> Option<&'p Part> {
    parts.iter().find(|part| part.name.as_deref() == Some(name))
}

/// Deletes the parts of a name.
pub fn remove(parts: &mut Vec<Part>, name: &[u8]) -> bool {
    let before = parts.len();
    parts.retain(|part| part.name.as_deref() != Some(name));
    parts.len() < before
}

/// Makes a simple field of the first part of a name, at the end or in the place of the first one of the new name.
pub fn rename(parts: &mut Vec<Part>, from: &[u8], to: &[u8]) -> bool {
    if from == to {
        return false;
    }
    let Some(content) = first(parts, from).map(|part| part.body.clone()) else {
        return false;
    };
    remove(parts, from);
    match parts
        .iter_mut()
        .find(|part| part.name.as_deref() == Some(to))
    {
        Some(part) => *part = field(to, &content),
        None => parts.push(field(to, &content)),
    }
    true
}

/// Whether a value would end its own part.
pub fn breaks_out(value: &[u8], boundary: &[u8]) -> bool {
    let start = [b"--", boundary].concat();
    (0..value.len()).any(|at| value[at..].starts_with(&start))
}

/// Puts a simple field at the end, instead of those of its name.
pub fn replace(parts: &mut Vec<Part>, name: &[u8], value: &[u8]) -> bool {
    let found = remove(parts, name);
    if found {
        parts.push(field(name, value));
    }
    found
}

/// Puts a simple field at the end, unless there is one of its name.
pub fn add(parts: &mut Vec<Part>, name: &[u8], value: &[u8]) -> bool {
    let absent = first(parts, name).is_none();
    if absent {
        parts.push(field(name, value));
    }
    absent
}

/// The body; empty without parts.
pub fn write(parts: &[Part], boundary: &[u8]) -> Vec<u8> {
    if parts.is_empty() {
        return Vec::new();
    }
    let mut out = Vec::new();
    for part in parts {
        out.extend([b"--", boundary, b"\r\n", &part.head, &part.body, b"\r\n"].concat());
    }
    out.extend([b"--", boundary, b"--\r\n"].concat());
    out
}
