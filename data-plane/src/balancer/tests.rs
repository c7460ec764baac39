//! Balancers whole: from documents to the peer of a request.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use shared::entities::{self, Declared, Target, Upstream};
use shared::model::Model;
use shared::plugins::Catalog;
use shared::sync::State;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::health::passive::Outcome;
use super::peers::Peers;
use super::revision::Balancers;
use super::{Balancer, report};
use crate::carried::dns::tests::{Server, a, service};
use crate::carried::dns::{Dns, Options};
use crate::runtime::{ProxySettings, Runtime};

const UPSTREAM: u128 = 1;

fn read<T: Declared>(document: Value) -> Arc<T> {
    let entity = entities::find(T::KIND).expect("a declared entity is listed");
    let read = entity.schema.read(document.to_string().as_bytes());
    Arc::new(read.unwrap_or_else(|error| panic!("{error}")))
}

fn upstream_document(more: &Value) -> Value {
    let mut document = json!({ "id": Uuid::from_u128(UPSTREAM), "name": "u.test" });
    for (name, value) in more.as_object().expect("members") {
        document[name] = value.clone();
    }
    document
}

fn target_document(number: u128, target: &str, weight: u16) -> Value {
    json!({
        "id": Uuid::from_u128(100 + number), "upstream": { "id": Uuid::from_u128(UPSTREAM) },
        "target": target, "weight": weight, "created_at": number,
    })
}

fn targets(of: &[(&str, u16)]) -> Vec<Arc<Target>> {
    let numbered = of.iter().zip(0..);
    numbered
        .map(|((target, weight), number)| read(target_document(number, target, *weight)))
        .collect()
}

fn balancer(more: Value, of: &[(&str, u16)]) -> Arc<Balancer> {
    let upstream: Arc<Upstream> = read(upstream_document(&more));
    Arc::new(Balancer::new(upstream, targets(of), None))
}

/// A resolver that knows what is in this hosts file and has nobody to ask.
fn dns(hosts: &str) -> Dns {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(hosts.as_bytes()).expect("it can be written");
    let options = Options {
        servers: vec!["127.0.0.1:1".parse().expect("an address")],
        hosts_file: file.path().to_owned(),
        ..Options::default()
    };
    Dns::new(options, Handle::current()).expect("a resolver")
}

async fn peers(balancer: &Arc<Balancer>) -> Arc<Peers> {
    balancer
        .peers(&dns(
            "127.0.0.9 a.test\n127.0.0.8 a.test\n127.0.0.7 b.test\n",
        ))
        .await
}

/// How often each address is picked.
fn shares(balancer: &Balancer, peers: &Peers, requests: usize) -> HashMap<String, usize> {
    let mut shares = HashMap::new();
    for _ in 0..requests {
        if let Some(peer) = balancer.pick(peers, 0, &[]) {
            let address = peers.list[peer].found.place.address.to_string();
            *shares.entry(address).or_default() += 1;
        }
    }
    shares
}

fn passive(threshold: u8) -> Value {
    json!({ "healthchecks": {
        "threshold": threshold, "passive": { "unhealthy": { "tcp_failures": 1, "http_failures": 2 } },
    } })
}

#[tokio::test]
async fn weights_share_the_requests_exactly() {
    let balancer = balancer(
        json!({}),
        &[
            ("127.0.0.1:80", 300),
            ("127.0.0.2:80", 100),
            ("127.0.0.3:80", 0),
        ],
    );
    let shares = shares(&balancer, &*peers(&balancer).await, 40);
    assert_eq!(
        shares,
        HashMap::from([("127.0.0.1:80".into(), 30), ("127.0.0.2:80".into(), 10)])
    );
}

#[tokio::test]
async fn every_address_of_a_name_has_the_full_weight_of_its_target() {
    let balancer = balancer(
        json!({}),
        &[
            ("a.test:81", 100),
            ("b.test:82", 50),
            ("gone.invalid:83", 100),
        ],
    );
    let peers = peers(&balancer).await;
    let shares = shares(&balancer, &peers, 50);
    let expected = [
        ("127.0.0.8:81", 20),
        ("127.0.0.9:81", 20),
        ("127.0.0.7:82", 10),
    ];
    assert_eq!(
        shares,
        expected
            .map(|(address, share)| (address.to_owned(), share))
            .into()
    );
    // Health is per address.
    let hurt = &peers.list[0];
    hurt.state.health.mark(false);
    assert!(
        peers.list[1..]
            .iter()
            .all(|peer| peer.state.health.is_healthy())
    );
}

