//! `headgate-cp token create`: the word with which a data plane joins.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;
use shared::settings::{Exit, Listeners, Settings, flags, read, say};

use super::admin_api::{AdminError, AdminUrl};
use super::{PROGRAM, runtime};
use crate::Config;
use crate::store::{Store, StoreError};
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
        .arg(option(
            "admin",
            "URL",
            "The Admin API to ask [else HEADGATE_ADMIN_URL, else the own admin_listen]",
        ))
        .args(flags(&Config::specs()).into_iter().filter(|flag| {
            ["config", "data_dir", "admin_listen", "enroll_listen"]
                .contains(&flag.get_id().as_str())
        }));
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
    let named = create.get_one::<String>("admin").cloned();
    let named = named.or_else(|| std::env::var("HEADGATE_ADMIN_URL").ok());
    let made = runtime()?.block_on(make(&config, wanted(create), named));
    let token = made.map_err(|error| {
        eprintln!("{PROGRAM}: {error}");
        error.exit()
    })?;
    say(&format!("{token}\n"))
}

/// Asks the Admin API that was named; without one the own, and then the store.
async fn make(
    config: &Config,
    wanted: NewToken,
    named: Option<String>,
) -> Result<String, TokenFailure> {
    if let Some(text) = named {
        return Ok(ask(&AdminUrl::parse(&text)?, &wanted).await?);
    }
    let Some(url) = own(&config.admin_listen) else {
        return offline(config, wanted, "admin_listen has no address without ssl").await;
    };
    match ask(&url, &wanted).await {
        Err(error @ AdminError::Unreachable { .. }) => {
            offline(config, wanted, &error.to_string()).await
        }
        answer => Ok(answer?),
    }
}

/// Without an Admin API to ask: straight into the store, if no control plane holds it.
async fn offline(config: &Config, wanted: NewToken, asked: &str) -> Result<String, TokenFailure> {
    let data_dir = config.data_dir.clone();
    let unreachable = |reason: &str| TokenFailure::NoControlPlane {
        asked: asked.to_owned(),
        data_dir: data_dir.display().to_string(),
        reason: reason.to_owned(),
    };
    if !data_dir.exists() {
        return Err(unreachable("does not exist"));
    }
    let port = config
        .enroll_listen
        .0
        .first()
        .ok_or(TokenError::Off)?
        .port();
    let path = data_dir.clone();
    let opened = tokio::task::spawn_blocking(move || Store::open(&path)).await;
    match opened.expect("opening a store does not panic") {
        Ok(store) => Ok(sync::create_token(&store, &data_dir, port, wanted).await?),
        Err(StoreError::Locked { .. }) => {
            Err(unreachable("belongs to a control plane that is running"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
enum TokenFailure {
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(
        "{asked}; and the data_dir '{data_dir}' {reason} (name the Admin API with --admin, or the folder with --data-dir)"
    )]
    NoControlPlane {
        asked: String,
        data_dir: String,
        reason: String,
    },
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Hub(#[from] HubError),
}

impl TokenFailure {
    fn exit(&self) -> Exit {
        match self {
            Self::Admin(AdminError::Unreachable { .. }) | Self::NoControlPlane { .. } => {
                Exit::Unreachable
            }
            Self::Admin(AdminError::Url(_)) => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}

/// The Admin API of the control plane that these settings start, seen from this machine.
fn own(listeners: &Listeners) -> Option<AdminUrl> {
    let plain = listeners.0.iter().find(|listen| !listen.tls)?;
    let mut address: SocketAddr = plain.address;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    AdminUrl::parse(&address.to_string()).ok()
}

async fn ask(url: &AdminUrl, wanted: &NewToken) -> Result<String, AdminError> {
    let body = json!({
        "ttl": wanted.ttl.as_secs(),
        "uses": wanted.uses,
        "labels": wanted.labels,
    });
    let answer = url.post("/headgate/tokens", &body).await?;
    let token = answer["token"].as_str().map(str::to_owned);
    token.ok_or_else(|| AdminError::Refused {
        status: http::StatusCode::OK,
        message: format!("there is no token in {answer}"),
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
fn ttl(text: &str) -> Result<Duration, String> {
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

    #[test]
    fn the_own_admin_api_is_the_first_plain_listener() {
        for (listen, url) in [
            ("127.0.0.1:8001, 127.0.0.1:8444 ssl", Some("127.0.0.1:8001")),
            ("127.0.0.1:8444 ssl, 0.0.0.0:9001", Some("127.0.0.1:9001")),
            ("127.0.0.1:8444 ssl", None),
            ("off", None),
        ] {
            let listeners = shared::settings::SettingValue::parse(listen).expect("listeners");
            let expected = url.map(|url| AdminUrl::parse(url).expect("a URL"));
            assert_eq!(own(&listeners), expected, "{listen}");
        }
    }
}
