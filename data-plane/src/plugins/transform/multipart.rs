//! `multipart/form-data` bodies: parts that are not touched keep their bytes (transformers.md 2.7).

use http::HeaderMap;
use http::header::CONTENT_TYPE;

mod delimiter;
mod parameter;
#[cfg(test)]
mod tests;

use delimiter::next_delimiter;
use parameter::parameter;

/// The boundary that the content type names; `None` if it names none.
pub fn boundary(headers: &HeaderMap) -> Option<Vec<u8>> {
    boundary_of(headers.get(CONTENT_TYPE)?.as_bytes())
}

/// The same for a content type by itself.
pub fn boundary_of(content_type: &[u8]) -> Option<Vec<u8>> {
    parameter(content_type, b"boundary").filter(|boundary| !boundary.is_empty())
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

    /// Every part that has a name, with its body.
    pub fn named(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let named = |part: &'_ Part<'a>| part.name.is_some();
        let parts = self.parts.iter().filter(move |part| named(part));
        parts.map(|part| (part.name.as_deref().unwrap_or_default(), part.body()))
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

    /// Adds a simple field at the end.
    ///
    /// # Errors
    /// [`HoldsBoundary`].
    pub fn push(&mut self, name: &[u8], value: &[u8]) -> Result<(), HoldsBoundary> {
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
