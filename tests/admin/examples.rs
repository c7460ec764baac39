//! The plugins of `deploy/examples`: their READMEs' command lines as they stand there, against a gateway, and what these
//! say comes out.

use std::path::{Path, PathBuf};

use tests::process::{Launch, Process};

use super::quickstart::{Ports, blocks, shell};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Starts the quickstart with what stands before `cargo run`.
async fn start(line: &str, folder: &Path, ports: &Ports) -> Process {
    let given = line
        .split_whitespace()
        .map_while(|word| word.split_once('='));
    let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let launch = Launch::new("headgate-quickstart", folder);
    let variables = ports.variables().into_iter().chain(given);
    let with = |launch: Launch, (name, value): (String, String)| launch.variable(&name, &value);
    variables.fold(launch, with).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_do_what_their_pages_say() {
    if std::process::Command::new("curl")
        .arg("--version")
        .output()
        .is_err()
    {
        tests::installed::skipped("the_examples_do_what_their_pages_say", "there is no curl");
        return;
    }
    let (folder, ports) = (
        tempfile::tempdir().expect("a temporary folder"),
        Ports::choose(),
    );
    let first = examples().join("README.md");
    let mut pages = vec![first.clone()];
    let plugins = std::fs::read_dir(examples()).expect("the folder of the examples");
    let plugins = plugins.map(|entry| entry.expect("an entry").path());
    pages.extend(
        plugins
            .filter(|path| path.is_dir())
            .map(|path| path.join("README.md")),
    );
    assert!(pages.len() >= 4, "{pages:?}");
    let mut running = None;
    for page in pages {
        let (mut said, mut expected) = (String::new(), 0);
        for (language, text) in blocks(&read(&page)) {
            let begin = text
                .lines()
                .find(|line| line.ends_with("cargo run --release"));
            match (language.as_str(), begin) {
                ("sh", Some(line)) => running = Some(start(line, folder.path(), &ports).await),
                ("sh", None) => {
                    let script = ports.moved(&text);
                    let here = examples().display().to_string();
                    let script = script.replace("deploy/examples", &here);
                    said = tokio::task::block_in_place(|| shell(&script, folder.path(), &ports));
                }
                ("text", _) => {
                    for line in text.lines() {
                        let shown = page.display();
                        let line = ports.moved(line);
                        assert!(
                            said.to_lowercase().contains(&line.to_lowercase()),
                            "{shown} shows {line:?}, it was\n{said}"
                        );
                        expected += 1;
                    }
                }
                _ => {}
            }
        }
        assert!(expected > 0, "{} shows what comes out", page.display());
        assert!(running.is_some(), "{} was begun with", first.display());
    }
}
