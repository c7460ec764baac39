//! What nodes do with plugins that arrive (section 7): they change versions under load, start from their own disk, refuse
//! what they may not run, and serve the last good revision whatever comes.

use serde_json::{Value, json};
use tests::admin::Admin;
use tests::wait::{DEADLINE, eventually_some};
use tests::wire::Reply;
use tests::{Gateway, Setup, eventually};

use super::delivery::versioned;
use super::{Stage, schema, source};

/// Section 10.7: versions change under load, requests under way end on the code they began with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_change_under_load_and_requests_under_way_end_on_the_old_code() {
    const CHANGES: usize = 20;
    let stamped = |version: usize| {
        format!(
            r#"
            local Plugin = {{ PRIORITY = 10, VERSION = "1.0.{version}" }}
            function Plugin:access(conf)
              kong.ctx.plugin.began = {version}
              local wait = tonumber(kong.request.get_header("x-wait"))
              if wait then
                kong.log("waits")
                ngx.sleep(wait)
              end
              kong.ctx.plugin.stamp = conf.stamp
            end
            function Plugin:header_filter(conf)
              kong.response.set_header("X-Began", kong.ctx.plugin.began)
              kong.response.set_header("X-Ended", {version})
              kong.response.set_header("X-Same", tostring(kong.ctx.plugin.stamp == conf.stamp))
            end
            return Plugin"#
        )
    };
    let stage = Stage::with(Setup::node_flags(["--workers", "2"])).await;
    let admin = stage.gateway.admin();
    let fields = "{ stamp = { type = \"number\", required = true } }";
    stage.push_with("swapped", fields, &stamped(0)).await;
    stage.route("swapped", "/swapped").await;
    let config = stage
        .plugin("swapped", "swapped", json!({ "stamp": 0 }))
        .await;
    let config = format!("/plugins/{}", config["id"].as_str().expect("an id"));
    stage.gateway.settled().await;
    let request = tests::Request::get("/swapped");
    let check = |reply: &Reply| {
        let of_one = reply.header("x-began") == reply.header("x-ended");
        match reply.status == 200 && of_one && reply.header("x-same") == Some("true") {
            true => Ok(()),
            false => Err(reply.to_string()),
        }
    };
    let node = stage.gateway.node();
    let load = tests::traffic::Load::checked(node.proxy, request, 4, check);
    load.further(20).await;
    let slow = {
        let (address, slow) = (
            node.proxy,
            tests::Request::get("/swapped").header("X-Wait", "2"),
        );
        tokio::spawn(async move { tests::wire::exchange(address, &slow).await })
    };
    stage.logged(&["[swapped]", "waits"]).await;
    for version in 1..=CHANGES {
        let change = json!({ "handler": stamped(version) });
        admin
            .patch("/custom-plugins/swapped", change)
            .await
            .expect_status(200);
        admin
            .patch(&config, json!({ "config": { "stamp": version } }))
            .await
            .expect_status(200);
    }
    let last = stage.gateway.get("/swapped").await.expect_status(200);
    assert_eq!(
        last.header("x-ended"),
        Some(&*CHANGES.to_string()),
        "{last}"
    );
    let slow = slow
        .await
        .expect("the slow one is answered")
        .expect_status(200);
    assert_eq!(
        (slow.header("x-began"), slow.header("x-ended")),
        (Some("0"), Some("0")),
        "{slow}"
    );
    load.further(20).await;
    load.stop().await.assert_flawless();
}

#[tokio::test]
async fn a_node_starts_with_its_plugins_from_its_own_disk_without_a_control_plane() {
    let mut stage = Stage::start(&[]).await;
    stage.alone("kept", &versioned("1.0.0")).await;
    stage.gateway.settled().await;
    let written = stage.gateway.admin().revision();
    let node = stage.gateway.node();
    eventually("the revision is on disk", || async {
        let reply = stage
            .gateway
            .admin()
            .get("/headgate/data-planes")
            .await
            .json();
        reply["data"][0]["durable_revision"].as_u64() >= Some(written)
    })
    .await;
    assert_eq!(node.get("/kept").await.header("x-version"), Some("1.0.0"));
    stage.gateway.control_plane.kill();
    stage.gateway.nodes[0].restart().await;
    eventually("the node serves what it kept", || async {
        stage.get("/kept").await.header("x-version") == Some("1.0.0")
    })
    .await;
}

