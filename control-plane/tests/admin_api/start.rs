//! Starting and stopping: listeners, what keeps a control plane from starting, and what it keeps.

use crate::client::{Plane, config};
use control_plane::StartError;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::json;
use shared::settings::{Exit, SettingValue};
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
async fn an_api_without_credentials_is_not_shown_to_others() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut config = config(folder.path(), &[]);
    config.admin_listen = SettingValue::parse("0.0.0.0:0").expect("a listener");
    let error = control_plane::start(config.clone())
        .await
        .err()
        .expect("refused");
    assert_eq!(error.exit(), Exit::Usage);
    let text = error.to_string();
    assert!(
        text.contains("0.0.0.0:0") && text.contains("admin_unprotected = on"),
        "{text}"
    );
    config.admin_unprotected = true;
    let running = control_plane::start(config).await.expect("it is meant");
    assert_eq!(running.admin.len(), 1);
    running.stop().await;
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
