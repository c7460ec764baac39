//! The same input goes to the same peer, on every node. Peers lie on a ring in proportion to their weights; an input has a
//! point there and goes downwards to the first peer that is good. A peer that leaves hands on only what was its own.

use super::xxhash::xxh32;

/// Points of a peer of average weight.
const POINTS: u64 = 160;
/// A ring of fewer slots would not tell peers apart.
const FEWEST_SLOTS: u32 = 1000;

/// The ring of some peers.
#[derive(Debug)]
pub struct Ring {
    slots: u32,
    /// Where each point is and whose it is, ascending.
    marks: Vec<(u32, u32)>,
}

impl Ring {
    /// Lays peers, each with a name that is the same on every node and its weight, on a ring of that many slots. They
    /// must come in an order that is the same on every node: where two meet, the first stays.
    pub fn new<'a>(slots: u32, peers: impl Iterator<Item = (&'a str, u32)> + Clone) -> Self {
        let slots = slots.max(FEWEST_SLOTS);
        let total: u64 = peers.clone().map(|(_, weight)| u64::from(weight)).sum();
        let count = peers.clone().filter(|(_, weight)| *weight > 0).count() as u64;
        let mut marks = Vec::new();
        for (peer, (name, weight)) in peers.enumerate().filter(|(_, (_, weight))| *weight > 0) {
            let points = (u64::from(weight) * count * POINTS / total).max(1);
            marks.extend((1..=points).map(|point| {
                let place = xxh32(format!("{name} {point}").as_bytes()) % slots;
                (place, peer as u32)
            }));
        }
        marks.sort_by_key(|(place, _)| *place);
        marks.dedup_by_key(|(place, _)| *place);
        Self { slots, marks }
    }

    /// The first good peer from the point of `hash` downwards.
    pub fn pick(&self, hash: u32, good: impl Fn(usize) -> bool) -> Option<usize> {
        let point = hash % self.slots;
        let above = self.marks.partition_point(|(place, _)| *place <= point);
        let (below, beyond) = self.marks.split_at(above);
        let mut last = None;
        let downwards = below.iter().rev().chain(beyond.iter().rev());
        for (_, peer) in downwards {
            // Neighbours are often the same peer: it is asked about once.
            if last != Some(*peer) && good(*peer as usize) {
                return Some(*peer as usize);
            }
            last = Some(*peer);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ring(peers: &[(String, u32)]) -> Ring {
        Ring::new(
            10_000,
            peers.iter().map(|(name, weight)| (name.as_str(), *weight)),
        )
    }

    fn names(count: usize) -> Vec<(String, u32)> {
        (0..count)
            .map(|n| (format!("10.0.0.{n}::80"), 100))
            .collect()
    }

    fn keys() -> impl Iterator<Item = u32> {
        (0..3000).map(|n| xxh32(format!("key-{n}").as_bytes()))
    }

    #[test]
    fn shares_follow_the_weights() {
        let mut peers = names(3);
        peers[0].1 = 200;
        let ring = ring(&peers);
        let mut counts = [0; 3];
        keys()
            .filter_map(|key| ring.pick(key, |_| true))
            .for_each(|peer| counts[peer] += 1);
        assert!((1200..1800).contains(&counts[0]), "{counts:?}");
        assert!(
            counts[1..].iter().all(|count| (500..1000).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn a_peer_that_is_out_hands_on_only_its_own_keys() {
        let ring = ring(&names(4));
        for key in keys() {
            let before = ring.pick(key, |_| true).expect("four are good");
            let after = ring.pick(key, |peer| peer != 2).expect("three are good");
            assert_eq!(
                before == 2,
                before != after,
                "a key moved that had no need to"
            );
        }
        assert_eq!(ring.pick(7, |_| false), None);
    }

    #[test]
    fn nobody_has_a_place_without_weight() {
        let mut peers = names(2);
        peers[0].1 = 0;
        let ring = ring(&peers);
        assert!(keys().all(|key| ring.pick(key, |_| true) == Some(1)));
        assert_eq!(self::ring(&[]).pick(1, |_| true), None);
        let tiny = Ring::new(10, [("a", 1), ("b", 65535)].into_iter());
        assert!(
            tiny.marks.iter().any(|(_, peer)| *peer == 0),
            "at least one point each"
        );
    }

    proptest! {
        /// Removing one of n peers moves about 1/n of the keys, and never a key of another.
        #[test]
        fn a_change_of_peers_moves_few_keys(count in 2usize..12, gone in 0usize..12) {
            let peers = names(count);
            let gone = gone % count;
            let mut fewer = peers.clone();
            fewer.remove(gone);
            let (before, after) = (ring(&peers), ring(&fewer));
            let (mut moved, mut owned) = (0usize, 0usize);
            for key in keys() {
                let old = before.pick(key, |_| true).expect("a peer");
                let new = after.pick(key, |_| true).map(|peer| &fewer[peer].0).expect("a peer");
                owned += usize::from(old == gone);
                moved += usize::from(&peers[old].0 != new);
            }
            // Where two points had met, a few more move than the peer owned.
            prop_assert!(moved >= owned && moved - owned < 3000 / 20, "{moved} moved, {owned} owned");
            prop_assert!(owned < 3 * 3000 / count, "{owned} of 3000 among {count}");
        }

        #[test]
        fn every_node_lays_the_same_ring(weights in proptest::collection::vec(0u32..500, 0..8), key in any::<u32>()) {
            let peers: Vec<_> = names(weights.len()).into_iter().zip(weights).map(|((name, _), weight)| (name, weight)).collect();
            prop_assert_eq!(ring(&peers).pick(key, |_| true), ring(&peers).pick(key, |_| true));
        }
    }
}
