//! The five steps on a header map, for both directions. A header with several lines is one header with a list of
//! values. Nothing here allocates unless it changes something.

use http::header::{CONNECTION, CONTENT_LENGTH, Entry, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};

/// A header's name as configured, ready to be looked up.
#[derive(Clone, Debug)]
pub struct Name {
    name: HeaderName,
    /// The same with `-` for `_`: a name written with `_` also finds that header, not the other way round.
    dashed: Option<HeaderName>,
    /// What a [`Sieve`] knows either by.
    marks: u64,
}

impl Name {
    /// A name that finds exactly that header. `None` if it is not a legal field name.
    pub fn exact(text: &str) -> Option<Self> {
        let name = HeaderName::from_bytes(text.as_bytes()).ok()?;
        Some(Self {
            marks: mark(&name),
            name,
            dashed: None,
        })
    }

    /// A name whose `_` also match `-`.
    pub fn lenient(text: &str) -> Option<Self> {
        let exact = Self::exact(text)?;
        let dashed = if text.contains('_') {
            Self::exact(&text.replace('_', "-")).map(|n| n.name)
        } else {
            None
        };
        Some(Self {
            marks: exact.marks | dashed.as_ref().map_or(0, mark),
            dashed,
            ..exact
        })
    }

    /// The header of this name that exists, else the name itself.
    fn existing<'a>(&'a self, headers: &HeaderMap) -> &'a HeaderName {
        match &self.dashed {
            Some(dashed) if !headers.contains_key(&self.name) && headers.contains_key(dashed) => {
                dashed
            }
            _ => &self.name,
        }
    }

    /// The values, in order.
    pub fn values<'h>(&self, headers: &'h HeaderMap) -> impl Iterator<Item = &'h HeaderValue> {
        headers.get_all(self.existing(headers)).iter()
    }

    /// Whether it may find that header.
    pub fn may_be(&self, header: &HeaderName) -> bool {
        self.name == *header || self.dashed.as_ref() == Some(header)
    }

    /// The name itself.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Whether the header is about one connection, or decides the framing.
    pub fn is_hop(&self) -> bool {
        [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(&self.name)
    }
}

/// Which headers may be there: a mark for each, made of its length and its last letter. One walk over what is there costs
/// less than a look-up for each of several names that are not, which is how most entries find most requests.
#[derive(Clone, Copy, Debug)]
pub struct Sieve(u64);

/// From how many look-ups on it pays.
const SIEVED: usize = 4;

impl Sieve {
    /// What may be there for so many look-ups; few are not worth the walk, for them everything may.
    pub fn of(headers: &HeaderMap, look_ups: usize) -> Self {
        if look_ups < SIEVED {
            return Self(u64::MAX);
        }
        Self(headers.keys().fold(0, |marks, name| marks | mark(name)))
    }

    /// False if the header is surely not there.
    pub fn may_hold(self, name: &Name) -> bool {
        self.0 & name.marks != 0
    }

    /// The header may be there from now on.
    pub fn take_in(&mut self, name: &Name) {
        self.0 |= name.marks;
    }
}

fn mark(name: &HeaderName) -> u64 {
    let text = name.as_str().as_bytes();
    let last = text.last().map_or(0, |byte| usize::from(*byte));
    1 << ((text.len() * 11 + last) % 64)
}

/// Drops every value.
pub fn remove(headers: &mut HeaderMap, name: &Name) {
    headers.remove(name.existing(headers));
}

/// Moves every value to another name, whose own are lost.
pub fn rename(headers: &mut HeaderMap, from: &Name, to: &Name) {
    let to = to.existing(headers);
    let from = from.existing(headers);
    if from == to {
        return;
    }
    if !has_lists(headers) {
        if let Some(value) = headers.remove(from) {
            insert(headers, to, value);
        }
        return;
    }
    let mut values = take_all(headers, from).into_iter();
    if let Some(first) = values.next() {
        insert(headers, to, first);
        values.for_each(|value| push(headers, to, value));
    }
}

/// Takes every value out.
pub fn take(headers: &mut HeaderMap, name: &Name) -> Vec<HeaderValue> {
    take_all(headers, name.existing(headers))
}

fn take_all(headers: &mut HeaderMap, name: &HeaderName) -> Vec<HeaderValue> {
    let values = headers.get_all(name).iter().cloned().collect();
    headers.remove(name);
    values
}

/// Whether any header has several lines. None has in most requests, and one value needs no list and no second look-up.
fn has_lists(headers: &HeaderMap) -> bool {
    headers.len() != headers.keys_len()
}

/// Makes `value` the only one, if the header is there.
pub fn replace(headers: &mut HeaderMap, name: &Name, value: &HeaderValue) {
    let name = name.existing(headers);
    let single = !has_lists(headers);
    match headers.get_mut(name) {
        Some(old) if single => *old = value.clone(),
        Some(_) => insert(headers, name, value.clone()),
        None => {}
    }
}

/// Sets the header, if it is not there.
pub fn add(headers: &mut HeaderMap, name: &Name, value: &HeaderValue) {
    let name = name.existing(headers);
    // One look-up for the question and the answer. A map that is full is no entry, and keeps what it has.
    if let Ok(Entry::Vacant(place)) = headers.try_entry(name) {
        let _ = place.try_insert(value.clone());
    }
}

