//! What the answers to requests say of a peer.

use http::StatusCode;
use shared::entities::PassiveChecks;
use shared::types::Probe;

use super::Report;

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With this status: the peer's, or the one that the failure of the last try becomes.
    Status(StatusCode),
    /// Without a connection, or with one that broke; another try follows.
    Broken,
    /// Not in time; another try follows.
    Late,
}

/// The report that an outcome makes and its limit; `None` if it says nothing.
pub fn report(checks: &PassiveChecks, outcome: Outcome) -> Option<(Report, u8)> {
    let bad = &checks.unhealthy;
    let status = match outcome {
        Outcome::Broken => return Some((Report::Tcp, bad.tcp_failures)),
        Outcome::Late => return Some((Report::Timeout, bad.timeouts)),
        // Whoever says it: a peer that is a gateway itself had to wait for its own.
        Outcome::Status(StatusCode::GATEWAY_TIMEOUT) => {
            return Some((Report::Timeout, bad.timeouts));
        }
        Outcome::Status(status) => status.as_u16(),
    };
    if checks.probe == Probe::Tcp {
        return None;
    }
    if checks.healthy.http_statuses.contains(&status) {
        return Some((Report::Success, checks.healthy.successes));
    }
    let listed = bad.http_statuses.contains(&status);
    listed.then_some((Report::Http, bad.http_failures))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn checks(probe: &str) -> PassiveChecks {
        let checks = json!({
            "type": probe,
            "healthy": { "http_statuses": [200, 302], "successes": 1 },
            "unhealthy": { "http_statuses": [302, 500, 502], "tcp_failures": 2, "timeouts": 3, "http_failures": 4 },
        });
        serde_json::from_value(checks).expect("passive checks")
    }

    #[test]
    fn statuses_are_good_bad_or_neither() {
        let cases = [
            (200, Some((Report::Success, 1))),
            (302, Some((Report::Success, 1))), // good is looked at first
            (404, None),
            (500, Some((Report::Http, 4))),
            (502, Some((Report::Http, 4))),
            (503, None),
            (504, Some((Report::Timeout, 3))),
        ];
        for (status, expected) in cases {
            let status = StatusCode::from_u16(status).expect("a status");
            let said = report(&checks("http"), Outcome::Status(status));
            assert_eq!(said, expected, "{status}");
        }
    }

    #[test]
    fn failures_that_another_try_follows_are_told_as_such() {
        let checks = checks("http");
        assert_eq!(report(&checks, Outcome::Broken), Some((Report::Tcp, 2)));
        assert_eq!(report(&checks, Outcome::Late), Some((Report::Timeout, 3)));
    }

    #[test]
    fn tcp_checks_look_at_no_status() {
        let checks = checks("tcp");
        assert_eq!(
            report(&checks, Outcome::Status(StatusCode::INTERNAL_SERVER_ERROR)),
            None
        );
        assert_eq!(report(&checks, Outcome::Broken), Some((Report::Tcp, 2)));
    }
}
