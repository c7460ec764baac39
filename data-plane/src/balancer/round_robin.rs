//! In turn, by weight: over one cycle each peer has its turn as often as its weight over the greatest common divisor
//! says. The cycle is never written out: a turn's place in it is computed, with a stride that spreads the turns of each.

use crate::carried::turns::Turns;

/// The cycle of some weights.
#[derive(Debug)]
pub struct Wheel {
    /// Where the places of each peer end.
    ends: Vec<u64>,
    total: u64,
    stride: u64,
}

impl Wheel {
    /// The cycle of these weights; a peer without weight has no turn.
    pub fn new(weights: impl Iterator<Item = u32> + Clone) -> Self {
        let divisor = weights.clone().map(u64::from).fold(0, gcd).max(1);
        let mut total = 0;
        let ends = weights
            .map(|weight| {
                total += u64::from(weight) / divisor;
                total
            })
            .collect();
        Self {
            ends,
            total,
            stride: stride(total),
        }
    }

    /// How many turns a cycle has.
    pub fn cycle(&self) -> u64 {
        self.total
    }

    /// Whose turn that number is.
    pub fn at(&self, turn: u64) -> Option<usize> {
        if self.total == 0 {
            return None;
        }
        // Weights are 16 bits and peers fewer than that: the product fits.
        let place = turn % self.total * self.stride % self.total;
        Some(self.ends.partition_point(|end| *end <= place))
    }
}

/// The next peer that is good, `None` if there is none.
pub fn pick(wheel: &Wheel, turns: &Turns, good: impl Fn(usize) -> bool) -> Option<usize> {
    // Passing over a few keeps the shares of the others exact.
    let passes = wheel.cycle().min(2 * wheel.ends.len() as u64 + 2);
    for _ in 0..passes {
        let peer = wheel.at(turns.next())?;
        if good(peer) {
            return Some(peer);
        }
    }
    // Nearly all are out: the next good one from some place on.
    let peers = wheel.ends.len();
    let start = wheel.at(turns.next())?;
    let all = (start..peers).chain(0..start);
    all.filter(|peer| wheel.has_turns(*peer))
        .find(|peer| good(*peer))
}

impl Wheel {
    fn has_turns(&self, peer: usize) -> bool {
        let begin = peer.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.ends[peer] > begin
    }
}

/// A step that visits every place of the cycle once, near the golden section: neighbouring turns lie far apart.
fn stride(total: u64) -> u64 {
    let golden = (total as f64 * 0.618_033_988_75) as u64;
    (golden.max(1)..)
        .find(|step| gcd(*step, total) == 1)
        .unwrap_or(1)
}

fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 {
        one
    } else {
        gcd(other, one % other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(wheel: &Wheel, peers: usize, turns: u64) -> Vec<u64> {
        let mut counts = vec![0; peers];
        (0..turns)
            .filter_map(|turn| wheel.at(turn))
            .for_each(|peer| counts[peer] += 1);
        counts
    }

    #[test]
    fn equal_peers_alternate() {
        for peers in 1..20 {
            let wheel = Wheel::new(std::iter::repeat_n(100, peers));
            assert_eq!(wheel.cycle(), peers as u64);
            assert_eq!(counts(&wheel, peers, peers as u64), vec![1; peers]);
        }
        let wheel = Wheel::new([3, 1].into_iter());
        let turns: Vec<_> = (0..8).filter_map(|turn| wheel.at(turn)).collect();
        assert!(
            turns
                .windows(4)
                .all(|cycle| cycle.iter().filter(|peer| **peer == 1).count() == 1),
            "{turns:?}"
        );
    }

    #[test]
    fn without_weight_there_is_no_turn() {
        assert_eq!(Wheel::new([0, 0].into_iter()).at(5), None);
        assert_eq!(Wheel::new(std::iter::empty()).at(0), None);
        let turns = Turns::default();
        let wheel = Wheel::new([0, 5].into_iter());
        assert!((0..20).all(|_| pick(&wheel, &turns, |_| true) == Some(1)));
        assert_eq!(
            pick(&wheel, &turns, |peer| peer == 0),
            None,
            "weight 0 is never a way out"
        );
    }

    #[test]
    fn peers_that_are_out_leave_their_turns_to_the_others() {
        let turns = Turns::default();
        let wheel = Wheel::new([100, 100, 100].into_iter());
        let mut counts = [0; 3];
        for _ in 0..30 {
            counts[pick(&wheel, &turns, |peer| peer != 1).expect("two are good")] += 1;
        }
        assert_eq!(counts, [15, 0, 15]);
        assert_eq!(pick(&wheel, &turns, |_| false), None);
        let one_in_many = Wheel::new(std::iter::repeat_n(1, 1000));
        assert_eq!(pick(&one_in_many, &turns, |peer| peer == 700), Some(700));
    }

    proptest! {
        #[test]
        fn over_one_cycle_each_peer_has_exactly_its_turns(
            weights in proptest::collection::vec(0u32..400, 1..12),
            start in any::<u32>(),
        ) {
            let wheel = Wheel::new(weights.iter().copied());
            let divisor = weights.iter().map(|weight| u64::from(*weight)).fold(0, gcd).max(1);
            let mut counts = vec![0; weights.len()];
            for turn in u64::from(start)..u64::from(start) + wheel.cycle() {
                counts[wheel.at(turn).expect("someone has weight")] += 1;
            }
            let expected: Vec<u64> = weights.iter().map(|weight| u64::from(*weight) / divisor).collect();
            prop_assert_eq!(counts, expected);
        }
    }
}
