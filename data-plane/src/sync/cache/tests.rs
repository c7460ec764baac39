use std::sync::Arc;

use bytes::Bytes;
use shared::sync::State;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;

fn version(revision: u64) -> Snapshot {
    let mut state = State::new();
    let kind: Arc<str> = "routes".into();
    state.insert(&kind, Uuid::nil(), Bytes::from(revision.to_string()));
    let version = Version {
        epoch: Uuid::from_u128(1),
        revision,
        digest: state.digest(),
    };
    Snapshot {
        version,
        state,
        explicit_empty: false,
    }
}

fn digest(revision: u64) -> Digest {
    version(revision).version.digest
}

fn open(folder: &TempDir) -> Cache {
    let (cache, error) = Cache::open(folder.path(), u64::MAX).unwrap();
    assert_eq!(error, None);
    cache
}

fn save(cache: &Cache, revision: u64) {
    let snapshot = version(revision);
    cache.save(&snapshot).unwrap();
}

/// Starts as a process does: boots, and begins the trial of what it runs.
fn boot(cache: &Cache) -> Boot {
    cache.boot(None, |snapshot, _| {
        let _ = cache.begin(snapshot.version.digest);
        Ok(())
    })
}

fn booted(folder: &TempDir) -> (Option<u64>, BootedFrom, usize) {
    let boot = boot(&open(folder));
    (
        boot.running.map(|version| version.revision),
        boot.from,
        boot.errors.len(),
    )
}

fn corrupt(folder: &TempDir, name: &str) {
    let file = folder.path().join(name);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn an_empty_folder_boots_nothing_and_reports_nothing() {
    let folder = TempDir::new().unwrap();
    assert_eq!(booted(&folder), (None, BootedFrom::Empty, 0));
}

#[test]
fn files_are_for_their_owner_only() {
    let outer = TempDir::new().unwrap();
    let folder = outer.path().join("a/b");
    let (cache, _) = Cache::open(&folder, u64::MAX).unwrap();
    save(&cache, 1);
    let _ = cache.begin(digest(1));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in ["current.hgs", "trial", "lock"] {
        assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
    }
    drop(cache);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    Cache::open(&folder, u64::MAX).unwrap();
    assert_eq!(mode(&folder), 0o700, "a folder made by hand is closed");
}

#[test]
fn a_second_process_is_told_that_the_folder_is_in_use() {
    let folder = TempDir::new().unwrap();
    let cache = open(&folder);
    assert!(matches!(
        Cache::open(folder.path(), 1),
        Err(CacheError::Locked(_))
    ));
    drop(cache);
    open(&folder);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let Err(error) = Cache::open(&file.join("dp"), 1) else {
        panic!("opened");
    };
    assert!(error.to_string().contains("file/dp"), "{error}");
}

#[test]
fn the_last_saved_version_boots() {
    let folder = TempDir::new().unwrap();
    let cache = open(&folder);
    save(&cache, 1);
    save(&cache, 2);
    drop(cache);
    assert_eq!(booted(&folder), (Some(2), BootedFrom::Cache, 0));
}

#[test]
fn only_a_proven_version_becomes_the_previous_one() {
    let folder = TempDir::new().unwrap();
    let cache = open(&folder);
    save(&cache, 1);
    cache.healthy(digest(1));
    save(&cache, 2);
    save(&cache, 3); // 2 had no time to prove itself
    drop(cache);
    corrupt(&folder, "current.hgs");
    assert_eq!(booted(&folder), (Some(1), BootedFrom::Previous, 1));
}

#[test]
fn proof_outlives_the_process_that_gave_it() {
    let folder = TempDir::new().unwrap();
    let cache = open(&folder);
    save(&cache, 1);
    cache.healthy(digest(1));
    drop(cache);
    let cache = open(&folder);
    boot(&cache);
    save(&cache, 2);
    drop(cache);
    corrupt(&folder, "current.hgs");
    assert_eq!(booted(&folder), (Some(1), BootedFrom::Previous, 1));
}

#[test]
fn every_damage_falls_back_and_is_reported() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("emptied", |file| fs::write(file, "").unwrap()),
        ("cut", |file| {
            let bytes = fs::read(file).unwrap();
            fs::write(file, &bytes[..bytes.len() - 1]).unwrap();
        }),
        ("a bit flipped", |file| {
            let mut bytes = fs::read(file).unwrap();
            bytes[60] ^= 4;
            fs::write(file, bytes).unwrap();
        }),
        ("replaced", |file| fs::write(file, "{}").unwrap()),
        ("a folder", |file| {
            fs::remove_file(file).unwrap();
            fs::create_dir(file).unwrap();
        }),
    ];
    for (name, damage) in damages {
        let folder = TempDir::new().unwrap();
        let cache = open(&folder);
        save(&cache, 1);
        cache.healthy(digest(1));
        save(&cache, 2);
        drop(cache);
        damage(&folder.path().join("current.hgs"));
        assert_eq!(
            booted(&folder),
            (Some(1), BootedFrom::Previous, 1),
            "{name}"
        );
    }
}

