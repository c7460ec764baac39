//! `/apis`: a service and a route of one name (admin-api.md 2.6).

use crate::client::Plane;
use serde_json::{Value, json};

#[tokio::test]
async fn an_api_is_a_service_and_a_route_in_one_revision() {
    let plane = Plane::start().await;
    let body = "name=orders&upstream_url=http://h.test:81/base&uris=/orders,/o&hosts=a.test&methods=GET,POST\
        &strip_uri=false&preserve_host=true&retries=2&upstream_connect_timeout=1000\
        &upstream_send_timeout=2000&upstream_read_timeout=3000&https_only=true";
    let made = plane.form("POST", "/apis", body).await;
    assert_eq!(made.header("headgate-revision"), "1");
    let made = made.expect(201);
    let service = plane.get("/services/orders").await.expect(200);
    let route = plane.get("/routes/orders").await.expect(200);
    let expected = json!({
        "id": service["id"], "name": "orders", "created_at": service["created_at"],
        "upstream_url": "http://h.test:81/base", "retries": 2,
        "upstream_connect_timeout": 1000, "upstream_send_timeout": 2000, "upstream_read_timeout": 3000,
        "uris": ["/orders", "/o"], "hosts": ["a.test"], "methods": ["GET", "POST"],
        "strip_uri": false, "preserve_host": true, "https_only": true,
    });
    assert_eq!(made, expected);
    assert_eq!(route["service"], json!({ "id": service["id"] }));
    for (field, value) in [
        ("connect_timeout", 1000),
        ("write_timeout", 2000),
        ("read_timeout", 3000),
        ("port", 81),
    ] {
        assert_eq!(service[field], value, "{field}");
    }
    assert_eq!(route["protocols"], json!(["https"]));
    assert_eq!(route["strip_path"], false);
    let id = made["id"].as_str().expect("an id");
    for path in [
        "/apis/orders".to_owned(),
        format!("/apis/{id}"),
        "/apis/orders/".to_owned(),
    ] {
        assert_eq!(plane.get(&path).await.expect(200), expected, "{path}");
    }
    assert_eq!(
        plane.get("/apis").await.expect(200),
        json!({ "data": [expected], "next": null })
    );
}

#[tokio::test]
async fn what_is_not_said_takes_the_defaults() {
    let plane = Plane::start().await;
    let body = json!({ "name": "a", "upstream_url": "https://h.test", "uris": ["/a"] });
    let made = plane.post("/apis", body).await.expect(201);
    for (member, value) in [
        ("upstream_url", json!("https://h.test")),
        ("strip_uri", json!(true)),
        ("preserve_host", json!(false)),
        ("https_only", json!(false)),
        ("retries", json!(5)),
        ("upstream_read_timeout", json!(60000)),
        ("hosts", Value::Null),
    ] {
        assert_eq!(made[member], value, "{member}");
    }
}

