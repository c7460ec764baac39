//! TLS: who is trusted, and the words where nobody is.

use super::server::{Authority, Do, Service, Shown, ok, say, self_signed, self_signed_authority};
use super::*;

fn secure(address: SocketAddr, host: &str, verify: bool) -> OutRequest {
    let mut request = get(address);
    request.to.host = host.to_owned();
    request.to.tls = Some(TlsTerms {
        server_name: host.to_owned(),
        verify,
    });
    request
}

fn script() -> Vec<Vec<Do>> {
    vec![vec![Do::Read, ok("1"), Do::Read, ok("2"), Do::Wait(5_000)]]
}

#[tokio::test]
async fn certificates_are_judged_in_the_words_of_openssl() {
    local(async {
        let (known, unknown) = (Authority::new("known"), Authority::new("unknown"));
        let host = "service.test";
        let with_root = |mut shown: Shown, authority: &Authority| {
            shown.chain.push(authority.own.der().clone());
            shown
        };
        let cases = [
            (known.signs(host, -1, 1), Ok("1")),
            (with_root(known.signs(host, -1, 1), &known), Ok("1")),
            (self_signed(host), Err("18: self-signed certificate")),
            (
                with_root(unknown.signs(host, -1, 1), &unknown),
                Err("19: self-signed certificate in certificate chain"),
            ),
            (
                unknown.signs(host, -1, 1),
                Err("20: unable to get local issuer certificate"),
            ),
            (
                known.signs(host, -9, -1),
                Err("10: certificate has expired"),
            ),
            (
                known.signs(host, 1, 9),
                Err("9: certificate is not yet valid"),
            ),
            (
                known.signs("another.test", -1, 1),
                Err("62: hostname mismatch"),
            ),
        ];
        let outbound = outbound(settings(), &[&known.own.pem()]);
        for (shown, expected) in cases {
            let service = Service::secure(script(), shown).await;
            let verified = sent(&outbound, secure(service.address, host, true)).await;
            assert_eq!(verified.as_deref().map_err(String::as_str), expected);
            let unverified = sent(&outbound, secure(service.address, host, false)).await;
            assert_eq!(unverified.as_deref(), Ok("1"), "{expected:?}, unverified");
        }
    })
    .await;
}

#[tokio::test]
async fn a_self_signed_certificate_that_is_trusted_is_good() {
    local(async {
        for (shown, expected) in [
            (self_signed("service.test"), Ok("1")),
            (self_signed("another.test"), Err("62: hostname mismatch")),
            (self_signed_authority("service.test", -1, 1), Ok("1")),
            (
                self_signed_authority("another.test", -1, 1),
                Err("62: hostname mismatch"),
            ),
            (
                self_signed_authority("service.test", -9, -1),
                Err("10: certificate has expired"),
            ),
            (
                self_signed_authority("service.test", 1, 9),
                Err("9: certificate is not yet valid"),
            ),
        ] {
            let outbound = outbound(settings(), &[&pem(&shown)]);
            let service = Service::secure(script(), shown).await;
            let answer = sent(&outbound, secure(service.address, "service.test", true)).await;
            assert_eq!(answer.as_deref().map_err(String::as_str), expected);
        }
        // Alike in name, and not in its key.
        let trusted = pem(&self_signed_authority("service.test", -1, 1));
        let outbound = outbound(settings(), &[&trusted]);
        let other = self_signed_authority("service.test", -1, 1);
        let service = Service::secure(script(), other).await;
        let answer = sent(&outbound, secure(service.address, "service.test", true)).await;
        assert_eq!(answer, Err("18: self-signed certificate".to_owned()));
    })
    .await;
}

fn pem(shown: &Shown) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(&shown.chain[0]);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

#[tokio::test]
async fn who_trusts_nobody_trusts_nobody() {
    local(async {
        let authority = Authority::new("unknown");
        let service = Service::secure(script(), authority.signs("service.test", -1, 1)).await;
        let outbound = outbound(settings(), &[]);
        let answer = sent(&outbound, secure(service.address, "service.test", true)).await;
        assert_eq!(
            answer,
            Err("20: unable to get local issuer certificate".to_owned())
        );
    })
    .await;
}

#[tokio::test]
async fn the_name_that_is_verified_may_be_another_than_the_host() {
    local(async {
        let known = Authority::new("known");
        let outbound = outbound(settings(), &[&known.own.pem()]);
        let service = Service::secure(script(), known.signs("inner.test", -1, 1)).await;
        let mut request = secure(service.address, "service.test", true);
        request.to.tls = Some(TlsTerms {
            server_name: "inner.test".to_owned(),
            verify: true,
        });
        assert_eq!(sent(&outbound, request).await.as_deref(), Ok("1"));
        let mut request = secure(service.address, "service.test", true);
        request.to.tls = Some(TlsTerms {
            server_name: "no name".to_owned(),
            verify: true,
        });
        let refused = sent(&outbound, request).await;
        assert_eq!(refused, Err("invalid server name: no name".to_owned()));
        // An address stands in a certificate as one.
        let by_address = Service::secure(script(), known.signs("127.0.0.1", -1, 1)).await;
        let answer = sent(&outbound, secure(by_address.address, "127.0.0.1", true)).await;
        assert_eq!(answer.as_deref(), Ok("1"));
    })
    .await;
}

