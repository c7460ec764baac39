//! Walks over JSON text without building anything: finds where a value ends and checks that it is well formed.

use std::ops::Range;

use super::text::respell;
use super::words::{ascii_digits, blanks, special, word};

/// Deepest nesting that is still read; what lies deeper makes the text malformed (transformers.md 1.5).
pub const MAX_DEPTH: usize = 1000;

/// Text that is not JSON, or nests deeper than [`MAX_DEPTH`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed parsing json body")]
pub struct Malformed;

/// One value as it stood in the document.
#[derive(Debug)]
pub(super) enum Raw<'a> {
    /// Written as it stands.
    Kept(&'a [u8]),
    /// Written without the blanks between its tokens, or with an escape undone.
    Rewritten(Box<Rewritten<'a>>),
}

#[derive(Debug)]
pub(super) struct Rewritten<'a> {
    text: &'a [u8],
    written: Vec<u8>,
}

impl<'a> Raw<'a> {
    /// As it stood.
    pub(super) fn text(&self) -> &'a [u8] {
        match self {
            Raw::Kept(text) => text,
            Raw::Rewritten(both) => both.text,
        }
    }

    /// As it is written.
    pub(super) fn written(&self) -> &[u8] {
        match self {
            Raw::Kept(text) => text,
            Raw::Rewritten(both) => &both.written,
        }
    }
}

/// The inside of a string, escapes and all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quoted<'a> {
    pub(super) inside: &'a [u8],
    /// Holds no backslash.
    pub(super) plain: bool,
    /// Holds an escape that is undone when it is written.
    pub(super) respelled: bool,
}

pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes that are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Takes `byte` if it comes next.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        self.take(byte).then_some(()).ok_or(Malformed)
    }

    /// Skips blanks and says whether there were any.
    #[inline]
    pub(super) fn blanks(&mut self) -> bool {
        // Nearly every byte of a text without blanks gets here once, and no further.
        if !matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            return false;
        }
        self.at += 1;
        loop {
            let skipped = blanks(word(self.bytes, self.at));
            self.at += skipped;
            if skipped < 8 {
                return true;
            }
        }
    }

    /// Only blanks are left.
    pub(super) fn end(&mut self) -> Result<(), Malformed> {
        self.blanks();
        (self.left() == 0).then_some(()).ok_or(Malformed)
    }

    /// A member's name and the colon after it.
    pub(super) fn name(&mut self) -> Result<Quoted<'a>, Malformed> {
        let name = self.string()?;
        self.blanks();
        self.expect(b':')?;
        self.blanks();
        Ok(name)
    }

    /// One value of any kind, inside `depth` others. Goes by a stack of bits, not by recursion: the text is a
    /// stranger's.
    pub(super) fn value(&mut self, depth: usize) -> Result<Raw<'a>, Malformed> {
        let mut copy = Copy::new(self.at);
        let mut open = Open::new(depth);
        loop {
            match self.peek().ok_or(Malformed)? {
                b'"' => self.string_in_value(&mut copy)?,
                b'-' | b'0'..=b'9' => self.number()?,
                b'{' => {
                    self.at += 1;
                    open.push(true)?;
                    self.gap(&mut copy);
                    if !self.take(b'}') {
                        self.name_in_value(&mut copy)?;
                        continue;
                    }
                    open.pop();
                }
                b'[' => {
                    self.at += 1;
                    open.push(false)?;
                    self.gap(&mut copy);
                    if !self.take(b']') {
                        continue;
                    }
                    open.pop();
                }
                b't' => self.literal(b"true")?,
                b'f' => self.literal(b"false")?,
                b'n' => self.literal(b"null")?,
                _ => return Err(Malformed),
            }
            // A value has ended: close what it closes, up to the next comma.
            loop {
                let Some(object) = open.top() else {
                    return Ok(copy.finish(&self.bytes[..self.at]));
                };
                self.gap(&mut copy);
                if self.take(b',') {
                    self.gap(&mut copy);
                    if object {
                        self.name_in_value(&mut copy)?;
                    }
                    break;
                }
                self.expect(if object { b'}' } else { b']' })?;
                open.pop();
            }
        }
    }

    /// Blanks between the tokens of a value.
    #[inline]
    fn gap(&mut self, copy: &mut Copy) {
        let before = self.at;
        if self.blanks() {
            copy.leave_out(self.bytes, before..self.at);
        }
    }

    #[inline]
    fn string_in_value(&mut self, copy: &mut Copy) -> Result<(), Malformed> {
        let string = self.string()?;
        if string.respelled {
            let inside = self.at - 1 - string.inside.len()..self.at - 1;
            copy.leave_out(self.bytes, inside);
            respell(string.inside, &mut copy.out);
        }
        Ok(())
    }

    #[inline]
    fn name_in_value(&mut self, copy: &mut Copy) -> Result<(), Malformed> {
        self.string_in_value(copy)?;
        self.gap(copy);
        self.expect(b':')?;
        self.gap(copy);
        Ok(())
    }

    #[inline]
    pub(super) fn string(&mut self) -> Result<Quoted<'a>, Malformed> {
        self.expect(b'"')?;
        let start = self.at;
        let (mut plain, mut respelled) = (true, false);
        loop {
            // Nothing else to look for: the quote twice.
            self.at = special::<b'"'>(self.bytes, self.at).ok_or(Malformed)?;
            match self.bytes[self.at] {
                b'"' => break,
                b'\\' => {
                    plain = false;
                    respelled |= self.escape()?;
                }
                _ => return Err(Malformed),
            }
        }
        let inside = &self.bytes[start..self.at];
        self.at += 1;
        Ok(Quoted {
            inside,
            plain,
            respelled,
        })
    }

    /// One escape; true if it is undone when it is written.
    fn escape(&mut self) -> Result<bool, Malformed> {
        let letter = *self.bytes.get(self.at + 1).ok_or(Malformed)?;
        self.at += 2;
        match letter {
            b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(false),
            b'/' => Ok(true),
            b'u' => {
                let escape = Unicode::read(&self.bytes[self.at..]).ok_or(Malformed)?;
                self.at += escape.length;
                Ok(escape.undone().is_some())
            }
            _ => Err(Malformed),
        }
    }

    #[inline]
    fn number(&mut self) -> Result<(), Malformed> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return self.fraction_and_exponent();
        }
        Ok(())
    }

    fn fraction_and_exponent(&mut self) -> Result<(), Malformed> {
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Ok(())
    }

    #[inline]
    fn digits(&mut self) -> Result<(), Malformed> {
        let from = self.at;
        loop {
            let found = ascii_digits(word(self.bytes, self.at));
            self.at += found;
            if found < 8 {
                return (self.at > from).then_some(()).ok_or(Malformed);
            }
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Malformed> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(Malformed);
        }
        self.at += word.len();
        Ok(())
    }
}

