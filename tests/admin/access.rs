//! Tokens as an operator handles them, and the audit over a crash.

use serde_json::{Value, json};
use tests::process::{Finished, Launch};
use tests::{Gateway, Request, Setup, wire};

async fn headgate_cp(gateway: &Gateway, words: &[&str], token: Option<&str>) -> Finished {
    let mut launch = Launch::new("headgate-cp", gateway.folder()).args(words.to_vec());
    if let Some(token) = token {
        launch = launch.variable("HEADGATE_ADMIN_TOKEN", token);
    }
    launch.run().await
}

#[tokio::test]
async fn every_acknowledged_write_has_its_row_in_the_audit_after_a_crash() {
    let mut gateway = Gateway::with(Setup::nodes(0)).await;
    let mut writers = tokio::task::JoinSet::new();
    let (acknowledges, mut acknowledged) = tokio::sync::watch::channel(0);
    for writer in 0..4 {
        let (admin, acknowledges) = (gateway.admin().clone(), acknowledges.clone());
        writers.spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0.. {
                let name = format!("w{writer}-{number}");
                let reply = admin.post("/consumers", json!({ "username": name })).await;
                match tests::admin::revision_of(&reply) {
                    Some(revision) => {
                        acknowledged.push(revision);
                        acknowledges.send_modify(|count| *count += 1);
                    }
                    None => break,
                }
            }
            acknowledged
        });
    }
    // In the middle of their work.
    let some = acknowledged.wait_for(|count| *count >= 40).await;
    some.expect("they write on");
    gateway.control_plane.kill();
    let mut acknowledged: Vec<u64> = Vec::new();
    while let Some(revisions) = writers.join_next().await {
        acknowledged.extend(revisions.expect("a writer does not panic"));
    }
    gateway.control_plane.restart().await;
    let mut audited = std::collections::BTreeSet::new();
    let mut next = "/headgate/audit?size=1000&kind=consumers".to_owned();
    loop {
        let page = gateway.admin().get(&next).await.expect_status(200).json();
        for row in page["data"].as_array().expect("rows") {
            assert_eq!(
                (&row["who"], &row["what"]),
                (&json!("loopback"), &json!("POST /consumers"))
            );
            let revision = row["revision"].as_u64().expect("a revision");
            assert!(audited.insert(revision), "revision {revision} twice");
        }
        match page["next"].as_str() {
            Some(path) => next = path.to_owned(),
            None => break,
        }
    }
    let missing: Vec<&u64> = acknowledged
        .iter()
        .filter(|one| !audited.contains(one))
        .collect();
    assert!(missing.is_empty(), "{missing:?} of {}", acknowledged.len());
    let head = gateway.admin().get("/headgate/data-planes").await.json()["head_revision"].clone();
    assert_eq!(
        head,
        json!(audited.len()),
        "a row for each revision, and none without"
    );
}

