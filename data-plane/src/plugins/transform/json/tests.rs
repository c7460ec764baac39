use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn edited<'a>(text: &'a str, edit: impl FnOnce(&mut Document<'a>)) -> String {
    let mut document = Document::parse(text.as_bytes()).expect("well formed");
    edit(&mut document);
    String::from_utf8(document.write()).expect("UTF-8")
}

#[test]
fn what_is_written_has_no_blanks_between_tokens() {
    for (text, written) in [
        (r#"{ "a" : [ ] }"#, r#"{"a":[]}"#),
        (
            r#" {"a" : {"b" : [ 1 , "x y" ] } } "#,
            r#"{"a":{"b":[1,"x y"]}}"#,
        ),
        ("[1,\n{\"a\":\tnull}]", r#"[1,{"a":null}]"#),
        ("[\r\n                    1,          2]", "[1,2]"),
        ("{}", "{}"),
        ("[ ]", "[]"),
        (" true ", "true"),
    ] {
        assert_eq!(edited(text, |_| ()), written, "{text}");
    }
}

#[test]
fn escapes_of_slashes_and_of_all_beyond_ascii_are_undone() {
    for (text, written) in [
        (r#"{"u":"\u00e9\/"}"#, r#"{"u":"é/"}"#),
        (r#""\/\u002F\u002f""#, r#""///""#),
        (
            r#"["\u0080\u07ff\u0800\uFFFF"]"#,
            "[\"\u{80}\u{7ff}\u{800}\u{ffff}\"]",
        ),
        (
            r#""\ud83d\ude00\uDBFF\uDFFF\ud800\udc00""#,
            "\"😀\u{10ffff}\u{10000}\"",
        ),
        (r#"{"\u00e9\/":{"\u00fc":1}}"#, r#"{"é/":{"ü":1}}"#),
        (r#""\\\/\\/\u00e9\\u00e9""#, r#""\\/\\/é\\u00e9""#),
    ] {
        assert_eq!(edited(text, |_| ()), written, "{text}");
    }
}

#[test]
fn everything_else_keeps_its_bytes() {
    for text in [
        r#"{"n":12345678901234567890,"d":1.10,"e":1e2,"z":-0,"m":-0.0E+00,"x":9e999}"#,
        r#"{"k\"\\":"\b\f\n\r\t\"\\"}"#,
        // Escapes that others chose to write, as some do to keep markup out of strings.
        r#"{"\u0061":"\u003cb\u003E \u0022\u005C\u000a\u001F\u007f"}"#,
        r#"{"\ud800":"\uD83D \ude00\ud83d\u0041 \uD83D\ud83d\n"}"#,
        r#"{"o":{"a":1,"a":2}}"#,
        "\"\u{7f}\u{2028}é😀\"",
    ] {
        assert_eq!(edited(text, |_| ()), text);
    }
}

#[test]
fn the_last_of_equal_names_wins_in_the_place_of_the_first() {
    for (text, written) in [
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
        (r#"{"\u0061":1,"a":2}"#, r#"{"\u0061":2}"#),
        (r#"{"\u001F":1,"\u001f":2}"#, r#"{"\u001F":2}"#),
    ] {
        assert_eq!(edited(text, |_| ()), written, "{text}");
    }
    let names: Vec<usize> = (0..100).chain((0..100).rev()).collect();
    let members = |names: &[usize], value: fn(usize) -> usize| {
        let member = |(at, name)| format!("\"k{name}\":{}", value(at));
        let members: Vec<_> = names.iter().enumerate().map(member).collect();
        format!("{{{}}}", members.join(","))
    };
    assert_eq!(
        edited(&members(&names, |at| at), |_| ()),
        members(&names[..100], |at| 199 - at)
    );
}

#[test]
fn objects_on_the_way_of_a_step_are_read_as_the_root_is() {
    let (text, path) = (
        r#"{"o":{"a":1,"b":2,"a":3},"p":{"a":1,"a":2}}"#,
        Path::parse("o.x"),
    );
    assert_eq!(
        edited(text, |document| document.remove_at(&path)),
        r#"{"o":{"a":3,"b":2},"p":{"a":1,"a":2}}"#
    );
}

#[test]
fn what_is_not_json_is_malformed() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "{bad",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "[1,]",
        "[,1]",
        "{,}",
        "{\"a\":1} x",
        "{\"a\":NaN}",
        "[Infinity]",
        "[-Infinity]",
        "[01]",
        "[1.]",
        "[.5]",
        "[+1]",
        "[1e]",
        "[0x10]",
        "-",
        "tru",
        "nul",
        "truee",
        "{a:1}",
        "{'a':1}",
        "/* */{}",
        "{}//",
        "\u{feff}{}",
        "[\"\n\"]",
        "[\"\\x\"]",
        "[\"\\u12g4\"]",
        "[\"\\u12\"]",
        "\"",
        "\"\\",
        "\"\\u",
        "[1}",
        "{\"a\":1]",
        "[[]",
        "{\"a\":{}",
        "{1:2}",
        "[1 2]",
        "{\"a\":1 \"b\":2}",
    ] {
        assert_eq!(
            Document::parse(text.as_bytes()).err(),
            Some(Malformed),
            "{text:?}"
        );
    }
}

#[test]
fn nesting_is_read_to_the_limit_and_no_deeper() {
    for root in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth: usize| format!("{}1{}", root.0.repeat(depth), root.1.repeat(depth));
        assert!(Document::parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(Document::parse(nested(MAX_DEPTH + 1).as_bytes()).is_err());
        for empty in ["[]", "{ }"] {
            let around = |depth: usize| nested(depth).replace('1', empty);
            assert!(Document::parse(around(MAX_DEPTH - 1).as_bytes()).is_ok());
            assert!(Document::parse(around(MAX_DEPTH).as_bytes()).is_err());
        }
        assert!(Document::parse(nested(1_000_000).as_bytes()).is_err());
    }
}

#[test]
fn bytes_that_are_not_utf8_pass() {
    let text = b"{\"a\xff\":\"\xfe\",\"b\":1}";
    let mut document = Document::parse(text).expect("well formed");
    assert!(document.remove(b"b"));
    assert_eq!(document.write(), b"{\"a\xff\":\"\xfe\"}");
}

#[test]
fn properties_keep_their_places() {
    let text = r#"{"a":1,"b":2,"c":3}"#;
    for (edit, expected) in [
        (
            (|d| d.remove(b"b")) as fn(&mut Document<'_>) -> bool,
            r#"{"a":1,"c":3}"#,
        ),
        (|d| d.rename(b"a", b"z"), r#"{"b":2,"c":3,"z":1}"#),
        (|d| d.rename(b"a", b"b"), r#"{"b":1,"c":3}"#),
        (|d| d.rename(b"c", b"a"), r#"{"a":3,"b":2}"#),
        (
            |d| d.set(b"b", Cow::Borrowed(b"true")),
            r#"{"a":1,"b":true,"c":3}"#,
        ),
        (
            |d| d.set(b"n/\"", Cow::Borrowed(b"0")),
            r#"{"a":1,"b":2,"c":3,"n/\"":0}"#,
        ),
        (
            |d| d.append(b"a", Cow::Borrowed(b"2")),
            r#"{"a":[1,2],"b":2,"c":3}"#,
        ),
        (
            |d| d.append(b"n", Cow::Borrowed(b"2")) && d.append(b"n", Cow::Borrowed(b"3")),
            r#"{"a":1,"b":2,"c":3,"n":[2,3]}"#,
        ),
    ] {
        assert_eq!(edited(text, |d| assert!(edit(d))), expected);
    }
    for edit in [
        (|d| d.remove(b"x")) as fn(&mut Document<'_>) -> bool,
        |d| d.rename(b"x", b"y"),
        |d| d.rename(b"a", b"a"),
    ] {
        assert_eq!(edited(text, |d| assert!(!edit(d))), text);
    }
}

#[test]
fn append_makes_arrays_of_everything() {
    for (old, new) in [
        ("null", "[9]"),
        ("[]", "[9]"),
        ("[ [ ] ]", "[[],9]"),
        ("[1, 2]", "[1,2,9]"),
        ("{\"k\": 1}", "[{\"k\":1},9]"),
        ("false", "[false,9]"),
        ("\"x\"", "[\"x\",9]"),
    ] {
        let text = format!("{{\"a\":{old}}}");
        assert_eq!(
            edited(&text, |d| assert!(d.append(b"a", Cow::Borrowed(b"9")))),
            format!("{{\"a\":{new}}}")
        );
    }
}

#[test]
fn roots_that_are_no_objects_have_no_properties() {
    for (text, kind) in [
        ("[1]", Kind::Array),
        ("null", Kind::Null),
        ("false", Kind::False),
        ("\"s\"", Kind::Scalar),
        ("5", Kind::Scalar),
    ] {
        let mut document = Document::parse(text.as_bytes()).expect("well formed");
        assert_eq!(document.kind(), kind);
        assert!(
            !document.set(b"a", Cow::Borrowed(b"1")) && !document.append(b"a", Cow::Borrowed(b"1"))
        );
        assert!(
            !document.remove(b"a")
                && !document.rename(b"a", b"b")
                && document.property(b"a").is_none()
        );
    }
}

#[test]
fn strings_are_read_decoded() {
    let document = Document::parse(br#"{"a":"\u00e9\n","b":1,"c":null}"#).expect("well formed");
    assert_eq!(document.string(b"a").as_deref(), Some("é\n".as_bytes()));
    assert_eq!(document.string(b"b"), None);
    assert_eq!(document.string(b"x"), None);
}

#[test]
fn paths_are_read_by_the_grammar_or_taken_literally() {
    let name = |text: &str| Step::Name(text.as_bytes().into());
    for (text, expected) in [
        ("a", vec![name("a")]),
        ("a.b", vec![name("a"), name("b")]),
        ("a[1]", vec![name("a"), Step::Index(0)]),
        ("[*].p", vec![Step::Every, name("p")]),
        (
            "m[1][*].x-y",
            vec![name("m"), Step::Index(0), Step::Every, name("x-y")],
        ),
        ("a..b", vec![name("a..b")]),
        (".a", vec![name(".a")]),
        ("a.", vec![name("a.")]),
        ("a.[1]", vec![name("a.[1]")]),
        ("a[0]", vec![name("a[0]")]),
        ("a[-1]", vec![name("a[-1]")]),
        ("a[]", vec![name("a[]")]),
        ("a[1", vec![name("a[1")]),
        ("a]", vec![name("a]")]),
        ("a[1]b", vec![name("a[1]b")]),
        (
            "a[99999999999999999999999]",
            vec![name("a[99999999999999999999999]")],
        ),
        ("", vec![name("")]),
    ] {
        assert_eq!(Path::parse(text).steps(), expected, "{text}");
    }
}

#[test]
fn appending_along_a_path_sees_what_was_appended_before() {
    let (tags, first) = (Path::parse("o.tags"), Path::parse("o.tags[1]"));
    let text = r#"{"o":{"tags":["a"]}}"#;
    let result = edited(text, |document| {
        document.append_at(&tags, b"1");
        document.append_at(&first, b"2");
    });
    assert_eq!(result, r#"{"o":{"tags":[["a",2],1]}}"#);
}

#[test]
fn what_was_put_in_the_place_of_a_value_is_a_value_like_any_other() {
    let text = r#"{"a":1,"l":[{"b":2}],"z":0}"#;
    let made = br#"{ "b":[1,{"k":"\u0061/","k\/":2}],"c":3,"c":4}"#;
    let every = [Path::parse("a"), Path::parse("l[1]")];
    let paths = ["a.b[2].k/", "a.b", "a.b[3].x", "l[1].b[1]", "a.d", "l[1]"].map(Path::parse);
    let allowed = ["a.b", "a.d", "l[*].b"].map(Path::parse);
    let result = edited(text, |document| {
        for path in &every {
            document.change_at(path, &mut |_| Some(made.to_vec()));
        }
        document.remove_at(&paths[0]);
        document.append_at(&paths[1], b"9");
        document.add_at(&paths[2], b"0");
        document.replace_at(&paths[3], b"null");
        document.add_at(&paths[4], b"5");
        assert!(document.append(b"z", Cow::Owned(b"[1]".to_vec())));
        document.keep_only(&allowed);
    });
    assert_eq!(
        result,
        r#"{"a":{"b":[1,{"k":"\u0061/"},9],"d":5},"l":[{"b":[null,{"k":"\u0061/","k/":2}]}]}"#
    );
    let z = Path::parse("z");
    let appended = edited(r#"{"z":0}"#, |document| {
        document.change_at(&z, &mut |_| Some(b"[ 1 ]".to_vec()));
        assert!(document.append(b"z", Cow::Borrowed(b"2")));
    });
    assert_eq!(appended, r#"{"z":[1,2]}"#);
}

#[test]
fn a_path_as_deep_as_any_document_is_no_danger() {
    let deep = Path::parse(&vec!["a"; MAX_DEPTH].join("."));
    let written = edited("{}", |document| document.add_at(&deep, b"1"));
    assert_eq!(written.len(), MAX_DEPTH * 6 + 1);
    let deeper = Path::parse(&vec!["a"; MAX_DEPTH + 1].join("."));
    assert_eq!(deeper.steps().len(), 1);
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("finite", |n| n.is_finite())
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-c]".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("[a-c]|\\PC{0,3}", inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// What `keep_only` and the other edits are compared with: the obvious way on a tree.
fn reference(value: &mut Value, edit: &str, name: &str) {
    let Some(members) = value.as_object_mut() else {
        return;
    };
    match edit {
        "remove" => drop(members.shift_remove(name)),
        "set" => drop(members.insert(name.into(), Value::from("v"))),
        "rename" => {
            if let Some(old) = members.shift_remove(name) {
                members.insert("renamed".into(), old);
            }
        }
        _ => {
            let mut list = match members.get(name) {
                None | Some(Value::Null) => vec![],
                Some(Value::Array(elements)) => elements.clone(),
                Some(other) => vec![other.clone()],
            };
            list.push("v".into());
            members.insert(name.into(), list.into());
        }
    }
}

proptest! {
    #[test]
    fn edits_agree_with_a_tree(value in json(), pretty: bool, edit in "remove|set|rename|append", name in "[a-c]") {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let mut document = Document::parse(text.as_bytes()).unwrap();
        match &*edit {
            "remove" => document.remove(name.as_bytes()),
            "set" => document.set(name.as_bytes(), Cow::Borrowed(b"\"v\"")),
            "rename" => document.rename(name.as_bytes(), b"renamed"),
            _ => document.append(name.as_bytes(), Cow::Borrowed(b"\"v\"")),
        };
        let mut expected = value;
        reference(&mut expected, &edit, &name);
        prop_assert_eq!(String::from_utf8(document.write()).unwrap(), serde_json::to_string(&expected).unwrap());
    }

    #[test]
    fn nested_edits_on_a_literal_path_agree_with_a_tree(value in json(), name in "[a-c]") {
        let text = serde_json::to_string(&value).unwrap();
        let path = Path::parse(&name);
        let mut document = Document::parse(text.as_bytes()).unwrap();
        document.append_at(&path, b"\"v\"");
        let mut expected = value;
        reference(&mut expected, "append", &name);
        prop_assert_eq!(String::from_utf8(document.write()).unwrap(), serde_json::to_string(&expected).unwrap());
    }

    #[test]
    fn text_is_well_formed_exactly_if_another_parser_says_so(text in r#"[\[\]{}:,"\\ 0-2.eE+\-tfnuralsu]{0,12}"#) {
        let other = serde_json::from_str::<Value>(&text);
        let ours = Document::parse(text.as_bytes());
        // A lone surrogate is an error there and kept here.
        prop_assume!(!text.contains("\\u"));
        prop_assert_eq!(ours.is_ok(), other.is_ok(), "{}", text);
        if let (Ok(ours), Ok(other)) = (ours, other) {
            prop_assert_eq!(serde_json::from_slice::<Value>(&ours.write()).unwrap(), other);
        }
    }

    #[test]
    fn quoting_is_undone_by_another_parser(text: String) {
        prop_assert_eq!(serde_json::from_slice::<String>(&string(text.as_bytes())).unwrap(), text);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, path in "[a.\\[\\]*1]{0,8}") {
        if let Ok(mut document) = Document::parse(&bytes) {
            let path = Path::parse(&path);
            document.add_at(&path, b"1");
            document.remove_at(&path);
            document.write();
        }
    }
}
