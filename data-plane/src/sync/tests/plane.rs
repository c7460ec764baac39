//! A control plane in the hands of a test: real TLS, real HTTP/2, and every word of it chosen by the test.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair,
    SanType,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, PrivatePkcs8KeyDer};
use shared::settings::Endpoint;
use shared::sync::frame::{self, Frame};
use shared::sync::peer::Peer;
use shared::sync::proto::ack::Stage;
use shared::sync::proto::enroll_server::{Enroll, EnrollServer};
use shared::sync::proto::identities_server::{Identities, IdentitiesServer};
use shared::sync::proto::sync_server::{Sync, SyncServer};
use shared::sync::proto::welcome::Plan;
use shared::sync::proto::*;
use shared::sync::token::{self, Token};
use shared::sync::{PROTOCOL, State};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::super::verify::{key_hash, provider};

/// Whatever takes longer than this has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A cluster's CA.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    pub(super) fn new() -> Arc<Self> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::new(params, key);
        Arc::new(Self {
            issuer,
            certificate,
        })
    }

    fn node(&self, csr: &[u8], node_id: &str, days: (i64, i64)) -> Identity {
        let der = CertificateSigningRequestDer::from(csr);
        let request = CertificateSigningRequestParams::from_der(&der).unwrap();
        let params = leaf(&Peer::data_plane(node_id), days);
        let certificate = params.signed_by(&request.public_key, &self.issuer).unwrap();
        Identity {
            node_id: node_id.to_owned(),
            chain: vec![certificate.der().to_vec()],
            cas: vec![self.certificate.to_vec()],
        }
    }

    fn server(&self, peer: &Peer, clients: bool) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let certificate = leaf(peer, (-1, 30)).signed_by(&key, &self.issuer).unwrap();
        let chain = vec![certificate.der().clone(), self.certificate.clone()];
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider())
            .build()
            .unwrap();
        let builder = match clients {
            true => builder.with_client_cert_verifier(verifier),
            false => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }
}

fn leaf(peer: &Peer, (from, to): (i64, i64)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI(peer.to_string().try_into().unwrap())];
    params.not_before = OffsetDateTime::now_utc() + time::Duration::days(from);
    params.not_after = OffsetDateTime::now_utc() + time::Duration::days(to);
    params
}

/// How the plane treats those who join, in days relative to now.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) first: (i64, i64),
    pub(super) renewed: (i64, i64),
    pub(super) refuse: Option<&'static str>,
    /// Whose certificate the sync listener shows.
    pub(super) poses_as: Peer,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            first: (-1, 30),
            renewed: (-1, 30),
            refuse: None,
            poses_as: Peer::control_plane("test"),
        }
    }
}

/// A running control plane.
pub(super) struct Plane {
    pub(super) authority: Arc<Authority>,
    sync: SocketAddr,
    enroll: SocketAddr,
    sessions: UnboundedReceiver<Session>,
    pub(super) renewals: Arc<Mutex<u32>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Plane {
    pub(super) async fn start(terms: Terms) -> Self {
        Self::start_at(Authority::new(), terms, "127.0.0.1:0").await
    }

    /// With a given authority and sync address, as after a restart.
    pub(super) async fn start_at(authority: Arc<Authority>, terms: Terms, sync: &str) -> Self {
        let (arrived, sessions) = mpsc::unbounded_channel();
        let desk = Desk {
            authority: authority.clone(),
            terms: terms.clone(),
            arrived,
            renewals: Arc::default(),
        };
        let renewals = desk.renewals.clone();
        let routes = Routes::new(SyncServer::new(desk.clone()))
            .add_service(IdentitiesServer::new(desk.clone()));
        let (sync, sync_task) = serve(sync, authority.server(&terms.poses_as, true), routes).await;
        let routes = Routes::new(EnrollServer::new(desk));
        let config = authority.server(&Peer::control_plane("test"), false);
        let (enroll, enroll_task) = serve("127.0.0.1:0", config, routes).await;
        Self {
            authority,
            sync,
            enroll,
            sessions,
            renewals,
            tasks: vec![sync_task, enroll_task],
        }
    }

    pub(super) fn address(&self) -> String {
        self.sync.to_string()
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint {
            host: self.sync.ip().to_string(),
            port: self.sync.port(),
        }
    }

    pub(super) fn token(&self) -> String {
        self.token_for(key_hash(&self.authority.certificate).unwrap())
    }

    pub(super) fn token_for(&self, ca_key: [u8; 32]) -> String {
        token::render(&Token {
            id: Uuid::nil(),
            secret: [7; 32],
            ca_key,
            enroll_port: self.enroll.port(),
        })
    }

    /// The next node that says Hello.
    pub(super) async fn session(&mut self) -> Session {
        let session = tokio::time::timeout(PATIENCE, self.sessions.recv()).await;
        session
            .expect("a node says Hello in time")
            .expect("the plane serves")
    }

    /// Whether nobody says Hello for a while.
    pub(super) async fn nobody_within(&mut self, wait: Duration) -> bool {
        tokio::time::timeout(wait, self.sessions.recv())
            .await
            .is_err()
    }
}

async fn serve(
    address: &str,
    config: ServerConfig,
    routes: Routes,
) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let task = tokio::spawn(async move {
        // Dropped with the listener, and every connection with it: a plane that is gone says nothing more.
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, routes) = (acceptor.clone(), routes.clone());
            connections.spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let service = TowerToHyperService::new(routes);
                let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (address, task)
}

#[derive(Clone)]
struct Desk {
    authority: Arc<Authority>,
    terms: Terms,
    arrived: UnboundedSender<Session>,
    renewals: Arc<Mutex<u32>>,
}

pub(super) const NODE_ID: &str = "0190d1c2-7a00-7000-8000-00000000000a";

#[tonic::async_trait]
impl Enroll for Desk {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<Identity>, Status> {
        if let Some(reason) = self.terms.refuse {
            return Err(Status::permission_denied(reason));
        }
        let request = request.into_inner();
        assert_eq!(token::parse(&request.token).unwrap().secret, [7; 32]);
        Ok(Response::new(self.authority.node(
            &request.csr,
            NODE_ID,
            self.terms.first,
        )))
    }
}

#[tonic::async_trait]
impl Identities for Desk {
    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<Identity>, Status> {
        *self.renewals.lock().unwrap() += 1;
        let csr = request.into_inner().csr;
        Ok(Response::new(self.authority.node(
            &csr,
            NODE_ID,
            self.terms.renewed,
        )))
    }
}

#[tonic::async_trait]
impl Sync for Desk {
    type ConnectStream = UnboundedReceiverStream<Result<ToNode, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<FromNode>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let mut heard = request.into_inner();
        let (say, said) = mpsc::unbounded_channel();
        let Some(FromNode {
            m: Some(from_node::M::Hello(hello)),
        }) = heard.message().await?
        else {
            return Err(Status::invalid_argument("Hello comes first"));
        };
        let _ = self.arrived.send(Session {
            hello,
            say,
            heard,
            updates: 0,
        });
        Ok(Response::new(UnboundedReceiverStream::new(said)))
    }
}

