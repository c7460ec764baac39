//! Starting and stopping: listeners, what keeps a control plane from starting, and what it keeps.

use crate::client::{Plane, config};
use control_plane::StartError;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::json;
use shared::settings::Exit;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

/// Starts with these settings; panics if it does.
async fn refused(settings: &[(&str, &str)]) -> StartError {
    let folder = tempfile::tempdir().expect("a temporary directory");
    match control_plane::start(config(folder.path(), settings)).await {
        Err(error) => error,
        Ok(running) => panic!("it started on {:?}", running.listening()),
    }
}

#[tokio::test]
async fn an_address_in_use_is_named_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    for setting in ["admin_listen", "sync_listen", "enroll_listen"] {
        let error = refused(&[(setting, &address)]).await;
        assert_eq!(error.exit(), Exit::CannotBind);
        let text = error.to_string();
        assert!(text.contains(&address) && text.contains(setting), "{text}");
    }
}

#[tokio::test]
async fn a_certificate_of_ones_own_is_used_and_a_bad_one_named() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let made = rcgen::generate_simple_self_signed(vec!["cp.test".to_owned()]).expect("made");
    let [certificate, key] = ["own.crt", "own.key"].map(|name| folder.path().join(name));
    std::fs::write(&certificate, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let [certificate, key] = [certificate, key].map(|path| path.display().to_string());
    let mut settings = vec![
        ("admin_listen", "127.0.0.1:0 ssl"),
        ("admin_ssl_cert", certificate.as_str()),
        ("admin_ssl_cert_key", key.as_str()),
    ];
    let plane = Plane::start_with(&settings).await;
    assert!(!plane.data_dir().join("admin.crt").exists());
    let mut roots = RootCertStore::empty();
    let own = CertificateDer::from_pem_file(&certificate).expect("written above");
    roots.add(own).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(plane.running.admin_ssl[0]).await;
    let name = ServerName::try_from("cp.test").expect("a name");
    let connector = TlsConnector::from(Arc::new(client));
    let shaken = connector.connect(name, stream.expect("it listens")).await;
    shaken.expect("it shows the certificate of the settings");
    settings[1].1 = "/nowhere/own.crt";
    let error = refused(&settings).await;
    assert!(error.to_string().contains("'/nowhere/own.crt'"), "{error}");
    assert_eq!(error.exit(), Exit::Failed);
}

#[tokio::test]
async fn two_control_planes_do_not_share_a_folder() {
    let plane = Plane::start().await;
    let folder = plane.data_dir();
    let parent = folder.parent().expect("the folder is below another");
    let error = control_plane::start(config(parent, &[]))
        .await
        .err()
        .expect("refused");
    assert!(matches!(error, StartError::Store(_)), "{error}");
}

#[tokio::test]
async fn listeners_can_be_off() {
    let settings = [
        ("admin_listen", "off"),
        ("sync_listen", "off"),
        ("enroll_listen", "off"),
    ];
    let plane = Plane::start_with(&settings).await;
    assert_eq!(plane.running.listening(), []);
}

#[tokio::test]
async fn tls_listeners_speak_http2_with_the_certificate_in_the_folder() {
    let settings = [("admin_listen", "127.0.0.1:0, 127.0.0.1:0 http2 ssl")];
    let plane = Plane::start_with(&settings).await;
    let certificate = CertificateDer::from_pem_file(plane.data_dir().join("admin.crt"));
    let mut roots = RootCertStore::empty();
    roots
        .add(certificate.expect("made at the start"))
        .expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them");
    let mut client = client.with_root_certificates(roots).with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(plane.running.admin_ssl[0])
        .await
        .expect("it listens");
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TlsConnector::from(Arc::new(client))
        .connect(name, stream)
        .await;
    let stream = stream.expect("the certificate is good for localhost");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let executor = hyper_util::rt::TokioExecutor::new();
    let connected = hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await;
    let (mut sender, connection) = connected.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    let request =
        http::Request::get("https://localhost/services").body(Empty::<bytes::Bytes>::new());
    let response = sender
        .send_request(request.expect("a request"))
        .await
        .expect("an answer");
    assert_eq!(response.status(), 200);
    let body = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    assert_eq!(body, json!({ "data": [], "next": null }).to_string());
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let first = Plane::start_in(folder, &[]).await;
    let id = first.service("s").await;
    let folder = first.stop().await;
    let second = Plane::start_in(folder, &[]).await;
    assert_eq!(second.get("/services/s").await.expect(200)["id"], json!(id));
    let listed = second.get("/headgate/data-planes").await.expect(200);
    assert_eq!(listed["head_revision"], 1);
}
