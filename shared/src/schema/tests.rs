//! Tests of the schema engine on its own: order of rules, texts, messages, forms.

use serde_json::{Value, json};

use super::*;

/// The first error of a value, as it stands in `fields`.
fn fault(field: &Field, value: &Value) -> Value {
    let mut violations = Violations::default();
    if let Err(node) = field.check(value) {
        violations.attach("it", node);
    }
    violations.fields().get("it").cloned().unwrap_or_default()
}

#[test]
fn values_of_the_wrong_kind_are_named() {
    let element = Field::string;
    for (field, value, expected) in [
        (Field::string(), json!(1), "expected a string"),
        (Field::new(Kind::Number), json!("1"), "expected a number"),
        (Field::new(Kind::Integer), json!(1.5), "expected an integer"),
        (
            Field::new(Kind::Integer),
            json!("80"),
            "expected an integer",
        ),
        (
            Field::new(Kind::Boolean),
            json!("true"),
            "expected a boolean",
        ),
        (Field::array(element()), json!("a"), "expected an array"),
        (Field::array(element()).set(), json!({}), "expected a set"),
        (
            <std::collections::BTreeMap<String, String>>::field(),
            json!([]),
            "expected a map",
        ),
        (
            Field::record(Schema::default()),
            json!(5),
            "expected a record",
        ),
        (Field::string(), Value::Null, "required field missing"),
        (Field::string(), json!(""), "length must be at least 1"),
    ] {
        assert_eq!(fault(&field, &value), expected, "{field:?} {value}");
    }
    for (field, value) in [
        (Field::new(Kind::Integer), json!(80.0)),
        (Field::string().len_min(0), json!("")),
        (Field::string().optional(), Value::Null),
    ] {
        assert_eq!(fault(&field, &value), Value::Null, "{field:?} {value}");
    }
}

fn refuses(_: &Value) -> Result<(), String> {
    Err("custom".to_owned())
}

#[test]
fn rules_speak_in_kongs_order_and_words() {
    // Each field breaks its own rule and the one listed after it, so that only the order decides.
    let integer = || Field::new(Kind::Integer);
    for (field, value, expected) in [
        (
            Field::string().eq_value(json!("b")).ne_value(json!("a")),
            json!("a"),
            "value must be b",
        ),
        (
            Field::string().eq_value(Value::Null),
            json!("a"),
            "value must be null",
        ),
        (
            Field::string().ne_value(json!("a")).not_one_of(["a"]),
            json!("a"),
            "value must not be a",
        ),
        (
            Field::string().not_one_of(["a", "b"]).one_of(["c"]),
            json!("a"),
            "must not be one of: a, b",
        ),
        (
            Field::string().one_of(["c", "d"]).is_regex(),
            json!("("),
            "expected one of: c, d",
        ),
        (
            integer().one_of([5, 6]).gt(9),
            json!(1),
            "expected one of: 5, 6",
        ),
        (
            integer().gt(9).between(5, 6),
            json!(1),
            "value must be greater than 9",
        ),
        (
            integer().between(5, 6),
            json!(7),
            "value should be between 5 and 6",
        ),
        (
            integer().between(5, 6),
            json!(4),
            "value should be between 5 and 6",
        ),
        (
            Field::new(Kind::Number).between(0, 1),
            json!(1.01),
            "value should be between 0 and 1",
        ),
        (
            Field::string().is_regex().len_eq(9),
            json!("("),
            "not a valid regex: (",
        ),
        (
            Field::string().len_eq(2).len_min(9),
            json!("a"),
            "length must be 2",
        ),
        (
            Field::string().len_min(2).len_max(0),
            json!("a"),
            "length must be at least 2",
        ),
        (
            Field::string().len_max(2).starts_with("/"),
            json!("abc"),
            "length must be at most 2",
        ),
        (
            Field::string().starts_with("/").matching("^z"),
            json!("a"),
            "should start with: /",
        ),
        (
            Field::string().matching("^z").custom(refuses),
            json!("a"),
            "invalid value: a",
        ),
        (Field::string().custom(refuses), json!("a"), "custom"),
        (
            Field::string().matching("^z").err("own text"),
            json!("a"),
            "own text",
        ),
        (
            Field::array(Field::string()).len_min(2),
            json!(["a"]),
            "length must be at least 2",
        ),
    ] {
        assert_eq!(fault(&field, &value), expected, "{field:?} {value}");
    }
}

