//! One window a folder: a second start asks the first one to come forward, and ends.
//!
//! ```text
//! second start ── "y7ke raise\n" ──▶ DIR/window (socket) ──▶ first start: its window comes forward
//!              ◀────── "!" ─────────
//! ```
//!
//! * Who may knock: whoever may enter the folder, which is its owner alone (0700).
//! * Hostile bytes: one fixed message is compared, nothing of it is kept, and one byte is all that ever goes back.
//! * A socket that nobody listens on is what a crash left: it is replaced.
//! * Only on Unix. Elsewhere a second start says that the folder is in use, and ends with 3.

use std::io;
use std::path::Path;

/// The socket's name in the data folder.
pub const NAME: &str = "window";

/// The one thing that can be said.
pub const MESSAGE: &[u8; 11] = b"y7ke raise\n";

/// The answer: heard.
pub const HEARD: u8 = b'!';

/// Asks whoever has a window on this folder to bring it forward; false where nobody answers.
pub fn ask(folder: &Path) -> bool {
    imp::ask(folder).unwrap_or_else(|why| {
        tracing::debug!("no window to bring forward: {why}");
        false
    })
}

/// The first one's ear; the socket goes with it.
pub struct Door {
    _inner: imp::Door,
}

impl Door {
    /// Listens in this folder from now on; `raise` is called on a thread of its own.
    pub fn open(folder: &Path, raise: impl Fn() + Send + 'static) -> io::Result<Self> {
        imp::Door::open(folder, raise).map(|inner| Self { _inner: inner })
    }
}

#[cfg(unix)]
mod imp {
    use std::fs::File;
    use std::io::{self, ErrorKind, Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::{Path, PathBuf};
    use std::thread;
    use std::time::Duration;

    use super::{HEARD, MESSAGE, NAME};

    /// How long either side waits for the other's next byte.
    const PATIENCE: Duration = Duration::from_secs(2);

    /// `sun_path` has 104 bytes on some systems, 108 on others; the last one is zero.
    const LONGEST: usize = 103;

    /// A path to the socket that fits an address; the folder stays open while it is used.
    struct Place {
        path: PathBuf,
        _folder: Option<File>,
    }

    impl Place {
        fn in_folder(folder: &Path) -> io::Result<Self> {
            let path = folder.join(NAME);
            if path.as_os_str().len() <= LONGEST {
                return Ok(Self { path, _folder: None });
            }
            if !cfg!(target_os = "linux") {
                return Err(io::Error::new(ErrorKind::InvalidInput, "the folder's path is too long for a socket"));
            }
            let folder = File::open(folder)?;
            Ok(Self { path: format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd()).into(), _folder: Some(folder) })
        }
    }

    pub(super) fn ask(folder: &Path) -> io::Result<bool> {
        let mut first = UnixStream::connect(Place::in_folder(folder)?.path)?;
        first.set_read_timeout(Some(PATIENCE))?;
        first.write_all(MESSAGE)?;
        let mut answer = [0; 1];
        first.read_exact(&mut answer)?;
        Ok(answer == [HEARD])
    }

    pub(super) struct Door {
        place: Place,
    }

    impl Door {
        pub(super) fn open(folder: &Path, raise: impl Fn() + Send + 'static) -> io::Result<Self> {
            let place = Place::in_folder(folder)?;
            let listener = listen(&place.path)?;
            let listening = thread::Builder::new().name("y7ke-door".into());
            listening.spawn(move || listener.incoming().try_for_each(|caller| hear(caller?, &raise)))?;
            Ok(Self { place })
        }
    }

    impl Drop for Door {
        fn drop(&mut self) {
            if let Err(why) = std::fs::remove_file(&self.place.path) {
                tracing::debug!("the socket of the window stays: {why}");
            }
        }
    }

    /// Binds; what a crash left is in the way once.
    fn listen(path: &Path) -> io::Result<UnixListener> {
        match UnixListener::bind(path) {
            Err(taken) if taken.kind() == ErrorKind::AddrInUse && UnixStream::connect(path).is_err() => {
                std::fs::remove_file(path)?;
                UnixListener::bind(path)
            }
            bound => bound,
        }
    }

