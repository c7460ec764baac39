//! Eight bytes at a time: most of a document is the inside of strings, digits and indentation.
//!
//! A mask has the high bit of each byte that is meant. The first byte of the text is the lowest of a word, so the
//! first one meant is found by counting zeros.

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = ONES << 7;
const LOW: u64 = !HIGH;

/// The eight bytes at `at`; zeros behind the end of the text.
#[inline]
pub(super) fn word(text: &[u8], at: usize) -> u64 {
    let rest = text.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => {
            let mut bytes = [0; 8];
            bytes[..rest.len()].copy_from_slice(rest);
            u64::from_le_bytes(bytes)
        }
    }
}

/// Where the first quote, backslash, control character or `ALSO` at or after `from` is.
#[inline]
pub(super) fn special<const ALSO: u8>(text: &[u8], from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    // Most strings are short.
    if let Some(bytes) = rest.first_chunk() {
        let found = specials::<ALSO>(u64::from_le_bytes(*bytes));
        if found != 0 {
            return Some(from + first(found));
        }
    }
    for (i, bytes) in rest.as_chunks::<8>().0.iter().enumerate() {
        let found = specials::<ALSO>(u64::from_le_bytes(*bytes));
        if found != 0 {
            return Some(from + i * 8 + first(found));
        }
    }
    // The zeros behind the end count as control characters.
    let last = from + rest.len() / 8 * 8;
    let at = last + first(specials::<ALSO>(word(text, last)));
    (at < text.len()).then_some(at)
}

#[inline]
fn specials<const ALSO: u8>(word: u64) -> u64 {
    // Bytes above the first that is meant may be marked wrongly, by the borrow.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let is = |byte: u8| zero(word ^ (ONES * u64::from(byte)));
    let below_space = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
    is(b'"') | is(b'\\') | is(ALSO) | below_space
}

/// How many digits the word starts with.
#[inline]
pub(super) fn ascii_digits(word: u64) -> usize {
    let value = word ^ (ONES * u64::from(b'0'));
    // Carries into the high bit from ten on, and never into the next byte.
    first((((value & LOW) + ONES * (0x80 - 10)) | value) & HIGH)
}

/// How many blanks the word starts with.
#[inline]
pub(super) fn blanks(word: u64) -> usize {
    // Zero in the high bit where the byte is equal, and exact in every byte.
    let not = |byte: u8| {
        let value = word ^ (ONES * u64::from(byte));
        ((value & LOW) + LOW) | value
    };
    first(not(b' ') & not(b'\t') & not(b'\n') & not(b'\r') & HIGH)
}

/// The place of the first byte meant; 8 if there is none.
fn first(mask: u64) -> usize {
    mask.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn special_bytes_are_found_wherever_they_are(text in prop::collection::vec(prop_oneof![
            20 => 0x20u8..=0xFF, 1 => 0u8..0x20, 1 => Just(b'"'), 1 => Just(b'\\'), 1 => Just(0xED),
        ], 0..40), from in 0..40usize) {
            let found = |also: u8| {
                let special = |b: &u8| matches!(b, b'"' | b'\\' | 0..0x20) || *b == also;
                text.iter().skip(from).position(special).map(|at| from + at)
            };
            prop_assert_eq!(special::<b'"'>(&text, from), found(b'"'));
            prop_assert_eq!(special::<0xED>(&text, from), found(0xED));
        }

        #[test]
        fn digits_and_blanks_are_counted_up_to_the_first_other_byte(text in prop::collection::vec(prop_oneof![
            8 => b'0'..=b'9', 8 => prop::sample::select(b" \t\n\r".to_vec()), 1 => any::<u8>(),
        ], 0..12), from in 0..12usize) {
            let eight: Vec<u8> = text.iter().copied().skip(from).chain([0; 8]).take(8).collect();
            let count = |meant: fn(&u8) -> bool| eight.iter().take_while(|b| meant(b)).count();
            let word = word(&text, from);
            prop_assert_eq!(ascii_digits(word), count(u8::is_ascii_digit));
            prop_assert_eq!(blanks(word), count(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')));
        }
    }
}
