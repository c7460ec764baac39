//! `multipart/form-data` bodies: parts that are not touched keep their bytes (transformers.md 2.7).

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// The boundary that the content type names; `None` if it names none.
pub fn boundary(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(CONTENT_TYPE)?.as_bytes();
    parameter(value, b"boundary").filter(|boundary| !boundary.is_empty())
}

/// A parameter of a header value: `; name=value` or `; name="value"`.
fn parameter(value: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
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

/// The parts of a body.
#[derive(Debug)]
pub struct Form<'a> {
    boundary: &'a [u8],
    parts: Vec<Part<'a>>,
}

#[derive(Debug)]
struct Part<'a> {
    name: Option<Vec<u8>>,
    content: Content<'a>,
}

#[derive(Debug)]
enum Content<'a> {
    /// Head, blank line and body as they came.
    Sent { all: &'a [u8], body: &'a [u8] },
    /// A simple field made here.
    Made(Vec<u8>),
}

/// A value that holds the boundary would end its own part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a value holds the multipart boundary")]
pub struct HoldsBoundary;

impl<'a> Form<'a> {
    /// Reads the parts. Text that is no part is dropped; a part that is not terminated counts.
    pub fn parse(body: &'a [u8], boundary: &'a [u8]) -> Self {
        let mut parts = Vec::new();
        let mut open: Option<&[u8]> = None;
        let mut rest = body;
        while let Some(line) = next_delimiter(rest, boundary) {
            if let Some(from) = open {
                parts.extend(Part::parse(&from[..line.start]));
            }
            rest = &rest[line.end..];
            open = if line.last { None } else { Some(rest) };
            if line.last {
                break;
            }
        }
        if let Some(from) = open {
            let from = from
                .strip_suffix(b"\n")
                .map_or(from, |text| text.strip_suffix(b"\r").unwrap_or(text));
            parts.extend(Part::parse(from));
        }
        Self { boundary, parts }
    }

    /// Whether a part of that name exists.
    pub fn contains(&self, name: &[u8]) -> bool {
        self.first(name).is_some()
    }

    /// The bodies of the parts of that name.
    pub fn values(&self, name: &[u8]) -> impl Iterator<Item = &[u8]> {
        self.parts
            .iter()
            .filter(move |part| part.is(name))
            .map(Part::body)
    }

    /// Deletes every part of that name; false if there was none.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let before = self.parts.len();
        self.parts.retain(|part| !part.is(name));
        self.parts.len() < before
    }

    /// Turns the first part of that name into a simple field at the end, or in the place of an existing `to`; drops
    /// the others. False if there was none.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> bool {
        if from == to {
            return false;
        }
        let Some(at) = self.first(from) else {
            return false;
        };
        let part = Part::made(to, self.parts[at].body().to_vec());
        self.remove(from);
        match self.first(to) {
            Some(at) => self.parts[at] = part,
            None => self.parts.push(part),
        }
        true
    }

    /// Puts a simple field at the end in place of every part of that name; false if there was none.
    ///
    /// # Errors
    /// [`HoldsBoundary`].
    pub fn replace(&mut self, name: &[u8], value: &[u8]) -> Result<bool, HoldsBoundary> {
        if !self.remove(name) {
            return Ok(false);
        }
        self.push(name, value).map(|()| true)
    }

    /// Adds a simple field, unless the name exists; false then.
    ///
    /// # Errors
    /// [`HoldsBoundary`].
    pub fn add(&mut self, name: &[u8], value: &[u8]) -> Result<bool, HoldsBoundary> {
        if self.contains(name) {
            return Ok(false);
        }
        self.push(name, value).map(|()| true)
    }

    fn push(&mut self, name: &[u8], value: &[u8]) -> Result<(), HoldsBoundary> {
        let delimiter = [b"--", self.boundary].concat();
        if value
            .windows(delimiter.len())
            .any(|window| window == delimiter)
        {
            return Err(HoldsBoundary);
        }
        self.parts.push(Part::made(name, value.to_vec()));
        Ok(())
    }

    fn first(&self, name: &[u8]) -> Option<usize> {
        self.parts.iter().position(|part| part.is(name))
    }

    /// The body; empty without parts.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for part in &self.parts {
            out.extend_from_slice(b"--");
            out.extend_from_slice(self.boundary);
            out.extend_from_slice(b"\r\n");
            part.write(&mut out);
            out.extend_from_slice(b"\r\n");
        }
        if !self.parts.is_empty() {
            out.extend_from_slice(b"--");
            out.extend_from_slice(self.boundary);
            out.extend_from_slice(b"--\r\n");
        }
        out
    }
}

