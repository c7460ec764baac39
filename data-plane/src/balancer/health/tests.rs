//! The counters, case by case, and against a model that keeps them apart.

use proptest::prelude::*;

use super::Report::{Http, Success, Tcp, Timeout};
use super::{Health, Report, State, Tally};

fn told(reports: &[(Report, u8)]) -> (Health, Vec<Option<bool>>) {
    let health = Health::default();
    let flips = reports
        .iter()
        .map(|(report, limit)| health.report(*report, *limit))
        .collect();
    (health, flips)
}

#[test]
fn a_counter_that_reaches_its_limit_flips_the_state() {
    let (health, flips) = told(&[(Http, 3), (Http, 3), (Http, 3)]);
    assert_eq!(flips, [None, None, Some(false)]);
    assert!(!health.is_healthy());
    assert_eq!(health.report(Success, 2), None);
    assert!(!health.is_healthy(), "one success of two");
    assert_eq!(health.report(Success, 2), Some(true));
    assert!(health.is_healthy());
}

#[test]
fn failures_of_different_kinds_are_counted_apart() {
    let (health, flips) = told(&[(Http, 2), (Tcp, 2), (Timeout, 2)]);
    assert_eq!(flips, [None; 3]);
    assert!(health.is_healthy());
    assert_eq!(health.report(Tcp, 2), Some(false));
}

#[test]
fn a_success_zeroes_the_failures_and_a_failure_the_successes() {
    let (health, _) = told(&[(Http, 2), (Success, 5), (Http, 2)]);
    assert!(health.is_healthy(), "the first failure was forgotten");
    let (health, _) = told(&[(Tcp, 1), (Success, 2), (Http, 9), (Success, 2)]);
    assert!(!health.is_healthy(), "the first success was forgotten");
}

#[test]
fn a_report_without_a_limit_changes_nothing() {
    let (health, flips) = told(&[(Http, 2), (Success, 0), (Http, 2)]);
    assert_eq!(
        flips,
        [None, None, Some(false)],
        "the success did not clear the failure"
    );
    assert!(!health.is_healthy());
    let (health, flips) = told(&[(Tcp, 0), (Http, 0), (Timeout, 0)]);
    assert!(flips.iter().all(Option::is_none) && health.is_healthy());
}

#[test]
fn what_agrees_with_a_settled_state_is_not_counted() {
    let (health, _) = told(&[(Success, 3), (Success, 3), (Success, 3)]);
    assert_eq!(health.0.into_inner(), 0);
    let (health, _) = told(&[(Tcp, 1), (Http, 9)]);
    let tally = Tally::unpack(health.0.into_inner());
    assert_eq!((tally.state, tally.http), (State::Unhealthy, 0));
}

#[test]
fn a_mark_settles_the_state() {
    let (health, _) = told(&[(Http, 2)]);
    health.mark(true);
    assert_eq!(health.0.load(std::sync::atomic::Ordering::Relaxed), 0);
    health.mark(false);
    assert!(!health.is_healthy());
    assert_eq!(health.report(Success, 1), Some(true));
}

proptest! {
    #[test]
    fn a_word_holds_every_tally(state in 0u8..4, counters in any::<[u8; 4]>()) {
        let [success, tcp, http, timeout] = counters;
        let word = u64::from_le_bytes([state, success, tcp, http, timeout, 0, 0, 0]);
        prop_assert_eq!(Tally::unpack(word).pack(), word);
    }

    /// A model with plain counters and two states says the same of every sequence.
    #[test]
    fn the_outward_state_follows_the_counters(
        reports in proptest::collection::vec((0usize..4, 0u8..4), 0..60),
    ) {
        let health = Health::default();
        let (mut healthy, mut settled, mut success, mut failures) = (true, true, 0u8, [0u8; 3]);
        for (kind, limit) in reports {
            let report = [Success, Tcp, Http, Timeout][kind];
            let good = report == Success;
            let before = healthy;
            if limit > 0 && !(settled && good == healthy) {
                let count = if good {
                    failures = [0; 3];
                    success += 1;
                    success
                } else {
                    success = 0;
                    failures[kind - 1] += 1;
                    failures[kind - 1]
                };
                settled = count >= limit;
                if settled {
                    healthy = good;
                }
            }
            let flip = (before != healthy).then_some(healthy);
            prop_assert_eq!(health.report(report, limit), flip);
            prop_assert_eq!(health.is_healthy(), healthy);
        }
    }
}
