//! `headgate-cp token create`: the word with which a data plane joins.

use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;
use shared::settings::{Exit, read, say};

use super::admin_api::{Access, AdminApi, AdminError};
use super::reach::{self, ReachError, Reached, ask_or_open};
use super::{PROGRAM, runtime};
use crate::Config;
use crate::store::Author;
use crate::sync::{self, HubError, Labels, NewToken, TokenError};

const EXAMPLES: &str = "\
Examples:
  headgate-cp token create                                  one data plane, within an hour
  headgate-cp token create --ttl 1d --uses 20               a fleet
  headgate-cp token create --labels region=eu,tier=edge     its nodes get these labels

The token alone is printed, so that a script can take it:
  headgate-dp --control-plane cp.example:8005 --join \"$(headgate-cp token create)\"";

/// `token` and what is behind it.
pub(super) fn command() -> Command {
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let create = Command::new("create")
        .about("Prints a word with which data planes join")
        .after_help(EXAMPLES)
        .arg(
            option("ttl", "TIME", "How long it works: 90s, 30m, 1h, 7d")
                .default_value("1h")
                .value_parser(ttl),
        )
        .arg(
            option("uses", "COUNT", "How many data planes may join with it")
                .default_value("1")
                .value_parser(clap::value_parser!(u32).range(1..)),
        )
        .arg(
            option(
                "labels",
                "KEY=VALUE",
                "Labels that its nodes get; repeated or separated by commas",
            )
            .action(ArgAction::Append)
            .value_delimiter(',')
            .value_parser(label),
        )
        .args(reach::args(&["enroll_listen"]));
    Command::new("token")
        .about("Lets data planes join")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(create)
}

pub(super) fn main(matches: &ArgMatches) -> Result<(), Exit> {
    let (_, token) = matches.subcommand().expect("the caller saw `token`");
    let (_, create) = token
        .subcommand()
        .expect("clap requires what is behind `token`");
    let config = read::<Config>(PROGRAM, matches)?.value;
    let access = Access::read(create);
    let made = runtime()?.block_on(make(&config, wanted(create), &access));
    let token = made.map_err(|error| {
        eprintln!("{PROGRAM}: {error}");
        error.exit()
    })?;
    say(&format!("{token}\n"))
}

/// Asks the Admin API; where none runs, the word is made in the store.
async fn make(config: &Config, wanted: NewToken, access: &Access) -> Result<String, TokenFailure> {
    let reached = ask_or_open(config, access, async |api| ask(api, &wanted).await).await?;
    let store = match reached {
        Reached::Answer(token) => return Ok(token),
        Reached::Store(store) => store,
    };
    let listen = config.enroll_listen.0.first();
    let port = listen.ok_or(TokenError::Off)?.port();
    let author = Author::new("cli").doing("token create");
    Ok(sync::create_token(&store, &config.data_dir, port, wanted, author).await?)
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
enum TokenFailure {
    #[error(transparent)]
    Reach(#[from] ReachError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Hub(#[from] HubError),
}

impl TokenFailure {
    fn exit(&self) -> Exit {
        match self {
            Self::Reach(error) => error.exit(),
            _ => Exit::Failed,
        }
    }
}

async fn ask(api: &AdminApi, wanted: &NewToken) -> Result<String, AdminError> {
    let body = json!({
        "ttl": wanted.ttl.as_secs(),
        "uses": wanted.uses,
        "labels": wanted.labels,
    });
    let answer = api.post("/headgate/tokens", &body).await?;
    token_in(&answer)
}

/// The word in an answer that made one.
pub(super) fn token_in(answer: &serde_json::Value) -> Result<String, AdminError> {
    let token = answer["token"].as_str().map(str::to_owned);
    token.ok_or_else(|| AdminError::Refused {
        status: http::StatusCode::OK,
        message: "there is no token in the answer".to_owned(),
    })
}

fn wanted(create: &ArgMatches) -> NewToken {
    let labels = create
        .get_many::<(String, String)>("labels")
        .unwrap_or_default();
    NewToken {
        ttl: *create.get_one("ttl").expect("it has a default"),
        uses: *create.get_one("uses").expect("it has a default"),
        labels: labels.cloned().collect::<Labels>(),
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    if key.is_empty() {
        return Err("the key is missing".to_owned());
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// `90s`, `30m`, `1h`, `7d`, or seconds.
pub(super) fn ttl(text: &str) -> Result<Duration, String> {
    const WRONG: &str = "expected a time such as 90s, 30m, 1h or 7d";
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(WRONG.to_owned()),
    };
    let count: u64 = digits.parse().map_err(|_| WRONG)?;
    let total = count
        .checked_mul(seconds)
        .filter(|total| *total > 0)
        .ok_or(WRONG)?;
    Ok(Duration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_is_a_number_and_a_unit() {
        for (text, seconds) in [
            ("90s", Some(90)),
            ("30m", Some(1800)),
            ("1h", Some(3600)),
            ("7d", Some(604_800)),
            ("5", Some(5)),
            ("0s", None),
            ("1w", None),
            ("h", None),
            ("-1h", None),
            ("99999999999999999999d", None),
        ] {
            assert_eq!(ttl(text).ok(), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
