//! `kong.client`.

use std::rc::Rc;

use lua::pdk::Phase::{Access, Certificate, Log, Rewrite, Timer};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::json;
use shared::settings::Networks;
use uuid::Uuid;

use super::{Scene, check, said};
use crate::config::Config;
use crate::listen::Secured;
use crate::listen::client_certificate::Shown;
use crate::proxy::ctx::{Credential, Ctx};

const BOB: &str = "00000000-0000-0000-0000-0000000000b0";
const KEY: &str = "00000000-0000-0000-0000-0000000000c0";

fn with_bob() -> Scene {
    let mut scene = super::routed();
    scene.documents.extend([
        (
            "consumers",
            json!({"id": BOB, "username": "bob", "tags": ["t"]}),
        ),
        (
            "keyauth_credentials",
            json!({"id": KEY, "consumer": {"id": BOB}, "key": "secret"}),
        ),
        (
            "consumer_groups",
            json!({"id": "00000000-0000-0000-0000-0000000000d0", "name": "gold"}),
        ),
        (
            "consumer_group_consumers",
            json!({
                "id": "00000000-0000-0000-0000-0000000000d1",
                "consumer": {"id": BOB},
                "consumer_group": {"id": "00000000-0000-0000-0000-0000000000d0"},
            }),
        ),
    ]);
    scene
}

