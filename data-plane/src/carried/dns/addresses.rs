//! The addresses of a name, and whose turn it is.

use super::super::turns::Turns;
use super::Kind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The addresses of a name, the one whose turn it is first. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Addresses {
    list: List,
}

#[derive(Clone, Debug)]
enum List {
    One(SocketAddr),
    Cycle {
        targets: Arc<[Target]>,
        start: usize,
        port: u16,
    },
}

/// One address of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub ip: IpAddr,
    /// The port of an SRV record, if it says one.
    pub port: Option<u16>,
}

impl Target {
    fn with(self, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip, self.port.unwrap_or(port))
    }
}

/// One of the places that a name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The address.
    pub ip: IpAddr,
    /// The port of an SRV record, if it says one.
    pub port: Option<u16>,
    /// The weight of an SRV record.
    pub weight: Option<u16>,
    /// The name in an SRV record.
    pub name: Option<Box<str>>,
}

impl Addresses {
    pub(super) fn one(address: SocketAddr) -> Addresses {
        Addresses {
            list: List::One(address),
        }
    }

    /// The address to try first.
    pub fn first(&self) -> SocketAddr {
        match &self.list {
            List::One(address) => *address,
            List::Cycle {
                targets,
                start,
                port,
            } => targets[start % targets.len()].with(*port),
        }
    }

    /// The address to try after `failed`: another one if there is one.
    pub fn after(&self, failed: SocketAddr) -> SocketAddr {
        let List::Cycle { targets, port, .. } = &self.list else {
            return self.first();
        };
        let addresses = || targets.iter().map(|target| target.with(*port));
        let Some(place) = addresses().position(|address| address == failed) else {
            return self.first();
        };
        addresses()
            .cycle()
            .skip(place)
            .take(targets.len())
            .find(|address| *address != failed)
            .unwrap_or(failed)
    }
}

/// What was found for a name.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub kind: Kind,
    /// In the order of turns; never empty. A weighted address has several.
    pub targets: Arc<[Target]>,
    /// Of SRV records: the services as they stand there.
    pub services: Arc<[Service]>,
    pub turns: Arc<Turns>,
}

/// One service of an SRV answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub target: Target,
    /// At least 1.
    pub weight: u16,
    /// The name in the record.
    pub name: Box<str>,
}

impl Answer {
    /// `None` if there are no targets.
    pub(super) fn new(kind: Kind, targets: Vec<Target>) -> Option<Answer> {
        (!targets.is_empty()).then(|| Answer {
            kind,
            targets: Arc::from(targets),
            services: Arc::default(),
            turns: Arc::default(),
        })
    }

    /// `None` if there are no services.
    pub(super) fn of_services(services: Vec<Service>) -> Option<Answer> {
        let weighted: Vec<_> = services
            .iter()
            .map(|service| (service.target, service.weight))
            .collect();
        let answer = Answer::new(Kind::Srv, cycle(&weighted))?;
        Some(Answer {
            services: services.into(),
            ..answer
        })
    }

    /// Every address, once.
    pub(super) fn places(&self) -> Vec<Place> {
        let services = self.services.iter().map(|service| Place {
            ip: service.target.ip,
            port: service.target.port,
            weight: Some(service.weight),
            name: Some(service.name.clone()),
        });
        if !self.services.is_empty() {
            return services.collect();
        }
        let plain = self.targets.iter().map(|target| Place {
            ip: target.ip,
            port: target.port,
            weight: None,
            name: None,
        });
        plain.collect()
    }

    pub(super) fn addresses(&self, port: u16) -> Addresses {
        match &*self.targets {
            [target] => Addresses::one(target.with(port)),
            targets => {
                let start = self.turns.next() as usize % targets.len();
                Addresses {
                    list: List::Cycle {
                        targets: self.targets.clone(),
                        start,
                        port,
                    },
                }
            }
        }
    }
}

