//! The resolver against a name server of the test's own.

use super::*;
use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::UdpSocket;

/// A name server over UDP that answers from a list.
pub(crate) struct Server {
    address: SocketAddr,
    zone: Arc<Zone>,
}

#[derive(Default)]
struct Zone {
    /// Name, seconds to live, what it leads to.
    records: Mutex<Vec<(&'static str, u32, RData)>>,
    /// The questions that came.
    asked: Mutex<Vec<(String, RecordType)>>,
    /// Answers with SERVFAIL while set.
    broken: AtomicBool,
    /// Lets questions lie while set.
    silent: AtomicBool,
}

impl Server {
    pub(crate) async fn start(records: Vec<(&'static str, u32, RData)>) -> Server {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
        let address = socket.local_addr().expect("is bound");
        let zone = Arc::new(Zone {
            records: Mutex::new(records),
            ..Zone::default()
        });
        tokio::spawn(serve(socket, zone.clone()));
        Server { address, zone }
    }

    pub(crate) fn dns(&self) -> Dns {
        self.dns_in_order(Options::default().order)
    }

    fn dns_in_order(&self, order: Vec<Kind>) -> Dns {
        let options = Options {
            servers: vec![self.address],
            hosts_file: PathBuf::from("/dev/null"),
            order,
        };
        Dns::new(options, Handle::current()).expect("has a server")
    }

    /// Lets questions lie, or answers again.
    pub(crate) fn be_silent(&self, silent: bool) {
        self.zone.silent.store(silent, Ordering::Relaxed);
    }

    pub(crate) fn replace(&self, records: Vec<(&'static str, u32, RData)>) {
        *self.zone.records.lock().unwrap() = records;
    }

    /// How often `name` was asked for, whatever the kind.
    fn asked(&self, name: &str) -> usize {
        self.zone
            .asked
            .lock()
            .unwrap()
            .iter()
            .filter(|(asked, _)| asked == name)
            .count()
    }

    fn kinds_asked(&self, name: &str) -> Vec<RecordType> {
        let asked = self.zone.asked.lock().unwrap();
        asked
            .iter()
            .filter(|(asked, _)| asked == name)
            .map(|(_, kind)| *kind)
            .collect()
    }
}

async fn serve(socket: UdpSocket, zone: Arc<Zone>) {
    let mut buffer = [0; 4096];
    while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
        let question = Message::from_vec(&buffer[..length]).expect("a DNS message");
        if zone.silent.load(Ordering::Relaxed) {
            continue;
        }
        let answer = zone.answer(&question).to_vec().expect("can be written");
        socket.send_to(&answer, client).await.expect("can be sent");
    }
}

impl Zone {
    fn answer(&self, question: &Message) -> Message {
        let query = question.queries.first().expect("has a question").clone();
        let name = query.name().to_string().to_lowercase();
        self.asked
            .lock()
            .unwrap()
            .push((name.clone(), query.query_type()));
        let mut answer = Message::response(question.id, OpCode::Query);
        answer.add_query(query.clone());
        let records = self.records.lock().unwrap();
        let known = records.iter().filter(|(known, ..)| *known == name);
        let of_kind = known
            .clone()
            .filter(|(.., data)| data.record_type() == query.query_type());
        let found: Vec<Record> = of_kind
            .map(|(_, ttl, data)| Record::from_rdata(query.name().clone(), *ttl, data.clone()))
            .collect();
        if self.broken.load(Ordering::Relaxed) {
            answer.metadata.response_code = ResponseCode::ServFail;
        } else if known.count() == 0 {
            answer.metadata.response_code = ResponseCode::NXDomain;
        }
        answer.add_answers(found);
        answer
    }
}

pub(crate) fn a(last: u8) -> RData {
    RData::A(A::new(10, 0, 0, last))
}

pub(crate) fn service(priority: u16, weight: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(
        priority,
        weight,
        port,
        Name::from_ascii(target).expect("a name"),
    ))
}

fn alias(target: &str) -> RData {
    RData::CNAME(CNAME(Name::from_ascii(target).expect("a name")))
}

fn address(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], port))
}

async fn first(dns: &Dns, name: &str) -> Result<SocketAddr, DnsError> {
    dns.resolve(name, 80)
        .await
        .map(|addresses| addresses.first())
}

/// Lets time pass for the cache but not for the exchange with the server.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

/// Waits until the background has done what `done` looks for.
async fn eventually(what: &str, done: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what}");
}

#[tokio::test]
async fn literals_and_local_names_need_no_server() {
    let nobody = Options {
        servers: vec![SocketAddr::from(([127, 0, 0, 1], 9))],
        ..Options::default()
    };
    let dns = Dns::new(nobody, Handle::current()).expect("has a server");
    for (name, expected) in [
        ("127.0.0.2", "127.0.0.2:80"),
        ("::1", "[::1]:80"),
        ("[::1]", "[::1]:80"),
        ("localhost", "127.0.0.1:80"),
        ("LocalHost", "127.0.0.1:80"),
        ("localhost.", "127.0.0.1:80"),
        ("a.localhost", "127.0.0.1:80"),
    ] {
        assert_eq!(
            first(&dns, name).await,
            Ok(expected.parse().expect("an address")),
            "{name}"
        );
    }
    assert_eq!(first(&dns, "a.invalid").await, Err(DnsError::NotFound));
}

