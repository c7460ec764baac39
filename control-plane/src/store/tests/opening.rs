use super::*;
use std::os::unix::fs::PermissionsExt;

#[tokio::test]
async fn what_was_written_is_there_after_opening_again() {
    let home = Home::new();
    home.insert("services", service(1, "orders")).await;
    home.insert("routes", route(2, "first", Some(1))).await;
    home.try_write(upsert("services", service(1, "renamed")))
        .await
        .unwrap();
    let (state, version) = home.store.state();
    let home = home.reopened();
    let (again, same) = home.store.state();
    assert_eq!(same, version);
    assert!(again.iter().eq(state.iter()));
    assert_eq!(
        home.insert("consumers", consumer(3, "ann")).await.revision,
        4
    );
}

#[test]
fn two_control_planes_never_share_a_folder() {
    let home = Home::new();
    let second = Store::open(home.folder.path());
    assert!(matches!(second, Err(StoreError::Locked { .. })));
    home.reopened();
}

#[tokio::test]
async fn folder_and_files_belong_to_their_user_alone() {
    let home = Home::new();
    home.insert("consumers", consumer(1, "ann")).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(home.folder.path()), 0o700);
    for entry in std::fs::read_dir(home.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{path:?}");
    }
}

#[tokio::test]
async fn a_store_whose_documents_do_not_add_up_stays_closed() {
    for damage in [
        "UPDATE documents SET payload = '{}' WHERE kind = 'consumers'",
        "DELETE FROM documents",
        "UPDATE meta SET digest = x'00'",
    ] {
        let Home { store, folder } = Home::new();
        store
            .write(vec![insert("consumers", consumer(1, "ann"))], "tests")
            .await
            .unwrap();
        drop(store);
        let file = folder.path().join(directory::DATABASE);
        rusqlite::Connection::open(file)
            .unwrap()
            .execute_batch(damage)
            .unwrap();
        assert!(
            matches!(Store::open(folder.path()), Err(StoreError::Damaged { .. })),
            "{damage}"
        );
    }
}

#[test]
fn a_store_of_a_newer_release_is_left_alone() {
    let Home { store, folder } = Home::new();
    drop(store);
    let file = folder.path().join(directory::DATABASE);
    rusqlite::Connection::open(file)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    assert!(matches!(
        Store::open(folder.path()),
        Err(StoreError::Newer { found: 99, .. })
    ));
}

#[test]
fn a_file_that_is_no_database_is_reported_not_replaced() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join(directory::DATABASE);
    std::fs::write(
        &file,
        "not a database, but somebody's only copy of something",
    )
    .unwrap();
    assert!(Store::open(folder.path()).is_err());
    assert!(
        std::fs::read_to_string(&file)
            .unwrap()
            .starts_with("not a database")
    );
}

#[tokio::test]
async fn the_copy_made_before_a_migration_is_whole_and_private() {
    let home = Home::new();
    home.insert("consumers", consumer(1, "ann")).await;
    let file = home.folder.path().join(directory::DATABASE);
    let connection = rusqlite::Connection::open(&file).unwrap();
    for _ in 0..2 {
        sqlite::back_up(&connection, &file, 1).unwrap();
    }
    let copy = home.folder.path().join("headgate.db.format-1");
    assert_eq!(
        std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let copy = rusqlite::Connection::open(copy).unwrap();
    let loaded = load::load(&copy, home.folder.path()).unwrap();
    assert_eq!(loaded.version, home.store.version());
}

#[test]
fn every_commit_is_synced_to_the_disk() {
    let folder = TempDir::new().unwrap();
    let directory = directory::Directory::claim(folder.path()).unwrap();
    let connection = sqlite::open(&directory).unwrap();
    let pragma = |name: &str| {
        connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
    };
    assert_eq!(pragma("journal_mode").unwrap(), "wal".to_owned().into());
    assert_eq!(pragma("synchronous").unwrap(), 2.into(), "FULL");
}
