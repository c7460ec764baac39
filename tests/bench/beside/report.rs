//! Prints the figures, and which aims they meet.

use super::memory::{CLIENTS, EACH};
use super::{Case, Figures, Suite, Target};

/// Least, median and most of some rounds.
pub struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Spread> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let median = values[values.len() / 2];
        Some(Spread {
            least,
            median,
            most,
        })
    }
}

impl Figures {
    /// `combine` of the speeds of two targets, inside each round.
    fn rounds(&self, one: Target, other: Target, combine: fn(f64, f64) -> f64) -> Option<Spread> {
        let (one, other) = (self.speeds.get(&one)?, self.speeds.get(&other)?);
        Spread::of(
            one.iter()
                .zip(other)
                .map(|(one, other)| combine(*one, *other))
                .collect(),
        )
    }

    /// Speed as a ratio to the run without plugins.
    pub fn over_off(&self, case: &Case) -> Option<Spread> {
        self.rounds(
            Target::Node(case.route),
            Target::Node(case.asked.off),
            |on, off| on / off,
        )
    }

    /// Speed as a ratio to nginx doing the same.
    pub fn over_nginx(&self, case: &Case) -> Option<Spread> {
        self.rounds(
            Target::Node(case.route),
            Target::Nginx(case.route),
            |own, nginx| own / nginx,
        )
    }

    /// Instructions beyond those of the run without plugins.
    pub fn added(&self, case: &Case) -> Option<f64> {
        Some(self.instructions.get(case.route)? - self.instructions.get(case.asked.off)?)
    }

    /// Bytes of body per second of the CPU time that the run without plugins does not need.
    pub fn megabytes(&self, case: &Case) -> Option<f64> {
        let node = Target::Node(case.route);
        let spent = self.rounds(node, Target::Node(case.asked.off), |on, off| {
            1.0 / on - 1.0 / off
        })?;
        Some(case.asked.bytes as f64 / spent.median / 1e6)
    }
}

/// The table, then the aims.
pub fn print(suite: &Suite, figures: &Figures) {
    let rounds = figures.speeds.values().next().map_or(0, Vec::len);
    println!(
        "\nuser instructions per request, and what is added to the same request without plugins;"
    );
    println!("requests per CPU-second as a ratio, median of {rounds} rounds (least, most):\n");
    println!(
        "  {:38}{:>10}{:>10}   {:20}over nginx with Lua",
        "", "instr.", "added", "over no plugin"
    );
    for case in suite.cases {
        let instructions = figures.instructions.get(case.route).copied();
        println!(
            "  {:38}{:>10}{:>10}   {:20}{}",
            case.title,
            whole(instructions),
            whole(figures.added(case)),
            spread(figures.over_off(case)),
            spread(figures.over_nginx(case)),
        );
    }
    println!();
    (suite.aims)(figures);
    streamed(figures);
}

fn whole(number: Option<f64>) -> String {
    number.map_or("-".to_owned(), |number| format!("{number:.0}"))
}

fn spread(spread: Option<Spread>) -> String {
    spread.map_or("-".to_owned(), |s| {
        format!("{:.2} ({:.2}, {:.2})", s.median, s.least, s.most)
    })
}

/// The case of a route.
pub fn case<'c>(cases: &'c [Case], route: &str) -> &'c Case {
    let found = cases.iter().find(|case| case.route == route);
    found.expect("every name is a case")
}

/// The median.
pub fn ratio(spread: Option<Spread>) -> Option<f64> {
    spread.map(|spread| spread.median)
}

fn streamed(figures: &Figures) {
    let Some(memory) = &figures.memory else {
        return;
    };
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "  {CLIENTS} answers of {EACH} MiB at once: {:.1} MiB resident before",
        mib(memory.before)
    );
    let grown = mib(memory.peak.saturating_sub(memory.before));
    at_most(
        "header operations on them: MiB that the peak is above that",
        16.0,
        Some(grown),
    );
}

/// Says whether a figure is low enough.
pub fn at_most(what: &str, aim: f64, found: Option<f64>) {
    say(what, "at most", aim, found, found.map(|found| found <= aim));
}

/// Says whether a figure is high enough.
pub fn at_least(what: &str, aim: f64, found: Option<f64>) {
    say(
        what,
        "at least",
        aim,
        found,
        found.map(|found| found >= aim),
    );
}

fn say(what: &str, which: &str, aim: f64, found: Option<f64>, met: Option<bool>) {
    let verdict = match met {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "not measured",
    };
    let found = found.map_or("-".to_owned(), |found| format!("{found:.2}"));
    println!("  {what}: {which} {aim}, is {found}: {verdict}");
}
