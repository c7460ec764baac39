//! What matches at all.

use super::*;

#[track_caller]
fn check(sample: Sample, cases: &[(Request, bool)]) {
    for (request, expected) in cases {
        let found = matched(std::slice::from_ref(&sample), request).is_some();
        assert_eq!(found, *expected, "{sample:?} {request:?}");
    }
}

#[test]
fn a_route_without_criteria_takes_everything() {
    check(
        any(),
        &[
            (get("/"), true),
            (get("/x").no_host(), true),
            (get("/x").method("PURGE").https(), true),
        ],
    );
}

#[test]
fn an_empty_criterion_is_ignored() {
    check(
        any()
            .hosts(&[])
            .paths(&[])
            .methods(&[])
            .snis(&[])
            .header("x", &[]),
        &[(get("/"), true), (get("/").https(), true)],
    );
}

#[test]
fn methods_are_exact_and_case_sensitive() {
    check(
        any().methods(&["GET", "PURGE"]),
        &[
            (get("/"), true),
            (get("/").method("PURGE"), true),
            (get("/").method("POST"), false),
            (get("/").method("get"), false),
            (get("/").method("PURGE2"), false),
        ],
    );
    check(
        any().methods(&["PURGE"]),
        &[(get("/"), false), (get("/").method("PURGE"), true)],
    );
}

#[test]
fn a_plain_host_is_equal_in_any_case() {
    check(
        any().hosts(&["a.test", "B.test"]),
        &[
            (get("/").host("a.test"), true),
            (get("/").host("A.TEST"), true),
            (get("/").host("b.test"), true),
            (get("/").host("c.test"), false),
            (get("/").host("x.a.test"), false),
            (get("/").host("a.test."), false),
            (get("/").host("a.test:"), false),
            (get("/").host("a.test:8123"), true),
            (get("/").host("a.test:http"), false),
            (get("/").no_host(), false),
        ],
    );
}

#[test]
fn a_wildcard_on_the_left_is_any_beginning() {
    check(
        any().hosts(&["*.a.test"]),
        &[
            (get("/").host("x.a.test"), true),
            (get("/").host("x.y.a.test"), true),
            (get("/").host("X.A.test:81"), true),
            (get("/").host("a.test"), false),
            (get("/").host("xa.test"), false),
            (get("/").host("x.a.test.org"), false),
        ],
    );
}

#[test]
fn a_wildcard_on_the_right_is_any_end() {
    check(
        any().hosts(&["a.*"]),
        &[
            (get("/").host("a.test"), true),
            (get("/").host("a.b.test"), true),
            (get("/").host("A.org:99"), true),
            (get("/").host("a"), false),
            (get("/").host("b.a.test"), false),
        ],
    );
}

#[test]
fn a_port_in_hosts_asks_for_that_destination_port() {
    check(
        any().hosts(&["a.test:8123"]),
        &[
            (get("/").host("a.test:8123"), true),
            (get("/").host("a.test:8124"), false),
            (get("/").host("a.test"), false),
        ],
    );
    let listening = format!("a.test:{LISTENING}");
    check(
        any().hosts(&[&listening]),
        &[
            (get("/").host("a.test"), true),
            (get("/").host("a.test:80"), false),
        ],
    );
    check(
        any().hosts(&["*.a.test:81", "b.*:82"]),
        &[
            (get("/").host("x.a.test:81"), true),
            (get("/").host("x.a.test:82"), false),
            (get("/").host("b.x:82"), true),
            (get("/").host("b.x:81"), false),
            (get("/").host("b.x"), false),
        ],
    );
    check(
        any().hosts(&["a.test:81", "a.test:82"]),
        &[
            (get("/").host("a.test:81"), true),
            (get("/").host("a.test:82"), true),
            (get("/").host("a.test:83"), false),
        ],
    );
}

#[test]
fn an_address_in_brackets_is_a_host() {
    check(
        any().hosts(&["[::1]:80", "[::2]", "::3"]),
        &[
            (get("/").host("[::1]:80"), true),
            (get("/").host("[::1]"), false),
            (get("/").host("[::2]"), true),
            (get("/").host("[::2]:99"), true),
            (get("/").host("[::3]:99"), true),
        ],
    );
}

