//! `headgate-dp plugin test` as who writes a plugin types it.

use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const SCHEMA: &str = r#"
return {
  name = "demo",
  fields = {
    { config = { type = "record", fields = {
      { header = { type = "string", required = true, default = "x-up" } },
    } } },
  },
}
"#;

/// A folder with `demo/`, whose handler has these methods.
fn plugin(methods: &str) -> TempDir {
    source(
        SCHEMA,
        &format!("local Demo = {{ PRIORITY = 10, VERSION = \"1.0.0\" }}\n{methods}\nreturn Demo\n"),
    )
}

fn source(schema: &str, handler: &str) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    let demo = folder.path().join("demo");
    std::fs::create_dir(&demo).expect("created");
    std::fs::write(demo.join("schema.lua"), schema).expect("written");
    std::fs::write(demo.join("handler.lua"), handler).expect("written");
    folder
}

/// Runs `headgate-dp plugin test demo …` beside the plugin, without the settings of whoever runs the tests.
fn test(folder: &TempDir, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headgate-dp"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HEADGATE_")) {
        command.env_remove(name);
    }
    command
        .args(["plugin", "test", "demo"])
        .args(words)
        .current_dir(folder.path())
        .output()
        .expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What is printed, if it ends with this code.
#[track_caller]
fn printed(folder: &TempDir, words: &[&str], code: i32) -> String {
    let output = test(folder, words);
    let said = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{said}{}",
        text(&output.stderr)
    );
    said
}

#[track_caller]
fn has(said: &str, expected: &[&str]) {
    for line in expected {
        assert!(said.contains(line), "{line:?} is missing in\n{said}");
    }
}

const GOOD: &str = r#"
function Demo:access(conf)
  kong.log("asked for ", kong.request.get_header("x-client"))
  kong.service.request.set_header(conf.header, "1")
end
function Demo:certificate() end
function Demo:log() end
"#;

#[test]
fn a_plugin_shows_what_each_phase_did() {
    let said = printed(
        &plugin(GOOD),
        &["-H", "x-client: ada", "--path", "/a?b=1"],
        0,
    );
    has(
        &said,
        &[
            "demo 1.0.0, priority 10: certificate, access, log\nGET /a?b=1\n",
            "\naccess          ",
            "ms, cpu ",
            "[demo] asked for ada\n",
            "  request\n    + x-up: 1\n",
            "\nupstream        GET /a?b=1\n",
            "\nnot called: certificate\n",
            "\nanswer          200 OK\n",
            "    \"x-up\": \"1\"",
        ],
    );
    let (access, upstream) = (said.find("\naccess"), said.find("\nupstream"));
    assert!(
        access < upstream && upstream < said.find("\nlog "),
        "{said}"
    );
    assert!(
        !said.contains('\x1b'),
        "only a terminal has colours: {said}"
    );
}

#[test]
fn a_failure_ends_with_1_and_says_where_it_was() {
    let methods = "function Demo:access()\n  local nothing\n  return nothing.field\nend\n";
    let said = printed(&plugin(methods), &[], 1);
    has(
        &said,
        &[
            "  failed handler.lua:4: attempt to index local 'nothing' (a nil value)\n",
            "    stack traceback:\n",
            "\nanswer          500 Internal Server Error\n",
        ],
    );
    let late = "function Demo:log()\n  error('too late')\nend\n";
    let said = printed(&plugin(late), &[], 1);
    has(
        &said,
        &[
            "  failed handler.lua:3: too late\n",
            "\nanswer          200 OK\n",
        ],
    );
}

#[test]
fn what_does_not_load_is_told_by_file_and_line() {
    let handler = "return { PRIORITY = 1, VERSION = '1.0.0' }";
    let cases: &[(&str, &str, &[&str], &str)] = &[
        (SCHEMA, "local x =\n", &[], "demo/handler.lua:"),
        (
            SCHEMA,
            "return {}",
            &[],
            "demo/handler.lua: Plugin \"demo\" cannot be loaded because its PRIORITY",
        ),
        ("return {\n  name = }", handler, &[], "demo/schema.lua:2: "),
        (
            "return { name = 'other', fields = {} }",
            handler,
            &[],
            "demo/schema.lua: ",
        ),
        (
            SCHEMA,
            handler,
            &["--config", "{\"head\": 1}"],
            "config.head: unknown field",
        ),
        (
            SCHEMA,
            handler,
            &["--config", "{\"header\": 1}"],
            "config.header: expected a string",
        ),
    ];
    for (schema, handler, words, expected) in cases {
        let said = printed(&source(schema, handler), words, 1);
        has(&said, &["demo does not load\n", expected]);
    }
}

#[test]
fn an_early_answer_is_shown_and_the_upstream_is_not_asked() {
    let methods =
        "function Demo:access()\n  kong.response.exit(403, 'no')\nend\nfunction Demo:log() end";
    let said = printed(&plugin(methods), &[], 0);
    has(
        &said,
        &[
            "  answers 403\n    no\n",
            "\nlog ",
            "\nanswer          403 Forbidden\n",
        ],
    );
    assert!(!said.contains("\nupstream "), "{said}");
}

const ASKS: &str = r#"
local http = require "resty.http"
function Demo:response(conf)
  local answer, err = http.new():request_uri("http://127.0.0.1:1/")
  if not answer then
    kong.response.exit(502, err)
  end
