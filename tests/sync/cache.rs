//! The copy on disk (R3, R4; I7, I10): whatever is wrong with a file, a node starts.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tests::{Gateway, Upstream, eventually};

/// The file of this name in or under a folder.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    let direct = paths
        .iter()
        .find(|path| path.is_file() && path.file_name().is_some_and(|own| own == name));
    direct.cloned().or_else(|| {
        paths
            .iter()
            .filter(|path| path.is_dir())
            .find_map(|path| find(path, name))
    })
}

async fn with_a_copy_on_disk(upstream: &Upstream) -> (Gateway, PathBuf) {
    let gateway = Gateway::start().await;
    gateway.admin().service("orders", upstream).await;
    gateway.admin().route("orders", "/v1").await;
    gateway.settled().await;
    let admin = gateway.admin();
    eventually("the newest revision is on disk", || async {
        let nodes = admin.get("/headgate/data-planes").await.json();
        nodes["data"][0]["durable_revision"].as_u64() >= Some(admin.revision())
    })
    .await;
    let current = find(&gateway.node().state(), "current.hgs").expect("the node keeps a copy");
    (gateway, current)
}

type Damage = fn(Vec<u8>) -> Vec<u8>;

/// Ways in which a file can be wrong.
const DAMAGES: [(&str, Damage); 5] = [
    ("empty", |_| Vec::new()),
    ("cut in half", |mut bytes| {
        bytes.truncate(bytes.len() / 2);
        bytes
    }),
    ("one bit turned in the middle", |mut bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    }),
    ("a strange beginning", |mut bytes| {
        bytes[..8].copy_from_slice(b"SOMETHIN");
        bytes
    }),
    ("random bytes after the head", |mut bytes| {
        let head = 40.min(bytes.len());
        bytes[head..]
            .iter_mut()
            .enumerate()
            .for_each(|(index, byte)| *byte = (index * 31) as u8);
        bytes
    }),
];

#[tokio::test]
async fn a_damaged_copy_falls_back_to_the_one_before() {
    let upstream = Upstream::start().await;
    let (mut gateway, current) = with_a_copy_on_disk(&upstream).await;
    gateway.control_plane.kill();
    gateway.nodes[0].kill();
    let sound = fs::read(&current).expect("the copy can be read");
    for (what, damage) in DAMAGES {
        fs::write(current.with_file_name("previous.hgs"), &sound)
            .expect("the folder can be written");
        fs::write(&current, damage(sound.clone())).expect("the folder can be written");
        gateway.nodes[0].restart().await;
        let node = gateway.node();
        eventually(what, || async { node.get("/v1").await.status == 200 }).await;
        gateway.nodes[0].kill();
    }
}

#[tokio::test]
async fn with_no_sound_copy_a_node_starts_empty_and_gets_everything_again() {
    let upstream = Upstream::start().await;
    let (mut gateway, current) = with_a_copy_on_disk(&upstream).await;
    gateway.control_plane.kill();
    gateway.nodes[0].kill();
    let sound = fs::read(&current).expect("the copy can be read");
    for (what, damage) in DAMAGES {
        let _ = fs::remove_file(current.with_file_name("previous.hgs"));
        fs::write(&current, damage(sound.clone())).expect("the folder can be written");
        gateway.nodes[0].restart().await;
        let reply = gateway.node().get("/v1").await;
        assert_eq!(reply.status, 404, "{what}: nothing is known: {reply}");
        gateway.nodes[0].kill();
    }
    gateway.nodes[0].restart().await;
    gateway.control_plane.restart().await;
    gateway
        .admin()
        .patch("/routes/orders", json!({ "paths": ["/v1", "/v2"] }))
        .await
        .expect_status(200);
    gateway.get("/v2").await.expect_status(200);
}

#[tokio::test]
async fn what_is_kept_on_disk_is_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let upstream = Upstream::start().await;
    let (gateway, current) = with_a_copy_on_disk(&upstream).await;
    let mode = |path: &Path| fs::metadata(path).expect("it exists").permissions().mode() & 0o777;
    assert_eq!(mode(&current), 0o600);
    assert_eq!(mode(&gateway.node().state()), 0o700);
    assert_eq!(mode(&gateway.folder().join("cp/state")), 0o700);
}
