//! Starting the programs: settings, exit codes, ports that are taken (design README 3 and 4).

use std::net::TcpListener;

use tests::process::{Finished, Launch};
use tests::{Gateway, Setup};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

async fn run(program: &str, args: &[&str]) -> Finished {
    let folder = folder();
    Launch::new(program, folder.path())
        .args(args.iter().copied())
        .run()
        .await
}

#[tokio::test]
async fn a_setting_that_is_unknown_stops_the_start_with_a_suggestion() {
    let cases = [
        (
            "headgate-cp",
            "--admin-lisen",
            "127.0.0.1:0",
            "--admin-listen",
        ),
        (
            "headgate-dp",
            "--proxy-lissten",
            "127.0.0.1:0",
            "--proxy-listen",
        ),
        (
            "headgate-quickstart",
            "--status-listn",
            "127.0.0.1:0",
            "--status-listen",
        ),
    ];
    for (program, flag, value, suggestion) in cases {
        let finished = run(program, &[flag, value]).await;
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains(suggestion), "{finished:?}");
    }
}

#[tokio::test]
async fn a_bad_value_stops_the_start_and_names_the_setting() {
    let cases: [(&str, &[&str], &str); 5] = [
        (
            "headgate-cp",
            &["--admin-listen", "nowhere"],
            "admin_listen",
        ),
        (
            "headgate-cp",
            &["--admin-ssl-cert", "own.crt"],
            "admin_ssl_cert_key",
        ),
        ("headgate-dp", &["--workers", "many"], "workers"),
        (
            "headgate-dp",
            &["--router-flavor", "traditional"],
            "router_flavor",
        ),
        (
            "headgate-dp",
            &["--trusted-ips", "10.0.0.0/99"],
            "trusted_ips",
        ),
    ];
    for (program, args, names) in cases {
        let finished = run(program, args).await;
        assert_eq!(finished.code, Some(2), "{args:?}: {finished:?}");
        assert!(finished.stderr.contains(names), "{args:?}: {finished:?}");
    }
}

#[tokio::test]
async fn a_bad_key_in_the_file_stops_the_start_with_a_suggestion() {
    let folder = folder();
    let file = folder.path().join("headgate.toml");
    std::fs::write(&file, "[control_plane]\nadmin_lisen = \"127.0.0.1:0\"\n")
        .expect("the folder can be written");
    let finished = Launch::new("headgate-cp", folder.path()).run().await;
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(
        finished.stderr.contains("admin_listen") && finished.stderr.contains("headgate.toml"),
        "{finished:?}"
    );
}

