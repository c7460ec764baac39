use super::*;

fn tagged(number: u128, tags: &[&str]) -> Value {
    json!({ "id": id(number), "username": format!("c{number}"), "custom_id": null, "tags": tags })
}

async fn ids(store: &Store, kind: &str, size: usize, filter: Filter) -> Vec<Vec<u128>> {
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = Page {
            after,
            size,
            filter: filter.clone(),
            search: None,
        };
        let listing = store.list(kind, page).await.unwrap();
        pages.push(
            listing
                .documents
                .iter()
                .map(|stored| stored.id.as_u128())
                .collect(),
        );
        after = listing.next;
        if after.is_none() {
            return pages;
        }
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[tokio::test]
async fn pages_ascend_by_id_and_the_last_has_no_next() {
    let home = Home::new();
    for number in [5, 1, 4, 2, 3] {
        home.insert("consumers", consumer(number, &format!("c{number}")))
            .await;
    }
    let cases: [(usize, &[&[u128]]); 4] = [
        (2, &[&[1, 2], &[3, 4], &[5]]),
        (5, &[&[1, 2, 3, 4, 5]]),
        (100, &[&[1, 2, 3, 4, 5]]),
        (1, &[&[1], &[2], &[3], &[4], &[5]]),
    ];
    for (size, expected) in cases {
        assert_eq!(
            ids(&home.store, "consumers", size, Filter::None).await,
            expected,
            "{size}"
        );
    }
    assert_eq!(
        ids(&home.store, "services", 10, Filter::None).await,
        [[0u128; 0]]
    );
}

#[tokio::test]
async fn a_list_is_narrowed_by_reference_and_by_tags() {
    let home = Home::new();
    for (number, tags) in [
        (1, &["a", "b"][..]),
        (2, &["a"]),
        (3, &["b", "a", "b"]),
        (4, &["c"]),
        (5, &[]),
    ] {
        home.insert("consumers", tagged(number, tags)).await;
    }
    for (number, owner) in [(11, 1), (12, 2), (13, 1), (14, 1)] {
        home.insert(
            "keyauth_credentials",
            key(number, &format!("k{number}"), owner),
        )
        .await;
    }
    home.insert(
        "services",
        json!({ "id": id(1), "name": "s", "client_certificate": null, "tags": ["a"] }),
    )
    .await;
    let of = |number| Filter::Refers {
        field: "consumer".to_owned(),
        to_kind: "consumers",
        to_id: id(number),
    };
    let cases: [(&str, Filter, &[&[u128]]); 7] = [
        ("keyauth_credentials", of(1), &[&[11, 13], &[14]]),
        ("keyauth_credentials", of(3), &[&[]]),
        (
            "consumers",
            Filter::AllTags(words(&["a"])),
            &[&[1, 2], &[3]],
        ),
        ("consumers", Filter::AllTags(words(&["a", "b"])), &[&[1, 3]]),
        (
            "consumers",
            Filter::AnyTag(words(&["b", "c"])),
            &[&[1, 3], &[4]],
        ),
        ("consumers", Filter::AnyTag(words(&["nobody"])), &[&[]]),
        ("consumers", Filter::AllTags(Vec::new()), &[&[]]),
    ];
    for (kind, filter, expected) in cases {
        let said = format!("{filter:?}");
        assert_eq!(ids(&home.store, kind, 2, filter).await, expected, "{said}");
    }
}

#[tokio::test]
async fn tags_are_listed_over_all_kinds() {
    let home = Home::new();
    home.insert("consumers", tagged(2, &["b", "a"])).await;
    home.insert(
        "services",
        json!({ "id": id(1), "name": "s", "client_certificate": null, "tags": ["a"] }),
    )
    .await;
    let row = |tag: &str, kind: &str, number| TagRow {
        tag: tag.to_owned(),
        kind: kind.to_owned(),
        id: id(number),
    };
    let all = [
        row("a", "consumers", 2),
        row("a", "services", 1),
        row("b", "consumers", 2),
    ];
    for cut in 0..all.len() {
        let after = cut.checked_sub(1).map(|last| all[last].clone());
        let page = home
            .store
            .tags(None, TagPage { after, size: 2 })
            .await
            .unwrap();
        assert_eq!(page, all[cut..all.len().min(cut + 2)], "{cut}");
    }
    let one = home
        .store
        .tags(
            Some("a".to_owned()),
            TagPage {
                after: None,
                size: 10,
            },
        )
        .await
        .unwrap();
    assert_eq!(one, all[..2]);
    home.try_write(delete("consumers", 2)).await.unwrap();
    let left = home
        .store
        .tags(
            None,
            TagPage {
                after: None,
                size: 10,
            },
        )
        .await
        .unwrap();
    assert_eq!(left, all[1..2]);
}

#[tokio::test]
async fn a_page_costs_the_same_wherever_it_lies() {
    let home = Home::new();
    let writes = (1..=3000)
        .map(|number| insert("consumers", tagged(number, &["t"])))
        .collect();
    home.store.write(writes, "tests").await.unwrap();
    for filter in [
        Filter::None,
        Filter::AllTags(words(&["t"])),
        Filter::AnyTag(words(&["t", "u"])),
    ] {
        let steps = [0u128, 2900].map(|after| {
            let connection =
                sqlite::open_reader(&home.folder.path().join(directory::DATABASE)).unwrap();
            let page = Page {
                after: Some(id(after)),
                size: 10,
                filter: filter.clone(),
                search: None,
            };
            let (sql, values) = query::statement("consumers", &page);
            let mut select = connection.prepare(&sql).unwrap();
            let mut rows = select.query(rusqlite::params_from_iter(values)).unwrap();
            while rows.next().unwrap().is_some() {}
            drop(rows);
            select.get_status(rusqlite::StatementStatus::VmStep)
        });
        let [near, far] = steps;
        assert!(
            far <= near * 2,
            "{filter:?}: {near} steps at the start, {far} near the end"
        );
    }
}

#[tokio::test]
async fn a_search_looks_at_a_bounded_number_of_documents_for_each_page() {
    let home = Home::new();
    let writes = (0..5_010).map(|number| {
        let name = if number == 3 || number == 5_005 {
            "found"
        } else {
            "other"
        };
        insert("consumers", consumer(number, &format!("{name}{number}")))
    });
    home.store.write(writes.collect(), "tests").await.unwrap();
    let page = |after| Page {
        after,
        size: 10,
        filter: Filter::None,
        search: Some(Search::new(vec!["username"], "FOUND")),
    };
    let told = |listing: &Listing| -> Vec<u128> {
        let documents = listing.documents.iter();
        documents.map(|stored| stored.id.as_u128()).collect()
    };
    let first = home.store.list("consumers", page(None)).await.unwrap();
    assert_eq!((told(&first), first.next), (vec![3], Some(id(4_999))));
    let second = home
        .store
        .list("consumers", page(first.next))
        .await
        .unwrap();
    assert_eq!((told(&second), second.next), (vec![5_005], None));
}