/// Waits until the control plane says of its node why it refused.
async fn told(admin: &Admin, texts: &[&str]) {
    let what = format!("the control plane tells of the node: {texts:?}");
    eventually(&what, || async {
        let told = admin.get("/headgate/data-planes").await.text();
        texts.iter().all(|text| told.contains(text))
    })
    .await;
}

/// A node that may not run what is streamed refuses the revision, says why, and serves the one before.
#[tokio::test]
async fn a_node_that_takes_no_streamed_plugins_refuses_the_revision_and_serves_on() {
    for flag in [
        ["--custom-plugin-streaming-enabled", "off"],
        ["--untrusted-lua", "off"],
    ] {
        let stage = Stage::start(&flag).await;
        stage.route("plain", "/plain").await;
        stage.gateway.get("/plain").await.expect_status(200);
        let served = stage.gateway.node().revision().await;
        stage.push("streamed", &versioned("1.0.0")).await;
        stage.route("streamed", "/streamed").await;
        stage.plugin("streamed", "streamed", json!({})).await;
        told(stage.gateway.admin(), &["streamed"]).await;
        stage.get("/plain").await.expect_status(200);
        let reply = stage.get("/streamed").await;
        assert_ne!(
            reply.header("x-version"),
            Some("1.0.0"),
            "{flag:?}: {reply}"
        );
        assert!(stage.gateway.node().revision().await >= served);
        let status = stage
            .gateway
            .admin()
            .get("/custom-plugins/streamed/status")
            .await;
        let status = status.expect_status(200);
        let id = stage
            .gateway
            .admin()
            .get("/headgate/data-planes")
            .await
            .json();
        let id = id["data"][0]["id"]
            .as_str()
            .expect("a node has an id")
            .to_owned();
        assert!(
            status.text().contains(&id),
            "{flag:?}: the node is listed: {status}"
        );
    }
}

/// `/custom-plugins/{name}/status`, of the one node there is, once it passes.
async fn status_until(admin: &Admin, name: &str, passes: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/custom-plugins/{name}/status");
    let found = eventually_some(DEADLINE, async || {
        let status = admin.get(&path).await.json()["data"][0].clone();
        passes(&status).then_some(status)
    });
    found
        .await
        .unwrap_or_else(|| panic!("the status of {name} does not change"))
}

#[tokio::test]
async fn a_revision_that_a_worker_has_no_memory_for_is_refused_and_the_one_before_serves_on() {
    let flags = [
        "--lua-memory-limit",
        "16m",
        "--custom-plugins-commit-wait",
        "0.1",
    ];
    let stage = Stage::start(&flags).await;
    let admin = stage.gateway.admin();
    // It fills the worker's machine, and not the one in which source is tried.
    let resident = "local held, kb = {}, string.rep('x', 1024)
        local Plugin = { PRIORITY = 10, VERSION = '1.0.0' }
        function Plugin:access()
          for i = #held + 1, 7 do held[i] = string.rep(kb .. i, 1024) end
        end
        return Plugin";
    stage.alone("resident", resident).await;
    assert_eq!(stage.gateway.get("/resident").await.status, 200);
    let large = "local held, kb = {}, string.rep('x', 1024)
        held[1] = string.rep(kb, 9 * 1024)
        local Plugin = { PRIORITY = 9, VERSION = '1.0.0' }
        function Plugin:access() kong.response.set_header('X-Held', #held) end
        return Plugin";
    stage.push("large", large).await;
    stage.route("large", "/large").await;
    assert_eq!(stage.gateway.get("/large").await.status, 200);
    stage.plugin("large", "large", json!({})).await;
    let status = status_until(admin, "large", |status| status["errors"][0].is_string()).await;
    let error = status["errors"][0].as_str().unwrap_or_default();
    assert!(
        error.contains("cannot be loaded on worker-0: not enough memory"),
        "{status}"
    );
    // Neither half of it serves.
    let reply = stage.get("/large").await;
    assert_eq!((reply.status, reply.header("x-held")), (200, None));
    assert_eq!(stage.get("/resident").await.status, 200);
    // What fits is taken.
    let small = json!({ "handler": large.replace("9 * 1024", "9") });
    admin.patch("/custom-plugins/large", small).await;
    let reply = stage.gateway.get("/large").await;
    assert_eq!((reply.status, reply.header("x-held")), (200, Some("1")));
}

#[tokio::test]
async fn every_node_reports_which_version_it_runs() {
    let stage = Stage::with(Setup::nodes(2)).await;
    stage.alone("reported", &versioned("4.5.6")).await;
    stage.gateway.settled().await;
    eventually("both nodes report the version", || async {
        let status = stage
            .gateway
            .admin()
            .get("/custom-plugins/reported/status")
            .await;
        status.status == 200 && status.text().matches("4.5.6").count() >= 2
    })
    .await;
}

/// A folder as `lua_plugins` takes it, with a plugin of several files.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let files = [
        ("schema.lua", schema("tree", "{ greeting = { type = \"string\", default = \"hello\" } }")),
        (
            "util.lua",
            "local words = require \"kong.plugins.tree.words.all\"\nreturn { greet = function(who) return words.prefix .. who end }"
                .to_owned(),
        ),
        ("words/all.lua", "return { prefix = \"> \" }".to_owned()),
        (
            "handler.lua",
            r#"
            local util = require "kong.plugins.tree.util"
            local Tree = { PRIORITY = 30, VERSION = "7.0.0" }
            local ticks, started = 0, false
            function Tree:init_worker()
              started = true
              ngx.timer.at(0, function(premature) if not premature then ticks = ticks + 1 end end)
            end
            function Tree:configure(configs)
              self.configured = configs and #configs or 0
            end
            function Tree:access(conf)
              kong.response.set_header("X-Greeting", util.greet(conf.greeting))
              kong.response.set_header("X-Started", tostring(started) .. " " .. ticks .. " " .. tostring(self.configured))
              kong.response.set_header("X-Freedom", type(io.open) .. " " .. type(os.getenv) .. " " .. type(loadstring))
            end
            return Tree
            "#
            .to_owned(),
        ),
    ];
    for (name, text) in files {
        let path = folder.path().join("tree").join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
        std::fs::write(path, text).expect("the folder can be written");
    }
    folder
}

