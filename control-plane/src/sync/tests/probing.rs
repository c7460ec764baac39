use super::*;
use shared::sync::proto::nack::Code;

const A_WHILE: Duration = Duration::from_millis(200);

#[tokio::test]
async fn one_node_has_a_version_before_the_others_do() {
    let home = Home::new().await;
    home.first().await;
    let (mut one, mut other) = (home.joined().await, home.joined().await);
    let (mut first, _) = one.connect(home.sync()).await;
    one.follow(&mut first).await;
    let (mut second, _) = other.connect(home.sync()).await;
    other.follow(&mut second).await;

    home.service(2, "second").await;
    // Whichever is asked, the other hears nothing until it has answered.
    tokio::select! {
        received = first.update() => {
            assert!(second.is_silent(A_WHILE).await);
            one.take(&received);
            first.applied(&received).await;
            other.follow(&mut second).await;
        }
        received = second.update() => {
            assert!(first.is_silent(A_WHILE).await);
            other.take(&received);
            second.applied(&received).await;
            one.follow(&mut first).await;
        }
    }
    assert_eq!(one.running, other.running);
}

#[tokio::test]
async fn a_version_that_its_probe_refuses_reaches_nobody_else() {
    let home = Home::new().await;
    home.first().await;
    let (mut one, mut other) = (home.joined().await, home.joined().await);
    let (mut first, _) = one.connect(home.sync()).await;
    one.follow(&mut first).await;
    let (mut second, _) = other.connect(home.sync()).await;
    other.follow(&mut second).await;

    home.service(2, "second").await;
    let (refusing, mut kept) = tokio::select! {
        received = first.update() => { first.reject(&received, Code::Build).await; (one.id, second) }
        received = second.update() => { second.reject(&received, Code::Build).await; (other.id, first) }
    };
    eventually(|| {
        home.hub
            .publish_blocked()
            .is_some_and(|blocked| blocked.revision == 2)
    })
    .await;
    assert!(kept.is_silent(A_WHILE).await);
    assert_eq!(home.hub.released_revision(), Some(1));
    let nack = home
        .hub
        .nodes()
        .into_iter()
        .find(|node| node.id == refusing)
        .unwrap()
        .last_nack
        .unwrap();
    assert_eq!((nack.revision, nack.code.as_str()), (2, "BUILD"));
    assert_eq!(nack.issues, ["services port: no"]);
    let halted = home
        .hub
        .wait_applied(2, Quorum::All, Duration::from_secs(5))
        .await;
    assert!(!halted.reached);

    // A start later it is still halted, and new nodes get what was released.
    let home = home.restarted().await;
    let mut late = home.joined().await;
    let (mut link, _) = late.connect(home.sync()).await;
    assert_eq!(late.follow(&mut link).await.target.revision, 1);
    assert!(link.is_silent(A_WHILE).await);
    // What repairs it is tried anew.
    home.service(2, "repaired").await;
    assert_eq!(late.follow(&mut link).await.target.revision, 3);
    eventually(|| home.hub.publish_blocked().is_none()).await;
}

#[tokio::test]
async fn a_state_that_no_node_could_build_is_not_published() {
    let home = Home::new().await;
    home.first().await;
    let mut node = home.joined().await;
    let (mut link, _) = node.connect(home.sync()).await;
    node.follow(&mut link).await;
    home.write(vec![Write::Insert {
        kind: "services",
        document: broken(2),
    }])
    .await;
    eventually(|| home.hub.publish_blocked().is_some()).await;
    let blocked = home.hub.publish_blocked().unwrap();
    assert_eq!(blocked.revision, 2);
    assert!(blocked.issues[0].contains("port"), "{:?}", blocked.issues);
    assert!(link.is_silent(A_WHILE).await);

    let home = home.restarted().await;
    assert_eq!(home.hub.publish_blocked().unwrap().revision, 2);
    assert_eq!(home.hub.released_revision(), Some(1));
    home.service(2, "repaired").await;
    let (mut link, _) = node.connect(home.sync()).await;
    assert_eq!(node.follow(&mut link).await.target.revision, 3);
    assert!(home.hub.publish_blocked().is_none());
}

#[tokio::test]
async fn refused_content_is_not_sent_to_that_node_again() {
    let home = Home::new().await;
    home.first().await;
    let mut node = home.joined().await;
    let (mut link, _) = node.connect(home.sync()).await;
    let received = link.update().await;
    link.reject(&received, Code::Invalid).await;
    assert!(link.is_silent(A_WHILE).await);
    assert!(
        home.status(&node)
            .reason
            .unwrap()
            .contains("refuses revision 1")
    );
    drop(link);
    node.refused.push(shared::sync::proto::Refusal {
        digest: received.target.digest.to_bytes().to_vec(),
        ..Default::default()
    });
    let (mut link, _) = node.connect(home.sync()).await;
    assert!(link.is_silent(A_WHILE).await);
    home.service(1, "repaired").await;
    node.follow(&mut link).await;
}
