//! The quickstart's settings: its own, and those of both planes.

use std::path::PathBuf;

use derive::Settings;
use shared::settings::{Addresses, SettingErrors, Settings, Spec, Values, Violation};

/// What only the quickstart has.
#[derive(Clone, Debug, Settings)]
#[setting(section = "quickstart")]
pub struct Own {
    /// The directory of all state: `cp` and `dp` lie in it. Created with mode 0700.
    #[setting(default = "./headgate-data")]
    pub data_dir: PathBuf,

    /// Where the demo upstream listens; it answers any request with a description of it.
    #[setting(default = "127.0.0.1:8010")]
    pub demo_listen: Addresses,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Config {
    pub own: Own,
    pub control_plane: control_plane::Config,
    pub data_plane: data_plane::Config,
}

/// What the quickstart decides for the planes.
const DECIDED: &[&str] = &["data_dir", "control_plane", "join", "declarative_config"];

impl Settings for Config {
    fn specs() -> Vec<Spec> {
        let of_planes = control_plane::Config::specs()
            .into_iter()
            .chain(data_plane::Config::specs());
        let left = of_planes.filter(|spec| !DECIDED.contains(&spec.name));
        Own::specs().into_iter().chain(left).collect()
    }

    fn read(values: &Values) -> Result<Self, SettingErrors> {
        let own = Own::read(values)?;
        let mut values = values.clone();
        for (section, folder) in [("control_plane", "cp"), ("data_plane", "dp")] {
            values.decide(
                section,
                "data_dir",
                own.data_dir.join(folder).display().to_string(),
            );
        }
        let planes = (
            control_plane::Config::read(&values),
            data_plane::Config::read(&values),
        );
        let (control_plane, data_plane) = match planes {
            (Ok(control_plane), Ok(data_plane)) => (control_plane, data_plane),
            (Err(mut errors), Ok(_)) | (Ok(_), Err(mut errors)) => {
                errors.0.dedup();
                return Err(errors);
            }
            (Err(first), Err(second)) => {
                // A setting that both planes have is told once.
                let new = second
                    .0
                    .into_iter()
                    .filter(|error| !first.0.contains(error));
                return Err(SettingErrors(first.0.iter().cloned().chain(new).collect()));
            }
        };
        let config = Self {
            own,
            control_plane,
            data_plane,
        };
        values
            .contradictions("control_plane", config.missing())
            .or(|| config)
    }
}

impl Config {
    /// The planes speak to each other over the same sockets as anywhere.
    fn missing(&self) -> Vec<Violation> {
        let needed = [
            ("sync_listen", self.control_plane.sync_listen.0.is_empty()),
            (
                "enroll_listen",
                self.control_plane.enroll_listen.0.is_empty(),
            ),
        ];
        let off = needed.into_iter().filter(|(_, off)| *off);
        off.map(|(name, _)| {
            Violation::new(
                name,
                "the quickstart's data plane joins here: it cannot be off",
            )
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use shared::settings::{Inputs, load, page};

    use super::*;

    fn read(flags: &[(&str, &str)]) -> Result<Config, SettingErrors> {
        let flags = flags
            .iter()
            .map(|(name, text)| (name.to_string(), text.to_string()));
        let inputs = Inputs {
            flags: flags.collect(),
            directory: "/nonexistent".into(),
            ..Inputs::default()
        };
        load(&inputs).map(|loaded| loaded.value)
    }

    #[test]
    fn the_planes_keep_their_state_side_by_side() {
        let config =
            read(&[("data_dir", "/x"), ("log_level", "warn")]).expect("these settings are good");
        assert_eq!(config.control_plane.data_dir, PathBuf::from("/x/cp"));
        assert_eq!(config.data_plane.data_dir, PathBuf::from("/x/dp"));
        assert_eq!(config.control_plane.log_level, config.data_plane.log_level);
    }

    #[test]
    fn a_mistake_in_a_setting_of_both_planes_is_told_once() {
        let errors = read(&[("log_level", "loud"), ("headers", "x")]).expect_err("both are bad");
        assert_eq!(errors.0.len(), 2, "{errors}");
    }

    #[test]
    fn what_the_planes_need_to_meet_cannot_be_off() {
        let errors = read(&[("sync_listen", "off")]).expect_err("the data plane cannot join");
        assert!(
            errors
                .to_string()
                .starts_with("sync_listen (from flag --sync-listen)"),
            "{errors}"
        );
    }

    #[test]
    fn the_page_of_the_settings_is_current() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../shared/reference/settings-quickstart.md"
        );
        let current = page(
            "Settings of the quickstart, beside those of both planes",
            &Own::specs(),
        );
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &current).expect("the page is written");
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == current,
            "{path} is old: UPDATE=1 cargo test -p quickstart rewrites it"
        );
    }
}
