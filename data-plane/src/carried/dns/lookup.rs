//! Questions to name servers.

use super::addresses::{Answer, Service, Target};
use super::{DnsError, Kind, Options};
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as Negative, NetError};
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use std::net::SocketAddr;
use std::time::Duration;

/// An answer and how long it holds.
#[derive(Debug)]
pub(super) struct Found {
    pub answer: Answer,
    pub ttl: Duration,
}

/// What is known of the way to the name servers.
pub(super) struct Lookups {
    resolver: TokioResolver,
    order: Vec<Kind>,
}

/// Records of one kind, and the time that the shortest-lived of them has left.
struct Records<T> {
    found: Vec<T>,
    ttl: Duration,
}

impl Lookups {
    pub(super) fn new(options: &Options) -> Result<Lookups, DnsError> {
        let (system, mut settings) = system();
        let (domain, search, mut servers) = system.into_parts();
        if !options.servers.is_empty() {
            servers = options.servers.iter().copied().map(name_server).collect();
        }
        // The cache is ours: theirs knows nothing of answers past their time.
        settings.cache_size = 0;
        settings.use_hosts_file = ResolveHosts::Never;
        let config = ResolverConfig::from_parts(domain, search, servers);
        let builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(settings);
        let resolver = builder.build().map_err(|error| failed("", &error))?;
        Ok(Lookups {
            resolver,
            order: options.order.clone(),
        })
    }

    /// Asks for each kind of record in turn until one is there; `last` is the kind that was there last time.
    pub(super) async fn find(&self, name: &str, last: Option<Kind>) -> Result<Found, DnsError> {
        // RFC 6761 6.4: these never exist, so nobody is asked.
        if name.strip_suffix('.').unwrap_or(name).ends_with(".invalid") {
            return Err(DnsError::NotFound);
        }
        let Ok(dns_name) = Name::from_utf8(name) else {
            return Err(DnsError::NotFound);
        };
        let mut failure = DnsError::NotFound;
        for kind in self.kinds(last) {
            match self.find_kind(&dns_name, kind).await {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                // A server that is not there will not be there for the next kind either.
                Err(error) if !matches!(error, NetError::Dns(_)) => {
                    return Err(failed(name, &error));
                }
                // Some servers fail on kinds they do not know. What counts is what they say of addresses.
                Err(error) if matches!(kind, Kind::A | Kind::Aaaa) => {
                    failure = failed(name, &error)
                }
                Err(_) => {}
            }
        }
        Err(failure)
    }

    fn kinds(&self, last: Option<Kind>) -> Vec<Kind> {
        let mut kinds = Vec::new();
        for kind in &self.order {
            let kind = if *kind == Kind::Last {
                last
            } else {
                Some(*kind)
            };
            kinds.extend(kind.filter(|kind| !kinds.contains(kind)));
        }
        kinds
    }

    async fn find_kind(&self, name: &Name, kind: Kind) -> Result<Option<Found>, NetError> {
        match kind {
            Kind::Last => Ok(None),
            Kind::Srv => self.services(name).await,
            Kind::A => Ok(found(kind, self.addresses(name, RecordType::A).await?)),
            Kind::Aaaa => Ok(found(kind, self.addresses(name, RecordType::AAAA).await?)),
            Kind::Cname => self.alias(name).await,
        }
    }

    async fn addresses(&self, name: &Name, kind: RecordType) -> Result<Records<Target>, NetError> {
        self.records(name, kind, |data| {
            data.ip_addr().map(|ip| Target { ip, port: None })
        })
        .await
    }

