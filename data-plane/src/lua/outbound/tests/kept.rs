//! Connections that wait for their next request.

use std::time::Instant;

use super::server::{Do, Service, ok, say};
use super::*;

#[tokio::test]
async fn a_connection_serves_again_where_it_may() {
    local(async {
        let twice = vec![Do::Read, ok("1"), Do::Read, ok("2"), Do::Wait(5_000)];
        let same = |_: &mut OutRequest| {};
        type Change = fn(&mut OutRequest);
        let cases: [(&str, Change, Change, usize); 8] = [
            ("alike", same, same, 1),
            ("the first is not kept", |r| r.keep = None, same, 2),
            (
                "no room",
                |r| {
                    r.keep = Some(Keep {
                        size: 0,
                        ..Keep::default()
                    })
                },
                same,
                2,
            ),
            (
                "waited too long",
                |r| {
                    r.keep = Some(Keep {
                        timeout: Some(Duration::from_millis(1)),
                        ..Keep::default()
                    })
                },
                same,
                2,
            ),
            (
                "kept for ever",
                |r| {
                    r.keep = Some(Keep {
                        timeout: None,
                        ..Keep::default()
                    })
                },
                same,
                1,
            ),
            (
                "another name",
                same,
                |r| r.to.host = "other.test".to_owned(),
                2,
            ),
            (
                "the same name in capitals",
                same,
                |r| r.to.host = "SERVICE.test".to_owned(),
                1,
            ),
            (
                "a pool of its own",
                same,
                |r| r.to.pool = Some("own".to_owned()),
                2,
            ),
        ];
        for (what, first, second, connections) in cases {
            let outbound = outbound(settings(), &[]);
            let service = Service::of(vec![twice.clone()]).await;
            for change in [first, second] {
                let mut request = get(service.address);
                change(&mut request);
                sent(&outbound, request).await.expect(what);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert_eq!(*service.connections.borrow(), connections, "{what}");
        }
    })
    .await;
}

#[tokio::test]
async fn connections_of_trusted_plugins_are_theirs() {
    local(async {
        let outbound = outbound(
            Settings {
                egress: Egress::default(),
                ..settings()
            },
            &[],
        );
        let service = Service::of(vec![vec![Do::Read, ok("1"), Do::Wait(5_000)]]).await;
        sent(&outbound, get(service.address))
            .await
            .expect("an answer");
        assert_eq!(outbound.idle(), 1);
        let refused = outbound.send(&caller(false), get(service.address)).await;
        assert_eq!(
            refused.expect_err("refused"),
            "connection to 127.0.0.1 refused by 'custom_plugins_egress' (deny-private)"
        );
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_waited_is_replaced() {
    local(async {
        // Closed at once, after a while, and on the next request: the last only where that may be repeated.
        for (script, method, expected) in [
            (vec![Do::Read, ok("1")], "POST", Ok("2")),
            (vec![Do::Read, ok("1"), Do::Wait(20)], "POST", Ok("2")),
            (vec![Do::Read, ok("1"), Do::Read], "GET", Ok("2")),
            (vec![Do::Read, ok("1"), Do::Read], "PUT", Ok("2")),
            (vec![Do::Read, ok("1"), Do::Read], "POST", Err("closed")),
            (
                vec![Do::Read, ok("1"), Do::Read, say("HTTP/1.1 2")],
                "GET",
                Err("closed"),
            ),
        ] {
            let what = format!("{method} {script:?}");
            let service = Service::of(vec![script, vec![Do::Read, ok("2")]]).await;
            let outbound = outbound(settings(), &[]);
            let first = sent(&outbound, get(service.address)).await;
            assert_eq!(first.as_deref(), Ok("1"));
            tokio::time::sleep(Duration::from_millis(50)).await;
            let mut request = get(service.address);
            request.draft.method = method.into();
            let second = sent(&outbound, request).await;
            assert_eq!(
                second.as_deref().map_err(String::as_str),
                expected,
                "{what}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_connection_whose_service_says_close_does_not_wait() {
    local(async {
        let answer = say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
        let service = Service::of(vec![vec![Do::Read, answer, Do::Wait(5_000)]]).await;
        let outbound = outbound(settings(), &[]);
        for _ in 0..2 {
            assert_eq!(
                sent(&outbound, get(service.address)).await.as_deref(),
                Ok("hi")
            );
        }
        assert_eq!(*service.connections.borrow(), 2);
    })
    .await;
}

#[tokio::test]
async fn what_waits_too_long_is_closed_though_nobody_asks() {
    local(async {
        let service = Service::of(vec![vec![Do::Read, ok("1"), Do::Wait(5_000)]]).await;
        let outbound = outbound(settings(), &[]);
        let mut request = get(service.address);
        request.keep = Some(Keep {
            timeout: Some(Duration::from_millis(50)),
            size: 1,
        });
        sent(&outbound, request).await.expect("an answer");
        assert_eq!(outbound.idle(), 1);
        let start = Instant::now();
        while outbound.idle() > 0 {
            assert!(start.elapsed() < Duration::from_secs(5));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
