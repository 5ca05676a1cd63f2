//! Cameras that are not there: files that answer as the devices of V4L2 do.
//!
//! ```text
//! who looks ── open, ioctl, poll, mmap ──▶ kernel ── FUSE ──▶ thread `fuser` of this process ──▶ Device, Seen
//!              (this process or another)
//! folder/video0   the two buffers of the device, one behind the other: mapped by who looks
//!        video1   …
//! ```
//!
//! * The kernel carries an ioctl to a file as its number encodes it, and the structs of V4L2 hold no pointers here.
//! * What lies in a buffer stays: pictures are buffer 0, buffer 1, buffer 0 … in the order in which they were given back.
//! * A device tells the truth unless a field of it says otherwise.
//! * Needs `/dev/fuse` and the right to mount; without them a test says that it was skipped.

#![allow(unreachable_pub, dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    IoctlFlags, LockOwner, OpenFlags, PollEvents, PollFlags, PollNotifier, ReplyAttr, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyOpen, ReplyPoll, Request,
};
use qrcode::{Color, EcLevel, QrCode};
use tempfile::TempDir;

/// Longest wait for any one fact.
const PATIENCE: Duration = Duration::from_secs(60);

/// The kernel may remember what it was told about files.
const TTL: Duration = Duration::from_secs(3_600);

const PAGE: usize = 4_096;

/// Capabilities.
pub const CAPTURE: u32 = 0x1;
pub const META: u32 = 0x80_0000;
pub const STREAMING: u32 = 0x400_0000;
const DEVICE_CAPS: u32 = 0x8000_0000;

/// The flag of a buffer whose picture was lost.
pub const TORN: u32 = 0x40;

/// What is asked of a device: `open`, or the number of an ioctl.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Open,
    Ioctl(u32),
}

/// Ioctls by their numbers.
pub const QUERYCAP: u32 = 0;
pub const ENUM_FMT: u32 = 2;
pub const S_FMT: u32 = 5;
pub const REQBUFS: u32 = 8;
pub const QUERYBUF: u32 = 9;
pub const QBUF: u32 = 15;
pub const DQBUF: u32 = 17;
pub const STREAMON: u32 = 18;
pub const STREAMOFF: u32 = 19;

/// A device, and what it says of itself.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its capabilities.
    pub able: u32,
    /// The formats that it lists.
    pub formats: Vec<[u8; 4]>,
    /// What it answers to whatever is asked for: format, pixels, bytes in a row, bytes of a picture.
    pub format: [u8; 4],
    pub width: u32,
    pub height: u32,
    pub line: u32,
    pub image: u32,
    /// What lies in its buffers.
    pub pictures: [Vec<u8>; 2],
    /// The flags of each picture.
    pub flags: u32,
    /// Bytes of each picture, if not those that lie there.
    pub used: Option<u32>,
    /// The number of each buffer that it gives, if not the right one.
    pub index: Option<u32>,
    /// A call that it refuses, and how.
    pub refuses: Option<(Call, Errno)>,
    /// Pictures until there are no more.
    pub until: u32,
    /// What follows then: nothing, or it was unplugged.
    pub unplugged: bool,
}

impl Device {
    /// One that gives these two pictures.
    pub fn new(format: [u8; 4], (width, height): (u32, u32), line: u32, pictures: [Vec<u8>; 2]) -> Self {
        let image = u32::try_from(pictures.iter().map(Vec::len).max().unwrap_or(0)).unwrap();
        Self {
            able: CAPTURE | STREAMING,
            formats: vec![format],
            format,
            width,
            height,
            line,
            image,
            pictures,
            flags: 0,
            used: None,
            index: None,
            refuses: None,
            until: u32::MAX,
            unplugged: false,
        }
    }

    /// A YUYV camera that looks at a blank wall and at the code of `text`, in turn.
    pub fn showing(text: &str) -> Self {
        let (wall, code) = (Scene::wall(), Scene::code(text));
        Self::new(*b"YUYV", wall.size(), 2 * wall.width, [wall.yuyv(), code.yuyv()])
    }

    /// The node beside a camera that tells about its pictures.
    pub fn metadata() -> Self {
        Self { able: META | STREAMING, formats: vec![*b"UVCH"], ..Self::new(*b"UVCH", (0, 0), 0, [vec![], vec![]]) }
    }

    /// The bytes of each buffer: whole pages.
    fn length(&self) -> usize {
        let longest = self.pictures.iter().map(Vec::len).max().unwrap_or(0);
        longest.next_multiple_of(PAGE).max(PAGE)
    }

