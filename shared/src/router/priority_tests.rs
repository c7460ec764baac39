use super::*;

const ID: Uuid = Uuid::from_u128(0x00000000_0000_4000_8000_000000000001);

fn route<'a>() -> RouteInput<'a> {
    RouteInput {
        id: ID,
        ..RouteInput::default()
    }
}

fn prefixes<'a>(paths: &[&'a str]) -> Vec<PathInput<'a>> {
    paths.iter().map(|path| PathInput::new(path)).collect()
}

fn priority(route: &RouteInput<'_>) -> u64 {
    pieces(route)[0].order.priority
}

#[test]
fn every_part_of_the_priority_has_its_bits() {
    const REGEX: u64 = 1 << 50 | 1 << 49;
    let many: Vec<String> = (0..300).map(|number| format!("x-{number}")).collect();
    let many = many.iter().map(|name| (name.as_str(), vec!["1"])).collect();
    let long = "/".repeat(600_000);
    for (what, route, expected) in [
        ("nothing", route(), 0),
        (
            "methods",
            RouteInput {
                methods: vec!["GET", "POST"],
                ..route()
            },
            1 << 59,
        ),
        (
            "plain hosts",
            RouteInput {
                hosts: Some(vec!["a", "b:80"]),
                ..route()
            },
            1 << 61 | 1 << 60,
        ),
        (
            "wildcard hosts",
            RouteInput {
                hosts: Some(vec!["a", "*.b"]),
                ..route()
            },
            1 << 61,
        ),
        (
            "an empty list of hosts",
            RouteInput {
                hosts: Some(vec![]),
                ..route()
            },
            1 << 60,
        ),
        (
            "headers",
            RouteInput {
                headers: vec![("x", vec!["1", "2"]), ("y", vec!["1"])],
                ..route()
            },
            1 << 61 | 2 << 51,
        ),
        (
            "many headers",
            RouteInput {
                headers: many,
                ..route()
            },
            1 << 61 | 255 << 51,
        ),
        (
            "snis",
            RouteInput {
                snis: vec!["a"],
                ..route()
            },
            1 << 61,
        ),
        (
            "a prefix",
            RouteInput {
                paths: prefixes(&["/abc"]),
                ..route()
            },
            1 << 61 | 4,
        ),
        (
            "a prefix with a regex priority",
            RouteInput {
                paths: prefixes(&["/é"]),
                regex_priority: 5,
                ..route()
            },
            1 << 61 | 3,
        ),
        (
            "a long prefix",
            RouteInput {
                paths: prefixes(&[&long]),
                ..route()
            },
            1 << 61 | 524_287,
        ),
        (
            "a regex",
            RouteInput {
                paths: prefixes(&["~/abc"]),
                ..route()
            },
            1 << 61 | REGEX,
        ),
        (
            "a regex priority",
            RouteInput {
                paths: prefixes(&["~/a"]),
                regex_priority: 5,
                ..route()
            },
            1 << 61 | REGEX | 5,
        ),
        (
            "everything",
            RouteInput {
                methods: vec!["GET"],
                hosts: Some(vec!["a"]),
                headers: vec![("x", vec!["1"])],
                snis: vec!["a"],
                paths: prefixes(&["~/a"]),
                regex_priority: i64::MAX,
                ..route()
            },
            4 << 61 | 1 << 60 | 1 << 59 | 1 << 51 | ((1 << 51) - 1),
        ),
    ] {
        assert_eq!(priority(&route), expected, "{what}");
    }
}

#[test]
fn a_negative_regex_priority_comes_after_zero() {
    let order = |regex_priority| {
        priority(&RouteInput {
            paths: prefixes(&["~/a"]),
            regex_priority,
            ..route()
        })
    };
    for (more, less) in [
        (1, 0),
        (0, -1),
        (-1, -2),
        (0, i64::MIN),
        (i64::MAX, 1 << 40),
    ] {
        assert!(order(more) > order(less), "{more} {less}");
    }
    let prefix = priority(&RouteInput {
        paths: prefixes(&["/a"]),
        ..route()
    });
    assert!(
        order(i64::MIN) > prefix,
        "any regex comes before any prefix"
    );
}

#[test]
fn a_route_is_split_by_kind_and_length_of_its_paths() {
    let paths = ["/b", "~/x", "/aa", "/c", "~/y", "/bb"];
    let split = pieces(&RouteInput {
        paths: prefixes(&paths),
        ..route()
    });
    let shapes: Vec<_> = split
        .iter()
        .map(|piece| format!("{:?}", piece.paths))
        .collect();
    assert_eq!(
        shapes,
        [
            r#"Prefixes(["/b", "/c"])"#,
            r#"Regexes([("/x", None), ("/y", None)])"#,
            r#"Prefixes(["/aa", "/bb"])"#,
        ]
    );
    // Made with Python: uuid.uuid5(uuid.UUID("7f145bf9-0dce-4f91-98eb-debbce4b9f6b"), f"{ID}#1") and so on.
    let ids: Vec<_> = split
        .iter()
        .map(|piece| Uuid::from_u128(piece.order.id).to_string())
        .collect();
    assert_eq!(
        ids,
        [
            "4c27e75c-320f-5c7d-8070-fbf84b203a9e",
            "88c08b1f-2356-5fee-847d-a5eb1652c82d",
            "fa14c8b4-88cf-58c8-bbee-c94b91bef4fb"
        ]
    );
}

#[test]
fn a_route_in_one_piece_keeps_its_id() {
    for paths in [&[][..], &["/a"], &["/a", "/b"], &["~/a", "~/bcd"]] {
        let split = pieces(&RouteInput {
            paths: prefixes(paths),
            ..route()
        });
        assert_eq!(
            (split.len(), split[0].order.id),
            (1, ID.as_u128()),
            "{paths:?}"
        );
    }
}
