//! Requests per CPU-second of the proxy process, beside nginx in the same round.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tests::gateway::{Gateway, Setup};

use crate::cpu::{cores, pin, resident, used};
use crate::load::{Question, ask, wrk_is_there};
use crate::peers::{self, Peer};

/// One line of the table: whose CPU is counted, and what is asked.
struct Target {
    name: &'static str,
    process: u32,
    question: Question,
}

/// What everything is divided by.
const BASE: &str = "nginx, plain";

/// What a client of the routes with key-auth sends.
const KEY: &[(&str, &str)] = &[("apikey", "secret")];

pub async fn run(rounds: usize, seconds: usize) -> anyhow::Result<()> {
    if !peers::installed("nginx", "-v") {
        anyhow::bail!("nginx is needed, as the upstream and as the measure (Debian: nginx)");
    }
    let wrk = wrk_is_there();
    if !wrk {
        println!("left out: wrk is not installed; the harness makes the load, slower");
    }
    let folder = tempfile::tempdir()?;
    let (own, other) = cores();
    // Everything but the proxies shares the other core with the load.
    pin(other);
    let upstream = peers::upstream(folder.path())?;
    let gateway = gateway(&upstream, own, other).await?;
    let (others, mut targets) = rivals(folder.path(), &upstream, own, other)?;
    targets.extend(ours(&gateway));
    let length = Duration::from_secs(seconds as u64);
    for target in &targets {
        ask(&target.question, Duration::from_secs(1), wrk).await?;
    }
    let mut figures: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for round in 0..rounds {
        let count = targets.len();
        for turn in 0..count {
            let target = &targets[(round + turn) % count];
            let before = used(target.process);
            let answers = ask(&target.question, length, wrk).await?;
            let spent = used(target.process) - before;
            figures
                .entry(target.name)
                .or_default()
                .push(answers as f64 / spent.as_secs_f64());
        }
    }
    println!(
        "requests per CPU-second over {BASE}, median of {rounds} rounds of {seconds} s (least, most):"
    );
    for target in &targets {
        print(target.name, &figures[target.name], &figures[BASE]);
    }
    let memory = resident(gateway.node().process.id()) >> 20;
    println!("headgate-dp holds {memory} MiB after the rounds");
    drop(others);
    Ok(())
}

fn print(name: &str, own: &[f64], base: &[f64]) {
    let mut ratios: Vec<f64> = own.iter().zip(base).map(|(own, base)| own / base).collect();
    ratios.sort_by(f64::total_cmp);
    let mut absolute = own.to_vec();
    absolute.sort_by(f64::total_cmp);
    let middle = ratios.len() / 2;
    let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
    println!(
        "  {name:42} {:5.2}  ({least:.2}, {most:.2})   {:8.0}/s",
        ratios[middle], absolute[middle]
    );
}

async fn gateway(upstream: &Peer, own: usize, other: usize) -> anyhow::Result<Gateway> {
    let setup = Setup {
        nodes: 0,
        ..Setup::default()
    };
    let mut gateway = Gateway::with(setup).await;
    pin(own);
    gateway
        .join(&["--workers".to_owned(), "1".to_owned()])
        .await;
    pin(other);
    let admin = gateway.admin();
    let url = format!("http://{}", upstream.address);
    admin
        .create("/services", json!({ "name": "bench", "url": url }))
        .await;
    admin
        .create("/consumers", json!({ "username": "ann" }))
        .await;
    admin
        .create("/consumers/ann/key-auth", json!({ "key": "secret" }))
        .await;
    let request = (
        "request-transformer",
        json!({ "add": { "headers": ["X-Added:1"] } }),
    );
    let response = (
        "response-transformer",
        json!({ "add": { "headers": ["X-Answered:1"] } }),
    );
    let edit = (
        "response-transformer",
        json!({ "add": { "headers": ["X-Answered:1"], "json": ["added:1"] }, "remove": { "json": ["field000"] } }),
    );
    let key = ("key-auth", json!({}));
    let routes: [(&str, &[(&str, Value)]); 4] = [
        ("plain", &[]),
        ("key", std::slice::from_ref(&key)),
        ("three", &[key.clone(), request.clone(), response]),
        ("json", &[key.clone(), request, edit]),
    ];
    for (name, plugins) in routes {
        // Not stripped: the upstream's long document is on `/json`, every other path is short.
        let route = json!({ "name": name, "paths": [format!("/{name}")], "strip_path": false });
        admin.create("/services/bench/routes", route).await;
        for (plugin, config) in plugins {
            admin
                .plugin(&format!("/routes/{name}"), plugin, config.clone())
                .await;
        }
    }
    gateway.settled().await;
    Ok(gateway)
}

fn ours(gateway: &Gateway) -> Vec<Target> {
    let node = gateway.node();
    let lines = [
        ("headgate, plain", "/plain", &[][..]),
        ("headgate, key-auth", "/key", KEY),
        ("headgate, key-auth and both transformers", "/three", KEY),
        ("headgate, the same and a 10 KiB JSON edit", "/json", KEY),
    ];
    let target = |(name, path, headers)| {
        let question = Question::new(node.proxy, path, headers);
        Target {
            name,
            process: node.process.id(),
            question,
        }
    };
    lines.into_iter().map(target).collect()
}

/// What is installed of the others; says what is left out.
fn rivals(
    folder: &Path,
    upstream: &Peer,
    own: usize,
    other: usize,
) -> anyhow::Result<(Vec<Peer>, Vec<Target>)> {
    type Start = fn(&Path, std::net::SocketAddr) -> anyhow::Result<Peer>;
    type Rival = (
        &'static str,
        bool,
        Start,
        &'static [(&'static str, &'static str)],
    );
    let all: [Rival; 4] = [
        (BASE, true, peers::plain_nginx, &[]),
        (
            "nginx, the three steps in Lua",
            peers::nginx_has_lua(),
            peers::lua_nginx,
            KEY,
        ),
        (
            "HAProxy, plain",
            peers::installed("haproxy", "-v"),
            peers::haproxy,
            &[],
        ),
        (
            "Envoy, plain",
            peers::installed("envoy", "--version"),
            peers::envoy,
            &[],
        ),
    ];
    let (mut running, mut targets) = (Vec::new(), Vec::new());
    for (name, there, start, headers) in all {
        if !there {
            println!("left out: {name} is not installed");
            continue;
        }
        pin(own);
        let peer = start(folder, upstream.address);
        pin(other);
        let peer = peer?;
        let question = Question::new(peer.address, "/", headers);
        targets.push(Target {
            name,
            process: peer.id(),
            question,
        });
        running.push(peer);
    }
    Ok((running, targets))
}