#[test]
fn set_rules_come_last() {
    let sets = Field::array(Field::string())
        .set()
        .exclusive(&[&["a", "b"], &["c"]]);
    assert_eq!(fault(&sets, &json!(["a", "b", "x"])), Value::Null);
    assert_eq!(
        fault(&sets, &json!(["c", "a"])),
        "these sets are mutually exclusive: ('c'), ('a', 'b')"
    );
    let mut holds = Field::array(Field::string());
    holds.rules.contains = Some(json!("a"));
    assert_eq!(fault(&holds, &json!(["b"])), "expected to contain: a");
}

#[test]
fn elements_leave_gaps_where_they_are_good() {
    let list = Field::array(Field::string().starts_with("/"));
    let text = "should start with: /";
    assert_eq!(
        fault(&list, &json!(["/a", "b", "/c", "d", "/e"])),
        json!([null, text, null, text])
    );
    let schema = Schema::new("", vec![Field::string().named("a"), list.named("b")]);
    let records = Field::array(Field::record(schema));
    let value = json!([{"a": "x", "b": []}, {"b": ["c"], "z": 1}]);
    let expected =
        json!([null, {"a": "required field missing", "b": [text], "z": "unknown field"}]);
    assert_eq!(fault(&records, &value), expected);
}

#[test]
fn a_vault_reference_stands_for_any_value() {
    let field = Field::string().one_of(["a"]);
    let reference = json!("{vault://env/secret}");
    assert_eq!(
        fault(&field.clone().referenceable(), &reference),
        Value::Null
    );
    assert_eq!(fault(&field, &reference), "expected one of: a");
}

fn checked(check: Check, document: Value) -> Value {
    let fields = ["a", "b"].map(|name| Field::new(Kind::Any).named(name).optional());
    let schema = Schema::new("", fields.into()).check(check);
    let Value::Object(document) = document else {
        panic!("not an object")
    };
    let document = schema.complete(None, document);
    schema.validate(None, &document, false).fields()
}

#[test]
fn rules_between_fields_say_which_fields() {
    let names = || vec!["a".into(), "b".into()];
    let entity = |text: &str| json!({"@entity": [format!("{text}: 'a', 'b'")]});
    let none = || json!({});
    let least = "at least one of these fields must be non-empty";
    let exactly = "exactly one of these fields must be non-empty";
    for (check, document, expected) in [
        (Check::AtLeastOneOf(names()), json!({}), entity(least)),
        (
            Check::AtLeastOneOf(names()),
            json!({"a": [], "b": {}}),
            entity(least),
        ),
        (Check::AtLeastOneOf(names()), json!({"b": 1}), none()),
        (Check::OnlyOneOf(names()), json!({}), entity(exactly)),
        (
            Check::OnlyOneOf(names()),
            json!({"a": 1, "b": 2}),
            entity(exactly),
        ),
        (Check::OnlyOneOf(names()), json!({"a": 1}), none()),
        (
            Check::MutuallyExclusive(names()),
            json!({"a": 1, "b": 2}),
            entity("only one or none of these fields must be set"),
        ),
        (Check::MutuallyExclusive(names()), json!({}), none()),
        (
            Check::MutuallyRequired(names()),
            json!({"a": 1}),
            entity("all or none of these fields must be set"),
        ),
        (
            Check::MutuallyRequired(names()),
            json!({"a": 1, "b": 2}),
            none(),
        ),
        (
            Check::Distinct(names()),
            json!({"a": 1, "b": 1}),
            entity("values of these fields must be distinct"),
        ),
        (Check::Distinct(names()), json!({}), none()),
    ] {
        let shown = format!("{check:?} {document}");
        assert_eq!(checked(check, document), expected, "{shown}");
    }
}

