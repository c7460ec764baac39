//! How the services of one revision are spoken to over TLS. Services that say the same share one profile, and one that
//! did not change keeps it over a swap, and with it its idle connections.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;
use rustls::RootCertStore;
use rustls::sign::CertifiedKey;
use shared::entities::{CaCertificate, Service, Upstream};
use shared::model::Model;
use uuid::Uuid;

use super::Runtime;
use super::certificates::Certificates;
use crate::carried::trust::{Profile, Terms, Trust};

/// What services can say; equal ones share a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Said {
    verify: bool,
    depth: Option<u8>,
    authorities: Option<Vec<Uuid>>,
    client: Option<Uuid>,
}

/// A profile, and what it was made of.
struct Made {
    profile: Arc<Profile>,
    authorities: Vec<Arc<CaCertificate>>,
    client: Option<Arc<CertifiedKey>>,
}

/// The profiles of one revision.
#[derive(Default)]
pub struct Profiles(HashMap<Said, Made, RandomState>);

/// Makes profiles while a revision is built.
pub struct Maker<'a> {
    trust: &'a Trust,
    model: &'a Model,
    certificates: &'a Certificates,
    previous: Option<&'a Profiles>,
    made: Profiles,
}

impl<'a> Maker<'a> {
    /// A maker for one revision; `previous` lends what did not change.
    pub fn new(
        trust: &'a Trust,
        model: &'a Model,
        certificates: &'a Certificates,
        previous: Option<&'a Profiles>,
    ) -> Self {
        Self {
            trust,
            model,
            certificates,
            previous,
            made: Profiles::default(),
        }
    }

    /// The profile of a service that speaks TLS, perhaps through an upstream.
    pub fn profile(&mut self, service: &Service, upstream: Option<&Upstream>) -> Arc<Profile> {
        let said = Said::of(service, upstream);
        if said == Said::default() {
            return self.trust.unverified.clone();
        }
        if let Some(made) = self.made.0.get(&said) {
            return made.profile.clone();
        }
        let made = self.make(&said);
        let profile = made.profile.clone();
        self.made.0.insert(said, made);
        profile
    }

    /// All that were asked for.
    pub fn finish(self) -> Profiles {
        self.made
    }

    fn make(&self, said: &Said) -> Made {
        let named = said.authorities.iter().flatten();
        let authorities: Vec<_> = named
            .filter_map(|id| self.model.ca_certificates.get(id).cloned())
            .collect();
        let client = said.client.and_then(|id| self.certificates.of(&id));
        let client = client.map(|pair| pair.first.clone());
        let kept = self.previous.and_then(|previous| previous.0.get(said));
        let profile = match kept.filter(|made| made.is_of(&authorities, client.as_ref())) {
            Some(made) => made.profile.clone(),
            None => Arc::new(self.trust.profile(Terms {
                verify: said.verify,
                depth: said.depth,
                authorities: said.authorities.as_ref().map(|_| store(&authorities)),
                client: client.clone(),
            })),
        };
        Made {
            profile,
            authorities,
            client,
        }
    }
}

impl Made {
    fn is_of(
        &self,
        authorities: &[Arc<CaCertificate>],
        client: Option<&Arc<CertifiedKey>>,
    ) -> bool {
        let same = |(a, b): (&Arc<_>, &Arc<_>)| Arc::ptr_eq(a, b);
        let client = match (&self.client, client) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        client
            && self.authorities.len() == authorities.len()
            && self.authorities.iter().zip(authorities).all(same)
    }
}

impl Said {
    /// A service without a client certificate shows that of its upstream.
    fn of(service: &Service, upstream: Option<&Upstream>) -> Self {
        let verify = service.tls_verify.unwrap_or(false);
        let authorities = service.ca_certificates.as_ref().filter(|_| verify);
        Self {
            verify,
            depth: service.tls_verify_depth.filter(|_| verify),
            authorities: authorities.map(|ids| ids.iter().map(|id| id.uuid()).collect()),
            client: service
                .client_certificate
                .or_else(|| upstream?.client_certificate)
                .map(|foreign| foreign.uuid()),
        }
    }
}

/// What a request wants of TLS to its upstream, over what the service says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    /// `tls_verify`.
    pub(crate) verify: Option<bool>,
    /// `tls_verify_depth`.
    pub(crate) depth: Option<u8>,
    /// Authorities in place of others, and the text that they were read from.
    pub(crate) authorities: Option<(Arc<str>, Arc<RootCertStore>)>,
    /// The certificate to show, and the text that it was read from.
    pub(crate) client: Option<(Arc<str>, Arc<CertifiedKey>)>,
}

/// What a profile with overrides is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Overridden {
    /// Which profile the service has, for what it says.
    base: u64,
    verify: Option<bool>,
    depth: Option<u8>,
    authorities: Option<Arc<str>>,
    client: Option<Arc<str>>,
}

/// How many profiles with overrides a thread keeps, with their idle connections.
const KEPT: usize = 64;

thread_local! {
    static MADE: RefCell<VecDeque<(Overridden, Arc<Profile>)>> = const { RefCell::new(VecDeque::new()) };
}

impl Overrides {
    /// The profile of a service, `base`, with these. One that says the same as an earlier one is that one.
    pub(crate) fn profile(
        &self,
        runtime: &Runtime,
        service: Option<&Service>,
        base: Option<&Arc<Profile>>,
    ) -> Arc<Profile> {
        let text = |text: &Arc<str>| text.clone();
        let wanted = Overridden {
            base: base.map_or(0, |profile| profile.id() + 1),
            verify: self.verify,
            depth: self.depth,
            authorities: self.authorities.as_ref().map(|(pem, _)| text(pem)),
            client: self.client.as_ref().map(|(pem, _)| text(pem)),
        };
        MADE.with_borrow_mut(|made| {
            if let Some((_, profile)) = made.iter().find(|(of, _)| *of == wanted) {
                return profile.clone();
            }
            let profile = Arc::new(runtime.settings.trust.profile(self.terms(runtime, service)));
            if made.len() == KEPT {
                made.pop_front();
            }
            made.push_back((wanted, profile.clone()));
            profile
        })
    }

    fn terms(&self, runtime: &Runtime, service: Option<&Service>) -> Terms {
        let said = service.map_or_else(Said::default, |service| {
            let balancer = runtime.balancers.get(&service.host);
            Said::of(service, balancer.map(|found| &*found.upstream))
        });
        let of_service = || {
            let ids = service?.ca_certificates.as_ref()?.iter();
            let found = ids.filter_map(|id| runtime.model.ca_certificates.get(&id.uuid()).cloned());
            Some(store(&found.collect::<Vec<_>>()))
        };
        let authorities = self
            .authorities
            .as_ref()
            .map(|(_, store)| RootCertStore::clone(store));
        let client = self.client.as_ref().map(|(_, key)| key.clone());
        Terms {
            verify: self.verify.unwrap_or(said.verify),
            depth: self.depth.or_else(|| service?.tls_verify_depth),
            authorities: authorities.or_else(of_service),
            client: client.or_else(|| Some(runtime.certificates.of(&said.client?)?.first.clone())),
        }
    }
}

/// An id that names nothing adds nothing: if none is left, nobody is trusted.
fn store(authorities: &[Arc<CaCertificate>]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let certificates = authorities
        .iter()
        .map(|authority| authority.cert.der().clone());
    roots.add_parsable_certificates(certificates);
    roots
}

#[cfg(test)]
mod tests;
