//! Entity checks, each with its text.

use super::*;

/// What is wrong with a document of three texts and a record.
fn wrong(checks: &str, document: Value) -> Value {
    let fields = "{ a = { type = 'string' } }, { b = { type = 'string' } }, { c = { type = 'string' } },
        { s = { type = 'string', referenceable = true } },
        { list = { type = 'array', elements = { type = 'string' } } },
        { r = { type = 'record', fields = { { x = { type = 'string' } }, { y = { type = 'string' } } } } }";
    let source = whole(fields, &format!(", entity_checks = {{ {checks} }}"));
    let shape = shape(&source).unwrap_or_else(|error| panic!("{checks}: {error}"));
    judged(&shape.config, document).1
}

#[test]
fn entity_checks_speak_in_the_words_of_the_page() {
    let conditional = "{ conditional = { if_field = 'a', if_match = { eq = 'on' },
        then_field = 'b', then_match = { required = true } } }";
    let one_of = "{ conditional_at_least_one_of = { if_field = 'a', if_match = { match = '^on' },
        then_at_least_one_of = { 'b', 'c' } MORE } }";
    let plain = one_of.replace("MORE", "");
    let worded = one_of.replace("MORE", ", then_err = 'set one of %s'");
    let otherwise = one_of.replace(
        "MORE",
        ", else_match = { eq = 'off' }, else_then_at_least_one_of = { 'c' }, else_then_err = 'set %s'",
    );
    for (check, document, expected) in [
        (
            "{ at_least_one_of = { 'a', 'r.x' } }",
            json!({}),
            json!({ "@entity": ["at least one of these fields must be non-empty: 'a', 'r.x'"] }),
        ),
        ("{ at_least_one_of = { 'a', 'r.x' } }", json!({ "r": { "x": "1" } }), json!({})),
        (
            "{ only_one_of = { 'a', 'b' } }",
            json!({ "a": "1", "b": "2" }),
            json!({ "@entity": ["exactly one of these fields must be non-empty: 'a', 'b'"] }),
        ),
        (
            "{ distinct = { 'a', 'b' } }",
            json!({ "a": "1", "b": "1" }),
            json!({ "@entity": ["values of these fields must be distinct: 'a', 'b'"] }),
        ),
        (
            "{ mutually_required = { 'a', 'b' } }",
            json!({ "a": "1" }),
            json!({ "@entity": ["all or none of these fields must be set: 'a', 'b'"] }),
        ),
        (
            "{ mutually_exclusive = { 'a', 'b' } }",
            json!({ "a": "1", "b": "1" }),
            json!({ "@entity": ["only one or none of these fields must be set: 'a', 'b'"] }),
        ),
        (
            "{ mutually_exclusive_sets = { set1 = { 'a', 'b' }, set2 = { 'c' } } }",
            json!({ "b": "1", "c": "1" }),
            json!({ "@entity": ["these sets are mutually exclusive: ('b'), ('c')"] }),
        ),
        (
            "{ mutually_exclusive_sets = { set1 = { 'a', 'b' }, set2 = { 'c' } } }",
            json!({ "a": "1", "b": "1" }),
            json!({}),
        ),
        (
            conditional,
            json!({ "a": "on" }),
            json!({
                "@entity": ["failed conditional validation given value of field 'a'"],
                "b": "required field missing",
            }),
        ),
        (conditional, json!({ "a": "off" }), json!({})),
        (conditional, json!({ "a": "on", "b": "x" }), json!({})),
        (
            "{ conditional = { if_field = 'list', if_match = { contains = 'x' }, then_field = 'r.y',
                then_match = { one_of = { 'z' }, required = true }, then_err = 'own words' } }",
            json!({ "list": ["x"], "r": { "y": "q" } }),
            json!({ "@entity": ["own words"], "r": { "y": "expected one of: z" } }),
        ),
        (
            "{ conditional = { if_field = 'list', if_match = { elements = { one_of = { 'u', 'v' } } },
                then_field = 'a', then_match = { custom_validator = function(v) return v == 'w', 'not w' end } } }",
            json!({ "list": ["u"], "a": "x" }),
            json!({ "@entity": ["failed conditional validation given value of field 'list'"], "a": "not w" }),
        ),
        (
            plain.as_str(),
            json!({ "a": "no" }),
            json!({}),
        ),
        (
            plain.as_str(),
            json!({ "a": "on" }),
            json!({ "@entity": ["at least one of these fields must be non-empty: 'b', 'c'"] }),
        ),
        (worded.as_str(), json!({ "a": "one" }), json!({ "@entity": ["set one of 'b', 'c'"] })),
        (worded.as_str(), json!({ "a": "one", "c": "1" }), json!({})),
        (otherwise.as_str(), json!({ "a": "off", "b": "1" }), json!({ "@entity": ["set 'c'"] })),
        (otherwise.as_str(), json!({ "a": "what", "b": "1" }), json!({})),
        // A field that is wrong already is not judged twice, nor one that only a node knows.
        ("{ distinct = { 'a', 'b' } }", json!({ "a": 1, "b": 1 }), json!({ "a": "expected a string", "b": "expected a string" })),
        ("{ distinct = { 'a', 's' } }", json!({ "a": "{vault://env/k}", "s": "{vault://env/k}" }), json!({})),
    ] {
        assert_eq!(wrong(check, document.clone()), expected, "{check} {document}");
    }
}

