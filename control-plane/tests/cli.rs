//! `headgate-cp` as somebody types it.

use std::net::TcpListener;
use std::process::{Command, Output};

/// Runs the program in a folder of its own, without the settings of whoever runs the tests.
fn headgate_cp(folder: &tempfile::TempDir, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headgate-cp"));
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

/// An address that nobody listens on, as far as a moment ago counts.
fn unused() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
    listener.local_addr().expect("it is bound").to_string()
}

#[test]
fn help_names_the_settings_and_shows_examples() {
    for (words, expected) in [
        (
            &["--help"][..],
            &[
                "--admin-listen",
                "HEADGATE_ADMIN_LISTEN",
                "token",
                "settings",
                "Examples:",
            ][..],
        ),
        (
            &["token", "create", "--help"],
            &[
                "--ttl",
                "--uses",
                "--labels",
                "--admin",
                "HEADGATE_ADMIN_URL",
                "Examples:",
            ],
        ),
    ] {
        let output = headgate_cp(&folder(), words);
        let help = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0));
        for expected in expected {
            assert!(help.contains(expected), "{expected} is missing in\n{help}");
        }
    }
}

#[test]
fn settings_print_each_value_and_its_origin() {
    let folder = folder();
    std::fs::write(folder.path().join("headgate.toml"), "log_level = 'warn'\n").expect("written");
    let output = headgate_cp(&folder, &["--sync-listen", "off", "settings"]);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for line in [
        "[control_plane]",
        "log_level = \"warn\" # headgate.toml:1",
        "sync_listen = \"off\" # flag --sync-listen",
        "data_dir = \"./headgate-data/cp\" # default",
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
        (&["--admin-lisen", "off"], "--admin-listen"),
        (
            &["--admin-listen", "8001"],
            "admin_listen (from flag --admin-listen): got '8001', expected",
        ),
        (
            &["--admin-ssl-cert", "own.crt"],
            "admin_ssl_cert_key (from default): is needed beside admin_ssl_cert",
        ),
        (
            &["--admin-gui-url", "ui.test"],
            "'ui.test' does not begin with http:// or https:// and a host",
        ),
        (
            &["admin-token", "create", "--role", "root", "--name", "a"],
            "possible values: read, write, code, admin",
        ),
        (&["admin-token", "create", "--role", "read"], "--name"),
        (
            &["admin-token", "create", "--role", "read", "--name", "a b"],
            "invalid value 'a b'",
        ),
        (
            &["--ui-listen", "127.0.0.1:8002"],
            "the user interface is not built yet",
        ),
        (&["token", "creat"], "create"),
        (
            &["token", "create", "--ttl", "soon"],
            "expected a time such as",
        ),
        (&["token", "create", "--uses", "0"], "--uses"),
        (&["token", "create", "--labels", "eu"], "expected KEY=VALUE"),
        (
            &["token", "create", "--admin", "ftp://127.0.0.1:8444"],
            "expected http://host:port or https://host:port",
        ),
    ];
    for (words, expected) in cases {
        let output = headgate_cp(&folder(), words);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(expected), "{words:?}: {said}");
    }
}

#[test]
fn an_address_that_is_taken_is_named_with_its_flag() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
    let taken = holder.local_addr().expect("it is bound").to_string();
    for (setting, flag) in [
        ("admin_listen", "--admin-listen"),
        ("sync_listen", "--sync-listen"),
        ("enroll_listen", "--enroll-listen"),
    ] {
        let words: Vec<&str> = ["--admin-listen", "--sync-listen", "--enroll-listen"]
            .into_iter()
            .flat_map(|name| [name, if name == flag { &taken } else { "127.0.0.1:0" }])
            .collect();
        let output = headgate_cp(&folder(), &words);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{said}");
        for expected in [taken.as_str(), flag, setting] {
            assert!(said.contains(expected), "{expected} is missing in {said}");
        }
    }
}

#[test]
fn a_token_without_a_control_plane_needs_its_state() {
    let admin = format!("http://{}", unused());
    let output = headgate_cp(&folder(), &["token", "create", "--admin", &admin]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains(&admin) && output.stdout.is_empty(), "{said}");

    let output = headgate_cp(&folder(), &["token", "create", "--admin-listen", &unused()]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("data_dir"), "{said}");
}

#[test]
fn a_token_can_be_made_while_no_control_plane_runs() {
    let folder = folder();
    std::fs::create_dir_all(folder.path().join("headgate-data/cp")).expect("the state's folder");
    let output = headgate_cp(
        &folder,
        &[
            "token",
            "create",
            "--admin-listen",
            &unused(),
            "--ttl",
            "30m",
            "--labels",
            "region=eu",
        ],
    );
    let token = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let words: Vec<_> = token.split_whitespace().collect();
    assert_eq!(words.len(), 1, "one word, alone: '{token}'");
    assert!(
        token.ends_with('\n') && token.lines().count() == 1,
        "on one line: '{token}'"
    );
    shared::sync::token::parse(words[0]).expect("it is a join token");
}

