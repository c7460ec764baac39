//! The stores as plugins see them.

use std::time::Instant;

use lua::pdk::Phase;
use tokio::runtime::Handle;

use super::*;
use crate::carried::dns::Options;
use crate::lua::outbound::tests::local;
use crate::lua::outbound::tests::lua::run;

fn settings() -> Settings {
    Settings {
        cache: 1 << 20,
        dicts: SettingValue::parse("counters:16k").expect("dictionaries"),
    }
}

pub(in crate::lua) fn fresh() -> Arc<Stores> {
    Arc::new(Stores::new(&settings()))
}

/// Lets this thread's plugins reach these.
pub(in crate::lua) fn open_with(stores: &Arc<Stores>) {
    use std::io::Write;
    let mut hosts = tempfile::NamedTempFile::new().expect("a file");
    writeln!(hosts, "127.0.0.9 service.test").expect("written");
    let options = Options {
        hosts_file: hosts.path().to_owned(),
        ..Options::default()
    };
    let reach = Reach {
        stores: stores.clone(),
        dns: Dns::new(options, Handle::current()).expect("a resolver"),
    };
    OPEN.with_borrow_mut(|open| *open = Some(reach));
}

/// Runs these one after another, each on stores of its own, and compares what they answer.
async fn check(cases: &[(&str, &str)]) {
    local(async {
        for (source, expected) in cases {
            open_with(&fresh());
            let got = run(Phase::Access, true, source).await;
            match expected.strip_prefix("…") {
                Some(end) => assert!(
                    got.starts_with('!') && got.ends_with(end),
                    "{source}: {got}"
                ),
                None => assert_eq!(got, *expected, "{source}"),
            }
        }
    })
    .await;
}

/// `pause(seconds)` in Lua.
const PAUSE: &str = "local function pause(s) require('ngx.semaphore').new(0):wait(s) end ";

#[tokio::test]
async fn the_cache_asks_once_and_says_where_an_answer_came_from() {
    check(&[
        (
            "local n = 0
             local function find(a, b) n = n + 1 return a .. b end
             local v1, e1, l1 = kong.cache:get('k', nil, find, 'x', 'y')
             local v2, e2, l2 = kong.cache:get('k', nil, find, 'x', 'y')
             return v1, e1, l1, v2, e2, l2, n",
            "xy nil 3 xy nil 2 1",
        ),
        (
            "local n = 0
             local function find() n = n + 1 end
             local v1, e1, l1 = kong.cache:get('k', nil, find)
             local v2, e2, l2 = kong.cache:get('k', nil, find)
             return v1, e1, l1, v2, e2, l2, n",
            "nil nil 3 nil nil 2 1",
        ),
        ("return kong.cache:get('k')", "nil nil -1"),
        (
            "local n = 0
             local function find() n = n + 1 return kong.cache:get('k' .. n, nil, find) end
             local _, e = kong.cache:get('k', nil, find)
             return n, e:match('C stack overflow')",
            "16 C stack overflow",
        ),
        (
            "local t = kong.cache:get('k', nil, function() return { a = { 1, 2 }, [3] = true } end)
             t.a[1] = 'changed'
             local u = kong.cache:get('k')
             return u.a[1], u.a[2], u[3], t == u",
            "1 2 true false",
        ),
        (
            "kong.cache:get('k', nil, function() return false end)
             return kong.cache:get('k', nil, function() return 'again' end)",
            "false nil 2",
        ),
    ])
    .await;
}

