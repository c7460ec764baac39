//! Query strings and urlencoded forms: one reading and one spelling for both (transformers.md 2.6, 2.7).

use std::borrow::Cow;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use indexmap::map::Entry;

/// One value of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arg<'a> {
    /// The name stood alone, without `=`.
    Flag,
    /// What followed the `=`; may be empty.
    Text(Cow<'a, [u8]>),
}

/// The arguments of a text, by name, in the order in which the names first came.
#[derive(Debug, Default)]
pub struct Args<'a> {
    entries: IndexMap<Cow<'a, [u8]>, Values<'a>, RandomState>,
}

/// The values of one name; nearly always one, which then needs no list.
#[derive(Debug, PartialEq, Eq)]
enum Values<'a> {
    One(Arg<'a>),
    Many(Vec<Arg<'a>>),
}

impl<'a> Values<'a> {
    fn push(&mut self, value: Arg<'a>) {
        match self {
            Values::Many(values) => values.push(value),
            Values::One(first) => {
                let first = std::mem::replace(first, Arg::Flag);
                *self = Values::Many(vec![first, value]);
            }
        }
    }

    fn as_slice(&self) -> &[Arg<'a>] {
        match self {
            Values::One(value) => std::slice::from_ref(value),
            Values::Many(values) => values,
        }
    }
}

/// Every argument of a raw text in order, decoded; those without a name are left out.
pub fn iter(raw: &[u8]) -> impl Iterator<Item = (Cow<'_, [u8]>, Arg<'_>)> {
    raw.split(|b| *b == b'&').filter_map(|segment| {
        let (name, value) = match segment.iter().position(|b| *b == b'=') {
            Some(at) => (&segment[..at], Arg::Text(decode(&segment[at + 1..]))),
            None => (segment, Arg::Flag),
        };
        if name.is_empty() {
            None
        } else {
            Some((decode(name), value))
        }
    })
}

/// The values of one name, in order.
pub fn values<'a>(raw: &'a [u8], wanted: &[u8]) -> impl Iterator<Item = Arg<'a>> {
    iter(raw)
        .filter(move |(name, _)| **name == *wanted)
        .map(|(_, value)| value)
}

/// The raw text without the arguments of that name; every other byte stays. `None` if there is none.
pub fn without(raw: &str, unwanted: &[u8]) -> Option<String> {
    let kept = |segment: &&str| !iter(segment.as_bytes()).any(|(name, _)| *name == *unwanted);
    if raw.split('&').all(|segment| kept(&segment)) {
        return None;
    }
    Some(raw.split('&').filter(kept).collect::<Vec<_>>().join("&"))
}

impl<'a> Args<'a> {
    /// Reads a raw text. Nothing is malformed: broken escapes stay as they are.
    pub fn parse(raw: &'a [u8]) -> Self {
        let mut args = Self::default();
        args.merge(raw);
        args
    }

    /// Adds a value behind those of the name.
    pub fn push(&mut self, name: Cow<'a, [u8]>, value: Arg<'a>) {
        match self.entries.entry(name) {
            Entry::Occupied(mut values) => values.get_mut().push(value),
            Entry::Vacant(none) => drop(none.insert(Values::One(value))),
        }
    }

    /// Whether the name occurs.
    pub fn contains(&self, name: &[u8]) -> bool {
        self.entries.contains_key(name)
    }

    /// Deletes every value of the name.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        self.entries.shift_remove(name).is_some()
    }

    /// Moves the values to another name, whose own are lost; false if nothing moved.
    pub fn rename(&mut self, from: &[u8], to: Cow<'a, [u8]>) -> bool {
        if *from == *to {
            return false;
        }
        let Some(values) = self.entries.shift_remove(from) else {
            return false;
        };
        self.entries.insert(to, values);
        true
    }

    /// Makes `value` the only value of the name.
    pub fn set(&mut self, name: &'a [u8], value: Cow<'a, [u8]>) {
        self.entries
            .insert(Cow::Borrowed(name), Values::One(Arg::Text(value)));
    }

    /// Adds a value; a name that stood alone is replaced.
    pub fn append(&mut self, name: &'a [u8], value: Cow<'a, [u8]>) {
        match self.entries.get_mut(name) {
            Some(values) if *values != Values::One(Arg::Flag) => values.push(Arg::Text(value)),
            _ => self.set(name, value),
        }
    }

    /// Adds the arguments of another text behind the values that are there.
    pub fn merge(&mut self, raw: &'a [u8]) {
        for (name, value) in iter(raw) {
            self.push(name, value);
        }
    }

    /// The arguments as a form, in order.
    pub fn form(&self) -> String {
        let mut out = String::new();
        for (name, values) in &self.entries {
            push_segment(name, values.as_slice(), &mut out);
        }
        out
    }

    /// The arguments as a query: each name with its values is a segment, and segments are sorted by bytes.
    pub fn query(&self) -> String {
        let segment = |(name, values): (&Cow<'a, [u8]>, &Values<'a>)| {
            let mut out = String::new();
            push_segment(name, values.as_slice(), &mut out);
            out
        };
        let segments = self.entries.iter().map(segment);
        let mut segments: Vec<String> = segments.filter(|segment| !segment.is_empty()).collect();
        segments.sort_unstable();
        segments.join("&")
    }
}