#[test]
fn both_files_damaged_is_a_start_with_nothing_and_two_reports() {
    let folder = TempDir::new().unwrap();
    let cache = open(&folder);
    save(&cache, 1);
    cache.healthy(digest(1));
    save(&cache, 2);
    drop(cache);
    corrupt(&folder, "current.hgs");
    corrupt(&folder, "previous.hgs");
    assert_eq!(booted(&folder), (None, BootedFrom::Empty, 2));
}

#[test]
fn a_version_that_does_not_build_falls_back_too() {
    let folder = TempDir::new().unwrap();
    let cache = open(&folder);
    save(&cache, 1);
    cache.healthy(digest(1));
    save(&cache, 2);
    let boot = cache.boot(None, |snapshot, _| match snapshot.version.revision {
        2 => Err("routes: no".to_owned()),
        _ => Ok(()),
    });
    assert_eq!(boot.running.map(|version| version.revision), Some(1));
    assert_eq!(boot.errors, ["current.hgs: routes: no"]);
}

#[test]
fn a_given_snapshot_boots_where_the_cache_has_nothing() {
    let folder = TempDir::new().unwrap();
    let export = folder.path().join("export");
    let snapshot = version(7);
    fs::write(&export, snapshot_file::write(&snapshot)).unwrap();
    let cache = open(&folder);
    let boot = cache.boot(Some(&export), |_, _| Ok(()));
    assert_eq!(
        (boot.running, boot.from),
        (Some(snapshot.version), BootedFrom::Snapshot)
    );
    save(&cache, 8);
    let boot = cache.boot(Some(&export), |_, _| Ok(()));
    assert_eq!(boot.from, BootedFrom::Cache);
    let missing = folder.path().join("missing");
    drop(cache);
    fs::remove_file(folder.path().join("current.hgs")).unwrap();
    let boot = open(&folder).boot(Some(&missing), |_, _| Ok(()));
    assert_eq!(
        (boot.running, boot.errors.len()),
        (None, 1),
        "what was asked for and is not there is reported"
    );
}

#[test]
fn a_file_above_the_limit_is_not_loaded() {
    let folder = TempDir::new().unwrap();
    let cache = open(&folder);
    save(&cache, 1);
    drop(cache);
    let (cache, _) = Cache::open(folder.path(), 10).unwrap();
    let boot = boot(&cache);
    assert!(
        boot.running.is_none() && boot.errors[0].contains("more than the allowed 10"),
        "{boot:?}"
    );
}

/// A crash after any step of the write protocol, and within the first: what boots is the old version or the new one, and
/// from the step on which names the new file, the new one.
#[test]
fn a_crash_at_any_point_of_a_write_leaves_a_loadable_file() {
    for proven in [false, true] {
        for steps in 0..=STEPS.len() {
            let folder = TempDir::new().unwrap();
            let cache = open(&folder);
            save(&cache, 1);
            if proven {
                cache.healthy(digest(1));
            }
            let snapshot = version(2);
            let bytes = snapshot_file::write(&snapshot);
            for step in &STEPS[..steps] {
                cache.step(*step, &bytes).unwrap();
            }
            drop(cache);
            let (revision, ..) = booted(&folder);
            let expected = if steps >= 3 { 2 } else { 1 };
            assert_eq!(revision, Some(expected), "{steps} steps, proven: {proven}");
        }
    }
    // Cut within the draft.
    for cut in [0, 1, 50] {
        let folder = TempDir::new().unwrap();
        let cache = open(&folder);
        save(&cache, 1);
        let snapshot = version(2);
        fs::write(
            folder.path().join(DRAFT),
            &snapshot_file::write(&snapshot)[..cut],
        )
        .unwrap();
        drop(cache);
        assert_eq!(booted(&folder), (Some(1), BootedFrom::Cache, 0));
        save(&open(&folder), 3);
        assert_eq!(
            booted(&folder),
            (Some(3), BootedFrom::Cache, 0),
            "a left-over draft is in nobody's way"
        );
    }
}