/// One node's session, led by the test.
pub(super) struct Session {
    pub(super) hello: Hello,
    say: UnboundedSender<Result<ToNode, Status>>,
    heard: Streaming<FromNode>,
    updates: u64,
}

impl Session {
    pub(super) fn welcome(&self, plan: Plan) {
        self.say(to_node::M::Welcome(Welcome {
            protocol: PROTOCOL,
            cp: "test".to_owned(),
            plan: plan.into(),
            heartbeat_ms: 10_000,
            ..Welcome::default()
        }));
    }

    pub(super) fn say(&self, message: to_node::M) {
        let _ = self.say.send(Ok(ToNode { m: Some(message) }));
    }

    /// Sends a snapshot of `state`.
    pub(super) fn snapshot(&mut self, version: shared::sync::Version, state: &State) {
        self.send(None, version, frame::encode_state(state), state.bytes());
    }

    /// Sends what makes `base` into `state`.
    pub(super) fn delta(
        &mut self,
        (base, before): (shared::sync::Version, &State),
        (target, state): (shared::sync::Version, &State),
    ) {
        self.send(
            Some(base),
            target,
            frame::encode(&before.diff(state)),
            state.bytes(),
        );
    }

    /// Says that having no documents is meant.
    pub(super) fn explicit_empty(&mut self, target: shared::sync::Version) {
        self.updates += 1;
        let begin = Begin {
            target: Some(target.into()),
            explicit_empty: true,
            ..Begin::default()
        };
        for part in frame::updates(self.updates, begin, &frame::encode([]).data) {
            self.say(to_node::M::Update(part));
        }
    }

    pub(super) fn send(
        &mut self,
        base: Option<shared::sync::Version>,
        target: shared::sync::Version,
        frame: Frame,
        state_bytes: u64,
    ) {
        self.updates += 1;
        let begin = Begin {
            base: base.map(Into::into),
            target: Some(target.into()),
            raw_bytes: frame.raw_bytes,
            state_bytes,
            ..Begin::default()
        };
        for part in frame::updates(self.updates, begin, &frame.data) {
            self.say(to_node::M::Update(part));
        }
    }

    /// What the node says next, heartbeats aside; `None` when it has hung up.
    pub(super) async fn hear(&mut self) -> Option<from_node::M> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.heard.message()).await;
            match message.expect("the node speaks in time").ok()??.m? {
                from_node::M::Heartbeat(_) => continue,
                other => return Some(other),
            }
        }
    }

    pub(super) async fn ack(&mut self) -> (Stage, u64) {
        match self.hear().await {
            Some(from_node::M::Ack(ack)) => (ack.stage(), ack.version.unwrap().revision),
            other => panic!("no Ack: {other:?}"),
        }
    }

    pub(super) async fn nack(&mut self) -> Nack {
        match self.hear().await {
            Some(from_node::M::Nack(nack)) => nack,
            other => panic!("no Nack: {other:?}"),
        }
    }
}
