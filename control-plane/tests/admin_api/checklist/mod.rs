//! The conformance checklist of the design page (admin-api.md 16): one test per number, short, the place where the
//! number is proven. What else there is to say about a feature stands in the files beside this folder. Number 43 needs
//! decK and is in `tests/admin/deck.rs`.

mod bodies;
mod certificates;
mod credentials;
mod declarative;
mod documents;
mod lists;
mod routes;
mod schemas;
mod transport;
mod upstreams;

use std::collections::BTreeMap;
use std::path::Path;

const NUMBERS: u32 = 45;

/// The numbers of the tests in a folder, each with how often it is there.
fn numbers(folder: &Path, found: &mut BTreeMap<u32, usize>) {
    let files = std::fs::read_dir(folder).expect("the folder of the tests can be read");
    for file in files {
        let path = file.expect("a file of the folder").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a source file can be read");
        for rest in text.split("async fn checklist_").skip(1) {
            if let Some(number) = rest.get(..2).and_then(|digits| digits.parse().ok()) {
                *found.entry(number).or_default() += 1;
            }
        }
    }
}

#[test]
fn every_number_of_the_checklist_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeMap::new();
    numbers(&root.join("tests/admin_api/checklist"), &mut found);
    numbers(&root.join("../tests/admin"), &mut found);
    let expected: BTreeMap<u32, usize> = (1..=NUMBERS).map(|number| (number, 1)).collect();
    assert_eq!(found, expected);
}
