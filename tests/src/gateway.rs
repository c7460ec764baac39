//! A whole gateway of real processes: one control plane and as many nodes as a test wants.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::admin::Admin;
use crate::port::Port;
use crate::process::{Launch, Process};
use crate::traffic::Load;
use crate::wait::eventually;
use crate::wire::{self, Reply, Request};

/// What to start.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many data planes.
    pub nodes: usize,
    /// More flags for the control plane.
    pub control_plane: Vec<String>,
    /// More flags for every node.
    pub data_plane: Vec<String>,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            nodes: 1,
            control_plane: Vec::new(),
            data_plane: Vec::new(),
        }
    }
}

impl Setup {
    pub fn nodes(nodes: usize) -> Setup {
        Setup {
            nodes,
            ..Setup::default()
        }
    }

    /// One node with more flags.
    pub fn node_flags<S: Into<String>>(flags: impl IntoIterator<Item = S>) -> Setup {
        Setup {
            data_plane: flags.into_iter().map(Into::into).collect(),
            ..Setup::default()
        }
    }
}

/// The processes, their state folder and a client of the Admin API. Everything ends when it is dropped.
pub struct Gateway {
    pub control_plane: ControlPlane,
    pub nodes: Vec<Node>,
    admin: Admin,
    // Last, so that the processes are gone before their folder is.
    folder: TempDir,
}

impl Gateway {
    /// One control plane, one node.
    pub async fn start() -> Gateway {
        Gateway::with(Setup::default()).await
    }

    pub async fn with(setup: Setup) -> Gateway {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let control_plane =
            ControlPlane::start(&folder.path().join("cp"), &setup.control_plane).await;
        let admin = Admin::new(control_plane.process.address("admin"));
        let mut gateway = Gateway {
            control_plane,
            nodes: Vec::new(),
            admin,
            folder,
        };
        for _ in 0..setup.nodes {
            gateway.join(&setup.data_plane).await;
        }
        gateway
    }

    /// Starts another node with a token of its own, waits until it is connected, and adds it.
    pub async fn join(&mut self, flags: &[String]) -> &mut Node {
        self.join_through(self.control_plane.sync, flags).await
    }

    /// As [`Gateway::join`], for a node that reaches the sync port through something in between.
    pub async fn join_through(&mut self, sync: SocketAddr, flags: &[String]) -> &mut Node {
        let token = self.control_plane.token().await;
        let folder = self.folder.path().join(format!("dp{}", self.nodes.len()));
        let node = Node::join(&folder, sync, &token, flags).await;
        node.connected().await;
        self.nodes.push(node);
        self.nodes.last_mut().expect("one was just added")
    }

    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// The only node, or the first one.
    pub fn node(&self) -> &Node {
        &self.nodes[0]
    }

    /// The folder all state lies in: `cp`, `dp0`, `dp1`, …
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until every running node serves the newest revision an answer carried.
    pub async fn settled(&self) {
        for node in &self.nodes {
            node.serves(self.admin.revision()).await;
        }
    }

    /// A request to the first node, once it serves everything written so far.
    pub async fn send(&self, request: Request) -> Reply {
        self.settled().await;
        self.node().send(&request).await
    }

    /// GET through the first node, once it serves everything written so far.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path)).await
    }

    /// Keeps asking the first node for `path` until stopped; anything but a 200 is a failure.
    pub async fn steady_traffic(&self, path: &str) -> Load {
        self.settled().await;
        Load::start(self.node().proxy, path, 4)
    }
}

/// A control plane as a process. Its ports stay the same over restarts.
pub struct ControlPlane {
    pub process: Process,
    folder: PathBuf,
    flags: Vec<String>,
    ports: [Port; 3],
    pub admin: SocketAddr,
    pub sync: SocketAddr,
}

impl ControlPlane {
    async fn start(folder: &Path, flags: &[String]) -> ControlPlane {
        let ports = [(); 3].map(|()| Port::hold());
        let process = ControlPlane::launch(folder, flags, &ports).start().await;
        let [admin, sync] = ["admin", "sync"].map(|name| process.address(name));
        ControlPlane {
            process,
            folder: folder.to_owned(),
            flags: flags.to_vec(),
            ports,
            admin,
            sync,
        }
    }

    fn launch(folder: &Path, flags: &[String], ports: &[Port; 3]) -> Launch {
        let [admin, sync, enroll] = ports.each_ref().map(Port::address);
        std::fs::create_dir_all(folder).expect("the temporary folder can be written");
        Launch::new("headgate-cp", folder)
            .args([
                "--data-dir".to_owned(),
                folder.join("state").display().to_string(),
            ])
            .args(["--admin-listen".to_owned(), admin.to_string()])
            .args(["--sync-listen".to_owned(), sync.to_string()])
            .args(["--enroll-listen".to_owned(), enroll.to_string()])
            .args(["--ui-listen", "off"])
            .args(flags.to_vec())
    }

