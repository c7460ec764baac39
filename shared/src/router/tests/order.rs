//! Which of several routes wins.

use super::*;

/// Neither the ids nor the order of creation may change the outcome.
#[track_caller]
fn check(winner: Sample, loser: Sample, request: &Request) {
    for (winner_id, loser_id) in [(1, 2), (2, 1)] {
        let (winner, loser) = (winner.clone().id(winner_id), loser.clone().id(loser_id));
        let (first, last) = ([winner.clone(), loser.clone()], [loser, winner]);
        assert_eq!(matched(&first, request), Some(0), "{first:?} {request:?}");
        assert_eq!(matched(&last, request), Some(1), "{last:?} {request:?}");
    }
}

#[test]
fn more_criteria_beat_better_ones() {
    check(
        any().methods(&["GET"]).paths(&["/a"]),
        any().paths(&["/a/long/path"]),
        &get("/a/long/path/and/more"),
    );
    check(
        any().methods(&["GET"]).paths(&["/a"]),
        any().paths(&["~/a/.*"]).regex_priority(99),
        &get("/a/b"),
    );
    check(
        any().hosts(&["*.test"]).paths(&["/a"]),
        any().hosts(&["h.test"]),
        &get("/a").host("h.test"),
    );
    check(
        any().snis(&["s"]).paths(&["/a"]),
        any().hosts(&["h.test"]),
        &get("/a").host("h.test").sni("s"),
    );
    check(
        any().methods(&["GET"]).paths(&["/a"]),
        any().header("x-a", &["1"]),
        &get("/a").header("x-a", b"1"),
    );
}

#[test]
fn plain_hosts_beat_wildcards_and_everything_without_hosts() {
    check(
        any().hosts(&["x.a.test"]),
        any().hosts(&["*.a.test"]),
        &get("/").host("x.a.test"),
    );
    check(
        any().hosts(&["x.a.test"]),
        any().hosts(&["x.*"]),
        &get("/").host("x.a.test"),
    );
    check(
        any().hosts(&["h.test"]),
        any().header("x-a", &["1"]),
        &get("/a").host("h.test").header("x-a", b"1"),
    );
    check(
        any().hosts(&["x.a.test"]),
        any().hosts(&["x.a.test", "*.b"]),
        &get("/").host("x.a.test"),
    );
    check(
        any().hosts(&["h.test"]).paths(&["/a"]),
        any().header("x-a", &["1"]).paths(&["/a"]),
        &get("/a").host("h.test").header("x-a", b"1"),
    );
}

#[test]
fn an_empty_list_of_hosts_counts_as_plain_hosts() {
    check(
        any().snis(&["s"]).hosts(&[]),
        any().paths(&["/a"]),
        &get("/a").sni("s"),
    );
}

#[test]
fn more_headers_beat_longer_paths() {
    let request = get("/a/b/c").header("x-a", b"1").header("x-b", b"1");
    check(
        any()
            .paths(&["/a"])
            .header("x-a", &["1"])
            .header("x-b", &["1"]),
        any().paths(&["/a/b/c"]).header("x-a", &["1"]),
        &request,
    );
    check(
        any()
            .paths(&["/a"])
            .header("x-a", &["1"])
            .header("x-b", &["1"]),
        any().paths(&["~/a/b/c"]).header("x-a", &["1"]),
        &request,
    );
}

#[test]
fn a_regex_beats_a_prefix_of_any_length() {
    check(
        any().paths(&["~/a"]),
        any().paths(&["/a/b/c/d"]),
        &get("/a/b/c/d"),
    );
    check(
        any().paths(&["~.*"]),
        any().paths(&["/a/b/c/d"]),
        &get("/a/b/c/d"),
    );
    check(
        any().paths(&["~/[a-z]/b/c"]),
        any().paths(&["/a/b/c"]),
        &get("/a/b/c"),
    );
}

#[test]
fn a_longer_prefix_beats_a_shorter_one() {
    check(any().paths(&["/a/b"]), any().paths(&["/a"]), &get("/a/b/c"));
    check(any().paths(&["/a/"]), any().paths(&["/a"]), &get("/a/b/c"));
}

