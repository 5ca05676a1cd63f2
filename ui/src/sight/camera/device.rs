//! A camera as V4L2 has it, by `linuxvideo`.
//!
//! ```text
//! open ─ QUERYCAP ─ ENUM_FMT … ─ close          what is it, and what does it give?
//! open ─ S_FMT 640×480 ─ REQBUFS 2 ─ mmap ─ QBUF, QBUF ─ STREAMON
//! frame: poll ─ DQBUF ─ read ─ QBUF
//! drop:  STREAMOFF ─ munmap ─ close
//! ```
//!
//! What the crate panics on, and what is left of it: texts without their zero (none is read here), no end of the list
//! of formats (`FORMATS`). Left to the thread: an ioctl that answers more than 0 or changes the kind of its buffer, a
//! buffer under another number than it was asked for or than there are, more bytes used than the buffer has. The
//! kernel's own videobuf2 does none of these; drivers from elsewhere might.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use linuxvideo::format::{PixFormat, PixelFormat};
use linuxvideo::stream::ReadStream;
use linuxvideo::{BufType, CapabilityFlags, Device};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::Fault;
use super::pixels::{Kind, Layout};
use crate::sight::Frame;

/// Where cameras are.
const DEVICES: &str = "/dev";

/// What a driver may list before it is not listened to any more; real ones have a handful.
const FORMATS: usize = 64;

/// A code of 60 modules in half of the height has 4 pixels for each; as red, green and blue it is 900 KB.
const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;

/// How long a camera may give nothing; some take seconds to the first picture.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a picture that cannot be used counts towards that.
const PICTURE: Duration = Duration::from_millis(33);

/// A camera that is running.
pub struct Camera {
    stream: ReadStream,
    layout: Layout,
    /// For how long nothing came.
    silent: Duration,
}

impl Camera {
    /// The first camera that can be used, or the one at `named`; of a folder, the first one in it.
    pub fn open(named: Option<&Path>) -> Result<Self, Fault> {
        let place = named.unwrap_or(Path::new(DEVICES));
        if place.is_dir() {
            return Self::first_of(devices(place));
        }
        Self::at(place).map_err(|fault| match fault {
            Fault::NoCamera => Fault::NotThere(place.to_owned()),
            fault => fault,
        })
    }

    /// The next picture; `None` if none came within `wait`, or one that cannot be used.
    ///
    /// The waits add up: after 5 s without a picture it is [`Fault::Silent`], and again each time until one comes.
    pub fn frame(&mut self, wait: Duration) -> Result<Option<Frame>, Fault> {
        let (frame, lost) = if ready(&self.stream, wait)? { (self.take()?, PICTURE) } else { (None, wait) };
        self.silent = if frame.is_some() { Duration::ZERO } else { self.silent.saturating_add(lost) };
        if self.silent >= PATIENCE { Err(Fault::Silent) } else { Ok(frame) }
    }

    fn first_of(devices: Vec<PathBuf>) -> Result<Self, Fault> {
        let mut why = Fault::NoCamera;
        for device in devices {
            match Self::at(&device) {
                Ok(camera) => return Ok(camera),
                Err(fault) => {
                    tracing::debug!("{} is passed over: {fault}", device.display());
                    why = if weight(&fault) > weight(&why) { fault } else { why };
                }
            }
        }
        Err(why)
    }

    fn at(path: &Path) -> Result<Self, Fault> {
        // Closed again before the next one opens it: a driver may allow one at a time.
        let listed = {
            let device = Device::open(path).map_err(why)?;
            formats(&device)?
        };
        for format in listed {
            match Self::start(path, format) {
                Err(Fault::NoFormat) => {}
                started => return started,
            }
        }
        Err(Fault::NoFormat)
    }

    /// The driver answers with what it gives, which may be something else in each respect.
    fn start(path: &Path, wanted: PixelFormat) -> Result<Self, Fault> {
        let device = Device::open(path).map_err(why)?;
        let device = device.video_capture(PixFormat::new(WIDTH, HEIGHT, wanted)).map_err(|error| {
            if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) { Fault::NoFormat } else { why(error) }
        })?;
        let given = device.format();
        let kind = Kind::of(given.pixel_format().as_fourcc()).ok_or(Fault::NoFormat)?;
        let layout = Layout::new(kind, given.width(), given.height(), given.bytes_per_line()).ok_or(Fault::NoFormat)?;
        tracing::debug!("{} gives {layout:?}", path.display());
        Ok(Self { stream: device.into_stream().map_err(why)?, layout, silent: Duration::ZERO })
    }

    fn take(&mut self) -> Result<Option<Frame>, Fault> {
        let layout = &self.layout;
        let taken = self.stream.dequeue(|bytes| Ok(if bytes.is_error() { None } else { layout.frame(&bytes) }));
        match taken.map_err(|error| (error.raw_os_error().map(Errno::from_raw_os_error), error)) {
            Ok(frame) => Ok(frame),
            // One picture was lost on its way.
            Err((Some(Errno::IO | Errno::INTR | Errno::AGAIN), _)) => Ok(None),
            Err((_, error)) => Err(why(error)),
        }
    }
}

