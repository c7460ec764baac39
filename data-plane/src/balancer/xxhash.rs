//! XXH32 with seed 0, as its specification says: a hash that every node, release and machine computes alike, which the
//! hashes of the libraries at hand do not promise. Inputs are a few dozen bytes.

const PRIME_1: u32 = 0x9e37_79b1;
const PRIME_2: u32 = 0x85eb_ca77;
const PRIME_3: u32 = 0xc2b2_ae3d;
const PRIME_4: u32 = 0x27d4_eb2f;
const PRIME_5: u32 = 0x1656_67b1;

/// The hash of some bytes.
pub fn xxh32(bytes: &[u8]) -> u32 {
    let (stripes, tail) = bytes.as_chunks::<16>();
    let mut hash = match stripes.is_empty() {
        true => PRIME_5,
        false => lanes(stripes),
    };
    hash = hash.wrapping_add(bytes.len() as u32);
    let (words, rest) = tail.as_chunks::<4>();
    for word in words {
        let word = u32::from_le_bytes(*word).wrapping_mul(PRIME_3);
        hash = hash
            .wrapping_add(word)
            .rotate_left(17)
            .wrapping_mul(PRIME_4);
    }
    for byte in rest {
        let byte = u32::from(*byte).wrapping_mul(PRIME_5);
        hash = hash
            .wrapping_add(byte)
            .rotate_left(11)
            .wrapping_mul(PRIME_1);
    }
    hash = (hash ^ (hash >> 15)).wrapping_mul(PRIME_2);
    hash = (hash ^ (hash >> 13)).wrapping_mul(PRIME_3);
    hash ^ (hash >> 16)
}

/// Four sums side by side, over whole stripes.
fn lanes(stripes: &[[u8; 16]]) -> u32 {
    let mut sums = [
        PRIME_1.wrapping_add(PRIME_2),
        PRIME_2,
        0,
        0u32.wrapping_sub(PRIME_1),
    ];
    for stripe in stripes {
        let (words, _) = stripe.as_chunks::<4>();
        for (sum, word) in sums.iter_mut().zip(words) {
            let word = u32::from_le_bytes(*word).wrapping_mul(PRIME_2);
            *sum = sum.wrapping_add(word).rotate_left(13).wrapping_mul(PRIME_1);
        }
    }
    let [a, b, c, d] = sums;
    let joined = a.rotate_left(1).wrapping_add(b.rotate_left(7));
    joined
        .wrapping_add(c.rotate_left(12))
        .wrapping_add(d.rotate_left(18))
}

#[cfg(test)]
mod tests {
    use super::xxh32;

    #[test]
    fn known_texts_have_known_hashes() {
        let cases: [(&[u8], u32); 6] = [
            (b"", 0x02cc_5d05),
            (b"a", 0x550d_7456),
            (b"abc", 0x32d1_53ff),
            (b"abcd", 0xa364_3705),
            (b"Nobody inspects the spammish repetition", 0xe229_3b2f),
            (b"as", 0x9d5a_0464),
        ];
        for (text, hash) in cases {
            assert_eq!(xxh32(text), hash, "{}", String::from_utf8_lossy(text));
        }
    }
}
