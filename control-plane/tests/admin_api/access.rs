//! Who may do what: tokens, roles, and what the audit keeps.

use crate::client::{Answer, Plane};
use http_body_util::BodyExt;
use serde_json::{Value, json};

/// A control plane whose first listener is for this machine and whose second one is for others as well.
pub async fn guarded() -> Plane {
    Plane::start_with(&[("admin_listen", "127.0.0.1:0, 0.0.0.0:0")]).await
}

/// A token, made through the listener that asks for none.
pub async fn token(plane: &Plane, name: &str, role: &str) -> String {
    let body = json!({ "name": name, "role": role });
    let made = plane.post("/headgate/admin-tokens", body).await.expect(201);
    made["token"].as_str().expect("a word").to_owned()
}

/// A request to the listener that asks for a token.
pub async fn outside(
    plane: &Plane,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut address = plane.running.admin[1];
    address.set_ip([127, 0, 0, 1].into());
    let stream = tokio::net::TcpStream::connect(address).await;
    let stream = hyper_util::rt::TokioIo::new(stream.expect("it listens"));
    let connected = hyper::client::conn::http1::handshake(stream).await;
    let (mut sender, connection) = connected.expect("it speaks HTTP");
    let connection = tokio::spawn(connection);
    let mut request = http::Request::builder().method(method).uri(path);
    for (name, value) in [("host", "cp.test")].iter().chain(headers) {
        request = request.header(*name, *value);
    }
    let body = http_body_util::Full::new(bytes::Bytes::copy_from_slice(body.as_bytes()));
    let answer = sender.send_request(request.body(body).expect("a request"));
    let (head, body) = answer.await.expect("an answer").into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    connection.abort();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body,
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_listener_that_others_reach_asks_for_a_token() {
    let plane = guarded().await;
    for path in ["/", "/services", "/none", "/robots.txt"] {
        let refused = outside(&plane, "GET", path, &[], "").await;
        let said = refused.expect(401)["message"].to_string();
        assert!(said.contains("needs a token"), "{path}: {said}");
        assert_eq!(
            refused.header("www-authenticate"),
            "Bearer realm=\"headgate\""
        );
        assert_eq!(refused.header("access-control-allow-origin"), "*");
    }
    // A browser asks before it sends a token.
    let preflight = outside(&plane, "OPTIONS", "/services", &[], "").await;
    assert_eq!(preflight.status, 204);
    let token = token(&plane, "ci", "write").await;
    let bearer = format!("Bearer {token}");
    for header in [
        ("authorization", bearer.as_str()),
        ("kong-admin-token", &token),
    ] {
        let body = r#"{"host":"h.test"}"#;
        let made = outside(&plane, "POST", "/services", &[header, JSON], body).await;
        assert_eq!(made.status, 201, "{made:?}");
        let missing = outside(&plane, "GET", "/none", &[header], "").await;
        assert_eq!(missing.status, 404);
    }
}

#[tokio::test]
async fn a_wrong_token_is_refused_on_every_listener() {
    let plane = guarded().await;
    let good = token(&plane, "ci", "read").await;
    let changed = match good.strip_suffix('A') {
        Some(rest) => format!("{rest}E"),
        None => format!("{}A", &good[..good.len() - 1]),
    };
    let cut = &good[..good.len() - 2];
    for word in [changed.as_str(), cut, "hga1_x", "é", ""] {
        let header = [("kong-admin-token", word)];
        for answer in [
            plane.raw("GET", "/services", &header, "").await,
            plane.raw("GET", "/none", &header, "").await,
            outside(&plane, "GET", "/services", &header, "").await,
        ] {
            let said = answer.expect(401)["message"].to_string();
            assert!(said.contains("the token is not valid"), "{word}: {said}");
            assert!(word.is_empty() || !said.contains(word), "{said}");
        }
    }
    let bearer = format!("Bearer {good}");
    let two = [
        ("authorization", bearer.as_str()),
        ("kong-admin-token", cut),
    ];
    let said = plane.raw("GET", "/services", &two, "").await.expect(401)["message"].to_string();
    assert!(said.contains("different tokens"), "{said}");
    // Another scheme is not ours to judge, and no token either.
    let basic = [("authorization", "Basic YTpi")];
    assert_eq!(plane.raw("GET", "/services", &basic, "").await.status, 200);
    assert_eq!(
        outside(&plane, "GET", "/services", &basic, "").await.status,
        401
    );
}

#[tokio::test]
async fn a_role_may_do_what_those_below_it_may() {
    let plane = guarded().await;
    plane.service("s").await;
    let service = r#"{"host":"h.test"}"#;
    let new_token = r#"{"name":"x","role":"read"}"#;
    let valid = r#"{"host":"h.test","name":"n"}"#;
    let cases: &[(&str, &str, &str, [u16; 3])] = &[
        ("GET", "/services", "", [200, 200, 200]),
        ("HEAD", "/services/s", "", [200, 200, 200]),
        ("POST", "/schemas/services/validate", valid, [200, 200, 200]),
        ("POST", "/services", service, [403, 201, 201]),
        ("PATCH", "/services/s", r#"{"port":81}"#, [403, 200, 200]),
        ("DELETE", "/services/none", "", [403, 204, 204]),
        ("GET", "/headgate/audit", "", [403, 403, 200]),
        ("GET", "/headgate/admin-tokens", "", [403, 403, 200]),
        ("POST", "/headgate/tokens", "{}", [403, 403, 201]),
        ("POST", "/headgate/admin-tokens", new_token, [403, 403, 201]),
        ("DELETE", "/headgate/admin-tokens/x", "", [403, 403, 204]),
        ("DELETE", "/cache", "", [403, 403, 204]),
        ("GET", "/debug/node/log-level", "", [200, 200, 200]),
        ("PUT", "/debug/node/log-level/notice", "", [403, 403, 200]),
    ];
    for (position, role) in ["read", "write", "admin"].into_iter().enumerate() {
        let bearer = format!("Bearer {}", token(&plane, role, role).await);
        for (method, path, body, statuses) in cases {
            let mut headers = vec![("authorization", bearer.as_str())];
            if !body.is_empty() {
                headers.push(JSON);
            }
            for answer in [
                outside(&plane, method, path, &headers, body).await,
                // On loopback a token says who it is, and is held to its role.
                plane.raw(method, path, &headers, body).await,
            ]
            .into_iter()
            .take(if *path == "/headgate/admin-tokens" && *method == "POST" {
                1
            } else {
                2
            }) {
                // A token that is gone already cannot be revoked again.
                if answer.status == 404 && *method == "DELETE" {
                    continue;
                }
                assert_eq!(answer.status, statuses[position], "{role} {method} {path}");
                if answer.status == 403 {
                    let said = answer.json()["message"].to_string();
                    let who = format!("'token:{role}' has the role '{role}', and this needs '");
                    assert!(said.contains(&who), "{said}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_token_is_shown_once_listed_without_its_word_and_revoked() {
    let plane = guarded().await;
    let body = json!({ "name": "ci", "role": "write", "expires": "30d" });
    let made = plane.post("/headgate/admin-tokens", body.clone()).await;
    let made = made.expect(201);
    let word = made["token"].as_str().expect("a word").to_owned();
    assert!(word.starts_with("hga1_") && word.len() > 40, "{word}");
    let (created, expires) = (&made["created_at"], &made["expires_at"]);
    let life = expires.as_u64().zip(created.as_u64()).map(|(a, b)| a - b);
    assert_eq!(life, Some(30 * 24 * 3600));
    let again = plane.post("/headgate/admin-tokens", body).await;
    let said = again.expect(409)["message"].to_string();
    assert!(said.contains("a token named 'ci' exists already"), "{said}");
    let listed = plane.get("/headgate/admin-tokens").await;
    assert!(!String::from_utf8_lossy(&listed.body).contains(&word[5..]));
    let listed = listed.expect(200);
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["data"][0]["name"], "ci");
    assert_eq!(listed["data"][0]["created_by"], "loopback");
    let members: Vec<&String> = listed["data"][0]
        .as_object()
        .expect("a token")
        .keys()
        .collect();
    assert!(
        !members.iter().any(|name| name.contains("hash")),
        "{members:?}"
    );
    let one = plane.get("/headgate/admin-tokens/ci").await.expect(200);
    assert_eq!(one, listed["data"][0]);
    let header = [("kong-admin-token", word.as_str())];
    assert_eq!(plane.raw("GET", "/services", &header, "").await.status, 200);
    assert_eq!(plane.delete("/headgate/admin-tokens/ci").await.status, 204);
    assert_eq!(plane.raw("GET", "/services", &header, "").await.status, 401);
    assert_eq!(plane.delete("/headgate/admin-tokens/ci").await.status, 404);
    // The name is free again, and the old word stays bad.
    token(&plane, "ci", "admin").await;
    assert_eq!(plane.raw("GET", "/services", &header, "").await.status, 401);
}

#[tokio::test]
async fn a_token_ends_when_it_said() {
    let plane = Plane::start().await;
    let body = json!({ "name": "short", "role": "read", "expires": 1 });
    let made = plane.post("/headgate/admin-tokens", body.clone()).await;
    let word = made.expect(201)["token"]
        .as_str()
        .expect("a word")
        .to_owned();
    let header = [("kong-admin-token", word.as_str())];
    let begun = std::time::Instant::now();
    let refused = loop {
        let answer = plane.raw("GET", "/services", &header, "").await;
        if answer.status != 200 {
            break answer;
        }
        assert!(begun.elapsed().as_secs() < 10, "it never ended");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(refused.expect(401)["message"], "the token has expired");
    plane.post("/headgate/admin-tokens", body).await.expect(201);
}

#[tokio::test]
async fn a_bad_request_for_a_token_names_its_members() {
    let plane = Plane::start().await;
    let body = json!({ "name": "a b", "role": "root", "expires": "soon", "x": 1 });
    let refused = plane.post("/headgate/admin-tokens", body).await.expect(400);
    assert_eq!(refused["code"], 2);
    let fields = &refused["fields"];
    assert_eq!(fields["role"], "expected one of: read, write, code, admin");
    assert_eq!(fields["x"], "unknown field");
    assert_eq!(
        fields["expires"],
        "expected a time such as 3600, 12h or 30d"
    );
    assert!(fields["name"].to_string().contains("invalid value 'a b'"));
    let refused = plane.post("/headgate/admin-tokens", json!({})).await;
    assert_eq!(
        refused.expect(400)["fields"],
        json!({ "name": "required field missing", "role": "required field missing" })
    );
}

#[tokio::test]
async fn an_unprotected_listener_is_open_and_says_so_in_the_audit() {
    let settings = [("admin_listen", "0.0.0.0:0"), ("admin_unprotected", "on")];
    let plane = Plane::start_with(&settings).await;
    plane.service("s").await;
    let rows = plane.get("/headgate/audit").await.expect(200);
    assert_eq!(rows["data"][0]["who"], "anonymous");
}

#[tokio::test]
async fn every_write_leaves_a_row_of_who_when_where_and_what() {
    let plane = guarded().await;
    let before = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a clock")
        .as_secs_f64();
    let id = plane.service("s").await;
    let bearer = format!("Bearer {}", token(&plane, "ci", "write").await);
    let header = ("authorization", bearer.as_str());
    let body = r#"{"port":81,"path":"/x"}"#;
    outside(&plane, "PATCH", "/services/s", &[header, JSON], body)
        .await
        .expect(200);
    plane.delete("/services/s").await;
    // What changes nothing is no write.
    plane.delete("/services/s").await;
    plane.get("/services").await.expect(200);
    plane.post("/services", json!({})).await.expect(400);
    let rows = plane.get("/headgate/audit").await.expect(200);
    let rows = rows["data"].as_array().expect("rows").clone();
    let told: Vec<(&str, &str, u64)> = rows
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().expect("a text");
            let revision = row["revision"].as_u64().expect("a revision");
            (text("who"), text("what"), revision)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("loopback", "DELETE /services/s", 3),
            ("token:ci", "PATCH /services/s", 2),
            ("loopback", "POST /headgate/admin-tokens", 1),
            ("loopback", "POST /services", 1),
        ]
    );
    assert_eq!(
        rows[1]["changes"],
        json!([{ "kind": "services", "id": id, "operation": "update", "fields": ["path", "port"] }])
    );
    assert_eq!(rows[3]["changes"][0]["operation"], "create");
    assert_eq!(rows[0]["changes"][0]["operation"], "delete");
    assert_eq!(rows[2]["changes"][0]["kind"], "cp/admin-tokens");
    for row in &rows {
        assert_eq!(row["from"], "127.0.0.1");
        assert_eq!(row["changed"], 1);
        let at = row["at"].as_f64().expect("a time");
        assert!((before - 1.0..before + 60.0).contains(&at), "{at}");
    }
}

#[tokio::test]
async fn the_audit_is_paged_and_filtered() {
    let plane = Plane::start().await;
    for number in 0..5 {
        plane.consumer(&format!("c{number}")).await;
    }
    plane.service("s").await;
    let whats = |body: &Value| -> Vec<String> {
        let rows = body["data"].as_array().expect("rows");
        let what = |row: &Value| row["what"].as_str().expect("a text").to_owned();
        rows.iter().map(what).collect()
    };
    let mut path = "/headgate/audit?size=2&kind=consumers".to_owned();
    let mut sizes = Vec::new();
    loop {
        let page = plane.get(&path).await.expect(200);
        assert!(whats(&page).iter().all(|what| what == "POST /consumers"));
        sizes.push(whats(&page).len());
        match page["next"].as_str() {
            Some(next) => path = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(sizes, [2, 2, 1]);
    let none = plane.get("/headgate/audit?who=token:x").await.expect(200);
    assert_eq!(whats(&none).len(), 0);
    let all = plane.get("/headgate/audit?who=loopback").await.expect(200);
    assert_eq!(whats(&all).len(), 6);
    let late = plane
        .get("/headgate/audit?since=4000000000")
        .await
        .expect(200);
    assert_eq!(whats(&late).len(), 0);
    let newest = all["data"][0]["at"].as_f64().expect("a time");
    let since = format!("/headgate/audit?since={newest}");
    assert_eq!(
        whats(&plane.get(&since).await.expect(200))[0],
        "POST /services"
    );
    for (query, code) in [
        ("since=x", 11),
        ("size=0", 9),
        ("offset=x", 7),
        ("offset=WyJ4Il0", 7),
    ] {
        let refused = plane.get(&format!("/headgate/audit?{query}")).await;
        assert_eq!(refused.expect(400)["code"], code, "{query}");
    }
}

#[tokio::test]
async fn the_key_of_a_credential_is_not_in_the_audit() {
    let plane = Plane::start().await;
    plane.consumer("c").await;
    let key = json!({ "key": "open-sesame-1" });
    plane.post("/consumers/c/key-auth", key).await.expect(201);
    plane
        .patch("/key-auths/open-sesame-1", json!({ "tags": ["t"] }))
        .await
        .expect(200);
    let key = json!({ "key": "open-sesame-2" });
    plane
        .patch("/consumers/c/key-auth/open-sesame-1", key)
        .await
        .expect(200);
    plane.delete("/key-auths/open-sesame-2").await;
    let audit = plane.get("/headgate/audit").await;
    let text = String::from_utf8_lossy(&audit.body);
    assert!(!text.contains("open-sesame"), "{text}");
    assert!(text.contains("PATCH /key-auths/******"), "{text}");
    assert!(text.contains("/consumers/c/key-auth/******"), "{text}");
    assert_eq!(
        audit.json()["data"][1]["changes"][0]["fields"],
        json!(["key"])
    );
}

#[tokio::test]
async fn an_operation_of_a_batch_that_fails_is_named_without_the_key_of_a_credential() {
    let plane = Plane::start().await;
    let operation = json!({ "method": "PATCH", "path": "/key-auths/open-sesame-1", "body": {} });
    let body = json!({ "operations": [operation] });
    let refused = plane.post("/headgate/batch", body).await;
    assert_eq!(
        refused.expect(404)["operation"]["path"],
        "/key-auths/******"
    );
    assert!(!String::from_utf8_lossy(&refused.body).contains("open-sesame"));
}
