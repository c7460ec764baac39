//! Command lines out of documentation, run as they stand: by the real `curl` if there is one, else as the same request
//! from a socket.

use std::net::SocketAddr;
use std::process::Command;

use crate::wire::{Reply, Request, send_raw};

/// Runs a `curl` command line, with every host in `moved` replaced (documentation says `localhost:8001`, a test has
/// a port of its own); gives what was answered.
pub async fn curl(command: &str, moved: &[(&str, SocketAddr)]) -> Reply {
    let mut words = words(command);
    assert_eq!(
        words.first().map(String::as_str),
        Some("curl"),
        "not a curl command: {command}"
    );
    words.remove(0);
    for word in words.iter_mut().filter(|word| word.starts_with("http")) {
        for (host, address) in moved {
            *word = word.replacen(host, &address.to_string(), 1);
        }
    }
    match real(words.clone()).await {
        Some(reply) => reply,
        None => from_socket(&words).await,
    }
}

/// Splits a command line as a shell does: blanks, quotes, backslashes, continued lines. No substitutions.
pub fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = command.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(q)) if c == q => quote = None,
            ('\\', None) => match chars.next() {
                Some('\n') | None => {}
                Some(escaped) => word.get_or_insert_default().push(escaped),
            },
            ('\\', Some('"')) if chars.peek().is_some_and(|next| "\"\\$`".contains(*next)) => {
                word.get_or_insert_default().extend(chars.next());
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    assert!(quote.is_none(), "an open quote: {command}");
    words.extend(word);
    words
}

/// `None` if there is no `curl` on this machine.
async fn real(words: Vec<String>) -> Option<Reply> {
    let run = move || {
        Command::new("curl")
            .args(["-s", "-S", "-i"])
            .args(words)
            .output()
    };
    let output = tokio::task::spawn_blocking(run)
        .await
        .expect("curl does not panic")
        .ok()?;
    assert!(
        output.status.success(),
        "curl failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(parsed(&output.stdout))
}

/// What `curl -i` printed.
fn parsed(printed: &[u8]) -> Reply {
    let end = printed
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("curl -i prints a head");
    let head = String::from_utf8_lossy(&printed[..end]);
    let rest = &printed[end + 4..];
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|word| word.parse().ok());
    let status: u16 = status.expect("curl -i prints a status line");
    if status < 200 {
        return parsed(rest);
    }
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    Reply {
        status,
        headers,
        body: rest.to_vec(),
        ..Reply::default()
    }
}

async fn from_socket(words: &[String]) -> Reply {
    println!("no curl on this machine: the same request is sent from a socket");
    let (address, request) = request(words);
    send_raw(
        address,
        &request.bytes(&address.to_string()),
        &request.method,
    )
    .await
}

/// The request that `curl` makes of these words.
fn request(words: &[String]) -> (SocketAddr, Request) {
    let (mut method, mut url, mut data, mut headers) = (None, None, Vec::new(), Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().expect("the flag has a value").clone();
        match word.as_str() {
            "-X" | "--request" => method = Some(value()),
            "-d" | "--data" => data.push(value()),
            "-H" | "--header" => headers.push(value()),
            "-i" | "-s" => {}
            flag if flag.starts_with('-') => {
                panic!("a flag this stand-in for curl does not know: {flag}")
            }
            other => url = Some(other.to_owned()),
        }
    }
    let url = url.expect("a URL");
    let rest = url.strip_prefix("http://").expect("an http URL");
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let implied = if data.is_empty() { "GET" } else { "POST" };
    let mut request = Request::new(method.as_deref().unwrap_or(implied), &format!("/{path}"))
        .header("Accept", "*/*");
    for header in &headers {
        let (name, value) = header.split_once(':').expect("a header has a colon");
        request = request.header(name, value.trim());
    }
    let typed = headers
        .iter()
        .any(|header| header.to_ascii_lowercase().starts_with("content-type:"));
    if !data.is_empty() {
        let body = data.join("&");
        request = if typed {
            request.body(body)
        } else {
            request.form(&body)
        };
    }
    (
        host.parse()
            .expect("an address stands where the host stood"),
        request,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_split_as_a_shell_splits_it() {
        let command =
            "curl -X POST http://h/p \\\n  --data \"a=\\\"b\\\" c\" -d 'x=$(y)' z\\ w \"\"";
        let expected = [
            "curl",
            "-X",
            "POST",
            "http://h/p",
            "--data",
            "a=\"b\" c",
            "-d",
            "x=$(y)",
            "z w",
            "",
        ];
        assert_eq!(words(command), expected);
    }

    #[test]
    fn the_stand_in_sends_what_curl_sends() {
        let line =
            words("-X POST http://127.0.0.1:1/services/s/plugins -d name=x --data 'config.a=1, 2'");
        let (address, request) = request(&line);
        assert_eq!(address.port(), 1);
        let bytes = String::from_utf8(request.bytes("h")).expect("ASCII");
        assert!(
            bytes.starts_with("POST /services/s/plugins HTTP/1.1\r\n"),
            "{bytes}"
        );
        assert!(
            bytes.contains("Content-Type: application/x-www-form-urlencoded\r\n"),
            "{bytes}"
        );
        assert!(bytes.ends_with("\r\n\r\nname=x&config.a=1, 2"), "{bytes}");
    }
}
