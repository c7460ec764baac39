//! The generated pages under `reference/` say what the declarations say. `UPDATE=1 cargo test -p shared` rewrites them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use shared::entities;
use shared::plugins::Catalog;
use shared::schema::page;

const GENERATED: &str =
    "<!-- Generated from the declarations: UPDATE=1 cargo test -p shared rewrites it. -->";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("reference")
        .join(name)
}

fn entity_pages() -> BTreeMap<String, String> {
    let page = |entity: &entities::Entity| {
        let lookup = match entity.lookup {
            Some(field) => format!("by `id` or `{field}`"),
            None => "by `id`".to_owned(),
        };
        let text = format!(
            "# {}\n\n{GENERATED}\n\n{}\n\nAt `/{}`, {lookup}.\n\n{}",
            entity.kind,
            entity.schema.description,
            entity.path,
            page::table(&entity.schema)
        );
        (format!("{}.md", entity.kind), text)
    };
    entities::all().iter().map(page).collect()
}

fn plugin_pages() -> BTreeMap<String, String> {
    let page = |plugin: &shared::plugins::PluginSchema| {
        let scopes = [
            ("consumer", plugin.scopes.consumer),
            ("route", plugin.scopes.route),
            ("service", plugin.scopes.service),
        ];
        let scopes: String = scopes
            .into_iter()
            .filter(|(_, allowed)| *allowed)
            .map(|(name, _)| format!(", {name}"))
            .collect();
        let text = format!(
            "# {}\n\n{GENERATED}\n\n{}\n\nPriority {}; scopes: global{}. The fields of `config`:\n\n{}",
            plugin.name,
            plugin.config.description,
            plugin.priority,
            scopes,
            page::table(&plugin.config)
        );
        (format!("{}.md", plugin.name), text)
    };
    Catalog::builtin().iter().map(page).collect()
}

/// Compares a folder with the pages that should be in it, or rewrites it.
fn hold(folder: &Path, pages: &BTreeMap<String, String>) {
    if env::var_os("UPDATE").is_some() {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).expect("the folder can be made");
        for (name, text) in pages {
            fs::write(folder.join(name), text).expect("the page is written");
        }
    }
    let found = fs::read_dir(folder).into_iter().flatten().flatten();
    let found: BTreeMap<String, String> = found
        .map(|entry| {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            (entry.file_name().to_string_lossy().into_owned(), text)
        })
        .collect();
    let old: Vec<&String> = pages
        .keys()
        .chain(found.keys())
        .filter(|name| pages.get(*name) != found.get(*name))
        .collect();
    assert!(
        old.is_empty(),
        "old in {}: {old:?}; UPDATE=1 cargo test -p shared rewrites them",
        folder.display()
    );
}

#[test]
fn the_pages_of_the_entities_are_current() {
    hold(&folder("entities"), &entity_pages());
}

#[test]
fn the_pages_of_the_plugins_are_current() {
    hold(&folder("plugins"), &plugin_pages());
}
