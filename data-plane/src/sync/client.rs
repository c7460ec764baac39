//! The life of the link: boot, join, connect, and connect again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use shared::settings::Endpoint;
use shared::sync::proto::goodbye;
use shared::sync::token::{self, Token};
use shared::sync::{PROTOCOL, State, Version, proto};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use uuid::Uuid;

use super::builder::Note;
use super::cache::{Boot, Cache};
use super::connect::{Resolver, cluster, connect};
use super::enrol::{JoinError, join, renew};
use super::identity::{Identity, Request, load_endpoints, store_endpoints};
use super::link::{BootedFrom, Link};
use super::memory::{Memory, Refusal};
use super::pace::{Endpoints, Pace, REVOKED_FOR};
use super::session::{BUILD_WITHIN, End};
use super::stream::{Closed, Node, Outstanding, Reason, converse};
use super::threads::Threads;
use super::{Applied, Rejected, Settings, SyncError, random};

/// After a boot from disk, the first connection waits up to this, so that a fleet that lost power does not come at once.
const AFTER_BOOT: Duration = Duration::from_secs(2);
/// How often the certificate is looked at, and how long a failed renewal waits.
const RENEWAL_CHECK: Duration = Duration::from_secs(3600);

/// A node's side of the link, with what it booted already running.
pub struct Client {
    settings: Settings,
    link: Link,
    cache: Arc<Cache>,
    memory: Memory,
    threads: Threads,
    notes: UnboundedReceiver<Note>,
    outstanding: Option<Outstanding>,
    instance: Uuid,
    identity: Option<Arc<ArcSwap<Identity>>>,
    token: Option<Token>,
    /// The request to join, kept until it is answered.
    asking: Option<Request>,
    endpoints: Endpoints,
    resolver: Resolver,
    booted: Boot,
}

impl Client {
    /// Opens the cache, starts the build thread and runs what was kept, all before any network exists. Blocks until the
    /// kept version serves, at most for its load and build.
    ///
    /// `apply` builds a version aside, on the build thread, one at a time; [`Applied`] says how it begins to serve. Where
    /// the content is that of the running version (equal digests), it need only take over the new version's number.
    pub fn boot(
        settings: Settings,
        apply: impl FnMut(State, Version) -> Result<Applied, Rejected> + Send + 'static,
    ) -> Result<Self, SyncError> {
        let (cache, trial_error) = Cache::open(&settings.data_dir, settings.max_state_bytes)?;
        let cache = Arc::new(cache);
        let identity = Identity::load(&settings.data_dir)?;
        let token = usable_token(&settings, identity.as_ref())?;
        let endpoints = match settings.control_plane.is_empty() {
            true => load_endpoints(&settings.data_dir)?,
            false => settings.control_plane.clone(),
        };
        if token.is_some() && endpoints.is_empty() {
            return Err(SyncError::NoControlPlane);
        }
        let link = Link::new();
        let (sender, notes) = unbounded_channel();
        let limit = settings.max_state_bytes;
        let threads =
            Threads::start(apply, limit, &cache, &link, sender).map_err(SyncError::Thread)?;
        let mut booted = cache.boot(settings.snapshot.as_deref(), |snapshot, from| {
            let result = threads.builder.boot(snapshot, from == BootedFrom::Snapshot);
            result
                .map(drop)
                .map_err(|failure| failure.issues.to_string())
        });
        booted.errors.extend(trial_error);
        if identity.is_none() && token.is_none() && booted.running.is_none() {
            threads.stop(true);
            return Err(SyncError::NotJoined);
        }
        let client = Self {
            memory: remember(&booted),
            link,
            cache,
            threads,
            notes,
            outstanding: None,
            instance: Uuid::new_v4(),
            identity: identity.map(|identity| Arc::new(ArcSwap::from_pointee(identity))),
            token,
            asking: None,
            endpoints: Endpoints::new(endpoints),
            resolver: Resolver::default(),
            booted,
            settings,
        };
        client.report_boot();
        Ok(client)
    }

    /// What everybody else may know.
    pub fn link(&self) -> Link {
        self.link.clone()
    }

