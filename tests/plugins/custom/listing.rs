//! The guide's own listing, byte for byte, from beside the repository. It is not part of the project: without it, or where
//! nobody may listen on port 443, the test says that it is left out.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tests::authority::Authority;
use tests::tls::Front;
use tests::wire::{self, Reply, Request};
use tests::{Setup, http2, installed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::Stage;

/// The third party's name in the listing.
const NAME: &str = "httpbin.konghq.com";

/// `handler.lua` and `schema.lua`.
fn listing() -> std::io::Result<[String; 2]> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/seed");
    let read = |name: &str| std::fs::read_to_string(folder.join(name));
    Ok([read("handler.lua")?, read("schema.lua")?])
}

/// Two nodes with the listing on the routes `/mine`, with a setting, and `/default`, without.
async fn stage(
    [handler, schema]: [String; 2],
    authority: &Authority,
) -> (Stage, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("the folder can be written");
        path.display().to_string()
    };
    let hosts = write("hosts", &format!("127.0.0.1 {NAME}\n"));
    let trusted = write("ca.pem", &authority.certificate);
    let mut setup = Setup::node_flags([
        "--workers",
        "1",
        "--custom-plugins-egress",
        "any",
        "--dns-hostsfile",
        &hosts,
        "--lua-ssl-trusted-certificate",
        &trusted,
    ]);
    setup.nodes = 2;
    let stage = Stage::with(setup).await;
    let body = json!({ "name": "my-plugin", "schema": schema, "handler": handler });
    let stored = stage.gateway.admin().create("/custom-plugins", body).await;
    assert_eq!(stored["handler"], handler.as_str(), "byte for byte");
    for (route, config) in [
        ("mine", json!({ "response_header_name": "X-Mine" })),
        ("default", json!({})),
    ] {
        stage.route(route, &format!("/{route}")).await;
        stage.plugin(route, "my-plugin", config).await;
    }
    stage.gateway.settled().await;
    (stage, folder)
}

/// The same request to every node over HTTP/1.1 and HTTP/2.
async fn everywhere(stage: &Stage, path: &str) -> Vec<Reply> {
    let answer = tests::script(&json!({ "status": 201, "body": "of the upstream" }));
    let request = Request::get(path).header("X-Script", answer.trim_start_matches("/script/"));
    let mut replies = Vec::new();
    for node in &stage.gateway.nodes {
        replies.push(wire::exchange(node.proxy, &request).await);
        replies.push(http2::exchange(node.proxy_tls, &request).await);
    }
    replies
}

#[tokio::test]
async fn the_guides_own_listing_runs_byte_for_byte() {
    const TEST: &str = "the_guides_own_listing_runs_byte_for_byte";
    let listing = match listing() {
        Ok(listing) => listing,
        Err(error) => {
            return installed::skipped(TEST, &format!("the guide's listing is not there: {error}"));
        }
    };
    let (authority, third_party) = (Authority::root(), ThirdParty::start().await);
    let port = SocketAddr::from(([127, 0, 0, 1], 443));
    let front = match Front::on(port, third_party.address, &authority.sign(&[NAME])).await {
        Ok(front) => front,
        Err(error) => {
            return installed::skipped(TEST, &format!("port 443 can not be listened on: {error}"));
        }
    };
    let (stage, _folder) = stage(listing, &authority).await;
    let url = format!("https://{NAME}/anything");
    third_party.says(&json!({ "url": url }).to_string());
    for (path, header) in [("/mine", "x-mine"), ("/default", "x-myplugin")] {
        for reply in everywhere(&stage, path).await {
            let got = (reply.status, reply.text(), reply.header(header));
            let expected = (201, "of the upstream".to_owned(), Some(url.as_str()));
            assert_eq!(got, expected, "S1, S5: {reply}");
        }
    }
    let heard = third_party.heard();
    assert!(heard.starts_with("GET /anything HTTP/1.1\r\n"), "{heard}");
    assert!(
        heard
            .to_lowercase()
            .contains(&format!("\r\nhost: {NAME}\r\n")),
        "{heard}"
    );
    assert_eq!(
        front.name().as_deref(),
        Some(NAME),
        "the server's name is asked for"
    );
    stage.logged(&["[my-plugin]", "response handler"]).await;

    third_party.says("<html>");
    let why = "Error when decoding 3rd party service response: \
               Expected value but found invalid token at character 1";
    for reply in everywhere(&stage, "/mine").await {
        assert_page(&reply, why);
    }

    third_party.says("{}");
    for reply in everywhere(&stage, "/mine").await {
        assert_eq!(reply.status, 500, "S4: {reply}");
        assert_eq!(
            reply.json()["message"],
            "An unexpected error occurred",
            "S4"
        );
    }

    drop(front);
    for reply in everywhere(&stage, "/mine").await {
        assert_page(
            &reply,
            "Error when trying to access 3rd party service: connection refused",
        );
    }

    // A certificate of somebody else's.
    let before = third_party.heard();
    let stranger = Authority::root().sign(&[NAME]);
    let front = Front::on(port, third_party.address, &stranger).await;
    let _front = front.expect("the port was free before");
    third_party.says(&json!({ "url": url }).to_string());
    for reply in everywhere(&stage, "/mine").await {
        assert_eq!(
            (reply.status, reply.header("x-mine")),
            (500, None),
            "{reply}"
        );
        assert!(
            reply
                .text()
                .contains("<p>Error when trying to access 3rd party service: "),
            "{reply}"
        );
    }
    assert_eq!(third_party.heard(), before, "nothing is said to a stranger");
}

#[track_caller]
fn assert_page(reply: &Reply, message: &str) {
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (500, Some("text/html")),
        "{reply}"
    );
    let id = reply
        .header("x-kong-request-id")
        .expect("every answer has an id");
    for line in [
        format!("<p>{message}.</p>"),
        format!("<p>request_id: {id}</p>"),
    ] {
        assert!(reply.text().contains(&line), "no {line} in {reply}");
    }
}

/// An HTTP server that answers everything with one body, and closes: who asks again connects again.
struct ThirdParty {
    address: SocketAddr,
    said: Arc<Mutex<Said>>,
    accept: AbortHandle,
}

#[derive(Default)]
struct Said {
    answer: String,
    heard: String,
}

impl Drop for ThirdParty {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

impl ThirdParty {
    async fn start() -> ThirdParty {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a loopback port is free");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let said = Arc::new(Mutex::new(Said::default()));
        let shared = said.clone();
        let accept = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, shared.clone()));
            }
        });
        ThirdParty {
            address,
            said,
            accept: accept.abort_handle(),
        }
    }

    /// What it says from now on.
    fn says(&self, body: &str) {
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.said.lock().expect("no holder panics").answer = answer;
    }

    /// The head of the last request.
    fn heard(&self) -> String {
        self.said.lock().expect("no holder panics").heard.clone()
    }
}

async fn answer(mut stream: TcpStream, said: Arc<Mutex<Said>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_buf(&mut head).await {
            Ok(read) if read > 0 => {}
            _ => return,
        }
    }
    let answer = {
        let mut said = said.lock().expect("no holder panics");
        said.heard = String::from_utf8_lossy(&head).into_owned();
        said.answer.clone()
    };
    // Who goes away before the answer does not get it.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}
