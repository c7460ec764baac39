//! The page's acceptance target (section 0), S1 to S10, with a plugin that makes the same calls as the guide's listing:
//! a third party that is a real HTTP server, a control plane, its stream, and two nodes.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::wire::Reply;
use tests::{Request, Setup, Upstream, http2, script};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::Stage;

const HANDLER: &str = include_str!("lua/third_party.lua");

/// `schema.lua`'s fields: the third party's address, the header to set, a time-out in milliseconds.
const FIELDS: &str = r#"
    { url = typedefs.url { required = true } },
    { header = typedefs.header_name { required = false, default = "X-Third-Party" } },
    { timeout = typedefs.timeout },
"#;

/// What a third party says that knows its own address.
const KNOWS: &str = "https://t/anything";

/// Two nodes with one worker each; `/ask` leads to the plugin, which asks as the query argument `say` says.
struct Asked {
    stage: Stage,
    third_party: Upstream,
}

impl Asked {
    async fn start() -> Asked {
        let mut setup = Setup::nodes(2);
        let flags = ["--workers", "1", "--custom-plugins-egress", "any"];
        setup.data_plane = flags.map(str::to_owned).to_vec();
        let (stage, third_party) = (Stage::with(setup).await, Upstream::start().await);
        stage.push_with("third-party", FIELDS, HANDLER).await;
        stage.route("ask", "/ask").await;
        let config = json!({ "url": third_party.url(), "header": "X-Told", "timeout": 20_000 });
        stage.plugin("ask", "third-party", config).await;
        stage.route("free", "/free").await;
        Asked { stage, third_party }
    }

    /// Another route with a plugin of these settings.
    async fn configured(&self, route: &str, config: serde_json::Value) {
        self.stage.route(route, &format!("/{route}")).await;
        self.stage.plugin(route, "third-party", config).await;
    }

    /// The same request to every node over HTTP/1.1 and HTTP/2.
    async fn everywhere(&self, request: &Request) -> Vec<Reply> {
        self.stage.gateway.settled().await;
        let mut replies = Vec::new();
        for node in &self.stage.gateway.nodes {
            replies.push(node.send(request).await);
            replies.push(http2::exchange(node.proxy_tls, request).await);
        }
        replies
    }
}

/// `GET path`, for which the third party answers as `says`.
fn asking(path: &str, says: &serde_json::Value) -> Request {
    let script = script(says);
    let code = script.trim_start_matches("/script/");
    Request::get(&format!("{path}?say={code}"))
}

fn knows() -> serde_json::Value {
    json!({ "json": { "url": KNOWS } })
}

/// `request`, answered by the upstream as `answer` says.
fn answered(request: Request, answer: &serde_json::Value) -> Request {
    request.header("X-Script", script(answer).trim_start_matches("/script/"))
}

#[track_caller]
fn assert_page(reply: &Reply, message: &str) {
    assert_eq!(reply.status, 500, "{reply}");
    assert_eq!(reply.header("content-type"), Some("text/html"), "{reply}");
    let id = reply
        .header("x-kong-request-id")
        .expect("every answer has an id");
    let text = reply.text();
    for line in [
        format!("<p>{message}.</p>"),
        format!("<p>request_id: {id}</p>"),
    ] {
        assert!(text.contains(&line), "no {line} in {reply}");
    }
    assert!(text.starts_with("<!doctype html>"), "{reply}");
    assert_eq!(
        reply.header("x-after-error"),
        None,
        "nothing runs after the error"
    );
}

