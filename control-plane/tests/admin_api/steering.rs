//! The process itself: its log level, its cache, its memory, its settings (admin-api.md 11), and checklist 44.

use crate::client::Plane;
use serde_json::json;

#[tokio::test]
async fn the_log_level_changes_for_a_while() {
    let plane = Plane::start_with(&[("log_level", "warn")]).await;
    let level = async || plane.get("/debug/node/log-level").await.expect(200)["message"].clone();
    assert_eq!(level().await, "log level: warn");
    let put = async |path: &str| plane.raw("PUT", path, &[], "").await;
    let said = put("/debug/node/log-level/warn").await.expect(200);
    assert_eq!(said["message"], "log level is already warn");
    let said = put("/debug/node/log-level/error").await.expect(200);
    assert_eq!(said["message"], "log level changed");
    assert_eq!(level().await, "log level: error");
    // A change with an end of its own replaces the one before.
    put("/debug/node/log-level/crit?timeout=0")
        .await
        .expect(200);
    let begun = std::time::Instant::now();
    while level().await != "log level: warn" {
        assert!(begun.elapsed().as_secs() < 10, "it never ended");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let refused = put("/debug/node/log-level/loud").await.expect(400);
    assert_eq!(refused["message"], "unknown log level: loud");
    let refused = put("/debug/node/log-level/error?timeout=-1").await;
    assert_eq!(
        refused.expect(400)["message"],
        "timeout must be greater than or equal to 0"
    );
    let body = json!({ "timeout": "x" });
    let refused = plane.put("/debug/node/log-level/error", body).await;
    assert_eq!(refused.status, 400);
    assert_eq!(level().await, "log level: warn");
}

#[tokio::test]
async fn what_is_kept_in_memory_can_be_seen_and_dropped() {
    let plane = Plane::start().await;
    plane
        .post("/plugins", json!({ "name": "key-auth" }))
        .await
        .expect(201);
    assert_eq!(plane.get("/cache/enabled_plugins").await.status, 404);
    plane.get("/").await.expect(200);
    let kept = plane.get("/cache/enabled_plugins").await.expect(200);
    assert_eq!(kept, json!({ "message": ["key-auth"] }));
    for path in ["/cache", "/cache/enabled_plugins"] {
        plane.get("/").await.expect(200);
        assert_eq!(plane.delete(path).await.status, 204, "{path}");
        assert_eq!(plane.get("/cache/enabled_plugins").await.status, 404);
    }
    assert_eq!(plane.delete("/cache/none").await.status, 204);
    assert_eq!(
        plane.get("/cache/none").await.expect(404)["message"],
        "Not found"
    );
    // A write makes what was kept old.
    plane.get("/").await.expect(200);
    plane
        .post(
            "/plugins",
            json!({ "name": "acl", "config": { "allow": ["a"] } }),
        )
        .await
        .expect(201);
    assert_eq!(plane.get("/cache/enabled_plugins").await.status, 404);
}

#[tokio::test]
async fn memory_is_shown_in_the_unit_that_is_asked_for() {
    let plane = Plane::start().await;
    let shown = async |query: &str| {
        let body = plane.get(&format!("/status{query}")).await.expect(200);
        body["memory"]["workers_lua_vms"][0]["http_allocated_gc"].clone()
    };
    for (query, unit, digits) in [
        ("", " MiB", 2),
        ("?unit=k", " KiB", 2),
        ("?unit=M&scale=0", " MiB", 0),
        ("?unit=g&scale=4", " GiB", 4),
        ("?unit=m&scale=x", " MiB", 2),
    ] {
        let text = shown(query).await;
        let text = text.as_str().expect("a text").to_owned();
        let number = text
            .strip_suffix(unit)
            .unwrap_or_else(|| panic!("{query}: {text}"));
        let after = number.split_once('.').map_or(0, |(_, after)| after.len());
        assert_eq!(after, digits, "{query}: {text}");
    }
    assert!(
        shown("?unit=b")
            .await
            .as_u64()
            .is_some_and(|bytes| bytes > 1_000_000)
    );
    for (query, said) in [
        (
            "unit=x",
            "invalid unit 'x' (expected 'k/K', 'm/M', 'g/G' or 'b/B')",
        ),
        ("scale=-1", "scale must be equal or greater than 0"),
    ] {
        let refused = plane.get(&format!("/status?{query}")).await.expect(400);
        assert_eq!(refused["message"], said);
    }
}

#[tokio::test]
async fn the_root_shows_every_setting() {
    let settings = [
        ("admin_gui_url", "https://ui.test/path"),
        ("admin_max_body_size", "1m"),
    ];
    let plane = Plane::start_with(&settings).await;
    let root = plane.get("/").await.expect(200);
    let shown = &root["configuration"];
    assert_eq!(shown["admin_gui_url"], json!(["https://ui.test"]));
    assert_eq!(shown["admin_max_body_size"], "1m");
    assert_eq!(shown["admin_legacy_aliases"], json!(true));
    assert_eq!(shown["admin_ssl_cert_key"], json!(null));
    assert_eq!(shown["log_level"], "notice");
    assert_eq!(shown["database"], "sqlite");
    assert_eq!(shown["router_flavor"], "traditional_compatible");
    assert_eq!(shown["proxy_listeners"], json!([]));
    assert_eq!(shown["admin_listeners"][0]["ssl"], json!(false));
}

#[tokio::test]
async fn only_listed_origins_may_ask_if_there_is_a_list() {
    let settings = [
        (
            "admin_gui_url",
            "https://ui.test/manager, http://other.test:8002",
        ),
        ("admin_gui_origin", "https://first.test"),
    ];
    let plane = Plane::start_with(&settings).await;
    for (origin, allowed) in [
        (Some("https://ui.test"), "https://ui.test"),
        (Some("http://other.test:8002"), "http://other.test:8002"),
        (Some("https://first.test"), "https://first.test"),
        (Some("https://evil.test"), "https://first.test"),
        (Some("https://ui.test:444"), "https://first.test"),
        (None, "https://first.test"),
    ] {
        let header = origin.map(|origin| ("origin", origin));
        for (method, path) in [
            ("GET", "/services"),
            ("GET", "/none"),
            ("OPTIONS", "/services"),
        ] {
            let answer = plane.raw(method, path, header.as_slice(), "").await;
            let found = answer.header("access-control-allow-origin");
            assert_eq!(found, allowed, "{method} {path} {origin:?}");
            assert_eq!(answer.header("access-control-allow-credentials"), "true");
        }
    }
}
