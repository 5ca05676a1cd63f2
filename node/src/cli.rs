//! The command line `y7`: `rpc`, `console`, `log`.
//!
//! Exit codes: 0 clean, 2 usage, 3 folder in use, 4 passphrase, 5 not writable, 6 damaged, 7 address in use;
//! 1 for what the system refused, 101 after a panic.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::api::Passphrase;
use crate::logtool::LogOptions;
use crate::options::{Config, Options, UsageError};
use crate::shell::{Handle, Node, NoticeReader, PassphraseFault, StartError};
use crate::{console, logtool, rpc};

/// Private peer-to-peer messenger, on the command line
#[derive(Parser)]
#[command(name = "y7", version, arg_required_else_help = true)]
struct Line {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Serve JSON-RPC 2.0 on stdin and stdout, a line each
    Rpc(Options),
    /// Talk at a terminal
    Console(Options),
    /// Look at the logs of a folder: list, show, verify, export
    Log(LogOptions),
}

/// How often somebody at a terminal is asked before the start fails.
const PROMPTS: u32 = 3;

/// The whole program: parses the command line, runs, and says how it ended.
pub fn main() -> ExitCode {
    match Line::try_parse() {
        Ok(line) => run(line),
        Err(fault) => usage(&fault),
    }
}

/// Help and version are answers on stdout; everything else is a usage error on stderr.
fn usage(fault: &clap::Error) -> ExitCode {
    match fault.print() {
        Ok(()) if !fault.use_stderr() => ExitCode::SUCCESS,
        Ok(()) | Err(_) => ExitCode::from(2),
    }
}

fn run(line: Line) -> ExitCode {
    let ended = match line.what {
        What::Rpc(options) => with_node(options, |node, notices| {
            rpc::serve(node, notices, std::io::stdin(), std::io::stdout());
        }),
        What::Console(options) => with_node_of(options, start_at_terminal, |node, notices| {
            console::run(node, notices, std::io::stdin().lock(), std::io::stdout());
        }),
        What::Log(options) => {
            prepare_process();
            logtool::run(options).map_err(|fault| fail(&fault, fault.exit_code()))
        }
    };
    ended.unwrap_or_else(|failure| failure)
}

fn with_node(options: Options, serve: impl FnOnce(&Handle, NoticeReader)) -> Result<ExitCode, ExitCode> {
    with_node_of(options, Node::start, serve)
}

fn with_node_of(
    options: Options,
    start: impl FnOnce(Config) -> Result<(Handle, NoticeReader), StartError>,
    serve: impl FnOnce(&Handle, NoticeReader),
) -> Result<ExitCode, ExitCode> {
    let config = configure(options)?;
    prepare_process();
    let (node, notices) = start(config).map_err(|fault| fail(&fault, fault.exit_code()))?;
    serve(&node, notices);
    Ok(ExitCode::SUCCESS)
}

/// A vault behind a passphrase is asked for it where somebody sits at a terminal; a pipe gets exit 4 as ever.
fn start_at_terminal(mut config: Config) -> Result<(Handle, NoticeReader), StartError> {
    let mut asked = 0;
    loop {
        let fault = match Node::start(config.clone()) {
            Err(StartError::Passphrase(fault)) => fault,
            started => return started,
        };
        let askable = match fault {
            PassphraseFault::Missing => true,
            PassphraseFault::Wrong => (1..PROMPTS).contains(&asked),
            _ => false,
        };
        if !askable || !std::io::stdin().is_terminal() {
            return Err(StartError::Passphrase(fault));
        }
        let prompt = if asked == 0 { "Passphrase: " } else { "That is not it. Passphrase: " };
        config.passphrase = Some(Passphrase::new(rpassword::prompt_password(prompt)?));
        asked += 1;
    }
}

fn configure(options: Options) -> Result<Config, ExitCode> {
    options.into_config().map_err(|fault: UsageError| fail(&fault, 2))
}

/// One line on stderr, whatever the log's filter.
#[allow(clippy::print_stderr, reason = "the contract: one line on stderr, then the exit code")]
fn fail(fault: &dyn std::error::Error, code: u8) -> ExitCode {
    eprintln!("y7: {fault}");
    ExitCode::from(code)
}

/// Logs to stderr, no core dumps, and nothing that we create readable by others.
pub fn prepare_process() {
    log_to_stderr();
    crate::home::harden();
}

fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("Y7KE_LOG")
        .unwrap_or_else(|_unset| tracing_subscriber::EnvFilter::new(format!("warn,{}", y7ke_transport::LOG_FILTER)));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(std::io::stderr);
    if subscriber.try_init().is_err() {
        tracing::debug!("logs are set up already");
    }
}

/// The body of the fuzz target: see `crate::fuzz`. Words are separated by line breaks.
pub(crate) fn fuzz(data: &str) {
    let line = std::iter::once("y7").chain(data.split('\n'));
    match Line::try_parse_from(line) {
        Ok(Line { what: What::Rpc(options) | What::Console(options) }) => options.fuzz(),
        Ok(Line { what: What::Log(_) }) => {}
        Err(fault) => assert!(!fault.to_string().is_empty(), "what is wrong is said"),
    }
}
