//! The process that looks into a picture: a picture comes in on stdin, the texts of its codes go out on stdout.
//!
//! ```text
//! y7ke ── picture ──▶ y7ke --read-code ── JSON: ["text", …], 0 ──▶ y7ke
//!                          └── exit code: 3 no picture, 4 too large, else it did not live through it
//! ```

use std::io::{Read, Write};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use super::code;
use super::picture::{self, Unseen};

/// The option that makes the program a child of this kind.
pub const OPTION: &str = "--read-code";

/// How long one picture may take: those of a camera take some hundredths of this.
const PATIENCE: Duration = Duration::from_secs(10);

const NO_PICTURE: u8 = 3;
const TOO_LARGE: u8 = 4;

/// Bytes of an answer at most: eight codes of three thousand letters, as JSON writes the worst of them.
const MOST_ANSWER: u64 = 256 << 10;

/// The texts of the codes in a picture (PNG, JPEG, PGM); in words why it could not be looked at.
pub fn read(bytes: &[u8]) -> Result<Vec<String>, String> {
    if bytes.len() > picture::MOST_BYTES {
        return Err(Unseen::TooLarge.to_string());
    }
    let program = std::env::current_exe().map_err(|why| cannot_start(&why))?;
    let mut command = Command::new(program);
    command.arg(OPTION).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|why| cannot_start(&why))?;
    let asked = child.stdin.take().map(|mut stdin| stdin.write_all(bytes));
    let mut answer = Vec::new();
    let heard = child.stdout.take().map(|stdout| stdout.take(MOST_ANSWER).read_to_end(&mut answer));
    let ended = child.wait().map_err(|why| cannot_start(&why))?;
    tracing::debug!(?asked, ?heard, %ended, "looked at a picture");
    understand(ended.code(), &answer)
}

/// What a child said, and how it ended; a signal has no code.
fn understand(code: Option<i32>, answer: &[u8]) -> Result<Vec<String>, String> {
    match code.map(u8::try_from) {
        Some(Ok(0)) => serde_json::from_slice(answer).map_err(|_garbled| DID_NOT_LIVE.to_owned()),
        Some(Ok(NO_PICTURE)) => Err(Unseen::NoPicture.to_string()),
        Some(Ok(TOO_LARGE)) => Err(Unseen::TooLarge.to_string()),
        _ => Err(DID_NOT_LIVE.into()),
    }
}

const DID_NOT_LIVE: &str = "That picture could not be looked through. Cut out the code, and try again.";

fn cannot_start(why: &std::io::Error) -> String {
    format!("Pictures cannot be looked at: y7ke could not start itself again ({why}).")
}

/// The child.
pub fn child() -> ExitCode {
    std::thread::spawn(|| {
        let (_held, never) = channel::<()>();
        if never.recv_timeout(PATIENCE).is_err() {
            std::process::exit(1);
        }
    });
    let mut bytes = Vec::new();
    let most = u64::try_from(picture::MOST_BYTES).unwrap_or(u64::MAX);
    match std::io::stdin().lock().take(most + 1).read_to_end(&mut bytes) {
        Ok(_) => answer(&bytes),
        Err(_) => ExitCode::FAILURE,
    }
}

fn answer(bytes: &[u8]) -> ExitCode {
    let texts = match picture::open(bytes) {
        Ok(picture) => code::read(&picture),
        Err(Unseen::NoPicture) => return ExitCode::from(NO_PICTURE),
        Err(Unseen::TooLarge) => return ExitCode::from(TOO_LARGE),
    };
    match serde_json::to_writer(std::io::stdout().lock(), &texts) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_child_that_ended_well_is_believed() {
        assert_eq!(understand(Some(0), br#"["a","b"]"#), Ok(vec!["a".into(), "b".into()]));
        assert_eq!(understand(Some(0), b"[]"), Ok(Vec::new()));
        for (code, answer) in [(Some(0), &b"[\"a"[..]), (Some(1), b"[]"), (None, b"[]"), (Some(256), b"[]")] {
            assert_eq!(understand(code, answer), Err(DID_NOT_LIVE.into()), "{code:?}");
        }
        assert_eq!(understand(Some(3), b""), Err(Unseen::NoPicture.to_string()));
        assert_eq!(understand(Some(4), b""), Err(Unseen::TooLarge.to_string()));
    }
}
