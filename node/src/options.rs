//! The options that `y7 rpc`, `y7 console` and the desktop `y7ke` share.
//!
//! ```text
//! [--data-dir DIR] [--listen MULTIADDR]... [--no-mdns] [--mode lan|y7net]
//! [--bootstrap DESCRIPTOR]... [--passphrase-file FILE]
//! ```
//!
//! Parsing ends here: a [`Config`] holds only what was checked. What does not parse is a
//! usage error (exit 2) that names the option and says what would be right.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use y7ke_transport::{Address, AddressError};

use crate::api::{Mode, Passphrase};

/// Environment variable that names the data folder where `--data-dir` does not.
pub const DATA_DIR_VARIABLE: &str = "Y7KE_DATA_DIR";

/// Listen addresses at most: each is a socket.
pub const MAX_LISTEN: usize = 16;

/// Bootstraps at most for one run.
pub const MAX_BOOTSTRAPS: usize = 32;

/// The shared command-line options, as clap reads them.
#[derive(Args, Clone, Debug, Default)]
pub struct Options {
    /// Folder of this identity [default: $Y7KE_DATA_DIR, then the per-user folder]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Listen here instead of the default addresses (may be given several times)
    #[arg(long, value_name = "MULTIADDR", value_parser = parse_address)]
    pub listen: Vec<Address>,
    /// Neither announce this device on the local network nor look for others there
    #[arg(long)]
    pub no_mdns: bool,
    /// Where to look for people, for this run: lan or y7net
    #[arg(long, value_name = "lan|y7net", value_parser = parse_mode)]
    pub mode: Option<Mode>,
    /// Use this bootstrap instead of the built-in and saved ones; `none` for none at all
    #[arg(long, value_name = "DESCRIPTOR")]
    pub bootstrap: Vec<String>,
    /// File whose first line is the vault's passphrase
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// What a node is started with.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Folder of this identity; created if it is not there.
    pub data_dir: PathBuf,
    /// `Some`: listen exactly here, and fail to start where an address is taken.
    pub listen: Option<Vec<Address>>,
    /// Announce and look on the local network.
    pub mdns: bool,
    /// Overrides the saved mode for this run.
    pub mode: Option<Mode>,
    /// Overrides the built-in and saved bootstraps for this run; empty for none at all.
    pub bootstrap: Option<Vec<String>>,
    /// File whose first line is the vault's passphrase.
    pub passphrase_file: Option<PathBuf>,
    /// The vault's passphrase itself, where somebody typed it; goes before the file.
    pub passphrase: Option<Passphrase>,
}

/// A command line that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// Nothing says where the data folder is.
    #[error("no per-user data folder is known here: give --data-dir DIR or set {DATA_DIR_VARIABLE}")]
    NoDataDir,
    /// More listen addresses than sockets we are willing to open.
    #[error("--listen was given {0} times; at most {MAX_LISTEN} make sense")]
    TooManyListen(usize),
    /// More bootstraps than we are willing to keep connected.
    #[error("--bootstrap was given {0} times; at most {MAX_BOOTSTRAPS} make sense")]
    TooManyBootstraps(usize),
    /// An option of another tool.
    #[error("{0} says nothing to this tool; leave it out")]
    Idle(&'static str),
    /// `none` together with others.
    #[error("--bootstrap none means no bootstrap at all and cannot stand beside another one")]
    NoneAndMore,
}

impl Options {
    /// The checked configuration; the environment is read for the data folder only.
    pub fn into_config(self) -> Result<Config, UsageError> {
        let data_dir = data_dir(self.data_dir, std::env::var_os(DATA_DIR_VARIABLE))?;
        if self.listen.len() > MAX_LISTEN {
            return Err(UsageError::TooManyListen(self.listen.len()));
        }
        Ok(Config {
            data_dir,
            listen: (!self.listen.is_empty()).then_some(self.listen),
            mdns: !self.no_mdns,
            mode: self.mode,
            bootstrap: bootstraps(self.bootstrap)?,
            passphrase_file: self.passphrase_file,
            passphrase: None,
        })
    }
}

/// The data folder: the option, else the environment, else the per-user folder.
pub fn data_dir(option: Option<PathBuf>, variable: Option<OsString>) -> Result<PathBuf, UsageError> {
    option
        .or_else(|| variable.filter(|value| !value.is_empty()).map(PathBuf::from))
        .or_else(per_user_folder)
        .ok_or(UsageError::NoDataDir)
}

fn per_user_folder() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "y7ke").map(|dirs| dirs.data_dir().to_path_buf())
}

fn bootstraps(given: Vec<String>) -> Result<Option<Vec<String>>, UsageError> {
    let none = given.iter().any(|descriptor| descriptor == "none");
    match given.len() {
        0 => Ok(None),
        1 if none => Ok(Some(Vec::new())),
        _ if none => Err(UsageError::NoneAndMore),
        many if many > MAX_BOOTSTRAPS => Err(UsageError::TooManyBootstraps(many)),
        _ => Ok(Some(given)),
    }
}

fn parse_mode(text: &str) -> Result<Mode, String> {
    match text {
        "lan" => Ok(Mode::Lan),
        "y7net" => Ok(Mode::Y7net),
        _ => Err("the modes are lan (this network only) and y7net (over the internet as well)".into()),
    }
}

fn parse_address(text: &str) -> Result<Address, String> {
    text.parse().map_err(|fault: AddressError| fault.to_string())
}

/// What the fuzz target of the command line checks of options that parsed: see `crate::cli::fuzz`.
impl Options {
    pub(crate) fn fuzz(self) {
        let Ok(config) = self.into_config() else { return };
        assert!(config.listen.is_none_or(|listen| (1..=MAX_LISTEN).contains(&listen.len())));
        assert!(config.bootstrap.is_none_or(|bootstrap| bootstrap.len() <= MAX_BOOTSTRAPS));
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn parse(words: &[&str]) -> Result<Options, String> {
        let line = std::iter::once("y7").chain(words.iter().copied());
        Line::try_parse_from(line).map(|line| line.options).map_err(|fault| fault.to_string())
    }

    #[test]
    fn the_folder_is_the_option_then_the_variable() {
        let option = Some(PathBuf::from("/a"));
        assert_eq!(data_dir(option.clone(), Some("/b".into())), Ok("/a".into()));
        assert_eq!(data_dir(None, Some("/b".into())), Ok("/b".into()));
        assert_ne!(data_dir(None, Some("".into())), Ok("".into()));
    }

    #[test]
    fn bootstrap_none_stands_alone() {
        assert_eq!(bootstraps(vec![]), Ok(None));
        assert_eq!(bootstraps(vec!["none".into()]), Ok(Some(vec![])));
        assert_eq!(bootstraps(vec!["none".into(), "/dns/x".into()]), Err(UsageError::NoneAndMore));
    }

    #[test]
    fn a_wrong_mode_or_address_is_named_in_words() {
        assert!(parse(&["--mode", "moon"]).is_err_and(|words| words.contains("this network only")));
        assert!(parse(&["--listen", "localhost"]).is_err_and(|words| words.contains("--listen")));
        assert!(parse(&["--listen", "/ip4/127.0.0.1/tcp/0", "--listen", "/ip6/::1/tcp/0"]).is_ok());
    }
}