#[tokio::test]
async fn a_flag_beats_a_variable_and_a_variable_beats_the_file() {
    let folder = folder();
    let file = "[data_plane]\nproxy_listen = \"127.0.0.1:1\"\nworkers = \"3\"\nstatus_listen = \"127.0.0.1:4\"\n";
    std::fs::write(folder.path().join("headgate.toml"), file).expect("the folder can be written");
    let finished = Launch::new("headgate-dp", folder.path())
        .args(["settings", "--proxy-listen", "127.0.0.1:3"])
        .variable("HEADGATE_PROXY_LISTEN", "127.0.0.1:2")
        .variable("HEADGATE_STATUS_LISTEN", "127.0.0.1:5")
        .run()
        .await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let line = |name: &str| {
        let lines = finished.stdout.lines();
        lines
            .filter(|line| line.contains(name))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(line("proxy_listen").contains("127.0.0.1:3"), "{finished:?}");
    assert!(
        line("status_listen").contains("127.0.0.1:5"),
        "{finished:?}"
    );
    assert!(line("workers").contains('3'), "{finished:?}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let address = taken
        .local_addr()
        .expect("a bound listener has an address")
        .to_string();
    let (cp, quickstart) = (
        ["--sync-listen", "--enroll-listen", "--admin-listen"],
        "--proxy-listen",
    );
    for flag in cp {
        let others = cp
            .iter()
            .filter(|other| **other != flag)
            .flat_map(|other| [*other, "127.0.0.1:0"]);
        let args: Vec<&str> = [flag, &address].into_iter().chain(others).collect();
        let finished = run("headgate-cp", &args).await;
        assert_eq!(finished.code, Some(5), "{flag}: {finished:?}");
        let setting = flag.trim_start_matches('-').replace('-', "_");
        assert!(
            finished.stderr.contains(&address) && finished.stderr.contains(&setting),
            "{flag}: {finished:?}"
        );
    }
    let free = [
        "--admin-listen",
        "--sync-listen",
        "--enroll-listen",
        "--status-listen",
        "--demo-listen",
    ];
    let args: Vec<&str> = [quickstart, &address]
        .into_iter()
        .chain(free.iter().flat_map(|f| [*f, "127.0.0.1:0"]))
        .collect();
    let finished = run("headgate-quickstart", &args).await;
    assert_eq!(finished.code, Some(5), "{finished:?}");
    assert!(
        finished.stderr.contains(&address) && finished.stderr.contains("proxy_listen"),
        "{finished:?}"
    );
}

#[tokio::test]
async fn a_token_is_one_word_and_needs_a_control_plane() {
    let gateway = Gateway::with(Setup::nodes(0)).await;
    let admin = format!("http://{}", gateway.control_plane.admin);
    let made = run(
        "headgate-cp",
        &[
            "token", "create", "--ttl", "1h", "--uses", "2", "--admin", &admin,
        ],
    )
    .await;
    assert_eq!(
        (made.code, made.stdout.lines().count()),
        (Some(0), 1),
        "{made:?}"
    );
    assert!(
        !made.stdout.trim().contains(char::is_whitespace),
        "{made:?}"
    );
    let by_variable = folder();
    let made = Launch::new("headgate-cp", by_variable.path())
        .args(["token", "create"])
        .variable("HEADGATE_ADMIN_URL", &admin)
        .run()
        .await;
    assert_eq!(made.code, Some(0), "{made:?}");
}

#[tokio::test]
async fn two_control_planes_do_not_share_a_folder() {
    let gateway = Gateway::with(Setup::nodes(0)).await;
    let state = gateway.folder().join("cp/state").display().to_string();
    let mut args = vec!["--data-dir", &state];
    args.extend(
        ["--admin-listen", "--sync-listen", "--enroll-listen"]
            .iter()
            .flat_map(|f| [*f, "127.0.0.1:0"]),
    );
    let finished = run("headgate-cp", &args).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stderr.contains(&state),
        "it says which folder: {finished:?}"
    );
}

#[tokio::test]
async fn help_and_version_are_answers_not_errors() {
    for program in ["headgate-cp", "headgate-dp", "headgate-quickstart"] {
        for flag in ["--help", "--version"] {
            let finished = run(program, &[flag]).await;
            assert_eq!(finished.code, Some(0), "{program} {flag}: {finished:?}");
            assert!(
                finished.stdout.contains("headgate"),
                "{program} {flag}: {finished:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_admin_api_is_served_over_tls_too() {
    let folder = folder();
    let listens = [
        "--sync-listen",
        "127.0.0.1:0",
        "--enroll-listen",
        "127.0.0.1:0",
    ];
    let process = Launch::new("headgate-cp", folder.path())
        .args(["--admin-listen", "127.0.0.1:0, 127.0.0.1:0 ssl http2"])
        .args(listens)
        .start()
        .await;
    let mut conn = tests::wire::Conn::tls(process.address("admin_ssl"), None)
        .await
        .expect("TLS is served");
    conn.send(&tests::Request::get("/status").bytes("localhost"))
        .await
        .expect("it reads");
    conn.reply("GET").await.expect_status(200);
    tests::wire::exchange(process.address("admin"), &tests::Request::get("/status"))
        .await
        .expect_status(200);
}
