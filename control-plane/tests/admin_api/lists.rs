//! Lists and tags: checklist 20 to 23, sections 4.1 and 9 of the page.

use crate::client::Plane;
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn ten_services(plane: &Plane) {
    for number in 0..10 {
        let parity = if number % 2 == 0 { "even" } else { "odd" };
        let body =
            json!({ "name": format!("s{number}"), "host": "h.test", "tags": [parity, "all"] });
        assert_eq!(plane.post("/services", body).await.status, 201);
    }
}

#[tokio::test]
async fn pages_hold_every_row_once() {
    let plane = Plane::start().await;
    ten_services(&plane).await;
    let mut next = "/services?size=3".to_owned();
    let (mut sizes, mut seen) = (Vec::new(), BTreeSet::new());
    loop {
        let page = plane.get(&next).await.expect(200);
        let rows = page["data"].as_array().expect("a list");
        sizes.push(rows.len());
        for row in rows {
            assert!(seen.insert(row["id"].to_string()), "{row} came twice");
        }
        match page["next"].as_str() {
            Some(address) => {
                assert!(page["offset"].is_string());
                next = address.to_owned();
            }
            None => {
                assert!(page.get("offset").is_none(), "{page}");
                assert_eq!(page["next"], Value::Null);
                break;
            }
        }
    }
    assert_eq!((sizes, seen.len()), (vec![3, 3, 3, 1], 10));
}

#[tokio::test]
async fn a_page_that_holds_all_has_no_next() {
    let plane = Plane::start().await;
    ten_services(&plane).await;
    let page = plane.get("/services?size=10").await.expect(200);
    assert_eq!(page["data"].as_array().map(Vec::len), Some(10));
    assert_eq!((&page["next"], page.get("offset")), (&Value::Null, None));
    let ids: Vec<_> = page["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| row["id"].to_string())
        .collect();
    assert!(ids.is_sorted(), "rows come in the order of their ids");
}

#[tokio::test]
async fn bad_sizes_and_offsets_have_their_codes() {
    let plane = Plane::start().await;
    let cases = [
        ("size=0", 9, "size must be an integer between 1 and 1000"),
        ("size=1001", 9, "size must be an integer between 1 and 1000"),
        ("size=x", 9, "size must be a number"),
        ("size=", 9, "size must be a number"),
        (
            "offset=x",
            7,
            "'x' is not a valid offset: bad base64 encoding",
        ),
        (
            "offset=zzz",
            7,
            "'zzz' is not a valid offset: bad json encoding",
        ),
    ];
    for (query, code, message) in cases {
        let found = plane.get(&format!("/services?{query}")).await.expect(400);
        assert_eq!(
            (&found["code"], &found["message"]),
            (&json!(code), &json!(message)),
            "{query}"
        );
    }
}

#[tokio::test]
async fn tags_narrow_top_level_lists_only() {
    let plane = Plane::start().await;
    ten_services(&plane).await;
    let count = async |path: &str| {
        plane.get(path).await.expect(200)["data"]
            .as_array()
            .map(Vec::len)
    };
    assert_eq!(count("/services?tags=odd,all").await, Some(5));
    assert_eq!(count("/services?tags=odd/even").await, Some(10));
    assert_eq!(count("/services?tags=odd,even").await, Some(0));
    plane
        .post("/services/s0/routes", json!({ "paths": ["/a"] }))
        .await
        .expect(201);
    assert_eq!(count("/services/s0/routes?tags=none").await, Some(1));
    let cases = [
        ("a,b/c", "invalid filter syntax"),
        ("", "cannot be null"),
        ("a,b,c,d,e,f", "cannot query more than 5 tags"),
    ];
    for (tags, why) in cases {
        let found = plane
            .get(&format!("/services?tags={tags}"))
            .await
            .expect(400);
        assert_eq!(found["code"], 11);
        assert_eq!(found["message"], format!("invalid option (tags: {why})"));
        assert_eq!(found["options"], json!({ "tags": why }));
    }
}

#[tokio::test]
async fn the_next_address_carries_tags_and_size() {
    let plane = Plane::start().await;
    ten_services(&plane).await;
    let page = plane.get("/services?size=2&tags=odd,all").await.expect(200);
    let offset = page["offset"].as_str().expect("more rows");
    let expected = format!("/services?offset={offset}&tags=odd%2Call&size=2");
    assert_eq!(page["next"], expected);
    for number in 0..3 {
        let path = json!({ "paths": [format!("/{number}")] });
        plane.post("/services/s0/routes", path).await.expect(201);
    }
    let nested = plane.get("/services/s0/routes?size=2").await.expect(200);
    let offset = nested["offset"].as_str().expect("more rows");
    assert_eq!(
        nested["next"],
        format!("/services/s0/routes?offset={offset}")
    );
}

#[tokio::test]
async fn tags_are_rows_of_their_own() {
    let plane = Plane::start().await;
    let service = plane
        .post("/services", json!({ "host": "h.test", "tags": ["a", "b"] }))
        .await
        .id();
    plane
        .post("/consumers", json!({ "username": "c", "tags": ["a"] }))
        .await
        .expect(201);
    let all = plane.get("/tags").await.expect(200);
    assert_eq!(all["data"].as_array().map(Vec::len), Some(3));
    let one = plane.get("/tags/b").await.expect(200);
    let row = json!({ "entity_name": "services", "entity_id": service, "tag": "b" });
    assert_eq!(one, json!({ "data": [row], "next": null }));
    assert_eq!(plane.get("/tags/none").await.expect(200)["data"], json!([]));
    let bad = plane.get("/tags/a,b").await.expect(400);
    assert_eq!(
        (&bad["code"], &bad["name"]),
        (&json!(10), &json!("invalid unique tag"))
    );
    let first = plane.get("/tags?size=2").await.expect(200);
    let rest = plane
        .get(first["next"].as_str().expect("more rows"))
        .await
        .expect(200);
    assert_eq!(rest["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn consumers_are_found_by_their_custom_id() {
    let plane = Plane::start().await;
    plane
        .post("/consumers", json!({ "username": "c", "custom_id": "x" }))
        .await
        .expect(201);
    let found = plane.get("/consumers?custom_id=x").await.expect(200);
    assert_eq!(found["data"][0]["username"], "c");
    let none = plane.get("/consumers?custom_id=y").await.expect(200);
    assert_eq!(none, json!({ "data": [], "next": null }));
    for query in ["custom_id=", "custom_id"] {
        let found = plane.get(&format!("/consumers?{query}")).await.expect(400);
        assert_eq!(
            found,
            json!({ "message": "custom_id must be an unempty string" })
        );
    }
}
