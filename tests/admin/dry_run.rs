//! A dry run's prediction against real traffic through a real node.

use serde_json::{Value, json};
use tests::Gateway;
use tests::upstream::Upstream;
use tests::wire::Request;

/// The request that the prediction describes.
fn request(told: &Value) -> Request {
    let text = |name: &str| told[name].as_str().expect("text");
    let request = Request::new(text("method"), text("path")).header("Host", text("host"));
    let headers = told["headers"].as_object().expect("an object");
    headers.iter().fold(request, |request, (name, value)| {
        request.header(name, value.as_str().expect("text"))
    })
}

/// Which service's upstream answers, by its path.
async fn served_by(gateway: &Gateway, told: &Value) -> Option<String> {
    let reply = gateway.send(request(told)).await;
    reply.header("x-served-by").map(str::to_owned)
}

#[tokio::test]
async fn a_dry_run_foretells_which_route_and_which_plugins_real_requests_get() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin();
    let upstream = Upstream::start().await;
    for name in ["wide", "narrow"] {
        admin.service(name, &upstream).await;
        let config = json!({ "add": { "headers": [format!("x-served-by:{name}")] } });
        admin
            .plugin(&format!("/services/{name}"), "response-transformer", config)
            .await;
    }
    admin
        .create(
            "/services/wide/routes",
            json!({ "name": "wide", "paths": ["/shop"] }),
        )
        .await;
    let operations = json!({ "operations": [
        {
            "method": "POST", "path": "/services/narrow/routes",
            "body": { "name": "narrow", "paths": ["/shop"], "headers": { "x-beta": ["yes"] } },
        },
        {
            "method": "POST", "path": "/routes/narrow/plugins",
            "body": { "name": "request-termination", "config": { "status_code": 418 } },
        },
    ] });
    let told = admin
        .post("/headgate/batch?dry_run=1", operations.clone())
        .await;
    let told = told.expect_status(200).json();
    let moved = told["impact"]["routes"]["moved"]
        .as_array()
        .expect("a list")
        .clone();
    assert!(!moved.is_empty(), "{told}");
    assert_eq!(
        told["impact"]["routes"]["shadowed"][0]["route"]["name"],
        "wide"
    );
    for one in &moved {
        assert_eq!(one["before"]["name"], "wide");
        assert_eq!(one["after"]["name"], "narrow");
    }
    gateway.settled().await;
    for one in &moved {
        assert_eq!(
            served_by(&gateway, one).await.as_deref(),
            Some("wide"),
            "nothing was written: {one}"
        );
    }
    admin
        .post("/headgate/batch?wait=applied", operations)
        .await
        .expect_status(200);
    let chains = told["impact"]["plugins"]["chains"]
        .as_array()
        .expect("a list");
    let after: Vec<&str> = chains
        .iter()
        .filter(|chain| chain["routes"][0]["name"] == "narrow")
        .flat_map(|chain| chain["after"].as_array().expect("a list"))
        .map(|turn| turn["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(
        after,
        ["response-transformer", "request-termination"],
        "{chains:?}"
    );
    for one in &moved {
        let reply = gateway.send(request(one)).await.expect_status(418);
        assert_eq!(reply.header("x-served-by"), Some("narrow"), "{one}");
    }
}
