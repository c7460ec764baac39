//! What a dictionary keeps, and what it lets go.

use super::*;

const ALWAYS: (Duration, u32) = (Duration::ZERO, 0);

fn text(text: &str) -> Item {
    Item::Text(text.as_bytes().into())
}

fn set(dict: &Dict, key: &str, item: Item) -> Result<bool, Refused> {
    dict.set(key.as_bytes(), item, ALWAYS, Set::Always, false)
}

fn get(dict: &Dict, key: &str) -> Option<Item> {
    dict.get(key.as_bytes()).map(|(item, _)| item)
}

/// What it says it uses is what its entries take.
fn audit(dict: &Dict) {
    let inner = dict.inner();
    let size = |(key, held): (&Arc<[u8]>, &Held)| key.len() + held.item.size() + OVERHEAD;
    assert_eq!(inner.used, inner.entries.iter().map(size).sum::<usize>());
    assert_eq!(inner.order.len(), inner.entries.len());
    assert!(inner.used <= dict.capacity);
}

#[test]
fn entries_are_set_as_they_are_asked_to_be() {
    let dict = Dict::new(10_000);
    let how = |how, value: &str| dict.set(b"k", text(value), ALWAYS, how, false);
    assert_eq!(how(Set::IfThere, "1"), Err(("not found", false)));
    assert_eq!(how(Set::IfAbsent, "2"), Ok(false));
    assert_eq!(how(Set::IfAbsent, "3"), Err(("exists", false)));
    assert_eq!(get(&dict, "k"), Some(text("2")));
    assert_eq!(how(Set::IfThere, "4"), Ok(false));
    assert_eq!(get(&dict, "k"), Some(text("4")));
    dict.delete(b"k");
    assert_eq!(get(&dict, "k"), None);
    assert_eq!(dict.free(), dict.capacity());
    audit(&dict);
}

#[test]
fn time_ends_entries() {
    let dict = Dict::new(10_000);
    let short = (Duration::from_millis(20), 7);
    dict.set(b"k", text("v"), short, Set::Always, false)
        .expect("room");
    assert_eq!(dict.get(b"k"), Some((text("v"), 7)));
    assert!(dict.ttl(b"k").expect("it is there") <= Duration::from_millis(20));
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(dict.get(b"k"), None);
    assert_eq!(dict.get_stale(b"k"), Some((text("v"), 7, true)));
    assert_eq!(dict.ttl(b"k"), None);
    assert!(!dict.expire(b"k", Duration::ZERO));
    let absent = dict.set(b"k", text("w"), ALWAYS, Set::IfAbsent, false);
    assert_eq!(absent, Ok(false), "what is past its time is not there");
    assert!(dict.expire(b"k", Duration::from_secs(9)));
    assert!(dict.ttl(b"k").expect("there") > Duration::from_secs(8));
    dict.flush_all();
    assert_eq!(dict.get(b"k"), None);
    assert_eq!(dict.keys(9).len(), 0);
    assert_eq!(dict.flush_expired(usize::MAX), 1);
    assert_eq!(dict.free(), dict.capacity());
}

#[test]
fn numbers_are_counted() {
    let dict = Dict::new(10_000);
    assert_eq!(dict.incr(b"n", 1.0, None), Err(("not found", false)));
    let init = Some((10.0, Duration::ZERO));
    assert_eq!(dict.incr(b"n", 1.5, init), Ok((11.5, false)));
    assert_eq!(dict.incr(b"n", 1.0, init), Ok((12.5, false)));
    assert_eq!(dict.incr(b"n", -20.0, None), Ok((-7.5, false)));
    set(&dict, "t", text("1")).expect("room");
    assert_eq!(dict.incr(b"t", 1.0, init), Err(("not a number", false)));
    audit(&dict);
}

#[test]
fn what_was_used_longest_ago_goes_first() {
    let dict = Dict::new(3 * (OVERHEAD + 11));
    for key in ["a", "b", "c"] {
        assert_eq!(set(&dict, key, text("0123456789")), Ok(false));
    }
    get(&dict, "a");
    assert_eq!(
        set(&dict, "d", text("0123456789")),
        Ok(true),
        "something had to go"
    );
    assert_eq!(get(&dict, "b"), None);
    assert!(get(&dict, "a").is_some() && get(&dict, "c").is_some());
    let safe = dict.set(b"e", text("0123456789"), ALWAYS, Set::Always, true);
    assert_eq!(safe, Err(("no memory", false)));
    dict.flush_all();
    let safe = dict.set(b"e", text("0123456789"), ALWAYS, Set::Always, true);
    assert_eq!(safe, Ok(false), "what is past its time may go");
    assert_eq!(
        set(&dict, "f", text(&"x".repeat(9_999))),
        Err(("no memory", false))
    );
    audit(&dict);
}

#[test]
fn a_few_entries_go_for_one_and_not_all() {
    let dict = Dict::new(100 * (OVERHEAD + 3));
    for n in 0..100 {
        set(&dict, &format!("{n:02}"), text("x")).expect("room");
    }
    let large = text(&"x".repeat(90 * (OVERHEAD + 3)));
    assert_eq!(set(&dict, "large", large), Err(("no memory", true)));
    assert_eq!(dict.keys(999).len(), 100 - MOST_PUSHED);
    audit(&dict);
}

#[test]
fn lists_have_two_ends() {
    let dict = Dict::new(10_000);
    assert_eq!(dict.length(b"l"), Ok(0));
    assert_eq!(dict.pop(b"l", End::Left), Ok(None));
    assert_eq!(dict.push(b"l", text("b"), End::Left), Ok(1));
    assert_eq!(dict.push(b"l", text("a"), End::Left), Ok(2));
    assert_eq!(dict.push(b"l", Item::Number(3.0), End::Right), Ok(3));
    assert_eq!(dict.length(b"l"), Ok(3));
    audit(&dict);
    assert_eq!(dict.pop(b"l", End::Right), Ok(Some(Item::Number(3.0))));
    assert_eq!(dict.pop(b"l", End::Left), Ok(Some(text("a"))));
    assert_eq!(dict.pop(b"l", End::Left), Ok(Some(text("b"))));
    assert_eq!(dict.pop(b"l", End::Left), Ok(None));
    assert_eq!(dict.free(), dict.capacity());
    set(&dict, "t", text("x")).expect("room");
    assert_eq!(
        dict.push(b"t", text("x"), End::Left),
        Err("value not a list")
    );
    assert_eq!(dict.pop(b"t", End::Left), Err("value not a list"));
    assert_eq!(dict.length(b"t"), Err("value not a list"));
    assert_eq!(
        dict.push(b"l", text(&"x".repeat(20_000)), End::Left),
        Err("no memory")
    );
    assert_eq!(dict.length(b"l"), Ok(0));
    audit(&dict);
}

#[test]
fn a_list_pushes_others_out_and_not_itself() {
    let dict = Dict::new(20 * (OVERHEAD + 3));
    for n in 0..10 {
        set(&dict, &format!("{n:02}"), text("x")).expect("room");
    }
    let mut length = 0;
    while let Ok(now) = dict.push(b"l", text("item"), End::Right) {
        length = now;
        audit(&dict);
    }
    assert_eq!(dict.length(b"l"), Ok(length));
    assert!(length > 20 && dict.keys(99).len() == 1);
}

#[test]
fn threads_count_together() {
    let dict = Dict::new(10_000);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    dict.incr(b"n", 1.0, Some((0.0, Duration::ZERO)))
                        .expect("room");
                }
            });
        }
    });
    assert_eq!(get(&dict, "n"), Some(Item::Number(4_000.0)));
}
