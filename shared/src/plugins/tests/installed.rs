//! Plugins that lie on the machine: where they are looked for, and why one is not had.

use std::path::Path;

use tempfile::TempDir;

use super::custom::{handler, install, schema};
use crate::plugins::Catalog;
use crate::plugins::installed::{InstallError, Wanted, installed};

/// Writes a file, and the folders that it lies in.
fn write(folder: &TempDir, path: &str, text: &str) {
    let path = folder.path().join(path);
    std::fs::create_dir_all(path.parent().expect("in the folder")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}

fn take(names: &[&str], folder: Option<&Path>) -> Result<Catalog, InstallError> {
    install();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    installed(Wanted {
        names: &names,
        folder,
        streaming: true,
    })
}

fn names(catalog: &Catalog) -> Vec<&str> {
    catalog.iter().map(|plugin| &*plugin.name).collect()
}

#[test]
fn words_name_all_that_are_built_in_some_or_none() {
    let all = names(Catalog::builtin());
    for (words, expected) in [
        (&["bundled"][..], all.clone()),
        (&["bundled", "acl"][..], all),
        (&["key-auth", "acl"][..], vec!["acl", "key-auth"]),
        (&["off"][..], vec![]),
        (&[][..], vec![]),
    ] {
        let catalog = take(words, None).expect("built in");
        assert_eq!(names(&catalog), expected, "{words:?}");
    }
}

#[test]
fn a_trusted_plugin_lies_in_a_folder_of_its_name_or_where_kong_has_it() {
    let folder = TempDir::new().expect("a folder");
    write(
        &folder,
        "near/schema.lua",
        &schema("near", &["greeting hello"]),
    );
    write(&folder, "near/handler.lua", &handler(3));
    write(&folder, "kong/plugins/far/schema.lua", &schema("far", &[]));
    write(&folder, "kong/plugins/far/handler.lua", &handler(4));
    write(&folder, "kong/plugins/far/access.lua", "return {}");
    let catalog = take(&["near", "far"], Some(folder.path())).expect("both are there");
    assert_eq!(names(&catalog), ["far", "near"]);
    let lies = |name: &str| {
        let custom = catalog.plugin(name)?.custom.clone()?;
        assert!(custom.trusted, "{name}");
        custom.folder.clone()
    };
    assert_eq!(lies("near"), Some(folder.path().join("near")));
    assert_eq!(lies("far"), Some(folder.path().join("kong/plugins/far")));
}

#[test]
fn what_cannot_be_had_is_said_with_the_file() {
    let folder = TempDir::new().expect("a folder");
    let root = folder.path().display().to_string();
    for (name, file, text) in [
        ("torn", "handler.lua", handler(1)),
        ("bad", "handler.lua", "unexpected".to_owned()),
        ("bad", "schema.lua", "no table".to_owned()),
        ("dao", "daos.lua", String::new()),
        ("api", "api.lua", String::new()),
        ("old", "migrations/init.lua", String::new()),
        ("other", "schema.lua", schema("another", &[])),
    ] {
        write(&folder, &format!("{name}/{file}"), &text);
    }
    for name in ["dao", "api", "old", "other"] {
        write(&folder, &format!("{name}/handler.lua"), &handler(1));
    }
    let missing = "is enabled (setting 'plugins') but not installed: it is not built in, and";
    let cases = [
        (
            "none",
            format!(
                "the plugin 'none' {missing} there is neither '{root}/none/handler.lua' nor \
                 '{root}/kong/plugins/none/handler.lua'"
            ),
        ),
        (
            "../bad",
            format!("the plugin '../bad' {missing} no folder can be called that"),
        ),
        (
            "..",
            format!("the plugin '..' {missing} no folder can be called that"),
        ),
        (
            "torn",
            format!(
                "the plugin 'torn' cannot be loaded: cannot read '{root}/torn/schema.lua': \
                 No such file or directory (os error 2)"
            ),
        ),
        (
            "bad",
            format!(
                "the plugin 'bad' in '{root}/bad' cannot be loaded: schema.lua:3: no table; \
                 handler.lua:3: unexpected"
            ),
        ),
        (
            "other",
            format!(
                "the plugin 'other' in '{root}/other' cannot be loaded: \
                 expected name 'other', got \"another\""
            ),
        ),
        (
            "dao",
            format!(
                "the plugin 'dao' cannot be loaded: '{root}/dao/daos.lua' is there, and \
                 plugins with entities of their own are not supported"
            ),
        ),
        (
            "api",
            format!(
                "the plugin 'api' cannot be loaded: '{root}/api/api.lua' is there, and \
                 plugins with addresses of their own in the Admin API are not supported"
            ),
        ),
        (
            "old",
            format!(
                "the plugin 'old' cannot be loaded: '{root}/old/migrations' is there, and \
                 plugins with migrations of a database are not supported"
            ),
        ),
    ];
    for (name, expected) in cases {
        let error = take(&["bundled", name], Some(folder.path())).expect_err(name);
        assert_eq!(error.to_string(), expected);
    }
    let error = take(&["none"], None).expect_err("no folder");
    let expected = format!("the plugin 'none' {missing} the setting 'lua_plugins' names no folder");
    assert_eq!(error.to_string(), expected);
}
