//! TLS for tests: a client that accepts any certificate and keeps it to look at, and a server before a plain upstream.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, HandshakeKind, ServerConfig,
    SignatureScheme,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::authority::Signed;

#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

/// As [`AnyCertificate`], with a say in which signatures it can check.
#[derive(Debug)]
struct Checks(AnyCertificate, Vec<SignatureScheme>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Checks {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.0
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls12_signature(&self.0, message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls13_signature(&self.0, message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.1.clone()
    }
}

/// Connects and completes the handshake, offering `alpn`; `sni` of `None` sends no server name.
pub async fn connect(
    address: SocketAddr,
    sni: Option<&str>,
    alpn: &[&str],
) -> io::Result<TlsStream<TcpStream>> {
    connect_with(address, sni, alpn, None).await
}

async fn connect_with(
    address: SocketAddr,
    sni: Option<&str>,
    alpn: &[&str],
    schemes: Option<&[SignatureScheme]>,
) -> io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let any = AnyCertificate(provider.clone());
    let schemes = match schemes {
        Some(schemes) => schemes.to_vec(),
        None => ServerCertVerifier::supported_verify_schemes(&any),
    };
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Checks(any, schemes)))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config.enable_sni = sni.is_some();
    let name = match sni {
        Some(name) => ServerName::try_from(name.to_owned()).map_err(io::Error::other)?,
        None => ServerName::IpAddress(address.ip().into()),
    };
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

/// One client that makes two connections and asks for `/` on each. It shows `signed` if it is asked, and comes back to a
/// session if it can: of each connection how the handshake went, and the whole answer.
pub async fn twice(
    address: SocketAddr,
    sni: &str,
    signed: &Signed,
) -> io::Result<[(Option<HandshakeKind>, String); 2]> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let (chain, key) = signed.parts();
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_client_auth_cert(chain, key)
        .expect("the key is that of the certificate");
    let connector = TlsConnector::from(Arc::new(config));
    let exchange = async || {
        let name = ServerName::try_from(sni.to_owned()).map_err(io::Error::other)?;
        let stream = TcpStream::connect(address).await?;
        let mut stream = connector.connect(name, stream).await?;
        let request = format!("GET / HTTP/1.1\r\nHost: {sni}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let kind = stream.get_ref().1.handshake_kind();
        Ok::<_, io::Error>((kind, String::from_utf8_lossy(&answer).into_owned()))
    };
    Ok([exchange().await?, exchange().await?])
}

/// The certificate that a server shows to a client that can check these signatures.
pub async fn shown(
    address: SocketAddr,
    sni: Option<&str>,
    schemes: &[SignatureScheme],
) -> io::Result<CertificateDer<'static>> {
    let stream = connect_with(address, sni, &[], Some(schemes)).await?;
    let shown = stream.get_ref().1.peer_certificates();
    let first = shown.and_then(|chain| chain.first().cloned());
    first.ok_or_else(|| io::Error::other("no certificate was shown"))
}

/// A TLS server in front of a plain one. It counts its connections, and keeps who connected.
pub struct Front {
    pub address: SocketAddr,
    seen: Arc<Seen>,
    accept: AbortHandle,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    client: Mutex<Option<CertificateDer<'static>>>,
    name: Mutex<Option<String>>,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

impl Front {
    /// Shows `signed`, asks clients for a certificate and takes any, and passes what they send to `target`.
    pub async fn of(target: SocketAddr, signed: &Signed) -> Front {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let front = Front::on(free, target, signed).await;
        front.expect("a loopback port is free")
    }

    /// As [`Front::of`], on an address of the caller's choice.
    ///
    /// # Errors
    /// Where the address can not be listened on.
    pub async fn on(address: SocketAddr, target: SocketAddr, signed: &Signed) -> io::Result<Front> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let (chain, key) = signed.parts();
        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("the provider supports the default versions")
            .with_client_cert_verifier(Arc::new(AnyCertificate(provider)))
            .with_single_cert(chain, key)
            .expect("the key is that of the certificate");
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Seen::default());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let accept = tokio::spawn(accept(listener, acceptor, target, seen.clone())).abort_handle();
        Ok(Front {
            address,
            seen,
            accept,
        })
    }

    /// Handshakes that were completed.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// The server name that the last client asked for.
    pub fn name(&self) -> Option<String> {
        self.seen.name.lock().expect("no holder panics").clone()
    }

    /// What the last client showed.
    pub fn client(&self) -> Option<CertificateDer<'static>> {
        self.seen.client.lock().expect("no holder panics").clone()
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, target: SocketAddr, seen: Arc<Seen>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, seen) = (acceptor.clone(), seen.clone());
        tokio::spawn(async move {
            // A client that does not trust us goes away here.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            seen.connections.fetch_add(1, Ordering::SeqCst);
            let name = stream.get_ref().1.server_name().map(str::to_owned);
            *seen.name.lock().expect("no holder panics") = name;
            let client = stream.get_ref().1.peer_certificates();
            *seen.client.lock().expect("no holder panics") =
                client.and_then(|chain| chain.first().cloned());
            if let Ok(mut plain) = TcpStream::connect(target).await {
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut plain).await;
            }
        });
    }
}

impl ClientCertVerifier for AnyCertificate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls12_signature(self, message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls13_signature(self, message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ServerCertVerifier::supported_verify_schemes(self)
    }
}
