//! The join token: one word that lets one new node in and tells it whom to trust.
//!
//! `hgj1_` and then base64url (no padding) of id\[16\] ‖ secret\[32\] ‖ CA key SHA-256\[32\] ‖ port u16 ‖ checksum\[4\].
//! The checksum is there for mangled pastes, not against forgers: a control plane keeps a hash of the secret.
//! `JoinRequest.token` carries the word as it was pasted.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// Every token begins with this; the digit is the version of what follows.
pub const TAG: &str = "hgj1_";

const BODY_BYTES: usize = 16 + 32 + 32 + 2;
const CHECKSUM_BYTES: usize = 4;

/// What a join token says.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Names the token's record on the control plane.
    pub id: Uuid,
    /// Proves that the bearer was given it; only a hash of it is stored.
    pub secret: [u8; 32],
    /// SHA-256 over the CA certificate's SubjectPublicKeyInfo in DER. The enrolment server must send that CA
    /// certificate in its chain.
    pub ca_key: [u8; 32],
    /// Where the enrolment server listens, on the host of `control_plane`.
    pub enroll_port: u16,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("id", &self.id)
            .field("enroll_port", &self.enroll_port)
            .finish_non_exhaustive()
    }
}

/// Why a word is not a usable token. Never quotes the word: it may hold the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not begin with the tag.
    #[error(
        "this is not a join token: one begins with '{TAG}' (make one with `headgate-cp token create`)"
    )]
    NotAToken,
    /// Another version's tag.
    #[error(
        "the join token is of a newer kind than this version knows (upgrade this node, or make the token with an older control plane)"
    )]
    UnknownVersion,
    /// A space or line break in the middle.
    #[error("the join token has white space in it (was it pasted across two lines?)")]
    Whitespace,
    /// A character that no token has.
    #[error("the join token has a character that does not belong there (was it pasted whole?)")]
    Character,
    /// Too short or too long.
    #[error("the join token is {0} characters long, not {expected} (was it pasted whole?)", expected = word_chars())]
    Length(usize),
    /// Right form, wrong content.
    #[error(
        "the join token does not match its own checksum (was it changed by hand, or pasted from two?)"
    )]
    Checksum,
}

/// Writes the token as one word.
pub fn render(token: &Token) -> String {
    let mut bytes = Vec::with_capacity(BODY_BYTES + CHECKSUM_BYTES);
    bytes.extend_from_slice(token.id.as_bytes());
    bytes.extend_from_slice(&token.secret);
    bytes.extend_from_slice(&token.ca_key);
    bytes.extend_from_slice(&token.enroll_port.to_be_bytes());
    let checksum = checksum(&bytes);
    bytes.extend_from_slice(&checksum);
    format!("{TAG}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Reads a token; white space around it is forgiven.
pub fn parse(word: &str) -> Result<Token, TokenError> {
    let word = word.trim();
    if word.contains(char::is_whitespace) {
        return Err(TokenError::Whitespace);
    }
    let bytes = decode(strip_tag(word)?, word.len())?;
    let (body, checksum_given) = bytes.split_at(BODY_BYTES);
    if checksum(body) != checksum_given {
        return Err(TokenError::Checksum);
    }
    Ok(Token {
        id: Uuid::from_bytes(array(&body[..16])),
        secret: array(&body[16..48]),
        ca_key: array(&body[48..80]),
        enroll_port: u16::from_be_bytes(array(&body[80..82])),
    })
}

fn strip_tag(word: &str) -> Result<&str, TokenError> {
    if let Some(rest) = word.strip_prefix(TAG) {
        return Ok(rest);
    }
    let newer = word
        .strip_prefix("hgj")
        .map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    Err(match newer {
        Some(rest) if rest.starts_with('_') => TokenError::UnknownVersion,
        _ => TokenError::NotAToken,
    })
}

fn decode(encoded: &str, chars: usize) -> Result<Vec<u8>, TokenError> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !encoded.bytes().all(known) {
        return Err(TokenError::Character);
    }
    if chars != word_chars() {
        return Err(TokenError::Length(chars));
    }
    // Right characters, right length: what may still fail is the unused bits of the last one.
    URL_SAFE_NO_PAD
        .decode(encoded)
        .map_err(|_| TokenError::Checksum)
}

fn word_chars() -> usize {
    TAG.len() + ((BODY_BYTES + CHECKSUM_BYTES) * 4).div_ceil(3)
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(TAG.as_bytes());
    hasher.update(body);
    array(&hasher.finalize().as_bytes()[..CHECKSUM_BYTES])
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the length was checked")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token {
            id: Uuid::from_u128(0x0190_d1c2_7a00_7000_8000_0000_0000_0001),
            secret: std::array::from_fn(|index| index as u8),
            ca_key: [0xab; 32],
            enroll_port: 8006,
        }
    }

    #[test]
    fn a_token_is_one_word_and_reads_back() {
        let word = render(&token());
        assert!(!word.contains(char::is_whitespace));
        assert_eq!(parse(&word), Ok(token()));
        assert_eq!(parse(&format!(" {word}\n")), Ok(token()));
    }

    #[test]
    fn each_way_of_mangling_a_paste_has_its_own_message() {
        let word = render(&token());
        let mut flipped = word.clone().into_bytes();
        flipped[20] = if flipped[20] == b'A' { b'B' } else { b'A' };
        let (left, right) = word.split_at(40);
        let cases = [
            (String::new(), TokenError::NotAToken),
            ("secret".to_owned(), TokenError::NotAToken),
            (
                word.replacen("hgj1_", "hgj2_", 1),
                TokenError::UnknownVersion,
            ),
            (format!("{left}\n{right}"), TokenError::Whitespace),
            (format!("{left}…{right}"), TokenError::Character),
            (left.to_owned(), TokenError::Length(40)),
            (format!("{word}{word}"), TokenError::Length(2 * word.len())),
            (String::from_utf8(flipped).unwrap(), TokenError::Checksum),
        ];
        for (given, expected) in cases {
            assert_eq!(parse(&given), Err(expected), "{given}");
        }
    }

    #[test]
    fn the_secret_is_not_printed() {
        let shown = format!("{:?}", token());
        assert!(
            shown.contains("8006") && !shown.contains("secret"),
            "{shown}"
        );
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_the_parser_panic(word in "\\PC{0,200}", tail in "[A-Za-z0-9_-]{0,150}") {
            let _ = parse(&word);
            let _ = parse(&format!("{TAG}{tail}"));
        }
    }
}
