//! How long to wait before the next try. Pure: the caller brings the randomness and does the waiting.

use std::time::Duration;

/// The wait before the first retry, at most; it doubles with each failure.
pub const BASE: Duration = Duration::from_millis(250);
/// The longest wait unless Welcome advised another.
pub const CAP: Duration = Duration::from_secs(10);

/// Full jitter: `rand(0, min(cap, 250 ms × 2^failures))`. `random` is from [0, 1).
pub fn delay(failures: u32, cap: Duration, random: f64) -> Duration {
    let factor = 2u32.checked_pow(failures).unwrap_or(u32::MAX);
    BASE.saturating_mul(factor)
        .min(cap)
        .mul_f64(random.clamp(0.0, 1.0))
}

/// What a peer asked us to wait is a floor, with up to half of it on top, so that a fleet told the same does not come
/// back at once. `random` is from [0, 1).
pub fn at_least(floor: Duration, random: f64) -> Duration {
    floor + floor.mul_f64(random.clamp(0.0, 1.0) / 2.0)
}

/// An interval within ± 20 %, for heartbeats. `random` is from [0, 1).
pub fn around(interval: Duration, random: f64) -> Duration {
    interval.mul_f64(0.8 + 0.4 * random.clamp(0.0, 1.0))
}

/// The cap that a control plane advises in Welcome: `max(10 s, nodes / 200 per s)`.
pub fn advised_cap(nodes: usize) -> Duration {
    CAP.max(Duration::from_millis(nodes as u64 * 5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_until_the_cap_and_the_jitter_is_full() {
        let cases = [
            (0, 0.0, 0),
            (0, 1.0, 250),
            (1, 1.0, 500),
            (3, 0.5, 1_000),
            (5, 1.0, 8_000),
            (6, 1.0, 10_000),
            (6, 0.25, 2_500),
            (u32::MAX, 1.0, 10_000),
        ];
        for (failures, random, millis) in cases {
            let waited = delay(failures, CAP, random);
            assert_eq!(waited, Duration::from_millis(millis), "after {failures}");
        }
    }

    #[test]
    fn an_asked_wait_is_never_shortened() {
        let floor = Duration::from_secs(4);
        assert_eq!(at_least(floor, 0.0), floor);
        assert_eq!(at_least(floor, 1.0), Duration::from_secs(6));
    }

    #[test]
    fn the_advised_cap_grows_with_the_fleet() {
        assert_eq!(advised_cap(0), CAP);
        assert_eq!(advised_cap(2_000), CAP);
        assert_eq!(advised_cap(5_000), Duration::from_secs(25));
    }

    #[test]
    fn an_interval_stays_within_a_fifth() {
        let ten = Duration::from_secs(10);
        assert_eq!(around(ten, 0.0), Duration::from_secs(8));
        assert_eq!(around(ten, 1.0), Duration::from_secs(12));
    }
}