    /// Joins where needed, connects, and stays connected until `shutdown`; then writes what is not on disk yet. Ends
    /// with an error only if the control plane refuses to let the node in and nothing is being served.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), SyncError> {
        let result = self.stay_connected(&shutdown).await;
        self.link.connected(false);
        let idle = self.outstanding.is_none();
        let threads = self.threads;
        // Blocking, but at the very end, and a file's write long.
        let ended = tokio::task::spawn_blocking(move || threads.stop(idle));
        let _ = ended.await;
        result
    }

    fn report_boot(&self) {
        let (booted, quarantined) = (&self.booted, self.cache.quarantined());
        for error in &booted.errors {
            tracing::error!(%error, "a kept configuration cannot be used");
        }
        if let Some(digest) = booted.quarantined {
            tracing::error!(%digest, "a configuration that ended this process twice is in quarantine");
        }
        if let Some(version) = booted.running {
            let from = booted.from.as_str();
            tracing::info!(
                revision = version.revision,
                from,
                "serving the configuration kept on disk"
            );
        }
        let identity = self.identity.as_ref().map(|identity| identity.load());
        let durable = self.memory.durable;
        self.link.update(|status| {
            status.booted_from = booted.from;
            status.cache_error = (!booted.errors.is_empty()).then(|| booted.errors.join("; "));
            status.durable = durable;
            status.quarantined = quarantined;
            status.node_id = identity.as_ref().map(|identity| identity.node_id.clone());
            status.certificate_expires = identity.as_ref().map(|identity| identity.expires);
        });
    }

    async fn stay_connected(&mut self, shutdown: &CancellationToken) -> Result<(), SyncError> {
        if let Some(reason) = self.cut_off() {
            tracing::warn!(reason, "there is no link to a control plane");
            self.link
                .update(|status| status.last_error = Some(reason.to_owned()));
            shutdown.cancelled().await;
            return Ok(());
        }
        let mut pace = Pace::default();
        if self.memory.running.is_some() && pause(AFTER_BOOT.mul_f64(random()), shutdown).await {
            return Ok(());
        }
        loop {
            let (index, endpoint) = self.endpoints.next();
            let closed = match self.attempt(&endpoint, shutdown).await {
                Ok(closed) => closed,
                Err(Stop::Retry(reason)) => Closed {
                    reason: Reason::Broken(reason),
                    ..Closed::NEVER_STOOD
                },
                Err(Stop::Shutdown) => return Ok(()),
                Err(Stop::Refused(error)) if self.memory.running.is_none() => {
                    return Err(error.into());
                }
                Err(Stop::Refused(error)) => Closed {
                    reason: Reason::End(End::Goodbye(
                        goodbye::Reason::Revoked,
                        REVOKED_FOR,
                        error.to_string(),
                    )),
                    ..Closed::NEVER_STOOD
                },
            };
            if closed.welcomed {
                self.endpoints.good(index);
            }
            self.report_end(&closed.reason, &mut pace);
            if matches!(closed.reason, Reason::Shutdown)
                || pause(pace.next(&closed), shutdown).await
            {
                return Ok(());
            }
        }
    }

    /// Why there is nobody to connect to, if so.
    fn cut_off(&self) -> Option<&'static str> {
        if self.endpoints.all.is_empty() {
            return Some("no `control_plane` is set, and this node has not joined one");
        }
        let lost = self.identity.is_none() && self.token.is_none();
        lost.then_some("the node's identity is gone; it needs a join token to connect again")
    }

    /// Joins if need be, connects and holds one session.
    async fn attempt(
        &mut self,
        endpoint: &Endpoint,
        shutdown: &CancellationToken,
    ) -> Result<Closed, Stop> {
        let channel = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Err(Stop::Shutdown),
            channel = self.reach(endpoint) => channel?,
        };
        self.settle().await;
        let identity = self.identity.clone().expect("reach joined");
        let hello = self.hello(&identity.load().node_id);
        let node = Node {
            link: &self.link,
            builder: &self.threads.builder,
            memory: &mut self.memory,
            notes: &mut self.notes,
            outstanding: &mut self.outstanding,
            max_state_bytes: self.settings.max_state_bytes,
        };
        let renewals = keep_renewed(channel.clone(), &identity, &self.settings, &self.link);
        let closed = tokio::select! {
            closed = converse(channel, hello, node, shutdown) => closed,
            never = renewals => match never {},
        };
        self.link.connected(false);
        Ok(closed)
    }

    async fn reach(&mut self, endpoint: &Endpoint) -> Result<Channel, Stop> {
        if let Some(token) = self.token.clone() {
            let identity = self.join(endpoint, &token).await?;
            self.link.update(|status| {
                status.node_id = Some(identity.node_id.clone());
                status.certificate_expires = Some(identity.expires);
            });
            tracing::info!(node = %identity.node_id, "joined the control plane");
            self.identity = Some(Arc::new(ArcSwap::from_pointee(identity)));
            self.token = None;
        }
        let identity = self
            .identity
            .as_ref()
            .expect("cut_off saw one, or the join made it")
            .load_full();
        let config = cluster(&identity).map_err(|error| Stop::Retry(error.to_string()))?;
        let channel = connect(endpoint, config, &mut self.resolver).await;
        channel.map_err(|error| Stop::Retry(error.to_string()))
    }

    async fn join(&mut self, endpoint: &Endpoint, token: &Token) -> Result<Identity, Stop> {
        let word = self.settings.join.as_deref().unwrap_or_default();
        let (hostname, software) = (&self.settings.hostname, &self.settings.software);
        let request = match self.asking.take() {
            Some(request) => request,
            None => Request::new().map_err(|error| Stop::Refused(error.into()))?,
        };
        let joined = join(
            &request,
            endpoint,
            word,
            token,
            hostname,
            software,
            &mut self.resolver,
        )
        .await;
        let stored = joined.and_then(|identity| {
            store_endpoints(&self.settings.data_dir, &self.endpoints.all)?;
            identity.store(&self.settings.data_dir)?;
            Ok(identity)
        });
        stored.map_err(|error| match error.may_pass() {
            true => {
                self.asking = Some(request);
                Stop::Retry(error.to_string())
            }
            false => Stop::Refused(error),
        })
    }

    /// Takes in what happened between two sessions. Hello must name what runs: a build that is still under way would
    /// make that a lie a moment later, and the next update a mismatch.
    async fn settle(&mut self) {
        while let Ok(note) = self.notes.try_recv() {
            self.remember(note);
        }
        while let Some(outstanding) = &self.outstanding {
            let left = (outstanding.since + BUILD_WITHIN).saturating_duration_since(Instant::now());
            match timeout(left, self.notes.recv()).await {
                Ok(Some(note)) => self.remember(note),
                _ => {
                    outstanding.permit.withdraw();
                    self.outstanding = None;
                }
            }
        }
    }

    fn remember(&mut self, note: Note) {
        match note {
            Note::Persisted(version) => self.memory.durable = Some(version),
            Note::Proven(digest) => self.memory.forgive(&digest),
            Note::Built(outcome) => {
                self.memory.built(&outcome);
                self.outstanding
                    .take_if(|build| build.order == outcome.order);
            }
        }
    }

    fn hello(&self, node_id: &str) -> proto::Hello {
        proto::Hello {
            protocol: PROTOCOL,
            node_id: node_id.to_owned(),
            instance_id: self.instance.as_bytes().to_vec(),
            software: self.settings.software.clone(),
            running: self.memory.running.map(Into::into),
            refused: self.memory.refusals(),
            features: self.settings.features.clone(),
            plugins: self.settings.plugins.clone(),
            booted_from: self.booted.from.as_str().to_owned(),
            cache_error: self.booted.errors.join("; "),
            hostname: self.settings.hostname.clone(),
            durable: self.memory.durable.map(Into::into),
        }
    }

    /// Says it once: a control plane that is away for a day is one line, not ten thousand.
    fn report_end(&self, reason: &Reason, pace: &mut Pace) {
        let error = match reason {
            Reason::Shutdown => return,
            Reason::Broken(error) | Reason::End(End::Protocol(error)) => error.clone(),
            Reason::End(End::Silent(what)) => (*what).to_owned(),
            Reason::End(End::Goodbye(reason, _, message)) => match message.as_str() {
                "" => format!("the control plane said goodbye: {}", reason.as_str_name()),
                message => format!(
                    "the control plane said goodbye: {} ({message})",
                    reason.as_str_name()
                ),
            },
        };
        if pace.reported.as_ref() != Some(&error) {
            tracing::warn!(%error, "no link to the control plane; serving what there is");
            pace.reported = Some(error.clone());
        }
        self.link.update(|status| status.last_error = Some(error));
    }
}

