//! Closed lists of words.

use derive::Word;

/// What a service speaks and a route accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Word)]
pub enum Protocol {
    /// gRPC without TLS.
    Grpc,
    /// gRPC over TLS.
    Grpcs,
    /// HTTP without TLS.
    Http,
    /// HTTP over TLS.
    Https,
    /// A raw stream.
    Tcp,
    /// A raw stream over TLS.
    Tls,
    /// A TLS stream that is not terminated here.
    TlsPassthrough,
    /// Datagrams.
    Udp,
}

/// How a service's path and a request's path are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Word)]
pub enum PathHandling {
    /// With exactly one slash between them.
    V0,
    /// As they are.
    V1,
}

/// What a text becomes inside a JSON body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Word)]
pub enum JsonType {
    /// `true` or `false`.
    Boolean,
    /// A number.
    Number,
    /// A string.
    String,
}
