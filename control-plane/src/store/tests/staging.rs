//! Writes that are tried are judged as real ones, and seen by nobody else.

use super::*;
use std::collections::BTreeMap;

async fn name_of(store: &Store, kind: &str, number: u128) -> Option<String> {
    let found = store.get(kind, id(number)).await.unwrap()?;
    Some(found.document["name"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_stage_sees_what_it_wrote_and_nobody_else_does() {
    let home = Home::new();
    home.insert("services", service(1, "one")).await;
    let stage = home.store.stage().await.unwrap();
    let writes = vec![
        insert("services", service(2, "two")),
        upsert("services", service(1, "uno")),
        insert("routes", route(3, "r", Some(2))),
    ];
    let tried = stage.write(writes, "tests").await.unwrap();
    assert_eq!(tried.revision, 2);
    assert_eq!(name_of(&stage, "services", 1).await.as_deref(), Some("uno"));
    let found = |name: &'static str| {
        let stage = stage.clone();
        async move {
            stage
                .find("services", "name", name)
                .await
                .unwrap()
                .map(|found| found.id)
        }
    };
    assert_eq!(found("two").await, Some(id(2)));
    assert_eq!(found("uno").await, Some(id(1)));
    assert_eq!(found("one").await, None);
    let page = |filter| Page {
        after: None,
        size: 10,
        filter,
        search: None,
    };
    let listed = stage.list("services", page(Filter::None)).await.unwrap();
    let ids: Vec<Uuid> = listed.documents.iter().map(|stored| stored.id).collect();
    assert_eq!(ids, [id(1), id(2)]);
    let of_service = Filter::Refers {
        field: "service".to_owned(),
        to_kind: "services",
        to_id: id(2),
    };
    assert_eq!(
        stage
            .list("routes", page(of_service))
            .await
            .unwrap()
            .documents
            .len(),
        1
    );

    assert_eq!(
        name_of(&home.store, "services", 1).await.as_deref(),
        Some("one")
    );
    assert_eq!(name_of(&home.store, "services", 2).await, None);
    assert_eq!((home.store.head(), home.store.state().0.len()), (1, 1));
}

#[tokio::test]
async fn a_stage_stays_at_its_snapshot_and_holds_nobody_up() {
    let home = Home::new();
    home.insert("services", service(1, "one")).await;
    let stage = home.store.stage().await.unwrap();
    stage
        .write(vec![upsert("services", service(1, "tried"))], "tests")
        .await
        .unwrap();
    home.try_write(upsert("services", service(1, "real")))
        .await
        .unwrap();
    home.insert("services", service(2, "two")).await;
    assert_eq!(
        name_of(&stage, "services", 1).await.as_deref(),
        Some("tried")
    );
    assert_eq!(name_of(&stage, "services", 2).await, None);
    assert_eq!(stage.effects().unwrap().base, 1);
}

#[tokio::test]
async fn effects_are_the_first_and_the_last_of_each_document() {
    let home = Home::new();
    home.insert("services", service(1, "one")).await;
    home.insert("consumers", consumer(2, "ann")).await;
    home.insert("acls", acl(3, "g", 2)).await;
    let stage = home.store.stage().await.unwrap();
    let writes = [
        vec![upsert("services", service(1, "other"))],
        vec![upsert("services", service(1, "one"))],
        vec![insert("routes", route(4, "r", None))],
        vec![upsert("routes", route(4, "s", None))],
        vec![insert("services", service(5, "five"))],
        vec![delete("services", 5)],
        vec![delete("consumers", 2)],
    ];
    for write in writes {
        stage.write(write, "tests").await.unwrap();
    }
    let effects = stage.effects().unwrap().effects;
    let told: Vec<(&str, Uuid, bool, bool, bool)> = effects
        .iter()
        .map(|one| {
            (
                one.kind.as_str(),
                one.id,
                one.before.is_some(),
                one.after.is_some(),
                one.cascade,
            )
        })
        .collect();
    let expected = [
        ("acls", id(3), true, false, true),
        ("consumers", id(2), true, false, false),
        ("routes", id(4), false, true, false),
    ];
    assert_eq!(told, expected);
    let route: Value = serde_json::from_slice(effects[2].after.as_ref().unwrap()).unwrap();
    assert_eq!(route["name"], "s");
}

#[tokio::test]
async fn what_was_tried_becomes_one_revision() {
    let home = Home::new();
    home.insert("services", service(1, "one")).await;
    let stage = home.store.stage().await.unwrap();
    for name in ["a", "b"] {
        // Read, changed and written twice: the second change is of what was only tried.
        let revision = stage
            .get("services", id(1))
            .await
            .unwrap()
            .unwrap()
            .revision;
        stage
            .write(
                vec![update("services", service(1, name), Some(revision))],
                "tests",
            )
            .await
            .unwrap();
    }
    stage
        .write(vec![insert("routes", route(2, "r", Some(1)))], "tests")
        .await
        .unwrap();
    assert_eq!(home.store.head(), 1);
    let committed = stage.commit_staged("tests").await.unwrap();
    assert_eq!(committed.revision, 2);
    assert_eq!(
        name_of(&home.store, "services", 1).await.as_deref(),
        Some("b")
    );
    assert_eq!(home.store.log_of(2).await.unwrap().len(), 3);
    drop(stage);
    let home = home.reopened();
    assert_eq!(home.store.state().0.len(), 2);
}

#[tokio::test]
async fn a_change_of_what_others_changed_meanwhile_is_not_committed() {
    let home = Home::new();
    home.insert("services", service(1, "one")).await;
    let stage = home.store.stage().await.unwrap();
    stage
        .write(
            vec![update("services", service(1, "mine"), Some(1))],
            "tests",
        )
        .await
        .unwrap();
    home.try_write(upsert("services", service(1, "theirs")))
        .await
        .unwrap();
    let refused = rejection(stage.commit_staged("tests").await);
    assert!(matches!(refused, Rejection::Changed { .. }), "{refused:?}");
    assert_eq!(
        name_of(&home.store, "services", 1).await.as_deref(),
        Some("theirs")
    );
}

#[tokio::test]
async fn a_reference_that_was_taken_back_needs_nothing() {
    let home = Home::new();
    home.insert("services", service(1, "one")).await;
    home.insert("services", service(2, "two")).await;
    let writes = vec![
        insert("routes", route(3, "r", Some(1))),
        upsert("routes", route(3, "r", Some(2))),
        delete("services", 1),
    ];
    home.store.write(writes, "tests").await.unwrap();
    assert_eq!(home.store.state().0.len(), 2);
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }

    fn write(&mut self) -> Write {
        let number = u128::from(self.below(6));
        let name = format!("n{}", self.below(5));
        let target = (self.below(3) > 0).then(|| u128::from(self.below(6)));
        let (kind, document) = match self.below(4) {
            0 => ("services", service(number, &name)),
            1 => ("routes", route(number, &name, target)),
            2 => ("consumers", consumer(number, &name)),
            _ => ("plugins", plugin(number, "acl", [target, None, None])),
        };
        match self.below(4) {
            0 => insert(kind, document),
            1 => update(kind, document, None),
            2 => upsert(kind, document),
            _ => delete(kind, number),
        }
    }
}

/// Every document of a store by kind and id.
fn documents(store: &Store) -> BTreeMap<(String, Uuid), bytes::Bytes> {
    let (state, _) = store.state();
    let all = state
        .iter()
        .map(|(kind, id, payload)| ((kind.to_string(), *id), payload.clone()));
    all.collect()
}

#[tokio::test]
async fn a_stage_judges_every_write_as_the_writer_does() {
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let (real, tried) = (Home::new(), Home::new());
        for _ in 0..30 {
            let write = dice.write();
            let _ = real.try_write(write.clone()).await;
            let _ = tried.try_write(write).await;
        }
        let before = documents(&real.store);
        let stage = tried.store.stage().await.unwrap();
        for _ in 0..60 {
            let count = 1 + dice.below(3);
            let writes: Vec<Write> = (0..count).map(|_| dice.write()).collect();
            let expected = real.store.write(writes.clone(), "tests").await;
            let found = stage.write(writes.clone(), "tests").await;
            let told = |outcome: Result<Committed, WriteError>| match outcome {
                Ok(_) => None,
                Err(WriteError::Rejected { index, reason }) => Some((index, reason)),
                Err(other) => panic!("{other}"),
            };
            assert_eq!(told(found), told(expected), "{seed}: {writes:?}");
        }
        let after = documents(&real.store);
        let mut foretold = before;
        for effect in stage.effects().unwrap().effects {
            let place = (effect.kind, effect.id);
            assert_eq!(foretold.get(&place), effect.before.as_ref(), "{seed}");
            match effect.after {
                Some(payload) => foretold.insert(place, payload),
                None => foretold.remove(&place),
            };
        }
        assert_eq!(foretold, after, "{seed}");
        stage.commit_staged("tests").await.unwrap();
        assert_eq!(documents(&tried.store), after, "{seed}");
    }
}
