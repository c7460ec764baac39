//! Queries and urlencoded forms: equal to the reference.
//!
//! Steps: `remove`, `rename`, `set`, `append`, `merge` (the word is another form), `without`.

use data_plane::plugins::transform::args::{self, Arg, Args};

use super::{steps, word};
use crate::reference::form as reference;

/// Reads a form and changes it in both ways.
pub fn run(input: &[u8]) {
    let (steps, raw) = steps(input);
    let (mut ours, mut expected) = (Args::parse(raw), reference::Args::parse(raw));
    let pairs: Vec<_> = args::iter(raw)
        .map(|(name, value)| (name.into_owned(), owned(value)))
        .collect();
    assert_eq!(pairs, reference::pairs(raw));
    // `+` and bytes that must be escaped get longer, nothing else.
    assert!(ours.form().len() <= raw.len() * 3);
    for step in &steps {
        change(&mut ours, step);
        change_reference(&mut expected, step);
        look(raw, &ours, &expected, word(step, 1));
        assert_eq!(
            (ours.form(), ours.query()),
            (expected.form(), expected.query())
        );
    }
    // What was written reads the same, but for a name that a step made empty.
    if expected.contains(b"") {
        return;
    }
    assert_eq!(
        Args::parse(expected.form().as_bytes()).form(),
        expected.form()
    );
    assert_eq!(
        Args::parse(expected.query().as_bytes()).query(),
        expected.query()
    );
}

fn owned(value: Arg<'_>) -> reference::Value {
    match value {
        Arg::Flag => None,
        Arg::Text(text) => Some(text.into_owned()),
    }
}

fn look(raw: &[u8], ours: &Args<'_>, expected: &reference::Args, name: &str) {
    assert_eq!(
        ours.contains(name.as_bytes()),
        expected.contains(name.as_bytes())
    );
    let values: Vec<_> = args::values(raw, name.as_bytes()).map(owned).collect();
    let pairs = reference::pairs(raw)
        .into_iter()
        .filter(|(other, _)| other == name.as_bytes());
    assert_eq!(values, pairs.map(|(_, value)| value).collect::<Vec<_>>());
    if let Ok(text) = std::str::from_utf8(raw) {
        without(text, name);
    }
}

/// Every other segment stays as it came.
fn without(raw: &str, name: &str) {
    let named = |segment: &&str| {
        reference::pairs(segment.as_bytes())
            .iter()
            .any(|(other, _)| other == name.as_bytes())
    };
    let kept: Vec<&str> = raw.split('&').filter(|segment| !named(segment)).collect();
    let expected = raw
        .split('&')
        .any(|segment| named(&segment))
        .then(|| kept.join("&"));
    assert_eq!(args::without(raw, name.as_bytes()), expected);
}

fn change<'a>(args: &mut Args<'a>, step: &'a [String]) {
    let (name, value) = (word(step, 1).as_bytes(), word(step, 2).as_bytes());
    match word(step, 0) {
        "remove" => drop(args.remove(name)),
        "rename" => drop(args.rename(name, value.into())),
        "set" => args.set(name, value.into()),
        "append" => args.append(name, value.into()),
        "merge" => args.merge(name),
        _ => {}
    }
}

fn change_reference(args: &mut reference::Args, step: &[String]) {
    let (name, value) = (word(step, 1).as_bytes(), word(step, 2).as_bytes());
    match word(step, 0) {
        "remove" => drop(args.remove(name)),
        "rename" => drop(args.rename(name, value)),
        "set" => args.set(name, value),
        "append" => args.append(name, value),
        "merge" => args.merge(name),
        _ => {}
    }
}
