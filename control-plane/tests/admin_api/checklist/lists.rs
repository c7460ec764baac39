//! Lists: 20 to 23.

use crate::client::Plane;
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn services(count: usize) -> Plane {
    let plane = Plane::start().await;
    for number in 0..count {
        let body = json!({ "name": format!("s{number}"), "host": "h.test", "tags": ["a", "b"] });
        plane.post("/services", body).await.expect(201);
    }
    plane
}

#[tokio::test]
async fn checklist_20_ten_rows_are_three_full_pages_and_one_row() {
    let plane = services(10).await;
    let mut next = json!("/services?size=3");
    let (mut sizes, mut seen) = (Vec::new(), BTreeSet::new());
    while let Some(address) = next.as_str() {
        let mut page = plane.get(address).await.expect(200);
        let rows = page["data"].as_array().expect("a list");
        sizes.push(rows.len());
        for row in rows {
            assert!(seen.insert(row["id"].to_string()), "{row} came twice");
        }
        assert_eq!(page.get("offset").is_some(), page["next"].is_string());
        next = page["next"].take();
    }
    assert_eq!((sizes, next), (vec![3, 3, 3, 1], Value::Null));
}

#[tokio::test]
async fn checklist_21_bad_sizes_and_offsets_have_codes() {
    let plane = Plane::start().await;
    let cases = [
        ("size=0", 9),
        ("size=1001", 9),
        ("size=x", 9),
        ("offset=x", 7),
    ];
    for (query, code) in cases {
        let found = plane.get(&format!("/services?{query}")).await.expect(400);
        assert_eq!(found["code"], code, "{query}");
    }
}

#[tokio::test]
async fn checklist_22_tags_are_all_or_any_of_at_most_five() {
    let plane = services(1).await;
    let other = json!({ "host": "h.test", "tags": ["a"] });
    plane.post("/services", other).await.expect(201);
    let path = json!({ "paths": ["/r"] });
    plane.post("/services/s0/routes", path).await.expect(201);
    let cases = [
        ("/services?tags=a,b", 1),
        ("/services?tags=a/b", 2),
        ("/services/s0/routes?tags=none", 1),
    ];
    for (path, count) in cases {
        let found = plane.get(path).await.expect(200);
        assert_eq!(
            found["data"].as_array().map(Vec::len),
            Some(count),
            "{path}"
        );
    }
    let cases = [
        ("a,b/c", "invalid filter syntax"),
        ("", "cannot be null"),
        ("a,b,c,d,e,f", "cannot query more than 5 tags"),
    ];
    for (tags, why) in cases {
        let found = plane.get(&format!("/services?tags={tags}")).await;
        let message = found.expect(400)["message"].take();
        assert_eq!(message, format!("invalid option (tags: {why})"));
    }
}

#[tokio::test]
async fn checklist_23_the_next_address_keeps_tags_and_size() {
    let plane = services(3).await;
    let page = plane.get("/services?size=2&tags=a,b").await.expect(200);
    let offset = page["offset"].as_str().expect("more rows");
    let expected = format!("/services?offset={offset}&tags=a%2Cb&size=2");
    assert_eq!(page["next"], expected);
}
