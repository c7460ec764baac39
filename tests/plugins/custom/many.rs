//! Thousands of pieces of Lua on one worker. LuaJIT lets Rust hold some 7,990 values of a machine at once; what is
//! configured does not count.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::wire::Conn;
use tests::{Request, Upstream};
use tokio::task::JoinSet;

use super::{Stage, handler, source};

const ROUTES: usize = 100;
/// In each phase of each route's functions, and of its templates: 20,000 of either.
const CHUNKS: usize = 100;

/// A file with a plugin in Lua that each route has a configuration of, with functions and with templates.
fn document(upstream: &Upstream) -> Value {
    let adds = handler(
        r#"
        function Plugin:access(conf)
          kong.service.request.set_header("X-Own", conf.number)
        end
        function Plugin:header_filter(conf)
          kong.response.set_header("X-Own", conf.number)
        end"#,
    );
    let count =
        |phase: &str| format!("kong.ctx.shared.{phase} = (kong.ctx.shared.{phase} or 0) + 1");
    let last = "kong.response.set_header('X-Ran', kong.ctx.shared.a .. ' ' .. kong.ctx.shared.h)";
    let routes = (0..ROUTES).map(|route| {
        let mut filters = vec![count("h"); CHUNKS];
        filters.push(last.to_owned());
        let templates = |name: &str| -> Vec<String> {
            let template = |n| format!("X-{name}{n}:$(('{route}' .. 'x'):upper() .. {n})");
            (0..CHUNKS).map(template).collect()
        };
        let config = json!({
            "add": { "headers": templates("A") },
            "append": { "headers": templates("P") },
        });
        json!({
            "name": format!("r{route}"),
            "paths": [format!("/r{route}")],
            "plugins": [
                { "name": "adds", "config": { "number": route } },
                { "name": "pre-function", "config": {
                    "access": vec![count("a"); CHUNKS],
                    "header_filter": filters,
                } },
                { "name": "request-transformer", "config": config },
            ],
        })
    });
    json!({
        "_format_version": "3.0",
        "custom_plugins": [source("adds", "{ number = { type = \"integer\" } }", &adds)],
        "services": [{
            "name": "many",
            "url": upstream.url(),
            "routes": routes.collect::<Vec<_>>(),
        }],
    })
}

#[tokio::test]
async fn thousands_of_pieces_of_lua_are_served_by_one_worker() {
    let stage = Stage::start(&[]).await;
    let admin = stage.gateway.admin();
    let loaded = admin.post("/config", document(&stage.upstream)).await;
    loaded.expect_status(201);
    stage.gateway.settled().await;
    let address = stage.gateway.node().proxy;
    let begun = Instant::now();
    // Twice: everything is loaded by the first request, and still there for the second.
    for _ in 0..2 {
        let mut all = JoinSet::new();
        for lane in 0..4 {
            all.spawn(async move {
                let mut conn = Conn::plain(address).await.expect("the port is open");
                for route in (lane..ROUTES).step_by(4) {
                    let request = Request::get(&format!("/r{route}"));
                    let sent = conn.send(&request.bytes("a.test")).await;
                    sent.expect("it is sent");
                    let reply = conn.reply("GET").await.expect_status(200);
                    let own = route.to_string();
                    assert_eq!(reply.header("x-own"), Some(&*own), "{reply}");
                    assert_eq!(reply.header("x-ran"), Some("100 100"), "{reply}");
                    assert_eq!(reply.echoed("x-own"), Some(own), "{reply}");
                    for (name, at) in [("a", 0), ("a", CHUNKS - 1), ("p", CHUNKS - 1)] {
                        let header = reply.echoed(&format!("x-{name}{at}"));
                        assert_eq!(header, Some(format!("{route}X{at}")), "{reply}");
                    }
                }
            });
        }
        while let Some(done) = all.join_next().await {
            done.expect("every route is served");
        }
    }
    let took = begun.elapsed();
    println!("{ROUTES} routes with {CHUNKS} chunks and templates each, twice: {took:?}");
    assert!(took < Duration::from_secs(60), "{took:?}");
    assert!(
        stage
            .gateway
            .node()
            .process
            .stderr()
            .find("panic")
            .is_none()
    );
}