#[tokio::test]
async fn the_host_is_that_of_the_target_with_its_port_unless_it_is_the_protocols_own() {
    let cases = [
        (json!({}), "a.test:80", "a.test", "a.test:80"),
        (json!({}), "a.test:443", "a.test:443", "a.test"),
        (json!({}), "127.0.0.1:81", "127.0.0.1:81", "127.0.0.1:81"),
        (
            json!({}),
            "[::1]:81",
            "[0000:0000:0000:0000:0000:0000:0000:0001]:81",
            "[0000:0000:0000:0000:0000:0000:0000:0001]:81",
        ),
        (
            json!({ "host_header": "hh.test" }),
            "a.test:81",
            "hh.test:81",
            "hh.test:81",
        ),
        (
            json!({ "host_header": "hh.test" }),
            "a.test:80",
            "hh.test",
            "hh.test:80",
        ),
        (
            json!({ "host_header": "hh.test:9" }),
            "a.test:81",
            "hh.test:9",
            "hh.test:9",
        ),
    ];
    for (more, target, plain, tls) in cases {
        let balancer = balancer(more, &[(target, 100)]);
        let peer = &peers(&balancer).await.list[0];
        assert_eq!(
            (peer.host.to_str().ok(), peer.tls_host.to_str().ok()),
            (Some(plain), Some(tls))
        );
    }
}

#[tokio::test]
async fn peers_that_failed_a_request_are_passed_over_until_all_have() {
    for algorithm in ["round-robin", "least-connections", "latency"] {
        let of = [
            ("127.0.0.1:80", 100),
            ("127.0.0.2:80", 1),
            ("127.0.0.3:80", 1),
        ];
        let balancer = balancer(json!({ "algorithm": algorithm }), &of);
        let peers = peers(&balancer).await;
        for _ in 0..20 {
            assert_eq!(balancer.pick(&peers, 0, &[0, 2]), Some(1), "{algorithm}");
            assert!(
                balancer.pick(&peers, 0, &[0, 1, 2]).is_some(),
                "{algorithm}"
            );
        }
    }
    let hashing = balancer(
        json!({ "hash_on": "ip", "algorithm": "consistent-hashing" }),
        &[("127.0.0.1:80", 1), ("127.0.0.2:80", 1)],
    );
    let peers = peers(&hashing).await;
    let point = hashing.pick(&peers, 7, &[]).expect("a peer");
    assert_eq!(
        hashing.pick(&peers, 7, &[point]),
        Some(point),
        "a request keeps to its point"
    );
}

#[tokio::test]
async fn answers_take_peers_out_and_nobody_left_is_nobody() {
    let balancer = balancer(passive(0), &[("127.0.0.1:80", 100), ("127.0.0.2:80", 100)]);
    let peers = peers(&balancer).await;
    let status = |status| Outcome::Status(StatusCode::from_u16(status).expect("a status"));
    balancer.tried(&peers.list[0], status(500));
    assert_eq!(shares(&balancer, &peers, 10).len(), 2, "one of two");
    balancer.tried(&peers.list[0], status(500));
    assert_eq!(
        shares(&balancer, &peers, 10),
        HashMap::from([("127.0.0.2:80".into(), 10)])
    );
    balancer.tried(&peers.list[1], status(504));
    balancer.tried(&peers.list[1], status(404));
    assert_eq!(
        shares(&balancer, &peers, 10).len(),
        1,
        "these say nothing here"
    );
    balancer.tried(&peers.list[1], Outcome::Broken);
    assert_eq!(balancer.pick(&peers, 0, &[]), None);
}

#[tokio::test]
async fn without_checks_nobody_is_taken_out() {
    let balancer = balancer(json!({}), &[("127.0.0.1:80", 100)]);
    let peers = peers(&balancer).await;
    for _ in 0..5 {
        balancer.tried(&peers.list[0], Outcome::Broken);
    }
    assert_eq!(balancer.pick(&peers, 0, &[]), Some(0));
    peers.list[0].state.health.mark(false);
    assert_eq!(
        balancer.pick(&peers, 0, &[]),
        Some(0),
        "what was known before the checks were off"
    );
}

