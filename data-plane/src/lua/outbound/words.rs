//! What failed, in the words of OpenResty.

use std::error::Error;
use std::io;

use crate::carried::dns::DnsError;

pub(super) const TIMEOUT: &str = "timeout";
pub(super) const CLOSED: &str = "closed";
pub(super) const TOO_LARGE: &str = "response too large";

/// As nginx says it: the system's own words in small letters.
pub(super) fn of_io(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return CLOSED.to_owned();
    }
    let text = error.to_string();
    let text = text.split(" (os error ").next().unwrap_or(&text);
    text.to_ascii_lowercase()
}

/// What hyper met with.
pub(super) fn of_http(error: &hyper::Error) -> String {
    if let Some(cause) = io_cause(error) {
        return match cause.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                format!("invalid response: {cause}")
            }
            _ => of_io(cause),
        };
    }
    if error.is_parse() || error.is_parse_too_large() {
        return format!("invalid response: {error}");
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return CLOSED.to_owned();
    }
    // What is left of a connection that breaks off within a chunk, say.
    error.to_string()
}

fn io_cause(error: &hyper::Error) -> Option<&io::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref() {
            return Some(io);
        }
        cause = error.source();
    }
    None
}

/// As nginx's resolver says it.
pub(super) fn of_dns(host: &str, error: &DnsError) -> String {
    let reason = match error {
        DnsError::NotFound => "3: Host not found",
        DnsError::Failed { reason, .. } => {
            tracing::debug!(host, reason, "a plugin's host cannot be looked up");
            "2: Server failure"
        }
    };
    format!("{host} could not be resolved ({reason})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_words_come_in_small_letters() {
        for (number, words) in [
            (111, "connection refused"),
            (104, "connection reset by peer"),
            (101, "network is unreachable"),
            (113, "no route to host"),
            (32, "broken pipe"),
        ] {
            assert_eq!(of_io(&io::Error::from_raw_os_error(number)), words);
        }
        let ended = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert_eq!(of_io(&ended), "closed");
    }

    #[test]
    fn a_host_without_an_address_is_named() {
        let failed = DnsError::Failed {
            name: "h.test".to_owned(),
            reason: "no connections available".to_owned(),
        };
        assert_eq!(
            of_dns("h.test", &DnsError::NotFound),
            "h.test could not be resolved (3: Host not found)"
        );
        assert_eq!(
            of_dns("h.test", &failed),
            "h.test could not be resolved (2: Server failure)"
        );
    }
}