#[test]
fn a_write_that_fails_leaves_the_current_file() {
    let folder = TempDir::new().unwrap();
    let cache = open(&folder);
    save(&cache, 1);
    // A folder in the draft's place: it can neither be removed as a file nor written.
    fs::create_dir(folder.path().join(DRAFT)).unwrap();
    let snapshot = version(2);
    assert!(cache.save(&snapshot).is_err());
    drop(cache);
    assert_eq!(booted(&folder), (Some(1), BootedFrom::Cache, 0));
}

/// A process that ends without `stopped` while something is on trial.
fn crash(folder: &TempDir) -> Boot {
    let cache = open(folder);
    boot(&cache)
}

#[test]
fn content_that_ends_the_process_twice_is_quarantined_and_the_previous_version_boots() {
    let folder = TempDir::new().unwrap();
    let cache = open(&folder);
    save(&cache, 1);
    cache.healthy(digest(1));
    save(&cache, 2);
    let _ = cache.begin(digest(2));
    drop(cache);

    let first = crash(&folder);
    assert_eq!(
        (first.running.map(|v| v.revision), first.crashed),
        (Some(2), Some(digest(2)))
    );
    let second = boot(&open(&folder));
    assert_eq!(second.running.map(|v| v.revision), Some(1));
    assert_eq!(
        (second.from, second.quarantined),
        (BootedFrom::Previous, Some(digest(2)))
    );

    // It stays out at the next start, also after an orderly stop.
    let cache = open(&folder);
    cache.stopped();
    drop(cache);
    let cache = open(&folder);
    let third = boot(&cache);
    assert_eq!(
        (third.running.map(|v| v.revision), third.quarantined),
        (Some(1), Some(digest(2)))
    );

    // New content clears it.
    save(&cache, 3);
    assert_eq!(cache.quarantined(), None);
    cache.stopped();
    drop(cache);
    assert_eq!(booted(&folder), (Some(3), BootedFrom::Cache, 0));
}

#[test]
fn where_nothing_else_loads_nothing_is_quarantined() {
    let folder = TempDir::new().unwrap();
    let cache = open(&folder);
    save(&cache, 1);
    let _ = cache.begin(digest(1));
    drop(cache);
    for start in 0..4 {
        let boot = crash(&folder);
        assert_eq!(boot.running.map(|v| v.revision), Some(1), "start {start}");
        assert_eq!(boot.quarantined, None);
    }
}

#[test]
fn health_or_an_orderly_stop_takes_the_marker_away() {
    type End = fn(&Cache);
    let ends: [(&str, End); 2] = [
        ("health", |cache| cache.healthy(digest(2))),
        ("stop", Cache::stopped),
    ];
    for (name, end) in ends {
        let folder = TempDir::new().unwrap();
        for _ in 0..3 {
            let cache = open(&folder);
            save(&cache, 2);
            let _ = cache.begin(digest(2));
            end(&cache);
        }
        assert_eq!(boot(&open(&folder)).crashed, None, "{name}");
    }
}

#[test]
fn a_candidate_that_does_not_get_to_serve_gives_the_marker_back() {
    let folder = TempDir::new().unwrap();
    let cache = open(&folder);
    let _ = cache.begin(digest(1));
    let before = cache.begin(digest(2));
    cache.undo(before);
    drop(cache);
    assert_eq!(boot(&open(&folder)).crashed, Some(digest(1)));
}

#[test]
fn a_damaged_marker_is_no_marker_and_reported() {
    let folder = TempDir::new().unwrap();
    let cache = open(&folder);
    save(&cache, 1);
    drop(cache);
    for damage in ["", "{\"trying\":3}", "{\"proven\":\"zz\"}"] {
        fs::write(folder.path().join("trial"), damage).unwrap();
        let (cache, error) = Cache::open(folder.path(), u64::MAX).unwrap();
        assert!(error.is_some(), "{damage}");
        assert_eq!(boot(&cache).crashed, None);
    }
}