#[tokio::test]
async fn more_than_the_threshold_must_be_healthy() {
    for (threshold, healthy) in [(49, true), (50, false), (51, false)] {
        let balancer = balancer(
            passive(threshold),
            &[("127.0.0.1:80", 100), ("127.0.0.2:80", 100)],
        );
        let peers = peers(&balancer).await;
        assert!(balancer.pick(&peers, 0, &[]).is_some());
        balancer.tried(&peers.list[0], Outcome::Broken);
        assert_eq!(
            balancer.pick(&peers, 0, &[]).is_some(),
            healthy,
            "{threshold}"
        );
        let said = report::upstream(&balancer, &dns("")).await;
        assert_eq!(
            said["health"],
            if healthy { "HEALTHY" } else { "UNHEALTHY" }
        );
        assert_eq!(
            said["details"]["weight"],
            json!({ "total": 200, "available": 100, "unavailable": 100 })
        );
    }
}

#[tokio::test]
async fn without_targets_there_is_nobody_by_any_algorithm() {
    for algorithm in [
        "round-robin",
        "least-connections",
        "latency",
        "consistent-hashing",
    ] {
        for of in [&[][..], &[("127.0.0.1:80", 0)], &[("gone.invalid:80", 100)]] {
            let balancer = balancer(json!({ "algorithm": algorithm }), of);
            let peers = peers(&balancer).await;
            assert_eq!(balancer.pick(&peers, 0, &[]), None, "{algorithm} {of:?}");
        }
    }
}

#[tokio::test]
async fn health_is_told_in_kongs_words() {
    let of = [
        ("127.0.0.1:80", 100),
        ("127.0.0.2:80", 0),
        ("gone.invalid:80", 7),
    ];
    let checked = balancer(passive(0), &of);
    let words = |said: &[Value]| {
        said.iter()
            .map(|target| target["health"].as_str().unwrap_or("").to_owned())
            .collect::<Vec<_>>()
    };
    let said = report::targets(&checked, &dns("")).await;
    assert_eq!(
        words(&said),
        ["DNS_ERROR", "HEALTHCHECKS_OFF", "HEALTHY"],
        "the newest first"
    );
    assert_eq!(said[2]["target"], "127.0.0.1:80");
    assert_eq!(
        said[2]["data"]["addresses"],
        json!([{ "ip": "127.0.0.1", "port": 80, "weight": 100, "health": "HEALTHY" }])
    );
    let peers = checked.peers(&dns("")).await;
    checked.tried(&peers.list[0], Outcome::Broken);
    assert_eq!(
        words(&report::targets(&checked, &dns("")).await)[2],
        "UNHEALTHY"
    );
    let off = balancer(json!({}), &of);
    assert_eq!(
        words(&report::targets(&off, &dns("")).await)[2],
        "HEALTHCHECKS_OFF"
    );
    assert_eq!(
        report::upstream(&off, &dns("")).await["health"],
        "HEALTHCHECKS_OFF"
    );
}

/// A revision that holds these documents.
fn runtime(
    upstream: &Value,
    of: &[Value],
    previous: Option<(&State, &Runtime)>,
) -> (State, Runtime) {
    let mut state = State::new();
    let mut put = |kind: &str, document: &Value| {
        let entity = entities::find(kind).expect("a known kind");
        let document = entity
            .schema
            .complete(None, document.as_object().expect("members").clone());
        let id = Uuid::parse_str(document["id"].as_str().expect("an id")).expect("an id");
        state.insert(&kind.into(), id, shared::sync::canonical(&document));
    };
    put("upstreams", upstream);
    of.iter().for_each(|target| put("targets", target));
    let known = previous.map(|(state, runtime)| (state, &*runtime.model));
    let model = Model::build(&state, known, Catalog::builtin()).expect("good documents");
    let settings = Arc::new(ProxySettings::new(&crate::Config::default()));
    let runtime = Runtime::build(
        Arc::new(model),
        None,
        previous.map(|(_, runtime)| runtime),
        settings,
    );
    (state, runtime)
}

fn only(balancers: &Balancers) -> &Arc<Balancer> {
    balancers.get("u.test").expect("it was built")
}

#[tokio::test]
async fn what_is_known_of_peers_outlives_a_change_of_their_upstream() {
    let upstream = upstream_document(&passive(0));
    let mut of: Vec<Value> = (1..4)
        .map(|n| target_document(n, &format!("127.0.0.{n}:80"), 100))
        .collect();
    let (state, first) = runtime(&upstream, &of, None);
    let before = only(&first.balancers);
    before.tried(&before.peers(&dns("")).await.list[1], Outcome::Broken);

    let (state, same) = runtime(&upstream, &of, Some((&state, &first)));
    assert!(
        Arc::ptr_eq(before, only(&same.balancers)),
        "nothing changed"
    );

    of.remove(0);
    let mut changed = upstream.clone();
    changed["slots"] = 20.into();
    let (_, second) = runtime(&changed, &of, Some((&state, &same)));
    let after = only(&second.balancers);
    let peers = after.peers(&dns("")).await;
    let health: Vec<bool> = peers
        .list
        .iter()
        .map(|peer| peer.state.health.is_healthy())
        .collect();
    assert_eq!(health, [false, true]);
    assert_eq!(
        shares(after, &peers, 4),
        HashMap::from([("127.0.0.3:80".into(), 4)])
    );
    assert!(
        second
            .balancers
            .find(&Uuid::from_u128(UPSTREAM).to_string())
            .is_some()
    );
    assert!(second.balancers.find("other").is_none());
}

