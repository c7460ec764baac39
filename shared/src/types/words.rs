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

/// How an upstream spreads requests over its targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Word)]
pub enum Algorithm {
    /// The same input goes to the same target.
    #[word("consistent-hashing")]
    ConsistentHashing,
    /// To the least busy for its weight.
    #[word("least-connections")]
    LeastConnections,
    /// In turn, by weight.
    #[default]
    #[word("round-robin")]
    RoundRobin,
    /// To the one that answered fastest lately.
    Latency,
}

/// What of a request consistent hashing goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Word)]
pub enum HashInput {
    /// Nothing.
    #[default]
    None,
    /// Who sent it.
    Consumer,
    /// The client's address.
    Ip,
    /// A header.
    Header,
    /// A cookie, which is made if it is not there.
    Cookie,
    /// The path.
    Path,
    /// An argument of the query.
    QueryArg,
    /// A named group of the route's path.
    UriCapture,
}

/// How a target is asked whether it is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Word)]
pub enum Probe {
    /// By connecting.
    Tcp,
    /// By a request.
    Http,
    /// By a request over TLS.
    Https,
    /// As HTTP, for gRPC without TLS.
    Grpc,
    /// As HTTPS, for gRPC over TLS.
    Grpcs,
}
