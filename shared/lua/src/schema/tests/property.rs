//! Random schemas and documents.

use proptest::prelude::*;

use super::*;

/// The declaration of a field, in Lua.
fn field() -> impl Strategy<Value = String> {
    let required = prop_oneof![
        Just(""),
        Just(", required = true"),
        Just(", required = false")
    ];
    let scalar = prop_oneof![
        Just("type = 'string'"),
        Just("type = 'string', default = 'ab'"),
        Just("type = 'string', len_min = 0, match = '^%a*$'"),
        Just("type = 'string', one_of = { 'a', 'b' }"),
        Just("type = 'string', custom_validator = function(v) return v ~= 'a', 'not a' end"),
        Just("type = 'number', between = { 0.5, 9 }"),
        Just("type = 'number', default = 2.5"),
        Just("type = 'integer', gt = -1, default = 3"),
        Just("type = 'boolean', default = true"),
        Just("type = 'boolean'"),
    ];
    let leaf =
        (scalar, required.clone()).prop_map(|(field, required)| format!("{{ {field}{required} }}"));
    leaf.prop_recursive(3, 16, 3, move |inner| {
        let checks = prop_oneof![
            Just(""),
            Just(", entity_checks = { { at_least_one_of = { 'x', 'y' } } }"),
            Just(", entity_checks = { { mutually_exclusive = { 'x', 'y' } } }"),
        ];
        prop_oneof![
            (inner.clone(), required.clone())
                .prop_map(|(inner, required)| format!("{{ type = 'array', elements = {inner}{required} }}")),
            (inner.clone(), required.clone())
                .prop_map(|(inner, required)| format!("{{ type = 'set', elements = {inner}, len_max = 2{required} }}")),
            (inner.clone(), required.clone()).prop_map(|(inner, required)| format!(
                "{{ type = 'map', keys = {{ type = 'string' }}, values = {inner}{required} }}"
            )),
            (inner.clone(), inner, checks, required.clone()).prop_map(|(x, y, checks, required)| format!(
                "{{ type = 'record', fields = {{ {{ x = {x} }}, {{ y = {y} }} }}{checks}{required} }}"
            )),
        ]
    })
}

/// A word of Lua, or none.
fn word() -> impl Strategy<Value = String> {
    let words = [
        "{",
        "}",
        "{}",
        "=",
        ",",
        "return",
        "local x",
        "x",
        "nil",
        "true",
        "1",
        "-0.5",
        "'a'",
        "type = 'string'",
        "type = 'record'",
        "fields =",
        "elements =",
        "typedefs.host",
        "function(v) return v end",
        "['match'] = '%'",
        "default =",
        "[1] =",
        "..",
        "(",
        ")",
        "end",
        "ngx.null",
        "require 'kong.db.schema.typedefs'",
    ];
    prop_oneof![
        9 => prop::sample::select(words.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

/// Any small document.
fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2i64..12).prop_map(Value::from),
        Just(json!(2.5)),
        Just(json!("{vault://env/x}")),
        "[ab1]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[xyz]", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever is sent as source is read or refused.
    #[test]
    fn no_source_panics(words in prop::collection::vec(word(), 0..24)) {
        let source = words.join(" ");
        let _ = shape(&source);
        let _ = shape(&format!("return {{ name = 'my-plugin', fields = {{ {source} }} }}"));
        let _ = with_fields(&format!("{{ it = {{ {source} }} }}"));
    }

    /// Nothing panics, a completed document completes to itself, and it is as good as what was sent.
    #[test]
    fn a_completed_document_is_as_good_as_the_sent_one(
        x in field(), y in field(), sent in prop::collection::btree_map("[xyz]", document(), 0..4)
    ) {
        let source = format!("{{ x = {x} }}, {{ y = {y} }}");
        let shape = with_fields(&source);
        prop_assert!(shape.is_ok(), "{source}: {shape:?}");
        let config = shape.expect("it was looked at").config;
        let sent: Document = sent.into_iter().collect();
        let (complete, wrong) = judged(&config, sent.clone().into());
        let (again, still_wrong) = judged(&config, complete.clone());
        prop_assert_eq!(&complete, &again);
        prop_assert_eq!(&wrong, &still_wrong);
        // What a node reads is what was stored: the text of it says the same.
        let stored: Value = serde_json::from_str(&complete.to_string()).expect("it was written just now");
        prop_assert_eq!(judged(&config, stored).1, wrong);
        // Without what the document says itself, only fields that must be said are missed.
        for name in ["x", "y"] {
            let mut less = sent.clone();
            less.remove(name);
            let (filled, _) = judged(&config, less.into());
            prop_assert!(filled.get(name).is_some(), "{} is filled in", name);
        }
    }
}