    fn refusal(&self, call: Call) -> Result<(), Errno> {
        match self.refuses {
            Some((refused, errno)) if refused == call => Err(errno),
            _ => Ok(()),
        }
    }
}

/// What a camera looks at, in shades of grey.
pub struct Scene {
    pub width: u32,
    pub height: u32,
    /// Row by row, 0 is black.
    pub grey: Vec<u8>,
}

impl Scene {
    /// 640×480 of a wall in half light.
    pub fn wall() -> Self {
        Self { width: 640, height: 480, grey: vec![170; 640 * 480] }
    }

    /// A wall with a sheet of paper on it, and on that the code of `text`.
    pub fn code(text: &str) -> Self {
        let mut scene = Self::wall();
        let code = QrCode::with_error_correction_level(text, EcLevel::L).unwrap();
        let (modules, quiet) = (code.width(), 4);
        let scale = 400 / (modules + 2 * quiet);
        let side = scale * (modules + 2 * quiet);
        let (left, top) = ((640 - side) / 2, (480 - side) / 2);
        let colours = code.to_colors();
        let dark = |x: usize, y: usize| {
            let inside = |at: usize| (at / scale).checked_sub(quiet).filter(|at| *at < modules);
            matches!((inside(x), inside(y)), (Some(x), Some(y)) if colours[y * modules + x] == Color::Dark)
        };
        for (x, y) in (0..side * side).map(|at| (at % side, at / side)) {
            scene.grey[(top + y) * 640 + left + x] = if dark(x, y) { 20 } else { 230 };
        }
        scene
    }

    pub const fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Without colour: U and V in the middle.
    pub fn yuyv(&self) -> Vec<u8> {
        self.grey.iter().flat_map(|grey| [limited(*grey), 128]).collect()
    }

    /// In the best quality that is usual for cameras.
    pub fn jpeg(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let rgb: Vec<u8> = self.grey.iter().flat_map(|grey| [*grey; 3]).collect();
        let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 85);
        encoder.encode(&rgb, self.width, self.height, image::ExtendedColorType::Rgb8).unwrap();
        bytes
    }
}

/// From 0–255 to 16–235.
fn limited(grey: u8) -> u8 {
    u8::try_from(16 + u32::from(grey) * 219 / 255).unwrap()
}

/// What was done with a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How often it is open.
    pub open: u32,
    /// It was told to give pictures.
    pub streaming: bool,
    /// Pictures that it gave since.
    pub given: u32,
    /// Buffers that it may fill.
    queue: VecDeque<u32>,
}

#[derive(Default)]
struct Watch {
    seen: Mutex<Vec<Seen>>,
    changed: Condvar,
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap()
    }

    fn change<T>(&self, device: usize, change: impl FnOnce(&mut Seen) -> T) -> T {
        let changed = change(&mut self.lock()[device]);
        self.changed.notify_all();
        changed
    }
}

/// A folder of cameras; ends with the test.
pub struct Cameras {
    session: Option<BackgroundSession>,
    watch: Arc<Watch>,
    folder: TempDir,
}

impl Cameras {
    /// `None`, in words, where no file systems can be made.
    pub fn plug(devices: impl IntoIterator<Item = (u32, Device)>) -> Option<Self> {
        let devices: Vec<_> = devices.into_iter().collect();
        let watch = Arc::new(Watch { seen: Mutex::new(vec![Seen::default(); devices.len()]), ..Watch::default() });
        let folder = TempDir::new().expect("a folder of our own");
        let answers = Answers { devices, watch: Arc::clone(&watch) };
        match fuser::spawn_mount(answers, folder.path(), &Config::default()) {
            Ok(session) => Some(Self { session: Some(session), watch, folder }),
            Err(why) => {
                eprintln!("skipped: no file system can be mounted here, so there is no camera to look through: {why}");
                None
            }
        }
    }

    /// The folder, and with it every camera in turn.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// One of them: what `Y7KE_CAMERA` is set to.
    pub fn path(&self, number: u32) -> PathBuf {
        self.folder.path().join(format!("video{number}"))
    }

    /// Waits until what was done with the device in this place is so.
    pub fn until(&self, device: usize, what: &str, is_so: impl Fn(&Seen) -> bool) -> Seen {
        let waited = self.watch.changed.wait_timeout_while(self.watch.lock(), PATIENCE, |seen| !is_so(&seen[device]));
        let (seen, over) = waited.unwrap();
        assert!(!over.timed_out(), "{what} within a minute: {:?}", seen[device]);
        seen[device].clone()
    }
}

