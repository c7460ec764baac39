//! `headgate-cp admin-token`: who may use the Admin API from elsewhere.

use std::time::Duration;

use clap::{Arg, ArgMatches, Command};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use shared::settings::{Exit, read, say};
use shared::types::{Name, parse_text};

use super::admin_api::{Access, AdminApi, AdminError};
use super::reach::{self, ReachError, Reached, ask_or_open};
use super::token::{token_in, ttl};
use super::{PROGRAM, runtime};
use crate::Config;
use crate::admin::access::{self, CreateError, NewAdminToken, Role, TokenStatus};
use crate::store::{Author, StoreError};

const EXAMPLES: &str = "\
Examples:
  headgate-cp admin-token create --role admin --name ann        may do everything, until it is revoked
  headgate-cp admin-token create --role write --name ci --expires 30d
  headgate-cp admin-token list
  headgate-cp admin-token revoke ci

`create` prints the token alone; nobody can read it again. It goes into a header:
  curl -H \"Authorization: Bearer $TOKEN\" https://cp.example:8444/services
Verbs of headgate-cp take it as --token or in HEADGATE_ADMIN_TOKEN.";

const PATH: &str = "/headgate/admin-tokens";

/// `admin-token` and what is behind it.
pub(super) fn command() -> Command {
    let named = || Arg::new("name").value_name("NAME").required(true);
    let create = Command::new("create")
        .about("Prints a token for the Admin API")
        .arg(
            Arg::new("role")
                .long("role")
                .value_name("ROLE")
                .required(true)
                .value_parser(Role::WORDS)
                .help("What it may do: look, change the configuration, everything"),
        )
        .arg(
            named()
                .long("name")
                .value_parser(name)
                .help("Whom or what it is for; the audit shows it"),
        )
        .arg(
            Arg::new("expires")
                .long("expires")
                .value_name("TIME")
                .value_parser(ttl)
                .help("How long it works: 90s, 12h, 30d [else until it is revoked]"),
        );
    let list = Command::new("list").about("Prints who has a token, and for how long");
    let revoke = Command::new("revoke")
        .about("Makes a token good for nothing")
        .arg(named().help("The name it was made with"));
    let verbs = [create, list, revoke].map(|verb| verb.args(reach::args(&[])));
    Command::new("admin-token")
        .about("Lets people and programs use the Admin API from elsewhere")
        .after_help(EXAMPLES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(verbs)
}

fn name(text: &str) -> Result<String, String> {
    parse_text::<Name>(text).map(|name| name.to_string())
}

pub(super) fn main(matches: &ArgMatches) -> Result<(), Exit> {
    let (_, verbs) = matches.subcommand().expect("the caller saw `admin-token`");
    let (verb, given) = verbs.subcommand().expect("clap requires a verb");
    let config = read::<Config>(PROGRAM, matches)?.value;
    let access = Access::read(given);
    let text = |name: &str| given.get_one::<String>(name).cloned().unwrap_or_default();
    let done = runtime()?.block_on(async {
        match verb {
            "create" => {
                let new = NewAdminToken {
                    name: text("name"),
                    role: Role::parse(&text("role")).expect("clap knows the words"),
                    expires: given.get_one::<Duration>("expires").copied(),
                };
                create(&config, &access, new).await
            }
            "list" => list(&config, &access).await,
            _ => revoke(&config, &access, &text("name")).await,
        }
    });
    let said = done.map_err(|error| {
        eprintln!("{PROGRAM}: {error}");
        error.exit()
    })?;
    say(&said)
}

async fn create(
    config: &Config,
    access: &Access,
    new: NewAdminToken,
) -> Result<String, TokenFailure> {
    let ask = async |api: &AdminApi| {
        let expires = new.expires.map(|life| life.as_secs());
        let body = json!({ "name": new.name, "role": new.role, "expires": expires });
        token_in(&api.post(PATH, &body).await?)
    };
    let token = match ask_or_open(config, access, ask).await? {
        Reached::Answer(token) => token,
        Reached::Store(store) => {
            let author = author(&format!("create {}", new.name));
            access::create(&store, new, author).await?
        }
    };
    Ok(format!("{token}\n"))
}

async fn list(config: &Config, access: &Access) -> Result<String, TokenFailure> {
    let ask = async |api: &AdminApi| {
        let answer = api.get(PATH).await?;
        Ok(serde_json::from_value(answer["data"].clone()).unwrap_or_default())
    };
    let tokens: Vec<TokenStatus> = match ask_or_open(config, access, ask).await? {
        Reached::Answer(tokens) => tokens,
        Reached::Store(store) => access::list(&store).await?,
    };
    let line = |token: &TokenStatus| {
        let until = match token.expires_at {
            None => "for good".to_owned(),
            Some(end) => format!("until {}", date(end)),
        };
        let (name, role, by) = (&token.name, token.role, &token.created_by);
        format!(
            "{name}\t{role}\t{until}\tmade {} by {by}\n",
            date(token.created_at)
        )
    };
    Ok(tokens.iter().map(line).collect())
}

async fn revoke(config: &Config, access: &Access, name: &str) -> Result<String, TokenFailure> {
    let segment = utf8_percent_encode(name, NON_ALPHANUMERIC).to_string();
    let ask = async |api: &AdminApi| match api.delete(&format!("{PATH}/{segment}")).await {
        Ok(_) => Ok(true),
        Err(AdminError::Refused { status, .. }) if status == http::StatusCode::NOT_FOUND => {
            Ok(false)
        }
        Err(error) => Err(error),
    };
    let known = match ask_or_open(config, access, ask).await? {
        Reached::Answer(known) => known,
        Reached::Store(store) => {
            access::revoke(&store, name, author(&format!("revoke {name}"))).await?
        }
    };
    match known {
        true => Ok(String::new()),
        false => Err(TokenFailure::Unknown(name.to_owned())),
    }
}

fn author(verb: &str) -> Author {
    Author::new("cli").doing(format!("admin-token {verb}"))
}

/// Unix seconds as `2026-11-22 02:35 UTC`.
fn date(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok();
    let moment = moment.and_then(|seconds| time::OffsetDateTime::from_unix_timestamp(seconds).ok());
    let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    let text = moment.and_then(|moment| moment.format(format).ok());
    text.unwrap_or_else(|| seconds.to_string())
}

/// Why a verb did not do its work.
#[derive(Debug, thiserror::Error)]
enum TokenFailure {
    #[error(transparent)]
    Reach(#[from] ReachError),
    #[error(transparent)]
    Create(#[from] CreateError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no token named '{0}' (`headgate-cp admin-token list` shows them)")]
    Unknown(String),
}

impl TokenFailure {
    fn exit(&self) -> Exit {
        match self {
            Self::Reach(error) => error.exit(),
            _ => Exit::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn a_moment_is_shown_to_the_minute() {
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(1_700_000_000), "2023-11-14 22:13 UTC");
    }
}
