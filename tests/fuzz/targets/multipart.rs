//! Multipart bodies: equal to the reference.
//!
//! Steps: `boundary` (the value of the parameter, as it stands in the header), `rename`, `remove`, `replace`, `add`.

use data_plane::plugins::transform::multipart::{Form, boundary};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use super::{steps, word};
use crate::reference::multipart as reference;

/// Reads a body and changes it in both ways.
pub fn run(input: &[u8]) {
    let (steps, body) = steps(input);
    let named = steps.iter().find(|step| word(step, 0) == "boundary");
    let boundary = match named {
        Some(step) => read_boundary(&step[1..].join(" ")),
        None => Some(b"XX".to_vec()),
    };
    let Some(boundary) = boundary else { return };
    let (mut ours, mut expected) = (
        Form::parse(body, &boundary),
        reference::parse(body, &boundary),
    );
    same(&ours, &expected, &boundary);
    // What is between the parts may be missing in front and at the end, and each delimiter has one form.
    let delimiters = expected.len() + 1;
    assert!(ours.write().len() <= body.len() + delimiters * (boundary.len() + 8));
    for step in &steps {
        if !change(&mut ours, &mut expected, step, &boundary) {
            return;
        }
        same(&ours, &expected, &boundary);
    }
    let written = ours.write();
    assert_eq!(
        Form::parse(&written, &boundary).write(),
        written,
        "what was written reads the same"
    );
}

fn read_boundary(parameter: &str) -> Option<Vec<u8>> {
    let text = format!("multipart/form-data; boundary={parameter}");
    let value = HeaderValue::from_str(&text).ok()?;
    let expected =
        reference::parameter(value.as_bytes(), "boundary").filter(|found| !found.is_empty());
    let found = boundary(&HeaderMap::from_iter([(CONTENT_TYPE, value)]));
    assert_eq!(found, expected);
    found
}

fn same(ours: &Form<'_>, expected: &[reference::Part], boundary: &[u8]) {
    let (written, expected) = (ours.write(), reference::write(expected, boundary));
    assert_eq!(
        String::from_utf8_lossy(&written),
        String::from_utf8_lossy(&expected)
    );
    assert_eq!(written, expected);
}

/// False if the value holds the boundary, which ends the request.
fn change(
    ours: &mut Form<'_>,
    expected: &mut Vec<reference::Part>,
    step: &[String],
    boundary: &[u8],
) -> bool {
    let (name, value) = (word(step, 1).as_bytes(), word(step, 2).as_bytes());
    let bodies: Vec<Vec<u8>> = ours.values(name).map(<[u8]>::to_vec).collect();
    let parts = expected
        .iter()
        .filter(|part| part.name.as_deref() == Some(name));
    assert_eq!(
        bodies,
        parts.map(|part| part.body.clone()).collect::<Vec<_>>()
    );
    assert_eq!(ours.contains(name), !bodies.is_empty());
    let changed = match word(step, 0) {
        "rename" => Ok((
            ours.rename(name, value),
            reference::rename(expected, name, value),
        )),
        "remove" => Ok((ours.remove(name), reference::remove(expected, name))),
        "replace" => ours
            .replace(name, value)
            .map(|done| (done, reference::replace(expected, name, value))),
        "add" => ours
            .add(name, value)
            .map(|done| (done, reference::add(expected, name, value))),
        _ => return true,
    };
    match changed {
        Ok((ours, expected)) => assert_eq!(ours, expected),
        Err(_) => assert!(reference::breaks_out(value, boundary)),
    }
    changed.is_ok()
}
