use super::*;
use proptest::prelude::*;

#[test]
fn a_path_is_matched_normalised_and_sent_escaped() {
    for (raw, matched, sent) in [
        // The table of the design page.
        ("/foo/a/../bar", "/foo/bar", "/foo/bar"),
        ("/foo//bar", "/foo/bar", "/foo/bar"),
        ("/h%65llo", "/hello", "/hello"),
        ("/a/cat%20dog", "/a/cat dog", "/a/cat%20dog"),
        ("/auth%2f123", "/auth%2F123", "/auth%2F123"),
        // Recorded answers.
        ("/a/./b", "/a/b", "/a/b"),
        ("/a/c/../b", "/a/b", "/a/b"),
        ("/a;v=1/b", "/a;v=1/b", "/a;v=1/b"),
        ("/a/:@!$&'()*,;=", "/a/:@!$&'()*,;=", "/a/:@!$&'()*,;="),
        ("/a/%25", "/a/%25", "/a/%25"),
        ("/a/{x}", "/a/{x}", "/a/%7Bx%7D"),
        ("/a/\"x\"<y>", "/a/\"x\"<y>", "/a/%22x%22%3Cy%3E"),
        ("/a#frag", "/a#frag", "/a#frag"),
        ("/a/b/.", "/a/b/", "/a/b/"),
        ("/a/b/..", "/a/", "/a/"),
        ("/%c3%A9/x", "/é/x", "/%C3%A9/x"),
        ("/é/x", "/é/x", "/%C3%A9/x"),
        // Every reserved byte keeps its triplet, in capital letters.
        (
            "/%21%2a%27%28%29%3b%3a%40%26%3d%2b%24",
            "/%21%2A%27%28%29%3B%3A%40%26%3D%2B%24",
            "/%21%2A%27%28%29%3B%3A%40%26%3D%2B%24",
        ),
        (
            "/%2c%2f%3f%25%23%5b%5d",
            "/%2C%2F%3F%25%23%5B%5D",
            "/%2C%2F%3F%25%23%5B%5D",
        ),
        ("/%2d%5F%2e%7E", "/-_.~", "/-_.~"),
        ("/%7c%5e%60", "/|^`", "/%7C%5E%60"),
        // No second decoding.
        ("/%2565", "/%2565", "/%2565"),
        // Dots.
        ("/a/%2e%2E/b", "/b", "/b"),
        ("/a/%2e/b", "/a/b", "/a/b"),
        ("/a/.../b", "/a/.../b", "/a/.../b"),
        ("/a/.b", "/a/.b", "/a/.b"),
        ("/a/..b", "/a/..b", "/a/..b"),
        ("/a./b", "/a./b", "/a./b"),
        ("/a/..", "/", "/"),
        ("/.", "/", "/"),
        ("/a//../b", "/b", "/b"),
        ("/a///b//", "/a/b/", "/a/b/"),
        ("//", "/", "/"),
        ("//a", "/a", "/a"),
        ("/", "/", "/"),
        ("", "", ""),
    ] {
        let normalised = normalise(raw).unwrap_or_else(|error| panic!("{raw}: {error}"));
        assert_eq!(normalised, matched, "{raw}");
        assert_eq!(escape(&normalised), sent, "{raw}");
    }
}

#[test]
fn a_path_that_is_in_order_is_not_copied() {
    for path in ["/", "/a/b.html", "/a.b/c..d", "/é", "/a;v=1", "/a#b"] {
        assert!(
            matches!(normalise(path), Ok(Cow::Borrowed(same)) if same == path),
            "{path}"
        );
    }
    for path in ["/", "/a/b.html", "/%41", "/[x]"] {
        assert!(
            matches!(escape(path), Cow::Borrowed(same) if same == path),
            "{path}"
        );
    }
}

#[test]
fn a_malformed_path_is_refused() {
    for path in [
        "/../../a/b",
        "/..",
        "/../a",
        "/a/../..",
        "/a/%2e%2e/%2e%2e/b",
        "/a/..%2f..%2fb",
        "/a//../..",
        "/%zz",
        "/a/%",
        "/a/%2",
        "/a%0",
        "/a/%00b",
        "/%+1",
        "/%é",
    ] {
        assert_eq!(normalise(path), Err(BadTarget::Malformed), "{path}");
    }
    assert!(
        normalise("/a#/%zz").is_ok(),
        "the web server reads no further than the fragment"
    );
}

#[test]
fn a_path_that_decodes_to_no_text_matches_nothing() {
    for path in ["/%e4", "/%C3/%A9", "/a/%ff/b"] {
        assert_eq!(normalise(path), Err(BadTarget::NotUtf8), "{path}");
    }
}

#[test]
fn the_query_begins_at_the_first_question_mark() {
    for (target, path, query) in [
        ("/a", "/a", None),
        ("/a?", "/a", Some("")),
        ("/a?x=", "/a", Some("x=")),
        ("/a?x=/?y", "/a", Some("x=/?y")),
        ("/a?a=b%7Cc&%zz", "/a", Some("a=b%7Cc&%zz")),
        ("?a?b", "?a", Some("b")),
        ("?", "?", None),
        ("", "", None),
    ] {
        assert_eq!(split_target(target), (path, query), "{target}");
    }
}

proptest! {
    #[test]
    fn normalising_is_stable(path in "/([a-c./]|%2[ef]|%25|%41|é){0,12}") {
        if let Ok(once) = normalise(&path) {
            let twice = normalise(&once).expect("a normal path is well-formed");
            prop_assert_eq!(&twice, &once);
            prop_assert!(once.starts_with('/'));
            prop_assert!(!once.contains("//") && !once.contains("/./") && !once.contains("/../"), "{}", once);
        }
    }

    #[test]
    fn whatever_a_client_asks_for_can_be_sent_on(target in "[/.%2eéF?#a ]{0,20}|\\PC{0,20}", cut in 0_usize..8, strip: bool) {
        let (path, _) = split_target(&target);
        if let Ok(path) = normalise(path) {
            let prefix = path.is_char_boundary(cut).then_some(cut);
            for service in [None, Some("/s"), Some("/s/")] {
                let sent = crate::router::upstream_path(service, &path, prefix, strip);
                prop_assert!(sent.bytes().all(|byte| byte.is_ascii_graphic()), "{}", sent);
                prop_assert!(sent.starts_with('/'), "{}", sent);
            }
        }
    }
}
