//! The plugin against the slow reference.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::*;
use crate::plugins::transform::cases::{self, Pairs, entries};
use crate::plugins::transform::reference::headers::Headers;
use crate::plugins::transform::reference::json::{self as reference, Tree};

#[derive(Clone, Debug)]
struct Lists {
    dots_in_keys: bool,
    remove: (Vec<String>, Vec<String>),
    /// Replace, add, append: entries, types, statuses.
    set: [(Pairs, Vec<String>, Vec<String>); 3],
    allow: Vec<String>,
}

/// Statuses of a condition.
fn statuses() -> impl Strategy<Value = Vec<String>> {
    let entry = select(vec!["200", "404", "500-599", "100-404"]).prop_map(String::from);
    prop_oneof![2 => Just(vec![]), 1 => vec(entry, 1..3)]
}

fn status() -> impl Strategy<Value = StatusCode> {
    select(vec![
        StatusCode::OK,
        StatusCode::NOT_FOUND,
        StatusCode::SERVICE_UNAVAILABLE,
    ])
}

/// The ranges of [`statuses`], by hand.
fn applies(statuses: &[String], status: StatusCode) -> bool {
    let holds = |entry: &String| match &**entry {
        "200" => status == 200,
        "404" => status == 404,
        "500-599" => status == 503,
        _ => status == 200 || status == 404,
    };
    statuses.is_empty() || statuses.iter().any(holds)
}

fn lists() -> impl Strategy<Value = Lists> {
    let path = || prop_oneof![4 => cases::path(), 1 => cases::name()];
    let set = || (cases::pairs(path()), cases::types(), statuses());
    let allow = prop_oneof![2 => Just(vec![]), 1 => vec(path(), 1..4)];
    (
        any::<bool>(),
        (vec(path(), 0..3), statuses()),
        [set(), set(), set()],
        allow,
    )
        .prop_map(|(dots_in_keys, remove, set, allow)| Lists {
            dots_in_keys,
            remove,
            set,
            allow,
        })
}

fn handler(lists: &Lists) -> Handler {
    let [replace, add, append] = lists.set.each_ref().map(|(pairs, types, statuses)| {
        json!({ "json": entries(pairs), "json_types": types, "if_status": statuses })
    });
    Handler::new(&cases::config(
        "response-transformer-advanced",
        &json!({
            "dots_in_keys": lists.dots_in_keys,
            "remove": { "json": lists.remove.0, "if_status": lists.remove.1 },
            "replace": replace, "add": add, "append": append,
            "allow": { "json": lists.allow },
        }),
    ))
}

impl Lists {
    fn path(&self, name: &str) -> Vec<reference::Step> {
        if self.dots_in_keys {
            vec![reference::Step::Name(name.as_bytes().to_vec())]
        } else {
            reference::path(name)
        }
    }

    /// Each step that applies: which it is, its path and its value.
    fn steps(&self, status: StatusCode) -> Vec<(usize, Vec<reference::Step>, Option<Tree>)> {
        let mut steps = Vec::new();
        if applies(&self.remove.1, status) {
            steps.extend(self.remove.0.iter().map(|name| (0, self.path(name), None)));
        }
        for (step, (pairs, types, statuses)) in self.set.iter().enumerate() {
            for (i, (name, text)) in pairs.iter().enumerate() {
                let value = cases::typed(text, types.get(i));
                if value.is_some() && applies(statuses, status) {
                    steps.push((step + 1, self.path(name), value));
                }
            }
        }
        steps
    }
}

fn expected(lists: &Lists, status: StatusCode, body: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    let mut tree = reference::parse(body).ok_or(Malformed)?;
    if matches!(tree, Tree::Scalar(_)) {
        return Ok(None);
    }
    let allow: Vec<_> = lists.allow.iter().map(|name| lists.path(name)).collect();
    let steps = lists.steps(status);
    tree.enter();
    steps.iter().for_each(|(_, path, _)| tree.enter_along(path));
    allow.iter().for_each(|path| tree.enter_along(path));
    for (step, path, value) in &steps {
        match (step, value) {
            (1, Some(value)) => tree.replace_at(path, value),
            (2, Some(value)) => tree.add_at(path, value),
            (3, Some(value)) => tree.append_at(path, value),
            _ => tree.remove_at(path),
        }
    }
    let filtered = tree.is_object() || !lists.dots_in_keys;
    if !allow.is_empty() && filtered {
        tree.keep_only(&allow);
    }
    Ok(Some(tree.write()))
}