    /// The addresses of the services of the lowest priority, by weight.
    async fn services(&self, name: &Name) -> Result<Option<Found>, NetError> {
        let service = |data: &RData| match data {
            RData::SRV(service) => Some(service.clone()),
            _ => None,
        };
        let Records {
            found: services,
            mut ttl,
        } = self.records(name, RecordType::SRV, service).await?;
        let lowest = services.iter().map(|service| service.priority).min();
        let mut listed = Vec::new();
        for SRV {
            priority,
            weight,
            port,
            target,
            ..
        } in services
        {
            if Some(priority) != lowest || target.is_root() {
                continue;
            }
            let addresses = self.any_addresses(&target).await?;
            ttl = ttl.min(addresses.ttl);
            let port = (port != 0).then_some(port);
            let name = target.to_utf8();
            let name = name.strip_suffix('.').unwrap_or(&name);
            listed.extend(addresses.found.into_iter().map(|address| Service {
                target: Target { port, ..address },
                weight: weight.max(1),
                name: Box::from(name),
            }));
        }
        Ok(Answer::of_services(listed).map(|answer| Found { answer, ttl }))
    }

    /// What the name is another name for. Servers mostly follow it themselves when asked for addresses.
    async fn alias(&self, name: &Name) -> Result<Option<Found>, NetError> {
        let alias = |data: &RData| match data {
            RData::CNAME(alias) => Some(alias.0.clone()),
            _ => None,
        };
        let Records {
            found: aliases,
            ttl,
        } = self.records(name, RecordType::CNAME, alias).await?;
        let Some(alias) = aliases.first() else {
            return Ok(None);
        };
        let addresses = self.any_addresses(alias).await?;
        Ok(found(
            Kind::Cname,
            Records {
                ttl: ttl.min(addresses.ttl),
                ..addresses
            },
        ))
    }

    /// The addresses of a name that another record has led to: IPv6 only if the order names it.
    async fn any_addresses(&self, name: &Name) -> Result<Records<Target>, NetError> {
        let addresses = self.addresses(name, RecordType::A).await?;
        if addresses.found.is_empty() && self.order.contains(&Kind::Aaaa) {
            return self.addresses(name, RecordType::AAAA).await;
        }
        Ok(addresses)
    }

    /// Records of one kind. That there are none is no error.
    async fn records<T>(
        &self,
        name: &Name,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Result<Records<T>, NetError> {
        let answer = match self.resolver.lookup(name.clone(), kind).await {
            Ok(answer) => answer,
            Err(error) if is_negative(&error) => {
                return Ok(Records {
                    found: Vec::new(),
                    ttl: Duration::MAX,
                });
            }
            Err(error) => return Err(error),
        };
        // The aliases on the way to the records end as soon as any of them does.
        let ttl = answer
            .answers()
            .iter()
            .map(|record: &Record| record.ttl)
            .min()
            .unwrap_or_default();
        let found = answer
            .answers()
            .iter()
            .filter_map(|record| read(&record.data))
            .collect();
        Ok(Records {
            found,
            ttl: Duration::from_secs(ttl.into()),
        })
    }
}

fn found(kind: Kind, records: Records<Target>) -> Option<Found> {
    Answer::new(kind, records.found).map(|answer| Found {
        answer,
        ttl: records.ttl,
    })
}

/// Whether a server says that there is nothing, as against that it cannot say.
fn is_negative(error: &NetError) -> bool {
    use hickory_resolver::proto::op::ResponseCode::{NXDomain, NoError};
    matches!(error, NetError::Dns(Negative::NoRecordsFound(none)) if matches!(none.response_code, NXDomain | NoError))
}

fn failed(name: &str, error: &NetError) -> DnsError {
    DnsError::Failed {
        name: name.to_string(),
        reason: error.to_string(),
    }
}

fn system() -> (ResolverConfig, ResolverOpts) {
    hickory_resolver::system_conf::read_system_conf().unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot read /etc/resolv.conf");
        (
            ResolverConfig::from_name_servers(Vec::new()),
            ResolverOpts::default(),
        )
    })
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    connections
        .iter_mut()
        .for_each(|connection| connection.port = address.port());
    NameServerConfig::new(address.ip(), true, connections)
}