#[test]
fn rules_of_the_whole_document_name_fields_from_its_root() {
    let source = "return { name = 'my-plugin', fields = { { config = { type = 'record', fields = {
          { minute = { type = 'number' } }, { hour = { type = 'number' } } } } } },
        entity_checks = { { at_least_one_of = { 'config.minute', 'config.hour' } },
          { custom_entity_check = { field_sources = { 'config', 'enabled' }, fn = function(entity)
              if entity.enabled and entity.config.minute == 13 then
                return nil, 'unlucky', { config = { minute = 'is 13' }, ['config.hour'] = 'is not' }
              end
              return true
            end } } } }";
    let shape = shape(source).expect("a good schema");
    let enabled = Field::new(shared::schema::Kind::Boolean).named("enabled");
    let config = Field::record(shape.config).named("config");
    let mut document = Schema::new("plugins", vec![config, enabled]);
    document.checks = shape.checks;
    let wrong = |value: Value| judged(&document, value).1;
    assert_eq!(
        wrong(json!({ "enabled": true, "config": {} })),
        json!({ "@entity": ["at least one of these fields must be non-empty: 'config.minute', 'config.hour'"] })
    );
    assert_eq!(
        wrong(json!({ "enabled": true, "config": { "minute": 13 } })),
        json!({ "@entity": ["unlucky"], "config": { "minute": "is 13", "hour": "is not" } })
    );
    assert_eq!(
        wrong(json!({ "enabled": false, "config": { "minute": 13 } })),
        json!({})
    );
}

#[test]
fn checks_that_make_no_sense_are_refused_with_the_path() {
    let at = "fields.config.entity_checks.1";
    for (check, expected) in [
        ("{}", format!("{at}: expected one name, got 0")),
        ("5", format!("{at}: expected a table, got 5")),
        (
            "{ at_least = { 'a' } }",
            format!(
                "{at}.at_least: unknown check, expected one of: at_least_one_of, conditional, \
            conditional_at_least_one_of, custom_entity_check, distinct, mutually_exclusive, mutually_exclusive_sets, \
            mutually_required, only_one_of"
            ),
        ),
        (
            "{ at_least_one_of = 'a' }",
            format!("{at}.at_least_one_of: expected a list, got 'a'"),
        ),
        (
            "{ at_least_one_of = {} }",
            format!("{at}.at_least_one_of: expected a list of names of fields"),
        ),
        (
            "{ at_least_one_of = { 'nope' } }",
            format!("{at}.at_least_one_of: unknown field 'nope'"),
        ),
        (
            "{ distinct = { 'a', 'a.b' } }",
            format!("{at}.distinct: unknown field 'a.b'"),
        ),
        (
            "{ conditional = { if_field = 'a' } }",
            format!("{at}.conditional.if_match: required field missing"),
        ),
        (
            "{ conditional = { when = 'a' } }",
            format!(
                "{at}.conditional.when: unknown field, expected one of: if_field, if_match, \
            then_field, then_match, then_err"
            ),
        ),
        (
            "{ mutually_exclusive_sets = { set1 = { 'a' } } }",
            format!("{at}.mutually_exclusive_sets.set2: expected a list of names of fields"),
        ),
        (
            "{ custom_entity_check = { field_sources = { 'a' } } }",
            format!("{at}.custom_entity_check.fn: required field missing"),
        ),
        (
            "{ custom_entity_check = { field_sources = { 'a' }, fn = 5 } }",
            format!("{at}.custom_entity_check.fn: expected a function, got 5"),
        ),
        (
            "{ custom_entity_check = { fn = print } }",
            format!("{at}.custom_entity_check.field_sources: expected a list of names of fields"),
        ),
    ] {
        let source = whole(
            "{ a = { type = 'string' } }",
            &format!(", entity_checks = {{ {check} }}"),
        );
        assert_eq!(shape(&source).expect_err(check), expected, "{check}");
    }
}
