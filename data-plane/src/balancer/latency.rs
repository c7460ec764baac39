//! To the peer that answered fastest lately: an average of response times that halves its memory about every seven
//! seconds, over the weight. Of two drawn peers the better is taken, as the reference does: had every worker the same
//! one favourite, it would be buried.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// After this long a measurement weighs 1/e.
const DECAY: f64 = 10.0;

/// What the times in an [`Average`] count from.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// An exponentially weighted moving average of response times. Two writers at once may lose one measurement; that is
/// nothing to an average.
#[derive(Debug, Default)]
pub struct Average {
    /// Seconds, as the bits of an `f64`.
    seconds: AtomicU64,
    /// Nanoseconds from [`START`] to the last measurement; 0 is never.
    touched: AtomicU64,
}

impl Average {
    /// Takes in a response time.
    pub fn observe(&self, time: Duration) {
        self.observe_at(time.as_secs_f64(), elapsed());
    }

    fn observe_at(&self, seconds: f64, now: u64) {
        let average = match self.touched.swap(now.max(1), Ordering::Relaxed) {
            0 => seconds,
            touched => {
                let kept = kept(touched, now);
                f64::from_bits(self.seconds.load(Ordering::Relaxed)) * kept + seconds * (1.0 - kept)
            }
        };
        self.seconds.store(average.to_bits(), Ordering::Relaxed);
    }

    /// What counts now: a peer that has not been asked for long is worth another look. `None` before the first.
    fn now(&self, now: u64) -> Option<f64> {
        match self.touched.load(Ordering::Relaxed) {
            0 => None,
            touched => {
                Some(f64::from_bits(self.seconds.load(Ordering::Relaxed)) * kept(touched, now))
            }
        }
    }
}

fn elapsed() -> u64 {
    START.elapsed().as_nanos() as u64
}

/// How much of an average is left after that time.
fn kept(touched: u64, now: u64) -> f64 {
    let seconds = now.saturating_sub(touched) as f64 / 1e9;
    (-seconds / DECAY).exp()
}

/// Takes the better of two good peers, drawn by `turn`. A peer without a measurement starts at the mean of the others.
pub fn pick<'a>(
    peers: usize,
    turn: u64,
    average: impl Fn(usize) -> (&'a Average, u32),
    good: impl Fn(usize) -> bool,
) -> Option<usize> {
    pick_at(peers, turn, elapsed(), average, good)
}

fn pick_at<'a>(
    peers: usize,
    turn: u64,
    now: u64,
    average: impl Fn(usize) -> (&'a Average, u32),
    good: impl Fn(usize) -> bool,
) -> Option<usize> {
    let good = |peer: &usize| average(*peer).1 > 0 && good(*peer);
    let from = |start: u64| {
        let start = (start % peers.max(1) as u64) as usize;
        (start..peers).chain(0..start).filter(good)
    };
    let drawn = scattered(turn);
    let one = from(drawn).next()?;
    let Some(other) = from(drawn >> 32).find(|peer| *peer != one) else {
        return Some(one);
    };
    let score = |peer| {
        let (average, weight) = average(peer);
        average.now(now).map(|seconds| seconds / f64::from(weight))
    };
    let mean = || {
        let known: Vec<f64> = from(0).filter_map(score).collect();
        known.iter().sum::<f64>() / known.len().max(1) as f64
    };
    // Of equal ones that without a measurement: it is to get one.
    let [first, second] = [one, other].map(|peer| match score(peer) {
        Some(score) => (score, true),
        None => (mean(), false),
    });
    Some(if second < first { other } else { one })
}

/// Numbers that follow each other become numbers that do not (splitmix64).
fn scattered(turn: u64) -> u64 {
    let mut x = turn.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn averages(seconds: &[Option<f64>]) -> Vec<Average> {
        let of = |seconds: &Option<f64>| {
            let average = Average::default();
            if let Some(seconds) = seconds {
                average.observe_at(*seconds, SECOND);
            }
            average
        };
        seconds.iter().map(of).collect()
    }

    /// How often each peer is taken in a thousand turns, at that moment.
    fn shares(averages: &[Average], weights: &[u32], now: u64, out: Option<usize>) -> Vec<usize> {
        let mut shares = vec![0; averages.len()];
        for turn in 0..1000 {
            let of = |peer: usize| (&averages[peer], weights[peer]);
            if let Some(peer) = pick_at(averages.len(), turn, now, of, |peer| Some(peer) != out) {
                shares[peer] += 1;
            }
        }
        shares
    }

    #[test]
    fn old_measurements_fade() {
        let average = Average::default();
        assert_eq!(average.now(SECOND), None);
        average.observe_at(2.0, SECOND);
        assert_eq!(average.now(SECOND), Some(2.0));
        let later = average.now(11 * SECOND).expect("measured");
        assert!((later - 2.0 / std::f64::consts::E).abs() < 1e-9, "{later}");
        average.observe_at(0.0, 11 * SECOND);
        let after = average.now(11 * SECOND).expect("measured");
        assert!((after - 2.0 / std::f64::consts::E).abs() < 1e-9, "{after}");
        average.observe_at(1.0, 1000 * SECOND);
        let after = average.now(1000 * SECOND).expect("measured");
        assert!((after - 1.0).abs() < 1e-9, "{after}");
    }

    #[test]
    fn of_two_the_faster_for_its_weight_is_taken() {
        let two = averages(&[Some(0.3), Some(0.1)]);
        assert_eq!(shares(&two, &[100, 100], SECOND, None), [0, 1000]);
        assert_eq!(shares(&two, &[400, 100], SECOND, None), [1000, 0]);
        assert_eq!(shares(&two, &[100, 100], SECOND, Some(1)), [1000, 0]);
        assert_eq!(shares(&two, &[100, 0], SECOND, None), [1000, 0]);
        assert_eq!(shares(&two, &[0, 0], SECOND, None), [0, 0]);
    }

    #[test]
    fn the_slowest_of_many_is_never_taken_and_the_rest_share() {
        let three = averages(&[Some(0.1), Some(0.2), Some(5.0)]);
        let shares = shares(&three, &[1, 1, 1], SECOND, None);
        assert_eq!(shares[2], 0, "{shares:?}");
        assert!(shares[0] > shares[1] && shares[1] > 100, "{shares:?}");
    }

    #[test]
    fn a_new_peer_starts_at_the_mean() {
        let three = averages(&[Some(0.1), None, Some(0.3)]);
        let shares = shares(&three, &[1, 1, 1], SECOND, None);
        assert!(shares[1] > 0, "better than the slowest: {shares:?}");
        assert!(shares[0] > shares[1], "worse than the fastest: {shares:?}");
        let new = averages(&[None, None]);
        let shares = self::shares(&new, &[1, 1], SECOND, None);
        assert!(shares.iter().all(|share| *share > 300), "{shares:?}");
    }
}
