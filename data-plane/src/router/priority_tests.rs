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

/// Everything of the order but the id.
fn order(route: &RouteInput<'_>) -> (u8, bool, bool, u8, bool, i64, u32) {
    let Order {
        criteria,
        plain_hosts,
        methods,
        headers,
        regex,
        regex_priority,
        length,
        ..
    } = pieces(route)[0].order;
    (
        criteria,
        plain_hosts,
        methods,
        headers,
        regex,
        regex_priority,
        length,
    )
}

#[test]
fn every_part_of_the_order_has_its_rule() {
    let many: Vec<String> = (0..300).map(|number| format!("x-{number}")).collect();
    let many = many.iter().map(|name| (name.as_str(), vec!["1"])).collect();
    let long = "/".repeat(600_000);
    for (what, route, expected) in [
        ("nothing", route(), (0, false, false, 0, false, 0, 0)),
        (
            "methods",
            RouteInput {
                methods: vec!["GET", "POST"],
                ..route()
            },
            (0, false, true, 0, false, 0, 0),
        ),
        (
            "plain hosts",
            RouteInput {
                hosts: Some(vec!["a", "b:80"]),
                ..route()
            },
            (1, true, false, 0, false, 0, 0),
        ),
        (
            "wildcard hosts",
            RouteInput {
                hosts: Some(vec!["a", "*.b"]),
                ..route()
            },
            (1, false, false, 0, false, 0, 0),
        ),
        (
            "an empty list of hosts",
            RouteInput {
                hosts: Some(vec![]),
                ..route()
            },
            (0, true, false, 0, false, 0, 0),
        ),
        (
            "headers",
            RouteInput {
                headers: vec![("x", vec!["1", "2"]), ("y", vec!["1"])],
                ..route()
            },
            (1, false, false, 2, false, 0, 0),
        ),
        (
            "many headers",
            RouteInput {
                headers: many,
                ..route()
            },
            (1, false, false, 255, false, 0, 0),
        ),
        (
            "snis",
            RouteInput {
                snis: vec!["a"],
                ..route()
            },
            (1, false, false, 0, false, 0, 0),
        ),
        (
            "a prefix",
            RouteInput {
                paths: prefixes(&["/abc"]),
                ..route()
            },
            (1, false, false, 0, false, 0, 4),
        ),
        (
            "a prefix with a regex priority",
            RouteInput {
                paths: prefixes(&["/é"]),
                regex_priority: 5,
                ..route()
            },
            (1, false, false, 0, false, 0, 3),
        ),
        (
            "a long prefix",
            RouteInput {
                paths: prefixes(&[&long]),
                ..route()
            },
            (1, false, false, 0, false, 0, 524_287),
        ),
        (
            "a regex",
            RouteInput {
                paths: prefixes(&["~/abc"]),
                regex_priority: 5,
                ..route()
            },
            (1, false, false, 0, true, 5, 0),
        ),
        (
            "everything",
            RouteInput {
                methods: vec!["GET"],
                hosts: Some(vec!["a"]),
                headers: vec![("x", vec!["1"])],
                snis: vec!["a"],
                paths: prefixes(&["~/a"]),
                regex_priority: -1,
                ..route()
            },
            (4, true, true, 1, true, -1, 0),
        ),
    ] {
        assert_eq!(order(&route), expected, "{what}");
    }
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
