use super::node::{self, Node};
use super::*;
use tonic::Code;

#[tokio::test]
async fn a_token_lets_as_many_nodes_in_as_it_has_uses() {
    let home = Home::new().await;
    let token = home.token(3).await;
    let mut joins = Vec::new();
    for _ in 0..12 {
        let (address, token) = (home.enroll(), token.clone());
        joins.push(tokio::spawn(async move {
            Node::join(address, &token).await.map(|node| node.id)
        }));
    }
    let mut ids = std::collections::BTreeSet::new();
    let mut refused = Vec::new();
    for join in joins {
        match join.await.unwrap() {
            Ok(id) => assert!(ids.insert(id)),
            Err(status) => refused.push(status),
        }
    }
    assert_eq!(ids.len(), 3);
    assert!(
        refused
            .iter()
            .all(|status| status.code() == Code::PermissionDenied
                && status.message().contains("used up"))
    );
    let [status] = home.hub.tokens().await.unwrap().try_into().unwrap();
    assert_eq!((status.uses, status.used), (3, 3));
    let known: Vec<Uuid> = home.hub.nodes().into_iter().map(|node| node.id).collect();
    assert!(known.into_iter().eq(ids));
}

#[tokio::test]
async fn a_join_whose_answer_was_lost_can_be_asked_for_again() {
    let home = Home::new().await;
    let token = home.token(1).await;
    let (csr, _) = node::request();
    let first = node::join(home.enroll(), &token, csr.clone())
        .await
        .unwrap();
    let again = node::join(home.enroll(), &token, csr).await.unwrap();
    assert_eq!(again.node_id, first.node_id);
    let stranger = Node::join(home.enroll(), &token).await;
    let refusal = stranger.err().expect("the token has one use");
    assert!(refusal.message().contains("used up"), "{refusal}");
    let [status] = home.hub.tokens().await.unwrap().try_into().unwrap();
    assert_eq!((status.used, home.hub.nodes().len()), (1, 1));
}

#[tokio::test]
async fn a_node_gets_the_labels_of_its_token_and_keeps_them() {
    let home = Home::new().await;
    let node = home.joined().await;
    let home = home.restarted().await;
    let status = home.status(&node);
    assert_eq!(status.labels.get("region").map(String::as_str), Some("eu"));
    assert_eq!(
        (status.hostname.as_str(), status.version.as_str()),
        ("node.test", "1.0")
    );
    assert_eq!(
        (status.state, status.connected, status.last_seen),
        (NodeState::Active, false, None)
    );
    let days = (status.certificate_expires.unwrap() - record::now()) as f64 / 86_400.0;
    assert!((29.9..30.1).contains(&days), "{days} days");
}

#[tokio::test]
async fn what_is_no_good_token_lets_nobody_in_and_says_why() {
    let home = Home::new().await;
    let other = Home::new().await;
    let good = home.token(1).await;
    let expired = home
        .hub
        .create_token(
            NewToken {
                ttl: Duration::ZERO,
                uses: 1,
                labels: Labels::new(),
            },
            "test".into(),
        )
        .await
        .unwrap();
    let forged = {
        let mut token = shared::sync::token::parse(&good).unwrap();
        token.secret[0] ^= 1;
        shared::sync::token::render(&token)
    };
    let foreign = {
        let mut token = shared::sync::token::parse(&other.token(1).await).unwrap();
        token.ca_key = shared::sync::token::parse(&good).unwrap().ca_key;
        shared::sync::token::render(&token)
    };
    let cases = [
        (expired, Code::PermissionDenied, "expired"),
        (forged, Code::PermissionDenied, "not known"),
        (foreign, Code::PermissionDenied, "not known"),
        (
            "secret".to_owned(),
            Code::InvalidArgument,
            "not a join token",
        ),
        (good[..40].to_owned(), Code::InvalidArgument, "pasted whole"),
    ];
    for (word, code, text) in cases {
        let (csr, _) = node::request();
        let status = node::join(home.enroll(), &word, csr).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(text), "{status}");
    }
    let status = node::join(home.enroll(), &good, b"not a request".to_vec())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(home.hub.nodes().is_empty());
    assert_eq!(
        home.hub
            .tokens()
            .await
            .unwrap()
            .iter()
            .map(|token| token.used)
            .sum::<u32>(),
        0
    );
}

#[tokio::test]
async fn the_secret_of_a_token_is_not_stored() {
    let home = Home::new().await;
    let token = shared::sync::token::parse(&home.token(1).await).unwrap();
    let hex: String = token
        .secret
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    for entry in std::fs::read_dir(home.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let content = std::fs::read(&path).unwrap();
            let holds =
                |needle: &[u8]| content.windows(needle.len()).any(|window| window == needle);
            assert!(!holds(&token.secret) && !holds(hex.as_bytes()), "{path:?}");
        }
    }
}

#[tokio::test]
async fn a_token_made_while_nothing_runs_works_afterwards() {
    let folder = TempDir::new().unwrap();
    let new = NewToken {
        ttl: Duration::from_secs(60),
        uses: 1,
        labels: Labels::new(),
    };
    let store = Store::open(folder.path()).unwrap();
    let word = create_token(&store, folder.path(), 8006, new, "test".into())
        .await
        .unwrap();
    drop(store);
    assert_eq!(shared::sync::token::parse(&word).unwrap().enroll_port, 8006);
    let home = Home::in_folder(folder).await;
    Node::join(home.enroll(), &word).await.unwrap();
}

#[tokio::test]
async fn a_renewed_certificate_has_the_same_name_and_works() {
    let home = Home::new().await;
    let mut node = home.joined().await;
    let before = node.certificates.own.clone().unwrap().0;
    node.renew(home.sync()).await.unwrap();
    assert_ne!(node.certificates.own.as_ref().unwrap().0, before);
    node.connect(home.sync()).await;
    assert!(home.hub.revoke(node.id).await.unwrap());
    let refused = node.renew(home.sync()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}