/// Puts weighted targets in an order in which each comes as often as its weight says, spread as evenly as can be.
pub(super) fn cycle(weighted: &[(Target, u16)]) -> Vec<Target> {
    // A weight of zero counts as one.
    let mut weights: Vec<i64> = weighted
        .iter()
        .map(|(_, weight)| i64::from(*weight).max(1))
        .collect();
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    weights.iter_mut().for_each(|weight| *weight /= divisor);
    // Weights may be any 16 bits; an order of a thousand turns is close enough.
    const LONGEST: i64 = 1000;
    let total: i64 = weights.iter().sum();
    if total > LONGEST {
        weights
            .iter_mut()
            .for_each(|weight| *weight = (*weight * LONGEST / total).max(1));
    }
    let total: i64 = weights.iter().sum();
    let mut credits = vec![0; weights.len()];
    let turns = (0..total).filter_map(|_| {
        credits
            .iter_mut()
            .zip(&weights)
            .for_each(|(credit, weight)| *credit += weight);
        let (place, _) = credits
            .iter()
            .enumerate()
            .rev()
            .max_by_key(|(_, credit)| **credit)?;
        credits[place] -= total;
        Some(weighted[place].0)
    });
    turns.collect()
}

fn gcd(one: i64, other: i64) -> i64 {
    if other == 0 {
        one
    } else {
        gcd(other, one % other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(last: u8) -> Target {
        Target {
            ip: IpAddr::from([10, 0, 0, last]),
            port: None,
        }
    }

    fn address(last: u8, port: u16) -> SocketAddr {
        target(last).with(port)
    }

    #[test]
    fn addresses_take_turns() {
        let answer =
            Answer::new(Kind::A, vec![target(1), target(2), target(3)]).expect("has targets");
        let firsts: Vec<_> = (0..6).map(|_| answer.addresses(80).first()).collect();
        assert_eq!(firsts, [1, 2, 3, 1, 2, 3].map(|last| address(last, 80)));
        let alone = Answer::new(Kind::A, vec![target(1)]).expect("has a target");
        assert_eq!(
            (alone.addresses(80).first(), alone.addresses(81).first()),
            (address(1, 80), address(1, 81))
        );
        assert!(Answer::new(Kind::A, vec![]).is_none());
    }

    #[test]
    fn a_failed_address_is_followed_by_another() {
        let of = |targets: &[u8]| {
            let targets = targets.iter().map(|last| target(*last)).collect();
            Answer::new(Kind::A, targets)
                .expect("has targets")
                .addresses(80)
        };
        let three = of(&[1, 2, 3]);
        assert_eq!(three.after(address(1, 80)), address(2, 80));
        assert_eq!(three.after(address(3, 80)), address(1, 80));
        assert_eq!(
            three.after(address(9, 80)),
            three.first(),
            "an address that the name no longer has"
        );
        assert_eq!(of(&[1]).after(address(1, 80)), address(1, 80));
        assert_eq!(of(&[1, 1, 2]).after(address(1, 80)), address(2, 80));
    }

    #[test]
    fn weights_say_how_often_a_target_has_its_turn() {
        for (weights, expected) in [
            (&[1, 1][..], &[0, 1][..]),
            (&[0, 1], &[0, 1]),
            (&[10, 10, 10], &[0, 1, 2]),
            (&[2, 1], &[0, 1, 0]),
            (&[30, 10], &[0, 0, 1, 0]),
            (&[0], &[0]),
            (&[], &[]),
        ] {
            let weighted: Vec<_> = (0..)
                .zip(weights)
                .map(|(place, weight)| (target(place), *weight))
                .collect();
            let turns: Vec<_> = cycle(&weighted).into_iter().map(|turn| turn.ip).collect();
            let expected: Vec<_> = expected.iter().map(|place| target(*place).ip).collect();
            assert_eq!(turns, expected, "{weights:?}");
        }
    }

    #[test]
    fn odd_weights_make_no_endless_cycle() {
        let turns = cycle(&[(target(1), 65535), (target(2), 65534), (target(3), 1)]);
        let count = |last| turns.iter().filter(|turn| **turn == target(last)).count();
        assert_eq!((count(1), count(2), count(3)), (500, 499, 1));
    }
}
