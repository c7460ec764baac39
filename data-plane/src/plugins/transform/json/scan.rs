//! Walks over JSON text without building anything: finds where a value ends and checks that it is well formed.

/// Deepest nesting that is still read; what lies deeper makes the text malformed (transformers.md 1.5).
pub const MAX_DEPTH: usize = 1000;

/// Text that is not JSON, or nests deeper than [`MAX_DEPTH`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed parsing json body")]
pub struct Malformed;

/// The text of one value as it stood in the document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    pub(super) text: &'a [u8],
    /// Already spelled as we would write it: no blanks between tokens, no `\/` and no `\u`.
    pub(super) compact: bool,
}

/// The inside of a string, escapes and all.
#[derive(Clone, Copy)]
pub(super) struct Quoted<'a> {
    pub(super) inside: &'a [u8],
    /// Holds no backslash.
    pub(super) plain: bool,
    rewritten: bool,
}

impl<'a> Quoted<'a> {
    /// The inside of a string with at least one escape.
    pub(super) fn escaped(inside: &'a [u8]) -> Self {
        Self {
            inside,
            plain: false,
            rewritten: true,
        }
    }
}

pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
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

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    /// Skips blanks and says whether there were any.
    #[inline]
    pub(super) fn blanks(&mut self) -> bool {
        let from = self.at;
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.at > from
    }

    /// Only blanks are left.
    pub(super) fn end(&mut self) -> Result<(), Malformed> {
        self.blanks();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    /// A member's name and the colon after it.
    pub(super) fn name(&mut self) -> Result<Quoted<'a>, Malformed> {
        let name = self.string()?;
        self.blanks();
        self.expect(b':')?;
        self.blanks();
        Ok(name)
    }

    /// One value of any kind. Goes by a stack of bits, not by recursion: the text is a stranger's.
    pub(super) fn value(&mut self, depth: usize) -> Result<Raw<'a>, Malformed> {
        let start = self.at;
        let mut compact = true;
        let mut open = Open::new(depth);
        loop {
            match self.peek().ok_or(Malformed)? {
                b'{' => {
                    self.at += 1;
                    compact &= !self.blanks();
                    if !self.take(b'}') {
                        open.push(true)?;
                        compact &= self.name_in_value()?;
                        continue;
                    }
                }
                b'[' => {
                    self.at += 1;
                    compact &= !self.blanks();
                    if !self.take(b']') {
                        open.push(false)?;
                        continue;
                    }
                }
                b'"' => compact &= !self.string()?.rewritten,
                b'-' | b'0'..=b'9' => self.number()?,
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => return Err(Malformed),
            }
            // A value has ended: close what it closes, up to the next comma.
            loop {
                let Some(object) = open.top() else {
                    return Ok(Raw {
                        text: &self.bytes[start..self.at],
                        compact,
                    });
                };
                compact &= !self.blanks();
                if self.take(b',') {
                    compact &= !self.blanks();
                    if object {
                        compact &= self.name_in_value()?;
                    }
                    break;
                }
                self.expect(if object { b'}' } else { b']' })?;
                open.pop();
            }
        }
    }

    /// A name inside a value that is skipped; false if we would write it otherwise.
    fn name_in_value(&mut self) -> Result<bool, Malformed> {
        let name = self.string()?;
        let before = self.blanks();
        self.expect(b':')?;
        let after = self.blanks();
        Ok(!(name.rewritten || before || after))
    }

    #[inline]
    pub(super) fn string(&mut self) -> Result<Quoted<'a>, Malformed> {
        self.expect(b'"')?;
        let start = self.at;
        let (mut plain, mut rewritten) = (true, false);
        loop {
            // Nothing else to look for: the quote twice.
            self.at += special::<b'"'>(&self.bytes[self.at..]).ok_or(Malformed)?;
            match self.bytes[self.at] {
                b'"' => break,
                b'\\' => {
                    plain = false;
                    rewritten |= self.escape()?;
                }
                _ => return Err(Malformed),
            }
        }
        let inside = &self.bytes[start..self.at];
        self.at += 1;
        Ok(Quoted {
            inside,
            plain,
            rewritten,
        })
    }

    /// One escape; true if we would write it otherwise.
    fn escape(&mut self) -> Result<bool, Malformed> {
        let letter = *self.bytes.get(self.at + 1).ok_or(Malformed)?;
        self.at += 2;
        match letter {
            b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(false),
            b'/' => Ok(true),
            b'u' => {
                let digits = self.bytes.get(self.at..self.at + 4).ok_or(Malformed)?;
                self.at += 4;
                if digits.iter().all(u8::is_ascii_hexdigit) {
                    Ok(true)
                } else {
                    Err(Malformed)
                }
            }
            _ => Err(Malformed),
        }
    }

    fn number(&mut self) -> Result<(), Malformed> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
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

    fn digits(&mut self) -> Result<(), Malformed> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > from {
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Malformed> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(Malformed);
        }
        self.at += word.len();
        Ok(())
    }
}

/// Where the first quote, backslash, control character or `ALSO` is. Most of a document is the inside of
/// strings, so this looks at eight bytes at a time.
#[inline]
pub(super) fn special<const ALSO: u8>(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    // The high bit of each byte that is zero; bytes above the first may be marked wrongly, by the borrow.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, rest) = text.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let below_space = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let is = |byte: u8| zero(word ^ (ONES * u64::from(byte)));
        let found = is(b'"') | is(b'\\') | is(ALSO) | below_space;
        if found != 0 {
            return Some(i * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let is = |b: &u8| matches!(b, b'"' | b'\\' | 0..0x20) || *b == ALSO;
    let at = rest.iter().position(is)?;
    Some(words.len() * 8 + at)
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