/// Why an attempt came to no session.
enum Stop {
    Retry(String),
    Refused(JoinError),
    Shutdown,
}

/// The token, if this node needs one: it has no identity, or one that has ended.
fn usable_token(
    settings: &Settings,
    identity: Option<&Identity>,
) -> Result<Option<Token>, SyncError> {
    let Some(word) = &settings.join else {
        return Ok(None);
    };
    if identity.is_some_and(|identity| identity.expires > SystemTime::now()) {
        tracing::info!("this node has joined before; the join token is not used");
        return Ok(None);
    }
    Ok(Some(token::parse(word)?))
}

fn remember(booted: &Boot) -> Memory {
    let kept = matches!(booted.from, BootedFrom::Cache | BootedFrom::Previous);
    let mut memory = Memory::booted(booted.running, booted.running.filter(|_| kept));
    for digest in booted.quarantined.into_iter().chain(booted.crashed) {
        memory.refuse(Refusal {
            digest,
            reason: "the process ended while this configuration was on trial".to_owned(),
            crashed: true,
        });
    }
    memory
}

/// Renews the certificate when its time has come, for as long as the session stands.
async fn keep_renewed(
    channel: Channel,
    identity: &ArcSwap<Identity>,
    settings: &Settings,
    link: &Link,
) -> Infallible {
    loop {
        let due = identity.load().renew_from.duration_since(SystemTime::now());
        if let Ok(left) = due {
            sleep(left.min(RENEWAL_CHECK)).await; // in steps, because clocks do
            continue;
        }
        let renewed = renew(channel.clone()).await;
        let stored =
            renewed.and_then(|renewed| Ok(renewed.store(&settings.data_dir).map(|()| renewed)?));
        match stored {
            Ok(renewed) => {
                tracing::info!("the node's certificate was renewed");
                link.update(|status| status.certificate_expires = Some(renewed.expires));
                identity.store(Arc::new(renewed));
            }
            Err(error) => tracing::warn!(%error, "the node's certificate could not be renewed"),
        }
        sleep(RENEWAL_CHECK.mul_f64(0.5 + random() / 2.0)).await;
    }
}

/// Waits; whether the process stops meanwhile.
async fn pause(wait: Duration, shutdown: &CancellationToken) -> bool {
    timeout(wait, shutdown.cancelled()).await.is_ok()
}