/// What follows `\u`.
pub(super) struct Unicode {
    /// A surrogate if it has no partner.
    pub(super) code: u32,
    /// Bytes it took: 4, or 10 with the partner's `\u`.
    pub(super) length: usize,
}

impl Unicode {
    /// The four digits that `text` starts with, joined with the low surrogate that may follow.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let first = hexadecimal(text)?;
        let partner = || match text.get(4..)? {
            [b'\\', b'u', rest @ ..] => hexadecimal(rest).filter(|unit| unit >> 10 == 0x37),
            _ => None,
        };
        match (first >> 10 == 0x36).then(partner).flatten() {
            Some(second) => Some(Self {
                code: 0x10000 + ((first & 0x3FF) << 10) + (second & 0x3FF),
                length: 10,
            }),
            None => Some(Self {
                code: first,
                length: 4,
            }),
        }
    }

    /// The character that is written instead: all beyond ASCII that have a UTF-8 form, and the slash.
    pub(super) fn undone(&self) -> Option<char> {
        char::from_u32(self.code).filter(|c| !c.is_ascii() || *c == '/')
    }
}

fn hexadecimal(text: &[u8]) -> Option<u32> {
    text.get(..4)?.iter().try_fold(0, |sum, digit| {
        Some(sum << 4 | char::from(*digit).to_digit(16)?)
    })
}

/// A value as it will be written. Nothing is copied until something is left out.
struct Copy {
    /// Where the value starts.
    start: usize,
    /// Up to here the text is in `out`, if it is to be written.
    done: usize,
    out: Vec<u8>,
}

impl Copy {
    fn new(start: usize) -> Self {
        Self {
            start,
            done: start,
            out: Vec::new(),
        }
    }

    fn leave_out(&mut self, text: &[u8], range: Range<usize>) {
        self.out.extend_from_slice(&text[self.done..range.start]);
        self.done = range.end;
    }

    /// The value, which is the end of `text`.
    fn finish<'a>(mut self, text: &'a [u8]) -> Raw<'a> {
        if self.done == self.start {
            return Raw::Kept(&text[self.start..]);
        }
        self.out.extend_from_slice(&text[self.done..]);
        Raw::Rewritten(Box::new(Rewritten {
            text: &text[self.start..],
            written: self.out,
        }))
    }
}

/// Objects (true) and arrays that are open, one bit each.
struct Open {
    kinds: [u64; MAX_DEPTH.div_ceil(64)],
    height: usize,
    limit: usize,
}

impl Open {
    fn new(depth: usize) -> Self {
        Self {
            kinds: [0; MAX_DEPTH.div_ceil(64)],
            height: 0,
            limit: MAX_DEPTH.saturating_sub(depth),
        }
    }

    fn push(&mut self, object: bool) -> Result<(), Malformed> {
        if self.height == self.limit {
            return Err(Malformed);
        }
        let bit = 1 << (self.height % 64);
        let word = &mut self.kinds[self.height / 64];
        *word = if object { *word | bit } else { *word & !bit };
        self.height += 1;
        Ok(())
    }

    fn pop(&mut self) {
        self.height -= 1;
    }

    fn top(&self) -> Option<bool> {
        let at = self.height.checked_sub(1)?;
        Some(self.kinds[at / 64] >> (at % 64) & 1 == 1)
    }
}
