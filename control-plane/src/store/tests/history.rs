use super::*;
use std::collections::BTreeMap;

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % bound
    }
}

/// Writes that create, change, delete and revert a handful of documents.
async fn busy(turns: u64) -> (Home, BTreeMap<u64, Arc<State>>) {
    let home = Home::new();
    let mut dice = Dice(7);
    let mut states = BTreeMap::from([(0, home.store.state().0)]);
    for _ in 0..turns {
        let number = u128::from(dice.below(6)) + 1;
        let name = format!("n{number}-{}", dice.below(3));
        let writes = match dice.below(4) {
            0 => vec![delete("consumers", number)],
            1 => vec![
                upsert("consumers", consumer(number, &name)),
                upsert("services", service(number, &name)),
            ],
            _ => vec![upsert("consumers", consumer(number, &name))],
        };
        let committed = home.store.write(writes, "tests").await.unwrap();
        states.insert(committed.revision, home.store.state().0);
    }
    (home, states)
}

#[tokio::test]
async fn every_delta_leads_from_its_base_to_the_target() {
    let (home, states) = busy(60).await;
    for (&base, from) in &states {
        for (&target, to) in states.range(base..) {
            let changes = home
                .store
                .changes_between(base, target)
                .await
                .unwrap()
                .unwrap();
            let reached = from.apply(&changes).unwrap();
            assert!(reached.iter().eq(to.iter()), "{base} to {target}");
            assert_eq!(reached.digest(), to.digest(), "{base} to {target}");
        }
    }
}

#[tokio::test]
async fn a_delta_leaves_out_what_ends_as_it_began() {
    let home = Home::new();
    home.insert("consumers", consumer(1, "ann")).await;
    home.try_write(upsert("consumers", consumer(1, "bea")))
        .await
        .unwrap();
    home.insert("consumers", consumer(2, "cid")).await;
    home.try_write(delete("consumers", 2)).await.unwrap();
    home.try_write(upsert("consumers", consumer(1, "ann")))
        .await
        .unwrap();
    assert_eq!(
        home.store.changes_between(1, 5).await.unwrap(),
        Some(Vec::new())
    );
    assert_eq!(
        home.store
            .changes_between(1, 3)
            .await
            .unwrap()
            .map(|changes| changes.len()),
        Some(2)
    );
}

#[tokio::test]
async fn the_digest_kept_along_equals_the_one_computed_anew() {
    let (home, states) = busy(60).await;
    for (&revision, state) in &states {
        let mut digest = Digest::default();
        for (kind, id, payload) in state.iter() {
            digest.add(shared::sync::leaf(kind, id, payload));
        }
        assert_eq!(
            home.store.digest_at(revision).await.unwrap(),
            Some(digest),
            "{revision}"
        );
    }
}

#[tokio::test]
async fn an_older_state_is_the_newest_with_later_changes_undone() {
    let (home, states) = busy(60).await;
    for (&revision, expected) in &states {
        let (state, version) = home.store.state_at(revision).await.unwrap().unwrap();
        assert_eq!(version.revision, revision);
        assert_eq!(version.digest, expected.digest());
        assert!(state.iter().eq(expected.iter()), "{revision}");
    }
    assert!(
        home.store
            .state_at(home.store.head() + 1)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn the_log_is_trimmed_to_its_limits_and_never_above_what_is_kept() {
    let none = trim::Limits {
        revisions: u64::MAX,
        age_ms: i64::MAX / 2,
        bytes: u64::MAX,
    };
    let payload = shared::sync::canonical(&object(consumer(1, "n"))).len() as u64;
    let cases = [
        (
            "count",
            trim::Limits {
                revisions: 10,
                ..none
            },
            u64::MAX,
            20,
        ),
        (
            "age",
            trim::Limits {
                age_ms: -60_000,
                ..none
            },
            u64::MAX,
            30,
        ),
        (
            "size",
            trim::Limits {
                bytes: payload * 20,
                ..none
            },
            u64::MAX,
            20,
        ),
        (
            "kept",
            trim::Limits {
                revisions: 0,
                ..none
            },
            5,
            5,
        ),
        ("none", none, u64::MAX, 0),
    ];
    for (name, limits, keep, floor) in cases {
        let home = Home::new();
        for _ in 0..30 {
            home.try_write(upsert("consumers", consumer(1, "n")))
                .await
                .unwrap();
        }
        home.store.keep_log_from(keep);
        home.store.trim_log_to(limits).await.unwrap();
        let kept = floor + 1..=30;
        for revision in 1..=30 {
            let rows = home.store.log_of(revision).await.unwrap();
            assert_eq!(
                !rows.is_empty(),
                kept.contains(&revision),
                "{name} {revision}"
            );
        }
        assert!(
            home.store
                .changes_between(floor, 30)
                .await
                .unwrap()
                .is_some(),
            "{name}"
        );
        if floor > 0 {
            assert_eq!(
                home.store.changes_between(floor - 1, 30).await.unwrap(),
                None,
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn a_new_epoch_keeps_the_documents_and_is_above_the_old_one() {
    let (home, _) = busy(10).await;
    let before = home.store.version();
    let opened = home.store.new_epoch("test".into()).await.unwrap();
    assert!(opened.order(&before).is_gt());
    assert_eq!(
        (opened.revision, opened.digest),
        (before.revision, before.digest)
    );
    let home = home.reopened();
    assert_eq!(home.store.version(), opened);
    assert_eq!(home.store.epoch_start(), before.revision);
}