#[test]
fn a_condition_blames_the_field_that_depends() {
    let check = |required| Check::Conditional {
        if_field: "a".into(),
        if_match: Box::new(Rules {
            one_of: Some(vec![json!("x")]),
            ..Rules::default()
        }),
        then_field: "b".into(),
        then_match: Box::new(Rules {
            one_of: Some(vec![json!("y")]),
            required,
            ..Rules::default()
        }),
        then_err: None,
    };
    let text = "failed conditional validation given value of field 'a'";
    let wrong = json!({"@entity": [text], "b": "expected one of: y"});
    assert_eq!(checked(check(false), json!({"a": "x", "b": "z"})), wrong);
    assert_eq!(checked(check(false), json!({"a": "x"})), json!({}));
    assert_eq!(checked(check(false), json!({"b": "z"})), json!({}));
    assert_eq!(
        checked(check(true), json!({"a": "x"})),
        json!({"@entity": [text], "b": "required field missing"})
    );
}

#[test]
fn messages_name_two_levels_and_dump_the_rest() {
    let mut violations = Violations::default();
    violations.insert(&["host"], "required field missing");
    assert_eq!(
        violations.message(),
        "schema violation (host: required field missing)"
    );
    violations.insert(&["host"], "said later");
    violations.insert(&["config", "b"], "unknown field");
    violations.entity_check("the first");
    let expected =
        "3 schema violations (the first; config.b: unknown field; host: required field missing)";
    assert_eq!(violations.message(), expected);
    let mut deep = Violations::default();
    deep.insert(&["config", "a", "b-c", "d"], "say \"it\\s\"");
    let expected =
        "schema violation (config.a: {\n  [\"b-c\"] = {\n    d = \"say \\\"it\\\\s\\\"\"\n  }\n})";
    assert_eq!(deep.message(), expected);
    let mut listed = Violations::default();
    let eleven = (0..11)
        .map(|n| (n != 1).then(|| Node::Text(format!("e{n}"))))
        .collect();
    listed.attach("l", Node::List(eleven));
    let message = listed.message();
    assert!(
        message.starts_with("10 schema violations (l.1: e0; l.3: e2;")
            && message.ends_with("l.10: e9; l.11: e10)"),
        "{message}"
    );
}

