//! Differences, for a person.

use std::fmt::Write;

use serde_json::Value;
use shared::types::HIDDEN;
use similar::TextDiff;

use super::difference::{Difference, FieldChange, What};

/// One block for each document, and a line that counts them.
pub(super) fn changes(all: &[Difference]) -> String {
    let mut out = String::new();
    for difference in all {
        document(&mut out, difference);
    }
    let of = |wanted: fn(&What) -> bool| all.iter().filter(|one| wanted(&one.what)).count();
    let summary = match all.is_empty() {
        true => "no differences".to_owned(),
        false => format!(
            "{} to create, {} to change, {} to delete",
            of(|what| matches!(what, What::Created)),
            of(|what| matches!(what, What::Changed(_))),
            of(|what| matches!(what, What::Deleted)),
        ),
    };
    out.push_str(&summary);
    out.push('\n');
    out
}

fn document(out: &mut String, difference: &Difference) {
    let sign = match difference.what {
        What::Created => '+',
        What::Deleted => '-',
        What::Changed(_) => '~',
    };
    let _ = match &difference.name {
        Some(name) => writeln!(
            out,
            "{sign} {} '{name}' ({})",
            difference.kind, difference.id
        ),
        None => writeln!(out, "{sign} {} {}", difference.kind, difference.id),
    };
    if let What::Changed(fields) = &difference.what {
        fields.iter().for_each(|change| field(out, change));
    }
}

fn field(out: &mut String, change: &FieldChange) {
    let FieldChange {
        path,
        before,
        after,
        secret,
    } = change;
    if *secret {
        let _ = writeln!(out, "    {path}: {HIDDEN} -> {HIDDEN} (changed)");
        return;
    }
    match (before, after) {
        // Certificates and code: only the lines that differ, and some around them.
        (Value::String(before), Value::String(after))
            if before.contains('\n') || after.contains('\n') =>
        {
            let _ = writeln!(out, "    {path}:");
            let diff = TextDiff::from_lines(before, after);
            for line in diff.unified_diff().context_radius(2).to_string().lines() {
                let _ = writeln!(out, "      {line}");
            }
        }
        _ => drop(writeln!(out, "    {path}: {before} -> {after}")),
    }
}
