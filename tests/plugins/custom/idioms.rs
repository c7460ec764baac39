//! Code as plugins of third parties are written in: what they take for granted of Kong is here too.

use serde_json::json;
use tests::{Request, Upstream, eventually, script};

use super::{Stage, handler};

/// Keeps every piece of a body, and gives out what it has made of them at the end.
const WHOLE_BODY: &str = r#"
    function Plugin:access()
      if kong.request.get_header("x-early") then
        return kong.response.exit(200, "made here")
      end
    end
    function Plugin:header_filter()
      kong.response.clear_header("Content-Length")
    end
    function Plugin:body_filter()
      local ctx = ngx.ctx
      local chunk, eof = ngx.arg[1], ngx.arg[2]
      ctx.rt_body_chunks = ctx.rt_body_chunks or {}
      ctx.rt_body_chunk_number = ctx.rt_body_chunk_number or 1
      if eof then
        local chunks = table.concat(ctx.rt_body_chunks)
        ngx.arg[1] = "<" .. chunks .. ">"
      else
        ctx.rt_body_chunks[ctx.rt_body_chunk_number] = chunk
        ctx.rt_body_chunk_number = ctx.rt_body_chunk_number + 1
        ngx.arg[1] = nil
      end
    end"#;

#[tokio::test]
async fn a_body_kept_piece_by_piece_is_whole_at_its_end() {
    let stage = Stage::start(&[]).await;
    // Behind the transformer that comes in the end.
    let last = handler(WHOLE_BODY).replace("PRIORITY = 1000", "PRIORITY = 1");
    stage.alone("whole", &last).await;
    stage.gateway.settled().await;
    let path = "/whole";
    let answers = |answer: serde_json::Value| {
        Request::get(path).header("X-Script", script(&answer).trim_start_matches("/script/"))
    };
    let cases = [
        (answers(json!({ "body": "of a length" })), "<of a length>"),
        (
            answers(json!({ "chunks": ["in ", "pie", "ces"] })),
            "<in pieces>",
        ),
        (answers(json!({ "body": "" })), "<>"),
        (Request::get(path).header("X-Early", "1"), "<made here>"),
    ];
    for (request, expected) in &cases {
        let reply = stage.ask(request).await.expect_status(200);
        assert_eq!(reply.text(), *expected, "{reply}");
    }
    // Beside a transformer, which wants it whole.
    let config = json!({ "add": { "json": ["b:1"] } });
    stage.plugin("whole", "response-transformer", config).await;
    stage.gateway.settled().await;
    let headers = [["Content-Type", "application/json"]];
    let object = answers(json!({ "json": { "a": 1 }, "headers": headers }));
    let reply = stage.ask(&object).await;
    assert_eq!(reply.text(), r#"<{"a":1,"b":"1"}>"#, "{reply}");
}

/// A plugin that came with the configuration has no timers, and queues all the same.
#[tokio::test]
async fn a_queue_sends_what_was_logged() {
    let stage = Stage::start(&[]).await;
    let third_party = Upstream::start().await;
    let logger = handler(
        r#"
        local Queue = require "kong.tools.queue"
        local cjson = require "cjson"
        local http = require "resty.http"
        local function send_entries(conf, entries)
          local client = http.new()
          client:set_timeout(5000)
          local res, err = client:request_uri(conf.http_endpoint, {
            method = "POST",
            headers = { ["Content-Type"] = "application/json" },
            body = #entries == 1 and entries[1] or "[" .. table.concat(entries, ",") .. "]",
          })
          if not res then return nil, "failed to send: " .. err end
          return res.status < 300, "it answered " .. res.status
        end
        function Plugin:log(conf)
          local queue_conf = Queue.get_plugin_params("logger", conf, "logger:" .. conf.__key__)
          local ok, err = Queue.enqueue(queue_conf, send_entries, conf, cjson.encode(kong.log.serialize()))
          if not ok then kong.log.err("failed to enqueue: ", err) end
        end"#,
    );
    let fields = "{ http_endpoint = typedefs.url { required = true } }, { queue = typedefs.queue }";
    stage.push_with("logger", fields, &logger).await;
    stage.route("logger", "/logger").await;
    // The first try fails.
    let told = script(&json!({ "close_first": 1, "status": 201 }));
    let endpoint = format!("{}{told}", third_party.url());
    let config = json!({ "http_endpoint": endpoint, "queue": { "max_batch_size": 2 } });
    stage.plugin("logger", "logger", config).await;
    for _ in 0..2 {
        stage.gateway.get("/logger").await.expect_status(200);
    }
    eventually("it is sent again", || async { third_party.requests() == 2 }).await;
    let sent = third_party.last();
    let entries: serde_json::Value = serde_json::from_slice(&sent.body).expect("JSON");
    let uris = [0, 1].map(|place| entries[place]["request"]["uri"].clone());
    assert_eq!(uris, ["/logger", "/logger"], "{entries}");
}
