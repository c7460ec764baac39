//! A node alone: its configuration is a declarative file, and no control plane is asked for anything.
//!
//! What loads is built and swapped in as an update from a control plane is; a file that does not load changes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use shared::declarative::{self, Base, Loaded, Mistake, Mode, Options, Report};
use shared::model::Issues;
use shared::plugins::Catalog;
use shared::sync::{State, Version};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::link::{Arrival, BootedFrom, Link};
use super::{Applied, Rejected};

/// How often the file is looked at: a change takes effect within this.
const LOOK: Duration = Duration::from_secs(1);

/// Why a file does not load.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read the declarative file '{path}': {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is not what a declarative file must be.
    #[error("the declarative file '{path}' is wrong:{}", lines(path, mistakes))]
    Wrong {
        /// The file.
        path: String,
        /// Everything that is wrong, by line and column.
        mistakes: Vec<Mistake>,
    },
    /// Its documents are right by themselves, and this node cannot run them.
    #[error("this node cannot run the declarative file '{path}': {issues}")]
    Refused {
        /// The file.
        path: String,
        /// Why.
        issues: Issues,
    },
    /// It is larger than the setting allows.
    #[error(
        "the declarative file '{path}' holds {bytes} bytes of configuration, the most is {limit} (setting 'max_state_bytes')"
    )]
    Large {
        /// The file.
        path: String,
        /// What it holds.
        bytes: u64,
        /// What the setting allows.
        limit: u64,
    },
}

fn lines(path: &str, mistakes: &[Mistake]) -> String {
    let line = |mistake: &Mistake| match mistake.at {
        Some(_) => format!("\n  {path}:{mistake}"),
        None => format!("\n  {path}: {mistake}"),
    };
    mistakes.iter().map(line).collect()
}

/// A configuration that is a file.
pub struct ConfigFile<F> {
    path: PathBuf,
    limit: u64,
    catalog: Arc<Catalog>,
    apply: F,
    link: Link,
    /// What serves.
    state: State,
    version: Version,
    seen: Option<(SystemTime, u64)>,
}

impl<F> ConfigFile<F>
where
    F: FnMut(State, Version) -> Result<Applied, Rejected>,
{
    /// Reads the file and makes it what serves. `catalog`: the plugins that it may name beside its own.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn boot(
        path: &Path,
        limit: u64,
        catalog: Arc<Catalog>,
        apply: F,
    ) -> Result<Self, FileError> {
        let state = State::new();
        let version = Version {
            epoch: Uuid::new_v4(), // revisions count the loads of this process
            revision: 0,
            digest: state.digest(),
        };
        let mut file = Self {
            path: path.to_owned(),
            limit,
            catalog,
            apply,
            link: Link::alone(),
            state,
            version,
            seen: None,
        };
        file.load()?;
        Ok(file)
    }

    /// What everybody else may know.
    pub fn link(&self) -> Link {
        self.link.clone()
    }

    /// Loads the file again whenever it changes or `asked` says so, until `shutdown`.
    pub async fn follow(mut self, mut asked: UnboundedReceiver<()>, shutdown: CancellationToken) {
        loop {
            let due = tokio::select! {
                () = shutdown.cancelled() => return,
                Some(()) = asked.recv() => true,
                () = tokio::time::sleep(LOOK) => stamp(&self.path) != self.seen,
            };
            if due {
                self.reload();
            }
        }
    }

    fn reload(&mut self) {
        match self.load() {
            Ok(()) => {
                let (revision, documents) = (self.version.revision, self.state.len());
                tracing::info!(revision, documents, "the declarative file was loaded");
            }
            Err(error) => {
                tracing::error!(%error, "the declarative file is not loaded; what was loaded before goes on");
                self.link.update(|status| {
                    status.last_error = Some(error.to_string());
                    status.needs_attention =
                        Some("the declarative file has changed and does not load".to_owned());
                });
            }
        }
    }

    fn load(&mut self) -> Result<(), FileError> {
        let begun = Instant::now();
        // Before reading: a change meanwhile is seen next time.
        self.seen = stamp(&self.path);
        let state = self.read()?;
        let version = Version {
            revision: self.version.revision + 1,
            digest: state.digest(),
            ..self.version
        };
        if self.version.revision > 0 && version.digest == self.version.digest {
            self.served(self.version, Duration::ZERO);
            return Ok(());
        }
        let applied = (self.apply)(state.clone(), version).map_err(|rejected| {
            let (Rejected::Invalid(issues) | Rejected::Build(issues)) = rejected;
            FileError::Refused {
                path: self.path.display().to_string(),
                issues,
            }
        })?;
        (applied.swap)();
        self.state = state;
        self.version = version;
        self.served(version, begun.elapsed());
        Ok(())
    }

    fn served(&self, version: Version, build: Duration) {
        self.link.update(|status| {
            status.running = Some(version);
            status.durable = Some(version);
            status.head = version.revision;
            status.last_update = Some(Arrival::File);
            status.booted_from = BootedFrom::File;
            status.last_error = None;
            status.needs_attention = None;
            if build > Duration::ZERO {
                status.build = build;
                status.applied_at = Some(SystemTime::now());
            }
        });
    }

    /// The file's documents; those that are as they were stay the same to the byte.
    fn read(&self) -> Result<State, FileError> {
        let path = self.path.display().to_string();
        let text = std::fs::read_to_string(&self.path).map_err(|source| FileError::Read {
            path: path.clone(),
            source,
        })?;
        let wrong = |report: Report| FileError::Wrong {
            path: path.clone(),
            mistakes: mistakes(&report, &text),
        };
        let root = declarative::parse(&text).map_err(|error| wrong(error.into()))?;
        let options = Options {
            catalog: &self.catalog,
            now: now(),
            new_id: &Uuid::new_v4,
            random_text: &|| Uuid::new_v4().simple().to_string(),
            lenient_config: true,
            base: Base::new(&self.state, Mode::Replace),
        };
        let loaded = declarative::load(&root, &options).map_err(wrong)?;
        let state = state_of(&loaded);
        if state.bytes() > self.limit {
            return Err(FileError::Large {
                path,
                bytes: state.bytes(),
                limit: self.limit,
            });
        }
        Ok(state)
    }
}

