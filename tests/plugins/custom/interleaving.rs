//! Requests that wait on one worker at the same time: each keeps its own context, headers and body (2.1), and they wait
//! together, not one after the other.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::wire::{Conn, Reply};
use tests::{Request, Upstream, http2, script};
use tokio::task::JoinSet;

use super::{Stage, handler};

const HANDLER: &str = include_str!("lua/interleaved.lua");

/// A request that waits three times so long in the middle of `access`.
fn slow(who: &str, wait: f64) -> Request {
    Request::new("POST", &format!("/slow?who={who}"))
        .header("X-Who", who)
        .header("X-Wait", &wait.to_string())
        .body(format!("body of {who}"))
}

#[track_caller]
fn assert_own(reply: &Reply, who: &str) {
    assert_eq!((reply.status, reply.note), (200, ""), "{who}: {reply}");
    assert_eq!(
        (reply.header("x-wrong"), reply.header("x-who")),
        (Some(""), Some(who)),
        "{reply}"
    );
    let text = reply.text();
    let (echo, tail) = text.rsplit_once('|').expect("body_filter adds to the body");
    assert_eq!(tail, who, "{reply}");
    let echo: serde_json::Value = serde_json::from_str(echo).expect("the upstream echoes");
    assert_eq!(echo["body"], format!("body of {who}+{who}"), "{reply}");
    let seen = json!(["x-seen-who", who]);
    let headers = echo["headers"]
        .as_array()
        .expect("the upstream echoes headers");
    assert!(headers.contains(&seen), "{who}: {headers:?}");
}

async fn interleaved() -> Stage {
    let stage = Stage::start(&[]).await;
    stage.push("interleaved", HANDLER).await;
    stage.route("slow", "/slow").await;
    stage.plugin("slow", "interleaved", json!({})).await;
    stage.gateway.settled().await;
    stage
}

#[tokio::test]
async fn slow_requests_on_one_worker_keep_their_own_context() {
    let stage = interleaved().await;
    let node = stage.gateway.node();
    let begin = Instant::now();
    // The first waits longest, so that the second begins after it and ends before it.
    let (first, second) = (slow("first", 0.3), slow("second", 0.1));
    let (one, two) = tokio::join!(node.send(&first), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let reply = node.send(&second).await;
        (reply, begin.elapsed())
    });
    assert_own(&one, "first");
    assert_own(&two.0, "second");
    assert!(two.1 < begin.elapsed(), "the second overtakes the first");
    let sender = http2::connect(node.proxy_tls).await;
    let mut all = JoinSet::new();
    for number in 0..60 {
        let (mut sender, address) = (sender.clone(), node.proxy);
        all.spawn(async move {
            let who = format!("n{number}");
            let request = slow(&who, 0.02 + f64::from(number % 7) / 50.0);
            let reply = match number % 3 {
                0 => tests::wire::exchange(address, &request).await,
                _ => http2::ask(&mut sender, &request).await,
            };
            assert_own(&reply, &who);
        });
    }
    while let Some(done) = all.join_next().await {
        done.expect("every request keeps what is its own");
    }
    for who in ["first", "second", "n0", "n59"] {
        stage
            .logged(&["[interleaved]", &format!("ended <{who}>")])
            .await;
    }
}

/// A client that goes away while its request waits takes nothing with it.
#[tokio::test]
async fn a_client_that_goes_away_leaves_the_others_alone() {
    let stage = interleaved().await;
    let node = stage.gateway.node();
    for number in 0..10 {
        let mut conn = Conn::plain(node.proxy).await.expect("the port is open");
        let request = slow(&format!("gone{number}"), 5.0);
        conn.send(&request.bytes("gateway.test"))
            .await
            .expect("it is sent");
        assert_own(&node.send(&slow("stays", 0.02)).await, "stays");
        drop(conn);
        assert_own(&node.send(&slow("after", 0.0)).await, "after");
    }
}

