//! Boundaries, parts and steps; what neither names nor values may do.

use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn body(parts: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (name, value) in parts {
        out +=
            &format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    if out.is_empty() {
        out
    } else {
        out + "--XX--\r\n"
    }
}

fn edited(text: &str, edit: impl FnOnce(&mut Form<'_>)) -> String {
    let mut form = Form::parse(text.as_bytes(), b"XX");
    edit(&mut form);
    String::from_utf8(form.write()).unwrap()
}

#[test]
fn the_boundary_is_a_parameter_of_the_content_type() {
    for (value, expected) in [
        ("multipart/form-data; boundary=XX", Some("XX")),
        ("multipart/form-data; boundary=\"X;X\"", Some("X;X")),
        (
            "multipart/form-data; boundary=XX; charset=utf-8",
            Some("XX"),
        ),
        (
            "multipart/form-data; charset=\"a;boundary=b\"; Boundary=XX",
            Some("XX"),
        ),
        ("multipart/form-data;boundary = XX ", Some("XX")),
        ("multipart/form-data", None),
        ("multipart/form-data; boundary=", None),
        ("multipart/form-data; boundary", None),
    ] {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(value).unwrap())]);
        assert_eq!(
            boundary(&headers).as_deref(),
            expected.map(str::as_bytes),
            "{value}"
        );
    }
}

#[test]
fn parts_are_read_however_they_are_delimited() {
    let simple = body(&[("a", "1")]);
    for text in [
        simple.clone(),
        format!("preamble\r\n{simple}epilogue"),
        simple.replace("\r\n", "\n"),
        simple.trim_end_matches("--XX--\r\n").to_owned(),
        simple.trim_end().to_owned(),
        simple.replace("--XX\r\n", "--XX \t\r\n"),
        simple.replace("name=\"a\"", "name=a"),
        simple.replace("form-data; name", "form-data; filename=\"x;name=z\"; name"),
    ] {
        let form = Form::parse(text.as_bytes(), b"XX");
        assert_eq!(form.values(b"a").collect::<Vec<_>>(), [b"1"], "{text:?}");
    }
}

#[test]
fn what_is_no_part_is_dropped() {
    for text in [
        "",
        "text",
        "--XX",
        "--XX\r\n",
        "--XX--\r\n",
        "--XXY\r\n\r\n1\r\n",
        "--XX\r\nno blank line\r\n--XX--",
    ] {
        assert_eq!(edited(text, |_| ()), "", "{text:?}");
    }
}

#[test]
fn steps_move_what_they_touch_to_the_end_and_nothing_else() {
    let text = body(&[("a", "1"), ("b", "2"), ("a", "3"), ("c", "")]);
    for (edit, expected) in [
        (
            (|f| f.remove(b"a")) as fn(&mut Form<'_>) -> bool,
            &[("b", "2"), ("c", "")] as &[_],
        ),
        (
            |f| f.rename(b"a", b"z"),
            &[("b", "2"), ("c", ""), ("z", "1")],
        ),
        (
            |f| f.rename(b"b", b"a"),
            &[("a", "2"), ("a", "3"), ("c", "")],
        ),
        (
            |f| f.replace(b"a", b"9").unwrap(),
            &[("b", "2"), ("c", ""), ("a", "9")],
        ),
        (
            |f| f.add(b"n", b"9").unwrap(),
            &[("a", "1"), ("b", "2"), ("a", "3"), ("c", ""), ("n", "9")],
        ),
        (|f| f.remove(b"a") && f.remove(b"b") && f.remove(b"c"), &[]),
    ] {
        assert_eq!(edited(&text, |form| assert!(edit(form))), body(expected));
    }
    for edit in [
        (|f| f.remove(b"x")) as fn(&mut Form<'_>) -> bool,
        |f| f.rename(b"x", b"y"),
        |f| f.rename(b"a", b"a"),
        |f| f.replace(b"x", b"9").unwrap(),
        |f| f.add(b"a", b"9").unwrap(),
    ] {
        assert_eq!(edited(&text, |form| assert!(!edit(form))), text);
    }
}

#[test]
fn a_file_keeps_its_head_until_it_is_touched() {
    let file = "--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f.txt\"\r\n\
                Content-Type: text/plain\r\n\r\nline1\r\nline2\r\n--XX--\r\n";
    assert_eq!(edited(file, |_| ()), file);
    assert_eq!(
        edited(file, |form| assert!(form.rename(b"f", b"g"))),
        body(&[("g", "line1\r\nline2")])
    );
}

#[test]
fn neither_a_name_nor_a_value_can_break_out() {
    let made = edited("", |form| assert!(form.add(b"a\"\r\nX: y", b"1").unwrap()));
    assert_eq!(made, body(&[("a%22%0D%0AX: y", "1")]));
    let mut form = Form::parse(b"", b"XX");
    assert_eq!(form.add(b"a", b"1\r\n--XX--\r\n"), Err(HoldsBoundary));
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(parts in prop::collection::vec(("[a-c]", "[a-z\\r\\n-]{0,10}"), 0..5)) {
        let text = body(&parts.iter().map(|(n, v)| (&**n, &**v)).collect::<Vec<_>>());
        prop_assert_eq!(edited(&text, |_| ()), text);
    }

    #[test]
    fn arbitrary_bytes_never_panic(text in "(--XX|--|\r|\n|:|;|\"|name=|Content-Disposition:|[a-b ]){0,20}") {
        let mut form = Form::parse(text.as_bytes(), b"XX");
        form.rename(b"a", b"b");
        form.write();
    }
}
