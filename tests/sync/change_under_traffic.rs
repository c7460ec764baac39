//! R19, the short form: configuration changes while requests pass. No request fails, none sees two revisions (I1).

use std::time::Instant;

use serde_json::{Value, json};
use tests::traffic::Load;
use tests::wire::Reply;
use tests::{Gateway, Request, Setup, Upstream};

const CHANGES: usize = 1_000;

/// The documents that carry a stamp, in the order in which they are changed. At every revision the stamps are thus
/// n, n, …, n−1, n−1: a request that shows anything else was served from two revisions.
struct Stamped {
    service: String,
    route: String,
    plugin: String,
    global: String,
}

impl Stamped {
    async fn create(gateway: &Gateway, upstream: &Upstream) -> Stamped {
        let admin = gateway.admin();
        let path = |kind: &str, document: Value| {
            format!("/{kind}/{}", document["id"].as_str().expect("an id"))
        };
        let url = format!("{}/s0", upstream.url());
        let service = admin.create("/services", json!({ "url": url })).await;
        let route = json!({ "name": "r0", "paths": ["/"], "strip_path": false, "service": { "id": service["id"] } });
        let route = path("routes", admin.create("/routes", route).await);
        let plugin = admin
            .plugin(
                &route,
                "request-transformer",
                request_stamp(0)["config"].clone(),
            )
            .await;
        let global = admin
            .plugin(
                "",
                "response-transformer",
                response_stamp(0)["config"].clone(),
            )
            .await;
        Stamped {
            service: path("services", service),
            route,
            plugin: path("plugins", plugin),
            global: path("plugins", global),
        }
    }

    /// The change with this number, counted from 0.
    fn change(&self, number: usize) -> (&str, Value) {
        let stamp = number / 4 + 1;
        match number % 4 {
            0 => (&self.service, json!({ "path": format!("/s{stamp}") })),
            1 => (&self.route, json!({ "name": format!("r{stamp}") })),
            2 => (&self.plugin, request_stamp(stamp)),
            _ => (&self.global, response_stamp(stamp)),
        }
    }
}

fn request_stamp(stamp: usize) -> Value {
    json!({ "config": { "add": { "headers": [format!("X-Plugin:{stamp}")] } } })
}

fn response_stamp(stamp: usize) -> Value {
    json!({ "config": { "add": { "headers": [format!("X-Global:{stamp}")] } } })
}

/// What the request was served from: the service that was called, the route that was found, the plugin of the route, the
/// global plugin.
fn stamps(reply: &Reply) -> Option<[usize; 4]> {
    let number = |text: &str| {
        text.trim_start_matches(|c: char| !c.is_ascii_digit())
            .parse()
            .ok()
    };
    let path = reply.json()["path"].as_str()?.split('/').nth(1)?.to_owned();
    Some([
        number(&path)?,
        number(reply.header("kong-route-name")?)?,
        number(&reply.echoed("x-plugin")?)?,
        number(reply.header("x-global")?)?,
    ])
}

fn check(reply: &Reply) -> Result<(), String> {
    if reply.status != 200 || !reply.note.is_empty() {
        return Err(format!("failed: {reply}"));
    }
    let stamps = stamps(reply).ok_or_else(|| format!("a stamp is missing: {reply}"))?;
    let descending = stamps.is_sorted_by(|a, b| a >= b);
    match descending && stamps[0] - stamps[3] <= 1 {
        true => Ok(()),
        false => Err(format!(
            "two revisions in one request: service, route, plugin, global = {stamps:?}"
        )),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_changes_fail_no_request_and_mix_no_revisions() {
    let gateway = Gateway::with(Setup::node_flags(["--allow-debug-header", "on"])).await;
    let upstream = Upstream::start().await;
    let stamped = Stamped::create(&gateway, &upstream).await;
    gateway.settled().await;
    let request = Request::get("/t").header("Kong-Debug", "1");
    let load = Load::checked(gateway.node().proxy, request.clone(), 4, check);
    load.further(50).await;
    let begin = Instant::now();
    for number in 0..CHANGES {
        let (path, patch) = stamped.change(number);
        gateway.admin().patch(path, patch).await.expect_status(200);
    }
    gateway.settled().await;
    let took = begin.elapsed();
    let last = gateway.node().send(&request).await;
    assert_eq!(
        stamps(&last),
        Some([CHANGES / 4; 4]),
        "the last change is served: {last}"
    );
    load.further(50).await;
    let outcome = load.stop().await;
    outcome.assert_flawless();
    println!(
        "{CHANGES} changes in {took:?} under {} requests: none failed, none mixed",
        outcome.requests
    );
}
