//! What is checked once a route has matched: whether the request came by a protocol that the route takes.

/// The protocols of a route that concern HTTP requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protocols {
    pub http: bool,
    pub https: bool,
    pub grpc: bool,
    pub grpcs: bool,
}

impl Protocols {
    /// Reads the names of a route's `protocols`; those of streams are skipped.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Protocols {
        let mut protocols = Protocols::default();
        for name in names {
            match name {
                "http" => protocols.http = true,
                "https" => protocols.https = true,
                "grpc" => protocols.grpc = true,
                "grpcs" => protocols.grpcs = true,
                _ => {}
            }
        }
        protocols
    }

    /// Whether HTTP requests can reach the route at all.
    pub fn any(self) -> bool {
        self != Protocols::default()
    }
}

/// What the checks look at in a request.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The value for `X-Forwarded-Proto`: a trusted peer's, else the scheme of the connection.
    pub forwarded_proto: &'a str,
    pub content_type: Option<&'a [u8]>,
    /// Whether the request came as HTTP/2.
    pub http2: bool,
}

/// How a request that matched is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 426 with `Connection: Upgrade`, `Upgrade: TLS/1.2, HTTP/1.1`.
    HttpsRequired,
    /// This status with `Location: https://<forwarded host><raw target>` and an empty body.
    Redirect(u16),
    /// 415: not gRPC on a gRPC route.
    NotGrpc,
    /// 426 with `connection: Upgrade`, `upgrade: HTTP/2`: gRPC without HTTP/2.
    Http2Required,
    /// 200 with `content-type: application/grpc` and `grpc-status: 1`: a gRPCs route over plain text.
    GrpcsRequired,
}

impl Refusal {
    pub fn status(self) -> u16 {
        match self {
            Refusal::HttpsRequired | Refusal::Http2Required => 426,
            Refusal::Redirect(status) => status,
            Refusal::NotGrpc => 415,
            Refusal::GrpcsRequired => 200,
        }
    }

    /// The message of the body, or of `grpc-message`; empty for a redirect.
    pub fn message(self) -> &'static str {
        match self {
            Refusal::HttpsRequired => "Please use HTTPS protocol",
            Refusal::Redirect(_) => "",
            Refusal::NotGrpc => "Non-gRPC request matched gRPC route",
            Refusal::Http2Required => "Please use HTTP2 protocol",
            Refusal::GrpcsRequired => "gRPC request matched gRPCs route",
        }
    }

    /// The value of `Upgrade`, which comes with `Connection: Upgrade`.
    pub fn upgrade(self) -> Option<&'static str> {
        match self {
            Refusal::HttpsRequired => Some("TLS/1.2, HTTP/1.1"),
            Refusal::Http2Required => Some("HTTP/2"),
            _ => None,
        }
    }
}

/// Checks the protocol of a matched request; `redirect_status` is the route's `https_redirect_status_code`.
#[inline]
pub fn after_match(
    protocols: Protocols,
    redirect_status: u16,
    facts: &Facts<'_>,
) -> Result<(), Refusal> {
    let secure = facts.forwarded_proto == "https";
    if protocols.https && !protocols.http && !secure {
        return Err(match redirect_status {
            301 | 302 | 307 | 308 => Refusal::Redirect(redirect_status),
            _ => Refusal::HttpsRequired,
        });
    }
    if !protocols.grpc && !protocols.grpcs {
        return Ok(());
    }
    if !facts
        .content_type
        .is_some_and(|value| value.starts_with(b"application/grpc"))
    {
        return Err(Refusal::NotGrpc);
    }
    if !facts.http2 {
        return Err(Refusal::Http2Required);
    }
    if !protocols.grpc && !secure {
        return Err(Refusal::GrpcsRequired);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_that_the_route_does_not_take_is_refused() {
        let plain = Some(&b"text/plain"[..]);
        let grpc = Some(&b"application/grpc+proto"[..]);
        for (protocols, redirect, proto, content_type, http2, expected) in [
            (&["http", "https"][..], 426, "http", None, false, Ok(())),
            (&["http"], 426, "https", None, false, Ok(())),
            (&["https"], 426, "https", None, false, Ok(())),
            (
                &["https"],
                426,
                "http",
                None,
                false,
                Err(Refusal::HttpsRequired),
            ),
            (
                &["https"],
                301,
                "http",
                None,
                false,
                Err(Refusal::Redirect(301)),
            ),
            (
                &["https"],
                302,
                "http",
                None,
                false,
                Err(Refusal::Redirect(302)),
            ),
            (
                &["https"],
                307,
                "http",
                None,
                false,
                Err(Refusal::Redirect(307)),
            ),
            (
                &["https"],
                308,
                "http",
                None,
                true,
                Err(Refusal::Redirect(308)),
            ),
            (&["https"], 302, "https", None, false, Ok(())),
            (&["http", "https"], 302, "http", None, false, Ok(())),
            (&["grpc"], 426, "http", grpc, true, Ok(())),
            (&["grpc"], 426, "http", plain, true, Err(Refusal::NotGrpc)),
            (&["grpc"], 426, "http", None, false, Err(Refusal::NotGrpc)),
            (
                &["grpc"],
                426,
                "http",
                grpc,
                false,
                Err(Refusal::Http2Required),
            ),
            (&["grpc", "grpcs"], 426, "http", grpc, true, Ok(())),
            (
                &["grpcs"],
                426,
                "http",
                grpc,
                true,
                Err(Refusal::GrpcsRequired),
            ),
            (
                &["grpcs"],
                426,
                "http",
                grpc,
                false,
                Err(Refusal::Http2Required),
            ),
            (&["grpcs"], 426, "https", grpc, true, Ok(())),
        ] {
            let facts = Facts {
                forwarded_proto: proto,
                content_type,
                http2,
            };
            let outcome = after_match(Protocols::new(protocols.iter().copied()), redirect, &facts);
            assert_eq!(outcome, expected, "{protocols:?} {redirect} {facts:?}");
        }
    }

    #[test]
    fn refusals_say_what_the_reference_says() {
        for (refusal, status, message, upgrade) in [
            (
                Refusal::HttpsRequired,
                426,
                "Please use HTTPS protocol",
                Some("TLS/1.2, HTTP/1.1"),
            ),
            (Refusal::Redirect(308), 308, "", None),
            (
                Refusal::NotGrpc,
                415,
                "Non-gRPC request matched gRPC route",
                None,
            ),
            (
                Refusal::Http2Required,
                426,
                "Please use HTTP2 protocol",
                Some("HTTP/2"),
            ),
            (
                Refusal::GrpcsRequired,
                200,
                "gRPC request matched gRPCs route",
                None,
            ),
        ] {
            assert_eq!(
                (refusal.status(), refusal.message(), refusal.upgrade()),
                (status, message, upgrade)
            );
        }
    }

    #[test]
    fn stream_protocols_are_no_way_in_for_http() {
        assert!(!Protocols::new(["tcp", "tls", "udp", "tls_passthrough"]).any());
        assert!(Protocols::new(["tcp", "grpcs"]).any());
    }
}