#[tokio::test]
async fn the_hosts_file_comes_before_the_servers() {
    let server = Server::start(vec![("a.test.", 60, a(1))]).await;
    let hosts_file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(hosts_file.path(), "10.9.9.9 A.test").expect("is written");
    let options = Options {
        servers: vec![server.address],
        hosts_file: hosts_file.path().to_path_buf(),
        ..Options::default()
    };
    let dns = Dns::new(options, Handle::current()).expect("has a server");
    assert_eq!(
        first(&dns, "a.test").await,
        Ok(SocketAddr::from(([10, 9, 9, 9], 80)))
    );
    assert_eq!(server.asked("a.test."), 0);
}

#[tokio::test]
async fn addresses_take_turns_and_retries_take_another() {
    let server = Server::start(vec![("a.test.", 60, a(1)), ("a.test.", 60, a(2))]).await;
    let dns = server.dns();
    let addresses = dns.resolve("a.test", 81).await.expect("exists");
    let (one, two) = (addresses.first(), addresses.after(addresses.first()));
    assert_ne!(one, two);
    assert!([address(1, 81), address(2, 81)].contains(&one));
    assert_eq!(
        dns.resolve("a.test", 81).await.expect("exists").first(),
        two
    );
    assert_eq!(
        dns.resolve("A.TEST", 81).await.expect("exists").first(),
        one
    );
}

#[tokio::test]
async fn an_answer_is_asked_for_once_while_it_holds() {
    let server = Server::start(vec![("a.test.", 60, a(1))]).await;
    let dns = server.dns();
    for _ in 0..3 {
        assert_eq!(first(&dns, "a.test").await, Ok(address(1, 80)));
    }
    assert_eq!(
        server.kinds_asked("a.test."),
        [RecordType::SRV, RecordType::A]
    );
}

#[tokio::test]
async fn questions_at_one_time_are_one_question() {
    let server = Server::start(vec![("a.test.", 60, a(1))]).await;
    let dns = server.dns_in_order(vec![Kind::A]);
    let all = futures_util::future::join_all((0..20).map(|_| first(&dns, "a.test"))).await;
    assert!(all.iter().all(|answer| *answer == Ok(address(1, 80))));
    assert_eq!(server.asked("a.test."), 1);
}

#[tokio::test]
async fn an_answer_past_its_time_serves_on_while_it_is_renewed() {
    let server = Server::start(vec![("a.test.", 30, a(1))]).await;
    let dns = server.dns();
    assert_eq!(first(&dns, "a.test").await, Ok(address(1, 80)));
    server.replace(vec![("a.test.", 30, a(2))]);
    pass(31).await;
    assert_eq!(
        first(&dns, "a.test").await,
        Ok(address(1, 80)),
        "nobody waits for the servers"
    );
    eventually("asks again", || server.asked("a.test.") == 3).await;
    let renewed = || {
        dns.shared
            .cache
            .peek("a.test")
            .is_some_and(|cached| !cached.is_due())
    };
    eventually("takes the new answer in", renewed).await;
    assert_eq!(first(&dns, "a.test").await, Ok(address(2, 80)));
    let kinds = [RecordType::SRV, RecordType::A, RecordType::A];
    assert_eq!(
        server.kinds_asked("a.test."),
        kinds,
        "the kind that answered last time comes first"
    );
}

#[tokio::test]
async fn an_answer_serves_on_when_the_servers_fail() {
    let server = Server::start(vec![("a.test.", 30, a(1))]).await;
    let dns = server.dns_in_order(vec![Kind::A]);
    assert_eq!(first(&dns, "a.test").await, Ok(address(1, 80)));
    server.zone.broken.store(true, Ordering::Relaxed);
    pass(31).await;
    assert_eq!(first(&dns, "a.test").await, Ok(address(1, 80)));
    eventually("asks again", || server.asked("a.test.") > 1).await;
    eventually("ends", || dns.shared.asking.lock().unwrap().is_empty()).await;
    assert_eq!(first(&dns, "a.test").await, Ok(address(1, 80)));
    pass(3601).await;
    assert!(
        matches!(first(&dns, "a.test").await, Err(DnsError::Failed { .. })),
        "but not for ever"
    );
}

