//! One match of one pattern.

use crate::limits::{TOO_LONG, overrun};

/// Groups that a pattern may have.
const MAX_CAPTURES: usize = 32;

/// How deep the matcher may call itself, as LuaJIT has it.
const MAX_DEPTH: u32 = 200;

/// Steps between two looks at the clock.
const STRIDE: u32 = 4096;

/// What a group caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capture {
    /// The bytes from the first to before the second.
    Text(usize, usize),
    /// `()`: the place, from 1.
    Place(usize),
    /// It was never closed, which is a fault only if somebody asks for it.
    Unfinished,
}

/// A match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Of the groups, in order.
    pub(crate) captures: Vec<Capture>,
}

/// What is wrong with a pattern, or with the match, in Lua's words.
pub(crate) type Failure = &'static str;

type Matched = Result<Option<usize>, Failure>;

#[derive(Clone, Copy)]
enum Length {
    Open,
    Place,
    Closed(usize),
}

/// Matches one pattern against one text.
pub(crate) struct Matcher<'a> {
    text: &'a [u8],
    pattern: &'a [u8],
    groups: Vec<(usize, Length)>,
    depth: u32,
    steps: u32,
    most: Option<u32>,
}

impl<'a> Matcher<'a> {
    pub(crate) fn new(text: &'a [u8], pattern: &'a [u8]) -> Self {
        Self {
            text,
            pattern,
            groups: Vec::new(),
            depth: 0,
            steps: 0,
            most: None,
        }
    }

    /// The same for where no call is watched: it gives up after so many steps.
    pub(crate) fn limited(text: &'a [u8], pattern: &'a [u8], most: u32) -> Self {
        Self {
            most: Some(most),
            ..Self::new(text, pattern)
        }
    }

    /// The first match at `from` or later; exactly at `from` if the pattern begins with `^` and `anchors` count.
    pub(crate) fn find(&mut self, from: usize, anchors: bool) -> Result<Option<Found>, Failure> {
        let anchored = anchors && self.pattern.first() == Some(&b'^');
        let begin = usize::from(anchored);
        let mut start = from;
        loop {
            self.groups.clear();
            self.depth = 0;
            if let Some(end) = self.matches(start, begin)? {
                return Ok(Some(Found {
                    start,
                    end,
                    captures: self.captures(),
                }));
            }
            start += 1;
            if anchored || start > self.text.len() {
                return Ok(None);
            }
        }
    }

    fn captures(&self) -> Vec<Capture> {
        let capture = |(start, length): &(usize, Length)| match *length {
            Length::Place => Capture::Place(start + 1),
            Length::Closed(length) => Capture::Text(*start, start + length),
            Length::Open => Capture::Unfinished,
        };
        self.groups.iter().map(capture).collect()
    }

    /// Counts a step; now and then looks at the clock.
    fn step(&mut self) -> Result<(), Failure> {
        self.steps = self.steps.wrapping_add(1);
        let over = match self.most {
            Some(most) => self.steps > most,
            None => self.steps.is_multiple_of(STRIDE) && overrun(),
        };
        if over { Err(TOO_LONG) } else { Ok(()) }
    }

