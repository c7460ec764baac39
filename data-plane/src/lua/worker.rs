//! The Lua of one worker thread: its virtual machine, and what has been loaded into it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use foldhash::fast::RandomState;
use lua::{Failure, Options, State};

use super::Code;
use super::commit::Complaint;
use super::plugin::{Instance, Loaded};
use super::{pdk, weight};
use crate::runtime::Runtime;

static OPTIONS: OnceLock<Options> = OnceLock::new();

thread_local! {
    // Made by the first call that needs it; a thread that runs no Lua has none.
    static WORKER: RefCell<Option<Worker>> = const { RefCell::new(None) };
    /// Which of the workers this is, from 0, and how many there are.
    static PLACE: Cell<(u32, u32)> = const { Cell::new((0, 1)) };
}

struct Worker {
    state: Rc<State>,
    /// How much memory it has, for who asks.
    memory: Arc<AtomicUsize>,
    /// What has been made in the state, by the number of what it was made from.
    made: HashMap<u64, Made, RandomState>,
}

impl Worker {
    fn all(&self) -> impl Iterator<Item = Rc<Loaded>> {
        let made = self.made.values();
        made.filter_map(|made| Rc::clone(&made.what).downcast().ok())
    }
}

struct Made {
    /// Gone once nobody can ask for it again.
    alive: Weak<()>,
    what: Rc<dyn std::any::Any>,
}

/// Numbers what can be made in a machine.
pub fn next_number() -> u64 {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// How this process runs Lua, for the checks of the configuration too. Called once, before any configuration is read.
pub fn configure(options: Options) {
    lua::answer_schemas(options.clone());
    let _ = OPTIONS.set(Options {
        bind: Some(pdk::bind),
        print: pdk::print,
        ..options
    });
}

/// Tells this thread which of the workers it is, from 0, and how many there are.
pub fn place(id: usize, count: usize) {
    let small = |number| u32::try_from(number).unwrap_or(u32::MAX);
    PLACE.set((small(id), small(count)));
}

/// The worker ends: timers that wait are called, and awaited for a while.
pub async fn end() {
    super::ngx::end().await;
}

/// `custom_plugins_timers`: whether plugins that came with the configuration may have timers.
pub fn allow_streamed_timers(allowed: bool) {
    super::ngx::allow_streamed(allowed);
}

/// The machine of this thread. One that holds too much memory for good is replaced, with all that was made in it.
///
/// # Errors
/// When there is no memory for a new one.
pub fn state() -> Result<Rc<State>, Failure> {
    WORKER.with_borrow_mut(|worker| {
        if let Some(worker) = worker.as_ref().filter(|worker| !worker.state.is_worn()) {
            let used = worker.state.lua().used_memory();
            worker.memory.store(used, Ordering::Relaxed);
            return Ok(worker.state.clone());
        }
        let mut options = OPTIONS.get().cloned().unwrap_or_default();
        options.bind = Some(pdk::bind);
        options.print = pdk::print;
        let state = State::new(&options).map_err(|error| Failure::Raised(error.to_string()))?;
        let (id, count) = PLACE.get();
        let place = lua::modules::ngx::Worker {
            id,
            count,
            exiting: super::ngx::is_ending,
        };
        lua::modules::ngx::set_worker(state.lua(), place);
        let state = Rc::new(state);
        if let Some(worn) = worker.take() {
            tracing::warn!(
                bytes = worn.state.lua().used_memory(),
                "the Lua of this worker held too much memory, and is made anew"
            );
            let loaded: Vec<_> = worn.all().collect();
            weight::weigh(&worn.state, &loaded, Instant::now());
            anew();
        }
        *worker = Some(Worker {
            state: state.clone(),
            memory: super::here::machine(),
            made: HashMap::default(),
        });
        Ok(state)
    })
}

/// How much memory the machine of this thread has, in bytes; none if there is no machine.
pub(super) fn used() -> Option<usize> {
    WORKER.with_borrow(|worker| Some(worker.as_ref()?.state.lua().used_memory()))
}

/// The code that has been loaded into the machine of this thread.
pub(super) fn all_made() -> Vec<Rc<Loaded>> {
    WORKER.with_borrow(|worker| {
        let worker = worker.as_ref();
        worker.map_or_else(Vec::new, |worker| worker.all().collect())
    })
}

/// Lets go of code and of its configurations: who wants them next loads them anew.
pub(super) fn forget(code: &Rc<Loaded>) {
    let of_it = |made: &Made| {
        let what = &*made.what;
        what.downcast_ref::<Loaded>()
            .is_some_and(|loaded| ptr::eq(loaded, &**code))
            || what
                .downcast_ref::<Instance>()
                .is_some_and(|own| Rc::ptr_eq(&own.code, code))
    };
    let gone: Vec<Made> = WORKER
        .try_with(|worker| match worker.try_borrow_mut() {
            Ok(mut worker) => {
                let made = worker.as_mut().map(|worker| &mut worker.made);
                made.map_or_else(Vec::new, |made| {
                    made.extract_if(|_, made| of_it(made))
                        .map(|(_, made)| made)
                        .collect()
                })
            }
            // The machine is being replaced, and takes it along.
            Err(_) => Vec::new(),
        })
        .unwrap_or_default();
    drop(gone); // not while the worker is borrowed
}

/// All code is new to a machine that takes another's place: `init_worker` and `configure` run there as well.
fn anew() {
    if let Some(here) = super::here::current() {
        tokio::task::spawn_local(async move { adopt(&here.node.runtime.load_full()) });
    }
}

/// Code that is loaded anew into this machine, outside of a change of the revision, is told its configurations again.
pub(super) fn configure_again(number: u64) {
    if let Some(here) = super::here::current() {
        tokio::task::spawn_local(async move {
            let runtime = here.node.runtime.load_full();
            let codes = runtime.codes.values();
            for code in codes.filter(|code| code.number() == number) {
                code.adopt(&runtime);
            }
        });
    }
}

/// What `make` made in this thread's machine the first time it was asked for this number. It is forgotten once `alive`
/// is gone.
///
/// # Errors
/// What `make` says; it is asked again the next time.
pub fn made<T: 'static, E: From<Failure>>(
    number: u64,
    alive: &Weak<()>,
    make: impl FnOnce(&Rc<State>) -> Result<T, E>,
) -> Result<Rc<T>, E> {
    let state = state()?;
    let known = WORKER.with_borrow(|worker| {
        let made = worker.as_ref()?.made.get(&number)?;
        Rc::clone(&made.what).downcast::<T>().ok()
    });
    if let Some(known) = known {
        return Ok(known);
    }
    // Not while the worker is borrowed: what is made may ask for more.
    let what = Rc::new(make(&state)?);
    WORKER.with_borrow_mut(|worker| {
        let Some(worker) = worker.as_mut() else {
            return;
        };
        if worker.made.len() == worker.made.capacity() {
            worker.made.retain(|_, made| made.alive.strong_count() > 0);
        }
        let made = Made {
            alive: alive.clone(),
            what: what.clone(),
        };
        worker.made.insert(number, made);
    });
    Ok(what)
}

