//! What the router takes of the allocator: bytes per route when it is built, nothing when it is asked.
//!
//! A program of its own, because it counts every allocation of the process's threads.
#![allow(unsafe_code)]

use data_plane::router::{PathInput, Query, RouteInput, Router};
use http::HeaderMap;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use uuid::Uuid;

struct Counting;

thread_local! {
    /// Allocations of this thread, and bytes that are still in use.
    static COUNTS: Cell<(usize, isize)> = const { Cell::new((0, 0)) };
}

fn count(allocations: usize, bytes: isize) {
    // A thread that is ending has no counts any more.
    let _ = COUNTS.try_with(|counts| {
        let (sofar, used) = counts.get();
        counts.set((sofar + allocations, used + bytes));
    });
}

// SAFETY: every call goes to the system's allocator as it came; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as isize);
        // SAFETY: the caller's promises are the ones that are asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(0, -(layout.size() as isize));
        // SAFETY: the caller's promises are the ones that are asked for.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A route of the test: its host and its paths.
struct Sample {
    host: Option<String>,
    paths: Vec<String>,
}

fn build(samples: &[Sample]) -> Router {
    let inputs = (0..).zip(samples).map(|(index, sample)| RouteInput {
        index,
        id: Uuid::from_u128(u128::from(index) << 64),
        hosts: sample.host.as_deref().map(|host| vec![host]),
        paths: sample
            .paths
            .iter()
            .map(|path| PathInput::new(path))
            .collect(),
        ..RouteInput::default()
    });
    Router::build(inputs, None)
}

fn samples(count: usize, sample: impl Fn(usize) -> Sample) -> Vec<Sample> {
    (0..count).map(sample).collect()
}

fn by_path(number: usize) -> Sample {
    Sample {
        host: None,
        paths: vec![format!("/api/v1/service-{number}")],
    }
}

fn by_host(number: usize) -> Sample {
    let paths = vec!["/api".to_string(), "/v1/items".to_string()];
    Sample {
        host: Some(format!("service-{number}.example.test")),
        paths,
    }
}

#[test]
fn a_route_takes_no_more_than_400_bytes() {
    for (what, sample) in [("path", by_path as fn(usize) -> Sample), ("host", by_host)] {
        let samples = samples(20_000, sample);
        let (_, before) = COUNTS.get();
        let router = build(&samples);
        let (_, after) = COUNTS.get();
        let each = (after - before) / samples.len() as isize;
        assert!(
            (1..=400).contains(&each),
            "{each} bytes for each route by {what}"
        );
        drop(router);
    }
}

#[test]
fn finding_a_route_by_host_and_prefix_allocates_nothing() {
    let all: Vec<Sample> = samples(500, by_path)
        .into_iter()
        .chain(samples(500, by_host))
        .collect();
    let router = build(&all);
    let headers = HeaderMap::new();
    let query = |host, path| Query {
        method: "GET",
        host,
        port: 80,
        path,
        headers: &headers,
        sni: None,
        https: false,
    };
    for (query, expected) in [
        (query(Some("x.test"), "/api/v1/service-77/x"), true),
        (query(Some("service-77.example.test"), "/v1/items/7"), true),
        (query(None, "/api/v1/service-77"), true),
        (query(Some("service-77.example.test"), "/none"), false),
    ] {
        let (before, _) = COUNTS.get();
        let found = router.find(&query);
        let (after, _) = COUNTS.get();
        assert_eq!(
            (found.is_some(), after - before),
            (expected, 0),
            "{query:?}"
        );
    }
}