fn mistakes(report: &Report, text: &str) -> Vec<Mistake> {
    match report.unread() {
        Some(unread) => vec![Mistake {
            at: unread.at,
            path: String::new(),
            message: unread.message.clone(),
        }],
        None => declarative::explain(&report.fields(), text),
    }
}

fn state_of(loaded: &[Loaded]) -> State {
    let mut state = State::new();
    for one in loaded {
        state.insert(&one.entity.kind.into(), one.id, one.payload.clone());
    }
    state
}

/// When the file was written and how long it is; none while it is not there.
fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}

/// Seconds since the epoch.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tempfile::TempDir;

    use super::*;

    const GOOD: &str = "_format_version: '3.0'\nservices:\n- name: s\n  host: h\n";

    type Served = Arc<Mutex<Vec<(usize, u64)>>>;

    type Apply = Box<dyn FnMut(State, Version) -> Result<Applied, Rejected>>;

    /// Notes what would serve: how many documents, at which revision.
    fn boot(
        folder: &TempDir,
        text: &str,
        limit: u64,
    ) -> (Result<ConfigFile<Apply>, FileError>, Served) {
        let path = folder.path().join("kong.yaml");
        std::fs::write(&path, text).unwrap();
        let served = Served::default();
        let noted = served.clone();
        let apply: Apply = Box::new(move |state: State, version: Version| {
            let noted = noted.clone();
            Ok(Applied::new(move || {
                noted.lock().unwrap().push((state.len(), version.revision));
            }))
        });
        let catalog = Arc::new(Catalog::builtin().clone());
        (ConfigFile::boot(&path, limit, catalog, apply), served)
    }

    #[test]
    fn a_load_that_changes_nothing_swaps_nothing() {
        let folder = TempDir::new().unwrap();
        let (file, served) = boot(&folder, GOOD, u64::MAX);
        let mut file = file.unwrap();
        file.reload();
        std::fs::write(&file.path, format!("{GOOD}consumers:\n- username: bob\n")).unwrap();
        file.reload();
        assert_eq!(*served.lock().unwrap(), [(1, 1), (2, 2)]);
        let status = file.link().status();
        assert_eq!(status.running.map(|version| version.revision), Some(2));
        assert!(!status.stale() && status.synced && status.age() == Duration::ZERO);
    }

    #[test]
    fn a_bad_file_changes_nothing_and_the_status_says_so() {
        let folder = TempDir::new().unwrap();
        let (file, served) = boot(&folder, GOOD, u64::MAX);
        let mut file = file.unwrap();
        std::fs::write(&file.path, "_format_version: '3.0'\nservices:\n- port: x\n").unwrap();
        file.reload();
        assert_eq!(served.lock().unwrap().len(), 1);
        let status = file.link().status();
        let error = status.last_error.expect("an error");
        for line in [
            "kong.yaml:3:9: services[0].port: expected an integer",
            "kong.yaml:3:3: services[0].host: required field missing",
        ] {
            assert!(error.contains(line), "{error}");
        }
        assert!(status.needs_attention.is_some());
        std::fs::write(&file.path, GOOD).unwrap();
        file.reload();
        let status = file.link().status();
        assert!(status.last_error.is_none() && status.needs_attention.is_none());
    }

    #[test]
    fn a_file_that_does_not_load_does_not_boot() {
        let folder = TempDir::new().unwrap();
        let cases = [
            ("a: [", u64::MAX, "kong.yaml:"),
            ("text", u64::MAX, "expected an object"),
            (GOOD, 10, "max_state_bytes"),
        ];
        for (text, limit, said) in cases {
            let (file, served) = boot(&folder, text, limit);
            let error = file.err().expect(text).to_string();
            assert!(error.contains(said), "{error}");
            assert!(served.lock().unwrap().is_empty());
        }
        let missing = ConfigFile::boot(&folder.path().join("none"), 1, Arc::default(), |_, _| {
            Ok(Applied::new(|| {}))
        });
        assert!(matches!(missing, Err(FileError::Read { .. })));
    }
}
