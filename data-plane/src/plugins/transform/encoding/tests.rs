//! Every coding both ways, and what hostile bodies meet.

use http::HeaderValue;

use super::*;

const ALL: [Coding; 5] = [
    Coding::Gzip,
    Coding::Deflate,
    Coding::RawDeflate,
    Coding::Brotli,
    Coding::Zstd,
];

fn heads(lines: &[&'static str]) -> HeaderMap {
    let lines = lines.iter().map(|line| HeaderValue::from_static(line));
    lines.map(|line| (CONTENT_ENCODING, line)).collect()
}

fn json(length: usize) -> Vec<u8> {
    let mut body = String::from("[");
    for number in 0.. {
        if body.len() + 40 > length {
            break;
        }
        body += &format!(
            "{{\"id\":{number},\"name\":\"n{}\"}},",
            number * 7919 % 1000
        );
    }
    body.push_str("0]");
    body.into_bytes()
}

#[test]
fn a_head_names_one_coding_or_none_or_too_many() {
    use Coded::{By, Plain, Unknown};
    for (lines, expected) in [
        (&[][..], Plain),
        (&[""], Plain),
        (&["identity"], Plain),
        (&[" Identity , "], Plain),
        (&["gzip"], By(Coding::Gzip)),
        (&["X-GZip"], By(Coding::Gzip)),
        (&["deflate"], By(Coding::Deflate)),
        (&["br"], By(Coding::Brotli)),
        (&["ZSTD"], By(Coding::Zstd)),
        (&["identity, gzip"], By(Coding::Gzip)),
        (&["identity", "br"], By(Coding::Brotli)),
        (&["compress"], Unknown),
        (&["gzip, br"], Unknown),
        (&["gzip", "gzip"], Unknown),
        (&["aes128gcm"], Unknown),
        (&["gzip;q=1"], Unknown),
    ] {
        assert_eq!(of(&heads(lines)), expected, "{lines:?}");
    }
}

#[test]
fn what_is_encoded_decodes_to_the_same_bytes() {
    for coding in ALL {
        for length in [0, 1, 100, 5_000, 300_000] {
            let body = &json(300_100)[..length];
            let encoded = encode(coding, body);
            let decoded = decode(coding, &encoded, 300_000);
            assert_eq!(
                decoded,
                Ok((body.to_vec(), coding)),
                "{coding:?} of {length}"
            );
            assert!(
                length < 5_000 || encoded.len() < length / 2,
                "{coding:?} makes {} of {length}",
                encoded.len()
            );
        }
    }
}

#[test]
fn deflate_is_read_with_and_without_the_frame_of_zlib() {
    let encoded = encode(Coding::RawDeflate, b"{\"a\":1}");
    let decoded = decode(Coding::Deflate, &encoded, 100);
    assert_eq!(decoded, Ok((b"{\"a\":1}".to_vec(), Coding::RawDeflate)));
}

#[test]
fn a_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_too_large() {
    let body = json(70_000);
    for coding in ALL {
        let encoded = encode(coding, &body);
        assert!(
            decode(coding, &encoded, body.len()).is_ok(),
            "{coding:?} at the limit"
        );
        for limit in [body.len() - 1, 4096, 1, 0] {
            let decoded = decode(coding, &encoded, limit);
            assert_eq!(
                decoded,
                Err(DecodeError::TooLarge),
                "{coding:?} up to {limit}"
            );
        }
    }
}

#[test]
fn a_bomb_costs_no_more_than_the_limit() {
    let bomb = vec![b'0'; 64 << 20];
    for coding in ALL {
        let encoded = encode(coding, &bomb);
        let decoded = decode(coding, &encoded, 1 << 20);
        assert_eq!(decoded, Err(DecodeError::TooLarge), "{coding:?}");
    }
}

#[test]
fn a_body_that_broke_off_or_is_something_else_is_malformed() {
    let body = json(20_000);
    for coding in ALL {
        let whole = encode(coding, &body);
        for kept in [0, 1, 2, whole.len() / 2, whole.len() - 1] {
            let decoded = decode(coding, &whole[..kept], 1 << 20);
            assert_eq!(
                decoded,
                Err(DecodeError::Malformed),
                "{coding:?}, {kept} bytes of it"
            );
        }
        let decoded = decode(coding, b"{\"a\":1}", 1 << 20);
        assert_eq!(
            decoded,
            Err(DecodeError::Malformed),
            "{coding:?} that is none"
        );
    }
    let mut damaged = encode(Coding::Gzip, &body);
    let sum = damaged.len() - 6;
    damaged[sum] ^= 1;
    assert_eq!(
        decode(Coding::Gzip, &damaged, 1 << 20),
        Err(DecodeError::Malformed),
        "a wrong sum"
    );
}

#[test]
fn gzip_may_have_members_and_something_behind_them() {
    let mut body = encode(Coding::Gzip, b"{\"a\":");
    body.extend(encode(Coding::Gzip, b"1}"));
    assert_eq!(
        decode(Coding::Gzip, &body, 7).map(|(plain, _)| plain),
        Ok(b"{\"a\":1}".to_vec())
    );
    assert_eq!(decode(Coding::Gzip, &body, 6), Err(DecodeError::TooLarge));
    body.extend([0; 9]);
    assert!(decode(Coding::Gzip, &body, 7).is_ok(), "padding");
    body.truncate(body.len() - 9);
    body.extend([0x1f, 0x8b, 8]);
    assert_eq!(decode(Coding::Gzip, &body, 7), Err(DecodeError::Malformed));
}

#[test]
fn windows_that_only_files_may_have_are_refused() {
    // A window of 128 MiB, which would be reserved before the first byte comes out.
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("a level");
    encoder.window_log(27).expect("a window");
    std::io::Write::write_all(&mut encoder, &json(20_000)).expect("memory");
    let encoded = encoder.finish().expect("memory");
    assert_eq!(
        decode(Coding::Zstd, &encoded, 1 << 20),
        Err(DecodeError::Malformed)
    );
    let mut encoded = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams {
        large_window: true,
        lgwin: 28,
        ..Default::default()
    };
    brotli::BrotliCompress(&mut &*json(20_000), &mut encoded, &parameters).expect("memory");
    assert_eq!(
        decode(Coding::Brotli, &encoded, 1 << 20),
        Err(DecodeError::Malformed)
    );
}
