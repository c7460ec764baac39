//! The id of a request: 32 lowercase hexadecimal digits, made here and never taken from the client.

use std::cell::Cell;
use std::fmt;

use http::HeaderValue;

/// 128 random bits as text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 32]);

impl RequestId {
    /// A new id. The generator is seeded once per thread from the system and is not for secrets: an id only has to be
    /// unique, and asking the system each time would cost more than the rest of the head.
    pub fn new() -> Self {
        let mut text = [0; 32];
        for half in 0..2 {
            for (i, byte) in next().to_be_bytes().into_iter().enumerate() {
                text[half * 16 + i * 2] = hex(byte >> 4);
                text[half * 16 + i * 2 + 1] = hex(byte & 15);
            }
        }
        Self(text)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits are text")
    }

    /// As a header value.
    pub fn header(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).expect("hexadecimal digits are a header value")
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn hex(nibble: u8) -> u8 {
    b"0123456789abcdef"[usize::from(nibble)]
}

/// xoshiro256++ (Blackman and Vigna, public domain).
fn next() -> u64 {
    thread_local!(static STATE: Cell<[u64; 4]> = Cell::new(seed()));
    STATE.with(|cell| {
        let mut s = cell.get();
        let out = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        cell.set(s);
        out
    })
}

fn seed() -> [u64; 4] {
    // Two v4 UUIDs carry 244 random bits of the operating system.
    let (a, b) = uuid::Uuid::new_v4().as_u64_pair();
    let (c, d) = uuid::Uuid::new_v4().as_u64_pair();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_32_lowercase_hexadecimal_digits_and_differ() {
        let ids: std::collections::HashSet<String> =
            (0..1000).map(|_| RequestId::new().to_string()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(
            ids.iter()
                .all(|id| id.len() == 32 && id.bytes().all(|b| b"0123456789abcdef".contains(&b)))
        );
    }
}
