//! `headgate-dp` as somebody types it.

use std::process::{Command, Output};

/// Runs the program in a folder of its own, without the settings of whoever runs the tests.
fn headgate_dp(folder: &tempfile::TempDir, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headgate-dp"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HEADGATE_")) {
        command.env_remove(name);
    }
    command
        .args(words)
        .current_dir(folder.path())
        .output()
        .expect("the program runs")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_names_the_settings_and_shows_examples() {
    let output = headgate_dp(&folder(), &["--help"]);
    let help = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    for expected in [
        "--proxy-listen",
        "HEADGATE_PROXY_LISTEN",
        "--join",
        "--config",
        "Examples:",
    ] {
        assert!(help.contains(expected), "{expected} is missing in\n{help}");
    }
}

#[test]
fn version_is_the_crates() {
    let output = headgate_dp(&folder(), &["--version"]);
    assert_eq!(
        text(&output.stdout),
        concat!("headgate-dp ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn settings_print_each_value_and_its_origin() {
    let folder = folder();
    std::fs::write(
        folder.path().join("headgate.toml"),
        "[data_plane]\nworkers = 3\n",
    )
    .expect("written");
    let output = headgate_dp(
        &folder,
        &[
            "settings",
            "--allow-debug-header",
            "on",
            "--join",
            "a-secret-word",
        ],
    );
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for line in [
        "[data_plane]",
        "workers = \"3\" # headgate.toml:2",
        "allow_debug_header = \"on\" # flag --allow-debug-header",
        "join = \"******\" # flag --join",
        "status_listen = \"127.0.0.1:8100\" # default",
    ] {
        assert!(
            printed.lines().any(|found| found == line),
            "'{line}' is missing in\n{printed}"
        );
    }
}

#[test]
fn a_mistake_stops_the_start_with_a_suggestion() {
    let cases: &[(&[&str], &str)] = &[
        (&["--proxy-lisen", "off"], "--proxy-listen"),
        (
            &["--workers", "many"],
            "workers (from flag --workers): got 'many', expected `auto` or a number",
        ),
        (
            &[
                "--declarative-config",
                "kong.yml",
                "--control-plane",
                "cp.test:8005",
            ],
            "declarative_config (from flag --declarative-config): a node has one source",
        ),
        (
            &["--declarative-config", "kong.yml"],
            "cannot read the declarative file 'kong.yml': ",
        ),
        (
            &["--proxy-listen", "0.0.0.0:8000 proxy_protocol"],
            "'proxy_protocol' is not built yet",
        ),
        (
            &["--ssl-cert", "a.pem"],
            "ssl_cert_key (from default): is needed beside ssl_cert",
        ),
        (&["sttings"], "settings"),
    ];
    for (words, expected) in cases {
        let output = headgate_dp(&folder(), words);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(expected), "{words:?}: {said}");
    }
}

#[test]
fn an_unknown_key_of_the_file_stops_the_start_with_its_line() {
    let folder = folder();
    std::fs::write(
        folder.path().join("headgate.toml"),
        "\n[data_plane]\nproxy_lisen = 'off'\n",
    )
    .expect("written");
    let output = headgate_dp(&folder, &[]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("headgate.toml:3: unknown setting 'data_plane.proxy_lisen' (did you mean 'proxy_listen'?)"), "{said}");
}

#[test]
fn a_node_that_has_not_joined_says_what_it_needs() {
    let listen = [
        "--proxy-listen",
        "127.0.0.1:0",
        "--status-listen",
        "127.0.0.1:0",
    ];
    for (words, expected) in [
        (&[][..], "headgate-cp token create"),
        (
            &["--control-plane", "127.0.0.1:1", "--join", "no-token"],
            "token",
        ),
    ] {
        let output = headgate_dp(&folder(), &[&listen, words].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(expected), "{words:?}: {said}");
    }
}
