//! decK, the client that Kong's users keep their configuration with, runs unmodified (admin-api.md 13, checklist 43).

mod file;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests::process::{Finished, Launch};
use tests::{Gateway, Setup, installed};

/// The tag of everything that the file is about.
const TAG: &str = "fleet";
/// With `--non-zero-exit-code`: there are differences.
const DIFFERS: i32 = 2;

struct Deck {
    program: PathBuf,
    folder: tempfile::TempDir,
    address: String,
}

impl Deck {
    async fn run(&self, args: &[&str]) -> Finished {
        Launch::other(self.program.clone(), self.folder.path())
            .args(["--analytics=false", "--kong-addr", &self.address, "gateway"])
            .args(args.iter().copied())
            .variable("HOME", &self.folder.path().display().to_string())
            .run()
            .await
    }

    /// Runs it, and gives what it said where it went well.
    async fn done(&self, args: &[&str]) -> String {
        let finished = self.run(args).await;
        assert_eq!(finished.code, Some(0), "{args:?}: {finished:?}");
        finished.stdout
    }

    fn write(&self, name: &str, content: &Value) {
        let text = serde_json::to_string_pretty(content).expect("JSON can be written");
        std::fs::write(self.path(name), text).expect("the temporary folder can be written");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// The counts of a summary: created, updated, deleted.
#[track_caller]
fn summary(said: &str) -> [u32; 3] {
    ["Created: ", "Updated: ", "Deleted: "].map(|word| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(word));
        let count = line.and_then(|count| count.trim().parse().ok());
        count.unwrap_or_else(|| panic!("no '{word}' in {said}"))
    })
}

async fn head(gateway: &Gateway) -> Value {
    let nodes = gateway.admin().get("/headgate/data-planes").await;
    nodes.expect_status(200).json()["head_revision"].clone()
}

#[tokio::test]
async fn checklist_43_deck_keeps_a_configuration() {
    let Some(program) = installed::find("deck", "bin") else {
        return installed::skipped(
            "checklist_43_deck_keeps_a_configuration",
            "decK is not installed (.ci/run does it)",
        );
    };
    let gateway = Gateway::with(Setup::nodes(0)).await;
    let deck = Deck {
        program,
        folder: tempfile::tempdir().expect("a temporary folder can be made"),
        address: format!("http://{}", gateway.admin().address()),
    };
    let said = deck.done(&["ping"]).await;
    assert!(said.contains("Kong version:  3.10.0"), "{said}");

    // What others made is not decK's to touch: it has not the tag.
    gateway
        .admin()
        .create("/services", json!({ "name": "stranger", "host": "h.test" }))
        .await;
    let (mut content, entities) = file::content(TAG);
    assert_eq!(entities, 200);
    deck.write("kong.json", &content);
    let said = deck
        .run(&["diff", "kong.json", "--non-zero-exit-code"])
        .await;
    assert_eq!(said.code, Some(DIFFERS), "{said:?}");
    assert_eq!(summary(&said.stdout), [entities, 0, 0]);
    let said = deck.done(&["sync", "kong.json"]).await;
    assert_eq!(summary(&said), [entities, 0, 0]);

    unchanged(&gateway, &deck, "kong.json").await;
    deck.done(&["dump", "--select-tag", TAG, "--output-file", "dump.yaml"])
        .await;
    assert!(read(&deck.path("dump.yaml")).contains("name: s9"));
    assert!(!read(&deck.path("dump.yaml")).contains("stranger"));
    // A dump writes the whole set beside a key where the API, like Kong, answers a reference: decK takes that for a
    // change. Nothing else differs.
    let said = deck.done(&["sync", "dump.yaml"]).await;
    assert_eq!(summary(&said), [0, file::KEYS_IN_SETS, 0], "{said}");
    unchanged(&gateway, &deck, "kong.json").await;
    // decK sends a member of its own, `SkipHash`, with these, which no Kong takes.
    deck.write(
        "valid.json",
        &file::without(&content, "basicauth_credentials"),
    );
    deck.done(&["validate", "valid.json"]).await;

    content["services"][0]["retries"] = json!(9);
    content["upstreams"][1]["targets"][0]["weight"] = json!(7);
    let consumers = content["consumers"].as_array_mut().expect("a list");
    // With what is theirs: five credentials and groups, one plugin.
    consumers.truncate(consumers.len() - 1);
    deck.write("kong.json", &content);
    let said = deck.done(&["sync", "kong.json"]).await;
    assert_eq!(summary(&said), [0, 2, file::PER_CONSUMER]);
    unchanged(&gateway, &deck, "kong.json").await;

    deck.done(&["reset", "--select-tag", TAG, "--force"]).await;
    assert_eq!(left(&gateway).await, ["services"]);
    deck.done(&["reset", "--force"]).await;
    assert_eq!(left(&gateway).await, [""; 0]);
}

/// Another sync finds nothing to do, and writes nothing.
async fn unchanged(gateway: &Gateway, deck: &Deck, file: &str) {
    let before = head(gateway).await;
    let said = deck.done(&["sync", file]).await;
    assert_eq!(summary(&said), [0, 0, 0], "{said}");
    assert_eq!(head(gateway).await, before);
    deck.done(&["diff", file, "--non-zero-exit-code"]).await;
}

/// The collections that hold something.
async fn left(gateway: &Gateway) -> Vec<&'static str> {
    let mut left = Vec::new();
    for collection in file::COLLECTIONS {
        if !gateway.admin().list(collection).await.is_empty() {
            left.push(*collection);
        }
    }
    left
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("decK wrote it")
}
