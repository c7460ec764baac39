//! The order of the sources, what is refused and what is suggested.

use std::fs;

use derive::Settings;

use super::*;

/// The settings of a program that exists for these tests.
#[derive(Clone, Debug, Settings)]
#[setting(section = "control_plane", check = check)]
struct Sample {
    /// Where it listens. A second sentence.
    #[setting(default = "127.0.0.1:8001")]
    admin_listen: Listeners,
    /// Its size.
    #[setting(default = "10m")]
    admin_max_body_size: Size,
    /// A switch.
    #[setting(default = "off")]
    admin_unprotected: bool,
    /// Something secret.
    #[setting(default = "")]
    join: Option<Secret>,
    /// To come.
    #[setting(default = "off", unbuilt = "the user interface")]
    ui_listen: Listeners,
    /// To come as well.
    #[setting(default = "", unbuilt = "reading files")]
    declarative_config: Option<std::path::PathBuf>,
}

fn check(sample: &Sample) -> Vec<Violation> {
    let tiny = sample.admin_max_body_size.bytes() == 1;
    tiny.then(|| Violation::new("admin_max_body_size", "is too small for anything"))
        .into_iter()
        .collect()
}

fn given(
    flags: &[(&str, &str)],
    variables: &[(&str, &str)],
    file: &str,
) -> (tempfile::TempDir, Inputs) {
    let directory = tempfile::tempdir().expect("a directory");
    if !file.is_empty() {
        fs::write(directory.path().join("headgate.toml"), file).expect("the file is written");
    }
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(a, b)| (a.to_string(), b.to_string()))
            .collect()
    };
    let inputs = Inputs {
        flags: owned(flags).into_iter().collect(),
        config: None,
        environment: owned(variables),
        directory: directory.path().to_owned(),
    };
    (directory, inputs)
}

fn complaints(flags: &[(&str, &str)], variables: &[(&str, &str)], file: &str) -> String {
    let (directory, inputs) = given(flags, variables, file);
    let errors = load::<Sample>(&inputs).expect_err("these settings are bad");
    let place = format!("{}/", directory.path().display());
    errors.to_string().replace(&place, "")
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let file = "# a comment\nadmin_max_body_size = \"3k\"\n";
    let own_table = "admin_max_body_size = '3k'\n[control_plane]\nadmin_max_body_size = '4k'\n";
    let flag: &[_] = &[("admin_max_body_size", "1k")];
    let variable: &[_] = &[("HEADGATE_ADMIN_MAX_BODY_SIZE", "2k")];
    let cases: &[(&[_], &[_], &str, u64, &str)] = &[
        (flag, variable, file, 1, "flag --admin-max-body-size"),
        (
            &[],
            variable,
            file,
            2,
            "variable HEADGATE_ADMIN_MAX_BODY_SIZE",
        ),
        (&[], &[], file, 3, "headgate.toml:2"),
        (&[], &[], own_table, 4, "headgate.toml:3"),
        (&[], &[], "", 10 << 10, "default"),
    ];
    for (flags, variables, file, kibibytes, origin) in cases {
        let (_directory, inputs) = given(flags, variables, file);
        let loaded = load::<Sample>(&inputs).expect("these settings are good");
        assert_eq!(
            loaded.value.admin_max_body_size,
            Size(kibibytes << 10),
            "from {origin}"
        );
        let report = loaded
            .values
            .report()
            .find(|(spec, ..)| spec.name == "admin_max_body_size");
        let shown = report.expect("every setting is reported").2.to_string();
        assert!(shown.ends_with(origin), "'{shown}' should name {origin}");
    }
}

#[test]
fn a_value_of_the_file_may_have_the_type_it_means() {
    let file = "[control_plane]\nadmin_unprotected = true\nadmin_max_body_size = 4096\nadmin_listen = ['127.0.0.1:1', '[::1]:2 ssl']\n";
    let (_directory, inputs) = given(&[], &[], file);
    let sample = load::<Sample>(&inputs)
        .expect("these settings are good")
        .value;
    assert!(sample.admin_unprotected);
    assert_eq!(sample.admin_max_body_size, Size(4096));
    assert_eq!(sample.admin_listen.render(), "127.0.0.1:1, [::1]:2 ssl");
}

