//! Names to addresses, for connections to upstreams.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;
use tokio::runtime::Handle;

/// How names are resolved.
#[derive(Clone, Debug)]
pub struct Options {
    /// `dns_resolver`: the servers to ask; empty for those of `/etc/resolv.conf`.
    pub servers: Vec<SocketAddr>,
    /// `dns_hostsfile`: looked at before any server is asked.
    pub hosts_file: PathBuf,
    /// `dns_order`: the kinds of records to ask for.
    pub order: Vec<Kind>,
}

/// One word of `dns_order`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The kind that answered last time.
    Last,
    Srv,
    A,
    Aaaa,
    Cname,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            servers: Vec::new(),
            hosts_file: PathBuf::from("/etc/hosts"),
            order: vec![Kind::Last, Kind::Srv, Kind::A, Kind::Cname],
        }
    }
}

/// Why a name has no address.
#[derive(Clone, Debug, Error)]
pub enum DnsError {
    /// The name does not exist, or has no records of the kinds asked for: 503 `name resolution failed`.
    #[error("name resolution failed")]
    NotFound,
    /// The servers could not be asked or answered with an error: 500.
    #[error("failed the initial dns/balancer resolve for '{name}' with: {reason}")]
    Failed { name: String, reason: String },
}

/// The addresses of a name in the order in which to try them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Addresses {
    all: List,
}

#[derive(Clone, Debug)]
enum List {
    One(SocketAddr),
    Many(Arc<[SocketAddr]>, usize),
}

impl Addresses {
    /// The address for try number `attempt`, counted from 0; a retry takes the next address, and starts over after
    /// the last.
    pub fn get(&self, attempt: usize) -> SocketAddr {
        match &self.all {
            List::One(address) => *address,
            List::Many(addresses, start) => addresses[(start + attempt) % addresses.len()],
        }
    }
}

/// The resolver of this node: its answers outlive every configuration. Cheap to clone.
#[derive(Clone)]
pub struct Dns {}

impl Dns {
    /// Reads the hosts file and prepares the resolver. Queries and refreshes run on `background`, so that they
    /// belong to no request and to no worker.
    pub fn new(_options: Options, _background: Handle) -> Result<Dns, DnsError> {
        todo!()
    }

    /// The addresses of `name` with `port`, unless an SRV record says another port. Address literals (IPv6 with or
    /// without brackets) come straight back; a cached answer is read without a lock and without waiting.
    pub async fn resolve(&self, name: &str, port: u16) -> Result<Addresses, DnsError> {
        if let Ok(address) = name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>()
        {
            return Ok(Addresses {
                all: List::One(SocketAddr::new(address, port)),
            });
        }
        todo!()
    }
}
