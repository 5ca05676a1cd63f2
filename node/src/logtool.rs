//! `y7 log`: the logs of a folder, read without a running node.
//!
//! ```text
//! y7 log list [--json] | show LOG [--json] | verify [LOG] | rebuild
//! y7 log replay LOG [--at HEADS|TIME|N] [--step] [--json] | diff DIR_A DIR_B [--json]
//! y7 log export LOG --format json|automerge --out FILE
//! y7 log capsule LOG --out FILE | replay-capsule FILE [--at HEADS|TIME|N] [--step] [--json]
//!        … [--data-dir DIR] [--passphrase-file FILE] [--snapshot]
//! ```
//!
//! * All but `rebuild` read only: they work on a copy of the ledger's file, and the folder is left as it was.
//! * A folder in use is refused (exit 3) unless `--snapshot` says that the last commit will do.
//! * The copy is the file as of one commit: it counts only if no commit came while it was made.

mod copy;
mod point;
mod rebuild;
mod words;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use y7ke_crypto::ids::LogId;
use y7ke_ledger::store::{StorageError, View};
use y7ke_ledger::tools::{
    self, Capsule, CapsuleFault, ExportError, MOST_CAPSULE_BYTES, Point, ReplayError, State, Steps, Words,
};

use self::copy::Copy;
use crate::home::StartError;
use crate::options::{UsageError, data_dir};

