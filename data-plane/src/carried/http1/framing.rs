//! Where the body of a response ends, and what of the bytes that arrive belongs to it (RFC 9112 6 and 7).

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Version};

use super::WireError;

/// The longest line of a chunk's size, extensions included, and all trailers together, in bytes: those of hyper.
const LONGEST_LINE: usize = 16 * 1024;
/// The most trailers.
const MOST_TRAILERS: usize = 64;

/// What is still to come of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Nothing.
    End,
    /// So many bytes.
    Length(u64),
    /// Pieces that tell their own length.
    Chunked(Chunk),
    /// Everything until the connection ends.
    UntilClose,
}

/// What comes next of a body in chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// The line with the size of the next one.
    Size,
    /// So many bytes of this one.
    Data(u64),
    /// The end of line after its bytes.
    DataEnd,
    /// Trailers, and the empty line after them.
    Trailers,
}

/// A part of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// Bytes of it, at least one.
    Data(Bytes),
    /// What follows its last chunk; never empty.
    Trailers(HeaderMap),
    /// It has ended.
    End,
    /// What was read says no more.
    More,
}

impl Framing {
    /// The framing that the head of a response tells, and whether another response may follow on the connection. A
    /// length that does not count is taken away (RFC 9112 6.3).
    ///
    /// # Errors
    /// Lengths that are no numbers or differ.
    pub fn of(
        method: &Method,
        status: StatusCode,
        version: Version,
        headers: &mut HeaderMap,
    ) -> Result<(Self, bool), WireError> {
        let bodyless = *method == Method::HEAD
            || status.is_informational()
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED;
        if bodyless {
            return Ok((Self::End, true));
        }
        if let Some(last) = headers.get_all(TRANSFER_ENCODING).iter().next_back() {
            let chunked = last_coding(last).eq_ignore_ascii_case(b"chunked");
            // Two lengths, or a length that HTTP/1.0 does not know, are how responses are smuggled (6.1).
            let sound = headers.remove(CONTENT_LENGTH).is_none() && version == Version::HTTP_11;
            return Ok(match chunked {
                true => (Self::Chunked(Chunk::Size), sound),
                false => (Self::UntilClose, false),
            });
        }
        Ok(match length(headers)? {
            Some(0) => (Self::End, true),
            Some(length) => (Self::Length(length), true),
            None => (Self::UntilClose, false),
        })
    }

    /// Takes the next part off what was read.
    ///
    /// # Errors
    /// Chunks that are none.
    pub fn take(&mut self, read: &mut BytesMut) -> Result<Part, WireError> {
        loop {
            match self {
                Self::End => return Ok(Part::End),
                _ if read.is_empty() => return Ok(Part::More),
                Self::UntilClose => return Ok(Part::Data(read.split().freeze())),
                Self::Length(left) => {
                    let data = some(read, left);
                    if *left == 0 {
                        *self = Self::End;
                    }
                    return Ok(Part::Data(data));
                }
                Self::Chunked(Chunk::Data(left)) => {
                    let data = some(read, left);
                    if *left == 0 {
                        *self = Self::Chunked(Chunk::DataEnd);
                        self.finish(read)?;
                    }
                    return Ok(Part::Data(data));
                }
                Self::Chunked(chunk) => match chunk.take(read)? {
                    Step::Next(next) => *chunk = next,
                    Step::More => return Ok(Part::More),
                    Step::End(trailers) => {
                        *self = Self::End;
                        if !trailers.is_empty() {
                            return Ok(Part::Trailers(trailers));
                        }
                    }
                },
            }
        }
    }

    /// Looks whether the body's end is here already, so that nobody has to ask again.
    fn finish(&mut self, read: &mut BytesMut) -> Result<(), WireError> {
        const LAST: &[u8] = b"\r\n0\r\n\r\n";
        if read.starts_with(LAST) {
            read.advance(LAST.len());
            *self = Self::End;
        }
        Ok(())
    }

    /// Says that the connection has ended: fine where that ends the body.
    ///
    /// # Errors
    /// Where more was to come.
    pub fn closed(&mut self) -> Result<(), WireError> {
        match self {
            Self::End => Ok(()),
            Self::UntilClose => {
                *self = Self::End;
                Ok(())
            }
            Self::Length(_) | Self::Chunked(_) => Err(WireError::Closed),
        }
    }
}