    /// One caller. What is wrong with it is its own fault and ends nothing.
    fn hear(caller: UnixStream, raise: &impl Fn()) -> io::Result<()> {
        match said(&caller) {
            Ok(true) => {
                raise();
                answer(caller);
            }
            Ok(false) => tracing::debug!("somebody at the window's socket did not say what is said there"),
            Err(why) => tracing::debug!("somebody at the window's socket said too little: {why}"),
        }
        Ok(())
    }

    fn said(mut caller: &UnixStream) -> io::Result<bool> {
        caller.set_read_timeout(Some(PATIENCE))?;
        let mut words = [0; MESSAGE.len()];
        caller.read_exact(&mut words)?;
        Ok(words == *MESSAGE)
    }

    fn answer(mut caller: UnixStream) {
        if let Err(why) = caller.set_write_timeout(Some(PATIENCE)).and_then(|()| caller.write_all(&[HEARD])) {
            tracing::debug!("whoever asked for the window is gone: {why}");
        }
    }
}

#[cfg(not(unix))]
mod imp {
    use std::io;
    use std::path::Path;

    pub(super) fn ask(_folder: &Path) -> io::Result<bool> {
        Ok(false)
    }

    pub(super) struct Door;

    impl Door {
        pub(super) fn open(_folder: &Path, _raise: impl Fn() + Send + 'static) -> io::Result<Self> {
            Err(io::Error::new(io::ErrorKind::Unsupported, "no local sockets here"))
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::PathBuf;
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("y7ke-single-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn door(&self) -> (Door, Receiver<()>) {
            let (tell, told) = channel();
            let door = Door::open(&self.0, move || tell.send(()).unwrap()).unwrap();
            (door, told)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn was_raised(told: &Receiver<()>) -> bool {
        told.recv_timeout(Duration::from_secs(20)).is_ok()
    }

    #[test]
    fn a3_the_second_is_heard_while_the_first_lives() {
        let folder = Folder::new("heard");
        assert!(!ask(&folder.0));
        let (door, told) = folder.door();
        assert!(ask(&folder.0));
        assert!(was_raised(&told));
        drop(door);
        assert!(!folder.0.join(NAME).exists());
        assert!(!ask(&folder.0));
    }

    #[test]
    fn a_socket_that_a_crash_left_is_replaced() {
        let folder = Folder::new("stale");
        drop(UnixListener::bind(folder.0.join(NAME)).unwrap());
        assert!(folder.0.join(NAME).exists());
        assert!(!ask(&folder.0));
        let (_door, told) = folder.door();
        assert!(ask(&folder.0));
        assert!(was_raised(&told));
    }

    #[test]
    fn a_living_socket_is_not_taken_away() {
        let folder = Folder::new("living");
        let (_door, told) = folder.door();
        assert!(Door::open(&folder.0, || {}).is_err());
        assert!(ask(&folder.0));
        assert!(was_raised(&told));
    }

    #[test]
    fn other_words_raise_nothing_and_get_nothing() {
        let folder = Folder::new("hostile");
        let (_door, told) = folder.door();
        let long = [b'x'; 4096];
        for words in [&b"y7ke quit!\n\n"[..], &long, b"y7ke rais", b""] {
            let mut caller = UnixStream::connect(folder.0.join(NAME)).unwrap();
            caller.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            caller.write_all(words).unwrap();
            caller.shutdown(std::net::Shutdown::Write).unwrap();
            let mut back = Vec::new();
            // A reset is an answer as well: what was not read is thrown back.
            let read = caller.read_to_end(&mut back);
            assert!(back.is_empty(), "{read:?} {back:?}");
        }
        assert!(told.try_recv().is_err());
        assert!(ask(&folder.0), "it still listens");
        assert!(was_raised(&told));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_deeper_than_an_address_is_long_works_too() {
        let folder = Folder::new("deep");
        let deep = folder.0.join("d".repeat(100)).join("e".repeat(100));
        std::fs::create_dir_all(&deep).unwrap();
        let (tell, told) = channel();
        let door = Door::open(&deep, move || tell.send(()).unwrap()).unwrap();
        assert!(deep.join(NAME).exists());
        assert!(ask(&deep));
        assert!(was_raised(&told));
        drop(door);
        assert!(!deep.join(NAME).exists());
    }
}
