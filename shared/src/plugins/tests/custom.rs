//! Plugins that arrive as source, read by an engine of the tests: source is JSON, and an error is what it says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::entities;
use crate::plugins::custom::{self, Declaration, LuaConfig, Shape, Source, SourceError};
use crate::plugins::{Catalog, Scopes};
use crate::schema::{Check, Field, Kind, Schema};

/// How often the engine ran.
static RUNS: AtomicUsize = AtomicUsize::new(0);

/// Makes the engine of the tests the one that reads source.
pub(crate) fn install() {
    custom::load_with(Box::new(read));
}

/// `schema.lua` of a plugin with these fields: a name and a type each, `!` behind those that are required.
pub(crate) fn schema(name: &str, fields: &[&str]) -> String {
    json!({ "name": name, "fields": fields }).to_string()
}

/// `handler.lua` of that priority.
pub(crate) fn handler(priority: i32) -> String {
    json!({ "PRIORITY": priority, "VERSION": "1.2.3" }).to_string()
}

fn read(source: Source<'_>) -> Result<Declaration, Vec<SourceError>> {
    RUNS.fetch_add(1, Ordering::Relaxed);
    let mut errors = Vec::new();
    let mut parse = |field: &'static str, text: &str| {
        let parsed: Value = serde_json::from_str(text).unwrap_or_else(|_| json!({ "error": text }));
        if let Some(message) = parsed["error"].as_str() {
            errors.push(SourceError {
                field,
                message: format!("{field}.lua:3: {message}"),
            });
        }
        parsed
    };
    let schema = parse("schema", source.schema);
    let handler = parse("handler", source.handler);
    if schema["name"].is_string() && schema["name"] != source.name {
        errors.push(SourceError {
            field: "schema",
            message: format!("expected name '{}', got {}", source.name, schema["name"]),
        });
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let fields = schema["fields"].as_array().into_iter().flatten();
    let fields = fields.filter_map(Value::as_str).map(field).collect();
    let mut config = Schema::new("config", fields);
    config.description = "A plugin of the tests.".into();
    let together = schema["only_one_of"].as_array().map(|names| {
        let names = names.iter().filter_map(Value::as_str);
        Check::OnlyOneOf(names.map(|name| name.to_owned().into()).collect())
    });
    Ok(Declaration {
        priority: handler["PRIORITY"].as_i64().unwrap_or_default() as i32,
        version: handler["VERSION"].as_str().unwrap_or_default().to_owned(),
        phases: vec!["access", "log"],
        shape: Shape {
            scopes: Scopes {
                consumer: schema["no_consumer"] != true,
                service: true,
                route: true,
            },
            protocols: Some(vec!["http".to_owned(), "https".to_owned()]),
            config,
            checks: together.into_iter().collect(),
        },
    })
}

fn field(said: &str) -> Field {
    let (name, kind) = said.split_once(' ').expect("a name and a type");
    let needed = kind.ends_with('!');
    let field = match kind.trim_end_matches('!') {
        "integer" => Field::new(Kind::Integer),
        "number" => Field::new(Kind::Number),
        "hello" => Field::string().default_value("hello".into()),
        _ => Field::string(),
    };
    let field = field.named(name.to_owned());
    if needed { field } else { field.optional() }
}

fn catalog(name: &str, schema: &str) -> Catalog {
    install();
    let read = custom::read(Source::streamed(name, schema, &handler(7)));
    Catalog::builtin().with([read.expect("good source")])
}

#[test]
fn source_becomes_a_plugin_like_those_of_the_program() {
    let schema = schema("greeter", &["greeting hello", "times integer"]);
    let catalog = catalog("greeter", &schema);
    let plugin = catalog.plugin("greeter").expect("it was added");
    let custom = plugin.custom.as_ref().expect("it came as source");
    assert_eq!((plugin.priority, &*plugin.version), (7, "1.2.3"));
    assert_eq!(
        (&*custom.name, custom.phases.as_slice()),
        ("greeter", &["access", "log"][..])
    );
    assert_eq!(
        (&*custom.schema, custom.trusted, &custom.folder),
        (schema.as_str(), false, &None)
    );
    let shown = plugin.render();
    assert_eq!(
        shown["fields"][0]["protocols"]["elements"]["one_of"],
        json!(["http", "https"])
    );
    assert_eq!(
        shown["fields"][0]["protocols"]["default"],
        json!(["http", "https"]),
        "what is left of the default of all"
    );
    let config = &shown["fields"][1]["config"]["fields"];
    assert_eq!(config[0]["greeting"]["default"], "hello");
    assert!(Catalog::builtin().plugin("greeter").is_none());
}