#[tokio::test]
async fn a_short_life_of_zero_is_no_life() {
    let server = Server::start(vec![("a.test.", 0, a(1))]).await;
    let dns = server.dns_in_order(vec![Kind::A]);
    for times in 1..4 {
        assert_eq!(first(&dns, "a.test").await, Ok(address(1, 80)));
        assert_eq!(server.asked("a.test."), times);
    }
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_remembered_for_half_a_minute() {
    let server = Server::start(vec![]).await;
    let dns = server.dns_in_order(vec![Kind::A]);
    assert_eq!(first(&dns, "a.test").await, Err(DnsError::NotFound));
    pass(29).await;
    assert_eq!(first(&dns, "a.test").await, Err(DnsError::NotFound));
    assert_eq!(server.asked("a.test."), 1);
    server.replace(vec![("a.test.", 30, a(1))]);
    pass(2).await;
    assert_eq!(first(&dns, "a.test").await, Ok(address(1, 80)));
}

#[tokio::test]
async fn a_name_without_addresses_does_not_exist_either() {
    let server = Server::start(vec![(
        "a.test.",
        60,
        RData::AAAA(AAAA::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
    )])
    .await;
    assert_eq!(
        first(&server.dns(), "a.test").await,
        Err(DnsError::NotFound)
    );
    let with_six = server.dns_in_order(vec![Kind::A, Kind::Aaaa]);
    assert_eq!(
        first(&with_six, "a.test").await,
        Ok("[fe80::1]:80".parse().expect("an address"))
    );
    assert_eq!(
        first(&server.dns(), "no such name").await,
        Err(DnsError::NotFound)
    );
}

#[tokio::test]
async fn an_error_is_told_apart_and_remembered_for_a_second() {
    let server = Server::start(vec![("a.test.", 60, a(1))]).await;
    server.zone.broken.store(true, Ordering::Relaxed);
    let dns = server.dns_in_order(vec![Kind::A]);
    let failure = first(&dns, "a.test").await.expect_err("the server fails");
    let text = failure.to_string();
    assert!(
        text.starts_with("failed the initial dns/balancer resolve for 'a.test' with: "),
        "{text}"
    );
    let asked = server.asked("a.test.");
    assert_eq!(first(&dns, "a.test").await, Err(failure));
    assert_eq!(server.asked("a.test."), asked);
    server.zone.broken.store(false, Ordering::Relaxed);
    pass(2).await;
    assert_eq!(first(&dns, "a.test").await, Ok(address(1, 80)));
}

#[tokio::test]
async fn services_of_the_lowest_priority_are_used_by_weight_and_with_their_ports() {
    let server = Server::start(vec![
        ("s.test.", 60, service(1, 20, 8001, "one.test.")),
        ("s.test.", 60, service(1, 10, 0, "two.test.")),
        ("s.test.", 60, service(2, 10, 8003, "three.test.")),
        ("one.test.", 60, a(1)),
        ("two.test.", 60, a(2)),
        ("three.test.", 60, a(3)),
    ])
    .await;
    let dns = server.dns();
    let mut turns = Vec::new();
    for _ in 0..6 {
        turns.push(first(&dns, "s.test").await.expect("exists"));
    }
    let count = |address| turns.iter().filter(|turn| **turn == address).count();
    assert_eq!(
        (count(address(1, 8001)), count(address(2, 80))),
        (4, 2),
        "{turns:?}"
    );
}

#[tokio::test]
async fn an_alias_is_followed() {
    let server = Server::start(vec![
        ("c.test.", 60, alias("a.test.")),
        ("a.test.", 60, a(1)),
    ])
    .await;
    assert_eq!(first(&server.dns(), "c.test").await, Ok(address(1, 80)));
}

#[tokio::test]
async fn a_request_that_gives_up_does_not_take_the_question_with_it() {
    let server = Server::start(vec![("a.test.", 60, a(1))]).await;
    server.zone.silent.store(true, Ordering::Relaxed);
    let dns = server.dns_in_order(vec![Kind::A]);
    let impatient = tokio::time::timeout(Duration::from_millis(20), first(&dns, "a.test")).await;
    assert!(impatient.is_err());
    assert_eq!(dns.shared.asking.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn every_place_of_a_name_is_told_with_how_long_it_holds() {
    let server = Server::start(vec![
        ("a.test.", 60, a(1)),
        ("a.test.", 60, a(2)),
        ("brief.test.", 0, a(3)),
        ("s.test.", 60, service(1, 20, 8001, "one.test.")),
        ("s.test.", 60, service(1, 0, 0, "a.test.")),
        ("one.test.", 60, a(4)),
    ])
    .await;
    let dns = server.dns();
    let ips = |places: Vec<Place>| places.iter().map(|place| place.ip).collect::<Vec<_>>();
    let ip = |last| address(last, 0).ip();
    let (found, holds) = dns.places("a.test").await;
    assert_eq!(found.map(ips), Ok(vec![ip(1), ip(2)]));
    assert!(
        matches!(holds, Holds::Until(until) if until > Instant::now() + Duration::from_secs(50))
    );
    let (found, holds) = dns.places("brief.test").await;
    assert_eq!((found.map(ips), holds), (Ok(vec![ip(3)]), Holds::Once));
    let (found, holds) = dns.places("none.test").await;
    assert_eq!(found, Err(DnsError::NotFound));
    assert!(matches!(holds, Holds::Until(_)));
    let (found, _) = dns.places("s.test").await;
    let place = |last, port, weight, name: &str| Place {
        ip: ip(last),
        port,
        weight: Some(weight),
        name: Some(name.into()),
    };
    let expected = [
        place(4, Some(8001), 20, "one.test"),
        place(1, None, 1, "a.test"),
        place(2, None, 1, "a.test"),
    ];
    assert_eq!(found, Ok(expected.to_vec()));
}