/// As many bytes as there are, and may be.
fn some(read: &mut BytesMut, left: &mut u64) -> Bytes {
    let here = usize::try_from(*left).map_or(read.len(), |left| left.min(read.len()));
    *left -= here as u64;
    match here == read.len() {
        true => read.split().freeze(),
        false => read.split_to(here).freeze(),
    }
}

enum Step {
    Next(Chunk),
    More,
    End(HeaderMap),
}

impl Chunk {
    fn take(self, read: &mut BytesMut) -> Result<Step, WireError> {
        match self {
            Self::Size => {
                let Some(line) = line(read)? else {
                    return Ok(Step::More);
                };
                let size = size(&line)?;
                Ok(Step::Next(match size {
                    0 => Self::Trailers,
                    size => Self::Data(size),
                }))
            }
            Self::DataEnd => match line(read)? {
                None => Ok(Step::More),
                Some(line) if line.is_empty() => Ok(Step::Next(Self::Size)),
                Some(_) => Err(WireError::Framing("a chunk is longer than it says")),
            },
            Self::Trailers => trailers(read),
            // The caller has bytes of it.
            Self::Data(_) => Ok(Step::Next(self)),
        }
    }
}

/// A line without its end; `None` if it is not whole yet.
fn line(read: &mut BytesMut) -> Result<Option<Bytes>, WireError> {
    let Some(end) = memchr::memchr(b'\n', &read[..read.len().min(LONGEST_LINE)]) else {
        return match read.len() < LONGEST_LINE {
            true => Ok(None),
            false => Err(WireError::Framing("a line of a chunk is too long")),
        };
    };
    let mut line = read.split_to(end + 1).freeze();
    line.truncate(end);
    match line.split_last() {
        Some((b'\r', _)) => {
            line.truncate(end - 1);
            Ok(Some(line))
        }
        _ => Err(WireError::Framing("a line of a chunk does not end in CRLF")),
    }
}

/// The size at the front of a chunk's line; what follows `;` is an extension, which nobody knows.
fn size(line: &[u8]) -> Result<u64, WireError> {
    const WRONG: WireError = WireError::Framing("the size of a chunk is no hexadecimal number");
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
    let digits = digits.count();
    let rest = line[digits..].trim_ascii_start();
    if digits == 0 || digits > 16 || rest.first().is_some_and(|byte| *byte != b';') {
        return Err(WRONG);
    }
    let text = std::str::from_utf8(&line[..digits]).map_err(|_| WRONG)?;
    u64::from_str_radix(text, 16).map_err(|_| WRONG)
}

fn trailers(read: &mut BytesMut) -> Result<Step, WireError> {
    if read.starts_with(b"\r\n") {
        read.advance(2);
        return Ok(Step::End(HeaderMap::new()));
    }
    let mut parsed = [httparse::EMPTY_HEADER; MOST_TRAILERS];
    match httparse::parse_headers(read, &mut parsed).map_err(WireError::Head)? {
        httparse::Status::Complete((length, parsed)) => {
            let mut trailers = HeaderMap::with_capacity(parsed.len());
            for header in parsed {
                let name = HeaderName::from_bytes(header.name.as_bytes());
                let value = HeaderValue::from_bytes(header.value);
                if let (Ok(name), Ok(value)) = (name, value) {
                    trailers.append(name, value);
                }
            }
            read.advance(length);
            Ok(Step::End(trailers))
        }
        httparse::Status::Partial if read.len() < LONGEST_LINE => Ok(Step::More),
        httparse::Status::Partial => Err(WireError::Framing("the trailers are too long")),
    }
}

/// The last of the codings in a line of `Transfer-Encoding`.
fn last_coding(value: &HeaderValue) -> &[u8] {
    let codings = value.as_bytes().rsplit(|byte| *byte == b',');
    codings.map(<[u8]>::trim_ascii).next().unwrap_or_default()
}

/// The length that the head tells: the same number in every line, or none.
fn length(headers: &HeaderMap) -> Result<Option<u64>, WireError> {
    const WRONG: WireError = WireError::Framing("Content-Length is no number, or more than one");
    let mut told = None;
    for line in headers.get_all(CONTENT_LENGTH) {
        for number in line.as_bytes().split(|byte| *byte == b',') {
            let number = digits(number.trim_ascii()).ok_or(WRONG)?;
            if told.is_some_and(|told| told != number) {
                return Err(WRONG);
            }
            told = Some(number);
        }
    }
    Ok(told)
}

/// A number of digits alone: no sign, no blank.
fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}