#[test]
fn a_configuration_is_complete_and_its_numbers_keep_their_spelling() {
    let schema = schema(
        "greeter",
        &["greeting hello", "times integer", "share number"],
    );
    let catalog = catalog("greeter", &schema);
    let plugin = catalog.plugin("greeter").expect("it was added");
    let config = plugin.parse(br#"{"share": 1.50}"#).expect("a good one");
    let config = config.downcast::<LuaConfig>().expect("of source");
    let expected = r#"{"greeting":"hello","times":null,"share":1.50}"#;
    assert_eq!(Value::Object(config.0.clone()).to_string(), expected);
    for (config, said) in [
        (r#"{"times": "x"}"#, "config.times: expected an integer"),
        (r#"{"tmes": 1}"#, "config.tmes: unknown field"),
        ("[]", "config..: expected a record"),
    ] {
        let error = plugin.parse(config.as_bytes()).expect_err(config);
        assert_eq!(error.to_string(), said, "{config}");
    }
}

#[test]
fn documents_that_name_it_are_held_to_what_it_declares() {
    let schema = json!({
        "name": "picky", "no_consumer": true, "fields": ["a string", "b string", "n integer!"],
        "only_one_of": ["config.a", "config.b"],
    });
    let catalog = catalog("picky", &schema.to_string());
    let entity = entities::find("plugins").expect("listed");
    let document = |rest: Value| {
        let mut document = json!({
            "id": "0190d1c2-7a00-7000-8000-000000000001", "created_at": 1, "updated_at": 1,
            "name": "picky", "instance_name": null, "route": null, "service": null,
            "consumer": null, "protocols": ["http"], "enabled": true, "tags": null,
            "config": { "a": "1", "b": null, "n": 1 },
        });
        let (Value::Object(members), Value::Object(rest)) = (&mut document, rest) else {
            unreachable!("both are objects");
        };
        members.extend(rest);
        members.clone()
    };
    let consumer = json!({ "id": "0190d1c2-7a00-7000-8000-000000000009" });
    for (rest, fields) in [
        (json!({}), json!({})),
        (
            json!({ "consumer": consumer }),
            json!({ "consumer": "value must be null" }),
        ),
        (
            json!({ "config": { "a": "1", "b": "2", "n": null } }),
            json!({
                "@entity": ["exactly one of these fields must be non-empty: 'config.a', 'config.b'"],
                "config": { "n": "required field missing" },
            }),
        ),
        (
            json!({ "protocols": ["tcp"] }),
            json!({ "protocols": ["expected one of: http, https"] }),
        ),
    ] {
        let found = entity.validate(&document(rest.clone()), &catalog);
        assert_eq!(found.fields(), fields, "{rest}");
    }
}

#[test]
fn the_same_source_is_read_once_while_somebody_has_it() {
    install();
    let schema = schema("read-once", &[]);
    let handler = handler(1);
    let source = Source::streamed("read-once", &schema, &handler);
    let first = custom::read(source).expect("good source");
    let ran = RUNS.load(Ordering::Relaxed);
    // Other tests run the engine at the same time; that this one does not shows in the value itself.
    let again = custom::read(source).expect("good source");
    assert!(Arc::ptr_eq(&first, &again), "after {ran} runs");
    let trusted = Source {
        trusted: true,
        ..source
    };
    for other in [trusted, source.on_error(custom::OnError::Skip)] {
        let other = custom::read(other).expect("good source");
        assert!(!Arc::ptr_eq(&first, &other));
    }
    let weak = Arc::downgrade(&first);
    drop((first, again));
    // Only the newest is kept for nobody.
    custom::read(Source::streamed(
        "newest",
        &super::custom::schema("newest", &[]),
        &handler,
    ))
    .expect("good source");
    assert!(weak.upgrade().is_none());
}

#[test]
fn the_digest_is_that_of_both_files_one_after_the_other() {
    let source = Source::streamed("x", "return {}\n", "return 1\n");
    // printf 'return {}\nreturn 1\n' | sha256sum
    let expected = "b172662f9d6a1a290acd7575c5b19eec66da000e1832d937a9c535e4d0c02e98";
    assert_eq!(source.sha256(), expected);
    let moved = Source::streamed("x", "return {}\nreturn", " 1\n");
    assert_eq!(source.sha256(), moved.sha256());
    assert_ne!(
        source.key(),
        moved.key(),
        "which is why it is not what is compared"
    );
}

#[test]
fn what_is_wrong_with_source_is_said_of_both_files() {
    install();
    let read = custom::read(Source::streamed("bad", "not a table", "unexpected symbol"));
    let errors: Vec<String> = read
        .expect_err("bad")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        errors,
        [
            "schema: schema.lua:3: not a table",
            "handler: handler.lua:3: unexpected symbol"
        ]
    );
}

#[test]
fn names_of_the_program_and_of_the_machine_are_taken() {
    install();
    let (schema, handler) = (schema("house", &[]), handler(1));
    let trusted = Source {
        trusted: true,
        ..Source::streamed("house", &schema, &handler)
    };
    let catalog = Catalog::empty().with([custom::read(trusted).expect("good source")]);
    let streamed = custom::read(Source::streamed("house", &schema, &handler));
    let other = Catalog::empty().with([streamed.expect("good source")]);
    for (catalog, name, owner) in [
        (&catalog, "house", Some("trusted")),
        (&catalog, "key-auth", Some("built-in")),
        (&catalog, "free", None),
        (&other, "house", None),
    ] {
        assert_eq!(catalog.owner(name), owner, "{name}");
    }
}