#[test]
fn admin_tokens_are_made_listed_and_revoked_while_no_control_plane_runs() {
    let folder = folder();
    std::fs::create_dir_all(folder.path().join("headgate-data/cp")).expect("the state's folder");
    let admin = unused();
    let run = |words: &[&str]| {
        let mut all = vec!["admin-token"];
        all.extend(words);
        all.extend(["--admin-listen", &admin]);
        headgate_cp(&folder, &all)
    };
    let made = run(&["create", "--role", "admin", "--name", "ann"]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let word = text(&made.stdout);
    assert_eq!(word.lines().count(), 1, "{word}");
    assert!(
        word.starts_with("hga1_") && !word.trim().contains(' '),
        "{word}"
    );
    let made = run(&[
        "create",
        "--role",
        "read",
        "--name",
        "ci",
        "--expires",
        "30d",
    ]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let again = run(&["create", "--role", "read", "--name", "ann"]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    let said = text(&again.stderr);
    assert!(
        said.contains("a token named 'ann' exists already"),
        "{said}"
    );
    let listed = text(&run(&["list"]).stdout);
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert!(
        lines[0].starts_with("ann\tadmin\tfor good\tmade 20"),
        "{listed}"
    );
    assert!(lines[1].starts_with("ci\tread\tuntil 20"), "{listed}");
    assert!(lines[0].ends_with("by cli"), "{listed}");
    assert!(!listed.contains(&word.trim()[5..]), "{listed}");
    assert_eq!(run(&["revoke", "ci"]).status.code(), Some(0));
    let gone = run(&["revoke", "ci"]);
    assert_eq!(gone.status.code(), Some(1), "{gone:?}");
    let said = text(&gone.stderr);
    assert!(said.contains("there is no token named 'ci'"), "{said}");
    assert_eq!(text(&run(&["list"]).stdout).lines().count(), 1);
}

#[test]
fn a_backup_needs_a_store_and_a_restore_a_backup() {
    let folder = folder();
    let failed = |words: &[&str], said: &str| {
        let output = headgate_cp(&folder, words);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
        let error = text(&output.stderr);
        assert!(error.contains(said), "{words:?}: {error}");
    };
    failed(
        &["backup", "b.db"],
        "there is no store in './headgate-data/cp'",
    );
    failed(&["restore", "b.db"], "cannot read 'b.db'");
    std::fs::write(folder.path().join("text"), "no backup").expect("written");
    failed(
        &["restore", "text"],
        "'text' is not a backup of headgate-cp",
    );
    std::fs::create_dir_all(folder.path().join("headgate-data/cp")).expect("the state's folder");
    let admin = unused();
    let words = [
        "admin-token",
        "create",
        "--role",
        "read",
        "--name",
        "ci",
        "--admin-listen",
        &admin,
    ];
    assert_eq!(headgate_cp(&folder, &words).status.code(), Some(0));
    let made = headgate_cp(&folder, &["backup", "b.db"]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let said = text(&made.stdout);
    assert!(
        said.starts_with("backup of revision 0 (0 documents, 0 files, "),
        "{said}"
    );
    failed(&["backup", "b.db"], "'b.db' exists already");
    let restored = headgate_cp(&folder, &["restore", "b.db", "--data-dir", "other"]);
    assert_eq!(restored.status.code(), Some(0), "{restored:?}");
    let said = text(&restored.stdout);
    assert!(said.starts_with("restored revision 0, as epoch "), "{said}");
    let words = [
        "admin-token",
        "list",
        "--data-dir",
        "other",
        "--admin-listen",
        &admin,
    ];
    let listed = text(&headgate_cp(&folder, &words).stdout);
    assert!(listed.starts_with("ci\tread\t"), "{listed}");
    let help = text(&headgate_cp(&folder, &["restore", "--help"]).stdout);
    assert!(
        help.contains("revoke them again") && help.contains("before-restore"),
        "{help}"
    );
}

#[test]
fn a_plugin_is_tested_by_the_data_plane_beside_it() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let program = folder.path().join("headgate-cp");
    std::fs::hard_link(env!("CARGO_BIN_EXE_headgate-cp"), &program).expect("on the same disk");
    let run = |words: &[&str]| {
        let mut command = Command::new(&program);
        command.args(words).env("PATH", "");
        command.output().expect("the program runs")
    };
    let words = ["plugin", "test", "./my-plugin", "--json", "-H", "a: b"];
    let output = run(&words);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("headgate-dp, which is neither beside this program nor in PATH"),
        "{said}"
    );
    assert!(
        said.contains("cargo build --release -p data-plane"),
        "{said}"
    );

    let runner = folder.path().join("headgate-dp");
    std::fs::write(&runner, "#!/bin/sh\necho \"$@\"\nexit 2\n").expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&runner, mode).expect("it may be run");
    for words in [&words[..], &["plugin", "test", "--help"]] {
        let output = run(words);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(text(&output.stdout), format!("{}\n", words.join(" ")));
    }
}
