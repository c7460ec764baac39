//! The plugin against the slow reference.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::plugins::transform::cases::{self, Pairs, entries};
use crate::plugins::transform::reference::headers::Headers;
use crate::plugins::transform::reference::json::{self as reference, Tree};

#[derive(Clone, Debug)]
struct Lists {
    remove: Vec<String>,
    rename: Pairs,
    /// Replace, add, append.
    set: [(Pairs, Vec<String>); 3],
}

fn lists() -> impl Strategy<Value = Lists> {
    let set = || (cases::pairs(cases::name()), cases::types());
    let rename = vec(
        (
            cases::name(),
            prop_oneof![cases::name(), Just(String::new())],
        ),
        0..3,
    );
    (vec(cases::name(), 0..3), rename, [set(), set(), set()]).prop_map(|(remove, rename, set)| {
        Lists {
            remove,
            rename,
            set,
        }
    })
}

fn steps(lists: &Lists) -> Option<JsonSteps> {
    let [replace, add, append] = lists
        .set
        .each_ref()
        .map(|(pairs, types)| json!({ "json": entries(pairs), "json_types": types }));
    JsonSteps::new(&cases::config(
        "response-transformer",
        &json!({
            "remove": { "json": lists.remove },
            "rename": { "json": entries(&lists.rename) },
            "replace": replace, "add": add, "append": append,
        }),
    ))
}

/// The changed body; `Err` if it is malformed, `None` if it stays.
fn expected(lists: &Lists, body: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    let mut tree = reference::parse(body).ok_or(Malformed)?;
    if matches!(tree, Tree::Scalar(_)) {
        return Ok(None);
    }
    tree.enter();
    if tree.is_object() {
        change(lists, &mut tree);
    }
    Ok(Some(tree.write()))
}

fn change(lists: &Lists, tree: &mut Tree) {
    for name in &lists.remove {
        tree.remove(name.as_bytes());
    }
    for (from, to) in lists.rename.iter().filter(|(_, to)| !to.is_empty()) {
        tree.rename(from.as_bytes(), to.as_bytes());
    }
    for (step, (pairs, types)) in lists.set.iter().enumerate() {
        for (i, (name, text)) in pairs.iter().enumerate() {
            let name = name.as_bytes();
            let Some(value) = cases::typed(text, types.get(i)) else {
                continue;
            };
            match step {
                0 if tree.holds(name) => tree.set(name, value),
                1 if !tree.holds(name) => tree.set(name, value),
                2 => tree.append(name, value),
                _ => {}
            }
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_json_body_becomes_what_the_reference_makes_of_it(lists in lists(), body in cases::document()) {
        let Some(steps) = steps(&lists) else { return Ok(()) };
        let (found, wanted) = (steps.run(&body), expected(&lists, &body));
        // First as text, to be read.
        let read = |result: &Result<Option<Vec<u8>>, Malformed>| result.clone().map(|body| body.map(|body| text(&body)));
        prop_assert_eq!(read(&found), read(&wanted));
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn members_that_no_step_names_keep_their_bytes(lists in lists(), values in vec(cases::plain_scalar(), 1..30)) {
        let Some(steps) = steps(&lists) else { return Ok(()) };
        let member = |(i, value): (usize, &String)| format!("\"k{i}\\u003c\":[{value},{{\"v\":{value},\"v\":{value}}}]");
        let members: Vec<String> = values.iter().enumerate().map(member).collect();
        let body = format!("{{\"a\":1,{},\"b\":null}}", members.join(","));
        let changed = text(&steps.run(body.as_bytes()).unwrap().unwrap());
        prop_assert!(changed.contains(&members.join(",")), "{}", changed);
    }

    #[test]
    fn a_head_becomes_what_the_reference_makes_of_it(
        lines in cases::lines(),
        remove in vec(cases::header_name(), 0..2),
        rename in cases::header_renames(),
        set in [cases::header_pairs(), cases::header_pairs(), cases::header_pairs()],
    ) {
        let handler = Handler::new(&cases::config("response-transformer", &json!({
            "remove": { "headers": remove }, "rename": { "headers": entries(&rename) },
            "replace": { "headers": entries(&set[0]) }, "add": { "headers": entries(&set[1]) },
            "append": { "headers": entries(&set[2]) },
        })));
        let (mut headers, mut expected) = (cases::head(&lines), Headers(lines));
        handler.headers.run(&mut headers);
        remove.iter().for_each(|name| expected.remove(name, false));
        rename.iter().for_each(|(from, to)| expected.rename(from, to, false));
        let values = |pairs: &Pairs| pairs.iter().filter(|(_, value)| !value.is_empty()).cloned().collect::<Vec<_>>();
        values(&set[0]).iter().for_each(|(name, value)| expected.replace(name, value, false));
        values(&set[1]).iter().for_each(|(name, value)| expected.add(name, value, false));
        values(&set[2]).iter().for_each(|(name, value)| expected.append(name, value, false));
        prop_assert_eq!(cases::sorted(&headers), expected.sorted());
    }
}
