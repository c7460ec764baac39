//! `?filter=`: a text in names, hosts and paths.

use crate::client::Plane;
use serde_json::{Value, json};

/// The `field` of every row, over all pages.
async fn all(plane: &Plane, address: &str, field: &str) -> Vec<String> {
    let (mut next, mut found) = (address.to_owned(), Vec::new());
    loop {
        let page = plane.get(&next).await.expect(200);
        let rows = page["data"].as_array().expect("a list").iter();
        found.extend(rows.map(|row| row[field].as_str().unwrap_or_default().to_owned()));
        match &page["next"] {
            Value::String(address) => next = address.clone(),
            _ => break,
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_filter_looks_into_names_hosts_and_paths() {
    let plane = Plane::start().await;
    let routes = [
        json!({ "name": "shop", "paths": ["/cart", "/Checkout"], "tags": ["a"] }),
        json!({ "name": "news", "hosts": ["shop.test"] }),
        json!({ "name": "other", "paths": ["~/b/(?<cart>x)"], "tags": ["a", "b"] }),
        json!({ "name": "none", "paths": ["/none"] }),
    ];
    for route in routes {
        plane.post("/routes", route).await.expect(201);
    }
    let cases: [(&str, &[&str]); 7] = [
        ("filter=shop", &["news", "shop"]),
        ("filter=SHOP", &["news", "shop"]),
        ("filter=checkout", &["shop"]),
        ("filter=cart", &["other", "shop"]),
        ("filter=cart&tags=b", &["other"]),
        ("filter=cart&size=1&tags=a/b", &["other", "shop"]),
        ("filter=zzz", &[]),
    ];
    for (query, expected) in cases {
        let found = all(&plane, &format!("/routes?{query}"), "name").await;
        assert_eq!(found, expected, "{query}");
    }
    plane
        .post(
            "/consumers",
            json!({ "username": "ann", "custom_id": "Crm-7" }),
        )
        .await
        .expect(201);
    plane.consumer("bob").await;
    assert_eq!(
        all(&plane, "/consumers?filter=crm", "username").await,
        ["ann"]
    );
    assert_eq!(
        all(&plane, "/consumers?filter=o", "username").await,
        ["bob"]
    );
    let service = plane.service("s").await;
    plane.route("mine", Some(&service)).await;
    plane.route("more", Some(&service)).await;
    assert_eq!(
        all(&plane, "/services/s/routes?filter=or", "name").await,
        ["more"]
    );
}

#[tokio::test]
async fn the_next_page_carries_the_filter() {
    let plane = Plane::start().await;
    for number in 0..7 {
        plane
            .service(&format!("a b{number}").replace(' ', "-"))
            .await;
        plane.service(&format!("c{number}")).await;
    }
    let page = plane.get("/services?filter=a-b&size=3").await.expect(200);
    assert_eq!(page["data"].as_array().map(Vec::len), Some(3));
    let next = page["next"].as_str().expect("there is more");
    assert!(
        next.contains("&size=3") && next.contains("&filter=a-b"),
        "{next}"
    );
    assert_eq!(
        all(&plane, "/services?filter=a-b&size=3", "name")
            .await
            .len(),
        7
    );
    let last = plane.get("/services?filter=a-b&size=7").await.expect(200);
    assert_eq!(
        (&last["next"], last["data"].as_array().map(Vec::len)),
        (&Value::Null, Some(7))
    );
}

#[tokio::test]
async fn a_filter_that_cannot_find_anything_is_refused() {
    let plane = Plane::start().await;
    let cases = [
        ("/services?filter=", "expected 1 to 256 bytes of text"),
        ("/key-auths?filter=a", "'key-auths' have nothing to search"),
    ];
    for (address, why) in cases {
        let found = plane.get(address).await.expect(400);
        let expected = json!({
            "code": 11, "name": "invalid options", "message": format!("invalid option (filter: {why})"),
            "options": { "filter": why },
        });
        assert_eq!(found, expected);
    }
    let long = "x".repeat(257);
    assert_eq!(
        plane.get(&format!("/services?filter={long}")).await.status,
        400
    );
}