#[tokio::test]
async fn an_operator_makes_a_token_on_a_stopped_system_and_uses_it_over_tls() {
    let mut gateway = Gateway::with(Setup::nodes(0)).await;
    gateway.control_plane.kill();
    let state = gateway.folder().join("cp/state").display().to_string();
    let create = [
        "admin-token",
        "create",
        "--role",
        "admin",
        "--name",
        "ann",
        "--data-dir",
        &state,
        "--admin-listen",
        "off",
    ];
    let made = headgate_cp(&gateway, &create, None).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let ann = made.stdout.trim().to_owned();

    let folder = gateway.folder().join("cp");
    let process = Launch::new("headgate-cp", &folder)
        .args([
            "--data-dir",
            &state,
            "--admin-listen",
            "0.0.0.0:0 ssl http2",
        ])
        .args([
            "--sync-listen",
            "127.0.0.1:0",
            "--enroll-listen",
            "127.0.0.1:0",
        ])
        .start()
        .await;
    let port = process.address("admin_ssl").port();
    let url = format!("https://127.0.0.1:{port}");
    let words = |verb: &[&str]| -> Vec<String> {
        let mut words: Vec<String> = vec!["admin-token".to_owned()];
        words.extend(verb.iter().map(|word| (*word).to_owned()));
        words.extend(["--admin", &url, "--data-dir", &state].map(str::to_owned));
        words
    };
    let run = async |verb: &[&str], token: Option<&str>| {
        let words = words(verb);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        headgate_cp(&gateway, &words, token).await
    };
    let refused = run(&["list"], None).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("401") && refused.stderr.contains("needs a token"),
        "{refused:?}"
    );
    let made = run(&["create", "--role", "read", "--name", "ci"], Some(&ann)).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let ci = made.stdout.trim().to_owned();
    let refused = run(&["list"], Some(&ci)).await;
    assert!(refused.stderr.contains("403"), "{refused:?}");
    let listed = run(&["list"], Some(&ann)).await;
    assert_eq!(listed.stdout.lines().count(), 2, "{listed:?}");
    assert!(listed.stdout.contains("by token:ann"), "{listed:?}");
    let joining = ["token", "create", "--admin", &url, "--data-dir", &state];
    let joined = headgate_cp(&gateway, &joining, Some(&ann)).await;
    assert_eq!(joined.code, Some(0), "{joined:?}");

    let ask = async |path: &str, token: &str| {
        let conn = wire::Conn::tls(([127, 0, 0, 1], port).into(), None).await;
        let mut conn = conn.expect("TLS is served");
        let request = Request::get(path).header("Authorization", &format!("Bearer {token}"));
        conn.send(&request.bytes("localhost"))
            .await
            .expect("it reads");
        conn.reply("GET").await
    };
    ask("/services", &ci).await.expect_status(200);
    let audit: Value = ask("/headgate/audit", &ann).await.expect_status(200).json();
    let told: Vec<(&str, &str)> = audit["data"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| {
            (
                row["who"].as_str().unwrap_or(""),
                row["what"].as_str().unwrap_or(""),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("token:ann", "POST /headgate/tokens"),
            ("token:ann", "POST /headgate/admin-tokens"),
            ("cli", "admin-token create ann"),
        ]
    );
    let gone = run(&["revoke", "ci"], Some(&ann)).await;
    assert_eq!(gone.code, Some(0), "{gone:?}");
    ask("/services", &ci).await.expect_status(401);
}

#[tokio::test]
async fn commands_on_the_same_machine_need_no_token_even_where_others_do() {
    let gateway = Gateway::with(Setup::nodes(0)).await;
    let folder = gateway.folder().join("guarded");
    std::fs::create_dir_all(&folder).expect("a folder");
    let state = folder.join("state").display().to_string();
    let process = Launch::new("headgate-cp", &folder)
        .args(["--data-dir", &state, "--admin-listen", "0.0.0.0:0"])
        .args([
            "--sync-listen",
            "127.0.0.1:0",
            "--enroll-listen",
            "127.0.0.1:0",
        ])
        .start()
        .await;
    let listen = format!("0.0.0.0:{}", process.address("admin").port());
    let create = |state: &str, name: &str| -> Vec<String> {
        let words = ["admin-token", "create", "--role", "admin", "--name", name];
        let places = ["--admin-listen", &listen, "--data-dir", state];
        words
            .iter()
            .chain(&places)
            .map(|word| (*word).to_owned())
            .collect()
    };
    let run = async |words: Vec<String>| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        headgate_cp(&gateway, &words, None).await
    };
    let made = run(create(&state, "ann")).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let elsewhere = folder.join("elsewhere").display().to_string();
    let refused = run(create(&elsewhere, "bob")).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("401"), "{refused:?}");
    let port = process.address("admin").port();
    let bearer = format!("Bearer {}", made.stdout.trim());
    let request = Request::get("/headgate/audit").header("Authorization", &bearer);
    let audit = wire::exchange(([127, 0, 0, 1], port).into(), &request).await;
    let audit: Value = audit.expect_status(200).json();
    let rows = audit["data"].as_array().expect("rows");
    assert_eq!(
        rows.len(),
        1,
        "what a start leaves is no write of anybody's: {audit}"
    );
    assert_eq!(
        (&rows[0]["who"], &rows[0]["from"]),
        (&json!("local"), &json!("127.0.0.1"))
    );
    // The word is the folder's secret, and listed nowhere.
    let mode = std::fs::metadata(format!("{state}/admin.token")).expect("a file");
    let mode = std::os::unix::fs::PermissionsExt::mode(&mode.permissions());
    assert_eq!(mode & 0o777, 0o600);
    let request = Request::get("/headgate/admin-tokens").header("Authorization", &bearer);
    let listed = wire::exchange(([127, 0, 0, 1], port).into(), &request)
        .await
        .json();
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1), "{listed}");
}
