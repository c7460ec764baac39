use super::*;
use crate::router::normalise;

/// The matched length that `find` would report for one literal path.
fn matched(route: Option<&str>, path: &str) -> Option<usize> {
    route.map(|prefix| {
        assert!(path.starts_with(prefix), "{path} does not match {prefix}");
        prefix.len()
    })
}

fn check(service: Option<&str>, route: Option<&str>, strip: bool, request: &str, expected: &str) {
    let path = normalise(request).expect("the cases are well-formed");
    let joined = upstream_path(service, &path, matched(route, &path), strip);
    assert_eq!(
        joined, expected,
        "service {service:?}, route {route:?}, strip {strip}, request {request}"
    );
}

#[test]
fn every_row_of_the_table_of_cases() {
    for (service, route, strip, request, expected) in [
        ("/", Some("/route"), false, "/routereq", "/routereq"),
        ("/", Some("/route"), true, "/route", "/"),
        ("/", Some("/route"), true, "/routereq", "/req"),
        ("/srv", Some("/rou"), false, "/roureq", "/srv/roureq"),
        ("/srv", Some("/rou"), true, "/roureq", "/srv/req"),
        ("/srv/", Some("/rou"), true, "/rou", "/srv"),
        ("/service", Some("/"), true, "/", "/service"),
        ("/service", Some("/"), false, "/", "/service"),
        ("/service", Some("/"), true, "/route", "/service/route"),
        ("/service", Some("/"), false, "/route", "/service/route"),
        ("/service", Some("/route"), true, "/route/", "/service/"),
        ("/service", Some("/route/"), true, "/route/", "/service/"),
        (
            "/service",
            Some("/route/"),
            true,
            "/route/req",
            "/service/req",
        ),
        ("/service/", Some("/route"), true, "/route", "/service"),
        (
            "/service/",
            Some("/route"),
            false,
            "/route",
            "/service/route",
        ),
        ("/service", None, true, "/", "/service"),
        ("/service", None, false, "/", "/service"),
        ("/service", None, true, "/route/", "/service/route/"),
        ("/service", None, false, "/route/", "/service/route/"),
        (
            "/service",
            Some("/route"),
            true,
            "/route%2e%2E/req",
            "/service/req",
        ),
        (
            "/service",
            Some("/route"),
            false,
            "/route%2E/req",
            "/service/route./req",
        ),
    ] {
        check(Some(service), route, strip, request, expected);
    }
}

#[test]
fn every_row_of_the_table_of_rules() {
    for (service, route, strip, request, expected) in [
        // S ends with a slash, stripped.
        ("/", "/a", true, "/a", "/"),
        ("/s/", "/a/", true, "/a/", "/s/"),
        ("/s/", "/a", true, "/a", "/s"),
        ("/s/", "/a", true, "/a/b", "/s/b"),
        ("/s/", "/a", true, "/ab", "/s/b"),
        // S ends with a slash, kept.
        ("/s/", "/a", false, "/a/b", "/s/a/b"),
        ("/s/", "/", false, "/", "/s/"),
        // S does not, stripped.
        ("/s", "/a/", true, "/a/", "/s/"),
        ("/s", "/a", true, "/a", "/s"),
        ("/s", "/", true, "/", "/s"),
        ("/s", "/a", true, "/a/b", "/s/b"),
        ("/s", "/a", true, "/ab", "/s/b"),
        // S does not, kept.
        ("/s", "/", false, "/", "/s"),
        ("/s", "/a", false, "/a/b", "/s/a/b"),
        // What is left of the path must not climb.
        ("/s", "/a", true, "/a.", "/s"),
        ("/s/", "/a", true, "/a..", "/s"),
        ("/s", "/a", true, "/a./b", "/s/b"),
        ("/s/", "/a", true, "/a../b", "/s/b"),
        ("/s", "/a", true, "/a.../b", "/s/.../b"),
        // Recorded: stripping with odd bytes.
        ("/sv", "/a", true, "/a/x%20y", "/sv/x%20y"),
        ("/sv", "/a", true, "/a;v=1/b", "/sv/;v=1/b"),
        ("/sv", "/a", true, "/a/%25", "/sv/%25"),
        ("/sv", "/a", true, "/a/{x}", "/sv/%7Bx%7D"),
        ("/sv", "/a", true, "/a/b/.", "/sv/b/"),
        ("/sv", "/a", true, "/a/b/..", "/sv/"),
        ("/sv", "/a", true, "/a//b", "/sv/b"),
        ("/", "/a b", true, "/a%20b/c", "/c"),
        ("/", "/é", true, "/%c3%a9/x", "/x"),
        ("/s v", "/a", true, "/a/é", "/s%20v/%C3%A9"),
    ] {
        check(Some(service), Some(route), strip, request, expected);
    }
}