#[tokio::test]
async fn the_cache_keeps_answers_for_their_time() {
    let cases = [
        (
            "kong.cache:get('k', { ttl = 0.03 }, function() return 1 end) pause(0.05)
             return kong.cache:get('k', nil, function() return 2 end)",
            "2 nil 3",
        ),
        (
            "kong.cache:get('k', { ttl = 9, neg_ttl = 0.03 }, function() end) pause(0.05)
             return kong.cache:get('k', nil, function() return 2 end)",
            "2 nil 3",
        ),
        (
            "kong.cache:get('k', { ttl = 0.03 }, function() return 1, nil, 9 end) pause(0.05)
             return kong.cache:get('k', nil, function() return 2 end)",
            "1 nil 2",
        ),
        (
            "kong.cache:get('k', nil, function() return 1, nil, -1 end)
             return kong.cache:get('k', nil, function() return 2 end)",
            "2 nil 3",
        ),
        (
            "kong.cache:get('k', { ttl = 0.03 }, function() return 'old' end) pause(0.05)
             local function fails() return nil, 'broken' end
             local v, e, l = kong.cache:get('k', { resurrect_ttl = 9 }, fails)
             local v2, e2, l2 = kong.cache:get('k', nil, fails)
             return v, e, l, v2, e2, l2",
            "old nil 4 old nil 4",
        ),
        (
            "kong.cache:get('k', { ttl = 0.03 }, function() return 'old' end) pause(0.05)
             return kong.cache:get('k', { resurrect_ttl = 0 }, function() return nil, 'broken' end)",
            "nil failed to get from node cache: broken",
        ),
        (
            "kong.cache:get('k', { ttl = 0.03, resurrect_ttl = 0.03 }, function() return 'old' end) pause(0.05)
             local function fails() return nil, 'broken' end
             kong.cache:get('k', { resurrect_ttl = 0.03 }, fails) pause(0.05)
             return (kong.cache:get('k', nil, function() return 'new' end))",
            "new",
        ),
    ];
    let cases: Vec<_> = cases
        .map(|(source, expected)| (format!("{PAUSE}{source}"), expected))
        .into();
    let cases: Vec<_> = cases
        .iter()
        .map(|(source, expected)| (source.as_str(), *expected))
        .collect();
    check(&cases).await;
}

#[tokio::test]
async fn what_the_cache_is_not_told_right_is_said() {
    check(&[
        ("kong.cache:get()", "…key must be a string"),
        ("kong.cache:get(1)", "…key must be a string"),
        ("kong.cache:probe({})", "…key must be a string"),
        ("kong.cache:invalidate()", "…key must be a string"),
        ("kong.cache:invalidate_local()", "…key must be a string"),
        ("kong.cache:safe_set(nil, 1)", "…key must be a string"),
        ("kong.cache:get('k', 1)", "…opts must be a table"),
        ("kong.cache:get('k', { ttl = 'x' })", "…opts.ttl must be a number"),
        ("kong.cache:get('k', { ttl = -1 })", "…opts.ttl must be >= 0"),
        ("kong.cache:get('k', { neg_ttl = {} })", "…opts.neg_ttl must be a number"),
        ("kong.cache:get('k', { resurrect_ttl = -1 })", "…opts.resurrect_ttl must be >= 0"),
        ("kong.cache:get('k', nil, 'x')", "…callback must be nil or a function"),
        ("kong.cache:get_bulk()", "…bulk must be a table"),
        ("kong.cache:get_bulk({})", "…bulk must have n field"),
        ("kong.cache:get_bulk({ 1, n = 1 })", "…key at index 1 must be a string"),
        (
            "return kong.cache:get('k', nil, function() error('no') end)",
            "nil failed to get from node cache: callback threw an error: mine:1: no",
        ),
        (
            "return kong.cache:get('k', nil, function() return nil, 'no' end)",
            "nil failed to get from node cache: no",
        ),
        (
            "return kong.cache:get('k', nil, function() return print end)",
            "nil failed to get from node cache: could not cache value: cannot serialise function: type not supported",
        ),
        (
            "return kong.cache:renew('k', nil, function() return nil, 'no' end)",
            "nil failed to renew key in node cache: no",
        ),
        (
            "return kong.cache:safe_set('k', print)",
            "nil cannot serialise function: type not supported",
        ),
    ])
    .await;
}

