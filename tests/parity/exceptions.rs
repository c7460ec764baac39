//! The one list of vectors that do not pass, each with its reason: a feature that is still to come, or a mark ([S], [D],
//! [HG]) of a design page, by its section, where this gateway differs on purpose.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    group: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    reason: String,
    vectors: Vec<String>,
}

/// Name to reason.
pub fn load() -> BTreeMap<String, String> {
    let file: File =
        toml::from_str(include_str!("exceptions.toml")).expect("exceptions.toml is sound");
    let mut all = BTreeMap::new();
    for group in file.group {
        assert!(
            !group.reason.trim().is_empty(),
            "a group of exceptions has no reason"
        );
        for name in group.vectors {
            let earlier = all.insert(name.clone(), group.reason.clone());
            assert!(
                earlier.is_none(),
                "{name} is listed twice in exceptions.toml"
            );
        }
    }
    all
}
