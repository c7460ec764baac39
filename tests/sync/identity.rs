//! Who may join, and who gets an answer (R16; I16).

use tests::process::Launch;
use tests::wait::eventually;
use tests::wire::Conn;
use tests::{Gateway, Setup, tls};

fn join(gateway: &Gateway, name: &str, token: &str) -> Launch {
    let folder = gateway.folder().join(name);
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    Launch::new("headgate-dp", &folder)
        .args([
            "--data-dir".to_owned(),
            folder.join("state").display().to_string(),
        ])
        .args([
            "--control-plane".to_owned(),
            gateway.control_plane.sync.to_string(),
        ])
        .args([
            "--proxy-listen",
            "127.0.0.1:0",
            "--status-listen",
            "127.0.0.1:0",
            "--join",
            token,
        ])
}

#[tokio::test]
async fn a_token_lets_one_node_in() {
    let gateway = Gateway::with(Setup::nodes(0)).await;
    let token = gateway.control_plane.token().await;
    let _first = join(&gateway, "first", &token).start().await;
    // It serves before it has joined: the token is used when the control plane knows the node.
    eventually("the first node has joined", || async {
        let nodes = gateway.admin().get("/headgate/data-planes").await.json();
        nodes["data"].as_array().is_some_and(|data| data.len() == 1)
    })
    .await;
    let second = join(&gateway, "second", &token).run().await;
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(
        second.stderr.contains("token"),
        "it says what is wrong: {second:?}"
    );
}

#[tokio::test]
async fn a_word_that_is_no_token_stops_the_start() {
    let gateway = Gateway::with(Setup::nodes(0)).await;
    let token = gateway.control_plane.token().await;
    // One character of the secret is another one.
    let middle = token.len() / 2;
    let other = if token.as_bytes()[middle] == b'a' {
        "b"
    } else {
        "a"
    };
    let wrong = format!("{}{other}{}", &token[..middle], &token[middle + 1..]);
    for word in ["nonsense", wrong.as_str()] {
        let refused = join(&gateway, "refused", word).run().await;
        assert!(matches!(refused.code, Some(1 | 2)), "{refused:?}");
        assert!(!refused.stderr.contains("panicked"), "{refused:?}");
        assert!(
            !refused.stderr.contains(&wrong),
            "the word is a secret: {refused:?}"
        );
    }
}

#[tokio::test]
async fn without_a_certificate_the_sync_port_says_nothing() {
    let gateway = Gateway::with(Setup::nodes(0)).await;
    let sync = gateway.control_plane.sync;
    // TLS 1.3 lets a client finish before the server has looked: the refusal may come with the first read.
    if let Ok(_stream) = tls::connect(sync, None, &["h2"]).await {
        let mut conn = Conn::tls(sync, None)
            .await
            .expect("it connected a moment ago");
        let _ = conn
            .send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
            .await;
        let reply = conn.reply("GET").await;
        assert_eq!((reply.status, reply.body.len()), (0, 0), "{reply}");
        assert_eq!(reply.note, "connection error", "a TLS alert, not an answer");
    }
    let mut plain = Conn::plain(sync).await.expect("the port is open");
    let _ = plain.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(plain.reply("GET").await.status, 0);
}
