//! The proxies to compare with, as far as they are installed, and the upstream all of them share.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::beside::transformers::{HEADERS, JSON_1K, JSON_10K, JSON_100K, json_of};

const LUA_MODULES: &str = "/usr/lib/nginx/modules";

/// A process that is not ours; killed when dropped.
pub struct Peer {
    child: Child,
    pub address: SocketAddr,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Peer {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn start(mut command: Command, address: SocketAddr) -> anyhow::Result<Peer> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let child = command.spawn().with_context(|| format!("{command:?}"))?;
        let mut peer = Peer { child, address };
        let end = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            if peer.child.try_wait()?.is_some() || Instant::now() > end {
                let mut said = String::new();
                if let Some(mut stderr) = peer.child.stderr.take() {
                    let _ = peer.child.kill();
                    std::io::Read::read_to_string(&mut stderr, &mut said)?;
                }
                bail!("{command:?} does not listen: {said}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(peer)
    }
}

/// Which of these programs are installed, by asking each for its version.
pub fn installed(program: &str, flag: &str) -> bool {
    Command::new(program)
        .arg(flag)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

pub fn nginx_has_lua() -> bool {
    Path::new(LUA_MODULES)
        .join("ngx_http_lua_module.so")
        .exists()
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    listener
        .local_addr()
        .expect("a bound listener has an address")
}

fn nginx(
    folder: &Path,
    name: &str,
    load: &str,
    http: &str,
    address: SocketAddr,
) -> anyhow::Result<Peer> {
    let folder = folder.join(name);
    fs::create_dir_all(&folder)?;
    let base = folder.display();
    let config = format!(
        "{load}\ndaemon off; master_process off; worker_processes 1; pid {base}/pid; error_log {base}/error.log;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {base}/a; proxy_temp_path {base}/b;\n\
         fastcgi_temp_path {base}/c; uwsgi_temp_path {base}/d; scgi_temp_path {base}/e;\n{http}\n}}\n"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, config)?;
    let mut command = Command::new("nginx");
    command
        .arg("-p")
        .arg(&folder)
        .arg("-c")
        .arg(&file)
        .arg("-e")
        .arg(folder.join("error.log"));
    Peer::start(command, address)
}

/// 100 bytes on every path; with eight headers on `/answered`; JSON of 10 KiB on `/json`, and of their size on `/1k`,
/// `/10k` and `/100k`; 64 MiB on `/64m`.
pub fn upstream(folder: &Path) -> anyhow::Result<Peer> {
    let address = free_address();
    let fields: Vec<String> = (0..160)
        .map(|n| format!("\"field{n:03}\":\"{}\"", "v".repeat(50)))
        .collect();
    fs::write(folder.join("json"), format!("{{{}}}", fields.join(",")))?;
    for asked in [&JSON_1K, &JSON_10K, &JSON_100K] {
        fs::write(folder.join(&asked.path[1..]), json_of(asked.bytes))?;
    }
    File::create(folder.join("64m"))?.set_len(64 << 20)?;
    let answer = format!("return 200 \"{}\";", "x".repeat(100));
    let headers: Vec<String> = HEADERS
        .headers
        .iter()
        .map(|(name, value)| format!("add_header {name} {value};"))
        .collect();
    let http = format!(
        "open_file_cache max=10; server {{ listen {address} backlog=4096; root {};\n\
         location / {{ {answer} }}\n\
         location = /answered {{ {} {answer} }}\n\
         location ~ ^/(json|1k|10k|100k|64m)$ {{ default_type application/json; }} }}",
        folder.display(),
        headers.join(" "),
    );
    nginx(folder, "upstream", "", &http, address)
}

pub fn plain_nginx(folder: &Path, upstream: SocketAddr) -> anyhow::Result<Peer> {
    let address = free_address();
    let http = format!(
        "upstream u {{ server {upstream}; keepalive 512; keepalive_requests 100000000; }}\n\
         server {{ listen {address} backlog=4096; location / {{ proxy_pass http://u; proxy_http_version 1.1; \
         proxy_set_header Connection \"\"; }} }}"
    );
    nginx(folder, "nginx", "", &http, address)
}

/// nginx with the three steps in Lua: a key looked up, a request header added, a response header added.
pub fn lua_nginx(folder: &Path, upstream: SocketAddr) -> anyhow::Result<Peer> {
    let address = free_address();
    let load = format!(
        "load_module {LUA_MODULES}/ndk_http_module.so; load_module {LUA_MODULES}/ngx_http_lua_module.so;"
    );
    let http = format!(
        r#"lua_load_resty_core off; init_by_lua_block {{ keys = {{ secret = "ann" }} }}
        upstream u {{ server {upstream}; keepalive 512; keepalive_requests 100000000; }}
        server {{ listen {address} backlog=4096; location / {{
            access_by_lua_block {{
                local consumer = keys[ngx.req.get_headers()["apikey"] or ""]
                if not consumer then return ngx.exit(401) end
                ngx.req.set_header("X-Consumer-Username", consumer)
                ngx.req.set_header("X-Added", "1")
            }}
            header_filter_by_lua_block {{ ngx.header["X-Answered"] = "1" }}
            proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection "";
        }} }}"#
    );
    nginx(folder, "nginx-lua", &load, &http, address)
}

/// nginx with a location for each of these: its name and its directives, which hold Lua. `loaded` is run at the start.
pub fn locations_nginx(
    folder: &Path,
    upstream: SocketAddr,
    loaded: &str,
    locations: impl IntoIterator<Item = (&'static str, String)>,
) -> anyhow::Result<Peer> {
    let address = free_address();
    let load = format!(
        "load_module {LUA_MODULES}/ndk_http_module.so; load_module {LUA_MODULES}/ngx_http_lua_module.so;"
    );
    let locations: Vec<String> = locations
        .into_iter()
        .map(|(name, directives)| {
            format!("location /{name}/ {{\n{directives}proxy_pass http://u/; }}")
        })
        .collect();
    let http = format!(
        "init_by_lua_block {{ {loaded} }}\n\
         upstream u {{ server {upstream}; keepalive 512; keepalive_requests 100000000; }}\n\
         proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffers 32 8k;\n\
         server {{ listen {address} backlog=4096;\n{} }}",
        locations.join("\n")
    );
    nginx(folder, "nginx-transformers", &load, &http, address)
}

pub fn haproxy(folder: &Path, upstream: SocketAddr) -> anyhow::Result<Peer> {
    let address = free_address();
    let config = format!(
        "global\n  nbthread 1\n  maxconn 2000\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  \
         timeout server 60s\n  http-reuse always\nfrontend f\n  bind {address}\n  default_backend b\nbackend b\n  server s {upstream}\n"
    );
    let file = folder.join("haproxy.cfg");
    fs::write(&file, config)?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(file);
    Peer::start(command, address)
}

pub fn envoy(folder: &Path, upstream: SocketAddr) -> anyhow::Result<Peer> {
    let address = free_address();
    let config = format!(
        r#"{{"static_resources":{{"listeners":[{{"address":{{"socket_address":{{"address":"127.0.0.1","port_value":{}}}}},
"filter_chains":[{{"filters":[{{"name":"envoy.filters.network.http_connection_manager","typed_config":{{
"@type":"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
"stat_prefix":"f","route_config":{{"virtual_hosts":[{{"name":"v","domains":["*"],"routes":[{{"match":{{"prefix":"/"}},"route":{{"cluster":"u"}}}}]}}]}},
"http_filters":[{{"name":"envoy.filters.http.router","typed_config":{{"@type":"type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}}}]}}}}]}}]}}],
"clusters":[{{"name":"u","connect_timeout":"5s","load_assignment":{{"cluster_name":"u","endpoints":[{{"lb_endpoints":[{{"endpoint":{{"address":
{{"socket_address":{{"address":"127.0.0.1","port_value":{}}}}}}}}}]}}]}}}}]}}}}"#,
        address.port(),
        upstream.port()
    );
    let file = folder.join("envoy.json");
    fs::write(&file, config)?;
    let mut command = Command::new("envoy");
    command
        .args(["--concurrency", "1", "-l", "error", "-c"])
        .arg(file);
    Peer::start(command, address)
}

#[cfg(test)]
mod tests {
    use ::tests::Request;
    use ::tests::wire::exchange;

    use super::*;

    #[tokio::test]
    async fn every_rival_that_is_installed_proxies_the_upstream() {
        if !installed("nginx", "-v") {
            println!("skipped: nginx, the upstream of the benchmarks, is not installed");
            return;
        }
        type Start = fn(&Path, SocketAddr) -> anyhow::Result<Peer>;
        let rivals: [(&str, bool, Start); 4] = [
            ("nginx", true, plain_nginx),
            ("nginx with Lua", nginx_has_lua(), lua_nginx),
            ("HAProxy", installed("haproxy", "-v"), haproxy),
            ("Envoy", installed("envoy", "--version"), envoy),
        ];
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let upstream = upstream(folder.path()).expect("the upstream starts");
        for (name, there, start) in rivals {
            if !there {
                println!("skipped: {name} is not installed");
                continue;
            }
            let rival = start(folder.path(), upstream.address).expect(name);
            for (path, length) in [("/", 100), ("/json", 10_241)] {
                let request = Request::get(path).header("apikey", "secret");
                let reply = exchange(rival.address, &request).await.expect_status(200);
                assert_eq!(reply.body.len(), length, "{name} {path}");
            }
        }
    }
}
