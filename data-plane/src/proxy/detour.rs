//! Where a request goes that does not go where its service says: what plugins set with `kong.service`
//! (custom-plugins.md 3.2).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::ctx::Ctx;
use crate::balancer::Balancer;
use crate::runtime::{Overrides, Runtime, UpstreamPlan, host_header};

/// What differs from the service. `None`: as it says.
#[derive(Default)]
pub(crate) struct Detour {
    /// `set_scheme`: whether TLS is spoken.
    pub(crate) tls: Option<bool>,
    /// `set_upstream`.
    pub(crate) upstream: Option<Arc<Balancer>>,
    /// `set_target`: host and port.
    pub(crate) target: Option<(Box<str>, u16)>,
    /// `set_retries`.
    pub(crate) retries: Option<u16>,
    /// `set_timeouts`: connect, write, read.
    pub(crate) timeouts: Option<[Duration; 3]>,
    /// `set_tls_*`.
    pub(crate) terms: Option<Overrides>,
}

impl Detour {
    /// The plan of the service with what differs.
    pub(crate) fn plan(&self, ctx: &Ctx, runtime: &Runtime, plan: &UpstreamPlan) -> UpstreamPlan {
        let mut plan = plan.clone();
        let before = plan.tls.is_some();
        let tls = self.tls.unwrap_or(before);
        if let Some((host, port)) = &self.target {
            plan.balancer = runtime.balancers.get(host).cloned();
            plan.literal = literal(host).map(|ip| SocketAddr::new(ip, *port));
            plan.host = host.clone();
            plan.port = *port;
            plan.preserve_host = false;
        }
        if let Some(balancer) = &self.upstream {
            plan.host = Box::from(&*balancer.upstream.name);
            plan.literal = None;
            plan.balancer = Some(balancer.clone());
        }
        if self.target.is_some() || self.upstream.is_some() || tls != before {
            let own = if tls { 443 } else { 80 };
            let host = host_header(&plan.host, plan.port, own);
            // A name that no header can hold leads nowhere either.
            if let Ok(host) = HeaderValue::from_str(&host) {
                plan.host_header = host;
            }
        }
        let service = ctx
            .entry(runtime)
            .and_then(|entry| entry.service.as_deref());
        plan.tls = match (&self.terms, tls) {
            (_, false) => None,
            (Some(terms), true) => Some(terms.profile(runtime, service, plan.tls.as_ref())),
            (None, true) => plan
                .tls
                .or_else(|| Some(runtime.settings().trust.unverified.clone())),
        };
        if let Some([connect, write, read]) = self.timeouts {
            plan.connect_timeout = connect;
            plan.write_timeout = write;
            plan.read_timeout = read;
        }
        plan.retries = self.retries.unwrap_or(plan.retries);
        plan
    }
}

/// An address, an IPv6 one with or without its brackets.
fn literal(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}
