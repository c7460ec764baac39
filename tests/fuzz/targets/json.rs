//! The JSON editor: equal to the reference, byte for byte.
//!
//! Steps: `remove`, `rename`, `set`, `append` on properties, with `@` behind them on paths (`remove@`, `replace@`,
//! `add@`, `append@`), `allow` with a list of paths. Values are words, `#…` is taken as JSON if it is a scalar.

use data_plane::plugins::transform::json::{Document, Path, string};

use super::{steps, word};
use crate::reference::json::{self as reference, Tree};

/// Edits a document in both ways.
pub fn run(input: &[u8]) {
    let (steps, text) = steps(input);
    let texts: Vec<Vec<u8>> = steps.iter().map(|step| value(word(step, 2))).collect();
    let paths: Vec<Vec<Path>> = steps.iter().map(|step| paths_of(step)).collect();
    let along: Vec<&Path> = paths.iter().flatten().collect();
    let tree = reference::parse(text);
    let mut tree_along = tree.clone();
    for text in steps.iter().flat_map(|step| ways(step)) {
        tree_along
            .iter_mut()
            .for_each(|tree| tree.enter_along(&reference::path(text)));
    }
    for (document, tree) in [
        (Document::parse(text), tree),
        (Document::parse_along(text, &along), tree_along),
    ] {
        assert_eq!(
            document.is_ok(),
            tree.is_some(),
            "only one of them takes it"
        );
        let (Ok(mut document), Some(mut tree)) = (document, tree) else {
            continue;
        };
        tree.enter();
        unchanged(text, &document, &tree);
        for ((step, text), paths) in steps.iter().zip(&texts).zip(&paths) {
            edit(&mut document, step, text, paths);
            edit_tree(&mut tree, step, text);
            same(&document.write(), &tree.write());
        }
        fixed_point(&document.write());
    }
}

fn paths_of(step: &[String]) -> Vec<Path> {
    ways(step).iter().map(|text| Path::parse(text)).collect()
}

/// The texts of a step's paths; most have none.
fn ways(step: &[String]) -> &[String] {
    match word(step, 0) {
        "allow" => &step[1..],
        name if name.ends_with('@') && step.len() > 1 => &step[1..2],
        _ => &[],
    }
}

/// Never more than what came: blanks and escapes only get fewer.
fn unchanged(text: &[u8], document: &Document<'_>, tree: &Tree) {
    let written = document.write();
    same(&written, &tree.write());
    assert!(written.len() <= text.len());
}

/// What was written reads the same and is written the same again.
fn fixed_point(written: &[u8]) {
    // An append may have made it deeper than what is read.
    if let Ok(again) = Document::parse(written) {
        same(&again.write(), written);
    } else {
        assert!(reference::parse(written).is_none());
    }
}

fn same(ours: &[u8], expected: &[u8]) {
    assert_eq!(
        String::from_utf8_lossy(ours),
        String::from_utf8_lossy(expected)
    );
    assert_eq!(ours, expected);
}

fn value(word: &str) -> Vec<u8> {
    let scalar = |text: &&str| {
        matches!(reference::parse(text.as_bytes()), Some(Tree::Scalar(_))) && text.trim() == *text
    };
    match word.strip_prefix('#').filter(scalar) {
        Some(text) => text.as_bytes().to_vec(),
        None => {
            let text = string(word.as_bytes());
            assert_eq!(text, reference::string(word.as_bytes()));
            text
        }
    }
}

fn edit<'a>(document: &mut Document<'a>, step: &'a [String], text: &'a [u8], paths: &'a [Path]) {
    let (name, to) = (word(step, 1).as_bytes(), word(step, 2).as_bytes());
    match word(step, 0) {
        "remove" => drop(document.remove(name)),
        "rename" => drop(document.rename(name, to)),
        "set" => drop(document.set(name, text.into())),
        "append" => drop(document.append(name, text.to_vec().into())),
        "allow" => document.keep_only(paths),
        with_path => {
            let Some(path) = paths.first() else { return };
            match with_path {
                "remove@" => document.remove_at(path),
                "replace@" => document.replace_at(path, text),
                "add@" => document.add_at(path, text),
                "append@" => document.append_at(path, text),
                _ => {}
            }
        }
    }
}

fn edit_tree(tree: &mut Tree, step: &[String], text: &[u8]) {
    let (name, to) = (word(step, 1).as_bytes(), word(step, 2).as_bytes());
    let value = Tree::Scalar(text.to_vec());
    let path = reference::path(word(step, 1));
    match word(step, 0) {
        "remove" => drop(tree.remove(name)),
        "rename" => drop(tree.rename(name, to)),
        "set" if tree.is_object() => tree.set(name, value),
        "append" if tree.is_object() => tree.append(name, value),
        "allow" => {
            let paths: Vec<_> = step[1..].iter().map(|text| reference::path(text)).collect();
            tree.keep_only(&paths);
        }
        _ if step.len() < 2 => {}
        "remove@" => tree.remove_at(&path),
        "replace@" => tree.replace_at(&path, &value),
        "add@" => tree.add_at(&path, &value),
        "append@" => tree.append_at(&path, &value),
        _ => {}
    }
}