#[test]
fn where_the_request_came_from() {
    let address = "return kong.client.get_ip(), kong.client.get_port(), \
        kong.client.get_forwarded_ip(), kong.client.get_forwarded_port()";
    check(
        &Scene {
            headers: vec![("host", "a.test"), ("x-real-ip", "1.2.3.4")],
            ..Scene::default()
        },
        &[(Rewrite, address, "'10.1.2.3', 4567, '10.1.2.3', 4567")],
    );
    let config = Config {
        trusted_ips: Networks(vec!["10.0.0.0/8".parse().expect("a network")]),
        ..Config::default()
    };
    let trusted = Scene {
        config,
        headers: vec![
            ("host", "a.test"),
            ("x-real-ip", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
        ],
        ..super::routed()
    };
    check(
        &trusted,
        &[
            (Log, address, "'10.1.2.3', 4567, '1.2.3.4', nil"),
            (Access, "return kong.client.get_protocol()", "'http', nil"),
            (
                Access,
                "return kong.client.get_protocol(true)",
                "'https', nil",
            ),
        ],
    );
}

#[test]
fn the_protocol_is_that_of_the_route() {
    check(
        &super::routed(),
        &[
            (Access, "return kong.client.get_protocol()", "'http', nil"),
            (
                Access,
                "return kong.client.get_protocol(true)",
                "'http', nil",
            ),
        ],
    );
    let tls = Scene {
        tls: true,
        ..super::routed()
    };
    check(
        &tls,
        &[(Access, "return kong.client.get_protocol()", "'https', nil")],
    );
    let mut only = super::routed();
    only.documents[1].1["protocols"] = json!(["http"]);
    check(
        &only,
        &[(Access, "return kong.client.get_protocol()", "'http', nil")],
    );
    check(
        &Scene::default(),
        &[(
            Access,
            "return kong.client.get_protocol()",
            "nil, 'No active route found'",
        )],
    );
}

#[test]
fn the_consumer_is_one_table() {
    let mut ctx = with_bob().ctx();
    ctx.consumer = ctx.runtime.consumer_by_username("bob").cloned();
    ctx.credential = Some(Credential {
        id: Uuid::parse_str(KEY).expect("an id"),
        identifier: KEY.to_owned(),
    });
    let mut say = |source: &str| said(Some(&mut ctx), Access, source);
    assert_eq!(
        say(
            "local c = kong.client.get_consumer() c.seen = true return c.id, c.username, c.custom_id, c.tags"
        ),
        format!("'{BOB}', 'bob', nil, {{'t'}}")
    );
    assert_eq!(say("return kong.client.get_consumer().seen"), "true");
    assert_eq!(
        say("local c = kong.client.get_credential() return c.id, c.key, c.consumer"),
        format!("'{KEY}', 'secret', {{id = '{BOB}'}}")
    );
    assert_eq!(
        say("local g = kong.client.get_consumer_groups() return #g, g[1].name"),
        "1, 'gold'"
    );
    let nobody = "return kong.client.get_consumer(), kong.client.get_credential(), kong.client.get_consumer_groups()";
    check(&with_bob(), &[(Access, nobody, "nil, nil, nil")]);
}

#[test]
fn a_plugin_says_who_the_client_is() {
    let mut ctx = with_bob().ctx();
    let source = format!(
        "kong.client.authenticate({{ id = '{BOB}', mine = 1 }}, {{ id = '{KEY}', username = 'u' }})"
    );
    assert_eq!(said(Some(&mut ctx), Access, &source), "");
    let consumer = ctx.consumer.clone().expect("bob");
    assert_eq!(consumer.username.as_deref(), Some("bob"));
    assert_eq!(ctx.credential.as_ref().expect("one").identifier, "u");
    let who = "return kong.client.get_consumer().mine, kong.client.get_credential().username";
    assert_eq!(said(Some(&mut ctx), Log, who), "1, 'u'");
    // Another who is found later is not hidden by the table.
    ctx.credential = None;
    assert_eq!(
        said(Some(&mut ctx), Log, "return kong.client.get_credential()"),
        "nil"
    );

    let mut ctx = with_bob().ctx();
    let source =
        "kong.client.authenticate({ id = '00000000-0000-0000-0000-0000000000ff', username = 'x' })";
    assert_eq!(said(Some(&mut ctx), Access, source), "");
    assert_eq!(
        ctx.consumer.as_ref().expect("made").username.as_deref(),
        Some("x")
    );
    assert!(ctx.credential.is_none());
    let source = "kong.client.authenticate(nil, { key = 'k' }) return kong.client.get_consumer(), kong.client.get_credential()";
    assert_eq!(said(Some(&mut ctx), Access, source), "nil, {key = 'k'}");
    check(
        &with_bob(),
        &[
            (
                Access,
                "kong.client.authenticate()",
                "error: either credential or consumer must be provided",
            ),
            (
                Access,
                "kong.client.authenticate('bob')",
                "error: consumer must be a table or nil",
            ),
            (
                Access,
                "kong.client.authenticate(nil, 1)",
                "error: credential must be a table or nil",
            ),
            (
                Log,
                "kong.client.authenticate({})",
                "error: function cannot be called in log phase (only in: access)",
            ),
        ],
    );
}

#[test]
fn consumers_are_loaded_by_id_or_name() {
    let by_id: &'static str =
        Box::leak(format!("return kong.client.load_consumer('{BOB}').username").into());
    check(
        &with_bob(),
        &[
            (Access, by_id, "'bob'"),
            (
                Access,
                "return kong.client.load_consumer('bob', true).username",
                "'bob'",
            ),
            (
                Access,
                "return kong.client.load_consumer('eve', true)",
                "nil",
            ),
            (
                Access,
                "return kong.client.load_consumer('00000000-0000-0000-0000-000000000000')",
                "nil",
            ),
            (
                Access,
                "kong.client.load_consumer()",
                "error: consumer_id must be a string",
            ),
            (
                Access,
                "kong.client.load_consumer('bob')",
                "error: cannot load a consumer with an id that is not a uuid",
            ),
        ],
    );
}

#[test]
fn each_has_its_phases() {
    let with_client = "(only in: certificate, rewrite, access, balancer, response, header_filter, body_filter, log, preread)";
    for name in [
        "get_ip",
        "get_port",
        "get_forwarded_ip",
        "get_forwarded_port",
    ] {
        let expected = format!("error: function cannot be called in timer phase {with_client}");
        assert_eq!(
            said(None, Timer, &format!("kong.client.{name}()")),
            expected
        );
    }
    let routed = "(only in: access, response, header_filter, body_filter, log)";
    for name in [
        "get_consumer",
        "get_credential",
        "get_consumer_groups",
        "load_consumer",
        "get_protocol",
    ] {
        let mut ctx = Scene::default().ctx();
        let expected = format!("error: function cannot be called in rewrite phase {routed}");
        let source = format!("kong.client.{name}('a')");
        assert_eq!(said(Some(&mut ctx), Rewrite, &source), expected);
    }
    for name in ["request_client_certificate", "disable_session_reuse"] {
        let source = format!("kong.client.tls.{name}()");
        assert_eq!(
            said(None, Timer, &source),
            "error: function cannot be called in timer phase (only in: certificate)"
        );
        // A call of this phase without a client is a test's only.
        assert_eq!(
            said(None, Certificate, &source),
            "error: no TLS handshake found"
        );
    }
}

/// A certificate that OpenSSL made.
macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../shared/lua/src/modules/resty/openssl/fixtures/",
            $name
        ))
    };
}

/// A request by TLS, whose client showed these.
fn showing(texts: &[&str]) -> Box<Ctx> {
    let mut ctx = Scene {
        tls: true,
        ..Scene::default()
    }
    .ctx();
    let read = |text: &&str| CertificateDer::from_pem_slice(text.as_bytes()).expect("PEM");
    let chain: Vec<_> = texts.iter().map(read).collect();
    let conn = Rc::get_mut(&mut ctx.conn).expect("nobody else has it");
    conn.client = Shown::new(&chain);
    ctx
}

