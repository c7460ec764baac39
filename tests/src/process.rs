//! The binaries under test as real processes: started, listened to, killed.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::wait::{DEADLINE, eventually_some};

/// What to start: a binary of this workspace, its arguments, variables and folder.
pub struct Launch {
    program: PathBuf,
    args: Vec<String>,
    variables: Vec<(String, String)>,
    folder: PathBuf,
    input: Option<String>,
}

impl Launch {
    /// A binary of this workspace by name, to run in `folder`.
    pub fn new(program: &str, folder: &Path) -> Launch {
        Launch {
            program: binary(program),
            args: Vec::new(),
            variables: Vec::new(),
            folder: folder.to_owned(),
            input: None,
        }
    }

    /// A program that is no part of this workspace, see [`crate::installed`].
    pub fn other(program: PathBuf, folder: &Path) -> Launch {
        Launch {
            program,
            args: Vec::new(),
            variables: Vec::new(),
            folder: folder.to_owned(),
            input: None,
        }
    }

    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Launch {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub fn variable(mut self, name: &str, value: &str) -> Launch {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// What it reads from standard input.
    pub fn input(mut self, text: &str) -> Launch {
        self.input = Some(text.to_owned());
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(&self.folder);
        // The settings of whoever runs the tests must not reach the system under test.
        let ours = std::env::vars().filter(|(name, _)| name.starts_with("HEADGATE_"));
        for (name, _) in ours {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().cloned());
        command
            .stdin(match self.input {
                Some(_) => Stdio::piped(),
                None => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts it and returns at once.
    pub fn spawn(&self) -> Process {
        let mut child = self.command().spawn().unwrap_or_else(|error| {
            panic!(
                "cannot start {}: {error} (cargo test --workspace builds it)",
                self.program.display()
            )
        });
        if let (Some(text), Some(mut pipe)) = (self.input.clone(), child.stdin.take()) {
            // A program that ends early does not read on; that is what the test sees then.
            thread::spawn(move || pipe.write_all(text.as_bytes()));
        }
        let said = Arc::new(Mutex::new(Said::default()));
        listen(
            child.stdout.take().expect("stdout is piped"),
            said.clone(),
            true,
        );
        listen(
            child.stderr.take().expect("stderr is piped"),
            said.clone(),
            false,
        );
        Process {
            name: self.program.display().to_string(),
            child,
            said,
            exited: None,
        }
    }

    /// Starts it and waits until it says that it is ready; panics with what it said if it does not.
    pub async fn start(&self) -> Process {
        let mut process = self.spawn();
        process.ready().await;
        process
    }

    /// Runs it to its end and gives status, standard output and standard error.
    pub async fn run(&self) -> Finished {
        self.run_within(DEADLINE * 3).await
    }

    /// As [`Launch::run`], for what may take longer.
    pub async fn run_within(&self, limit: Duration) -> Finished {
        let mut process = self.spawn();
        let status = process.exit_within(limit).await;
        // The pipes may still hold what was said last.
        let closed = eventually_some(DEADLINE, async || {
            (process.said.lock().expect("readers do not panic").closed == 2).then_some(())
        });
        closed.await.expect("a finished process closes its pipes");
        let said = process.said.lock().expect("readers do not panic");
        Finished {
            code: status.code(),
            stdout: said.stdout.clone(),
            stderr: said.stderr.clone(),
        }
    }
}

/// A binary of this workspace: cargo puts it beside the test binaries or one folder above them.
pub fn binary(name: &str) -> PathBuf {
    let mut folder = std::env::current_exe().expect("the test binary has a path");
    folder.pop();
    let beside = folder.join(name);
    if beside.exists() {
        return beside;
    }
    folder.pop();
    folder.join(name)
}

/// How a process ended and what it said.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

#[derive(Default)]
struct Said {
    stdout: String,
    stderr: String,
    closed: u8,
}

fn listen(pipe: impl Read + Send + 'static, said: Arc<Mutex<Said>>, stdout: bool) {
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line);
            let mut said = said.lock().expect("readers do not panic");
            if stdout {
                said.stdout.push_str(&text)
            } else {
                said.stderr.push_str(&text)
            }
            line.clear();
        }
        said.lock().expect("readers do not panic").closed += 1;
    });
}

/// A running process; killed when dropped.
pub struct Process {
    name: String,
    child: Child,
    said: Arc<Mutex<Said>>,
    exited: Option<ExitStatus>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!(
                "--- {} said:\n{}\n{}---",
                self.name,
                self.stdout(),
                self.stderr()
            );
        }
    }
}

impl Process {
    pub fn stdout(&self) -> String {
        self.said
            .lock()
            .expect("readers do not panic")
            .stdout
            .clone()
    }

    pub fn stderr(&self) -> String {
        self.said
            .lock()
            .expect("readers do not panic")
            .stderr
            .clone()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The most memory it has had at a time (`VmHWM`), in bytes.
    pub fn peak_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.id());
        let status = std::fs::read_to_string(path).expect("a running process has a status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .expect("Linux tells the peak");
        let kib = line.trim().trim_end_matches(" kB").parse::<u64>();
        kib.expect("it is a number of kB") * 1024
    }

    /// Waits for the line `ready`.
    pub async fn ready(&mut self) {
        let end = Instant::now() + DEADLINE;
        loop {
            if self.stdout().lines().any(|line| line == "ready") {
                return;
            }
            let gone = self.child.try_wait().expect("a child can be waited for");
            if gone.is_some() || Instant::now() > end {
                tokio::time::sleep(Duration::from_millis(100)).await; // the readers take in the last lines
                panic!(
                    "{} is not ready ({gone:?}):\n{}\n{}",
                    self.name,
                    self.stdout(),
                    self.stderr()
                );
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Where it listens, by the names it printed (`admin`, `proxy`, …).
    pub fn listening(&self) -> HashMap<String, SocketAddr> {
        let stdout = self.stdout();
        let lines = stdout
            .lines()
            .filter_map(|line| line.strip_prefix("listening "));
        let pairs = lines.filter_map(|line| line.split_once(' '));
        pairs
            .filter_map(|(name, address)| Some((name.to_owned(), address.trim().parse().ok()?)))
            .collect()
    }

    /// The address of one listener; panics if there is none of this name.
    #[track_caller]
    pub fn address(&self, name: &str) -> SocketAddr {
        let all = self.listening();
        *all.get(name)
            .unwrap_or_else(|| panic!("{} has no listener '{name}': {all:?}", self.name))
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a child has a process id");
        rustix::process::kill_process(pid, signal)
            .expect("the process was started here and not waited for");
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        if self.exited.is_none() && self.is_running() {
            self.signal(Signal::KILL);
        }
        self.exited = self.child.wait().ok();
    }

    /// Asks it to stop (`TERM`) and returns at once.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to read its files again (`HUP`).
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Waits for its end.
    pub async fn exit(&mut self) -> ExitStatus {
        self.exit_within(DEADLINE * 3).await
    }

    async fn exit_within(&mut self, limit: Duration) -> ExitStatus {
        let child = &mut self.child;
        let gone = eventually_some(limit, async || {
            child.try_wait().expect("a child can be waited for")
        });
        let status = gone
            .await
            .unwrap_or_else(|| panic!("{} does not end", self.name));
        self.exited = Some(status);
        status
    }
}
