//! The plugin against the slow reference. Values are without templates: what those say is settled before any step.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::compile::Plan;
use super::steps::{Parts, Texts};
use crate::plugins::transform::cases::{self, Pairs, entries};
use crate::plugins::transform::content_type::RequestBody;
use crate::plugins::transform::reference::form::Args;
use crate::plugins::transform::reference::headers::Headers;
use crate::plugins::transform::reference::json::{self as reference, Tree};
use crate::plugins::transform::reference::multipart;

#[derive(Clone, Debug)]
struct Lists {
    remove: Vec<String>,
    rename: Pairs,
    replace: Pairs,
    add: Pairs,
    append: Pairs,
}

fn lists() -> impl Strategy<Value = Lists> {
    // A value must be there, and colons behind the first are part of the separator.
    let value = || cases::value().prop_filter("a value", |value| !value.is_empty());
    let pairs = || vec((cases::name(), value()), 0..3);
    let rename = vec((cases::name(), cases::name()), 0..3);
    (vec(cases::name(), 0..3), rename, pairs(), pairs(), pairs()).prop_map(
        |(remove, rename, replace, add, append)| Lists {
            remove,
            rename,
            replace,
            add,
            append,
        },
    )
}

impl Lists {
    fn plan(&self, field: &str) -> Plan {
        let lists = |pairs: &Pairs| json!({ field: entries(pairs) });
        Plan::new(&cases::config(
            "request-transformer",
            &json!({
                "remove": { field: self.remove }, "rename": lists(&self.rename), "replace": lists(&self.replace),
                "add": lists(&self.add), "append": lists(&self.append),
            }),
        ))
    }

    /// Steps that count as a change whether or not they find something.
    fn always_change(&self) -> bool {
        !self.remove.is_empty() || !self.append.is_empty()
    }
}

/// What a plan makes of a head and a query.
#[derive(Debug, PartialEq)]
struct Head {
    lines: Vec<(String, Vec<String>)>,
    host: Option<String>,
    query: Option<Option<String>>,
}

/// Renders what there is to render, and gives it with the parts of a request to `run`.
fn with_parts<T>(
    plan: &Plan,
    lines: &Pairs,
    query: &str,
    run: impl FnOnce(&mut Parts<'_>, &Texts) -> T,
) -> (T, Head) {
    let (mut headers, mut host, mut changed) = (cases::head(lines), None, None);
    let mut parts = Parts {
        headers: &mut headers,
        client_host: None,
        client_query: Some(query),
        captures: &[],
        templates: true,
        method: &mut None,
        path: &mut String::new(),
        query: &mut changed,
        host: &mut host,
    };
    let texts = plan.render(&parts.scope()).expect("nothing can fail");
    let result = run(&mut parts, &texts);
    let host = host.map(|value: HeaderValue| value.to_str().expect("as made").to_owned());
    let lines = cases::sorted(&headers);
    (
        result,
        Head {
            lines,
            host,
            query: changed,
        },
    )
}

fn changed(
    lists: &Lists,
    kind: RequestBody,
    content_type: &str,
    body: &[u8],
) -> Result<Option<Vec<u8>>, String> {
    let plan = lists.plan("body");
    let value = HeaderValue::from_str(content_type).expect("a value");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, value)]);
    with_parts(&plan, &vec![], "", |_, texts| {
        plan.change_body(kind, &headers, body, texts)
    })
    .0
}

fn expected_json(lists: &Lists, body: &[u8]) -> Option<Vec<u8>> {
    let mut tree = match body {
        [] if lists.add.is_empty() && lists.append.is_empty() => return None,
        [] => Tree::Object(vec![]),
        text => reference::parse(text).filter(Tree::is_object)?,
    };
    tree.enter();
    let value = |text: &String| Tree::Scalar(reference::string(text.as_bytes()));
    let mut changed = lists.always_change();
    for name in &lists.remove {
        tree.remove(name.as_bytes());
    }
    for (from, to) in &lists.rename {
        changed |= tree.holds(from.as_bytes()) && tree.rename(from.as_bytes(), to.as_bytes());
    }
    for (name, text) in &lists.replace {
        if tree.holds(name.as_bytes()) {
            tree.set(name.as_bytes(), value(text));
            changed = true;
        }
    }
    for (name, text) in &lists.add {
        if !tree.holds(name.as_bytes()) {
            tree.set(name.as_bytes(), value(text));
            changed = true;
        }
    }
    for (name, text) in &lists.append {
        tree.append(name.as_bytes(), value(text));
    }
    changed.then(|| tree.write())
}