/// Checklist 38.
#[tokio::test]
async fn services_have_the_weight_and_the_port_of_their_records() {
    let server = Server::start(vec![
        ("s.test.", 60, service(1, 30, 8001, "one.test.")),
        ("s.test.", 60, service(1, 10, 0, "two.test.")),
        ("one.test.", 60, a(1)),
        ("two.test.", 60, a(2)),
    ])
    .await;
    let host = |peers: &Peers| peers.list[0].host.to_str().map(str::to_owned).ok();
    let plain = balancer(json!({}), &[("s.test:80", 100)]);
    let peers = plain.peers(&server.dns()).await;
    let expected = [("10.0.0.1:8001", 30), ("10.0.0.2:80", 10)];
    let expected = expected.map(|(address, share)| (address.to_owned(), share));
    assert_eq!(shares(&plain, &peers, 40), HashMap::from(expected));
    assert_eq!(host(&peers).as_deref(), Some("s.test:8001"));
    let named = balancer(json!({ "use_srv_name": true }), &[("s.test:80", 100)]);
    let peers = named.peers(&server.dns()).await;
    assert_eq!(host(&peers).as_deref(), Some("one.test:8001"));
    let none = balancer(json!({}), &[("s.test:80", 0)]);
    assert_eq!(none.pick(&*none.peers(&server.dns()).await, 0, &[]), None);
}

#[tokio::test]
async fn a_name_is_followed_where_it_leads_and_addresses_that_stay_keep_their_health() {
    let server = Server::start(vec![("m.test.", 0, a(1)), ("m.test.", 0, a(2))]).await;
    let balancer = balancer(passive(0), &[("m.test:80", 100)]);
    let dns = server.dns();
    let peers = balancer.peers(&dns).await;
    balancer.tried(&peers.list[1], Outcome::Broken);
    server.replace(vec![("m.test.", 0, a(2)), ("m.test.", 0, a(3))]);
    let peers = balancer.peers(&dns).await;
    let found: Vec<_> = peers
        .list
        .iter()
        .map(|peer| {
            (
                peer.found.place.address.to_string(),
                peer.state.health.is_healthy(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("10.0.0.2:80".to_owned(), false),
            ("10.0.0.3:80".to_owned(), true)
        ]
    );
    server.replace(vec![]);
    assert!(balancer.peers(&dns).await.list.is_empty());
}

#[tokio::test]
async fn a_new_name_that_nobody_answers_for_holds_up_nobody() {
    let server = Server::start(vec![("a.test.", 60, a(1)), ("b.test.", 60, a(2))]).await;
    let dns = server.dns();
    let first = balancer(json!({}), &[("a.test:80", 100), ("10.0.0.9:80", 100)]);
    first.peers(&dns).await;
    server.be_silent(true);
    let upstream: Arc<Upstream> = read(upstream_document(&json!({})));
    let of = [("a.test:80", 100), ("10.0.0.9:80", 100), ("b.test:80", 100)];
    let second = Arc::new(Balancer::new(upstream, targets(&of), Some(&first)));
    let begun = std::time::Instant::now();
    let addresses = |peers: &Peers| {
        let of = peers
            .list
            .iter()
            .map(|peer| peer.found.place.address.to_string());
        of.collect::<Vec<_>>()
    };
    for _ in 0..12 {
        let peers = second.peers(&dns).await;
        assert_eq!(
            addresses(&peers),
            ["10.0.0.1:80", "10.0.0.9:80"],
            "those that are known"
        );
    }
    assert!(
        begun.elapsed() < super::PATIENCE * 6,
        "only the first request waited"
    );
    server.be_silent(false);
    let deadline = begun + std::time::Duration::from_secs(60);
    while second.peers(&dns).await.list.len() < 3 {
        assert!(
            std::time::Instant::now() < deadline,
            "the new name is never found"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