#[tokio::test]
async fn a_connection_without_a_look_at_the_certificate_serves_none_that_wants_one() {
    local(async {
        let known = Authority::new("known");
        let outbound = outbound(settings(), &[&known.own.pem()]);
        let service = Service::secure(script(), self_signed("service.test")).await;
        let unverified = sent(&outbound, secure(service.address, "service.test", false)).await;
        assert_eq!(unverified.as_deref(), Ok("1"));
        assert_eq!(outbound.idle(), 1);
        let verified = sent(&outbound, secure(service.address, "service.test", true)).await;
        assert_eq!(verified, Err("18: self-signed certificate".to_owned()));
        let again = sent(&outbound, secure(service.address, "service.test", false)).await;
        assert_eq!(again.as_deref(), Ok("2"), "this one is kept, and alike");
    })
    .await;
}

#[tokio::test]
async fn what_is_no_tls_fails_as_a_handshake() {
    local(async {
        let outbound = outbound(settings(), &[]);
        for script in [vec![say("HTTP/1.1 400 Bad Request\r\n\r\n")], vec![]] {
            let service = Service::of(vec![script]).await;
            let answer = sent(&outbound, secure(service.address, "service.test", true)).await;
            assert_eq!(answer, Err("handshake failed".to_owned()));
        }
        let silent = Service::of(vec![vec![Do::Wait(5_000)]]).await;
        let mut request = secure(silent.address, "service.test", true);
        request.timeouts.connect = Duration::from_millis(80);
        assert_eq!(sent(&outbound, request).await, Err("timeout".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn a_connection_can_become_a_secure_one() {
    local(async {
        let known = Authority::new("known");
        let outbound = outbound(settings(), &[&known.own.pem()]);
        let service = Service::secure(script(), known.signs("service.test", -1, 1)).await;
        let OutRequest {
            mut to,
            draft,
            timeouts,
            ..
        } = get(service.address);
        let mut connection = outbound
            .connect(&caller(true), &to, &timeouts)
            .await
            .expect("connected");
        let terms = TlsTerms {
            server_name: "service.test".to_owned(),
            verify: true,
        };
        outbound
            .secure(&mut connection, terms.clone(), &timeouts)
            .await
            .expect("secure");
        connection
            .request(&draft, &timeouts)
            .await
            .expect("an answer");
        assert_eq!(connection.whole_body(&timeouts).await.expect("a body"), "1");
        assert_eq!(outbound.keep(connection, Keep::default()), Kept::Yes);
        to.tls = Some(terms.clone());
        let mut again = outbound
            .connect(&caller(true), &to, &timeouts)
            .await
            .expect("connected");
        assert_eq!(again.reused(), 1, "it is kept as a secure one");
        let twice = outbound.secure(&mut again, terms, &timeouts).await;
        assert_eq!(twice, Err("closed".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel() {
    local(async {
        let known = Authority::new("known");
        let outbound = outbound(settings(), &[&known.own.pem()]);
        let via = |service: &Service| {
            let mut request = secure(service.address, "service.test", true);
            (request.to.host, request.to.port) = ("service.test".to_owned(), 443);
            request.to.proxy = Some(Proxy {
                host: "127.0.0.1".to_owned(),
                port: service.address.port(),
                authorization: Some(b"Basic eDp5".to_vec()),
            });
            request
        };
        let refusing = Service::of(vec![vec![Do::Read, say("HTTP/1.1 407 No\r\n\r\n")]]).await;
        assert_eq!(
            sent(&outbound, via(&refusing)).await,
            Err("failed to establish a tunnel through a proxy: 407".to_owned())
        );
        assert_eq!(
            refusing.requests.borrow()[0],
            "CONNECT service.test:443 HTTP/1.1\r\nHost: service.test:443\r\nProxy-Authorization: Basic eDp5\r\n\r\n"
        );
        let dumb = Service::of(vec![vec![Do::Read]]).await;
        assert_eq!(
            sent(&outbound, via(&dumb)).await,
            Err("failed to issue CONNECT to proxy: closed".to_owned())
        );
        // The service behind it is the proxy itself, once it has said yes.
        let service = Service::secure(script(), known.signs("service.test", -1, 1)).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let behind = service.address;
        tokio::task::spawn_local(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut client, _) = listener.accept().await.expect("a client");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.expect("a head"));
            }
            client.write_all(b"HTTP/1.1 200 Established\r\n\r\n").await.expect("said");
            let mut service = tokio::net::TcpStream::connect(behind).await.expect("there");
            let _ = tokio::io::copy_bidirectional(&mut client, &mut service).await;
        });
        let mut request = via(&dumb);
        request.to.proxy.as_mut().expect("a proxy").port = address.port();
        assert_eq!(sent(&outbound, request.clone()).await.as_deref(), Ok("1"));
        assert_eq!(sent(&outbound, request).await.as_deref(), Ok("2"), "the tunnel is kept");
    })
    .await;
}
