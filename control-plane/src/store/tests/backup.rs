//! Copies of a store that is being written, and the way back.

use super::*;
use crate::store::{Author, BackupError, StoreError, back_up, restore};
use std::os::unix::fs::PermissionsExt;

fn insert_service(name: &str) -> Write {
    insert("services", service(Uuid::new_v4().as_u128(), name))
}

fn author() -> Author {
    Author::new("test").doing("restore")
}

fn files(home: &std::path::Path) {
    std::fs::create_dir_all(home.join("pki")).unwrap();
    for name in ["pki/ca.pem", "pki/ca.key", "admin.crt", "admin.key"] {
        std::fs::write(home.join(name), format!("content of {name}")).unwrap();
    }
}

#[tokio::test]
async fn a_backup_is_one_revision_of_a_store_that_is_being_written() {
    let home = Home::new();
    files(home.path());
    let store = home.store.clone();
    let writer = tokio::spawn(async move {
        for number in 0..200 {
            let write = vec![insert_service(&format!("s{number}"))];
            store.write(write, "test").await.unwrap();
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let mut revisions = Vec::new();
    for number in 0..3 {
        let file = folder.path().join(format!("{number}.db"));
        let (from, to) = (home.path().to_owned(), file.clone());
        let made = tokio::task::spawn_blocking(move || back_up(&from, &to)).await;
        let made = made.unwrap().unwrap();
        assert_eq!(made.documents as u64, made.version.revision);
        assert_eq!(made.files, 4);
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        revisions.push(made.version.revision);
    }
    writer.await.unwrap();
    assert!(revisions.is_sorted(), "{revisions:?}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 3, "nothing but the backups: {left:?}");
}

#[tokio::test]
async fn what_is_restored_is_what_was_there_in_a_later_epoch() {
    let home = Home::new();
    files(home.path());
    home.store
        .write(vec![insert_service("kept")], "test")
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    let made = back_up(home.path(), &file).unwrap();
    assert_eq!(home.store.version(), made.version);
    home.store
        .write(vec![insert_service("lost")], "test")
        .await
        .unwrap();

    // Elsewhere, and over what has gone on.
    let elsewhere = folder.path().join("elsewhere");
    let restored = restore(&file, &elsewhere, &author()).unwrap();
    assert_eq!(restored.replaced, None);
    let before = home.store.version();
    let path = home.path().to_owned();
    let refused = restore(&file, &path, &author()).unwrap_err();
    assert!(
        matches!(refused, BackupError::Store(StoreError::Locked { .. })),
        "{refused}"
    );
    let folder_of_home = home.close();
    std::fs::write(path.join("admin.crt"), "another").unwrap();
    let over = restore(&file, &path, &author()).unwrap();
    let replaced = over.replaced.expect("there was a store");
    assert_eq!(
        std::fs::read_to_string(replaced.join("admin.crt")).unwrap(),
        "another"
    );

    for (path, version) in [(&elsewhere, restored.version), (&path, over.version)] {
        assert!(version.epoch > before.epoch);
        assert_eq!((version.revision, version.digest), (1, made.version.digest));
        let mode = path
            .join("pki/ca.key")
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let key = std::fs::read_to_string(path.join("pki/ca.key")).unwrap();
        assert_eq!(key, "content of pki/ca.key");
        let crt = std::fs::read_to_string(path.join("admin.crt")).unwrap();
        assert_eq!(crt, "content of admin.crt");
        let store = Store::open(path).unwrap();
        assert_eq!(store.version(), version);
        let found = async |name| store.find("services", "name", name).await.unwrap();
        assert!(found("kept").await.is_some() && found("lost").await.is_none());
        let rows = store
            .audit(AuditPage {
                size: 10,
                ..AuditPage::default()
            })
            .await
            .unwrap();
        assert_eq!(rows[0].action.as_deref(), Some("restore"));
        let next = store
            .write(vec![insert_service("next")], "test")
            .await
            .unwrap();
        assert_eq!(next.revision, 2);
    }
    // What was replaced is whole.
    let old = Store::open(&replaced).unwrap();
    assert_eq!(old.version(), before);
    drop(folder_of_home);
}

#[tokio::test]
async fn what_is_no_good_backup_changes_nothing() {
    let home = Home::new();
    for number in 0..50 {
        home.store
            .write(vec![insert_service(&format!("s{number}"))], "test")
            .await
            .unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let good = file("good.db");
    back_up(home.path(), &good).unwrap();
    let again = back_up(home.path(), &good).unwrap_err();
    assert!(matches!(again, BackupError::Exists { .. }), "{again}");
    let nothing = back_up(&file("none"), &file("b.db")).unwrap_err();
    assert!(matches!(nothing, BackupError::NoStore { .. }), "{nothing}");
    let nowhere = back_up(home.path(), &file("none/b.db")).unwrap_err();
    assert!(nowhere.to_string().contains("none/"), "{nowhere}");

    std::fs::write(file("text"), "not a database").unwrap();
    let mut bytes = std::fs::read(&good).unwrap();
    let length = bytes.len();
    std::fs::write(file("cut"), &bytes[..length / 2]).unwrap();
    let name = bytes.windows(3).rposition(|part| part == b"s49").unwrap();
    bytes[name] = b'x';
    std::fs::write(file("changed"), &bytes).unwrap();
    let path = home.path().to_owned();
    let version = home.store.version();
    let kept = home.close();
    let plain = file("plain");
    std::fs::copy(path.join("headgate.db"), &plain).unwrap();
    for name in ["text", "cut", "changed", "plain", "missing"] {
        let refused = restore(&file(name), &path, &author()).unwrap_err();
        assert!(refused.to_string().contains(name), "{refused}");
    }
    let names: Vec<_> = std::fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("restor") || name.starts_with("before"))
        .collect();
    assert_eq!(names, Vec::<String>::new());
    assert_eq!(Store::open(&path).unwrap().version(), version);
    drop(kept);
}
