//! Prints the figures, and which aims they meet.

use super::cases::{
    CASES, Case, HUNDRED_KIB, NONE_APPLIES, ON_BOTH, ON_REQUESTS, ON_RESPONSES, ONE_KIB, THREE,
    THREE_JSON,
};
use super::memory::{CLIENTS, EACH};
use super::{Figures, Target};

/// Least, median and most of some rounds.
struct Spread {
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
    fn over_off(&self, case: &Case) -> Option<Spread> {
        self.rounds(
            Target::Node(case.route),
            Target::Node(case.asked.off),
            |on, off| on / off,
        )
    }

    /// Speed as a ratio to nginx doing the same.
    fn over_nginx(&self, case: &Case) -> Option<Spread> {
        self.rounds(
            Target::Node(case.route),
            Target::Nginx(case.route),
            |own, nginx| own / nginx,
        )
    }

    /// Instructions beyond those of the run without plugins.
    fn added(&self, case: &Case) -> Option<f64> {
        Some(self.instructions.get(case.route)? - self.instructions.get(case.asked.off)?)
    }

    /// Bytes of body per second of the CPU time that the run without plugins does not need.
    fn megabytes(&self, case: &Case) -> Option<f64> {
        let node = Target::Node(case.route);
        let spent = self.rounds(node, Target::Node(case.asked.off), |on, off| {
            1.0 / on - 1.0 / off
        })?;
        Some(case.asked.bytes as f64 / spent.median / 1e6)
    }
}

/// The table, then the aims.
pub fn print(figures: &Figures) {
    let rounds = figures.speeds.values().next().map_or(0, Vec::len);
    println!(
        "\nuser instructions per request, and what is added to the same request without plugins;"
    );
    println!("requests per CPU-second as a ratio, median of {rounds} rounds (least, most):\n");
    println!(
        "  {:38}{:>10}{:>10}   {:20}over nginx with Lua",
        "", "instr.", "added", "over no plugin"
    );
    for case in CASES {
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
    aims(figures);
}

fn whole(number: Option<f64>) -> String {
    number.map_or("-".to_owned(), |number| format!("{number:.0}"))
}

fn spread(spread: Option<Spread>) -> String {
    spread.map_or("-".to_owned(), |s| {
        format!("{:.2} ({:.2}, {:.2})", s.median, s.least, s.most)
    })
}

fn aims(figures: &Figures) {
    let case = |route: &str| {
        CASES
            .iter()
            .find(|case| case.route == route)
            .expect("every name is a case")
    };
    for route in [ON_REQUESTS, ON_RESPONSES, ON_BOTH, NONE_APPLIES] {
        let case = case(route);
        at_most(
            &format!("{}: instructions added", case.title),
            1500.0,
            figures.added(case),
        );
        at_least(
            &format!("{}: over no plugin", case.title),
            0.97,
            figures.over_off(case).map(|spread| spread.median),
        );
    }
    let ratio = |spread: Option<Spread>| spread.map(|spread| spread.median);
    let json = case(ONE_KIB);
    at_least(
        &format!("{}: over no plugin", json.title),
        0.75,
        ratio(figures.over_off(json)),
    );
    let json = case(HUNDRED_KIB);
    at_least(
        &format!("{}: MB of body per CPU-second", json.title),
        400.0,
        figures.megabytes(json),
    );
    let three = case(THREE);
    at_most(
        &format!("{}: instructions added", three.title),
        4000.0,
        figures.added(three),
    );
    at_least(
        &format!("{}: over nginx with Lua", three.title),
        1.1,
        ratio(figures.over_nginx(three)),
    );
    let three = case(THREE_JSON);
    at_least(
        &format!("{}: over nginx with Lua", three.title),
        4.0,
        ratio(figures.over_nginx(three)),
    );
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

fn at_most(what: &str, aim: f64, found: Option<f64>) {
    say(what, "at most", aim, found, found.map(|found| found <= aim));
}

fn at_least(what: &str, aim: f64, found: Option<f64>) {
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