#[tokio::test]
async fn what_the_third_party_says_reaches_the_client_through_two_nodes_s1_s3_s4_s6() {
    let asked = Asked::start().await;
    let answer =
        json!({ "status": 207, "headers": [["X-Own", "kept"]], "body": "of the upstream" });
    let request = answered(asking("/ask", &knows()), &answer);
    for (number, reply) in asked.everywhere(&request).await.iter().enumerate() {
        let headers = [
            "x-told",
            "x-own",
            "x-kinds",
            "content-length",
            "x-third-party",
        ];
        assert_eq!(
            (
                reply.status,
                &*reply.text(),
                headers.map(|name| reply.header(name))
            ),
            (
                207,
                "of the upstream",
                [
                    Some(KNOWS),
                    Some("kept"),
                    Some("nil string number"),
                    Some("15"),
                    None
                ]
            ),
            "S1 {reply}"
        );
        let calls = (number % 2 + 1).to_string();
        let loaded = (
            reply.header("x-calls"),
            reply.header("x-loaded-with-request"),
        );
        assert_eq!(loaded, (Some(&*calls), Some("false")), "S10 {reply}");
    }
    let broken = asking("/ask", &json!({ "body": "<html>no JSON</html>" }));
    for reply in asked.everywhere(&broken).await {
        let why = "Error when decoding 3rd party service response: \
                   Expected value but found invalid token at character 1";
        assert_page(&reply, why);
    }
    let nameless = asking("/ask", &json!({ "json": { "id": 1 } }));
    for reply in asked.everywhere(&nameless).await {
        assert_eq!(reply.status, 500, "S4 {reply}");
        let body = reply.json();
        assert_eq!(
            body["message"], "An unexpected error occurred",
            "S4 {reply}"
        );
        assert!(body["request_id"].is_string(), "S4 {reply}");
    }
    let why = r#"invalid header value for "X-Told": got nil, expected array of string, string, number or boolean"#;
    let line = asked.stage.logged(&["third-party", why]).await;
    assert!(line.contains("handler.lua:"), "where it was thrown: {line}");
    let long = "0123456789abcdef".repeat(5 * 1024 * 1024 / 16);
    for framing in ["length", "chunked"] {
        let script = json!({ "document": true, "framing": framing });
        if framing == "length" {
            asked.stage.upstream.document(long.clone().into_bytes());
        }
        for reply in asked
            .everywhere(&answered(asking("/ask", &knows()), &script))
            .await
        {
            assert_eq!(reply.status, 200, "S6 {}", reply.note);
            let length = reply.header("content-length").map(str::to_owned);
            assert_eq!(
                (reply.header("x-told"), reply.note),
                (Some(KNOWS), ""),
                "S6 {framing}"
            );
            assert_eq!(
                length,
                Some(long.len().to_string()),
                "S6 {framing}: made whole"
            );
            assert!(reply.text() == long, "S6 {framing}: the body is intact");
        }
    }
    assert_eq!(asked.third_party.last().header("accept-encoding"), None);
}

#[tokio::test]
async fn a_third_party_that_refuses_or_is_slow_ends_in_a_page_and_settings_have_defaults_s2_s5_s7_s8_s9()
 {
    let asked = Asked::start().await;
    let (admin, stage) = (asked.stage.gateway.admin(), &asked.stage);
    asked
        .configured("default", json!({ "url": asked.third_party.url() }))
        .await;
    asked
        .configured("refused", json!({ "url": "http://127.0.0.1:1" }))
        .await;
    asked
        .configured(
            "short",
            json!({ "url": asked.third_party.url(), "timeout": 300 }),
        )
        .await;
    for reply in asked.everywhere(&asking("/default", &knows())).await {
        assert_eq!(
            (reply.status, reply.header("x-third-party")),
            (200, Some(KNOWS)),
            "S5 {reply}"
        );
    }
    let trouble = "Error when trying to access 3rd party service";
    for reply in asked.everywhere(&Request::get("/refused")).await {
        assert_page(&reply, &format!("{trouble}: connection refused"));
    }
    let slow = json!({ "delay_ms": 2000, "json": { "url": KNOWS } });
    for reply in asked.everywhere(&asking("/short", &slow)).await {
        assert_page(&reply, &format!("{trouble}: timeout"));
    }
    // S7: one worker serves others meanwhile. The third party says nothing until they have been served.
    let held = json!({ "chunks": [knows()["json"].to_string()], "hold_after": 0 });
    let waiting = async {
        let reply = stage.ask(&asking("/ask", &held)).await;
        assert_eq!(
            (reply.status, reply.header("x-told")),
            (200, Some(KNOWS)),
            "S7 {reply}"
        );
    };
    let others = async {
        let third_party = &asked.third_party;
        tests::eventually("the third party is asked", || async {
            third_party.last().path.contains(&script(&held))
        })
        .await;
        for _ in 0..20 {
            stage.get("/free").await.expect_status(200);
            stage
                .ask(&asking("/ask", &knows()))
                .await
                .expect_status(200);
        }
        third_party.release();
    };
    tokio::join!(waiting, others);
    // S8: one line for each call; this node had two for each of three routes.
    let node = &asked.stage.gateway.nodes[1];
    node.send(&asking("/ask", &knows()))
        .await
        .expect_status(200);
    tests::eventually("each call is logged once", || async {
        let log = node.process.stderr();
        log.matches("asks the third party").count() == 7
    })
    .await;
    let line = stage
        .logged(&["[third-party]", "asks the third party"])
        .await;
    assert!(
        line.to_lowercase().contains("notice"),
        "S8: its level is named: {line}"
    );
    assert!(
        line.contains("handler.lua:"),
        "S8: file and line are named: {line}"
    );
    // S9
    let root = admin.get("/").await.expect_status(200).json();
    let about = &root["plugins"]["available_on_server"]["third-party"];
    assert_eq!(
        *about,
        json!({ "version": "0.0.1", "priority": 1000 }),
        "S9"
    );
    let document = admin
        .get("/custom-plugins/third-party")
        .await
        .expect_status(200)
        .json();
    let shown = ["name", "priority", "version", "phases"].map(|field| document[field].clone());
    let expected = [
        json!("third-party"),
        json!(1000),
        json!("0.0.1"),
        json!(["response"]),
    ];
    assert_eq!(shown, expected, "S9");
}