#[tokio::test]
async fn the_rest_of_the_cache() {
    check(&[
        ("return kong.cache:probe('k')", "nil"),
        (
            "kong.cache:get('k', { ttl = 50 }, function() return 'v' end)
             local ttl, err, v = kong.cache:probe('k')
             return ttl > 49 and ttl <= 50, err, v",
            "true nil v",
        ),
        ("kong.cache:get('k', nil, function() return 'v' end) return kong.cache:probe('k')", "0 nil v"),
        (
            "kong.cache:get('k', nil, function() return 'v' end) kong.cache:invalidate('k')
             return kong.cache:get('k')",
            "nil nil -1",
        ),
        (
            "kong.cache:get('k', nil, function() return 'v' end) kong.cache:invalidate_local('k')
             return kong.cache:get('k')",
            "nil nil -1",
        ),
        (
            "kong.cache:get('k', nil, function() return 'v' end) kong.cache:purge()
             return kong.cache:get('k')",
            "nil nil -1",
        ),
        ("local ok = kong.cache:safe_set('k', { 7 }) return ok, kong.cache:get('k')[1]", "true 7"),
        (
            "kong.cache:get('k', nil, function() return 'old' end)
             local v = kong.cache:renew('k', nil, function() return 'new' end)
             return v, (kong.cache:get('k'))",
            "new new",
        ),
        (
            "kong.cache:safe_set('a', 'A')
             local r = kong.cache:get_bulk({ 'a', nil, nil, nil, 'b', { ttl = 1 }, function(x) return x end, 'B',
               'c', nil, function() return nil, 'no' end, nil, n = 3 })
             return r.n, r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8]",
            "9 A nil 2 B nil 3 nil no",
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_a_streamed_plugin_keeps_is_its_own() {
    local(async {
        let stores = fresh();
        open_with(&stores);
        let keep = "kong.cache:safe_set('k', 'mine') ngx.shared.kong_plugins:set('k', 'mine')";
        let look = "return (kong.cache:get('k')), (ngx.shared.kong_plugins:get('k'))";
        run(Phase::Access, true, keep).await;
        assert_eq!(run(Phase::Access, true, look).await, "mine mine");
        assert_eq!(run(Phase::Access, false, look).await, "nil nil");
        run(
            Phase::Access,
            false,
            "kong.cache:purge() ngx.shared.kong_plugins:flush_all()",
        )
        .await;
        assert_eq!(run(Phase::Access, true, look).await, "mine mine");
        run(Phase::Access, false, keep).await;
        assert_eq!(run(Phase::Access, false, look).await, "mine mine");
        let other = Some(Arc::from("other"));
        assert!(matches!(stores.cache.find(&other, b"k"), Found::Absent));
    })
    .await;
}

/// One callback for a node, whichever workers ask.
#[test]
fn workers_wait_for_the_one_who_finds_out() {
    let stores = fresh();
    let source = format!(
        "{PAUSE} return kong.cache:get('k', nil, function()
           pause(0.2)
           return ngx.shared.kong_plugins:incr('asked', 1, 0)
         end)"
    );
    let started = Instant::now();
    let answers: Vec<String> = std::thread::scope(|scope| {
        let worker = || {
            let (stores, source) = (stores.clone(), source.clone());
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                runtime.expect("a runtime").block_on(local(async move {
                    open_with(&stores);
                    let two = || run(Phase::Access, true, &source);
                    let (one, other) = tokio::join!(two(), two());
                    vec![one, other]
                }))
            })
        };
        let workers = [worker(), worker()];
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("no panic"))
            .collect()
    });
    assert_eq!(
        answers.iter().filter(|answer| *answer == "1 nil 3").count(),
        1,
        "{answers:?}"
    );
    assert_eq!(
        answers.iter().filter(|answer| *answer == "1 nil 2").count(),
        3,
        "{answers:?}"
    );
    assert!(started.elapsed().as_secs() < 20);
}

#[tokio::test]
async fn one_who_gives_up_does_not_hold_up_the_others() {
    local(async {
        open_with(&fresh());
        let endless = format!("{PAUSE} kong.cache:get('k', nil, function() pause(60) end)");
        let given_up = run(Phase::Access, true, &endless);
        let limit = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(limit, given_up).await.is_err());
        let next = "return kong.cache:get('k', nil, function() return 'found' end)";
        assert_eq!(run(Phase::Access, true, next).await, "found nil 3");
    })
    .await;
}