/// `video0`, `video1` and so on in a folder.
fn devices(folder: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = listed.unwrap_or_else(|why| {
        tracing::warn!("{} cannot be looked into: {why}", folder.display());
        Vec::new()
    });
    let mut found: Vec<_> = entries.into_iter().filter_map(|entry| Some((number(&entry)?, entry.path()))).collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

fn number(entry: &std::fs::DirEntry) -> Option<u32> {
    entry.file_name().to_str()?.strip_prefix("video")?.parse().ok()
}

/// Those of its formats that are read here, the best first.
fn formats(device: &Device) -> Result<Vec<PixelFormat>, Fault> {
    let able = device.capabilities().map_err(why)?.device_capabilities();
    if !able.contains(CapabilityFlags::VIDEO_CAPTURE | CapabilityFlags::STREAMING) {
        return Err(Fault::NoCamera);
    }
    let listed = device.formats(BufType::VIDEO_CAPTURE).take(FORMATS).map(|format| Ok(format?.pixel_format()));
    let mut formats = listed.collect::<io::Result<Vec<_>>>().map_err(why)?;
    formats.retain(|format| Kind::of(format.as_fourcc()).is_some());
    formats.sort_by_key(|format| Kind::of(format.as_fourcc()));
    Ok(formats)
}

/// Whether there is a picture, within `wait`.
fn ready(stream: &ReadStream, wait: Duration) -> Result<bool, Fault> {
    let wait = Timespec::try_from(wait).ok();
    let mut asked = [PollFd::new(stream, PollFlags::IN)];
    match poll(&mut asked, wait.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(why(error.into())),
    }
    let said = asked[0].revents();
    // Without a picture there is nothing to take, and taking would wait for ever.
    if !said.contains(PollFlags::IN) && said.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL) {
        return Err(Fault::Gone);
    }
    Ok(said.contains(PollFlags::IN))
}

fn why(error: io::Error) -> Fault {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT | Errno::NOTTY) => Fault::NoCamera,
        Some(Errno::ACCESS | Errno::PERM) => Fault::Denied,
        Some(Errno::BUSY) => Fault::InUse,
        Some(Errno::NOSPC) => Fault::Crowded,
        Some(Errno::NODEV | Errno::NXIO) => Fault::Gone,
        _ => Fault::Failed(error.to_string()),
    }
}

/// Of several devices that cannot be used, the one that is told of is the one that the person can do most about.
const fn weight(fault: &Fault) -> u8 {
    match fault {
        Fault::InUse => 5,
        Fault::Denied => 4,
        Fault::Crowded => 3,
        Fault::Failed(_) | Fault::Silent => 2,
        Fault::NoFormat => 1,
        Fault::Gone | Fault::NoCamera | Fault::NotThere(_) | Fault::NotBuilt => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_go_by_their_numbers() {
        let folder = tempfile::TempDir::new().unwrap();
        for name in ["video10", "video2", "video", "videos", "vbi0", "v4l-subdev1", "video0"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names: Vec<_> =
            devices(folder.path()).into_iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["video0", "video2", "video10"]);
        assert!(devices(&folder.path().join("nowhere")).is_empty());
    }

    #[test]
    fn what_the_system_says_becomes_words() {
        let said = |errno: Errno| why(errno.into());
        assert_eq!(said(Errno::ACCESS), Fault::Denied);
        assert_eq!(said(Errno::BUSY), Fault::InUse);
        assert_eq!(said(Errno::NODEV), Fault::Gone);
        assert_eq!(said(Errno::NOTTY), Fault::NoCamera);
        assert_eq!(said(Errno::NOSPC), Fault::Crowded);
        assert!(matches!(said(Errno::PROTO), Fault::Failed(_)));
    }

    #[test]
    fn of_several_reasons_the_one_to_do_something_about_is_told() {
        assert!(weight(&Fault::InUse) > weight(&Fault::Denied));
        assert!(weight(&Fault::Denied) > weight(&Fault::NoFormat));
        assert!(weight(&Fault::NoFormat) > weight(&Fault::NoCamera));
    }
}
