//! `headgate-cp plugin …`: a plugin from its folder to the control plane and back.

use std::path::{Path, PathBuf};

use serde_json::json;
use tests::process::{Finished, Launch};
use tests::{Gateway, Setup};

fn schema(name: &str, fields: &str) -> String {
    format!(
        "return {{\n  name = \"{name}\",\n  fields = {{\n    \
         {{ config = {{ type = \"record\", fields = {{ {fields} }} }} }},\n  }},\n}}\n"
    )
}

fn handler(version: &str) -> String {
    format!(
        "local Greeter = {{ PRIORITY = 10, VERSION = \"{version}\" }}\n\
         function Greeter:access(conf)\nend\nreturn Greeter\n"
    )
}

/// A control plane, and a folder for plugins.
struct Bench {
    gateway: Gateway,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn start(flags: &[&str]) -> Bench {
        let setup = Setup {
            nodes: 0,
            control_plane: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            ..Setup::default()
        };
        Bench {
            gateway: Gateway::with(setup).await,
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
        }
    }

    /// A plugin's folder with these files.
    fn plugin(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let dir = self.folder.path().join(name);
        std::fs::create_dir_all(&dir).expect("the folder can be written");
        for (file, text) in files {
            std::fs::write(dir.join(file), text).expect("the folder can be written");
        }
        dir
    }

    async fn run(&self, words: &[&str]) -> Finished {
        let admin = format!("http://{}", self.gateway.control_plane.admin);
        let launch = Launch::new("headgate-cp", self.folder.path());
        let words = ["plugin"].iter().chain(words).copied();
        launch.args(words.chain(["--admin", &admin])).run().await
    }

    /// What it prints, if it succeeds.
    async fn done(&self, words: &[&str]) -> String {
        let finished = self.run(words).await;
        assert_eq!(finished.code, Some(0), "{words:?}: {finished:?}");
        finished.stdout
    }

