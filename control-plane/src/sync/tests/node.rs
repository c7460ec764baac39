//! A node that does what a test says.

use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use shared::sync::frame::{self, Assembly};
use shared::sync::proto::{
    self, Ack, Begin, FromNode, Goodbye, Hello, Identity, JoinRequest, Nack, Refusal, RenewRequest,
    ToNode, Update, Welcome, ack, enroll_client::EnrollClient, from_node::M as From,
    identities_client::IdentitiesClient, nack, sync_client::SyncClient, to_node::M as To,
};
use shared::sync::{Change, PROTOCOL, State, Version, token};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Node {
    pub(super) id: Uuid,
    pub(super) certificates: Certificates,
    pub(super) state: State,
    pub(super) running: Option<Version>,
    pub(super) refused: Vec<Refusal>,
    pub(super) software: String,
}

/// What a node shows, and whom it believes.
#[derive(Clone)]
pub(super) struct Certificates {
    pub(super) own: Option<(CertificateDer<'static>, Arc<KeyPair>)>,
    pub(super) authority: CertificateDer<'static>,
}

impl Certificates {
    fn of(identity: &Identity, key: Arc<KeyPair>) -> Certificates {
        let certificate = |der: &Vec<u8>| CertificateDer::from(der.clone());
        Certificates {
            own: Some((certificate(&identity.chain[0]), key)),
            authority: certificate(&identity.cas[0]),
        }
    }

    fn config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match &self.own {
            Some((certificate, key)) => {
                let key = PrivatePkcs8KeyDer::from(key.serialize_der());
                builder
                    .with_client_auth_cert(vec![certificate.clone()], key.into())
                    .unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }

    /// A gRPC channel over one TLS connection.
    pub(super) async fn channel(
        &self,
        address: SocketAddr,
    ) -> Result<Channel, tonic::transport::Error> {
        let connector = TlsConnector::from(Arc::new(self.config()));
        let connect = move |_| {
            let connector = connector.clone();
            async move {
                let tcp = TcpStream::connect(address).await?;
                let name = ServerName::try_from("localhost").expect("a DNS name");
                io::Result::Ok(TokioIo::new(connector.connect(name, tcp).await?))
            }
        };
        Endpoint::from_static("http://cp")
            .connect_with_connector(tower::service_fn(connect))
            .await
    }
}

/// A request to sign `key`, and the key.
pub(super) fn request() -> (Vec<u8>, Arc<KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default()
        .serialize_request(&key)
        .unwrap();
    (request.der().to_vec(), Arc::new(key))
}

/// Asks for an identity, trusting the CA that the token names and nothing else.
pub(super) async fn join(
    address: SocketAddr,
    word: &str,
    csr: Vec<u8>,
) -> Result<Identity, Status> {
    let channel = Certificates {
        own: None,
        authority: pinned_authority(address, word).await,
    }
    .channel(address)
    .await
    .map_err(|error| Status::unavailable(error.to_string()))?;
    let request = JoinRequest {
        token: word.to_owned(),
        csr,
        hostname: "node.test".to_owned(),
        software: "1.0".to_owned(),
    };
    Ok(EnrollClient::new(channel).join(request).await?.into_inner())
}

/// The certificate of the server's chain whose key has the hash in the token; any if the word is no token.
async fn pinned_authority(address: SocketAddr, word: &str) -> CertificateDer<'static> {
    let chain = super::trust::presented_chain(address).await;
    let pinned = token::parse(word).ok().map(|token| token.ca_key);
    let matches = |certificate: &&CertificateDer<'static>| {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).unwrap();
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, parsed.public_key().raw);
        pinned.is_none_or(|pinned| hash.as_ref() == pinned) && parsed.is_ca()
    };
    chain
        .iter()
        .find(matches)
        .expect("the CA that the token pins is in the chain")
        .clone()
}

impl Node {
    pub(super) async fn join(address: SocketAddr, word: &str) -> Result<Node, Status> {
        let (csr, key) = request();
        let identity = join(address, word, csr).await?;
        Ok(Node {
            id: identity.node_id.parse().expect("node ids are UUIDs"),
            certificates: Certificates::of(&identity, key),
            state: State::new(),
            running: None,
            refused: Vec::new(),
            software: "1.0".to_owned(),
        })
    }

    /// Trades the certificate for a new one.
    pub(super) async fn renew(&mut self, address: SocketAddr) -> Result<(), Status> {
        let channel = self
            .certificates
            .channel(address)
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let (csr, key) = request();
        let identity = IdentitiesClient::new(channel)
            .renew(RenewRequest { csr })
            .await?
            .into_inner();
        assert_eq!(identity.node_id, self.id.to_string());
        self.certificates = Certificates::of(&identity, key);
        Ok(())
    }

    pub(super) fn hello(&self) -> Hello {
        Hello {
            protocol: PROTOCOL,
            node_id: self.id.to_string(),
            instance_id: Uuid::new_v4().as_bytes().to_vec(),
            software: self.software.clone(),
            running: self.running.map(Into::into),
            refused: self.refused.clone(),
            booted_from: "empty".to_owned(),
            hostname: "node.test".to_owned(),
            ..Hello::default()
        }
    }

