//! Tests of the value types: what each takes, and what it says of the rest.

use super::*;

/// What a text is refused with; `None` if it is taken.
fn fault<T: Text>(text: &str) -> Option<String> {
    parse_text::<T>(text).err()
}

#[test]
fn names_may_hold_what_a_path_can() {
    for (text, taken) in [
        ("a.B-c_d~9", true),
        ("žofie", true),
        ("a b", false),
        ("a/b", false),
        ("a:b", false),
    ] {
        let expected = (!taken).then(|| {
            format!("invalid value '{text}': the only accepted ascii characters are alphanumerics or ., -, _, and ~")
        });
        assert_eq!(fault::<Name>(text), expected, "{text}");
    }
    assert_eq!(
        fault::<Name>("").as_deref(),
        Some("length must be at least 1")
    );
}

#[test]
fn tags_are_printable_without_separators() {
    for (text, taken) in [
        ("a b", true),
        ("ü", true),
        ("a,b", false),
        ("a/b", false),
        ("a\tb", false),
    ] {
        assert_eq!(fault::<Tag>(text).is_none(), taken, "{text:?}");
    }
}

#[test]
fn hosts_are_names_or_addresses_without_a_port() {
    for (text, expected) in [
        ("h.test", None),
        ("a_b.test", None),
        ("h.test.", None),
        ("1.2.3.4", None),
        ("::1", None),
        ("[::1]", None),
        ("h:80", Some("must not have a port")),
        ("h:99999", Some("must not have a port")),
        ("[::1]:80", Some("must not have a port")),
        ("1.2.3.400", Some("invalid value: 1.2.3.400")),
        ("1.2.3", Some("invalid value: 1.2.3")),
        (".h", Some("invalid value: .h")),
        ("a..b", Some("invalid value: a..b")),
        ("a-.b", Some("invalid value: a-.b")),
        ("a b", Some("invalid value: a b")),
        ("a:b", Some("invalid value: a:b")),
        ("a:", Some("invalid value: a:")),
        ("[::1", Some("invalid value: [::1")),
        ("*.a", Some("invalid value: *.a")),
    ] {
        assert_eq!(fault::<Host>(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn route_hosts_have_one_open_end_and_a_port() {
    for (text, expected) in [
        ("a.test", None),
        ("*.a.test", None),
        ("a.*", None),
        ("a.*:8000", None),
        ("a.test:8000", None),
        ("1.2.3.4", None),
        (
            "*.a.*",
            Some("invalid wildcard: must have at most one wildcard"),
        ),
        (
            "a.*.b",
            Some("invalid wildcard: must be placed at leftmost or rightmost label"),
        ),
        (
            "*a.b",
            Some("invalid wildcard: must be placed at leftmost or rightmost label"),
        ),
        (
            "a*",
            Some("invalid wildcard: must be placed at leftmost or rightmost label"),
        ),
        ("a.test:99999", Some("invalid port number")),
        ("a b", Some("invalid value: a b")),
    ] {
        assert_eq!(fault::<HostPattern>(text).as_deref(), expected, "{text}");
    }
    let pattern = HostPattern::parse("X.*:8000").expect("a good host");
    assert_eq!(
        pattern,
        HostPattern {
            name: Wildcard::Prefix("x.".to_owned()),
            port: Some(8000)
        }
    );
    assert!(pattern.name.is_match("x.y"));
    assert!(
        HostPattern::parse("*.x")
            .is_ok_and(|pattern| pattern.name.is_match("a.b.x") && !pattern.name.is_match("x"))
    );
}

#[test]
fn server_names_are_no_addresses() {
    for (text, expected) in [
        ("a.test", None),
        ("*.a", None),
        ("a.*", None),
        (
            "a.*.b",
            Some("wildcard must be leftmost or rightmost character"),
        ),
        ("*.a.*", Some("only one wildcard must be specified")),
        ("1.2.3.4", Some("must not be an IP")),
        ("a:80", Some("must not have a port")),
        ("a b", Some("invalid value: a b")),
    ] {
        assert_eq!(fault::<Sni>(text).as_deref(), expected, "{text}");
    }
    assert_eq!(
        Sni::parse("A.test.").ok(),
        Some(Sni(Wildcard::Exact("a.test".to_owned())))
    );
}

#[test]
fn service_paths_are_rooted_and_encoded() {
    for (text, expected) in [
        ("/a/b;c=1:@", None),
        ("/a%20b", None),
        ("a", Some("should start with: /")),
        ("/a//b", Some("must not have empty segments")),
        (
            "/a b",
            Some(
                "invalid path: '/a b' (characters outside of the reserved list of RFC 3986 found)",
            ),
        ),
        ("/a%2", Some("invalid url-encoded value: '%2'")),
    ] {
        assert_eq!(fault::<UrlPath>(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn route_paths_are_normal_prefixes_or_expressions() {
    for (text, expected) in [
        ("/a", None),
        ("/a b", None),
        ("/a%2Fb", None),
        ("~/a/(?<id>\\d+)$", None),
        ("~/a/(?P<id>\\d+)$", None),
        (
            "a",
            Some("should start with: / (fixed path) or ~/ (regex path)"),
        ),
        (
            "~a",
            Some("should start with: / (fixed path) or ~/ (regex path)"),
        ),
        (
            "/a%2fb",
            Some("non-normalized path, consider use '/a%2Fb' instead"),
        ),
        (
            "/h%65llo",
            Some("non-normalized path, consider use '/hello' instead"),
        ),
        (
            "/a/./b/",
            Some("non-normalized path, consider use '/a/b/' instead"),
        ),
        ("/a%zz", Some("invalid url-encoded value: '%zz'")),
        (
            "~/a(",
            Some(
                "invalid regex: '/a(' (PCRE returned: pcre2_compile() failed: missing closing parenthesis in \"/a(\")",
            ),
        ),
        (
            "~/a)",
            Some(
                "invalid regex: '/a)' (PCRE returned: pcre2_compile() failed: unmatched closing parenthesis in \"/a)\")",
            ),
        ),
        (
            "~/a)(",
            Some(
                "invalid regex: '/a)(' (PCRE returned: pcre2_compile() failed: unmatched closing parenthesis in \"/a)(\")",
            ),
        ),
    ] {
        assert_eq!(fault::<PathPattern>(text).as_deref(), expected, "{text}");
    }
    let refused = fault::<PathPattern>("~/a(?!b)").expect("there is no look-around");
    assert!(
        refused.starts_with("invalid regex: '/a(?!b)' (PCRE returned: look-around"),
        "{refused}"
    );
    let Ok(PathPattern::Regex(path)) = PathPattern::parse("~/b|/c") else {
        panic!("a good expression")
    };
    assert!(
        path.regex.is_match("/c/x") && !path.regex.is_match("/x/c"),
        "anchored as a whole"
    );
}

#[test]
fn paths_are_normalised_by_the_table() {
    for (raw, expected) in [
        ("/foo/a/../bar", "/foo/bar"),
        ("/foo//bar", "/foo/bar"),
        ("/h%65llo", "/hello"),
        ("/a/cat%20dog", "/a/cat dog"),
        ("/auth%2f123", "/auth%2F123"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/../../a", "/a"),
        ("/%2e%2e/a", "/a"),
        ("/a%", "/a%"),
        ("/a.b", "/a.b"),
        ("/", "/"),
    ] {
        assert_eq!(
            String::from_utf8_lossy(&normalise(raw.as_bytes())),
            expected,
            "{raw}"
        );
    }
    assert_eq!(*normalise(b"/%e4"), *b"/\xe4");
}

#[test]
fn entries_have_a_name_before_the_first_colon() {
    let pair = |text| Pair::parse(text).map(|pair| (pair.name, pair.value));
    let good = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
    assert_eq!(pair("a:b:c"), good("a", "b:c"));
    assert_eq!(pair("a:::b"), good("a", "b"));
    assert_eq!(pair("a: b"), good("a", " b"));
    assert_eq!(pair("a:"), good("a", ""));
    assert_eq!(pair("a"), Err("invalid value: a".to_owned()));
    assert_eq!(pair(":b"), Err("invalid value: :b".to_owned()));
    assert_eq!(
        Entry::parse("a:b"),
        Ok(Entry {
            name: "a".to_owned()
        })
    );
    assert!(matches!(
        HeaderRemoval::parse("a:/x+/").map(|it| it.removal),
        Ok(Removal::Matching(_))
    ));
    assert!(
        matches!(HeaderRemoval::parse("a:x").map(|it| it.removal), Ok(Removal::Value(text)) if text == "x")
    );
    assert!(matches!(
        HeaderRemoval::parse("a").map(|it| it.removal),
        Ok(Removal::All)
    ));
    assert_eq!(
        fault::<HeaderRemoval>("a:/(/").as_deref(),
        Some("not a valid regex: (")
    );
}

#[test]
fn statuses_are_codes_or_ranges() {
    let range = |low, high| Ok(StatusRange { low, high });
    assert_eq!(StatusRange::parse("404"), range(404, 404));
    assert_eq!(StatusRange::parse("500-599"), range(500, 599));
    assert_eq!(StatusRange::parse(" 500 - 599 "), range(500, 599));
    for bad in [
        "0",
        "99",
        "1000",
        "599-500",
        "500-",
        "-500",
        "5xx",
        "+404",
        "500-599-600",
    ] {
        let text = format!("value '{bad}' is not a status code or a range of status codes");
        assert_eq!(StatusRange::parse(bad), Err(text));
    }
}

#[test]
fn addresses_and_ranges() {
    for (text, taken) in [
        ("1.2.3.4", true),
        ("10.0.0.0/8", true),
        ("::1", true),
        ("fe80::/10", true),
        ("x", false),
        ("1.2.3.4/33", false),
    ] {
        let expected = (!taken).then(|| format!("invalid ip or cidr range: '{text}'"));
        assert_eq!(fault::<Cidr>(text), expected);
    }
}

#[test]
fn header_values_compare_regardless_of_case() {
    let matcher =
        |text: &str| serde_json::from_value::<HeaderMatch>(text.into()).expect("a good value");
    assert!(matcher("Abc").is_match("aBC") && !matcher("Abc").is_match("abcd"));
    assert!(matcher("~*B\\S").is_match("a b- c") && !matcher("~*B\\S").is_match("a b"));
    assert!(serde_json::from_value::<HeaderMatch>("~*(".into()).is_err());
}

#[test]
fn templates_without_lua_are_read() {
    let path = |root: &str, steps: Vec<Step>| Operand::Path {
        root: root.to_owned(),
        steps,
    };
    let key = |name: &str| Step::Key(name.to_owned());
    let text = |text: &str| Operand::Text(text.to_owned());
    for (source, expected) in [
        ("headers.x_one", vec![path("headers", vec![key("x_one")])]),
        (
            "headers['X-One']",
            vec![path("headers", vec![key("X-One")])],
        ),
        (
            "headers[\"x-foo\"][2]",
            vec![path("headers", vec![key("x-foo"), Step::Index(2)])],
        ),
        (
            "uri_captures[1]",
            vec![path("uri_captures", vec![Step::Index(1)])],
        ),
        (
            " query_params.a or 'd' ",
            vec![path("query_params", vec![key("a")]), text("d")],
        ),
        (
            "headers.b or query_params.d or \"e\\\"\"",
            vec![
                path("headers", vec![key("b")]),
                path("query_params", vec![key("d")]),
                text("e\""),
            ],
        ),
        ("'$(x)'", vec![text("$(x)")]),
        ("1", vec![text("1")]),
        ("false", vec![Operand::Boolean(false)]),
        ("nil", vec![Operand::Nil]),
    ] {
        let template = Template::parse(&format!("$({source})")).expect("a native form");
        let [Piece::Expression(expression)] = template.pieces.as_slice() else {
            panic!("{template:?}")
        };
        assert_eq!(expression.meaning, Meaning::Native(expected), "{source}");
        assert_eq!(expression.source, source);
    }
}

#[test]
fn templates_are_text_around_balanced_parentheses() {
    for (source, shape) in [
        ("plain", "t"),
        ("a$b", "t"),
        ("$(1", "t"),
        ("$$(1)", "te"),
        ("{$(1)}", "tet"),
        ("pre-$(a.b)-$(c.d)-post", "tetet"),
        ("$('$(x)')", "e"),
        ("$(a.b)$(1", "et"),
        ("$(1 $(2)", "te"),
        (")$(1)(", "tet"),
        ("é$(a.é", "t"),
    ] {
        let template = Template::parse(source).expect("a native form");
        let got: String = template
            .pieces
            .iter()
            .map(|p| {
                if matches!(p, Piece::Text(_)) {
                    't'
                } else {
                    'e'
                }
            })
            .collect();
        assert_eq!(got, shape, "{source}");
    }
}

#[test]
fn what_is_no_simple_look_up_is_left_to_lua() {
    for source in [
        "$(query_params.a + 1)",
        "$(#query_params.m)",
        "$(type(headers.a))",
        "$(a.b == 1)",
        "$(('x'):rep(3))",
        "$(kong.client.get_consumer().username)",
        "$(a and 'b' or 'c')",
        "$()",
        "$(a b)",
        "$(headers.a = 1)",
        "$(headers.end)",
        "$(headers)",
        "$(shared.v)",
        "$(consumer.username)",
        "$(10/4)",
        "$(a.b..c.d)",
        "$(f())",
        "$(require('cjson'))",
        "$(not a.b)",
        "$(a[b])",
        "$('\\65')",
        "$('x':rep(3))",
        "$(1.5)",
        "$(-1)",
        "$([[a]])",
    ] {
        let template = Template::parse(source).expect("any text is a template");
        let [Piece::Expression(expression)] = template.pieces.as_slice() else {
            panic!("{template:?}")
        };
        assert_eq!(expression.meaning, Meaning::Lua, "{source}");
    }
}
