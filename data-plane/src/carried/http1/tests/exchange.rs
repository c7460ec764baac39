//! Requests and answers on a connection, with a mere socket as the upstream.

use super::super::*;

use http::HeaderMap;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A connection, and the upstream's end of it.
async fn pair() -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
    let ours = Stream::Plain(ours.expect("it connects"));
    (Connection::new(ours), theirs.expect("it accepts").0)
}

fn begun(connection: Connection, method: &Method, body: UpstreamBody) -> Rc<Exchange> {
    let headers = HeaderMap::new();
    let head = RequestHead {
        method,
        path: "/",
        query: None,
        host: None,
        headers: &headers,
        websocket: false,
        had_body: false,
    };
    match Exchange::begin(connection, &head, body) {
        Ok(exchange) => exchange,
        Err((unsendable, _)) => panic!("{unsendable}"),
    }
}

async fn head(exchange: &Exchange) -> Result<ResponseHead, WireError> {
    std::future::poll_fn(|cx| exchange.poll_head(cx)).await
}

async fn local<F: Future>(work: F) -> F::Output {
    let limit = Duration::from_secs(20);
    let set = tokio::task::LocalSet::new();
    let work = set.run_until(work);
    tokio::time::timeout(limit, work)
        .await
        .expect("it ends in time")
}

const EMPTY: UpstreamBody = UpstreamBody::Full(Bytes::new());

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    local(async {
        let (mut connection, mut upstream) = pair().await;
        for round in 1..4 {
            let exchange = begun(connection, &Method::GET, EMPTY);
            assert!(!exchange.has_begun());
            let answering = async {
                let mut request = [0; 18];
                upstream.read_exact(&mut request).await.expect("a request");
                assert_eq!(&request, b"GET / HTTP/1.1\r\n\r\n");
                let answer = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                upstream.write_all(answer).await.expect("it is taken");
            };
            let (head, ()) = tokio::join!(head(&exchange), answering);
            assert_eq!(head.expect("an answer").status, 200);
            assert!(exchange.give_back().is_none(), "its body is not read yet");
            let body = AnswerBody::new(exchange.clone());
            assert_eq!(body.size_hint().exact(), Some(2));
            assert_eq!(body.collect().await.expect("a body").to_bytes(), "ok");
            connection = exchange.give_back().expect("it stays");
            assert_eq!(connection.served, round);
            assert!(connection.is_open());
        }
        drop(upstream);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!connection.is_open(), "the upstream has closed it");
    })
    .await;
}

#[tokio::test]
async fn one_on_which_the_upstream_speaks_unasked_is_not_used() {
    local(async {
        let (mut connection, mut upstream) = pair().await;
        assert!(connection.is_open());
        let unasked = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n";
        upstream.write_all(unasked).await.expect("it is taken");
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!connection.is_open());
    })
    .await;
}

#[tokio::test]
async fn one_that_was_closed_before_the_answer_says_so() {
    local(async {
        for answer in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\n"] {
            let (connection, mut upstream) = pair().await;
            let exchange = begun(connection, &Method::GET, EMPTY);
            upstream
                .write_all(answer.as_bytes())
                .await
                .expect("it is taken");
            drop(upstream);
            let error = head(&exchange).await.expect_err("there is no answer");
            assert!(
                error.is_closed() && !error.is_malformed(),
                "{answer:?}: {error}"
            );
            assert!(exchange.give_back().is_none());
        }
    })
    .await;
}

#[tokio::test]
async fn a_switch_of_protocols_needs_to_be_asked_for() {
    local(async {
        let (connection, mut upstream) = pair().await;
        let exchange = begun(connection, &Method::GET, EMPTY);
        let switch = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n";
        upstream.write_all(switch).await.expect("it is taken");
        let error = head(&exchange).await.expect_err("it was not asked for");
        assert!(error.is_malformed(), "{error}");
    })
    .await;
}

/// An upstream that answers before it has read the request, and one that closes then: the answer counts, and a connection
/// whose request was not written to its end serves no other.
#[tokio::test]
async fn an_answer_before_the_end_of_the_request_is_an_answer() {
    local(async {
        for closes in [false, true] {
            let (connection, mut upstream) = pair().await;
            // More than the sockets take while nobody reads.
            let long = UpstreamBody::Full(Bytes::from(vec![b'x'; 32 * 1024 * 1024]));
            let exchange = begun(connection, &Method::POST, long);
            let answer = b"HTTP/1.1 413 Payload Too Large\r\ncontent-length: 4\r\n\r\nlong";
            upstream.write_all(answer).await.expect("it is taken");
            let upstream = match closes {
                true => {
                    upstream.shutdown().await.expect("it shuts down");
                    Some(upstream)
                }
                false => Some(upstream),
            };
            let answered = head(&exchange).await.expect("an answer");
            assert_eq!(answered.status, 413);
            assert!(!exchange.progress.ended.get());
            exchange.send_on(Duration::from_millis(100));
            let body = AnswerBody::new(exchange.clone());
            assert_eq!(body.collect().await.expect("a body").to_bytes(), "long");
            assert!(exchange.give_back().is_none());
            // Who writes on gives up: nobody reads.
            while Rc::strong_count(&exchange) > 1 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            drop(upstream);
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_that_is_written_beside_its_answer_gets_there_whole() {
    local(async {
        let (connection, mut upstream) = pair().await;
        let length = 32 * 1024 * 1024;
        let long = UpstreamBody::Full(Bytes::from(vec![b'x'; length]));
        let exchange = begun(connection, &Method::POST, long);
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        upstream.write_all(answer).await.expect("it is taken");
        head(&exchange).await.expect("an answer");
        exchange.send_on(Duration::from_secs(10));
        let body = AnswerBody::new(exchange.clone());
        assert_eq!(body.collect().await.expect("a body").to_bytes(), "ok");
        let (mut got, mut room) = (0, vec![0; 64 * 1024]);
        while !exchange.progress.ended.get() || got < length {
            got += upstream.read(&mut room).await.expect("it is read");
        }
        let head = format!("POST / HTTP/1.1\r\ncontent-length: {length}\r\n\r\n");
        assert_eq!(got, length + head.len());
        assert!(
            exchange.give_back().is_some(),
            "all of it was written and read"
        );
    })
    .await;
}