impl Drop for Cameras {
    fn drop(&mut self) {
        let ended = self.session.take().map(BackgroundSession::umount_and_join);
        // Whoever still looks while a test fails keeps it: that failure is the one to tell.
        if let Some(Err(why)) = ended
            && !std::thread::panicking()
        {
            panic!("the file system of the cameras does not end: {why}");
        }
    }
}

/// The file system.
struct Answers {
    devices: Vec<(u32, Device)>,
    watch: Arc<Watch>,
}

impl Answers {
    /// Files come after the folder, which is 1.
    fn place(&self, file: INodeNo) -> Result<usize, Errno> {
        let place = usize::try_from(file.0).ok().and_then(|file| file.checked_sub(2));
        place.filter(|place| *place < self.devices.len()).ok_or(Errno::ENOENT)
    }

    fn device(&self, file: INodeNo) -> Result<(usize, &Device), Errno> {
        self.place(file).map(|place| (place, &self.devices[place].1))
    }

    fn about(&self, file: INodeNo) -> Result<FileAttr, Errno> {
        if file == INodeNo::ROOT {
            return Ok(about(file, FileType::Directory, 0));
        }
        let (_, device) = self.device(file)?;
        Ok(about(file, FileType::RegularFile, 2 * device.length()))
    }

    fn files(&self) -> impl Iterator<Item = (INodeNo, String)> + '_ {
        let name =
            |(place, (number, _)): (usize, &(u32, Device))| (INodeNo(place as u64 + 2), format!("video{number}"));
        self.devices.iter().enumerate().map(name)
    }

    fn opened(&self, file: INodeNo) -> Result<(), Errno> {
        let (place, device) = self.device(file)?;
        device.refusal(Call::Open)?;
        self.watch.change(place, |seen| seen.open += 1);
        Ok(())
    }

    /// The bytes of the two buffers, and nothing between and behind them.
    fn bytes(&self, file: INodeNo, from: u64, count: u32) -> Result<Vec<u8>, Errno> {
        let (_, device) = self.device(file)?;
        let byte = |at: usize| {
            let picture = device.pictures.get(at / device.length());
            picture.and_then(|picture| picture.get(at % device.length())).copied().unwrap_or(0)
        };
        let from = usize::try_from(from).unwrap();
        Ok((from..from + count as usize).map(byte).collect())
    }

    fn ioctl(&self, file: INodeNo, number: u32, asked: &[u8], room: u32) -> Result<Vec<u8>, Errno> {
        let (place, device) = self.device(file)?;
        if number >> 8 & 0xFF != u32::from(b'V') {
            return Err(Errno::ENOTTY);
        }
        device.refusal(Call::Ioctl(number & 0xFF))?;
        let mut answer = Answer(asked.to_vec());
        answer.0.resize(asked.len().max(room as usize), 0);
        self.watch.change(place, |seen| device.answer(number & 0xFF, &mut answer, seen))?;
        answer.0.truncate(room as usize);
        Ok(answer.0)
    }

    fn ready(&self, file: INodeNo) -> Result<PollEvents, Errno> {
        let (place, device) = self.device(file)?;
        let seen = &self.watch.lock()[place];
        Ok(match device.next(seen) {
            Ok(_) => PollEvents::POLLIN | PollEvents::POLLRDNORM,
            Err(_) if device.unplugged && seen.given >= device.until => PollEvents::POLLERR | PollEvents::POLLHUP,
            Err(_) => PollEvents::empty(),
        })
    }
}

fn about(file: INodeNo, kind: FileType, size: usize) -> FileAttr {
    FileAttr {
        ino: file,
        size: size as u64,
        blocks: 0,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind,
        perm: if kind == FileType::Directory { 0o755 } else { 0o660 },
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4_096,
        flags: 0,
    }
}

/// A struct of V4L2 on a 64-bit system, field by field at its place.
struct Answer(Vec<u8>);