#[test]
fn a_file_that_is_named_must_exist_and_wins_over_the_one_found() {
    let (directory, mut inputs) = given(&[], &[], "admin_unprotected = true");
    inputs.config = Some("other.toml".into());
    let errors = load::<Sample>(&inputs)
        .expect_err("there is no such file")
        .to_string();
    assert!(
        errors.contains("other.toml: cannot read the settings file"),
        "{errors}"
    );

    fs::write(directory.path().join("other.toml"), "").expect("the file is written");
    assert!(
        !load::<Sample>(&inputs)
            .expect("the file is there")
            .value
            .admin_unprotected
    );

    inputs.config = None;
    inputs.environment = vec![("HEADGATE_CONFIG".to_owned(), "other.toml".to_owned())];
    let loaded = load::<Sample>(&inputs).expect("the variable names it as well");
    assert!(!loaded.value.admin_unprotected && loaded.warnings.is_empty());
}

#[test]
fn a_bad_value_is_told_with_its_setting_its_origin_and_what_is_expected() {
    let cases: &[(&[_], &[_], &str, &str)] = &[
        (
            &[("admin_unprotected", "yes")],
            &[],
            "",
            "admin_unprotected (from flag --admin-unprotected): got 'yes', expected `on` or `off`",
        ),
        (
            &[],
            &[("HEADGATE_ADMIN_MAX_BODY_SIZE", "10x")],
            "",
            "admin_max_body_size (from variable HEADGATE_ADMIN_MAX_BODY_SIZE): got '10x', expected a size such as `512k`, `8m`, `1g`, or bytes",
        ),
        (
            &[],
            &[],
            "\n[control_plane]\nadmin_listen = \"localhost\"",
            "admin_listen (from headgate.toml:3): got 'localhost', expected `off`, or `<ip>:<port> [ssl] [http2] [reuseport] [backlog=<n>] [ipv6only=on|off], …` ('localhost' is not an address and port)",
        ),
        (
            &[("admin_max_body_size", "1")],
            &[],
            "",
            "admin_max_body_size (from flag --admin-max-body-size): is too small for anything",
        ),
        (
            &[("ui_listen", "127.0.0.1:8002")],
            &[],
            "",
            "ui_listen (from flag --ui-listen): got '127.0.0.1:8002', but the user interface is not built yet; leave it out or say `off`",
        ),
        (
            &[],
            &[],
            "admin_lisen = 'off'",
            "headgate.toml:1: unknown setting 'admin_lisen' (did you mean 'admin_listen'?)",
        ),
        (
            &[],
            &[],
            "[control_plane]\nproxy_listen = 'off'",
            "headgate.toml:2: unknown setting 'control_plane.proxy_listen'",
        ),
        (
            &[],
            &[],
            "proxy_listen = 'off'",
            "headgate.toml:1: unknown setting 'proxy_listen' (what only one plane knows belongs into [control_plane] or [data_plane])",
        ),
        (
            &[],
            &[],
            "[contol_plane]\nadmin_listen = 'off'",
            "headgate.toml:2: unknown setting 'contol_plane.admin_listen' (did you mean the table [control_plane]?)",
        ),
        (
            &[],
            &[],
            "admin_listen = 1979-05-27",
            "headgate.toml:1: 'admin_listen' takes a text, a number, true or false, or a list of these",
        ),
    ];
    for (flags, variables, file, expected) in cases {
        assert_eq!(&complaints(flags, variables, file), expected);
    }
}

