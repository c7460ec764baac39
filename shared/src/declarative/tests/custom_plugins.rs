//! Custom plugins in a file, and plugins that name those of the file or of what stays.

use super::*;
use crate::plugins::tests::custom::{handler, install, schema};

fn custom(name: &str, fields: &[&str]) -> Value {
    json!({ "name": name, "schema": schema(name, fields), "handler": handler(5) })
}

#[test]
fn plugins_may_name_custom_plugins_of_the_same_file() {
    install();
    let text = file(json!({
        "plugins": [{ "name": "greeter", "config": { "nested.word": "a" } }],
        "custom_plugins": [custom("greeter", &["greeting hello", "nested.word string"])],
    }));
    let config = &documents(&text, "plugins")[0]["config"];
    assert_eq!(config, &json!({ "greeting": "hello", "nested.word": "a" }));
    // Kong's rule: the id follows from the name.
    let id = documents(&text, "custom_plugins")[0]["id"].clone();
    assert_eq!(id, documents(&text, "custom_plugins")[0]["id"]);
}

#[test]
fn an_export_loads_to_the_same_documents() {
    install();
    let text = file(json!({
        "custom_plugins": [custom("greeter", &["greeting hello"])],
        "plugins": [{ "name": "greeter" }],
    }));
    let state = state_of(&load_text(&text).expect("good"));
    for format in [Format::Yaml, Format::Json] {
        let exported = export(&state, format, NOW);
        assert!(
            !exported.contains("sha256"),
            "what is computed is not the file's: {exported}"
        );
        let again = load_over(&exported, &state, Mode::Replace, NOW + 9.0).expect("good");
        assert!(
            again.iter().all(|one| one.change == Change::Same),
            "{exported}"
        );
        assert_eq!(again.len(), 2);
    }
}

#[test]
fn what_the_file_does_not_speak_of_may_be_named_if_it_stays() {
    install();
    let before = file(json!({ "custom_plugins": [custom("greeter", &["greeting hello"])] }));
    let state = state_of(&load_text(&before).expect("good"));
    let text = file(json!({ "plugins": [{ "name": "greeter" }] }));
    let merged = load_over(&text, &state, Mode::Merge, NOW).expect("it stays");
    assert_eq!(merged[0].document["config"], json!({ "greeting": "hello" }));
    for mode in [Mode::Replace, Mode::Prune] {
        let report = load_over(&text, &state, mode, NOW).expect_err("it goes");
        let said = "plugin 'greeter' not enabled; add it to the 'plugins' configuration property";
        assert_eq!(
            report.fields(),
            json!({ "plugins": [{ "name": said }] }),
            "{mode:?}"
        );
    }
    // The file's own comes before the one that is there.
    let both = file(json!({
        "custom_plugins": [custom("greeter", &["times integer"])],
        "plugins": [{ "name": "greeter" }],
    }));
    let merged = load_over(&both, &state, Mode::Merge, NOW).expect("good");
    let plugin = merged
        .iter()
        .find(|one| one.entity.kind == "plugins")
        .expect("loaded");
    assert_eq!(plugin.document["config"], json!({ "times": null }));
}

#[test]
fn the_errors_of_a_custom_plugin_are_told_and_not_those_that_follow_from_them() {
    install();
    let mut bad = custom("greeter", &[]);
    bad["handler"] = json!("unexpected");
    let text = file(json!({
        "custom_plugins": [bad, custom("good", &["n integer"])],
        "plugins": [
            { "name": "greeter" }, { "name": "good", "config": { "n": "x" } }, { "name": "none" },
        ],
    }));
    assert_eq!(
        fields(&text),
        json!({
            "custom_plugins": [{ "handler": "handler.lua:3: unexpected" }],
            "plugins": [
                null,
                { "config": { "n": "expected an integer" } },
                {
                    "name":
                        "plugin 'none' not enabled; add it to the 'plugins' configuration property"
                },
            ],
        })
    );
}