#[tokio::test]
async fn a_trusted_plugin_from_a_folder_may_do_everything() {
    let folder = folder();
    let path = folder.path().display().to_string();
    let flags: Vec<String> = ["--lua-plugins", &path, "--plugins", "bundled,tree"]
        .map(str::to_owned)
        .to_vec();
    let node = ["--workers", "1"]
        .map(str::to_owned)
        .into_iter()
        .chain(flags.clone());
    let setup = Setup {
        control_plane: flags,
        data_plane: node.collect(),
        ..Setup::default()
    };
    let stage = Stage::with(setup).await;
    stage.route("tree", "/tree").await;
    stage.plugin("tree", "tree", json!({})).await;
    stage.gateway.settled().await;
    eventually("its timer has run", || async {
        stage
            .get("/tree")
            .await
            .header("x-started")
            .is_some_and(|text| text.starts_with("true 1 "))
    })
    .await;
    let reply = stage.get("/tree").await.expect_status(200);
    let headers = ["x-greeting", "x-started", "x-freedom"].map(|name| reply.header(name));
    let expected = ["> hello", "true 1 1", "function function function"].map(Some);
    assert_eq!(headers, expected, "{reply}");
    // Its name is taken.
    let admin = stage.gateway.admin();
    let refused = admin
        .post("/custom-plugins", source("tree", "", &versioned("1.0.0")))
        .await;
    let refused = refused.expect_status(400).json();
    assert!(refused["fields"]["name"].is_string(), "{refused}");
}

/// The command that sends a folder.
#[tokio::test]
async fn the_command_plugin_push_sends_a_folder() {
    let gateway: Gateway = Gateway::start().await;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    // A folder is named as its plugin.
    let plugin = folder.path().join("pushed");
    std::fs::create_dir(&plugin).expect("the folder can be made");
    let write = |name: &str, text: &str| {
        std::fs::write(plugin.join(name), text).expect("the folder can be written");
    };
    let push = async || {
        let admin = format!("http://{}", gateway.control_plane.admin);
        let folder = plugin.display().to_string();
        let words = ["plugin", "push", &folder, "--admin", &admin];
        let launch = tests::process::Launch::new("headgate-cp", gateway.folder());
        launch.args(words).run().await
    };
    write("schema.lua", &schema("pushed", ""));
    for version in ["1.0.0", "1.0.1"] {
        write("handler.lua", &versioned(version));
        let finished = push().await;
        assert_eq!(finished.code, Some(0), "{finished:?}");
        let stored = gateway
            .admin()
            .get("/custom-plugins/pushed")
            .await
            .expect_status(200)
            .json();
        assert_eq!(stored["version"], version);
    }
    write("handler.lua", "local x = = 1");
    let finished = push().await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("handler.lua:1:"), "{finished:?}");
}
