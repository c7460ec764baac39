//! Base64 as Kong reads it: what follows the first `=` is ignored, and the digits may end anywhere.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The bytes that a text of `A–Z a–z 0–9 + /` stands for.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(digits(text)).ok()
}

/// The same with `-` and `_`, beside which `+` and `/` stay good.
pub(super) fn decode_url(text: &[u8]) -> Option<Vec<u8>> {
    let text = digits(text);
    if !text.iter().any(|byte| matches!(byte, b'+' | b'/')) {
        return URL_SAFE.decode(text).ok();
    }
    let spelled = text.iter().map(|byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    });
    STANDARD.decode(spelled.collect::<Vec<_>>()).ok()
}

fn digits(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| *byte == b'=');
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_optional_and_ends_the_text() {
        for (text, expected) in [
            ("dTpw", Some("u:p")),
            ("dTpwdw==", Some("u:pw")),
            ("dTpwdw", Some("u:pw")),
            ("dTpwdx", Some("u:pw")), // bits beyond the last byte
            ("dTpwdw==dTpw", Some("u:pw")),
            ("", Some("")),
            ("d", None),
            ("dTpw d", None),
            ("###", None),
        ] {
            let expected = expected.map(|text| text.as_bytes().to_vec());
            assert_eq!(decode(text.as_bytes()), expected, "{text}");
            assert_eq!(decode_url(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn only_tokens_may_be_written_for_addresses() {
        for text in ["-_8", "+/8", "-/8"] {
            assert_eq!(
                decode_url(text.as_bytes()),
                Some(vec![0xFB, 0xFF]),
                "{text}"
            );
        }
        assert_eq!(decode(b"-_8"), None);
        assert_eq!(decode(b"+/8"), Some(vec![0xFB, 0xFF]));
    }
}