#[test]
fn values_inside_messages_are_lua_tables() {
    for (value, inline) in [
        (json!({"id": "x"}), r#"{id="x"}"#),
        (
            json!({"service": {"id": "x"}, "name": "n", "route": null}),
            r#"{name="n",route=null,service={id="x"}}"#,
        ),
        (json!({"a-b": 1, "c": true}), r#"{["a-b"]=1,c=true}"#),
        (json!(["a", null, "b"]), r#"{"a",[3]="b"}"#),
        (json!("x"), r#""x""#),
    ] {
        assert_eq!(notation::inline(&value), inline);
    }
    let dump = "{\n  a = {},\n  b = {\n    \"x\",\n    [3] = [[\n\ny]]\n  }\n}";
    assert_eq!(
        notation::dump(&json!({"b": ["x", null, "\ny"], "a": {}})),
        dump
    );
}

#[test]
fn form_keys_are_cut_by_the_grammar() {
    for (body, expected) in [
        ("service.id=X", json!({"service": {"id": "X"}})),
        (
            "config.add.headers[1]=h1:v1&config.add.headers[2]=h2:v1",
            json!({"config": {"add": {"headers": ["h1:v1", "h2:v1"]}}}),
        ),
        ("h[2]=b&h[1]=a", json!({"h": ["a", "b"]})),
        ("hosts[]=a&hosts[]=b", json!({"hosts": ["a", "b"]})),
        ("hosts=a&hosts=b", json!({"hosts": ["a", "b"]})),
        ("hosts=a&hosts[]=b", json!({"hosts": ["a", "b"]})),
        ("hosts=a", json!({"hosts": "a"})),
        ("headers.x-foo[1]=v", json!({"headers": {"x-foo": ["v"]}})),
        ("headers[x-foo][]=v", json!({"headers": {"x-foo": ["v"]}})),
        ("config.m[a.b]=1", json!({"config": {"m": {"a.b": "1"}}})),
        ("hosts[2]=b", json!({"hosts": {"2": "b"}})),
        ("hosts[0]=b", json!({"hosts": {"0": "b"}})),
        ("hosts[1]=a&hosts[1]=b", json!({"hosts": [["a", "b"]]})),
        (
            "a.x=1&a.y.z=2&b=3",
            json!({"a": {"x": "1", "y": {"z": "2"}}, "b": "3"}),
        ),
        (".a=1&b.=2", json!({".a": "1", "b.": "2"})),
        ("a..b=1", json!({"a..b": "1"})),
        (
            "a[b=1&[c]=2&d[e]f=3",
            json!({"a[b": "1", "[c]": "2", "d[e]f": "3"}),
        ),
        ("h%255B1%255D=a", json!({"h": ["a"]})),
        ("a=1&a.b=2", json!({"a": "1"})),
        ("a[99999999999]=1", json!({"a": {"99999999999": "1"}})),
    ] {
        let pairs = form_urlencoded::parse(body.as_bytes()).into_owned();
        assert_eq!(Value::Object(form::expand(pairs, true)), expected, "{body}");
    }
    let pairs = [
        ("a[b]".to_owned(), "1".to_owned()),
        ("c.d".to_owned(), "2".to_owned()),
    ];
    assert_eq!(
        Value::Object(form::expand(pairs, false)),
        json!({"a[b]": "1", "c": {"d": "2"}})
    );
    let deep = "a.".repeat(10_000) + "a";
    assert_eq!(
        form::expand([(deep.clone(), String::new())], true)
            .keys()
            .next(),
        Some(&deep),
        "taken as it stands"
    );
}

#[test]
fn multipart_parts_may_be_json() {
    let pairs = [
        ("config".to_owned(), json!({"add": {"headers": ["a:1"]}})),
        ("config.http_method".to_owned(), json!("GET")),
        ("tags[]".to_owned(), json!(["a", "b"])),
        ("tags[]".to_owned(), json!("c")),
    ];
    let expected = json!({"config": {"add": {"headers": ["a:1"]}, "http_method": "GET"}, "tags": ["a", "b", "c"]});
    assert_eq!(Value::Object(form::expand_values(pairs, true)), expected);
}

#[test]
fn form_numbers_are_read_as_lua_reads_them() {
    for (text, expected) in [
        ("80", Some("80")),
        ("1.50", Some("1.50")),
        ("-3", Some("-3")),
        (" 7 ", Some("7")),
        ("0x1F", Some("31")),
        ("-0x10", Some("-16")),
        ("1e3", Some("1e+3")),
        (".5", Some("0.5")),
        ("5.", Some("5")),
        ("007", Some("7")),
        ("+5", Some("5")),
        ("", None),
        ("x", None),
        ("1 2", None),
        ("inf", None),
        ("nan", None),
        ("0x", None),
        ("--1", None),
        ("0x-5", None),
    ] {
        let got = numbers::parse(text).map(|value| value.to_string());
        assert_eq!(got.as_deref(), expected, "{text}");
    }
}

#[test]
fn a_schema_can_be_made_while_running() {
    let name = String::from("limit");
    let field = Field::new(Kind::Integer)
        .named(name)
        .default_value(json!(5))
        .between(1, 9);
    let schema = Schema::new(
        String::from("mine"),
        vec![field, Field::string().named("who").optional()],
    );
    let document = schema.complete(None, Document::new());
    assert_eq!(
        Value::Object(document.clone()),
        json!({"limit": 5, "who": null})
    );
    assert!(schema.validate(None, &document, false).is_empty());
    let expected = json!({"fields": [
        {"limit": {"type": "integer", "required": true, "default": 5, "between": [1, 9]}},
        {"who": {"type": "string"}},
    ]});
    assert_eq!(schema.render(None), expected);
}

#[test]
fn an_immutable_field_keeps_its_value() {
    let fields = vec![
        Field::string().named("a").immutable(),
        Field::string().named("b"),
    ];
    let schema = Schema::new("", fields);
    let document = |a: &str, b: &str| {
        [("a", a), ("b", b)]
            .map(|(k, v)| (k.to_owned(), json!(v)))
            .into_iter()
            .collect()
    };
    let stored: Document = document("1", "1");
    assert!(schema.frozen(&stored, &document("1", "2")).is_empty());
    let expected = json!({"a": "immutable field cannot be updated"});
    assert_eq!(
        schema.frozen(&stored, &document("2", "2")).fields(),
        expected
    );
}

#[test]
fn what_is_said_of_a_secret_does_not_repeat_it() {
    let field = Field::string().matching("^[a-z]+$");
    let said = "invalid value: Open-Sesame-1";
    assert_eq!(fault(&field, &json!("Open-Sesame-1")), said);
    let secret = field.secret();
    let said = "invalid value: ******";
    assert_eq!(fault(&secret, &json!("Open-Sesame-1")), said);
    let list = Field::array(Field::string().matching("^[a-z]+$")).secret();
    assert_eq!(fault(&list, &json!(["Open-Sesame-1"])), json!([said]));
}

#[test]
fn bounds_may_be_fractions_and_infinite() {
    let number = |low, high| {
        let mut field = Field::new(Kind::Number);
        field.rules.between = Some((low, high));
        field
    };
    let part = number(Bound::Real(0.25), Bound::Real(0.75));
    let open = number(Bound::Real(f64::NEG_INFINITY), Bound::Whole(5));
    let beyond = "value should be between 0.25 and 0.75";
    for (field, value, expected) in [
        (&part, json!(0.25), Value::Null),
        (&part, json!(0.75), Value::Null),
        (&part, json!(0.76), json!(beyond)),
        (&part, json!(1), json!(beyond)),
        (&open, json!(-1e300), Value::Null),
        (&open, json!(6), json!("value should be between -inf and 5")),
    ] {
        assert_eq!(fault(field, &value), expected, "{value}");
    }
    let mut above = Field::new(Kind::Number);
    above.rules.gt = Some(Bound::Real(0.5));
    assert_eq!(fault(&above, &json!(0.5)), "value must be greater than 0.5");
    let shown = open.named("it").render_named();
    assert_eq!(shown["it"]["between"], json!(["-inf", 5]));
}

#[test]
fn numbers_are_equal_however_they_are_written() {
    let one: Value = serde_json::from_str("1.0").expect("a number");
    let half: Value = serde_json::from_str("5e-1").expect("a number");
    let field = Field::new(Kind::Number);
    for (field, value, expected) in [
        (field.clone().one_of([1, 2]), &one, Value::Null),
        (field.clone().one_of([0.5]), &half, Value::Null),
        (field.clone().eq_value(json!(1)), &one, Value::Null),
        (
            field.clone().ne_value(json!(1)),
            &one,
            json!("value must not be 1"),
        ),
        (
            field.not_one_of([1, 2]),
            &one,
            json!("must not be one of: 1, 2"),
        ),
    ] {
        assert_eq!(fault(&field, value), expected, "{field:?}");
    }
}

#[test]
fn patterns_of_other_languages_are_shown_and_may_fail() {
    let digits = |text: &str| match text {
        "?" => Err("cannot tell".to_owned()),
        text => Ok(text.bytes().all(|b| b.is_ascii_digit())),
    };
    let mut field = Field::string();
    field.rules.not_match = Some(Pattern::foreign("^%d+$", digits));
    assert_eq!(fault(&field, &json!("12")), "invalid value: 12");
    assert_eq!(fault(&field, &json!("a")), Value::Null);
    assert_eq!(fault(&field, &json!("?")), "cannot tell");
    assert_eq!(field.named("it").render_named()["it"]["not_match"], "^%d+$");
}

#[test]
fn of_two_sets_only_one_may_be_used() {
    let check = || Check::MutuallyExclusiveSets(vec!["a".into()], vec!["b".into()]);
    let expected = json!({"@entity": ["these sets are mutually exclusive: ('a'), ('b')"]});
    assert_eq!(checked(check(), json!({"a": 1, "b": 2})), expected);
    assert_eq!(checked(check(), json!({"a": 1, "b": []})), json!({}));
}

#[test]
fn a_function_between_fields_waits_for_sound_ones_unless_it_is_tolerant() {
    let check = |tolerant| Check::Custom {
        within: None,
        fields: vec!["a".into()],
        tolerant,
        run: Run::new(|_, violations| violations.entity_check("ran")),
    };
    for (tolerant, expected) in [
        (false, json!({"a": "expected a string"})),
        (true, json!({"@entity": ["ran"], "a": "expected a string"})),
    ] {
        let schema = Schema::new("", vec![Field::string().named("a")]).check(check(tolerant));
        let document = json!({"a": 1});
        let found = schema.validate(None, document.as_object().expect("an object"), false);
        assert_eq!(found.fields(), expected);
    }
}