#[tokio::test]
async fn dictionaries_answer_as_openresty_does() {
    let cases = [
        ("return d:get('k')", "nil"),
        ("return d:set('k', 'v')", "true nil false"),
        ("d:set('k', 'v') return d:get('k')", "v nil"),
        ("d:set('k', 1.5, 0, 7) return d:get('k')", "1.5 7"),
        ("d:set('k', true) return type(d:get('k'))", "boolean"),
        ("d:set('k', 3) return type(d:get('k'))", "number"),
        ("d:set(1, 'v') return (d:get('1'))", "v"),
        ("d:set('k', 'v') d:set('k', nil) return d:get('k')", "nil"),
        ("return d:get(nil)", "nil nil key"),
        ("return d:get('')", "nil empty key"),
        ("return d:get(('x'):rep(65536))", "nil key too long"),
        ("return d:set(nil, 1)", "nil nil key"),
        ("return d:set('k', {})", "nil bad value type"),
        ("d:set('k', 1, -1)", "…bad \"exptime\" argument"),
        (
            "return d:set('k', ('x'):rep(6 * 1024 * 1024))",
            "false no memory false",
        ),
        (
            "return d:safe_set('k', ('x'):rep(6 * 1024 * 1024))",
            "false no memory false",
        ),
        ("d:add('k', 1) return d:add('k', 2)", "false exists false"),
        ("return d:add('k', 1)", "true nil false"),
        (
            "return d:add('k', nil)",
            "nil attempt to add or replace nil values",
        ),
        (
            "d:safe_add('k', 1) return d:safe_add('k', 2)",
            "false exists false",
        ),
        ("return d:replace('k', 1)", "false not found false"),
        ("d:set('k', 1) return d:replace('k', 2)", "true nil false"),
        ("return d:incr('k', 1)", "nil not found"),
        ("return d:incr('k', 1, 5)", "6 nil false"),
        ("d:set('k', 1) return d:incr('k', 2)", "3"),
        ("d:set('k', 'x') return d:incr('k', 2)", "nil not a number"),
        ("d:set('k', 1) return d:incr('k', '2')", "3"),
        ("d:incr('k', {})", "…bad \"value\" argument"),
        (
            "d:incr('k', 1, nil, 5)",
            "…must provide \"init\" when providing \"init_ttl\"",
        ),
        (
            "d:incr('k', 1, {})",
            "…bad init arg: number expected, got table",
        ),
        ("d:incr('k', 1, 0, -5)", "…bad \"init_ttl\" argument"),
        ("d:incr('k', 1, 0, 9) return d:ttl('k') > 8", "true"),
        ("d:set('k', 1) return d:delete('k'), d:get('k')", "true nil"),
        ("return d:delete('k')", "true nil false"),
        ("d:set('k', 1) return d:ttl('k')", "0"),
        ("return d:ttl('k')", "nil not found"),
        (
            "d:set('k', 1) return d:expire('k', 5), d:ttl('k') > 4",
            "true true",
        ),
        ("return d:expire('k', 5)", "nil not found"),
        ("d:expire('k')", "…bad \"exptime\" argument"),
        ("d:set('k', 'v', 0.02) pause(0.04) return d:get('k')", "nil"),
        (
            "d:set('k', 'v', 0.02) pause(0.04) return d:get_stale('k')",
            "v nil true",
        ),
        ("d:set('k', 'v') return d:get_stale('k')", "v nil false"),
        ("return d:get_stale('k')", "nil"),
        ("d:set('k', 1) d:flush_all() return d:get('k')", "nil"),
        (
            "d:set('a', 1) d:set('b', 1) d:flush_all() return d:flush_expired(1), d:flush_expired()",
            "1 1",
        ),
        (
            "d:set('a', 1) d:set('b', 1) local k = d:get_keys() table.sort(k) return k[1] .. k[2]",
            "ab",
        ),
        (
            "d:set('a', 1) d:set('b', 1) return #d:get_keys(1), #d:get_keys(0)",
            "1 2",
        ),
        ("return d:capacity()", "5242880"),
        (
            "local f = d:free_space() d:set('k', 1) return d:free_space() < f",
            "true",
        ),
        (
            "return d:lpush('l', 'a'), d:rpush('l', 2), d:llen('l')",
            "1 2 2",
        ),
        (
            "d:rpush('l', 'a') d:rpush('l', 'b') return d:lpop('l'), d:rpop('l'), d:lpop('l')",
            "a b nil",
        ),
        ("return d:llen('l')", "0"),
        (
            "d:set('k', 1) return d:lpush('k', 1)",
            "nil value not a list",
        ),
        ("d:set('k', 1) return d:rpop('k')", "nil value not a list"),
        ("d:set('k', 1) return d:llen('k')", "nil value not a list"),
        ("return d:lpush('l', true)", "nil bad value type"),
        ("d:lpush('l', 1) return d:get('l')", "nil value is a list"),
        ("d.get('k')", "…bad \"zone\" argument"),
        ("return ngx.shared.nothing", "nil"),
        ("return ngx.shared.counters:capacity()", "16384"),
        (
            "ngx.shared.counters:set('k', 1) return d:get('k'), (ngx.shared.counters:get('k'))",
            "nil 1",
        ),
        (
            "d.set = nil",
            "…Cannot modify ngx.shared.kong_plugins.set. Protected by the sandbox.",
        ),
        (
            "ngx.shared.counters.set = nil",
            "…Cannot modify ngx.shared.counters.set. Protected by the sandbox.",
        ),
        (
            "ngx.shared.mine = {}",
            "…Cannot modify ngx.shared.mine. Protected by the sandbox.",
        ),
    ];
    let sources: Vec<_> = cases
        .iter()
        .map(|(source, expected)| {
            (
                format!("local d = ngx.shared.kong_plugins {PAUSE}{source}"),
                *expected,
            )
        })
        .collect();
    let cases: Vec<_> = sources
        .iter()
        .map(|(source, expected)| (source.as_str(), *expected))
        .collect();
    check(&cases).await;
}

