//! Settings for people to read: the report of a running program's values, and the reference page.

use std::fmt::Write;

use super::{Spec, Values};

/// Every value and where it came from, one line each.
pub fn report(values: &Values) -> String {
    let mut text = String::new();
    let mut section = "";
    for (spec, value, origin) in values.report() {
        if spec.section != section {
            let gap = if section.is_empty() { "" } else { "\n" };
            section = spec.section;
            let _ = writeln!(text, "{gap}[{section}]");
        }
        let _ = writeln!(text, "{} = \"{value}\" # {origin}", spec.name);
    }
    text
}

/// The reference page of a list of settings, in Markdown.
pub fn page(title: &str, specs: &[Spec]) -> String {
    let mut text = format!(
        "# {title}\n\n<!-- Generated from the declarations: UPDATE=1 cargo test rewrites it. -->\n"
    );
    for spec in specs {
        let default = match spec.default {
            "" => "nothing".to_owned(),
            default => format!("`{default}`"),
        };
        let _ = write!(
            text,
            "\n## {}\n\n{}\n\n| flag | variable | default | takes |\n|---|---|---|---|\n| `--{}` | `{}` | {default} | {} |\n",
            spec.name,
            spec.doc,
            spec.flag(),
            spec.variable(),
            spec.hint.replace('|', "\\|"),
        );
        if let Some(missing) = spec.unbuilt {
            let _ = write!(
                text,
                "\nNot built yet: {missing}. Any other value stops the start.\n"
            );
        }
    }
    text
}