#[test]
fn the_recorded_joins() {
    for (service, route, strip, request, expected) in [
        (None, "/", true, "/", "/"),
        (None, "/", true, "/x", "/x"),
        (None, "/", true, "/x/", "/x/"),
        (None, "/", false, "/", "/"),
        (None, "/", false, "/x", "/x"),
        (None, "/", false, "/x/", "/x/"),
        (None, "/rt", false, "/rt", "/rt"),
        (None, "/rt", false, "/rt/", "/rt/"),
        (None, "/rt", false, "/rt/x", "/rt/x"),
        (None, "/rt", false, "/rtx", "/rtx"),
        (None, "/rt/", false, "/rt/", "/rt/"),
        (None, "/rt/", false, "/rt/x", "/rt/x"),
        (None, "/rt/", false, "/rt//x", "/rt/x"),
        (Some("/"), "/rt", true, "/rt", "/"),
        (Some("/"), "/rt", true, "/rt/", "/"),
        (Some("/"), "/rt", true, "/rt/x", "/x"),
        (Some("/"), "/rt", true, "/rtx", "/x"),
        (Some("/"), "/rt/", true, "/rt/", "/"),
        (Some("/"), "/rt/", true, "/rt/x", "/x"),
        (Some("/"), "/rt/", true, "/rt//x", "/x"),
        (Some("/"), "/rt/", false, "/rt/", "/rt/"),
        (Some("/"), "/rt/", false, "/rt/x", "/rt/x"),
        (Some("/"), "/rt/", false, "/rt//x", "/rt/x"),
        (Some("/sv"), "/", true, "/", "/sv"),
        (Some("/sv"), "/", true, "/x", "/sv/x"),
        (Some("/sv"), "/", true, "/x/", "/sv/x/"),
        (Some("/sv"), "/", false, "/", "/sv"),
        (Some("/sv"), "/", false, "/x", "/sv/x"),
        (Some("/sv"), "/", false, "/x/", "/sv/x/"),
        (Some("/sv"), "/rt", false, "/rt", "/sv/rt"),
        (Some("/sv"), "/rt", false, "/rt/", "/sv/rt/"),
        (Some("/sv"), "/rt", false, "/rt/x", "/sv/rt/x"),
        (Some("/sv"), "/rt", false, "/rtx", "/sv/rtx"),
        (Some("/sv"), "/rt/", false, "/rt/", "/sv/rt/"),
        (Some("/sv"), "/rt/", false, "/rt/x", "/sv/rt/x"),
        (Some("/sv"), "/rt/", false, "/rt//x", "/sv/rt/x"),
        (Some("/sv/"), "/", true, "/", "/sv/"),
        (Some("/sv/"), "/", true, "/x", "/sv/x"),
        (Some("/sv/"), "/", true, "/x/", "/sv/x/"),
        (Some("/sv/"), "/rt", true, "/rt", "/sv"),
        (Some("/sv/"), "/rt", true, "/rt/", "/sv/"),
        (Some("/sv/"), "/rt", true, "/rt/x", "/sv/x"),
        (Some("/sv/"), "/rt", true, "/rtx", "/sv/x"),
        (Some("/sv/"), "/rt", false, "/rt", "/sv/rt"),
        (Some("/sv/"), "/rt", false, "/rt/", "/sv/rt/"),
        (Some("/sv/"), "/rt", false, "/rt/x", "/sv/rt/x"),
        (Some("/sv/"), "/rt", false, "/rtx", "/sv/rtx"),
        (None, "/rt/", true, "/rt/", "/"),
        (None, "/rt/", true, "/rt/x", "/x"),
        (None, "/rt/", true, "/rt//x", "/x"),
        (Some("/"), "/", false, "/", "/"),
        (Some("/"), "/", false, "/x", "/x"),
        (Some("/"), "/", false, "/x/", "/x/"),
        (Some("/sv"), "/rt", true, "/rt", "/sv"),
        (Some("/sv"), "/rt", true, "/rt/", "/sv/"),
        (Some("/sv"), "/rt", true, "/rt/x", "/sv/x"),
        (Some("/sv"), "/rt", true, "/rtx", "/sv/x"),
    ] {
        check(service, Some(route), strip, request, expected);
    }
}

#[test]
fn the_stripped_prefix_is_named_unless_it_is_the_root() {
    for (path, prefix, strip, expected) in [
        ("/a/b", Some(2), true, Some("/a")),
        ("/a/b", Some(2), false, None),
        ("/a/b", Some(1), true, None),
        ("/a/b", None, true, None),
        ("/a x/end", Some(8), true, Some("/a x/end")),
    ] {
        assert_eq!(
            stripped_prefix(path, prefix, strip),
            expected,
            "{path} {prefix:?} {strip}"
        );
    }
}
