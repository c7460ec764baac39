//! Measures a gateway of real processes beside other proxies on this machine. Method: data-plane.md 4. Figures are ratios
//! inside one round; absolute ones say more about the machine.
//!
//! ```text
//! cargo build --profile dist -p control-plane -p data-plane
//! cargo run --profile dist -p tests --bin bench -- proxy [--rounds 7] [--seconds 2]
//! cargo run --profile dist -p tests --bin bench -- propagation [--routes 100,10000] [--changes 200]
//! cargo run --profile dist -p tests --bin bench -- admin [--each 10000] [--posts 5000] [--listed 100000]
//! cargo run --profile dist -p tests --bin bench -- transformers [--rounds 7] [--seconds 2] [--counted 500]
//! cargo run --profile dist -p tests --bin bench -- lua [--rounds 7] [--seconds 2] [--counted 500]
//! ```

mod admin;
mod alone;
mod beside;
mod cpu;
mod load;
mod peers;
mod propagation;
mod proxy;

use anyhow::{Context, bail};

/// `--name value` pairs after the first word.
struct Options(Vec<(String, String)>);

impl Options {
    fn parse(words: impl Iterator<Item = String>) -> anyhow::Result<Options> {
        let words: Vec<String> = words.collect();
        let pairs = words.chunks(2).map(|pair| match pair {
            [name, value] if name.starts_with("--") => Ok((name[2..].to_owned(), value.clone())),
            other => bail!("not a flag with a value: {other:?}"),
        });
        Ok(Options(pairs.collect::<anyhow::Result<_>>()?))
    }

    fn number(&self, name: &str, default: usize) -> anyhow::Result<usize> {
        match self.0.iter().find(|(own, _)| own == name) {
            Some((_, value)) => value.parse().with_context(|| format!("--{name} {value}")),
            None => Ok(default),
        }
    }

    fn numbers(&self, name: &str, default: &[usize]) -> anyhow::Result<Vec<usize>> {
        match self.0.iter().find(|(own, _)| own == name) {
            Some((_, value)) => {
                let numbers = value.split(',').map(|number| number.trim().parse());
                numbers
                    .collect::<Result<_, _>>()
                    .with_context(|| format!("--{name} {value}"))
            }
            None => Ok(default.to_vec()),
        }
    }
}

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let what = words.next().unwrap_or_default();
    let options = Options::parse(words)?;
    // One thread: the load generator must not spread over the proxy's core.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match what.as_str() {
        "proxy" => runtime.block_on(proxy::run(
            options.number("rounds", 7)?,
            options.number("seconds", 2)?,
        )),
        "propagation" => {
            let routes = options.numbers("routes", &[100, 10_000])?;
            runtime.block_on(propagation::run(&routes, options.number("changes", 200)?))
        }
        "admin" => runtime.block_on(admin::run(
            options.number("each", 10_000)?,
            options.number("posts", 5_000)?,
            options.number("listed", 100_000)?,
        )),
        "transformers" | "lua" => runtime.block_on(beside::run(
            match what.as_str() {
                "lua" => &beside::plugins::SUITE,
                _ => &beside::transformers::SUITE,
            },
            options.number("rounds", 7)?,
            options.number("seconds", 2)?,
            options.number("counted", 500)?,
        )),
        other => bail!(
            "bench proxy | bench propagation | bench admin | bench transformers | bench lua, not '{other}'"
        ),
    }
}
