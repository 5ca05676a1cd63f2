//! The process that looks into a picture. It comes in on stdin, or is fetched from the clipboard, and the texts of its
//! codes go out on stdout.
//!
//! ```text
//! y7ke ── picture ──▶ y7ke --read-code picture ─────┬─ 0, JSON: ["text", …] ──▶ y7ke
//!      clipboard ◀──▶ y7ke --read-code clipboard ───┤
//!                                                   └─ exit code: 3 no picture, 4 too large, 5 nothing on the clipboard,
//!                                                      6 no clipboard, else it did not live through it
//! ```

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use clap::ValueEnum;

use super::picture::{self, Unseen};
use super::{Grey, code};

/// How long one picture may take: those of a camera take some hundredths of this.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of an answer at most: eight codes of three thousand letters, as JSON writes the worst of them.
const MOST_ANSWER: u64 = 256 << 10;

/// Bytes of a text on the clipboard that is taken for what a code says; more than any code holds.
const MOST_TEXT: usize = 8 << 10;

/// Where the child finds its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// On stdin.
    Picture,
    /// On the clipboard: a picture, the file of one, or what a code says.
    Clipboard,
}

/// What a child can say in place of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    NoPicture = 3,
    TooLarge = 4,
    Nothing = 5,
    NoClipboard = 6,
}

/// Why there are no texts, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// No child can be started: it will be so for the next picture too.
    #[error("Pictures cannot be looked at: y7ke could not start itself again ({0}). Close it and open it again.")]
    NoChild(String),
    /// It did not live through this one.
    #[error("That picture could not be looked through. Cut out the code, and try again.")]
    Died,
    /// There is nothing to look at.
    #[error(transparent)]
    Unseen(#[from] Unseen),
    /// The clipboard is empty, or has something else.
    #[error("There is neither a text nor a picture to paste.")]
    Nothing,
    /// There is no clipboard.
    #[error("The clipboard cannot be read.")]
    NoClipboard,
}

/// The texts of the codes in a picture (PNG, JPEG, PGM).
pub fn read(picture: &[u8]) -> Result<Vec<String>, Unread> {
    if picture.len() > picture::MOST_BYTES {
        return Err(Unseen::TooLarge.into());
    }
    ask(From::Picture, Stdio::piped(), picture)
}

/// The texts of the codes in a file: not a byte of it comes into this process.
pub fn read_file(file: File) -> Result<Vec<String>, Unread> {
    ask(From::Picture, file.into(), &[])
}

/// The texts of the codes in the picture on the clipboard, or the text that is there.
pub fn paste() -> Result<Vec<String>, Unread> {
    ask(From::Clipboard, Stdio::null(), &[])
}

fn ask(from: From, stdin: Stdio, picture: &[u8]) -> Result<Vec<String>, Unread> {
    let failed = |why: std::io::Error| Unread::NoChild(why.to_string());
    let from = if from == From::Picture { "picture" } else { "clipboard" };
    let mut command = Command::new(ourselves().map_err(failed)?);
    command.args(["--read-code", from]).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(failed)?;
    // All of it is read before anything is said, so neither waits for the other; a child that died says so below.
    let asked = child.stdin.take().map(|mut stdin| stdin.write_all(picture));
    let mut answer = Vec::new();
    let heard = child.stdout.take().map(|stdout| stdout.take(MOST_ANSWER).read_to_end(&mut answer));
    let ended = child.wait().map_err(failed)?;
    tracing::debug!(?asked, ?heard, %ended, "looked at a picture");
    understand(ended.code(), &answer)
}

/// Not by name where that can be helped: after an upgrade there is another program by that name, or none.
fn ourselves() -> std::io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}

/// What a child said, and how it ended; a signal has no code.
fn understand(code: Option<i32>, answer: &[u8]) -> Result<Vec<String>, Unread> {
    let is = |refusal: Refusal| code == Some(refusal as i32);
    match code {
        Some(0) => serde_json::from_slice(answer).map_err(|_garbled| Unread::Died),
        _ if is(Refusal::NoPicture) => Err(Unseen::NoPicture.into()),
        _ if is(Refusal::TooLarge) => Err(Unseen::TooLarge.into()),
        _ if is(Refusal::Nothing) => Err(Unread::Nothing),
        _ if is(Refusal::NoClipboard) => Err(Unread::NoClipboard),
        _ => Err(Unread::Died),
    }
}

/// The child.
pub fn child(from: From) -> ExitCode {
    y7ke_node::cli::prepare_process();
    std::thread::spawn(|| {
        let (_held, never) = channel::<()>();
        if never.recv_timeout(PATIENCE).is_err() {
            std::process::exit(1);
        }
    });
    let texts = match from {
        From::Picture => given(std::io::stdin().lock()),
        From::Clipboard => pasted(),
    };
    match texts.map(|texts| serde_json::to_writer(std::io::stdout().lock(), &texts)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(_)) => ExitCode::FAILURE,
        Err(refusal) => ExitCode::from(refusal as u8),
    }
}

/// The codes of a picture that is read to its end.
fn given(picture: impl Read) -> Result<Vec<String>, Refusal> {
    let mut bytes = Vec::new();
    let most = u64::try_from(picture::MOST_BYTES).unwrap_or(u64::MAX);
    picture.take(most + 1).read_to_end(&mut bytes).map_err(|_torn| Refusal::NoPicture)?;
    looked_through(picture::open(&bytes))
}

fn looked_through(picture: Result<Grey, Unseen>) -> Result<Vec<String>, Refusal> {
    match picture {
        Ok(picture) => Ok(code::read(&picture)),
        Err(Unseen::NoPicture) => Err(Refusal::NoPicture),
        Err(Unseen::TooLarge) => Err(Refusal::TooLarge),
    }
}

fn pasted() -> Result<Vec<String>, Refusal> {
    let mut clipboard = arboard::Clipboard::new().map_err(|_none| Refusal::NoClipboard)?;
    match clipboard.get_image() {
        Ok(arboard::ImageData { width, height, bytes }) => {
            return looked_through(picture::of_pixels(width, height, bytes.into_owned()));
        }
        Err(arboard::Error::ConversionFailure) => return Err(Refusal::NoPicture),
        Err(_other) => {}
    }
    let files = clipboard.get().file_list().unwrap_or_default();
    if let Some(file) = files.first() {
        return given(File::open(file).map_err(|_gone| Refusal::NoPicture)?);
    }
    let text = clipboard.get_text().unwrap_or_default();
    let text = text.trim();
    if text.is_empty() || text.len() > MOST_TEXT { Err(Refusal::Nothing) } else { Ok(vec![text.to_owned()]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_child_that_ended_well_is_believed() {
        assert_eq!(understand(Some(0), br#"["a","b"]"#), Ok(vec!["a".into(), "b".into()]));
        assert_eq!(understand(Some(0), b"[]"), Ok(Vec::new()));
        for (code, answer) in [(Some(0), &b"[\"a"[..]), (Some(1), b"[]"), (None, b"[]"), (Some(256), b"[]")] {
            assert_eq!(understand(code, answer), Err(Unread::Died), "{code:?}");
        }
        assert_eq!(understand(Some(3), b""), Err(Unseen::NoPicture.into()));
        assert_eq!(understand(Some(4), b""), Err(Unseen::TooLarge.into()));
        assert_eq!(understand(Some(5), b""), Err(Unread::Nothing));
        assert_eq!(understand(Some(6), b""), Err(Unread::NoClipboard));
    }
}