/// The issue: 1,000 concurrent calls to a 200 ms third party on one worker in under two seconds. A debug build on a busy
/// machine gets more; one after the other they would take 200 s.
#[tokio::test]
async fn a_thousand_calls_to_a_third_party_wait_together() {
    const CALLS: usize = 1_000;
    let stage = Stage::start(&[]).await;
    let third_party = Upstream::start().await;
    let asks = handler(
        r#"
        local http = require "resty.http"
        function Plugin:access(conf)
          local res, err = http.new():request_uri(conf.url)
          if err then return kong.response.exit(502, err) end
          return kong.response.exit(res.status, res.body)
        end"#,
    );
    let fields = "{ url = { type = \"string\", required = true } }";
    stage.push_with("asks", fields, &asks).await;
    stage.route("asks", "/asks").await;
    let url = format!(
        "{}{}",
        third_party.url(),
        script(&json!({ "delay_ms": 200, "body": "told" }))
    );
    stage.plugin("asks", "asks", json!({ "url": url })).await;
    stage.gateway.get("/asks").await.expect_status(200);
    let address = stage.gateway.node().proxy;
    // Connections first: what is measured is the worker, not the client's.
    let mut conns = Vec::new();
    for _ in 0..CALLS {
        conns.push(Conn::plain(address).await.expect("the port is open"));
    }
    let begin = Instant::now();
    let mut all = JoinSet::new();
    for mut conn in conns {
        all.spawn(async move {
            let request = Request::get("/asks").bytes("gateway.test");
            conn.send(&request).await.expect("it is sent");
            let reply = conn.reply("GET").await;
            assert_eq!((reply.status, &*reply.text()), (200, "told"), "{reply}");
        });
    }
    while let Some(done) = all.join_next().await {
        done.expect("every call is answered");
    }
    let took = begin.elapsed();
    println!("{CALLS} calls to a third party that takes 200 ms, on one worker: {took:?}");
    assert!(
        took < Duration::from_secs(10),
        "one after the other it is 200 s: {took:?}"
    );
}

/// A light thread that is killed while it reads the body leaves the body to whoever reads it next, and to the upstream.
#[tokio::test]
async fn a_body_that_is_not_read_to_its_end_is_not_lost() {
    let stage = Stage::start(&[]).await;
    let reads = handler(
        r#"
        function Plugin:access(conf)
          local function read() return kong.request.get_raw_body() end
          local one = ngx.thread.spawn(conf.ngx and ngx.req.read_body or read)
          ngx.sleep(0.1)
          if conf.both then
            local two = ngx.thread.spawn(read)
            assert(ngx.thread.kill(one) == 1)
            local ok, body = ngx.thread.wait(two)
            kong.service.request.set_header("X-Read", tostring(body))
          elseif conf.beside then
            local two = ngx.thread.spawn(read)
            local ok, body = ngx.thread.wait(two)
            kong.service.request.set_header("X-Read", tostring(body) .. " " .. tostring(select(2, ngx.thread.wait(one))))
          elseif conf.ends then
            return ngx.exit(ngx.OK)
          else
            assert(ngx.thread.kill(one) == 1)
          end
        end"#,
    );
    let fields = ["ngx", "both", "beside", "ends"]
        .map(|name| format!("{{ {name} = {{ type = \"boolean\" }} }}"));
    stage.push_with("reads", &fields.join(", "), &reads).await;
    // What the plugin does, and what it has read at last.
    let cases = [
        ("kill", json!({}), None),
        ("kill-ngx", json!({ "ngx": true }), None),
        ("next", json!({ "both": true }), Some("first and second")),
        (
            "next-ngx",
            json!({ "both": true, "ngx": true }),
            Some("first and second"),
        ),
        (
            "beside",
            json!({ "beside": true }),
            Some("first and second first and second"),
        ),
        ("ends", json!({ "ends": true }), None),
    ];
    for (name, config, _) in &cases {
        stage.route(name, &format!("/{name}")).await;
        stage.plugin(name, "reads", config.clone()).await;
    }
    stage.gateway.settled().await;
    // All of them at once: the pause has to outlast a busy machine.
    let proxy = stage.gateway.node().proxy;
    let asked = cases.into_iter().flat_map(|(name, _, read)| {
        ["Content-Length: 16", "Transfer-Encoding: chunked"].map(|framing| (name, framing, read))
    });
    let asked = asked.map(|(name, framing, read)| async move {
        let chunked = framing.starts_with('T');
        let piece = |text: &str| match chunked {
            true => format!("{:x}\r\n{text}\r\n", text.len()),
            false => text.to_owned(),
        };
        let mut conn = Conn::plain(proxy).await.expect("the port is open");
        let head = format!("POST /{name} HTTP/1.1\r\nHost: a.test\r\n{framing}\r\n\r\n");
        let first = head + &piece("first ");
        conn.send(first.as_bytes()).await.expect("it is sent");
        tokio::time::sleep(Duration::from_secs(2)).await;
        let second = piece("and second") + if chunked { "0\r\n\r\n" } else { "" };
        conn.send(second.as_bytes()).await.expect("it is sent");
        let reply = conn.reply("POST").await.expect_status(200);
        let got = (&reply.json()["body"], reply.echoed("x-read"));
        let expected = (&json!("first and second"), read.map(str::to_owned));
        assert_eq!(got, expected, "{name}, {framing}: {reply}");
    });
    futures_util::future::join_all(asked).await;
}