    /// Where a match of the pattern from `p` ends that begins at `s`.
    fn matches(&mut self, s: usize, p: usize) -> Matched {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("pattern too complex");
        }
        let matched = self.follow(s, p);
        self.depth -= 1;
        matched
    }

    fn follow(&mut self, mut s: usize, mut p: usize) -> Matched {
        loop {
            self.step()?;
            let Some(&byte) = self.pattern.get(p) else {
                return Ok(Some(s));
            };
            match byte {
                b'(' if self.pattern.get(p + 1) == Some(&b')') => {
                    return self.open(s, p + 2, Length::Place);
                }
                b'(' => return self.open(s, p + 1, Length::Open),
                b')' => return self.close(s, p + 1),
                b'$' if p + 1 == self.pattern.len() => {
                    return Ok((s == self.text.len()).then_some(s));
                }
                b'%' => match self.pattern.get(p + 1) {
                    Some(b'b') => match self.balanced(s, p + 2)? {
                        Some(after) => (s, p) = (after, p + 4),
                        None => return Ok(None),
                    },
                    Some(b'f') => {
                        p += 2;
                        if self.pattern.get(p) != Some(&b'[') {
                            return Err("missing '[' after '%f' in pattern");
                        }
                        let end = self.class_end(p)?;
                        let before = if s == 0 { 0 } else { self.text[s - 1] };
                        let here = self.text.get(s).copied().unwrap_or(0);
                        if self.in_set(before, p, end - 1) || !self.in_set(here, p, end - 1) {
                            return Ok(None);
                        }
                        p = end;
                    }
                    Some(digit) if digit.is_ascii_digit() => match self.again(s, *digit)? {
                        Some(after) => (s, p) = (after, p + 2),
                        None => return Ok(None),
                    },
                    _ => match self.single(s, p)? {
                        Single::Goes(next_s, next_p) => (s, p) = (next_s, next_p),
                        Single::Ends(matched) => return Ok(matched),
                    },
                },
                _ => match self.single(s, p)? {
                    Single::Goes(next_s, next_p) => (s, p) = (next_s, next_p),
                    Single::Ends(matched) => return Ok(matched),
                },
            }
        }
    }

    /// One class with what stands behind it.
    fn single(&mut self, s: usize, p: usize) -> Result<Single, Failure> {
        let end = self.class_end(p)?;
        let here = s < self.text.len() && self.is_class(self.text[s], p, end);
        match self.pattern.get(end) {
            Some(b'?') => {
                if here && let Some(matched) = self.matches(s + 1, end + 1)? {
                    return Ok(Single::Ends(Some(matched)));
                }
                Ok(Single::Goes(s, end + 1))
            }
            Some(b'*') => self.most(s, p, end).map(Single::Ends),
            Some(b'+') if here => self.most(s + 1, p, end).map(Single::Ends),
            Some(b'+') => Ok(Single::Ends(None)),
            Some(b'-') => self.least(s, p, end).map(Single::Ends),
            _ if here => Ok(Single::Goes(s + 1, end)),
            _ => Ok(Single::Ends(None)),
        }
    }

    fn most(&mut self, s: usize, p: usize, end: usize) -> Matched {
        let mut count = 0;
        while s + count < self.text.len() && self.is_class(self.text[s + count], p, end) {
            count += 1;
            self.step()?;
        }
        loop {
            if let Some(matched) = self.matches(s + count, end + 1)? {
                return Ok(Some(matched));
            }
            if count == 0 {
                return Ok(None);
            }
            count -= 1;
        }
    }

    fn least(&mut self, mut s: usize, p: usize, end: usize) -> Matched {
        loop {
            if let Some(matched) = self.matches(s, end + 1)? {
                return Ok(Some(matched));
            }
            if s < self.text.len() && self.is_class(self.text[s], p, end) {
                s += 1;
            } else {
                return Ok(None);
            }
        }
    }

    fn open(&mut self, s: usize, p: usize, length: Length) -> Matched {
        if self.groups.len() >= MAX_CAPTURES {
            return Err("too many captures");
        }
        self.groups.push((s, length));
        let matched = self.matches(s, p)?;
        if matched.is_none() {
            self.groups.pop();
        }
        Ok(matched)
    }

    fn close(&mut self, s: usize, p: usize) -> Matched {
        let open = |(_, length): &(usize, Length)| matches!(length, Length::Open);
        let group = self
            .groups
            .iter()
            .rposition(open)
            .ok_or("invalid pattern capture")?;
        self.groups[group].1 = Length::Closed(s - self.groups[group].0);
        let matched = self.matches(s, p)?;
        if matched.is_none() {
            self.groups[group].1 = Length::Open;
        }
        Ok(matched)
    }

    /// `%bxy`
    fn balanced(&mut self, s: usize, p: usize) -> Matched {
        let (Some(&opens), Some(&closes)) = (self.pattern.get(p), self.pattern.get(p + 1)) else {
            return Err("unbalanced pattern");
        };
        if self.text.get(s) != Some(&opens) {
            return Ok(None);
        }
        let mut depth = 1usize;
        for at in s + 1..self.text.len() {
            self.step()?;
            if self.text[at] == closes {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(at + 1));
                }
            } else if self.text[at] == opens {
                depth += 1;
            }
        }
        Ok(None)
    }

    /// `%1`: what that group caught, once more.
    fn again(&self, s: usize, digit: u8) -> Matched {
        let group = usize::from(digit).checked_sub(usize::from(b'1'));
        let caught = match group.and_then(|group| self.groups.get(group)) {
            Some(&(start, Length::Closed(length))) => &self.text[start..start + length],
            Some((_, Length::Place)) => return Ok(None),
            _ => return Err("invalid capture index"),
        };
        // A long text takes as long as many steps.
        if caught.len() > STRIDE as usize && overrun() {
            return Err(TOO_LONG);
        }
        Ok(self.text[s..]
            .starts_with(caught)
            .then_some(s + caught.len()))
    }

    /// Where the class that begins at `p` ends.
    pub(super) fn class_end(&self, p: usize) -> Result<usize, Failure> {
        match self.pattern[p] {
            b'%' => match self.pattern.get(p + 1) {
                Some(_) => Ok(p + 2),
                None => Err("malformed pattern (ends with '%')"),
            },
            b'[' => {
                let mut at = p + 1;
                if self.pattern.get(at) == Some(&b'^') {
                    at += 1;
                }
                loop {
                    // The first `]` of a set is itself.
                    match self.pattern.get(at) {
                        None => return Err("malformed pattern (missing ']')"),
                        Some(b'%') => at += 2,
                        Some(_) => at += 1,
                    }
                    if self.pattern.get(at) == Some(&b']') {
                        return Ok(at + 1);
                    }
                }
            }
            _ => Ok(p + 1),
        }
    }

    fn is_class(&self, byte: u8, p: usize, end: usize) -> bool {
        match self.pattern[p] {
            b'.' => true,
            b'%' => in_class(byte, self.pattern[p + 1]),
            b'[' => self.in_set(byte, p, end - 1),
            literal => literal == byte,
        }
    }

    /// Whether a byte is in the set between `[` at `p` and `]` at `last`.
    fn in_set(&self, byte: u8, p: usize, last: usize) -> bool {
        let negated = self.pattern.get(p + 1) == Some(&b'^');
        let mut at = p + 1 + usize::from(negated);
        while at < last {
            let found = match self.pattern[at] {
                b'%' => {
                    at += 2;
                    in_class(byte, self.pattern[at - 1])
                }
                from if self.pattern.get(at + 1) == Some(&b'-') && at + 2 < last => {
                    at += 3;
                    (from..=self.pattern[at - 1]).contains(&byte)
                }
                literal => {
                    at += 1;
                    literal == byte
                }
            };
            if found {
                return !negated;
            }
        }
        negated
    }
}

enum Single {
    Goes(usize, usize),
    Ends(Option<usize>),
}

/// `%a`, `%d` and so on; a capital letter means the opposite, anything else itself.
fn in_class(byte: u8, class: u8) -> bool {
    let is = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'g' => byte.is_ascii_graphic(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => byte.is_ascii_whitespace() || byte == 0x0B,
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    is != class.is_ascii_uppercase()
}