#[tokio::test]
async fn plugins_run_by_priority_and_equal_ones_by_descending_name_s9() {
    let stage = Stage::start(&[]).await;
    stage.route("all", "/all").await;
    for (name, priority) in [
        ("a-low", 5),
        ("c-same", 20),
        ("b-same", 20),
        ("z-below", -3),
        ("d-high", 1001),
    ] {
        let handler = format!(
            r#"
            local Plugin = {{ PRIORITY = {priority}, VERSION = "1.2.3" }}
            local function note(phase)
              local shared = kong.ctx.shared
              shared[phase] = (shared[phase] or "") .. " {name}"
            end
            function Plugin:access() note("access") end
            function Plugin:header_filter()
              note("header")
              kong.response.set_header("X-Access", kong.ctx.shared.access)
              kong.response.set_header("X-Header", kong.ctx.shared.header)
            end
            return Plugin"#
        );
        stage.push(name, &handler).await;
        stage.plugin("all", name, json!({})).await;
    }
    let reply = stage.gateway.get("/all").await.expect_status(200);
    let order = "d-high c-same b-same a-low z-below";
    let (access, header) = (reply.header("x-access"), reply.header("x-header"));
    assert_eq!((access, header), (Some(order), Some(order)), "{reply}");
}

/// 200 at once to a third party that takes its time, on one worker.
#[tokio::test]
async fn two_hundred_requests_wait_for_a_slow_third_party_at_once() {
    let asked = Asked::start().await;
    asked.stage.gateway.settled().await;
    let node = asked.stage.gateway.node();
    let slow = json!({ "delay_ms": 300, "json": { "url": KNOWS } });
    for by_http2 in [false, true] {
        let sender = http2::connect(node.proxy_tls).await;
        let begin = Instant::now();
        let mut all = JoinSet::new();
        for number in 0..200 {
            let answer = json!({ "body": format!("upstream {number}") });
            let request = answered(asking("/ask", &slow), &answer);
            let (address, mut sender) = (node.proxy, sender.clone());
            all.spawn(async move {
                let reply = match by_http2 {
                    true => http2::ask(&mut sender, &request).await,
                    false => tests::wire::exchange(address, &request).await,
                };
                let expected = (200, Some(KNOWS), format!("upstream {number}"));
                assert_eq!(
                    (reply.status, reply.header("x-told"), reply.text()),
                    expected,
                    "{reply}"
                );
            });
        }
        while let Some(done) = all.join_next().await {
            done.expect("every request gets its own answer");
        }
        let took = begin.elapsed();
        println!("200 requests, HTTP/2 {by_http2}: {took:?}");
        assert!(
            took < Duration::from_secs(15),
            "one after the other it is a minute: {took:?}"
        );
    }
}

/// S7's time-out where the plugin sets none.
#[tokio::test]
#[ignore = "takes a minute: cargo test -p tests --test plugins sixty_seconds -- --ignored"]
async fn without_a_time_out_of_its_own_a_plugin_waits_sixty_seconds() {
    let asked = Asked::start().await;
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a loopback port is free");
    let address = silent
        .local_addr()
        .expect("a bound listener has an address");
    let url = format!("http://{address}");
    asked.configured("default", json!({ "url": url })).await;
    asked.stage.gateway.settled().await;
    let slow = Request::get("/default");
    let begin = Instant::now();
    let mut conn = tests::wire::Conn::plain(asked.stage.gateway.node().proxy)
        .await
        .expect("the port is open");
    conn.send(&slow.bytes("gateway.test"))
        .await
        .expect("it is sent");
    let head = tokio::time::timeout(Duration::from_secs(90), conn.head()).await;
    let head = head.expect("the time-out comes").expect("it is answered");
    let took = begin.elapsed().as_secs();
    assert_eq!(head.status, 500);
    assert!((59..=63).contains(&took), "{took} s");
}
