//! What handlers may use, as the settings of a node say, and what becomes of those that want more (2.3, 6.3).

use std::time::{Duration, Instant};

use serde_json::json;
use tests::{Request, eventually};

use super::{Stage, handler};

#[tokio::test]
async fn limits_of_time_are_settings() {
    let flags = [
        "--lua-wall-limit-request",
        "0.5",
        "--lua-cpu-limit-request",
        "0.03",
    ];
    let stage = Stage::start(&flags).await;
    for (name, methods, said) in [
        (
            "waits",
            "function Plugin:access() ngx.sleep(30) end",
            "access: not done after 0.5 s",
        ),
        (
            "waits-behind",
            "function Plugin:response() ngx.sleep(30) end",
            "response: not done after 0.5 s",
        ),
        (
            "spins",
            "function Plugin:access() while true do end end",
            "access: execution time limit exceeded",
        ),
    ] {
        stage.alone(name, &handler(methods)).await;
        stage.gateway.get("/waits-for-all").await;
        let began = Instant::now();
        let reply = stage.get(&format!("/{name}")).await;
        assert_eq!(reply.status, 500, "{name}");
        assert!(began.elapsed() < Duration::from_secs(10), "{name}");
        assert!(
            reply.text().contains("An unexpected error occurred"),
            "{name}: {}",
            reply.text()
        );
        stage.logged(&[&format!("[{name}@0.0.1"), said]).await;
    }
}

#[tokio::test]
async fn streamed_plugins_have_timers_where_the_node_lets_them() {
    let stage = Stage::start(&["--custom-plugins-timers", "on"]).await;
    let methods = "local ran = {}
        function Plugin:access()
          if kong.request.get_header('X-Start') then
            assert(ngx.timer.at(0, function(premature, word)
              ngx.sleep(0.01)
              ran[#ran + 1] = word .. tostring(premature)
            end, 'late '))
          end
          kong.response.set_header('X-Ran', table.concat(ran, ','))
        end";
    stage.alone("timed", &handler(methods)).await;
    assert_eq!(stage.gateway.get("/timed").await.header("x-ran"), Some(""));
    let start = Request::get("/timed").header("X-Start", "1");
    assert_eq!(stage.ask(&start).await.status, 200);
    eventually("the timer is called", || async {
        stage.get("/timed").await.header("x-ran") == Some("late false")
    })
    .await;
}

#[tokio::test]
async fn a_plugin_that_is_decoration_may_be_skipped_when_it_fails() {
    let stage = Stage::start(&[]).await;
    let methods = "function Plugin:access()
          kong.response.set_header('X-Before', 'yes')
          error('no decoration')
        end";
    stage.alone("decorates", &handler(methods)).await;
    let admin = stage.gateway.admin();
    let shown = admin.get("/custom-plugins/decorates").await.json();
    assert_eq!(shown["on_error"], "fail");
    assert_eq!(stage.gateway.get("/decorates").await.status, 500);
    let skip = json!({ "on_error": "skip" });
    admin.patch("/custom-plugins/decorates", skip).await;
    let reply = stage.gateway.get("/decorates").await;
    assert_eq!((reply.status, reply.header("x-before")), (200, Some("yes")));
    let line = [
        "[decorates@0.0.1",
        "skipped (on_error): access: handler.lua:",
        "no decoration",
    ];
    stage.logged(&line).await;
    let fail = json!({ "on_error": "fail" });
    admin.patch("/custom-plugins/decorates", fail).await;
    assert_eq!(stage.gateway.get("/decorates").await.status, 500);
}
