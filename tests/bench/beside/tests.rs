//! Figures beside nginx mean something only if nginx does the same work.

use std::path::Path;

use ::tests::wire::{Reply, exchange};
use ::tests::{Request, Upstream};
use serde_json::Value;

use super::*;

const SUITES: [&Suite; 2] = [&transformers::SUITE, &plugins::SUITE];

/// Both proxies in front of an upstream; `None`, said aloud, if nginx is not here with Lua and cjson.
async fn both(suite: &Suite, folder: &Path, upstream: SocketAddr) -> Option<(Alone, Peer)> {
    if !peers::installed("nginx", "-v") || !peers::nginx_has_lua() {
        println!("skipped: nginx with Lua is not installed");
        return None;
    }
    let nginx = match nginx(suite, folder, upstream) {
        Ok(nginx) => nginx,
        Err(error) if format!("{error:#}").contains("cjson") => {
            println!("skipped: lua-cjson is not installed");
            return None;
        }
        Err(error) => panic!("{error:#}"),
    };
    let document = suite.document(&format!("http://{upstream}"));
    let node = Alone::start(&folder.join("node"), &document).await;
    Some((node.expect("the node starts"), nginx))
}

async fn answer(address: SocketAddr, case: &Case) -> Reply {
    let request = Request::get(&format!("/{}{}", case.route, case.asked.path));
    let headers = case.asked.headers.iter();
    let request = headers.fold(request, |request, (name, value)| {
        request.header(name, value)
    });
    exchange(address, &request).await.expect_status(200)
}

/// The headers that cases are about, sorted; those that a gateway sets by itself are none of them.
fn ours<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let named = |name: &str| {
        let kinds = [
            "remove", "rename", "replace", "add", "append", "from", "who", "answered",
        ];
        kinds
            .iter()
            .any(|kind| name.starts_with(&format!("x-{kind}")))
    };
    let lines = headers.map(|(name, value)| (name.to_ascii_lowercase(), value));
    let mut found: Vec<String> = lines
        .filter(|(name, _)| named(name))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn both_proxies_send_the_same_headers_up() {
    for suite in SUITES {
        sent_up(suite).await;
    }
}

async fn sent_up(suite: &Suite) {
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let Some((node, nginx)) = both(suite, folder.path(), upstream.address()).await else {
        return;
    };
    let sent = |reply: Reply| {
        let document = reply.json();
        let lines = document["headers"]
            .as_array()
            .expect("headers are echoed")
            .clone();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let lines: Vec<(String, String)> = lines
            .iter()
            .map(|line| (text(&line[0]), text(&line[1])))
            .collect();
        ours(
            lines
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        )
    };
    for case in suite.cases {
        let headgate = sent(answer(node.proxy, case).await);
        assert_eq!(
            headgate,
            sent(answer(nginx.address, case).await),
            "{}",
            case.route
        );
        if case.route == transformers::ON_REQUESTS {
            let expected = [
                "x-add-1: one",
                "x-add-2: two",
                "x-append-1: more",
                "x-append-1: one",
                "x-append-2: two",
                "x-renamed-1: one",
                "x-renamed-2: two",
                "x-replace-1: other",
                "x-replace-2: another",
            ];
            assert_eq!(headgate, expected);
        }
    }
}

#[tokio::test]
async fn both_proxies_give_the_same_answer() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    if !peers::installed("nginx", "-v") {
        println!("skipped: nginx is not installed");
        return;
    }
    let upstream = peers::upstream(folder.path()).expect("the upstream starts");
    for suite in SUITES {
        answered(suite, folder.path(), upstream.address).await;
    }
}

async fn answered(suite: &Suite, folder: &Path, upstream: SocketAddr) {
    let Some((node, nginx)) = both(suite, folder, upstream).await else {
        return;
    };
    for case in suite.cases {
        let seen =
            |reply: &Reply| ours(reply.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        let (own, other) = (
            answer(node.proxy, case).await,
            answer(nginx.address, case).await,
        );
        assert_eq!(seen(&own), seen(&other), "{}", case.route);
        if case.asked.bytes > 100 {
            assert_eq!(own.json(), other.json(), "{}", case.route);
            assert_eq!(own.json()["added"], "1");
        } else {
            assert_eq!((own.body.len(), other.body.len()), (100, 100));
        }
    }
}
