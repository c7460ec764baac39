use super::node::Certificates;
use super::*;
use crate::sync::pki::Authority;
use rcgen::KeyPair;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use shared::sync::proto::sync_client::SyncClient;
use shared::sync::proto::{FromNode, goodbye::Reason};
use std::os::unix::fs::PermissionsExt;
use tokio::net::TcpStream;

/// Believes everything, to look at it.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

async fn handshake(
    address: SocketAddr,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap();
    let mut config = config
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

/// What the enrolment server shows to anybody.
pub(super) async fn presented_chain(address: SocketAddr) -> Vec<CertificateDer<'static>> {
    let stream = handshake(address, &[&rustls::version::TLS13])
        .await
        .unwrap();
    stream
        .get_ref()
        .1
        .peer_certificates()
        .unwrap()
        .iter()
        .map(|certificate| certificate.clone().into_owned())
        .collect()
}

/// Whether a stream can be opened with these certificates.
async fn is_let_in(certificates: &Certificates, address: SocketAddr) -> bool {
    let Ok(channel) = certificates.channel(address).await else {
        return false;
    };
    SyncClient::new(channel)
        .connect(tokio_stream::empty::<FromNode>())
        .await
        .is_ok()
}

#[tokio::test]
async fn only_a_node_of_this_cluster_gets_past_the_handshake() {
    let home = Home::new().await;
    let node = home.joined().await;
    let authority = node.certificates.authority.clone();
    assert!(is_let_in(&node.certificates, home.sync()).await);

    let stranger = TempDir::new().unwrap();
    let other = Authority::open(&stranger.path().join("pki")).unwrap();
    let own = Authority::open(&home.folder.path().join("pki")).unwrap();
    let (csr, foreign_key) = super::node::request();
    let foreign = other.node(&csr, node.id).unwrap().certificate;
    let plane = own.control_plane("cp", &[]).unwrap();
    let plane_key = KeyPair::try_from(plane.key.secret_der()).unwrap();
    let cases = [
        ("none", None),
        ("of another CA", Some((foreign, foreign_key))),
        (
            "of a control plane",
            Some((plane.certificate, Arc::new(plane_key))),
        ),
    ];
    for (name, own) in cases {
        let certificates = Certificates {
            own,
            authority: authority.clone(),
        };
        assert!(!is_let_in(&certificates, home.sync()).await, "{name}");
    }
}

#[tokio::test]
async fn tls_1_2_is_not_spoken() {
    let home = Home::new().await;
    for address in [home.sync(), home.enroll()] {
        assert!(
            handshake(address, &[&rustls::version::TLS12])
                .await
                .is_err()
        );
    }
}

#[tokio::test]
async fn a_node_that_claims_anothers_id_gets_nothing() {
    let home = Home::new().await;
    home.first().await;
    let (mut liar, honest) = (home.joined().await, home.joined().await);
    liar.id = honest.id;
    let mut link = liar.open(home.sync()).await;
    link.say(shared::sync::proto::from_node::M::Hello(liar.hello()))
        .await;
    assert_eq!(link.goodbye().await.reason(), Reason::Protocol);
    assert!(link.hear().await.is_none());
    assert!(!home.status(&honest).connected);
}

#[tokio::test]
async fn a_revoked_node_is_cut_off_at_once_and_for_good() {
    let home = Home::new().await;
    home.first().await;
    let mut node = home.joined().await;
    let (mut link, _) = node.connect(home.sync()).await;
    node.follow(&mut link).await;
    let began = Instant::now();
    assert!(home.hub.revoke(node.id).await.unwrap());
    assert_eq!(link.goodbye().await.reason(), Reason::Revoked);
    assert!(began.elapsed() < Duration::from_secs(5));
    let home = home.restarted().await;
    let mut link = node.open(home.sync()).await;
    link.say(shared::sync::proto::from_node::M::Hello(node.hello()))
        .await;
    assert_eq!(link.goodbye().await.reason(), Reason::Revoked);
    assert!(!home.hub.revoke(Uuid::from_u128(9)).await.unwrap());
}

#[tokio::test]
async fn the_authority_outlives_restarts_and_its_key_is_private() {
    let home = Home::new().await;
    let node = home.joined().await;
    let home = home.restarted().await;
    node.connect(home.sync()).await;
    let mode = |name: &str| {
        std::fs::metadata(home.folder.path().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode("pki"), mode("pki/ca.key")), (0o700, 0o600));
}

#[test]
fn a_key_of_another_authority_is_noticed() {
    let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for folder in [&one, &other] {
        Authority::open(folder.path()).unwrap();
    }
    std::fs::copy(other.path().join("ca.key"), one.path().join("ca.key")).unwrap();
    assert!(matches!(
        Authority::open(one.path()),
        Err(HubError::Pki { .. })
    ));
}

// Elsewhere 127.0.0.2 is no address of this machine until somebody says so.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn connections_that_say_nothing_keep_no_node_out() {
    let home = Home::new().await;
    let node = home.joined().await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
        silent.push(socket.connect(home.sync()).await.unwrap());
    }
    let began = Instant::now();
    node.connect(home.sync()).await;
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
}
