//! Documents of the plugins entity that name a plugin whose schema is in Lua.

use shared::entities::{self, Declared};
use shared::plugins::{Catalog, custom};
use shared::schema::Purpose;

use super::*;

#[test]
fn documents_are_held_to_a_schema_in_lua_as_to_any_other() {
    crate::answer_schemas(crate::Options::default());
    let source = r#"local typedefs = require "kong.db.schema.typedefs"
return {
  name = "documented",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = { type = "record", fields = {
      { minute = { type = "integer", gt = 0 } },
      { hour = { type = "integer", gt = 0 } },
      { key = { type = "string", referenceable = true, encrypted = true } },
      { other = { type = "string" } },
    }, entity_checks = { { mutually_exclusive = { "key", "other" } } } } },
  },
  entity_checks = {
    { at_least_one_of = { "config.minute", "config.hour" } },
    { distinct = { "config.key", "config.other" } },
  },
}"#;
    let plugin = custom::read(Source {
        name: "documented",
        schema: source,
        handler: "return { PRIORITY = 5, VERSION = '1.0.0' }",
        trusted: false,
        on_error: shared::plugins::custom::OnError::Fail,
        folder: None,
    })
    .expect("good source");
    let entity = entities::Plugin::entity();
    let variant = Some(&plugin.variant);
    let judged = |sent: Value| {
        let complete = entity.schema.complete(variant, object(sent));
        let mut wrong = entity.schema.validate(variant, &complete, false).fields();
        // These are given by who stores the document.
        let fields = wrong.as_object_mut().expect("an object");
        fields.remove("id");
        (complete, wrong)
    };
    let (complete, wrong) = judged(json!({ "name": "documented", "config": { "minute": 5.0 } }));
    assert_eq!(wrong, json!({}));
    assert_eq!(
        complete["config"],
        json!({ "minute": 5, "hour": null, "key": null, "other": null })
    );
    assert_eq!(
        complete["protocols"],
        json!(["grpc", "grpcs", "http", "https"])
    );
    let least = "at least one of these fields must be non-empty: 'config.minute', 'config.hour'";
    let id = "6b8b4567-327b-43c6-a43c-9c1b4c8d9d1e";
    for (more, config, expected) in [
        (json!({}), json!({}), json!({ "@entity": [least] })),
        (
            json!({ "consumer": { "id": id } }),
            json!({ "minute": 1 }),
            json!({ "consumer": "value must be null" }),
        ),
        (
            json!({ "protocols": ["tcp"] }),
            json!({ "minute": 1 }),
            json!({ "protocols": ["expected one of: grpc, grpcs, http, https"] }),
        ),
        (
            json!({}),
            json!({ "minute": 0, "hours": 1 }),
            json!({ "config": { "minute": "value must be greater than 0", "hours": "unknown field" } }),
        ),
        // What only a node knows is compared with nothing.
        (
            json!({}),
            json!({ "minute": 1, "key": "{vault://env/a}", "other": "{vault://env/a}" }),
            json!({}),
        ),
        (
            json!({}),
            json!({ "minute": 1, "key": "a", "other": "b" }),
            json!({ "config": { "@entity":
                ["only one or none of these fields must be set: 'key', 'other'"] } }),
        ),
    ] {
        let mut sent = object(json!({ "name": "documented", "config": config }));
        sent.extend(object(more));
        let (_, wrong) = judged(Value::Object(sent.clone()));
        assert_eq!(wrong, expected, "{sent:?}");
    }

    let catalog = Catalog::builtin().with([plugin.clone()]);
    let config = json!({ "minute": 1, "key": "open sesame", "other": "a" });
    let (document, _) = judged(json!({ "name": "documented", "config": config }));
    let told = entity.told_whole(document, &catalog);
    assert_eq!(
        told["config"],
        json!({ "minute": 1, "hour": null, "key": "******", "other": "a" })
    );

    let shown = plugin.render();
    assert_eq!(
        shown["entity_checks"],
        json!([
            { "at_least_one_of": ["config.minute", "config.hour"] },
            { "distinct": ["config.key", "config.other"] },
        ])
    );
    let fields = shown["fields"].as_array().expect("a list");
    let names: Vec<_> = fields
        .iter()
        .flat_map(|field| field.as_object().expect("an object").keys())
        .collect();
    assert_eq!(names, ["consumer", "protocols", "config"]);
    assert_eq!(fields[0]["consumer"]["eq"], Value::Null);
    assert_eq!(
        fields[2]["config"]["fields"][0],
        json!({ "minute": { "type": "integer", "gt": 0 } })
    );
    let open = plugin.config.json_schema(None, Purpose::Whole);
    assert_eq!(
        open["properties"]["minute"],
        json!({ "type": ["integer", "null"], "exclusiveMinimum": 0 })
    );
}
