//! What a lookup costs when there are many routes: counted in stops and candidates, not in time.

use super::*;

fn steps(samples: &[Sample], request: &Request) -> u32 {
    let router = router(samples);
    assert!(router.find(&request.query()).is_some(), "{request:?}");
    router.search(&request.query()).steps
}

/// The cost of the same lookup among 1,000 routes and among many.
#[track_caller]
fn check(many: usize, most: u32, sample: impl Fn(usize) -> Sample, request: &Request) {
    let costs = [1_000, many].map(|count| {
        let samples: Vec<Sample> = (0..count)
            .map(|number| sample(number).id(number as u128))
            .collect();
        steps(&samples, request)
    });
    assert_eq!(costs[0], costs[1]);
    assert!(costs[0] <= most, "{costs:?}");
}

#[test]
fn prefixes_are_found_without_looking_at_the_others() {
    check(
        100_000,
        2,
        |number| any().paths(&[&format!("/api/{number}/x")]),
        &get("/api/777/x/y"),
    );
}

#[test]
fn hosts_are_found_without_looking_at_the_others() {
    check(
        100_000,
        2,
        |number| any().hosts(&[&format!("h{number}.test")]),
        &get("/").host("h777.test"),
    );
    check(
        100_000,
        2,
        |number| any().hosts(&[&format!("*.h{number}.test")]),
        &get("/").host("x.h777.test"),
    );
}

#[test]
fn regexes_are_told_apart_by_their_literals() {
    check(
        5_000,
        2,
        |number| any().paths(&[&format!(r"~/service-{number}/\d+$")]),
        &get("/service-777/12"),
    );
    check(
        5_000,
        3,
        |number| any().paths(&[&format!(r"~/(?<team>[^/]+)/service-{number}/\d+$")]),
        &get("/red/service-777/12"),
    );
}

#[test]
fn hosts_with_the_same_routes_share_a_tree() {
    let hosts: Vec<String> = (0..2_000).map(|number| format!("h{number}.test")).collect();
    let paths: Vec<String> = (100..200).map(|number| format!("/p{number}")).collect();
    let sample = Sample {
        hosts: Some(hosts),
        paths,
        ..any()
    };
    let router = router(&[sample]);
    assert!(
        router
            .find(&get("/p150").host("h1999.test").query())
            .is_some()
    );
    assert!(router.forest.nodes() <= 250, "{}", router.forest.nodes());
}

#[test]
fn deeply_nested_prefixes_build_and_match() {
    let paths: Vec<String> = (1..5_000)
        .map(|length| format!("/{}", "a".repeat(length)))
        .collect();
    let router = router(&[Sample { paths, ..any() }]);
    let found = router
        .find(&get(&format!("/{}", "a".repeat(6_000))).query())
        .expect("matches");
    assert_eq!(found.prefix, Some(5_000));
}