    /// Connects, says Hello and hears Welcome.
    pub(super) async fn connect(&self, address: SocketAddr) -> (Link, Welcome) {
        let mut link = self.open(address).await;
        link.say(From::Hello(self.hello())).await;
        match link.hear().await {
            Some(To::Welcome(welcome)) => (link, welcome),
            other => panic!("no Welcome but {other:?}"),
        }
    }

    /// A stream on which nothing has been said.
    pub(super) async fn open(&self, address: SocketAddr) -> Link {
        let channel = self.certificates.channel(address).await.unwrap();
        let (to, messages) = mpsc::channel(16);
        let stream = SyncClient::new(channel)
            .connect(ReceiverStream::new(messages))
            .await
            .unwrap();
        Link {
            to,
            from: stream.into_inner(),
        }
    }

    /// Receives one update, checks it as a node must, applies it and says so.
    pub(super) async fn follow(&mut self, link: &mut Link) -> Received {
        let received = link.update().await;
        self.take(&received);
        link.applied(&received).await;
        received
    }

    /// What a node does with an update before it answers.
    pub(super) fn take(&mut self, received: &Received) {
        let base = received
            .begin
            .base
            .as_ref()
            .map(|base| Version::try_from(base).unwrap());
        assert!(
            base.is_none() || base == self.running,
            "a delta names exactly what the node runs"
        );
        let from = if base.is_some() {
            self.state.clone()
        } else {
            State::new()
        };
        self.state = from.apply(&received.changes).unwrap();
        assert_eq!(self.state.digest(), received.target.digest);
        assert_eq!(self.state.bytes(), received.begin.state_bytes);
        assert!(
            self.running
                .is_none_or(|running| received.target.order(&running).is_gt())
        );
        self.running = Some(received.target);
    }
}

/// An update, whole.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) id: u64,
    pub(super) begin: Begin,
    pub(super) target: Version,
    pub(super) changes: Vec<Change>,
    pub(super) parts: usize,
}

impl Received {
    pub(super) fn is_delta(&self) -> bool {
        self.begin.base.is_some()
    }
}

/// One stream.
pub(super) struct Link {
    to: mpsc::Sender<FromNode>,
    from: Streaming<ToNode>,
}

impl Link {
    pub(super) async fn say(&mut self, message: From) {
        self.to.send(FromNode { m: Some(message) }).await.unwrap();
    }

    /// The next message that is no heartbeat; `None`: the stream has ended.
    pub(super) async fn hear(&mut self) -> Option<To> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.from.message())
                .await
                .expect("silence for 5 s");
            match message.ok().flatten()?.m {
                Some(To::Heartbeat(_)) | None => {}
                said => return said,
            }
        }
    }

    /// Whether nothing but heartbeats comes for that long.
    pub(super) async fn is_silent(&mut self, long: Duration) -> bool {
        tokio::time::timeout(long, self.hear()).await.is_err()
    }

    pub(super) async fn goodbye(&mut self) -> Goodbye {
        match self.hear().await {
            Some(To::Goodbye(goodbye)) => goodbye,
            other => panic!("no Goodbye but {other:?}"),
        }
    }

    pub(super) async fn update(&mut self) -> Received {
        let mut part = self.part().await;
        let mut assembly = Assembly::new(
            part.id,
            part.begin
                .clone()
                .expect("the first part begins the update"),
        );
        let mut parts = 1;
        let data = loop {
            if let Some(data) = assembly.push(&part).unwrap() {
                break data;
            }
            part = self.part().await;
            parts += 1;
        };
        let begin = assembly.begin;
        let target =
            Version::try_from(begin.target.as_ref().expect("an update has a target")).unwrap();
        let changes = frame::decode(&data, begin.raw_bytes).unwrap();
        Received {
            id: assembly.id,
            begin,
            target,
            changes,
            parts,
        }
    }

    async fn part(&mut self) -> Update {
        match self.hear().await {
            Some(To::Update(update)) => update,
            other => panic!("no Update but {other:?}"),
        }
    }

    pub(super) async fn applied(&mut self, received: &Received) {
        self.acknowledge(received, ack::Stage::Applied).await;
    }

    pub(super) async fn acknowledge(&mut self, received: &Received, stage: ack::Stage) {
        let version = Some(received.target.into());
        self.say(From::Ack(Ack {
            update_id: received.id,
            version,
            stage: stage.into(),
            ..Ack::default()
        }))
        .await;
    }

    pub(super) async fn reject(&mut self, received: &Received, code: nack::Code) {
        let issue = proto::Issue {
            kind: "services".to_owned(),
            field: "port".to_owned(),
            message: "no".to_owned(),
            ..Default::default()
        };
        let nack = Nack {
            update_id: received.id,
            target: Some(received.target.into()),
            code: code.into(),
            issues: vec![issue],
            more: 0,
        };
        self.say(From::Nack(nack)).await;
    }
}