/// Changes arguments; true if a step that has to find something did.
fn change_args(lists: &Lists, args: &mut Args) -> bool {
    let mut changed = false;
    for name in &lists.remove {
        args.remove(name.as_bytes());
    }
    for (from, to) in &lists.rename {
        changed |= args.rename(from.as_bytes(), to.as_bytes());
    }
    for (name, value) in &lists.replace {
        if args.contains(name.as_bytes()) {
            args.set(name.as_bytes(), value.as_bytes());
            changed = true;
        }
    }
    for (name, value) in &lists.add {
        if !args.contains(name.as_bytes()) {
            args.set(name.as_bytes(), value.as_bytes());
            changed = true;
        }
    }
    for (name, value) in &lists.append {
        args.append(name.as_bytes(), value.as_bytes());
    }
    changed
}

fn expected_form(lists: &Lists, body: &[u8]) -> Option<Vec<u8>> {
    if body.is_empty() && lists.add.is_empty() && lists.append.is_empty() {
        return None;
    }
    let mut args = Args::parse(body);
    let changed = change_args(lists, &mut args) || lists.always_change();
    changed.then(|| args.form().into_bytes())
}

fn expected_multipart(lists: &Lists, body: &[u8]) -> Result<Option<Vec<u8>>, ()> {
    if body.is_empty() && lists.add.is_empty() && lists.append.is_empty() {
        return Ok(None);
    }
    let mut parts = multipart::parse(body, b"x y");
    let mut changed = !lists.remove.is_empty();
    for (from, to) in &lists.rename {
        changed |= multipart::rename(&mut parts, from.as_bytes(), to.as_bytes());
    }
    for name in &lists.remove {
        multipart::remove(&mut parts, name.as_bytes());
    }
    for (i, (name, value)) in lists.replace.iter().chain(&lists.add).enumerate() {
        let replaces = i < lists.replace.len();
        let there = multipart::first(&parts, name.as_bytes()).is_some();
        if there == replaces && multipart::breaks_out(value.as_bytes(), b"x y") {
            return Err(());
        }
        changed |= if replaces {
            multipart::replace(&mut parts, name.as_bytes(), value.as_bytes())
        } else {
            multipart::add(&mut parts, name.as_bytes(), value.as_bytes())
        };
    }
    Ok(changed.then(|| multipart::write(&parts, b"x y")))
}

/// Arguments in any spelling.
fn form() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        5 => select(vec!["a", "b", "c", "a.b", "%61", "%C3%A9", "x/y", "x%2Fy", "l%5b1]"]).prop_map(String::from),
        1 => "[a-b%+= ]{0,4}",
    ];
    let value = prop_oneof![
        Just(String::new()),
        Just("=".to_owned()),
        "=[a-z%+=é2F]{0,5}"
    ];
    vec((name, value).prop_map(|(name, value)| name + &value), 0..7).prop_map(|all| all.join("&"))
}

/// A multipart body with the boundary `x y`, well formed or nearly.
fn multipart_body() -> impl Strategy<Value = Vec<u8>> {
    let break_ = || select(vec!["\r\n", "\r\n", "\r\n", "\n"]);
    let line = prop_oneof![
        6 => cases::name().prop_map(|name| format!("Content-Disposition: form-data; name=\"{}\"", name.replace('"', "\\\""))),
        1 => cases::name().prop_map(|name| format!("content-disposition:form-data;filename=\"a;b\" ; NAME={name}")),
        1 => select(vec!["Content-Type: text/plain", "X: y; name=\"a\"", "", "no field"]).prop_map(String::from),
    ];
    let delimiter = select(vec![
        "--x y", "--x y", "--x y", "--x y \t", "--x yz", "--x y--",
    ]);
    let content = "[a-c\\-\r\n]{0,6}|--x y|\u{fffd}";
    let part = (
        delimiter,
        break_(),
        vec(line, 1..3),
        break_(),
        content,
        break_(),
    )
        .prop_map(|(delimiter, b1, lines, b2, content, b3)| {
            format!("{delimiter}{b1}{}{b2}{b2}{content}{b3}", lines.join(b2))
        });
    let end = select(vec![
        "--x y--\r\n",
        "--x y--\r\n",
        "--x y--",
        "",
        "--x y--\r\nepilogue",
    ]);
    (vec(part, 0..5), end).prop_map(|(parts, end)| {
        let bytes = (parts.concat() + end).into_bytes();
        bytes
            .into_iter()
            .map(|b| if b == 0xEF { 0xFF } else { b })
            .collect()
    })
}