#[tokio::test]
async fn a_bad_api_is_refused_in_its_own_words_and_leaves_nothing() {
    let plane = Plane::start().await;
    let cases = [
        (json!({}), json!({ "name": "required field missing" })),
        (
            json!({ "name": "a", "uris": ["a"], "retries": -1 }),
            json!({
                "upstream_url": "required field missing",
                "retries": "value should be between 0 and 32767",
                "uris": ["should start with: / (fixed path) or ~/ (regex path)"],
            }),
        ),
        (
            json!({ "name": "a", "upstream_url": "ftp://h", "uris": ["/a"], "strip_uri": 1 }),
            json!({
                "upstream_url": "expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp, ws, wss",
                "strip_uri": "expected a boolean",
            }),
        ),
        (
            json!({ "name": "a", "upstream_url": "http://h", "paths": ["/a"], "https_only": "yes" }),
            json!({ "paths": "unknown field", "https_only": "expected a boolean" }),
        ),
    ];
    for (body, fields) in cases {
        let refused = plane.post("/apis", body.clone()).await.expect(400);
        assert_eq!(refused["code"], 2, "{body}");
        for (field, said) in fields.as_object().expect("fields") {
            let found = &refused["fields"][field];
            if field == "upstream_url"
                && said
                    .as_str()
                    .is_some_and(|text| text.contains("expected one of"))
            {
                assert!(found.to_string().contains("expected one of"), "{refused}");
            } else {
                assert_eq!(found, said, "{body} {field}");
            }
        }
    }
    // The route's name is taken: the service is not made either.
    plane.route("taken", None).await;
    let body = json!({ "name": "taken", "upstream_url": "http://h", "uris": ["/a"] });
    assert_eq!(plane.post("/apis", body).await.expect(409)["code"], 5);
    assert_eq!(plane.get("/services").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn an_api_is_changed_replaced_and_deleted_as_one() {
    let plane = Plane::start().await;
    let body =
        json!({ "name": "a", "upstream_url": "http://h.test", "uris": ["/a"], "retries": 1 });
    let made = plane.post("/apis", body).await.expect(201);
    let patch = json!({ "name": "b", "upstream_url": "http://i.test/p", "hosts": ["h"], "https_only": true });
    let changed = plane.patch("/apis/a", patch).await;
    assert_eq!(changed.header("headgate-revision"), "2");
    let changed = changed.expect(200);
    assert_eq!(changed["id"], made["id"]);
    assert_eq!(changed["retries"], 1);
    assert_eq!(changed["upstream_url"], "http://i.test/p");
    assert_eq!(plane.get("/apis/a").await.status, 404);
    assert_eq!(plane.get("/apis/b").await.expect(200), changed);
    let route = plane.get("/routes/b").await.expect(200);
    let put = json!({ "upstream_url": "http://j.test", "uris": ["/j"] });
    let replaced = plane.put("/apis/b", put.clone()).await;
    assert_eq!(replaced.header("headgate-revision"), "3");
    let replaced = replaced.expect(200);
    assert_eq!(
        (&replaced["id"], &replaced["retries"]),
        (&made["id"], &json!(5))
    );
    assert_eq!(
        (&replaced["hosts"], &replaced["https_only"]),
        (&Value::Null, &json!(false))
    );
    assert_eq!(plane.get("/routes/b").await.expect(200)["id"], route["id"]);
    let created = plane.put("/apis/c", put).await.expect(200);
    assert_eq!(created["name"], "c");
    let bad = plane
        .patch("/apis/c", json!({ "name": null }))
        .await
        .expect(400);
    assert_eq!(bad["fields"], json!({ "name": "required field missing" }));
    let gone = plane.delete("/apis/b").await;
    assert_eq!((gone.status, gone.header("headgate-revision")), (204, "5"));
    for path in ["/apis/b", "/services/b", "/routes/b"] {
        assert_eq!(plane.get(path).await.status, 404, "{path}");
    }
    assert_eq!(plane.delete("/apis/b").await.status, 404);
    assert_eq!(plane.patch("/apis/b", json!({})).await.status, 404);
}

#[tokio::test]
async fn a_service_without_a_route_of_its_name_is_no_api() {
    let plane = Plane::start().await;
    let service = plane.service("s").await;
    plane.service("other").await;
    plane.route("other", Some(&service)).await;
    for name in ["s", "other"] {
        let path = format!("/apis/{name}");
        assert_eq!(plane.get(&path).await.status, 404);
        assert_eq!(plane.delete(&path).await.status, 404);
        assert_eq!(plane.patch(&path, json!({})).await.status, 404);
        let put = json!({ "upstream_url": "http://h", "uris": ["/a"] });
        assert_eq!(plane.put(&path, put).await.status, 404);
    }
    assert_eq!(plane.get("/apis").await.expect(200)["data"], json!([]));
    plane.route("s", Some(&service)).await;
    assert_eq!(
        plane.get("/apis/s").await.expect(200)["uris"],
        json!(["/s"])
    );
    // Another route of the service stands in the way of its deletion, and the API stays whole.
    plane.route("more", Some(&service)).await;
    assert_eq!(plane.delete("/apis/s").await.expect(400)["code"], 4);
    assert_eq!(plane.get("/apis/s").await.status, 200);
}

#[tokio::test]
async fn plugins_of_an_api_are_those_of_its_service() {
    let plane = Plane::start().await;
    let body = "name=a&upstream_url=http://h.test&uris=/a";
    plane.form("POST", "/apis", body).await.expect(201);
    let added = plane
        .form("POST", "/apis/a/plugins", "name=key-auth")
        .await
        .expect(201);
    let id = added["id"].as_str().expect("an id");
    assert_eq!(
        plane.get(&format!("/plugins/{id}")).await.expect(200),
        added
    );
    let body = "name=request-transformer&api_id=a&config.add.headers=x-a:1,x-b:2";
    let by_name = plane.form("POST", "/plugins", body).await.expect(201);
    assert_eq!(by_name["service"], added["service"]);
    plane.delete("/apis/a").await;
    assert_eq!(plane.get("/plugins").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn apis_are_listed_page_by_page_and_are_gone_with_the_old_names() {
    let plane = Plane::start().await;
    for name in ["a", "b", "c"] {
        let body = format!("name={name}&upstream_url=http://h.test&uris=/{name}");
        plane.form("POST", "/apis", &body).await.expect(201);
    }
    let (mut path, mut names) = ("/apis?size=2".to_owned(), Vec::new());
    loop {
        let page = plane.get(&path).await.expect(200);
        let data = page["data"].as_array().expect("a list").clone();
        names.extend(
            data.iter()
                .map(|api| api["name"].as_str().expect("a name").to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => path = next.to_owned(),
            None => break,
        }
    }
    names.sort();
    assert_eq!(names, ["a", "b", "c"]);
    let strict = Plane::start_with(&[("admin_legacy_aliases", "off")]).await;
    for path in ["/apis", "/apis/a"] {
        assert_eq!(strict.get(path).await.status, 404, "{path}");
    }
}
