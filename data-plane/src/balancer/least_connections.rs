//! To the peer with the fewest requests under way for its weight: the least `(in flight + 1) / weight`.

/// What is looked at of a peer.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Requests under way.
    pub in_flight: u32,
    /// Its weight.
    pub weight: u32,
}

/// The least busy of `peers` that is good; of equal ones the first from `start` on, so that idle ones take turns.
pub fn pick(
    peers: usize,
    start: u64,
    load: impl Fn(usize) -> Load,
    good: impl Fn(usize) -> bool,
) -> Option<usize> {
    let start = (start % peers.max(1) as u64) as usize;
    let all = (start..peers).chain(0..start);
    let candidates = all
        .map(|peer| (peer, load(peer)))
        .filter(|(peer, load)| load.weight > 0 && good(*peer));
    let least = candidates.reduce(|best, other| match is_less(other.1, best.1) {
        true => other,
        false => best,
    });
    least.map(|(peer, _)| peer)
}

/// Compared crosswise: no division, no rounding.
fn is_less(one: Load, other: Load) -> bool {
    let busy = |load: Load, by: Load| (u64::from(load.in_flight) + 1) * u64::from(by.weight);
    busy(one, other) < busy(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn least(loads: &[(u32, u32)], start: u64) -> Option<usize> {
        let load = |peer: usize| {
            let (in_flight, weight) = loads[peer];
            Load { in_flight, weight }
        };
        pick(loads.len(), start, load, |_| true)
    }

    #[test]
    fn the_least_busy_for_its_weight_is_taken() {
        let cases = [
            (&[(0, 100), (0, 200)][..], Some(1)), // idle: the heavier
            (&[(1, 100), (0, 100)], Some(1)),
            (&[(0, 100), (1, 200)], Some(0)), // equal: 1/100 and 2/200
            (&[(0, 100), (2, 200)], Some(0)),
            (&[(1, 100), (1, 300)], Some(1)),
            (&[(9, 0), (u32::MAX, 1)], Some(1)), // no weight, no requests
            (&[(0, 0)], None),
            (&[], None),
        ];
        for (loads, expected) in cases {
            assert_eq!(least(loads, 0), expected, "{loads:?}");
        }
    }

    #[test]
    fn idle_peers_take_turns() {
        let picked: Vec<_> = (0..4)
            .filter_map(|turn| least(&[(0, 5), (0, 5)], turn))
            .collect();
        assert_eq!(picked, [0, 1, 0, 1]);
    }

    proptest! {
        #[test]
        fn nobody_is_less_busy_than_who_is_taken(
            loads in proptest::collection::vec((0u32..50, 0u32..1000), 1..20),
            start in any::<u64>(),
        ) {
            let score = |(in_flight, weight): (u32, u32)| f64::from(in_flight + 1) / f64::from(weight);
            match least(&loads, start) {
                None => prop_assert!(loads.iter().all(|(_, weight)| *weight == 0)),
                Some(taken) => for other in loads.iter().filter(|(_, weight)| *weight > 0) {
                    prop_assert!(score(loads[taken]) <= score(*other) + 1e-9);
                },
            }
        }
    }
}