impl Answer {
    fn get(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.0[at..at + 4].try_into().unwrap())
    }

    fn put(&mut self, at: usize, value: u32) {
        self.bytes(at, &value.to_ne_bytes());
    }

    fn bytes(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

impl Device {
    fn answer(&self, number: u32, answer: &mut Answer, seen: &mut Seen) -> Result<(), Errno> {
        match number {
            QUERYCAP => {
                answer.bytes(0, b"fake\0");
                answer.bytes(16, b"A camera that is not there\0");
                // A driver says what all its nodes can, and then what this one can.
                answer.put(84, CAPTURE | META | STREAMING | DEVICE_CAPS);
                answer.put(88, self.able);
            }
            ENUM_FMT => answer.bytes(44, self.formats.get(answer.get(0) as usize).ok_or(Errno::EINVAL)?),
            S_FMT => self.settle(answer),
            REQBUFS => answer.put(0, 2),
            QUERYBUF => self.place(answer, answer.get(0)),
            QBUF => seen.queue.push_back(answer.get(0)),
            DQBUF => self.give(answer, seen)?,
            STREAMON => seen.streaming = true,
            STREAMOFF => *seen = Seen { open: seen.open, ..Seen::default() },
            _ => return Err(Errno::ENOTTY),
        }
        Ok(())
    }

    fn settle(&self, answer: &mut Answer) {
        for (at, value) in [(8, self.width), (12, self.height), (20, 1), (24, self.line), (28, self.image)] {
            answer.put(at, value);
        }
        answer.bytes(16, &self.format);
    }

    fn place(&self, answer: &mut Answer, index: u32) {
        let length = u32::try_from(self.length()).unwrap();
        answer.put(0, index);
        answer.put(64, index * length);
        answer.put(72, length);
    }

    /// The buffer with the next picture.
    fn next(&self, seen: &Seen) -> Result<u32, Errno> {
        if !seen.streaming {
            return Err(Errno::EINVAL);
        }
        if seen.given >= self.until {
            return Err(if self.unplugged { Errno::ENODEV } else { Errno::EAGAIN });
        }
        seen.queue.front().copied().ok_or(Errno::EAGAIN)
    }

    fn give(&self, answer: &mut Answer, seen: &mut Seen) -> Result<(), Errno> {
        let index = self.next(seen)?;
        seen.queue.pop_front();
        seen.given += 1;
        let there = self.pictures.get(index as usize).map_or(0, Vec::len);
        self.place(answer, self.index.unwrap_or(index));
        answer.put(8, self.used.unwrap_or(u32::try_from(there).unwrap()));
        answer.put(12, self.flags);
        Ok(())
    }
}

impl Filesystem for Answers {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.files().find(|(_, known)| name == OsStr::new(known));
        match found.ok_or(Errno::ENOENT).and_then(|(file, _)| self.about(file)) {
            Ok(about) => reply.entry(&TTL, &about, Generation(0)),
            Err(errno) => reply.error(errno),
        }
    }

    fn getattr(&self, _: &Request, file: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.about(file) {
            Ok(about) => reply.attr(&TTL, &about),
            Err(errno) => reply.error(errno),
        }
    }

    fn readdir(&self, _: &Request, _: INodeNo, _: FileHandle, from: u64, mut reply: ReplyDirectory) {
        for (file, name) in self.files().skip(from as usize) {
            if reply.add(file, file.0 - 1, FileType::RegularFile, name) {
                break;
            }
        }
        reply.ok();
    }

    fn open(&self, _: &Request, file: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.opened(file) {
            Ok(()) => reply.opened(FileHandle(0), FopenFlags::empty()),
            Err(errno) => reply.error(errno),
        }
    }

    fn release(
        &self,
        _: &Request,
        file: INodeNo,
        _: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        if let Ok(place) = self.place(file) {
            self.watch.change(place, |seen| seen.open -= 1);
        }
        reply.ok();
    }

    fn read(
        &self,
        _: &Request,
        file: INodeNo,
        _: FileHandle,
        from: u64,
        count: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.bytes(file, from, count) {
            Ok(bytes) => reply.data(&bytes),
            Err(errno) => reply.error(errno),
        }
    }

    fn ioctl(
        &self,
        _: &Request,
        file: INodeNo,
        _: FileHandle,
        _: IoctlFlags,
        number: u32,
        asked: &[u8],
        room: u32,
        reply: ReplyIoctl,
    ) {
        match self.ioctl(file, number, asked, room) {
            Ok(answer) => reply.ioctl(0, &answer),
            Err(errno) => reply.error(errno),
        }
    }

    fn poll(
        &self,
        _: &Request,
        file: INodeNo,
        _: FileHandle,
        _: PollNotifier,
        _: PollEvents,
        _: PollFlags,
        reply: ReplyPoll,
    ) {
        match self.ready(file) {
            Ok(events) => reply.poll(events),
            Err(errno) => reply.error(errno),
        }
    }
}