/// What a source says, a text without its quotes.
fn told(ctx: Option<&mut Ctx>, phase: lua::pdk::Phase, source: &str) -> String {
    let said = said(ctx, phase, source);
    let bare = said
        .strip_prefix('\'')
        .and_then(|said| said.strip_suffix('\''));
    bare.map_or(said.clone(), str::to_owned)
}

#[test]
fn what_a_client_shows_is_told() {
    const LEAF: &str = fixture!("leaf.crt");
    const CA: &str = fixture!("ca.crt");
    let var = |name: &str| format!("return ngx.var.ssl_client_{name}");
    let dn = "emailAddress=me@client.example,CN=client.example,OU=Two,O=Rock\\, Paper,C=DE";
    let cases = [
        ("s_dn", dn.to_owned()),
        ("i_dn", "CN=Test CA,O=Headgate Tests,C=DE".to_owned()),
        (
            "s_dn_legacy",
            "/C=DE/O=Rock, Paper/OU=Two/CN=client.example/emailAddress=me@client.example"
                .to_owned(),
        ),
        (
            "i_dn_legacy",
            "/C=DE/O=Headgate Tests/CN=Test CA".to_owned(),
        ),
        ("serial", "FEDCBA98765432100123456789".to_owned()),
        (
            "fingerprint",
            "7c6ee9d743eb03d2ffdfa8ea9cc7fdcb98c5bd47".to_owned(),
        ),
        ("v_start", "Nov 22 12:19:47 2026 GMT".to_owned()),
        ("v_end", "Oct 29 12:19:47 2126 GMT".to_owned()),
        ("raw_cert", LEAF.to_owned()),
        ("cert", LEAF.trim_end().replace('\n', "\n\t")),
        (
            "verify",
            "FAILED:self-signed certificate in certificate chain".to_owned(),
        ),
        ("nonsense", "nil".to_owned()),
    ];
    for (name, expected) in cases {
        let got = told(Some(&mut showing(&[LEAF, CA])), Access, &var(name));
        assert_eq!(got, expected, "{name}");
    }
    let escaped = told(Some(&mut showing(&[LEAF])), Access, &var("escaped_cert"));
    assert!(
        escaped.starts_with("-----BEGIN%20CERTIFICATE-----%0AMII"),
        "{escaped}"
    );
    let days = told(Some(&mut showing(&[LEAF])), Access, &var("v_remain"));
    assert!(days.parse::<u32>().expect("a number") > 30_000, "{days}");
    for (texts, verified) in [
        (&[LEAF][..], "FAILED:unable to verify the first certificate"),
        (&[CA], "FAILED:self-signed certificate"),
        (
            &[LEAF, LEAF],
            "FAILED:unable to get local issuer certificate",
        ),
        (&[], "NONE"),
    ] {
        let got = told(Some(&mut showing(texts)), Access, &var("verify"));
        assert_eq!(got, verified);
    }
    for name in ["s_dn", "cert", "raw_cert", "serial", "fingerprint"] {
        assert_eq!(
            told(Some(&mut showing(&[])), Access, &var(name)),
            "nil",
            "{name}"
        );
    }
    let plain = told(Some(&mut Scene::default().ctx()), Access, &var("verify"));
    assert_eq!(plain, "nil");
    let chain = "return kong.client.tls.get_full_client_certificate_chain()";
    for (texts, expected) in [
        (&[LEAF, CA][..], format!("{LEAF}{CA}")),
        (&[], "nil".to_owned()),
    ] {
        assert_eq!(told(Some(&mut showing(texts)), Log, chain), expected);
    }
}

#[test]
fn what_a_plugin_makes_of_it_is_logged() {
    let serialized = "return kong.log.serialize().request.tls.client_verify";
    for (value, expected) in [
        ("'SUCCESS'", ""),
        ("'NONE'", ""),
        ("'FAILED:I say'", ""),
        (
            "'maybe'",
            "error: value must be 'SUCCESS', 'NONE' or begin with 'FAILED:'",
        ),
        (
            "nil",
            "error: value must be 'SUCCESS', 'NONE' or begin with 'FAILED:'",
        ),
    ] {
        let mut ctx = showing(&[]);
        let conn = Rc::get_mut(&mut ctx.conn).expect("nobody else has it");
        conn.secured = Some(Secured {
            protocol: "TLSv1.3",
            cipher: "X",
        });
        let source = format!("kong.client.tls.set_client_verify({value})");
        assert_eq!(told(Some(&mut ctx), Access, &source), expected, "{value}");
        let logged = told(Some(&mut ctx), Log, serialized);
        let expected = if expected.is_empty() {
            value.trim_matches('\'')
        } else {
            "NONE"
        };
        assert_eq!(logged, expected);
    }
}
