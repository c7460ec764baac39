use super::*;

fn change(id: u128, payload: Option<&[u8]>) -> Change {
    Change {
        kind: "routes".into(),
        id: Uuid::from_u128(id),
        payload: payload.map(Bytes::copy_from_slice),
    }
}

fn compressed(raw: &[u8]) -> Vec<u8> {
    zstd::encode_all(raw, LEVEL).unwrap()
}

#[test]
fn changes_read_back_in_their_order() {
    let changes = [
        change(3, Some(b"{\"a\":1}")),
        change(1, None),
        change(2, Some(b"")),
    ];
    let frame = encode(&changes);
    assert_eq!(decode(&frame.data, frame.raw_bytes).unwrap(), changes);
}

#[test]
fn an_update_of_nothing_is_a_frame_too() {
    let frame = encode([]);
    assert_eq!(frame.raw_bytes, 0);
    assert_eq!(decode(&frame.data, 0).unwrap(), []);
    let parts: Vec<_> = updates(1, Begin::default(), &frame.data).collect();
    assert!(parts.len() == 1 && parts[0].last && parts[0].begin.is_some());
}

#[test]
fn a_wrong_declared_size_is_refused_either_way() {
    let frame = encode(&[change(1, Some(&[7; 100])), change(2, None)]);
    for declared in [0, 1, frame.raw_bytes - 1, frame.raw_bytes + 1] {
        let error = decode(&frame.data, declared).unwrap_err();
        assert!(
            matches!(error, DecodeError::Size { .. }),
            "{declared}: {error}"
        );
    }
}

#[test]
fn a_bomb_is_not_decoded_past_its_declared_size() {
    let bomb = compressed(&vec![0; 64 << 20]);
    assert!(bomb.len() < 64 << 10);
    // Zeros are ops of length 0 without an action: refused at the first, whatever follows.
    assert!(matches!(
        decode(&bomb, 64 << 20).unwrap_err(),
        DecodeError::Op { index: 0, .. }
    ));
    let long = compressed(&[&[0xff; 4][..], &[0x0f; 1], &vec![0; 1 << 20]].concat());
    assert!(matches!(
        decode(&long, u64::MAX).unwrap_err(),
        DecodeError::Op { .. }
    ));
}

#[test]
fn malformed_operations_are_refused_with_their_place() {
    let good = op("routes", &Uuid::nil(), Some(&Bytes::from_static(b"{}")));
    let cases = [
        (
            Op {
                op: 0,
                ..good.clone()
            },
            "sets nor deletes",
        ),
        (
            Op {
                op: 9,
                ..good.clone()
            },
            "sets nor deletes",
        ),
        (
            Op {
                id: vec![1; 15],
                ..good.clone()
            },
            "16 bytes",
        ),
        (
            Op {
                kind: String::new(),
                ..good.clone()
            },
            "kind",
        ),
        (
            Op {
                kind: "k".repeat(33),
                ..good.clone()
            },
            "kind",
        ),
        (
            Op {
                payload: vec![b' '; MAX_PAYLOAD_BYTES + 1].into(),
                ..good.clone()
            },
            "payload",
        ),
    ];
    for (bad, expected) in cases {
        let raw = [
            good.encode_length_delimited_to_vec(),
            bad.encode_length_delimited_to_vec(),
        ]
        .concat();
        let error = decode(&compressed(&raw), raw.len() as u64)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("operation 1 ") && error.contains(expected),
            "{error}"
        );
    }
}

#[test]
fn damage_anywhere_is_an_error_or_other_content_but_never_a_panic() {
    let changes: Vec<_> = (0..50)
        .map(|n| change(n, Some(format!("{{\"n\":{n}}}").as_bytes())))
        .collect();
    let frame = encode(&changes);
    for cut in 0..frame.data.len() {
        assert!(
            decode(&frame.data[..cut], frame.raw_bytes).is_err(),
            "cut at {cut}"
        );
    }
    for bit in 0..frame.data.len() * 8 {
        let mut damaged = frame.data.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        // Without a checksum of its own some damage decodes: the digest of the result is what catches that.
        let _ = decode(&damaged, frame.raw_bytes);
    }
}

#[test]
fn parts_join_to_what_was_cut() {
    let noise: Vec<u8> = (0..400_000u32)
        .flat_map(|n| blake3::hash(&n.to_be_bytes()).as_bytes()[..1].to_vec())
        .collect();
    let frame = encode(&[change(1, Some(&noise))]);
    let begin = Begin {
        raw_bytes: frame.raw_bytes,
        ..Begin::default()
    };
    let parts: Vec<_> = updates(9, begin.clone(), &frame.data).collect();
    assert!(parts.len() == 4 && parts.iter().all(|part| part.data.len() <= PART_BYTES));
    assert!(parts.iter().skip(1).all(|part| part.begin.is_none()));

    let mut assembly = Assembly::new(9, begin);
    let (last, rest) = parts.split_last().unwrap();
    for part in rest {
        assert_eq!(assembly.push(part), Ok(None));
    }
    assert_eq!(assembly.push(last), Ok(Some(frame.data)));
}

#[test]
fn parts_of_another_update_or_beyond_the_size_are_refused() {
    let mut assembly = Assembly::new(
        9,
        Begin {
            raw_bytes: 10,
            ..Begin::default()
        },
    );
    let part = |id, length| Update {
        id,
        begin: None,
        data: vec![0; length].into(),
        last: false,
    };
    assert_eq!(
        assembly.push(&part(8, 1)),
        Err(AssemblyError::OutOfOrder {
            expected: 9,
            got: 8
        })
    );
    assert_eq!(assembly.push(&part(9, 400)), Ok(None));
    assert_eq!(
        assembly.push(&part(9, 400)),
        Err(AssemblyError::TooLong { declared: 10 })
    );
}

proptest::proptest! {
    /// What a stranger sends is an error and never a panic: as a frame, and as the operations inside one.
    #[test]
    fn nothing_makes_the_decoder_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let _ = decode(&bytes, 1 << 16);
        let _ = decode(&compressed(&bytes), bytes.len() as u64);
    }
}