impl<'a> Part<'a> {
    /// A part from its head, blank line and body; `None` if there is no blank line.
    fn parse(text: &'a [u8]) -> Option<Self> {
        let mut at = 0;
        let mut name = None;
        loop {
            let end = at + text[at..].iter().position(|b| *b == b'\n')?;
            let line = text[at..end].strip_suffix(b"\r").unwrap_or(&text[at..end]);
            at = end + 1;
            if line.is_empty() {
                return Some(Self {
                    name,
                    content: Content::Sent {
                        all: text,
                        body: &text[at..],
                    },
                });
            }
            name = name.or_else(|| field_name(line));
        }
    }

    fn made(name: &[u8], body: Vec<u8>) -> Self {
        Self {
            name: Some(name.to_vec()),
            content: Content::Made(body),
        }
    }

    fn is(&self, name: &[u8]) -> bool {
        self.name.as_deref() == Some(name)
    }

    fn body(&self) -> &[u8] {
        match &self.content {
            Content::Sent { body, .. } => body,
            Content::Made(body) => body,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match &self.content {
            Content::Sent { all, .. } => out.extend_from_slice(all),
            Content::Made(body) => {
                out.extend_from_slice(b"Content-Disposition: form-data; name=\"");
                write_name(self.name.as_deref().unwrap_or_default(), out);
                out.extend_from_slice(b"\"\r\n\r\n");
                out.extend_from_slice(body);
            }
        }
    }
}

/// The name in a `Content-Disposition` line; `None` for any other line.
fn field_name(line: &[u8]) -> Option<Vec<u8>> {
    let colon = line.iter().position(|b| *b == b':')?;
    if !line[..colon]
        .trim_ascii()
        .eq_ignore_ascii_case(b"content-disposition")
    {
        return None;
    }
    parameter(&line[colon + 1..], b"name")
}

/// As browsers do it: a name can end neither its quotes nor its line.
fn write_name(name: &[u8], out: &mut Vec<u8>) {
    for byte in name {
        match byte {
            b'"' => out.extend_from_slice(b"%22"),
            b'\r' => out.extend_from_slice(b"%0D"),
            b'\n' => out.extend_from_slice(b"%0A"),
            other => out.push(*other),
        }
    }
}

/// A line `--boundary` or `--boundary--`.
struct Delimiter {
    /// Where the line break before it starts.
    start: usize,
    /// Behind its own line break.
    end: usize,
    last: bool,
}

fn next_delimiter(text: &[u8], boundary: &[u8]) -> Option<Delimiter> {
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

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn body(parts: &[(&str, &str)]) -> String {
        let mut out = String::new();
        for (name, value) in parts {
            out += &format!(
                "--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
        }
        if out.is_empty() {
            out
        } else {
            out + "--XX--\r\n"
        }
    }

    fn edited(text: &str, edit: impl FnOnce(&mut Form<'_>)) -> String {
        let mut form = Form::parse(text.as_bytes(), b"XX");
        edit(&mut form);
        String::from_utf8(form.write()).unwrap()
    }

    #[test]
    fn the_boundary_is_a_parameter_of_the_content_type() {
        for (value, expected) in [
            ("multipart/form-data; boundary=XX", Some("XX")),
            ("multipart/form-data; boundary=\"X;X\"", Some("X;X")),
            (
                "multipart/form-data; boundary=XX; charset=utf-8",
                Some("XX"),
            ),
            (
                "multipart/form-data; charset=\"a;boundary=b\"; Boundary=XX",
                Some("XX"),
            ),
            ("multipart/form-data;boundary = XX ", Some("XX")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data; boundary", None),
        ] {
            let headers =
                HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(value).unwrap())]);
            assert_eq!(
                boundary(&headers).as_deref(),
                expected.map(str::as_bytes),
                "{value}"
            );
        }
    }

    #[test]
    fn parts_are_read_however_they_are_delimited() {
        let simple = body(&[("a", "1")]);
        for text in [
            simple.clone(),
            format!("preamble\r\n{simple}epilogue"),
            simple.replace("\r\n", "\n"),
            simple.trim_end_matches("--XX--\r\n").to_owned(),
            simple.trim_end().to_owned(),
            simple.replace("--XX\r\n", "--XX \t\r\n"),
            simple.replace("name=\"a\"", "name=a"),
            simple.replace("form-data; name", "form-data; filename=\"x;name=z\"; name"),
        ] {
            let form = Form::parse(text.as_bytes(), b"XX");
            assert_eq!(form.values(b"a").collect::<Vec<_>>(), [b"1"], "{text:?}");
        }
    }

    #[test]
    fn what_is_no_part_is_dropped() {
        for text in [
            "",
            "text",
            "--XX",
            "--XX\r\n",
            "--XX--\r\n",
            "--XXY\r\n\r\n1\r\n",
            "--XX\r\nno blank line\r\n--XX--",
        ] {
            assert_eq!(edited(text, |_| ()), "", "{text:?}");
        }
    }

    #[test]
    fn steps_move_what_they_touch_to_the_end_and_nothing_else() {
        let text = body(&[("a", "1"), ("b", "2"), ("a", "3"), ("c", "")]);
        for (edit, expected) in [
            (
                (|f| f.remove(b"a")) as fn(&mut Form<'_>) -> bool,
                &[("b", "2"), ("c", "")] as &[_],
            ),
            (
                |f| f.rename(b"a", b"z"),
                &[("b", "2"), ("c", ""), ("z", "1")],
            ),
            (
                |f| f.rename(b"b", b"a"),
                &[("a", "2"), ("a", "3"), ("c", "")],
            ),
            (
                |f| f.replace(b"a", b"9").unwrap(),
                &[("b", "2"), ("c", ""), ("a", "9")],
            ),
            (
                |f| f.add(b"n", b"9").unwrap(),
                &[("a", "1"), ("b", "2"), ("a", "3"), ("c", ""), ("n", "9")],
            ),
            (|f| f.remove(b"a") && f.remove(b"b") && f.remove(b"c"), &[]),
        ] {
            assert_eq!(edited(&text, |form| assert!(edit(form))), body(expected));
        }
        for edit in [
            (|f| f.remove(b"x")) as fn(&mut Form<'_>) -> bool,
            |f| f.rename(b"x", b"y"),
            |f| f.rename(b"a", b"a"),
            |f| f.replace(b"x", b"9").unwrap(),
            |f| f.add(b"a", b"9").unwrap(),
        ] {
            assert_eq!(edited(&text, |form| assert!(!edit(form))), text);
        }
    }

    #[test]
    fn a_file_keeps_its_head_until_it_is_touched() {
        let file = "--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f.txt\"\r\n\
                    Content-Type: text/plain\r\n\r\nline1\r\nline2\r\n--XX--\r\n";
        assert_eq!(edited(file, |_| ()), file);
        assert_eq!(
            edited(file, |form| assert!(form.rename(b"f", b"g"))),
            body(&[("g", "line1\r\nline2")])
        );
    }

    #[test]
    fn neither_a_name_nor_a_value_can_break_out() {
        let made = edited("", |form| assert!(form.add(b"a\"\r\nX: y", b"1").unwrap()));
        assert_eq!(made, body(&[("a%22%0D%0AX: y", "1")]));
        let mut form = Form::parse(b"", b"XX");
        assert_eq!(form.add(b"a", b"1\r\n--XX--\r\n"), Err(HoldsBoundary));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(parts in prop::collection::vec(("[a-c]", "[a-z\\r\\n-]{0,10}"), 0..5)) {
            let text = body(&parts.iter().map(|(n, v)| (&**n, &**v)).collect::<Vec<_>>());
            prop_assert_eq!(edited(&text, |_| ()), text);
        }

        #[test]
        fn arbitrary_bytes_never_panic(text in "(--XX|--|\r|\n|:|;|\"|name=|Content-Disposition:|[a-b ]){0,20}") {
            let mut form = Form::parse(text.as_bytes(), b"XX");
            form.rename(b"a", b"b");
            form.write();
        }
    }
}