/// Loads new code into the machine of this thread, before the revision that has it is served; says what cannot be.
pub(super) fn load(codes: &[Arc<Code>]) -> Vec<Complaint> {
    sweep();
    let place = std::thread::current()
        .name()
        .unwrap_or("a worker")
        .to_owned();
    let complaint = |code: &Arc<Code>| {
        let failure = code.load().err()?;
        Some(Complaint {
            plugin: code.plugin().name.to_string(),
            message: format!("cannot be loaded on {place}: {failure}"),
        })
    };
    codes.iter().filter_map(complaint).collect()
}

/// Lets go of what nobody can ask for any more: other versions, old configurations.
pub(super) fn sweep() {
    let is_gone = |made: &Made| made.alive.strong_count() == 0;
    let gone: Vec<_> = WORKER.with_borrow_mut(|worker| {
        let made = worker.as_mut().map(|worker| &mut worker.made);
        made.map_or_else(Vec::new, |made| {
            made.extract_if(|_, made| is_gone(made)).collect()
        })
    });
    drop(gone); // not while the worker is borrowed
}

/// Takes in what a revision brings to this worker, before the first request that it serves: the code of its plugins is
/// loaded; `init_worker` runs for code that is new here, and `configure` with the configurations there are now.
pub fn adopt(runtime: &Runtime) {
    for code in runtime.codes.values() {
        code.adopt(runtime);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_holds_three_quarters_of_its_memory_for_good_is_made_anew() {
        let small = Options {
            memory: 16 << 20,
            ..Options::default()
        };
        let old = Rc::new(State::new(&small).expect("a machine"));
        WORKER.set(Some(Worker {
            state: old.clone(),
            memory: super::super::here::machine(),
            made: HashMap::default(),
        }));
        let alive = Arc::new(());
        let of = |state: &Rc<State>| Ok::<_, Failure>(state.clone());
        let run = |source: &str| old.lua().load(source).exec();
        let fill = |count| {
            format!("held = {{}} for i = 1, {count} do held[i] = string.rep('x', 2 ^ 20 - i) end")
        };
        let is_old = || Rc::ptr_eq(&state().expect("a machine"), &old);
        made(7, &Arc::downgrade(&alive), of).expect("it is made");
        run(&fill(8)).expect("8 MiB are there");
        assert!(is_old(), "half is not too much");
        // What is given up again does not count, though it was too much for the moment.
        let beyond = run(&fill(20)).expect_err("20 MiB are not there");
        assert!(
            matches!(beyond, lua::mlua::Error::MemoryError(_)),
            "{beyond}"
        );
        run("held = nil").expect("the machine works");
        assert!(is_old(), "garbage is not too much");
        run(&fill(13)).expect("13 MiB are there");
        assert!(!is_old());
        let again = made(7, &Arc::downgrade(&alive), of).expect("it is made");
        assert!(
            !Rc::ptr_eq(&*again, &old),
            "what was made there is made anew"
        );
    }
}