#[tokio::test]
async fn semaphores_wake_who_waits() {
    check(&[
        (
            "local s = require('ngx.semaphore').new(2) return s:wait(0), s:wait(0), s:wait(0)",
            "true true nil timeout",
        ),
        (
            "local s = require('ngx.semaphore').new() return s:count(), s:post(3), s:count()",
            "0 true 3",
        ),
        (
            "return require('ngx.semaphore').new(0):wait(0.02)",
            "nil timeout",
        ),
        ("require('ngx.semaphore').new(-1)", "…no semaphore count"),
        (
            "require('ngx.semaphore').new(1):post(0)",
            "…positive number expected",
        ),
        (
            "require('ngx.semaphore').new(1):wait(-1)",
            "…negative number",
        ),
        (
            "require('ngx.semaphore').new(1):wait()",
            "…bad argument #1 to 'wait' (number expected)",
        ),
    ])
    .await;
    local(async {
        open_with(&fresh());
        let wait = "local s = require('ngx.semaphore').new(0)
                    local seen = s:count()
                    local ok, err = s:wait(0.05)
                    return seen, s:count(), ok, err";
        assert_eq!(run(Phase::Access, true, wait).await, "0 0 nil timeout");
        for phase in [Phase::HeaderFilter, Phase::Log] {
            let got = run(
                phase,
                true,
                "return require('ngx.semaphore').new(0):wait(1)",
            )
            .await;
            assert!(got.contains("API disabled in the context of"), "{got}");
            let got = run(
                phase,
                true,
                "return require('ngx.semaphore').new(1):wait(1)",
            )
            .await;
            assert_eq!(got, "true nil");
        }
    })
    .await;
}