/// What `y7 log` is asked.
#[derive(Args, Debug)]
pub struct LogOptions {
    /// Folder of the identity [default: $Y7KE_DATA_DIR, then the per-user folder]
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// File whose first line is the vault's passphrase
    #[arg(long, value_name = "FILE", global = true)]
    passphrase_file: Option<PathBuf>,
    /// Read the last commit of a folder that is in use
    #[arg(long, global = true)]
    snapshot: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    #[command(flatten)]
    One(One),
    /// A log as it stood at some point, out of a file that `capsule` wrote
    ReplayCapsule {
        /// The capsule
        file: PathBuf,
        #[command(flatten)]
        how: How,
    },
    /// What two folders hold otherwise; exit code 1 if they do
    Diff {
        /// A folder
        dir_a: PathBuf,
        /// Another one, of the same person or of another
        dir_b: PathBuf,
        /// File whose first line is the passphrase of the second folder's vault
        #[arg(long, value_name = "FILE")]
        other_passphrase_file: Option<PathBuf>,
        /// As a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Fold anew, in the folder itself, all that is shown of the logs
    Rebuild,
}

/// How to replay.
#[derive(Args, Debug)]
struct How {
    /// Up to these heads, this time (2026-11-26T09:30:00Z, or ms since 1970), or so many events
    #[arg(long, value_name = "HEADS|TIME|N", value_parser = point::parse)]
    at: Option<Point>,
    /// Also each event, and what it changed
    #[arg(long)]
    step: bool,
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

/// Tools that read one folder.
#[derive(Debug, Subcommand)]
enum One {
    /// All logs: kind, events, heads, clock
    List {
        /// As `log.list` of y7 rpc writes it
        #[arg(long)]
        json: bool,
    },
    /// The events of a log, in order
    Show {
        /// Id of the log, 64 hex digits
        log: LogId,
        /// As a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Check every id, signature and rule again
    Verify {
        /// Id of the log; without it, all
        log: Option<LogId>,
    },
    /// A log as it stood at some point, folded anew from its events
    Replay {
        /// Id of the log, 64 hex digits
        log: LogId,
        #[command(flatten)]
        how: How,
    },
    /// Write a log to a file
    Export {
        /// Id of the log, 64 hex digits
        log: LogId,
        /// json: everything that opens; automerge: a document with equal heads
        #[arg(long)]
        format: Format,
        /// File to write; it must not be there yet
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Write a log without its words to a file, for whoever looks for a fault: it replays as the log does
    Capsule {
        /// Id of the log, 64 hex digits
        log: LogId,
        /// File to write; it must not be there yet
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Json,
    Automerge,
}

/// Why a tool stops.
#[derive(Debug, thiserror::Error)]
pub enum LogFault {
    /// The command line.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The folder does not open.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// No such log.
    #[error("there is no log {0} here; `y7 log list` shows them")]
    NoLog(LogId),
    /// The log cannot be written in this form.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// There is no such point in a log.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A file is no capsule.
    #[error(transparent)]
    Capsule(#[from] CapsuleFault),
    /// A capsule folds to something else than it names.
    #[error(
        "this capsule replays to another projection than it was made with: it was changed, or this version folds otherwise"
    )]
    Unfaithful,
    /// A file that is to be read cannot be.
    #[error("{file} cannot be read ({why})")]
    Input {
        /// Which.
        file: String,
        /// What the system said.
        why: io::Error,
    },
    /// What was found could not be written as JSON: a bug of ours.
    #[error("the answer cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The output cannot be written.
    #[error("{file} cannot be written ({why})")]
    Output {
        /// Where to.
        file: String,
        /// What the system said.
        why: io::Error,
    },
}

impl LogFault {
    /// The process's exit code.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Start(fault) => fault.exit_code(),
            Self::Output { .. } | Self::Input { .. } => 5,
            Self::Capsule(_) | Self::Unfaithful | Self::Storage(_) => 6,
            Self::Replay(ReplayError::Storage(_) | ReplayError::Capsule(_)) => 6,
            Self::NoLog(_) | Self::Export(_) | Self::Replay(_) | Self::Json(_) => 1,
        }
    }
}

impl LogOptions {
    /// An option that says nothing to a tool is a mistake of whoever gave it.
    fn all_count(&self) -> Result<(), UsageError> {
        let (folder, passphrase, snapshot) = match &self.what {
            What::One(_) => (true, true, true),
            What::Rebuild => (true, true, false),
            What::Diff { .. } => (false, true, true),
            What::ReplayCapsule { .. } => (false, false, false),
        };
        let given = [
            ("--data-dir", self.data_dir.is_some(), folder),
            ("--passphrase-file", self.passphrase_file.is_some(), passphrase),
            ("--snapshot", self.snapshot, snapshot),
        ];
        let idle = given.into_iter().find(|(_, given, counts)| *given && !counts);
        idle.map_or(Ok(()), |(option, ..)| Err(UsageError::Idle(option)))
    }
}

/// Runs one tool.
pub fn run(options: LogOptions) -> Result<ExitCode, LogFault> {
    options.all_count()?;
    let LogOptions { data_dir: folder, passphrase_file: passphrase, snapshot, what } = options;
    let passphrase = passphrase.as_deref();
    let folder = || data_dir(folder, std::env::var_os(crate::options::DATA_DIR_VARIABLE));
    match what {
        What::One(what) => read(&Copy::of(&folder()?, passphrase, snapshot)?.view()?, what),
        What::ReplayCapsule { file, how } => replay_capsule(&file, &how),
        What::Diff { dir_a, dir_b, other_passphrase_file, json } => {
            let one = Copy::of(&dir_a, passphrase, snapshot)?;
            let other = Copy::of(&dir_b, other_passphrase_file.as_deref(), snapshot)?;
            diff([&one.view()?, &other.view()?], json)
        }
        What::Rebuild => say(&words::rebuilt(&rebuild::rebuild(&folder()?, passphrase)?)),
    }
}

fn read(view: &View, what: One) -> Result<ExitCode, LogFault> {
    match what {
        One::List { json } => say(&list(view, json)?),
        One::Show { log, json } => say(&show(view, &known(view, log)?, json)?),
        One::Verify { log } => verify(view, log),
        One::Replay { log, how } => replay(view, &known(view, log)?, &how),
        One::Export { log, format, out } => export(view, &known(view, log)?, format, &out),
        One::Capsule { log, out } => write(&out, &tools::capsule(view, &known(view, log)?)?.to_json()?),
    }
}

fn replay(view: &View, log: &LogId, how: &How) -> Result<ExitCode, LogFault> {
    let state = tools::replay(view, log, &how.point(), Words::Shown, how.steps())?;
    say(&how.told(&state)?)
}

fn replay_capsule(file: &Path, how: &How) -> Result<ExitCode, LogFault> {
    let unreadable = |why| LogFault::Input { file: file.display().to_string(), why };
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|opened| opened.take(MOST_CAPSULE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    let capsule = Capsule::from_json(&bytes)?;
    let state = capsule.replay(&how.point(), how.steps())?;
    say(&how.told(&state)?)?;
    if capsule.is_faithful(&state) { Ok(ExitCode::SUCCESS) } else { Err(LogFault::Unfaithful) }
}

impl How {
    fn point(&self) -> Point {
        self.at.clone().unwrap_or(Point::Newest)
    }

    fn steps(&self) -> Steps {
        if self.step { Steps::Shown } else { Steps::Hidden }
    }

    fn told(&self, state: &State) -> Result<String, LogFault> {
        Ok(if self.json { serde_json::to_string(state)? } else { words::state(state) })
    }
}

fn diff(views: [&View; 2], json: bool) -> Result<ExitCode, LogFault> {
    let logs = tools::diff(views)?;
    say(&if json { serde_json::to_string(&logs)? } else { words::diff(&logs) })?;
    Ok(if logs.iter().all(tools::LogDiff::is_same) { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn known(view: &View, log: LogId) -> Result<LogId, LogFault> {
    view.log(&log)?.map(|info| info.log).ok_or(LogFault::NoLog(log))
}

fn list(view: &View, json: bool) -> Result<String, LogFault> {
    let logs = words::log_views(tools::list(view)?);
    Ok(if json { serde_json::to_string(&logs)? } else { words::list(&logs) })
}

fn show(view: &View, log: &LogId, json: bool) -> Result<String, LogFault> {
    let events = tools::show(view, log, Words::Shown)?;
    Ok(if json { serde_json::to_string(&events)? } else { words::events(&events) })
}

fn verify(view: &View, log: Option<LogId>) -> Result<ExitCode, LogFault> {
    let log = log.map(|log| known(view, log)).transpose()?;
    let found = tools::verify(view, log.as_ref(), &mut crate::shell::randomness().map_err(StartError::System)?)?;
    say(&words::verified(log.as_ref(), &found))?;
    Ok(if found.bad.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(6) })
}

fn export(view: &View, log: &LogId, format: Format, out: &Path) -> Result<ExitCode, LogFault> {
    let bytes = match format {
        Format::Json => serde_json::to_vec_pretty(&tools::export_json(view, log, Words::Shown)?)?,
        Format::Automerge => tools::export_automerge(view, log)?,
    };
    write(out, &bytes)
}

fn write(out: &Path, bytes: &[u8]) -> Result<ExitCode, LogFault> {
    let written = new_file(out).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|why| LogFault::Output { file: out.display().to_string(), why })?;
    Ok(ExitCode::SUCCESS)
}

/// An export may hold texts in the clear: for its owner alone, and never over another file.
fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn say(text: &str) -> Result<ExitCode, LogFault> {
    let written = writeln!(io::stdout(), "{text}");
    written.map_err(|why| LogFault::Output { file: "stdout".into(), why })?;
    Ok(ExitCode::SUCCESS)
}