end
"#;

#[test]
fn a_third_party_that_is_not_there_is_an_answer_of_the_response_phase() {
    let said = printed(&plugin(ASKS), &[], 0);
    has(
        &said,
        &[
            "\nupstream        GET /\n",
            "\nresponse        ",
            "  answers 502\n    connection refused\n",
            "\nanswer          502 Bad Gateway\n",
        ],
    );
    let said = printed(&plugin(ASKS), &["--egress", "deny-private"], 0);
    assert!(
        !said.contains("connection refused"),
        "it is not connected to: {said}"
    );
    has(&said, &["\nanswer          502 Bad Gateway\n"]);
}

#[test]
fn the_upstream_answers_as_it_is_told() {
    let words = [
        "--upstream-status",
        "503",
        "--upstream-header",
        "Retry-After: 5",
        "--upstream-body",
        "sorry",
    ];
    let said = printed(&plugin(GOOD), &words, 0);
    has(
        &said,
        &[
            "\nanswer          503 Service Unavailable\n",
            "  retry-after: 5\n",
            "\n  sorry\n",
        ],
    );
}

#[test]
fn a_request_file_says_everything_and_flags_win() {
    let folder = plugin(GOOD);
    let file = r#"{
        "config": { "header": "x-file" }, "path": "/file", "headers": { "x-client": "file", "x-two": ["1", "2"] },
        "body": { "a": 1 }, "upstream": { "status": 201, "body": { "b": 2 } }
    }"#;
    std::fs::write(folder.path().join("case.json"), file).expect("written");
    let words = ["--request", "case.json", "-H", "X-Client: flag"];
    let said = printed(&folder, &words, 0);
    has(
        &said,
        &[
            "\nPOST /file\n",
            "asked for flag\n",
            "    + x-file: 1\n",
            "\nanswer          201 Created\n",
            "  content-type: application/json\n",
            "\n  {\"b\":2}\n",
        ],
    );
}

#[test]
fn programs_read_the_same_as_json() {
    let said = printed(&plugin(GOOD), &["--json", "--body", "hello"], 0);
    let report: Value = serde_json::from_str(&said).expect("JSON");
    let at = |pointer: &str| report.pointer(pointer).unwrap_or(&Value::Null).clone();
    for (pointer, expected) in [
        ("/ok", Value::from(true)),
        ("/name", "demo".into()),
        ("/plugin/version", "1.0.0".into()),
        ("/plugin/priority", 10.into()),
        ("/plugin/phases/1", "access".into()),
        ("/problems", Vec::<Value>::new().into()),
        ("/calls/0/phase", "access".into()),
        ("/calls/0/plugin", "demo".into()),
        ("/calls/0/end", "returned".into()),
        ("/calls/0/request/before/method", "POST".into()),
        ("/calls/0/request/before/headers/x-up", Value::Null),
        ("/calls/0/request/after/headers/x-up", "1".into()),
        ("/calls/0/logs/0/level", "notice".into()),
        ("/calls/1/phase", "log".into()),
        ("/calls/1/response/after/status", 200.into()),
        ("/not_called/0", "certificate".into()),
        ("/upstream/path", "/".into()),
        ("/upstream/body", "hello".into()),
        ("/upstream/headers/x-up", "1".into()),
        ("/answer/status", 200.into()),
        ("/answer/headers/content-type", "application/json".into()),
    ] {
        assert_eq!(at(pointer), expected, "{pointer} in\n{said}");
    }
    for pointer in ["/calls/0/wall_ms", "/calls/0/cpu_ms", "/calls/0/at_ms"] {
        assert!(at(pointer).is_number(), "{pointer} in\n{said}");
    }
    let broken = printed(&source(SCHEMA, "return 1 +"), &["--json"], 1);
    let report: Value = serde_json::from_str(&broken).expect("JSON");
    assert_eq!(report["ok"], false);
    let place = report["problems"][0]["place"].as_str().unwrap_or_default();
    assert!(place.starts_with("demo/handler.lua"), "{broken}");
}

#[test]
fn what_is_asked_for_wrongly_ends_with_2() {
    let folder = plugin(GOOD);
    for (words, expected) in [
        (
            &["--config", "[]"][..],
            "--config: expected a JSON object: ",
        ),
        (&["--config", "@none.json"], "cannot read 'none.json': "),
        (
            &["--path", "a"],
            "--path: got 'a', expected a path that begins with '/'",
        ),
        (&["-H", "a"], "--header: got 'a', expected 'Name: value'"),
        (
            &["--upstream-status", "99"],
            "--upstream-status: got '99', expected a number from 200 to 599",
        ),
        (&["--egress", "some"], "custom_plugins_egress"),
        (&["--set", "no_such_setting=1"], "no_such_setting"),
        (&["--confg", "{}"], "--config"),
    ] {
        let output = test(&folder, words);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(expected), "{words:?}: {said}");
    }
    let empty = TempDir::new().expect("a temporary folder");
    let output = test(&empty, &[]);
    assert_eq!(output.status.code(), Some(2));
    has(
        &text(&output.stderr),
        &[
            "cannot read 'demo/schema.lua': ",
            "schema.lua and handler.lua",
        ],
    );
}