#[tokio::test]
async fn locks_are_held_by_one() {
    check(&[
        ("return require('resty.lock'):new('nothing')", "nil dictionary not found"),
        ("local l = require('resty.lock'):new('kong_plugins') return l:lock('k'), l:unlock()", "0 1"),
        ("local l = require('resty.lock'):new('kong_plugins') return l:lock()", "nil nil key"),
        ("local l = require('resty.lock'):new('kong_plugins') l:lock('k') return l:lock('k')", "nil locked"),
        ("local l = require('resty.lock'):new('kong_plugins') return l:unlock()", "nil unlocked"),
        ("local l = require('resty.lock'):new('kong_plugins') return l:expire(1)", "nil unlocked"),
        (
            "local l = require('resty.lock'):new('kong_plugins', { exptime = 9 }) l:lock('k') l:expire(50)
             return ngx.shared.kong_plugins:ttl('k') > 49",
            "true",
        ),
        (
            "local lock = require('resty.lock')
             local a, b = lock:new('kong_plugins'), lock:new('kong_plugins', { timeout = 0 })
             a:lock('k')
             local _, busy = b:lock('k')
             a:unlock()
             return busy, b:lock('k')",
            "timeout 0",
        ),
    ])
    .await;
}

#[tokio::test]
async fn who_wants_a_lock_waits_for_it() {
    local(async {
        open_with(&fresh());
        let lock = |timeout: &str, held: &str| {
            format!(
                "local l = require('resty.lock'):new('kong_plugins', {{ timeout = {timeout} }})
                 local waited, err = l:lock('k')
                 if waited then ngx.sleep({held}) l:unlock() end
                 return waited and waited > 0, err"
            )
        };
        let (first, second, third) = (lock("5", "0.1"), lock("5", "0"), lock("0.02", "0"));
        let answers = tokio::join!(
            run(Phase::Access, true, &first),
            run(Phase::Access, true, &second),
            run(Phase::Access, true, &third),
        );
        assert_eq!(answers.0, "false nil");
        assert_eq!(answers.1, "true nil");
        assert_eq!(answers.2, "nil timeout");
    })
    .await;
}

#[tokio::test]
async fn names_lead_to_addresses() {
    check(&[
        ("return kong.dns.toip('service.test', 80)", "127.0.0.9 80"),
        ("return kong.dns.toip('10.1.2.3', 80)", "10.1.2.3 80"),
        ("return kong.dns.toip('service.test')", "127.0.0.9 nil"),
        (
            "return kong.dns.toip('no.such.invalid', 80)",
            "nil dns server error: 3 name error",
        ),
        (
            "return kong.dns.resolve('no.such.invalid')",
            "nil dns server error: 3 name error",
        ),
        (
            "local r = kong.dns.resolve('service.test')
             return #r, r[1].address, r[1].type, r[1].class, r[1].name, r[1].ttl",
            "1 127.0.0.9 1 1 service.test 315360000",
        ),
        (
            "local r = kong.dns.resolve('[::1]') return r[1].address, r[1].type",
            "::1 28",
        ),
        ("kong.dns.toip({})", "…name must be a string"),
        (
            "kong.dns.toip('h', 99999)",
            "…port must be a number between 0 and 65535",
        ),
    ])
    .await;
}

#[test]
fn dictionaries_are_declared_by_name_and_size() {
    for text in ["", "kong_plugins:5m", "kong_plugins:10m, other:512k"] {
        assert_eq!(DictSizes::parse(text).expect(text).render(), text);
    }
    for (text, expected) in [
        ("other", "'other' has no size"),
        ("other:", "'other:' has no size"),
        (":5m", "'' is no name of a dictionary"),
        ("a.b:5m", "'a.b' is no name of a dictionary"),
        ("a:1k", "'a:1k' is less than 12k"),
        ("a:5m, a:6m", "'a' is there twice"),
    ] {
        assert_eq!(DictSizes::parse(text).expect_err(text), expected);
    }
    for (text, name, size) in [
        ("", "kong_plugins", Some(5 << 20)),
        ("other:1m", "kong_plugins", Some(5 << 20)),
        ("other:1m", "other", Some(1 << 20)),
        ("kong_plugins:1m", "kong_plugins", Some(1 << 20)),
        ("other:1m", "nothing", None),
    ] {
        let dicts = DictSizes::parse(text).expect(text).make();
        assert_eq!(
            dicts.get(name).map(|dict| dict.capacity()),
            size,
            "{text} {name}"
        );
    }
}