#[test]
fn a_prefix_is_a_prefix_of_bytes() {
    check(
        any().paths(&["/foo"]),
        &[
            (get("/foo"), true),
            (get("/foobar"), true),
            (get("/foo/bar"), true),
            (get("/Foo"), false),
            (get("/fo"), false),
            (get("/"), false),
            (get("/x/foo"), false),
        ],
    );
    check(
        any().paths(&["/é"]),
        &[(get("/é/x"), true), (get("/è"), false)],
    );
    check(
        any().paths(&["/a", "/b", "/cc"]),
        &[
            (get("/a"), true),
            (get("/b"), true),
            (get("/ccc"), true),
            (get("/c"), false),
        ],
    );
}

#[test]
fn a_regex_is_anchored_at_the_start_only() {
    for (pattern, path, expected) in [
        ("~/foo", "/foobar", true),
        ("~/foo$", "/foobar", false),
        ("~/foo$", "/foo", true),
        ("~/foo", "/x/foo", false),
        ("~/foo|/bar", "/bar", true),
        ("~/foo|/bar", "/x/bar", false),
        ("~^/foo", "/foo", true),
        (r"~/a/\d+$", "/a/12", true),
        (r"~/a/\d+$", "/a/12/", false),
        ("~/a/[^/]+/end", "/a/x y/end", true),
        ("~/a/[^/]+/end", "/a/x%2Fy/end", true),
        ("~/a/[^/]+/end", "/a/x/y/end", false),
        ("~(?i)/FOO", "/foo", true),
        ("~/FOO", "/foo", false),
        (
            r"~/(?<tenant>[a-z]+)/users/(\d+)/x",
            "/acme/users/7/x",
            true,
        ),
        (
            r"~/(?<tenant>[a-z]+)/users/(\d+)/x",
            "/acme/users/7/y",
            false,
        ),
        (r"~/v\d(/.*)?/end", "/v1/a/b/end", true),
        ("~.*/end$", "/a/b/end", true),
        ("~/é+/x", "/éé/x", true),
    ] {
        check(any().paths(&[pattern]), &[(get(path), expected)]);
    }
}

#[test]
fn the_matched_part_of_the_path_is_reported() {
    for (paths, path, prefix) in [
        (&[][..], "/a", None),
        (&["/"], "/a", Some(1)),
        (&["/a", "/b"], "/bc", Some(2)),
        (&["/a", "/ab"], "/abc", Some(3)),
        (&[r"~/a/\d+"], "/a/12x/y", Some(5)),
        (&["~/a/.*"], "/a/bc", Some(5)),
        (&["~/é"], "/é/x", Some(3)),
        (&["~/a", "~/abc"], "/abcd", Some(2)),
        (&["~/x", "~/abc"], "/abcd", Some(4)),
    ] {
        let router = router(&[any().paths(paths)]);
        let found = router
            .find(&get(path).query())
            .unwrap_or_else(|| panic!("{paths:?} {path}"));
        assert_eq!(found.prefix, prefix, "{paths:?} {path}");
    }
}

#[test]
fn groups_are_captured_by_number_and_by_name() {
    let router = router(&[any().paths(&[r"~/(?<team>[a-z]+)/(\d+)(?P<rest>/x)?"])]);
    let captures = |path: &str| {
        router
            .find(&get(path).query())
            .and_then(|found| found.captures)
            .expect("captures")
    };
    let path = "/é/".replace('é', "abc") + "12";
    let found = captures(&path);
    assert_eq!(found.get(0, &path), Some("/abc/12"));
    assert_eq!(found.get(1, &path), Some("abc"));
    assert_eq!(found.get(2, &path), Some("12"));
    assert_eq!((found.get(3, &path), found.get(4, &path)), (None, None));
    assert_eq!(found.name("team", &path), Some("abc"));
    assert_eq!(
        (found.name("rest", &path), found.name("other", &path)),
        (None, None)
    );
    let all: Vec<_> = found.iter(&path).collect();
    assert_eq!(
        all,
        [
            (0, None, "/abc/12"),
            (1, Some("team"), "abc"),
            (2, None, "12")
        ]
    );
    let with_rest = captures("/a/1/x");
    assert_eq!(with_rest.name("rest", "/a/1/x"), Some("/x"));
}

#[test]
fn a_path_without_groups_captures_nothing() {
    for path in ["/a", "~/a", "~/(?:a)"] {
        let found = router(&[any().paths(&[path])])
            .find(&get("/a").query())
            .expect("matches");
        assert!(found.captures.is_none(), "{path}");
    }
}

