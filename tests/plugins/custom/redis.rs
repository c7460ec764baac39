//! `resty.redis` with a Redis as it is released, where one is installed.

use std::process::{Child, Command, Stdio};

use serde_json::json;
use tests::port::Port;
use tests::{installed, wait};
use tokio::net::TcpStream;

use super::{Stage, handler};

/// A Redis that keeps nothing, on a port of its own; it ends with this.
struct Redis {
    port: Port,
    process: Child,
}

impl Drop for Redis {
    fn drop(&mut self) {
        // One that has ended by itself is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Redis {
    async fn start() -> Option<Redis> {
        let program = installed::find("redis-server", "bin")?;
        let port = Port::hold();
        let text = port.number().to_string();
        let flags = [
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--requirepass",
            "secret",
        ];
        let process = Command::new(program)
            .args(["--port", &text])
            .args(flags)
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        let redis = Redis { port, process };
        let address = redis.port.address();
        wait::eventually("Redis listens", async || {
            TcpStream::connect(address).await.is_ok()
        })
        .await;
        Some(redis)
    }
}

#[tokio::test]
async fn a_plugin_counts_in_redis() {
    let Some(redis) = Redis::start().await else {
        return installed::skipped("a_plugin_counts_in_redis", "redis-server is not installed");
    };
    let stage = Stage::start(&[]).await;
    let source = handler(
        r#"
        local redis = require("resty.redis")
        function Plugin:access(conf)
          local red = redis:new()
          red:set_timeouts(1000, 1000, 1000)
          assert(red:connect("127.0.0.1", PORT, { pool = "counts" }))
          local reused = red:get_reused_times()
          if reused == 0 then
            assert(red:auth("secret"))
            assert(red:select(2))
          end
          local key = "count:" .. kong.request.get_path()
          red:init_pipeline()
          red:incr(key)
          red:expire(key, 60)
          red:get("nothing")
          red:hset(key, "f", 1)
          local results = assert(red:commit_pipeline())
          red:hmset("hash", { a = 1, b = "zwei\r\n" })
          local hash = red:array_to_hash(red:hgetall("hash"))
          local script = red:eval("return { KEYS[1], ARGV[1], { 1, 2 } }", 1, "k", "v")
          local answer = {
            reused = reused,
            count = results[1],
            expires = results[2],
            nothing = results[3] == ngx.null,
            refused = results[4],
            hash = hash,
            script = script,
            ttl = red:ttl(key) > 0,
          }
          assert(red:set_keepalive(10000, 5))
          kong.response.exit(200, answer)
        end"#,
    );
    let source = source.replace("PORT", &redis.port.number().to_string());
    stage.alone("counts", &source).await;
    stage.gateway.settled().await;
    for (reused, count) in [(0, 1), (1, 2), (2, 3)] {
        let reply = stage.get("/counts").await.expect_status(200);
        let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
        let expected = json!({
            "reused": reused,
            "count": count,
            "expires": 1,
            "nothing": true,
            "refused": [false, wrong],
            "hash": { "a": "1", "b": "zwei\r\n" },
            "script": ["k", "v", [1, 2]],
            "ttl": true,
        });
        assert_eq!(reply.json(), expected);
    }
}