#[test]
fn the_regex_priority_orders_regexes_and_nothing_else() {
    check(
        any().paths(&["~/a/b"]).regex_priority(9),
        any().paths(&["~/a/.*"]).regex_priority(1),
        &get("/a/b"),
    );
    check(
        any().paths(&["~/a"]).regex_priority(1),
        any().paths(&["~/a/b/c"]),
        &get("/a/b/c"),
    );
    check(
        any().paths(&["/a/b"]),
        any().paths(&["/a"]).regex_priority(9),
        &get("/a/b"),
    );
    check(
        any().methods(&["GET"]),
        any().regex_priority(9).hosts(&["*.x"]),
        &get("/"),
    );
}

#[test]
fn method_against_path_goes_by_the_length_of_the_path() {
    check(any().paths(&["/a"]), any().methods(&["GET"]), &get("/a"));
}

#[test]
fn a_plain_host_beats_a_method_and_a_path() {
    check(
        any().hosts(&["h.test"]),
        any().methods(&["GET"]).paths(&["/a"]),
        &get("/a").host("h.test"),
    );
}

/// The greater id wins; the order of creation does not matter.
#[track_caller]
fn check_tie(one: Sample, other: Sample, request: &Request) {
    for (one_id, other_id, expected) in [(1, 2, 1), (2, 1, 0)] {
        let samples = [one.clone().id(one_id), other.clone().id(other_id)];
        assert_eq!(matched(&samples, request), Some(expected), "{samples:?}");
    }
}

#[test]
fn a_tie_goes_to_the_greater_id() {
    check_tie(any().paths(&["/a"]), any().paths(&["/a"]), &get("/a/bc"));
    check_tie(
        any().paths(&["~/a/.*"]),
        any().paths(&["~/a/[a-z]+"]),
        &get("/a/bc"),
    );
    check_tie(
        any().hosts(&["a.b.*"]),
        any().hosts(&["*.b.test"]),
        &get("/").host("a.b.test"),
    );
    check_tie(
        any().hosts(&["a.test"]),
        any().hosts(&["a.test:81"]),
        &get("/").host("a.test:81"),
    );
    check_tie(
        any().hosts(&["a.test"]),
        any().hosts(&["a.test", "b.test"]),
        &get("/").host("a.test"),
    );
    check_tie(any(), any(), &get("/"));
}

#[test]
fn ids_are_compared_byte_by_byte() {
    let high = any().id(0xff000000_0000_0000_0000_000000000000);
    let low = any().id(0x0fffffff_ffff_ffff_ffff_ffffffffffff);
    assert_eq!(matched(&[high, low], &get("/")), Some(0));
}

#[test]
fn each_piece_of_a_route_competes_for_itself() {
    let many = any().id(1).paths(&["/a", "/b/long", "~/re"]);
    let one = any().id(2).paths(&["/b"]);
    let samples = [many, one.clone()];
    for (path, expected) in [("/a", 0), ("/b/long/x", 0), ("/b/short", 1), ("/re", 0)] {
        assert_eq!(matched(&samples, &get(path)), Some(expected), "{path}");
    }
    let other = any().id(3).paths(&["/a/x"]);
    assert_eq!(
        matched(&[samples[0].clone(), one, other], &get("/a/x")),
        Some(2)
    );
}

#[test]
fn what_the_first_route_refuses_goes_to_the_next() {
    let samples = [
        any()
            .id(9)
            .hosts(&["a.test"])
            .paths(&["/a/b"])
            .methods(&["POST"]),
        any().id(8).hosts(&["a.test"]).paths(&["~/a/[0-9]+"]),
        any().id(7).hosts(&["a.test"]).paths(&["/a/b"]),
        any().id(6).hosts(&["*.test"]).paths(&["/a"]),
        any().id(5).paths(&["/a/b/c/d"]),
        any().id(4),
    ];
    for (request, expected) in [
        (get("/a/b").host("a.test").method("POST"), 0),
        (get("/a/7").host("a.test"), 1),
        (get("/a/b/c/d").host("a.test"), 2),
        (get("/a/b/c/d").host("b.test"), 3),
        (get("/a/b/c/d").host("b.org"), 4),
        (get("/x").host("b.org"), 5),
    ] {
        assert_eq!(matched(&samples, &request), Some(expected), "{request:?}");
    }
}

#[test]
fn with_or_without_a_host_header_routes_without_hosts_match() {
    let samples = [any().id(1).paths(&["/p"]), any().id(2).hosts(&["a.test"])];
    assert_eq!(matched(&samples, &get("/p").no_host()), Some(0));
    assert_eq!(matched(&samples, &get("/q").no_host()), None);
}