#[test]
fn every_header_must_be_there_with_any_of_its_values() {
    check(
        any().header("x-a", &["1", "2"]).header("x-b", &["Abc"]),
        &[
            (get("/").header("x-a", b"1"), false),
            (get("/").header("x-b", b"abc"), false),
            (get("/").header("x-a", b"2").header("x-b", b"ABC"), true),
            (get("/").header("X-A", b"3").header("x-b", b"abc"), false),
            (
                get("/")
                    .header("x-a", b"3")
                    .header("x-a", b"1")
                    .header("x-b", b"abc"),
                true,
            ),
            (get("/").header("x-a", b"1, 2").header("x-b", b"abc"), false),
            (get("/").header("x-a", b"1").header("x-b", b"abcd"), false),
        ],
    );
}

#[test]
fn dashes_and_underscores_are_the_same_in_header_names() {
    for (configured, sent) in [
        ("x-a-b", "x_a_b"),
        ("x_a_b", "x-a-b"),
        ("X-A_b", "x_a-b"),
        ("x-a", "x-a"),
    ] {
        check(
            any().header(configured, &["1"]),
            &[
                (get("/").header(sent, b"1"), true),
                (get("/").header(sent, b"2"), false),
            ],
        );
    }
    check(
        any().header("x-a", &["1"]),
        &[
            (get("/").header("x-a", b"2").header("x_a", b"1"), true),
            (get("/").header("xza", b"1"), false),
        ],
    );
}

#[test]
fn a_header_value_may_be_a_regex() {
    check(
        any().header("x-v", &["~*^v[0-9]+$", "plain"]),
        &[
            (get("/").header("x-v", b"v12"), true),
            (get("/").header("x-v", b"V12"), true),
            (get("/").header("x-v", b"vx"), false),
            (get("/").header("x-v", b"plain"), true),
        ],
    );
    check(
        any().header("x-v", &["~*B\\S"]),
        &[
            (get("/").header("x-v", b"abc"), true),
            (get("/").header("x-v", b"ab c"), false),
        ],
    );
}

#[test]
fn a_header_value_that_is_not_text_matches_no_regex() {
    check(
        any().header("x-v", &["~*.*"]),
        &[
            (get("/").header("x-v", b"\xe4"), false),
            (get("/").header("x-v", "ä".as_bytes()), true),
        ],
    );
}

#[test]
fn a_server_name_is_asked_for_over_tls_only() {
    check(
        any().snis(&["a.test.", "*.b.test", "c.*"]),
        &[
            (get("/"), true),
            (get("/").https(), false),
            (get("/").sni("a.test"), true),
            (get("/").sni("A.Test"), true),
            (get("/").sni("x.a.test"), false),
            (get("/").sni("x.b.test"), true),
            (get("/").sni("x.y.B.test"), true),
            (get("/").sni("b.test"), false),
            (get("/").sni("c.test"), true),
            (get("/").sni("c"), false),
            (get("/").sni("d"), false),
        ],
    );
}

#[test]
fn all_criteria_must_hold_together() {
    let sample = any()
        .methods(&["GET"])
        .hosts(&["a.test"])
        .paths(&["/p"])
        .header("x", &["1"])
        .snis(&["s"]);
    let whole = get("/p").host("a.test").header("x", b"1").sni("s");
    check(
        sample,
        &[
            (whole.clone(), true),
            (whole.clone().method("POST"), false),
            (whole.clone().host("b.test"), false),
            (
                Request {
                    path: "/q".into(),
                    ..whole.clone()
                },
                false,
            ),
            (
                Request {
                    headers: HeaderMap::new(),
                    ..whole.clone()
                },
                false,
            ),
            (whole.clone().sni("t"), false),
        ],
    );
}

#[test]
fn an_empty_router_finds_nothing() {
    assert!(Router::default().find(&get("/").query()).is_none());
    assert_eq!(matched(&[], &get("/")), None);
}

#[test]
fn a_host_of_many_dots_is_no_trouble() {
    let host = "a.".repeat(4000);
    assert_eq!(
        matched(
            &[any().hosts(&["*.b.test"]), any().hosts(&["b.*"])],
            &get("/").host(&host)
        ),
        None
    );
    assert_eq!(
        matched(&[any().hosts(&["a.*"])], &get("/").host(&host)),
        Some(0)
    );
}