    /// What it complains of, if it fails.
    async fn failed(&self, words: &[&str], code: i32) -> String {
        let finished = self.run(words).await;
        assert_eq!(finished.code, Some(code), "{words:?}: {finished:?}");
        finished.stderr
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

#[tokio::test]
async fn a_plugin_goes_there_and_back() {
    let bench = Bench::start(&[]).await;
    assert_eq!(bench.done(&["list"]).await, "no custom plugins\n");
    let (schema, first) = (schema("greeter", ""), handler("1.0.0"));
    let dir = bench.plugin(
        "greeter",
        &[("schema.lua", &schema), ("handler.lua", &first)],
    );
    let dir = text(&dir);
    let said = bench.done(&["push", dir]).await;
    assert!(said.starts_with("created greeter 1.0.0 (sha256 "), "{said}");
    assert!(said.ends_with("priority 10, access)\n"), "{said}");
    let admin = bench.gateway.admin();
    let label = json!({ "tags": ["kept"] });
    admin
        .patch("/custom-plugins/greeter", label)
        .await
        .expect_status(200);
    let said = bench.done(&["push", dir]).await;
    assert!(said.starts_with("unchanged greeter 1.0.0 "), "{said}");
    std::fs::write(Path::new(dir).join("handler.lua"), handler("1.0.1")).expect("a file");
    let said = bench.done(&["push", dir]).await;
    let changes = "  handler.lua: 1 lines added, 1 removed\n  version: 1.0.0 -> 1.0.1\n";
    assert!(
        said.starts_with("changed greeter 1.0.1 ") && said.ends_with(changes),
        "{said}"
    );
    let stored = admin
        .get("/custom-plugins/greeter")
        .await
        .expect_status(200)
        .json();
    assert_eq!(
        stored["tags"],
        json!(["kept"]),
        "a push leaves labels alone"
    );
    let listed = bench.done(&["list"]).await;
    assert!(listed.contains("greeter  1.0.1    10 "), "{listed}");

    let back = bench.folder.path().join("back");
    let said = bench.done(&["pull", "greeter", text(&back)]).await;
    assert!(said.starts_with("pulled greeter 1.0.1 "), "{said}");
    let written = std::fs::read_to_string(back.join("handler.lua")).expect("it was written");
    assert_eq!(written, handler("1.0.1"));
    std::fs::write(back.join("handler.lua"), "edited").expect("a file");
    let said = bench.failed(&["pull", "greeter", text(&back)], 1).await;
    assert!(
        said.contains("handler.lua' says something else; nothing is written"),
        "{said}"
    );
    bench
        .done(&["pull", "greeter", text(&back), "--force"])
        .await;

    let plugin = admin.create("/plugins", json!({ "name": "greeter" })).await;
    let said = bench.failed(&["delete", "greeter"], 1).await;
    let id = plugin["id"].as_str().expect("an id");
    let expected = format!(
        "headgate-cp: the custom plugin 'greeter' is in use by plugins: {id} \
         (delete these plugins first, or have them use another)\n"
    );
    assert_eq!(said, expected);
    admin
        .delete(&format!("/plugins/{id}"))
        .await
        .expect_status(204);
    assert_eq!(
        bench.done(&["delete", "greeter"]).await,
        "deleted greeter\n"
    );
    let said = bench.failed(&["delete", "greeter"], 1).await;
    assert!(
        said.contains("there is no custom plugin 'greeter'"),
        "{said}"
    );
}

#[tokio::test]
async fn a_refusal_names_file_and_line_and_the_next_step() {
    let bench = Bench::start(&[]).await;
    let good = schema("greeter", "");
    let broken = "local x = 1\nlocal y = = 2\n";
    let dir = bench.plugin("greeter", &[("schema.lua", &good), ("handler.lua", broken)]);
    let dir = text(&dir);
    assert_eq!(
        bench.failed(&["push", dir], 1).await,
        format!(
            "headgate-cp: {dir}/handler.lua:2: unexpected symbol near '='\n\
             nothing was changed: mend it and push again\n"
        )
    );
    let said = bench.failed(&["push", dir, "--name", "other"], 1).await;
    assert!(
        said.contains(&format!("{dir}/schema.lua: name: expected 'other'")),
        "{said}"
    );

    // A change that stored plugins do not fit.
    bench.plugin("greeter", &[("handler.lua", &handler("1.0.0"))]);
    bench.done(&["push", dir]).await;
    let plugin = bench
        .gateway
        .admin()
        .create("/plugins", json!({ "name": "greeter" }))
        .await;
    let needs = schema("greeter", "{ n = { type = \"integer\", required = true } }");
    bench.plugin("greeter", &[("schema.lua", &needs)]);
    let said = bench.failed(&["push", dir], 1).await;
    let id = plugin["id"].as_str().expect("an id");
    let misfit = format!("\n{id}: {{\"config\":{{\"n\":\"required field missing\"}}}}\n");
    assert!(
        said.contains(&misfit) && said.contains("nothing was changed"),
        "{said}"
    );

    let foreign = bench.plugin(
        "foreign",
        &[("daos.lua", ""), ("handler.lua", &handler("1.0.0"))],
    );
    let said = bench.failed(&["push", text(&foreign)], 1).await;
    assert!(said.contains("daos.lua' is there"), "{said}");
    let said = bench.failed(&["push", "none"], 1).await;
    assert!(said.contains("cannot read 'none/schema.lua'"), "{said}");
}

#[tokio::test]
async fn what_stands_in_the_way_is_told_with_its_exit_code() {
    let bench = Bench::start(&["--custom-plugin-streaming-enabled", "off"]).await;
    let said = bench.failed(&["list"], 1).await;
    assert!(
        said.contains("'custom_plugin_streaming_enabled' is off"),
        "{said}"
    );
    let launch = Launch::new("headgate-cp", bench.folder.path());
    let words = ["plugin", "list", "--admin", "http://127.0.0.1:1"];
    let finished = launch.args(words).run().await;
    assert_eq!(finished.code, Some(4), "{finished:?}");
    let launch = Launch::new("headgate-cp", bench.folder.path());
    let finished = launch.args(["plugin", "pusch"]).run().await;
    assert_eq!(finished.code, Some(2), "{finished:?}");
}
