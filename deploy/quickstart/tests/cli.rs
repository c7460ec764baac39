//! `headgate-quickstart` as somebody types it.

use std::net::TcpListener;
use std::process::{Command, Output};

/// Runs the program in a folder of its own, without the settings of whoever runs the tests.
fn quickstart(words: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_headgate-quickstart"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HEADGATE_")) {
        command.env_remove(name);
    }
    command
        .args(words)
        .current_dir(folder.path())
        .output()
        .expect("the program runs")
}

#[test]
fn settings_of_both_planes_and_its_own_are_printed() {
    let output = quickstart(&["settings", "--log-level", "warn", "--data-dir", "./state"]);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for line in [
        "[quickstart]",
        "data_dir = \"./state\" # flag --data-dir",
        "[control_plane]",
        "admin_unprotected = \"off\" # default",
        "[data_plane]",
        "workers = \"auto\" # default",
    ] {
        assert!(
            printed.lines().any(|found| found == line),
            "'{line}' is missing in\n{printed}"
        );
    }
    let levels = printed
        .matches("log_level = \"warn\" # flag --log-level")
        .count();
    assert_eq!(levels, 2, "one flag, both planes:\n{printed}");
}

#[test]
fn an_address_that_is_taken_is_named_with_its_flag() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
    let taken = holder.local_addr().expect("it is bound").to_string();
    let flags = [
        "--demo-listen",
        "--admin-listen",
        "--sync-listen",
        "--enroll-listen",
        "--proxy-listen",
        "--status-listen",
    ];
    for flag in flags {
        let address = |name| {
            if name == flag {
                taken.as_str()
            } else {
                "127.0.0.1:0"
            }
        };
        let words: Vec<&str> = flags
            .into_iter()
            .flat_map(|name| [name, address(name)])
            .collect();
        let output = quickstart(&words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{flag}: {said}");
        assert!(
            said.contains(&taken) && said.contains(flag),
            "{flag}: {said}"
        );
    }
}