/// Appends every value of a name, behind what is there. Without name and value there is nothing to write: a template
/// may have made a new name empty.
fn push_segment(name: &[u8], values: &[Arg<'_>], out: &mut String) {
    let written = values
        .iter()
        .filter(|value| !name.is_empty() || **value != Arg::Flag);
    for value in written {
        if !out.is_empty() {
            out.push('&');
        }
        escape(name, out);
        if let Arg::Text(text) = value {
            out.push('=');
            escape(text, out);
        }
    }
}

/// Percent-encodes everything but `A–Z a–z 0–9 - . _ ~ ! ' ( ) *`.
fn escape(text: &[u8], out: &mut String) {
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~!'()*".contains(byte) {
            out.push(char::from(*byte));
        } else {
            push_escape(*byte, out);
        }
    }
}

/// Appends `%XX`.
pub fn push_escape(byte: u8, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

/// `%XX` and `+` decoded; broken escapes stay.
fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|b| matches!(b, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                out.push(hex(*high) << 4 | hex(*low));
                rest = after;
            }
            (other, _) => out.push(*other),
        }
    }
    Cow::Owned(out)
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_query_is_rebuilt_encoded_and_sorted() {
        for (raw, query) in [
            ("b=2&a=1", "a=1&b=2"),
            (
                "a=1&a-b=2&a%5B%5D=3&A=4&_=5&aa=6",
                "A=4&_=5&a%5B%5D=3&a-b=2&a=1&aa=6",
            ),
            ("b+c=a%20b&w=%C3%A9", "b%20c=a%20b&w=%C3%A9"),
            ("=1&&a=2&b", "a=2&b"),
            ("a=%zz&b=%4&c=%", "a=%25zz&b=%254&c=%25"),
            ("c=x&a&b=&c", "a&b=&c=x&c"),
            ("q=!'()*-._~", "q=!'()*-._~"),
            (
                "q=@$^+=[]{};:,<>/?",
                "q=%40%24%5E%20%3D%5B%5D%7B%7D%3B%3A%2C%3C%3E%2F%3F",
            ),
            ("a=%41=%ff", "a=A%3D%FF"),
            ("", ""),
        ] {
            assert_eq!(Args::parse(raw.as_bytes()).query(), query, "{raw}");
        }
    }

    #[test]
    fn append_replaces_only_a_name_that_stands_alone() {
        let mut args = Args::parse(b"a&b=&c=x&c");
        for (name, value) in [("a", "1"), ("b", "2"), ("c", "3"), ("n", "4")] {
            args.append(name.as_bytes(), Cow::Borrowed(value.as_bytes()));
        }
        assert_eq!(args.query(), "a=1&b=&b=2&c=x&c&c=3&n=4");
    }

    #[test]
    fn a_rename_takes_the_place_of_its_target() {
        let mut args = Args::parse(b"a=1&b=2&a=3&c=4");
        assert!(args.rename(b"a", Cow::Borrowed(b"c")));
        assert!(
            !args.rename(b"zz", Cow::Borrowed(b"b")) && !args.rename(b"b", Cow::Borrowed(b"b"))
        );
        assert_eq!(args.form(), "b=2&c=1&c=3");
    }

    #[test]
    fn leaving_a_name_out_keeps_every_other_byte() {
        for (raw, expected) in [
            ("b=1&apikey=k", Some("b=1")),
            ("apikey=k&b=%7e+x&&c", Some("b=%7e+x&&c")),
            ("api%6bey=k&apikey", Some("")),
            ("&apikey&b", Some("&b")),
            ("b=1", None),
            ("", None),
        ] {
            assert_eq!(without(raw, b"apikey").as_deref(), expected, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn what_is_rebuilt_reads_the_same(raw in "[a-c=&%+2Fé ]{0,20}") {
            let args = Args::parse(raw.as_bytes());
            let (form, query) = (args.form(), args.query());
            prop_assert_eq!(&Args::parse(form.as_bytes()).entries, &args.entries);
            prop_assert_eq!(&Args::parse(query.as_bytes()).query(), &query);
            let other: Vec<_> = url_reference(&raw);
            let ours: Vec<_> = iter(raw.as_bytes()).map(|(name, value)| (name.into_owned(), match value {
                Arg::Flag => None,
                Arg::Text(text) => Some(text.into_owned()),
            })).collect();
            prop_assert_eq!(ours, other);
        }
    }

    /// The obvious reading, character by character.
    fn url_reference(raw: &str) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let plain = |text: &str| {
            let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
            while at < bytes.len() {
                let escaped = text
                    .get(at + 1..at + 3)
                    .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
                match (bytes[at], escaped) {
                    (b'%', Some(digits)) => {
                        out.push(u8::from_str_radix(digits, 16).unwrap());
                        at += 2;
                    }
                    (b'+', _) => out.push(b' '),
                    (byte, _) => out.push(byte),
                }
                at += 1;
            }
            out
        };
        raw.split('&')
            .map(|segment| match segment.split_once('=') {
                Some((name, value)) => (plain(name), Some(plain(value))),
                None => (plain(segment), None),
            })
            .filter(|(name, _)| !name.is_empty())
            .collect()
    }
}