    /// A word that lets one node join, from the command an operator would type.
    pub async fn token(&self) -> String {
        let admin = format!("http://{}", self.admin);
        let words = ["token", "create", "--admin", &admin];
        let finished = Launch::new("headgate-cp", &self.folder)
            .args(words)
            .run()
            .await;
        let token = finished.stdout.trim().to_owned();
        assert!(
            finished.code == Some(0) && !token.contains(char::is_whitespace),
            "no token: {finished:?}"
        );
        token
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the state in another folder, on the same ports.
    pub async fn restart_from(&mut self, folder: &Path) {
        self.folder = folder.to_owned();
        self.restart().await;
    }

    /// Starts it again where it was: same state, same ports.
    pub async fn restart(&mut self) {
        self.process.kill();
        self.process = ControlPlane::launch(&self.folder, &self.flags, &self.ports)
            .start()
            .await;
    }
}

/// A data plane as a process. Its ports stay the same over restarts.
pub struct Node {
    pub process: Process,
    folder: PathBuf,
    flags: Vec<String>,
    control_plane: SocketAddr,
    ports: [Port; 3],
    pub proxy: SocketAddr,
    pub proxy_tls: SocketAddr,
    pub status: SocketAddr,
}

impl Node {
    async fn join(folder: &Path, control_plane: SocketAddr, token: &str, flags: &[String]) -> Node {
        let ports = [(); 3].map(|()| Port::hold());
        let launch = Node::launch(folder, control_plane, flags, &ports).args(["--join", token]);
        let process = launch.start().await;
        let [proxy, proxy_tls, status] =
            ["proxy", "proxy_ssl", "status"].map(|name| process.address(name));
        let (folder, flags) = (folder.to_owned(), flags.to_vec());
        Node {
            process,
            folder,
            flags,
            control_plane,
            ports,
            proxy,
            proxy_tls,
            status,
        }
    }

    fn launch(folder: &Path, cp: SocketAddr, flags: &[String], ports: &[Port; 3]) -> Launch {
        let [proxy, tls, status] = ports.each_ref().map(Port::address);
        std::fs::create_dir_all(folder).expect("the temporary folder can be written");
        let own = |name: &str| flags.iter().any(|flag| flag == name);
        let mut args = vec![
            "--data-dir".to_owned(),
            folder.join("state").display().to_string(),
        ];
        args.extend(["--control-plane".to_owned(), cp.to_string()]);
        args.extend([
            "--proxy-listen".to_owned(),
            format!("{proxy}, {tls} ssl http2"),
        ]);
        args.extend(["--status-listen".to_owned(), status.to_string()]);
        if !own("--workers") {
            args.extend(["--workers".to_owned(), "2".to_owned()]);
        }
        if !own("--proxy-access-log") {
            args.extend(["--proxy-access-log".to_owned(), "off".to_owned()]);
        }
        Launch::new("headgate-dp", folder)
            .args(args)
            .args(flags.to_vec())
    }

    /// Where its state lies.
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again where it was, with the identity it has and no token.
    pub async fn restart(&mut self) {
        self.process.kill();
        self.process = Node::launch(&self.folder, self.control_plane, &self.flags, &self.ports)
            .start()
            .await;
    }

    pub async fn send(&self, request: &Request) -> Reply {
        wire::exchange(self.proxy, request).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(&Request::get(path)).await
    }

    /// `GET /status` of the status port.
    pub async fn status(&self) -> Value {
        wire::exchange(self.status, &Request::get("/status"))
            .await
            .expect_status(200)
            .json()
    }

    /// The revision it serves, 0 before the first.
    pub async fn revision(&self) -> u64 {
        self.status().await["configuration"]["revision"]
            .as_u64()
            .expect("a node's status has a revision")
    }

    /// Waits until it has a session with the control plane; from then on its identity is on disk.
    pub async fn connected(&self) {
        let what = format!("node on {} is connected", self.proxy);
        eventually(&what, || async {
            self.status().await["configuration"]["connected"] == true
        })
        .await;
    }

    /// Waits until it serves this revision or a newer one.
    pub async fn serves(&self, revision: u64) {
        let what = format!("node on {} serves revision {revision}", self.proxy);
        eventually(&what, || async { self.revision().await >= revision }).await;
    }

    /// Waits until it says that what it serves arrived so: `snapshot`, `delta`, `cache`. It says so a moment after it
    /// serves it.
    pub async fn updated_by(&self, arrival: &str) {
        let what = format!("node on {} serves what came by {arrival}", self.proxy);
        eventually(&what, || async {
            self.status().await["configuration"]["last_update"] == arrival
        })
        .await;
    }
}