#[test]
fn every_mistake_is_told_at_once() {
    let found = complaints(
        &[("admin_unprotected", "1")],
        &[],
        "colour = 'red'\nadmin_max_body_size = -1",
    );
    assert_eq!(found.lines().count(), 3, "{found}");
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_line() {
    let found = complaints(&[], &[], "admin_unprotected = true\nadmin_listen = =");
    assert!(found.starts_with("headgate.toml:2: "), "{found}");
}

#[test]
fn what_is_not_built_takes_its_default_nothing_and_off() {
    for (name, text) in [
        ("ui_listen", "off"),
        ("ui_listen", ""),
        ("declarative_config", ""),
        ("declarative_config", "off"),
    ] {
        let (_directory, inputs) = given(&[(name, text)], &[], "");
        let loaded = load::<Sample>(&inputs).map_err(|errors| errors.to_string());
        let sample = loaded
            .unwrap_or_else(|errors| panic!("{name} = '{text}': {errors}"))
            .value;
        assert!(sample.ui_listen.0.is_empty() && sample.declarative_config.is_none());
    }
}

#[test]
fn the_other_planes_table_is_its_own_affair() {
    let file = "[data_plane]\nproxy_listen = 'whatever'\n[quickstart]\ndemo_listen = 'off'";
    let (_directory, inputs) = given(&[], &[], file);
    load::<Sample>(&inputs).expect("only [control_plane] is read");
}

#[test]
fn an_unknown_variable_is_a_warning_with_a_suggestion() {
    let variables: &[_] = &[
        ("HEADGATE_ADMIN_LISTN", "off"),
        ("HEADGATE_CP_SERVICE_PORT", "tcp://10.0.0.1:1"),
        ("HEADGATE_ADMIN_URL", "http://127.0.0.1:8001"),
        ("PATH", "/bin"),
    ];
    let (_directory, inputs) = given(&[], variables, "");
    let loaded = load::<Sample>(&inputs).expect("unknown variables stop nothing");
    let [first, second] = &loaded.warnings[..] else {
        panic!("two of them are unknown: {:?}", loaded.warnings);
    };
    assert!(
        first.contains("did you mean HEADGATE_ADMIN_LISTEN?"),
        "{first}"
    );
    assert_eq!(
        second,
        "unknown variable HEADGATE_CP_SERVICE_PORT is ignored"
    );
}

#[test]
fn a_secret_is_never_printed() {
    let (_directory, inputs) = given(&[("join", "hunter2")], &[], "");
    let loaded = load::<Sample>(&inputs).expect("these settings are good");
    assert_eq!(
        loaded.value.join.as_ref().map(Secret::expose),
        Some("hunter2")
    );
    let printed = [report(&loaded.values), format!("{:?}", loaded.value)];
    assert!(
        printed.iter().all(|text| !text.contains("hunter2")),
        "{printed:?}"
    );

    let errors = complaints(&[("join", "two words")], &[], "");
    assert!(!errors.contains("two words"), "{errors}");
}

#[test]
fn what_is_reported_can_be_read_again() {
    let (directory, inputs) = given(&[("admin_unprotected", "true")], &[], "");
    let first = load::<Sample>(&inputs).expect("these settings are good");
    fs::write(
        directory.path().join("headgate.toml"),
        report(&first.values),
    )
    .expect("written");
    let again = load::<Sample>(&Inputs {
        flags: Default::default(),
        ..inputs
    })
    .expect("read again");
    assert_eq!(format!("{:?}", again.value), format!("{:?}", first.value));
}

#[test]
fn a_flag_takes_its_text_from_the_innermost_subcommand() {
    let specs = Sample::specs();
    let command = clap::Command::new("sample")
        .args(flags(&specs))
        .subcommand(clap::Command::new("run").args(flags(&specs)));
    let words = [
        "sample",
        "--ui-listen",
        "a",
        "--config",
        "f",
        "run",
        "--ui-listen",
        "b",
    ];
    let matches = command
        .try_get_matches_from(words)
        .expect("these flags exist");
    let inputs = inputs(&specs, &matches);
    assert_eq!(inputs.flags["ui_listen"], "b");
    assert_eq!(inputs.config, Some("f".into()));
}

/// Each text with how it is printed; `Err` texts must be refused and say this.
fn table<T: SettingValue>(cases: &[(&str, Result<&str, &str>)]) {
    for (text, expected) in cases {
        match (T::parse(text), expected) {
            (Ok(value), Ok(printed)) => {
                assert_eq!(&value.render(), printed, "'{text}'");
                let again = T::parse(printed).map(|value| value.render());
                assert_eq!(
                    again.as_deref(),
                    Ok(*printed),
                    "'{printed}' should mean itself"
                );
            }
            (Err(why), Err(expected)) => assert!(why.contains(expected), "'{text}': {why}"),
            (Ok(value), Err(_)) => panic!("'{text}' was taken as {}", value.render()),
            (Err(why), Ok(_)) => panic!("'{text}' was refused: {why}"),
        }
    }
}

#[test]
fn listeners_speak_kongs_syntax() {
    table::<Listeners>(&[
        ("off", Ok("off")),
        (
            "0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl reuseport backlog=16384",
            Ok("0.0.0.0:8000 backlog=16384, 0.0.0.0:8443 http2 ssl backlog=16384"),
        ),
        ("[::]:8000 ipv6only=off bind", Ok("[::]:8000 ipv6only=off")),
        ("127.0.0.1:0", Ok("127.0.0.1:0")),
        ("", Err("")),
        (",", Err("")),
        ("8000", Err("'8000' is not an address and port")),
        (
            "localhost:8000",
            Err("'localhost:8000' is not an address and port"),
        ),
        ("0.0.0.0:80000", Err("is not an address and port")),
        ("unix:/tmp/x.sock", Err("not built yet")),
        (
            "0.0.0.0:8000 proxy_protocol",
            Err("'proxy_protocol' is not built yet"),
        ),
        ("0.0.0.0:8000 deferred", Err("'deferred' is not built yet")),
        (
            "0.0.0.0:8000 backlog=many",
            Err("'backlog=many' needs a whole number"),
        ),
        ("0.0.0.0:8000 tls", Err("'tls' is no option of a listener")),
    ]);
    table::<Addresses>(&[
        ("off", Ok("off")),
        (
            "127.0.0.1:8100,[::1]:8100",
            Ok("127.0.0.1:8100, [::1]:8100"),
        ),
        ("127.0.0.1:8100 ssl", Err("is not an address and port")),
        ("", Err("")),
    ]);
}

#[test]
fn values_are_read_and_printed_as_kong_writes_them() {
    table::<bool>(&[
        ("on", Ok("on")),
        ("true", Ok("on")),
        ("off", Ok("off")),
        ("ON", Err("")),
        ("1", Err("")),
    ]);
    table::<u32>(&[
        ("0", Ok("0")),
        ("-1", Err("")),
        ("5000000000", Err("")),
        ("1.5", Err("")),
    ]);
    table::<Size>(&[
        ("0", Ok("0")),
        ("1024", Ok("1k")),
        ("8m", Ok("8m")),
        ("1536K", Ok("1536k")),
        ("1g", Ok("1g")),
        ("m", Err("")),
        ("+8m", Err("")),
        ("8 m", Err("")),
        ("8mb", Err("")),
        ("18446744073709551615g", Err("more than can be counted")),
    ]);
    table::<Seconds>(&[
        ("60", Ok("60")),
        ("0.5", Ok("0.5")),
        ("-1", Err("")),
        ("NaN", Err("")),
        ("60s", Err("")),
    ]);
    table::<Workers>(&[
        ("auto", Ok("auto")),
        ("4", Ok("4")),
        ("0", Err("")),
        ("1025", Err("")),
    ]);
    table::<Networks>(&[
        ("", Ok("")),
        ("10.0.0.0/8, ::1", Ok("10.0.0.0/8, ::1/128")),
        ("10.0.0.0/33", Err("'10.0.0.0/33' is neither")),
        ("unix:", Err("not built yet")),
    ]);
    table::<Endpoints>(&[
        (
            "cp.example:8005, 10.0.0.1",
            Ok("cp.example:8005, 10.0.0.1:8005"),
        ),
        ("[::1]:9, ::1", Ok("[::1]:9, [::1]:8005")),
        ("https://cp.example:8005", Err("is a URL")),
        ("cp.example:", Err("'cp.example:' is not `host:port`")),
        ("cp.example:0", Err("is not `host:port`")),
        ("cp example", Err("is not `host:port`")),
    ]);
    table::<NameServers>(&[
        ("10.0.0.2, 10.0.0.3:5353", Ok("10.0.0.2:53, 10.0.0.3:5353")),
        ("::1, [::1]:54", Ok("[::1]:53, [::1]:54")),
        ("dns.example", Err("is not an address of a name server")),
    ]);
    table::<PortMaps>(&[
        ("80:8000, 443:8443", Ok("80:8000, 443:8443")),
        ("80", Err("'80' is not a pair of ports")),
        ("0:8000", Err("is not a pair of ports")),
    ]);
}

#[test]
fn words_and_headers_are_read_and_printed() {
    table::<LogLevel>(&[
        ("notice", Ok("notice")),
        ("notic", Err("did you mean 'notice'?")),
        ("loud", Err("")),
    ]);
    table::<RouterFlavor>(&[
        ("traditional_compatible", Ok("traditional_compatible")),
        ("expressions", Err("not built yet")),
        ("traditional", Err("not built")),
        (
            "traditional_compatibel",
            Err("did you mean 'traditional_compatible'?"),
        ),
    ]);
    table::<UntrustedLua>(&[
        ("sandbox", Ok("sandbox")),
        ("off", Ok("off")),
        ("on", Ok("on")),
        ("maybe", Err("")),
    ]);
    table::<ErrorType>(&[("text/html", Ok("text/html")), ("text/markdown", Err(""))]);
    table::<HeaderTokens>(&[
        ("off", Ok("off")),
        (
            "server_tokens, latency_tokens, X-Kong-Request-Id",
            Ok("server_tokens, latency_tokens, X-Kong-Request-Id"),
        ),
        (
            "via, x-kong-upstream-status",
            Ok("Via, X-Kong-Upstream-Status"),
        ),
        (
            "server_token",
            Err("'server_token' is none of them did you mean 'server_tokens'?"),
        ),
    ]);
    table::<UpstreamTokens>(&[
        ("off", Ok("off")),
        ("x-kong-request-id", Ok("X-Kong-Request-Id")),
        ("Via", Err("")),
    ]);
    table::<::http::HeaderName>(&[
        ("X-Forwarded-For", Ok("x-forwarded-for")),
        ("proxy_protocol", Err("not built yet")),
        ("two words", Err("")),
    ]);
    table::<AccessLog>(&[
        ("off", Ok("off")),
        ("/dev/stdout", Ok("/dev/stdout")),
        ("/var/log/access.log json", Ok("/var/log/access.log json")),
        ("/var/log/access.log basic", Err("")),
        ("", Err("")),
    ]);
    table::<TrustedCertificates>(&[("system, /a.pem", Ok("system, /a.pem")), ("", Ok(""))]);
}

#[test]
fn an_address_in_ipv6_clothes_is_trusted_as_itself() {
    let trusted = Networks::parse("10.0.0.0/8").expect("a network");
    assert!(trusted.contains("::ffff:10.1.2.3".parse().expect("an address")));
    assert!(!trusted.contains("11.1.2.3".parse().expect("an address")));
}

#[test]
fn a_mapped_port_is_the_one_clients_see() {
    let maps = PortMaps::parse("80:8000").expect("a pair");
    assert_eq!((maps.public(8000), maps.public(8443)), (80, 8443));
}