fn header_lists() -> impl Strategy<Value = Lists> {
    let name = || prop_oneof![6 => cases::header_name(), 1 => Just("Host".to_owned())];
    let pairs = || {
        vec(
            (
                name(),
                select(vec!["1", "9", "a:b", ""]).prop_map(String::from),
            ),
            0..3,
        )
    };
    (
        vec(name(), 0..3),
        vec((name(), name()), 0..3),
        pairs(),
        pairs(),
        pairs(),
    )
        .prop_map(|(remove, rename, replace, add, append)| Lists {
            remove,
            rename,
            replace,
            add,
            append,
        })
}

fn expected_head(lists: &Lists, lines: &Pairs) -> Head {
    let (mut headers, mut host) = (Headers(lines.clone()), None);
    let other = |name: &String| name != "Host";
    let said = |pairs: &Pairs| {
        pairs
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .cloned()
            .collect::<Vec<_>>()
    };
    for name in lists.remove.iter().filter(|name| other(name)) {
        headers.remove(name, true);
    }
    for (from, to) in lists.rename.iter().filter(|(from, _)| other(from)) {
        if other(to) {
            headers.rename(from, to, true);
            continue;
        }
        headers.rename(from, "host", true);
        host = headers.values("host").first().cloned().or(host);
        headers.remove("host", false);
    }
    for (name, value) in said(&lists.replace) {
        if other(&name) {
            headers.replace(&name, &value, true);
        } else {
            host = Some(value);
        }
    }
    for (name, value) in said(&lists.add).iter().filter(|(name, _)| other(name)) {
        headers.add(name, value, true);
    }
    for (name, value) in said(&lists.append).iter().filter(|(name, _)| other(name)) {
        headers.append(name, value, true);
    }
    Head {
        lines: headers.sorted(),
        host,
        query: None,
    }
}

fn text(body: Option<Vec<u8>>) -> Option<String> {
    body.map(|body| String::from_utf8_lossy(&body).into_owned())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_json_body_becomes_what_the_reference_makes_of_it(lists in lists(), body in cases::document(), empty in prop::bool::weighted(0.05)) {
        let body = if empty { vec![] } else { body };
        let found = changed(&lists, RequestBody::Json, "application/json", &body).unwrap();
        let wanted = expected_json(&lists, &body);
        // First as text, to be read.
        prop_assert_eq!(text(found.clone()), text(wanted.clone()));
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn a_form_becomes_what_the_reference_makes_of_it(lists in lists(), body in form()) {
        let found = changed(&lists, RequestBody::Form, "application/x-www-form-urlencoded", body.as_bytes());
        prop_assert_eq!(text(found.unwrap()), text(expected_form(&lists, body.as_bytes())));
    }

    #[test]
    fn a_multipart_body_becomes_what_the_reference_makes_of_it(
        lists in lists(), body in multipart_body(), breaks_out in prop::bool::weighted(0.1),
    ) {
        let mut lists = lists;
        lists.add.extend(breaks_out.then(|| ("a".to_owned(), "1--x y--".to_owned())));
        let found = changed(&lists, RequestBody::Multipart, "multipart/form-data; boundary=\"x y\"", &body);
        let wanted = expected_multipart(&lists, &body);
        prop_assert_eq!(found.clone().map(text).map_err(drop), wanted.clone().map(text));
        prop_assert_eq!(found.map_err(drop), wanted);
    }

    #[test]
    fn a_query_becomes_what_the_reference_makes_of_it(lists in lists(), query in form()) {
        let plan = lists.plan("querystring");
        let ((), head) = with_parts(&plan, &vec![], &query, |parts, texts| plan.change_query(parts, texts));
        let mut args = Args::parse(query.as_bytes());
        change_args(&lists, &mut args);
        let wanted = Some(args.query()).filter(|text| !text.is_empty() || query.is_empty());
        let touched = [&lists.rename, &lists.replace, &lists.add].iter().any(|list| !list.is_empty()) || lists.always_change();
        prop_assert_eq!(head.query, touched.then_some(wanted));
    }

    #[test]
    fn a_head_becomes_what_the_reference_makes_of_it(lists in header_lists(), lines in cases::lines()) {
        let plan = lists.plan("headers");
        let (done, head) = with_parts(&plan, &lines, "", |parts, texts| plan.head(parts, texts, None));
        prop_assert_eq!(done, Ok(()));
        prop_assert_eq!(head, expected_head(&lists, &lines));
    }
}
