//! The client against services that behave and misbehave.

mod exchange;
mod kept;
pub(in crate::lua) mod lua;
mod secure;
pub(in crate::lua) mod server;

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use shared::settings::{EgressRule, TrustedCertificates};
use tokio::runtime::Handle;
use tokio::task::LocalSet;

use super::*;
use crate::carried::dns::Options;

/// Runs as a worker does.
pub(in crate::lua) async fn local<F: Future>(work: F) -> F::Output {
    LocalSet::new().run_until(work).await
}

/// The time that this thread has had of a processor: what others do on the machine is not in it.
pub(super) fn busy() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells");
    let first = told.split(' ').next().and_then(|word| word.parse().ok());
    Duration::from_nanos(first.expect("nanoseconds"))
}

pub(super) fn caller(trusted: bool) -> Caller {
    Caller {
        plugin: Arc::from("mine"),
        trusted,
    }
}

pub(in crate::lua) fn settings() -> Settings {
    Settings {
        egress: Egress {
            rule: Some(EgressRule::Any),
            ..Egress::default()
        },
        requests: 1024,
    }
}

/// A worker's way out that knows `service.test` to be this machine, and trusts what is given.
pub(in crate::lua) fn outbound(settings: Settings, trusted: &[&str]) -> Rc<Outbound> {
    let mut hosts = tempfile::NamedTempFile::new().expect("a file");
    writeln!(hosts, "127.0.0.1 service.test other.test").expect("written");
    let options = Options {
        hosts_file: hosts.path().to_owned(),
        ..Options::default()
    };
    let dns = Dns::new(options, Handle::current()).expect("a resolver");
    let trust = match trusted {
        [] => Trust::nobody(),
        certificates => {
            let mut file = tempfile::NamedTempFile::new().expect("a file");
            write!(file, "{}", certificates.concat()).expect("written");
            let store = TrustedCertificates {
                system: false,
                files: vec![file.path().to_owned()],
            };
            Trust::new(&store).expect("a store")
        }
    };
    Rc::new(Outbound::new(dns, &trust, settings))
}

/// GET `/` there, with short times.
pub(super) fn get(address: SocketAddr) -> OutRequest {
    OutRequest {
        to: Destination {
            host: "service.test".to_owned(),
            port: address.port(),
            ..Destination::default()
        },
        draft: Draft::default(),
        timeouts: Timeouts {
            connect: Duration::from_secs(5),
            send: Duration::from_secs(5),
            read: Duration::from_secs(5),
        },
        keep: Some(Keep::default()),
    }
}

pub(super) async fn sent(outbound: &Outbound, request: OutRequest) -> Result<String, String> {
    let answer = outbound.send(&caller(true), request).await?;
    Ok(String::from_utf8_lossy(&answer.body).into_owned())
}
