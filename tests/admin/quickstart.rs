//! The quickstart as a newcomer meets it: one process, and the README's command lines as they stand there.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use regex::{Captures, Regex};
use tests::Request;
use tests::process::{Launch, Process, binary};
use tests::wire::exchange;

/// The ports that documentation speaks of, the settings they belong to, and the ports of this test.
pub(super) struct Ports(BTreeMap<u16, (Option<&'static str>, SocketAddr)>);

impl Ports {
    pub(super) fn choose() -> Ports {
        let documented = [
            (8000, Some("HEADGATE_PROXY_LISTEN")),
            (8001, Some("HEADGATE_ADMIN_LISTEN")),
            (8005, Some("HEADGATE_SYNC_LISTEN")),
            (8006, Some("HEADGATE_ENROLL_LISTEN")),
            (8010, Some("HEADGATE_DEMO_LISTEN")),
            (8011, None),
            (8100, Some("HEADGATE_STATUS_LISTEN")),
            (9000, None),
            (9100, None),
        ];
        // All are held until all are chosen, so that none is chosen twice.
        let listeners =
            documented.map(|_| TcpListener::bind("127.0.0.1:0").expect("a loopback port is free"));
        let addresses = listeners
            .iter()
            .map(|l| l.local_addr().expect("a bound listener has an address"));
        let chosen = documented.into_iter().zip(addresses);
        Ports(
            chosen
                .map(|((port, variable), address)| (port, (variable, address)))
                .collect(),
        )
    }

    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let listens = self
            .0
            .values()
            .filter_map(|(name, address)| Some((name.as_ref()?.to_string(), address.to_string())));
        let admin = (
            "HEADGATE_ADMIN_URL".to_owned(),
            format!("http://{}", self.of(8001)),
        );
        listens.chain([admin]).collect()
    }

    fn of(&self, port: u16) -> SocketAddr {
        self.0[&port].1
    }

    /// A script with the documented addresses replaced by those of this test.
    pub(super) fn moved(&self, script: &str) -> String {
        let address = Regex::new(r"\b(?:localhost|127\.0\.0\.1):(\d+)\b").expect("a literal");
        let moved = address.replace_all(script, |found: &Captures| {
            let port = found[1].parse().expect("digits");
            let known = self.0.get(&port).map(|(_, address)| address.to_string());
            known.unwrap_or_else(|| {
                panic!(
                    "the README speaks of a port this test does not know: {}",
                    &found[0]
                )
            })
        });
        let programs = Regex::new(r"target/release/(headgate-[a-z]+)").expect("a literal");
        programs
            .replace_all(&moved, |found: &Captures| {
                binary(&found[1]).display().to_string()
            })
            .into_owned()
    }
}

async fn quickstart(folder: &Path, ports: &Ports) -> Process {
    let launch = Launch::new("headgate-quickstart", folder);
    ports
        .variables()
        .into_iter()
        .fold(launch, |launch, (name, value)| {
            launch.variable(&name, &value)
        })
        .start()
        .await
}

/// A fenced block of the README: its language and its text.
pub(super) fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (line.strip_prefix("```"), inside) {
            (Some(language), false) => blocks.push((language.trim().to_owned(), String::new())),
            (None, true) => {
                let text = &mut blocks.last_mut().expect("a block was opened").1;
                *text += line;
                text.push('\n');
            }
            _ => {}
        }
        inside ^= line.starts_with("```");
    }
    blocks
}

pub(super) fn shell(script: &str, folder: &Path, ports: &Ports) -> String {
    // What a script leaves behind in the background must not hold the pipe open: the output goes to a file.
    let file = folder.join("said");
    let output = std::fs::File::create(&file).expect("the folder can be written");
    let status = Command::new("sh")
        .args(["-c", script])
        .current_dir(folder)
        .envs(ports.variables())
        .stdin(Stdio::null())
        .stderr(output.try_clone().expect("a file can be shared"))
        .stdout(output)
        .status()
        .expect("there is a shell");
    let said = std::fs::read_to_string(&file).expect("the file was written");
    assert!(
        status.success() || script.contains("kill"),
        "{script}\n{said}"
    );
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_readme_does_what_it_says() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: the README's commands need curl, which is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let ports = Ports::choose();
    let mut running = None;
    let page = include_str!("../../README.md");
    let mut said = String::new();
    let mut commands = 0;
    for (language, text) in blocks(page) {
        match language.as_str() {
            "sh" if text.trim() == "cargo run --release" => {
                running = Some(quickstart(folder.path(), &ports).await)
            }
            "sh" => {
                // The planes apart need the ports of the one process.
                if text.contains("headgate-cp &")
                    && let Some(mut together) = running.take()
                {
                    together.terminate();
                    assert_eq!(together.exit().await.code(), Some(0), "an orderly end");
                }
                let lines: Vec<&str> = text
                    .lines()
                    .filter(|line| !line.starts_with("cargo build"))
                    .collect();
                commands += lines.len();
                let script = ports.moved(&lines.join("\n"));
                said = tokio::task::block_in_place(|| shell(&script, folder.path(), &ports));
            }
            "text" if commands > 0 => {
                for expected in text.lines() {
                    assert!(
                        said.contains(expected),
                        "the README shows {expected:?}, it was\n{said}"
                    );
                }
            }
            _ => {}
        }
    }
    assert!(commands >= 10, "the README has commands to try");
}

#[tokio::test]
async fn the_quickstart_begins_empty_and_keeps_what_it_was_told() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let ports = Ports::choose();
    let begin = Instant::now();
    let mut first = quickstart(folder.path(), &ports).await;
    println!("the quickstart was ready after {:?}", begin.elapsed());
    let admin = tests::admin::Admin::new(ports.of(8001));
    for collection in ["services", "routes", "plugins", "consumers"] {
        assert_eq!(admin.list(collection).await.len(), 0, "{collection}");
    }
    let text = first.stdout();
    for port in [8000, 8001, 8010] {
        assert!(
            text.contains(&ports.of(port).to_string()),
            "it prints its addresses: {text}"
        );
    }
    assert_eq!(
        text.lines()
            .filter(|line| line.trim_start().starts_with("curl "))
            .count(),
        3,
        "{text}"
    );
    assert!(
        text.contains("headgate-data"),
        "it says where the state lies: {text}"
    );

    let demo = format!("http://{}", ports.of(8010));
    admin
        .create(
            "/services",
            serde_json::json!({ "name": "demo", "url": demo }),
        )
        .await;
    admin.route("demo", "/demo").await;
    let served = || async {
        exchange(ports.of(8000), &Request::get("/demo"))
            .await
            .status
            == 200
    };
    tests::eventually("the demo upstream is served", served).await;
    first.terminate();
    assert_eq!(first.exit().await.code(), Some(0));

    let _second = quickstart(folder.path(), &ports).await;
    assert_eq!(admin.list("routes").await.len(), 1);
    tests::eventually("the second start serves the same", served).await;
}

#[tokio::test]
async fn the_state_folder_is_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let _running = quickstart(folder.path(), &Ports::choose()).await;
    let state = folder.path().join("headgate-data");
    assert_eq!(
        std::fs::metadata(&state)
            .expect("it was made")
            .permissions()
            .mode()
            & 0o777,
        0o700
    );
    assert!(state.join("cp").is_dir() && state.join("dp").is_dir());
}