/// Adds a field line behind those that are there; never joins, never removes duplicates.
pub fn append(headers: &mut HeaderMap, name: &Name, value: &HeaderValue) {
    let name = name.existing(headers);
    push(headers, name, value.clone());
}

// A map that is full keeps what it has: the alternative to these two panics.
fn insert(headers: &mut HeaderMap, name: &HeaderName, value: HeaderValue) {
    let _ = headers.try_insert(name, value);
}

fn push(headers: &mut HeaderMap, name: &HeaderName, value: HeaderValue) {
    let _ = headers.try_append(name, value);
}

/// A header value of any text: blanks around it go, as they would on the wire; control characters, which could start
/// a new line, become `%XX`.
pub fn value(text: &[u8]) -> HeaderValue {
    let text = trim(text);
    HeaderValue::from_bytes(text).unwrap_or_else(|_| {
        let mut escaped = Vec::with_capacity(text.len() + 8);
        for byte in text {
            match byte {
                0..0x20 | 0x7F if *byte != b'\t' => {
                    escaped.extend_from_slice(format!("%{byte:02X}").as_bytes())
                }
                other => escaped.push(*other),
            }
        }
        HeaderValue::from_bytes(&escaped).expect("control characters are escaped")
    })
}

fn trim(text: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = text.iter().position(|b| !blank(b)).unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|b| !blank(b))
        .map_or(start, |at| at + 1);
    &text[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn name(text: &str) -> Name {
        Name::lenient(text).unwrap()
    }

    #[test]
    fn each_step_does_what_it_says() {
        type Step = fn(&mut HeaderMap);
        let cases: &[(Step, &[(&'static str, &'static str)])] = &[
            (|h| remove(h, &name("X-A")), &[("x-b", "3")]),
            (|h| remove(h, &name("x_a")), &[("x-b", "3")]),
            (
                |h| remove(h, &name("none")),
                &[("x-a", "1"), ("x-a", "2"), ("x-b", "3")],
            ),
            (
                |h| rename(h, &name("x-a"), &name("X-C")),
                &[("x-c", "1"), ("x-c", "2"), ("x-b", "3")],
            ),
            (
                |h| rename(h, &name("x-a"), &name("x-b")),
                &[("x-b", "1"), ("x-b", "2")],
            ),
            (
                |h| rename(h, &name("x-a"), &name("X-A")),
                &[("x-a", "1"), ("x-a", "2"), ("x-b", "3")],
            ),
            (
                |h| rename(h, &name("none"), &name("x-b")),
                &[("x-a", "1"), ("x-a", "2"), ("x-b", "3")],
            ),
            (
                |h| replace(h, &name("x-a"), &value(b"9")),
                &[("x-a", "9"), ("x-b", "3")],
            ),
            (
                |h| replace(h, &name("x-c"), &value(b"9")),
                &[("x-a", "1"), ("x-a", "2"), ("x-b", "3")],
            ),
            (
                |h| add(h, &name("x_b"), &value(b"9")),
                &[("x-a", "1"), ("x-a", "2"), ("x-b", "3")],
            ),
            (
                |h| add(h, &name("x_c"), &value(b"9")),
                &[("x-a", "1"), ("x-a", "2"), ("x-b", "3"), ("x_c", "9")],
            ),
            (
                |h| append(h, &name("x-b"), &value(b"3")),
                &[("x-a", "1"), ("x-a", "2"), ("x-b", "3"), ("x-b", "3")],
            ),
            (
                |h| append(h, &name("x-c"), &value(b"9")),
                &[("x-a", "1"), ("x-a", "2"), ("x-b", "3"), ("x-c", "9")],
            ),
        ];
        for (i, (step, expected)) in cases.iter().enumerate() {
            let mut headers = map(&[("x-a", "1"), ("x-a", "2"), ("x-b", "3")]);
            step(&mut headers);
            assert_eq!(headers, map(expected), "case {i}");
        }
    }

    #[test]
    fn a_sieve_holds_what_is_there_and_little_else() {
        let headers = map(&[("x-a", "1"), ("x-b", "3"), ("content-type", "4")]);
        let mut sieve = Sieve::of(&headers, SIEVED);
        for there in ["x-a", "X-B", "x_a", "content_type", "Content-Type"] {
            assert!(sieve.may_hold(&name(there)), "{there}");
        }
        for other in ["x-c", "x-ab", "a", "x_c", "content-encoding"] {
            assert!(!sieve.may_hold(&name(other)), "{other}");
        }
        sieve.take_in(&name("x_c"));
        assert!(sieve.may_hold(&name("x_c")) && sieve.may_hold(&name("x-c")));
        assert!(Sieve::of(&headers, SIEVED - 1).may_hold(&name("x-c")));
    }

    #[test]
    fn a_dash_does_not_find_an_underscore() {
        let mut headers = map(&[("x_a", "1")]);
        remove(&mut headers, &name("x-a"));
        assert_eq!(headers, map(&[("x_a", "1")]));
    }

    #[test]
    fn a_value_can_not_start_a_line() {
        assert_eq!(value(b"  a  b "), "a  b");
        assert_eq!(
            value(b"a\r\nSet-Cookie: b\0\x7f"),
            "a%0D%0ASet-Cookie: b%00%7F"
        );
        assert_eq!(
            value("é".as_bytes()),
            HeaderValue::from_bytes("é".as_bytes()).unwrap()
        );
        assert_eq!(value(b" \t "), "");
    }
}
