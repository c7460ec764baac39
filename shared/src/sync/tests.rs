//! Golden vectors of the digest, and what holds for any history of changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

/// Computed once by an implementation of its own and never changed: a node and a control plane of different versions must agree on these.
#[test]
fn golden_digests_stay_what_they_are() {
    let id = |n: u128| Uuid::from_u128(0x0190_d1c2_7a00_7000_8000_0000_0000_0000 + n);
    let documents: [(&str, Uuid, &str); 4] = [
        (
            "services",
            id(1),
            r#"{"host":"a.test","id":"0190d1c2-7a00-7000-8000-000000000001"}"#,
        ),
        ("routes", id(2), r#"{"paths":["/é"]}"#),
        ("routes", id(3), ""),
        ("plugins", Uuid::nil(), "{}"),
    ];
    let golden = [
        "b1947e10705a0dcdd25b501b9c8cf8c1f112899150aaa8473f50243fe7a28f7c0000000000000001",
        "541836b098eaafcf98016f8c24cb3d9ed57fdda2c54a3bb3bf42e81a4eb906830000000000000002",
        "5d57974c53edb136c46235ef3461d60e0c0829f4622a52069784437ecf67367d0000000000000003",
        "d30fb5d8d6f7336c52b30a6ba7becc2e3becf85b493dea48f84ddc2c2182fd010000000000000004",
    ];
    let mut digest = Digest::default();
    assert_eq!(digest.to_string(), "0".repeat(80));
    for ((kind, id, payload), expected) in documents.iter().zip(golden) {
        digest.add(leaf(kind, id, payload.as_bytes()));
        assert_eq!(digest.to_string(), expected, "after {kind} {id}");
    }
    for (kind, id, payload) in documents {
        digest.remove(leaf(kind, &id, payload.as_bytes()));
    }
    assert_eq!(digest, Digest::default());
}

#[test]
fn lengths_are_part_of_a_leaf() {
    let id = Uuid::nil();
    assert_ne!(leaf("ab", &id, b"c"), leaf("a", &id, b"bc"));
    assert_ne!(leaf("a", &id, b""), leaf("", &id, b"a"));
}

#[test]
fn a_digest_reads_back_from_bytes_and_hex() {
    let mut digest = Digest::default();
    digest.add(leaf("routes", &Uuid::from_u128(7), b"{}"));
    assert_eq!(Digest::from_bytes(&digest.to_bytes()), Some(digest));
    assert_eq!(Digest::from_hex(&digest.to_string()), Some(digest));
    assert_eq!(Digest::from_bytes(&[0; 39]), None);
    assert_eq!(Digest::from_hex(&"é".repeat(40)), None);
    assert_eq!(Digest::from_hex(&"g0".repeat(40)), None);
}

#[test]
fn versions_order_by_epoch_and_then_revision() {
    let version = |epoch, revision| Version {
        epoch: Uuid::from_u128(epoch),
        revision,
        digest: Digest::default(),
    };
    assert!(version(1, 9).order(&version(2, 0)).is_lt());
    assert!(version(1, 9).order(&version(1, 8)).is_gt());
    assert!(version(1, 9).order(&version(1, 9)).is_eq());
}

#[test]
fn a_version_of_the_wrong_shape_is_refused_by_part() {
    let good = proto::Version::from(&Version {
        epoch: Uuid::from_u128(3),
        revision: 4,
        digest: Digest::default(),
    });
    assert!(Version::try_from(&good).is_ok());
    let cases = [
        (
            proto::Version {
                epoch: vec![0; 15],
                ..good.clone()
            },
            "epoch",
        ),
        (
            proto::Version {
                digest: vec![0; 41],
                ..good.clone()
            },
            "digest",
        ),
        (proto::Version::default(), "epoch"),
    ];
    for (wire, part) in cases {
        assert_eq!(Version::try_from(&wire), Err(MalformedVersion(part)));
    }
}

/// One step of a history: a document of one of a few kinds and ids, set or deleted.
fn steps() -> impl Strategy<Value = Vec<(u8, u16, Option<Vec<u8>>)>> {
    let payload = proptest::option::weighted(0.7, proptest::collection::vec(any::<u8>(), 0..40));
    proptest::collection::vec((0..3u8, 0..600u16, payload), 0..900)
}

fn change((kind, id, payload): &(u8, u16, Option<Vec<u8>>)) -> Change {
    Change {
        kind: ["consumers", "routes", "services"][*kind as usize].into(),
        id: Uuid::from_u128(u128::from(*id) << 64),
        payload: payload.clone().map(Bytes::from),
    }
}

type Model = BTreeMap<(Arc<str>, Uuid), Bytes>;

/// Runs the steps on a state and on an ordinary map; a deletion of what is not there must be refused.
fn run(state: &mut State, model: &mut Model, steps: &[(u8, u16, Option<Vec<u8>>)]) {
    for change in steps.iter().map(change) {
        let key = (change.kind.clone(), change.id);
        let applied = state.change(&change).is_ok();
        match change.payload {
            Some(payload) => {
                model.insert(key, payload);
                assert!(applied);
            }
            None => assert_eq!(model.remove(&key).is_some(), applied),
        }
    }
}

fn documents(state: &State) -> Model {
    let documents = state.iter();
    documents
        .map(|(kind, id, payload)| ((kind.clone(), *id), payload.clone()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_state_is_an_ordered_map_with_an_honest_digest(steps in steps()) {
        let (mut state, mut model) = (State::new(), Model::new());
        run(&mut state, &mut model, &steps);
        prop_assert_eq!(documents(&state), model.clone());
        prop_assert!(state.iter().map(|(kind, id, _)| (kind, id)).is_sorted());
        prop_assert_eq!(state.len(), model.len());
        prop_assert_eq!(state.digest(), state.recompute_digest());
        prop_assert_eq!(state.digest().documents() as usize, model.len());
        prop_assert_eq!(state.bytes(), model.values().map(|p| p.len() as u64 + 64).sum::<u64>());
        for ((kind, id), payload) in &model {
            prop_assert_eq!(state.get(kind, id), Some(payload));
        }
    }

    /// I4: the delta applied to its base is the target's snapshot, byte for byte, through the wire forms of both.
    #[test]
    fn a_delta_applied_to_its_base_is_the_target(first in steps(), second in steps()) {
        let (mut base, mut model) = (State::new(), Model::new());
        run(&mut base, &mut model, &first);
        let kept = documents(&base);
        let mut target = base.clone();
        run(&mut target, &mut model, &second);

        let delta = frame::encode(&base.diff(&target));
        let received = frame::decode(&delta.data, delta.raw_bytes).unwrap();
        let applied = base.apply(&received).unwrap();
        prop_assert_eq!(&applied, &target);
        prop_assert_eq!(frame::encode_state(&applied), frame::encode_state(&target));

        let version = Version { epoch: Uuid::from_u128(1), revision: 2, digest: target.digest() };
        let snapshot = snapshot_file::Snapshot { version, state: target, explicit_empty: false };
        let file = snapshot_file::write(&snapshot);
        prop_assert_eq!(snapshot_file::read(&file, u64::MAX).unwrap(), snapshot);
        prop_assert_eq!(documents(&base), kept, "the base is untouched");
    }

    #[test]
    fn the_order_of_documents_does_not_change_the_digest(steps in steps(), seed in any::<u64>()) {
        let (mut state, mut model) = (State::new(), Model::new());
        run(&mut state, &mut model, &steps);
        let mut shuffled: Vec<_> = state.changes().collect();
        shuffled.sort_by_key(|change| blake3::hash(&[change.id.as_bytes().as_slice(), &seed.to_be_bytes()].concat()).to_hex());
        let other = State::new().apply(&shuffled).unwrap();
        prop_assert_eq!(other.digest(), state.digest());
        prop_assert_eq!(other, state);
    }
}
