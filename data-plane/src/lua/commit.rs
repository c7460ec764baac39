//! The second step of a switch (custom-plugins.md 7.4): every worker loads the new code before any of them serves it.
//!
//! What a scratch machine could load a worker may not be able to: its own machine is fuller. Were it found out by the first
//! request, workers would serve different revisions, or one that they cannot. So the thread that builds a revision asks all
//! workers to load what is new in it, between two requests, and swaps the pointer only when all have. One that cannot is
//! asked again; if it still cannot after `custom_plugins_commit_wait` the revision is refused, the one before goes on on every
//! worker, and the control plane is told why. Only code that is new is asked for.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::{Code, worker};

/// How long a worker has for an answer. One that is silent is held by something else, perhaps by the very code that is to be
/// replaced: it does not hold up the others, and loads what is new when it comes back.
const SILENT: Duration = Duration::from_secs(5);
/// How soon one that could not load is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Why a worker cannot load a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The plugin's name.
    pub plugin: String,
    /// What is wrong, and where.
    pub message: String,
}

/// What a worker is asked to do, between two requests.
type Job = Box<dyn FnOnce() -> Vec<Complaint> + Send>;

/// A job, and where its answer goes, with the number that the worker has there.
struct Asked {
    job: Job,
    number: usize,
    answer: Sender<(usize, Vec<Complaint>)>,
}

/// The workers of a node, once they serve.
#[derive(Default)]
pub struct Workers(Mutex<Vec<UnboundedSender<Asked>>>);

/// What a worker is asked.
pub struct Jobs(UnboundedReceiver<Asked>);

impl Jobs {
    /// Does what this worker is asked, until the node stops.
    pub async fn run(mut self, stop: CancellationToken) {
        while let Some(Some(asked)) = stop.run_until_cancelled(self.0.recv()).await {
            // Nobody waits any more: too late.
            let _ = asked.answer.send((asked.number, (asked.job)()));
        }
    }
}

impl Workers {
    /// A worker begins to serve.
    pub fn enter(&self) -> Jobs {
        let (sender, jobs) = unbounded_channel();
        self.list().push(sender);
        Jobs(jobs)
    }

    /// Has every worker load this code. Blocks: not for threads that serve.
    ///
    /// # Errors
    /// What those that cannot say, once `patience` is over.
    pub fn load(&self, codes: &[Arc<Code>], patience: Duration) -> Result<(), Vec<Complaint>> {
        if codes.is_empty() {
            return Ok(());
        }
        let agreed = self.agree(patience, AGAIN, || {
            let codes = codes.to_vec();
            Box::new(move || worker::load(&codes))
        });
        if agreed.is_err() {
            // What some could load is not kept for nothing.
            self.ask(&self.all(), &|| {
                Box::new(|| {
                    worker::sweep();
                    Vec::new()
                })
            });
        }
        agreed
    }

    fn agree(
        &self,
        patience: Duration,
        again: Duration,
        job: impl Fn() -> Job,
    ) -> Result<(), Vec<Complaint>> {
        let deadline = Instant::now() + patience;
        let mut workers = self.all();
        loop {
            let mut complaints = self.ask(&workers, &job);
            complaints.retain(|(_, complaints)| !complaints.is_empty());
            if complaints.is_empty() {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            for complaint in complaints.iter().flat_map(|(_, complaints)| complaints) {
                let Complaint { plugin, message } = complaint;
                tracing::warn!(
                    plugin,
                    "a new revision waits, {} s at most: {message}",
                    left.as_secs()
                );
            }
            if left.is_zero() {
                return Err(complaints.into_iter().flat_map(|(_, all)| all).collect());
            }
            thread::sleep(again.min(left));
            workers.retain(|(number, _)| complaints.iter().any(|(of, _)| of == number));
        }
    }

    /// What these workers answer; those that end meanwhile, and those that are silent, answer nothing.
    fn ask(
        &self,
        workers: &[(usize, UnboundedSender<Asked>)],
        job: &dyn Fn() -> Job,
    ) -> Vec<(usize, Vec<Complaint>)> {
        let (answer, answers) = channel();
        for (number, worker) in workers {
            let _ = worker.send(Asked {
                job: job(),
                number: *number,
                answer: answer.clone(),
            });
        }
        drop(answer);
        let deadline = Instant::now() + SILENT;
        let mut said = Vec::new();
        loop {
            match answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(one) => said.push(one),
                Err(RecvTimeoutError::Disconnected) => return said,
                Err(RecvTimeoutError::Timeout) => {
                    let silent = workers.len() - said.len();
                    tracing::error!(
                        silent,
                        "workers do not answer: they load new plugins when they come back"
                    );
                    return said;
                }
            }
        }
    }

    fn all(&self) -> Vec<(usize, UnboundedSender<Asked>)> {
        self.list().iter().cloned().enumerate().collect()
    }

    fn list(&self) -> std::sync::MutexGuard<'_, Vec<UnboundedSender<Asked>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use super::*;

    /// Workers that answer on threads of their own while this lives.
    fn serving(count: usize, workers: &Arc<Workers>) -> tokio_util::sync::DropGuard {
        let stop = CancellationToken::new();
        for number in 0..count {
            let (jobs, stop) = (workers.enter(), stop.clone());
            let name = format!("worker-{number}");
            let thread = thread::Builder::new().name(name);
            let run = move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build();
                runtime.expect("a runtime").block_on(jobs.run(stop));
            };
            thread.spawn(run).expect("a thread");
        }
        stop.drop_guard()
    }

    fn complaint() -> Complaint {
        Complaint {
            plugin: "demo".to_owned(),
            message: format!(
                "cannot be loaded on {}: not enough memory",
                thread::current().name().unwrap_or_default()
            ),
        }
    }

    #[test]
    fn all_workers_have_to_agree_and_one_that_cannot_is_asked_again() {
        let workers = Arc::new(Workers::default());
        let moment = Duration::from_millis(5);
        assert_eq!(
            workers.agree(moment, moment, || panic!("nobody is there")),
            Ok(())
        );
        let _serving = serving(3, &workers);
        let asked = Arc::new(AtomicU32::new(0));
        // (how often worker-1 cannot, patience in ms) → who was asked how often, and what is said
        let cases = [
            (0, 0, 3, Ok(())),
            (2, 10_000, 5, Ok(())),
            (u32::MAX, 0, 3, Err(1_usize)),
        ];
        for (unable, patience, times, expected) in cases {
            asked.store(0, SeqCst);
            let tried = Arc::new(AtomicU32::new(0));
            let agreed = workers.agree(Duration::from_millis(patience), moment, || {
                let (asked, tried) = (asked.clone(), tried.clone());
                Box::new(move || {
                    asked.fetch_add(1, SeqCst);
                    let second = thread::current().name() == Some("worker-1");
                    match second && tried.fetch_add(1, SeqCst) < unable {
                        true => vec![complaint()],
                        false => Vec::new(),
                    }
                })
            });
            assert_eq!(asked.load(SeqCst), times);
            assert_eq!(agreed.clone().map_err(|all| all.len()), expected);
            if let Err(complaints) = agreed {
                assert_eq!(
                    complaints[0].message,
                    "cannot be loaded on worker-1: not enough memory"
                );
            }
        }
    }
}
