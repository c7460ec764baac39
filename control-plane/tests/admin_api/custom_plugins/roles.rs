//! Who may change custom plugins: a role of its own.

use super::greeter;
use crate::access::{guarded, outside, token};
use serde_json::{Value, json};

#[tokio::test]
async fn changing_them_needs_the_role_code() {
    let plane = guarded().await;
    let mut tokens = Vec::new();
    for role in ["read", "write", "code"] {
        tokens.push((role, token(&plane, role, role).await));
    }
    let file = json!({ "_format_version": "3.0", "custom_plugins": [greeter()] });
    let batch = json!({ "operations": [
        { "method": "POST", "path": "/custom-plugins", "body": greeter() },
    ] });
    let cases = [
        ("POST", "/custom-plugins/validate", greeter(), 200),
        ("POST", "/schemas/custom_plugins/validate", greeter(), 200),
        ("PUT", "/custom-plugins/greeter", greeter(), 200),
        (
            "PATCH",
            "/custom-plugins/greeter",
            json!({ "tags": ["a"] }),
            200,
        ),
        ("POST", "/config?mode=merge", file, 200),
        ("DELETE", "/custom-plugins/greeter", Value::Null, 204),
        ("POST", "/headgate/batch", batch, 200),
        // It goes if the file does not have it.
        ("POST", "/config", json!({ "_format_version": "3.0" }), 201),
    ];
    for (method, path, body, good) in cases {
        for (role, token) in &tokens {
            let bearer = format!("Bearer {token}");
            let headers = [
                ("authorization", bearer.as_str()),
                ("content-type", "application/json"),
            ];
            let answer = outside(&plane, method, path, &headers, &body.to_string()).await;
            let expected = if *role == "code" { good } else { 403 };
            assert_eq!(
                answer.status, expected,
                "{role} {method} {path}: {answer:?}"
            );
            // A reader gets nowhere; a writer is told what is missing.
            if *role == "write" {
                let said = &answer.json()["message"];
                assert_eq!(
                    said, "'token:write' has the role 'write', and this needs 'code'",
                    "{path}"
                );
            }
        }
    }
    let bearer = format!("Bearer {}", tokens[0].1);
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(
        outside(&plane, "GET", "/custom-plugins", &headers, "")
            .await
            .status,
        200
    );
    // A file that leaves them as they are is a file like any other.
    plane.post("/custom-plugins", greeter()).await.expect(201);
    let exported = plane.get("/config").await.expect(200)["config"].clone();
    let bearer = format!("Bearer {}", tokens[1].1);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let same = json!({ "config": exported }).to_string();
    let again = outside(&plane, "POST", "/config", &headers, &same).await;
    assert_eq!(again.status, 201, "{again:?}");
}