fn text(result: &Result<Option<Vec<u8>>, Malformed>) -> Result<Option<String>, Malformed> {
    let text = |body: Vec<u8>| String::from_utf8_lossy(&body).into_owned();
    result.clone().map(|body| body.map(text))
}

/// Entries of `remove.headers` and whether a value, trimmed, is meant by them.
fn removals() -> impl Strategy<Value = Vec<(String, &'static str)>> {
    vec(
        (
            cases::header_name(),
            select(vec![
                "", "v1", "v1,v2", "v3, v2", "/^v/", "/2|b$/", "zz", "a=1, b",
            ]),
        ),
        0..3,
    )
}

fn is_meant(member: &str, removal: &str) -> bool {
    match removal {
        "/^v/" => member.starts_with('v'),
        "/2|b$/" => member.contains('2') || member.ends_with('b'),
        value => {
            member == value
                || value
                    .split(',')
                    .any(|one| one.trim() == member && !one.is_empty())
        }
    }
}

fn remove_values(headers: &mut Headers, name: &str, removal: &str) {
    if removal.is_empty() {
        return headers.remove(name, false);
    }
    let name = name.to_lowercase();
    let cookie = name == "set-cookie";
    headers.0.retain_mut(|(other, line)| {
        if *other != name {
            return true;
        }
        if *line == removal || (cookie && is_meant(line, removal)) {
            return false;
        }
        let kept: Vec<&str> = line
            .split(',')
            .map(str::trim)
            .filter(|member| !is_meant(member, removal))
            .collect();
        if !cookie && kept.len() < line.split(',').count() {
            let (left, line_left) = (!kept.is_empty(), kept.join(","));
            *line = line_left;
            return left;
        }
        true
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_json_body_becomes_what_the_reference_makes_of_it(lists in lists(), status in status(), body in cases::document()) {
        let (found, wanted) = (handler(&lists).change_json(status, &body), expected(&lists, status, &body));
        // First as text, to be read.
        prop_assert_eq!(text(&found), text(&wanted));
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn a_body_is_opened_exactly_if_a_step_on_it_applies(lists in lists(), status in status()) {
        let set = lists.set.iter().any(|(pairs, _, statuses)| !pairs.is_empty() && applies(statuses, status));
        let removes = !lists.remove.0.is_empty() && applies(&lists.remove.1, status);
        prop_assert_eq!(handler(&lists).changes_json(status), set || removes || !lists.allow.is_empty());
    }

    #[test]
    fn a_head_becomes_what_the_reference_makes_of_it(
        lines in cases::lines(),
        status in status(),
        remove in (removals(), statuses()),
        rename in (cases::header_renames(), statuses()),
        set in [(cases::header_pairs(), statuses()), (cases::header_pairs(), statuses()), (cases::header_pairs(), statuses())],
    ) {
        let removed: Vec<String> = remove.0.iter().map(|(name, removal)| format!("{name}:{removal}")).collect();
        let lists = |(pairs, statuses): &(Pairs, Vec<String>)| -> Value {
            json!({ "headers": entries(pairs), "if_status": statuses })
        };
        let handler = Handler::new(&cases::config("response-transformer-advanced", &json!({
            "remove": { "headers": removed, "if_status": remove.1 }, "rename": lists(&rename),
            "replace": lists(&set[0]), "add": lists(&set[1]), "append": lists(&set[2]),
        })));
        let (mut headers, mut expected) = (cases::head(&lines), Headers(lines));
        handler.change_headers(status, &mut headers);
        if applies(&remove.1, status) {
            remove.0.iter().for_each(|(name, removal)| remove_values(&mut expected, name, removal));
        }
        if applies(&rename.1, status) {
            rename.0.iter().for_each(|(from, to)| expected.rename(from, to, false));
        }
        for (step, (pairs, statuses)) in set.iter().enumerate() {
            for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty() && applies(statuses, status)) {
                match step {
                    0 => expected.replace(name, value, false),
                    1 => expected.add(name, value, false),
                    _ => expected.append(name, value, false),
                }
            }
        }
        prop_assert_eq!(cases::sorted(&headers), expected.sorted());
    }
}
