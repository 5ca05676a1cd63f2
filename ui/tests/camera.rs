//! A camera is found, opened and looked through, and a driver's lies bring nothing down. The cameras are files that
//! answer as devices do (`common/lens.rs`); where no file system can be mounted, the tests say that they are skipped.

#![cfg(target_os = "linux")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test stops where it is surprised")]

#[path = "common/lens.rs"]
mod lens;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use fuser::Errno;
use lens::{Call, Cameras, DQBUF, Device, Scene};
use y7ke::sight::camera::{Camera, Fault};
use y7ke::sight::{Frame, code, picture};

/// A device that has a picture gives it at once.
const SOON: Duration = Duration::from_secs(60);

/// For a device that has none.
const BRIEF: Duration = Duration::from_millis(50);

const TEXT: &str = "y7:4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM1";

fn read(frame: &Frame) -> Vec<String> {
    code::read(&picture::open(&frame.to_pgm()).expect("a picture of ours"))
}

/// What is read from the first two pictures: a wall, and a code on it.
fn looked(camera: &mut Camera) -> Vec<String> {
    let mut look = || camera.frame(SOON).expect("it works").expect("a picture");
    [look(), look()].iter().flat_map(read).collect()
}

fn fault(place: &Path) -> Fault {
    Camera::open(Some(place)).err().expect("it cannot be used")
}

fn refusing(call: Call, errno: Errno) -> Device {
    Device { refuses: Some((call, errno)), ..Device::showing(TEXT) }
}

fn jpeg() -> Device {
    let (wall, code) = (Scene::wall(), Scene::code(TEXT));
    Device::new(*b"MJPG", wall.size(), 0, [wall.jpeg(), code.jpeg()])
}

#[test]
fn b8_a_code_is_read_through_a_yuyv_camera() {
    let Some(cameras) = Cameras::plug([(0, Device::showing(TEXT))]) else { return };
    let mut camera = Camera::open(Some(&cameras.path(0))).unwrap();
    assert_eq!(looked(&mut camera), [TEXT]);
    drop(camera);
    cameras.until(0, "the stream ends and the device is closed", |seen| !seen.streaming && seen.open == 0);
}

#[test]
fn b8_a_code_is_read_through_an_mjpeg_camera() {
    let Some(cameras) = Cameras::plug([(0, jpeg())]) else { return };
    assert_eq!(looked(&mut Camera::open(Some(&cameras.path(0))).unwrap()), [TEXT]);
}

#[test]
fn what_the_driver_gives_is_taken_even_if_something_else_was_asked_for() {
    let Some(cameras) = Cameras::plug([(0, Device { formats: vec![*b"BA10", *b"YUYV"], ..jpeg() })]) else { return };
    assert_eq!(looked(&mut Camera::open(Some(&cameras.path(0))).unwrap()), [TEXT]);
}

#[test]
fn long_rows_and_other_sizes_are_read() {
    let pad = |row: &[u8]| [row, &[0xAA; 64]].concat();
    let (wall, code) = (Scene::wall(), Scene::code(TEXT));
    let padded = |scene: &Scene| -> Vec<u8> { scene.yuyv().chunks(1_280).skip(20).take(440).flat_map(pad).collect() };
    let device = Device::new(*b"YUYV", (640, 440), 1_280 + 64, [padded(&wall), padded(&code)]);
    let Some(cameras) = Cameras::plug([(0, device)]) else { return };
    assert_eq!(looked(&mut Camera::open(Some(&cameras.path(0))).unwrap()), [TEXT]);
}

#[test]
fn what_takes_no_pictures_or_is_busy_is_passed_over() {
    let busy = refusing(Call::Ioctl(lens::S_FMT), Errno::EBUSY);
    let devices = [(10, Device::showing(TEXT)), (2, Device::showing(TEXT)), (1, busy), (0, Device::metadata())];
    let Some(cameras) = Cameras::plug(devices) else { return };
    let camera = Camera::open(Some(cameras.folder())).unwrap();
    cameras.until(1, "the first of those that are left is used", |seen| seen.streaming);
    for (place, what) in [(0, "one behind it"), (2, "the busy one"), (3, "the metadata")] {
        cameras.until(place, what, |seen| !seen.streaming && seen.open == 0);
    }
    drop(camera);
}

#[test]
fn why_there_is_no_camera_is_told() {
    let devices = [
        (0, Device::metadata()),
        (1, Device::new(*b"BA10", (640, 480), 1_280, [vec![], vec![]])),
        (2, refusing(Call::Open, Errno::EACCES)),
        (3, refusing(Call::Ioctl(lens::STREAMON), Errno::ENOSPC)),
        (4, refusing(Call::Ioctl(lens::REQBUFS), Errno::EBUSY)),
        (5, refusing(Call::Ioctl(lens::S_FMT), Errno::EINVAL)),
        (6, refusing(Call::Ioctl(lens::STREAMON), Errno::EPROTO)),
    ];
    let Some(cameras) = Cameras::plug(devices) else { return };
    let told = |number: u32| fault(&cameras.path(number));
    assert_eq!(told(0), Fault::NotThere(cameras.path(0)));
    assert_eq!(told(1), Fault::NoFormat);
    assert_eq!(told(2), Fault::Denied);
    assert_eq!(told(3), Fault::Crowded);
    assert_eq!(told(4), Fault::InUse);
    assert_eq!(told(5), Fault::NoFormat);
    assert!(matches!(told(6), Fault::Failed(_)));
    assert_eq!(fault(cameras.folder()), Fault::InUse);
    for place in 0..7 {
        cameras.until(place, "nothing is left open", |seen| seen.open == 0);
    }
}

#[test]
fn where_nothing_is_a_camera_that_is_told() {
    let folder = tempfile::TempDir::new().unwrap();
    assert_eq!(fault(folder.path()), Fault::NoCamera);
    let file = folder.path().join("video0");
    assert_eq!(fault(&file), Fault::NotThere(file.clone()));
    std::fs::write(&file, "no device").unwrap();
    assert_eq!(fault(&file), Fault::NotThere(file.clone()));
    assert_eq!(fault(folder.path()), Fault::NoCamera);
}

#[test]
fn one_that_gives_nothing_more_is_waited_for_briefly() {
    let Some(cameras) = Cameras::plug([(0, Device { until: 1, ..Device::showing(TEXT) })]) else { return };
    let mut camera = Camera::open(Some(&cameras.path(0))).unwrap();
    assert!(camera.frame(SOON).unwrap().is_some());
    assert_eq!(camera.frame(BRIEF), Ok(None));
    assert_eq!(camera.frame(BRIEF), Ok(None));
}

#[test]
fn pictures_that_were_lost_are_not_shown_and_in_the_end_it_is_told() {
    let lost = |device: Device| {
        let Some(cameras) = Cameras::plug([(0, device)]) else { return };
        let mut camera = Camera::open(Some(&cameras.path(0))).unwrap();
        let seen: Vec<_> = (0..1_000).map(|_| camera.frame(SOON)).take_while(|seen| *seen == Ok(None)).collect();
        // Five seconds of them.
        assert!((100..200).contains(&seen.len()), "{}", seen.len());
        assert_eq!(camera.frame(SOON), Err(Fault::Silent));
    };
    lost(Device { flags: lens::TORN, ..Device::showing(TEXT) });
    lost(Device { used: Some(640 * 480), ..Device::showing(TEXT) });
    lost(Device { used: Some(0), ..Device::showing(TEXT) });
    let torn = jpeg().pictures.map(|whole| whole[..whole.len() / 2].to_vec());
    lost(Device { pictures: torn, ..jpeg() });
}

#[test]
fn one_that_is_unplugged_is_gone() {
    let unplugged = Device { until: 2, unplugged: true, ..Device::showing(TEXT) };
    let devices = [(0, unplugged), (1, refusing(Call::Ioctl(DQBUF), Errno::ENODEV))];
    let Some(cameras) = Cameras::plug(devices) else { return };
    let mut camera = Camera::open(Some(&cameras.path(0))).unwrap();
    assert_eq!(looked(&mut camera), [TEXT]);
    assert_eq!(camera.frame(SOON), Err(Fault::Gone));
    let mut camera = Camera::open(Some(&cameras.path(1))).unwrap();
    assert_eq!(camera.frame(SOON), Err(Fault::Gone));
}

#[test]
fn one_picture_that_got_lost_on_its_way_is_no_end() {
    let Some(cameras) = Cameras::plug([(0, refusing(Call::Ioctl(DQBUF), Errno::EIO))]) else { return };
    let mut camera = Camera::open(Some(&cameras.path(0))).unwrap();
    assert_eq!(camera.frame(SOON), Ok(None));
}

#[test]
fn a_driver_that_is_wrong_about_sizes_is_survived() {
    let honest = Device::showing(TEXT);
    let devices = [
        (0, Device { line: 3, ..honest.clone() }),
        (1, Device { image: u32::MAX, ..honest.clone() }),
        (2, Device { formats: vec![*b"YUYV"; 10_000], ..honest.clone() }),
        (3, Device { line: u32::MAX, ..honest.clone() }),
        (4, Device { height: 4_000, ..honest.clone() }),
        (5, Device { width: 4_097, ..honest.clone() }),
        (6, Device { width: 0, ..honest.clone() }),
        (7, Device { height: u32::MAX, ..honest }),
    ];
    let Some(cameras) = Cameras::plug(devices) else { return };
    for harmless in 0..3 {
        assert_eq!(looked(&mut Camera::open(Some(&cameras.path(harmless))).unwrap()), [TEXT], "{harmless}");
    }
    for short in 3..5 {
        assert_eq!(Camera::open(Some(&cameras.path(short))).unwrap().frame(SOON), Ok(None), "{short}");
    }
    for impossible in 5..8 {
        assert_eq!(fault(&cameras.path(impossible)), Fault::NoFormat, "{impossible}");
    }
}

/// What `linuxvideo` does not check it does not survive either; it ends the thread, and the device is closed with it.
#[test]
fn a_driver_that_breaks_the_rules_ends_the_thread_and_nothing_else() {
    let honest = Device::showing(TEXT);
    let devices = [(0, Device { index: Some(7), ..honest.clone() }), (1, Device { used: Some(u32::MAX), ..honest })];
    let Some(cameras) = Cameras::plug(devices) else { return };
    for number in [0, 1] {
        let path = cameras.path(number);
        let ended = std::thread::spawn(move || Camera::open(Some(&path)).unwrap().frame(SOON)).join();
        assert!(ended.is_err(), "{number}");
        cameras.until(number as usize, "it is closed", |seen| !seen.streaming && seen.open == 0);
    }
}

#[test]
fn another_process_looks_through_it() {
    let Some(cameras) = Cameras::plug([(0, Device::showing(TEXT))]) else { return };
    let mut other = Command::new(std::env::current_exe().unwrap());
    other.args(["--ignored", "--exact", "the_other_process"]).env("Y7KE_CAMERA", cameras.path(0));
    let output = other.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let seen = cameras.until(0, "it was closed", |seen| seen.open == 0);
    assert!(!seen.streaming);
}

#[test]
#[ignore = "the other process of another_process_looks_through_it"]
fn the_other_process() {
    let named = std::env::var_os("Y7KE_CAMERA").expect("whoever starts this says where");
    assert_eq!(looked(&mut Camera::open(Some(Path::new(&named))).unwrap()), [TEXT]);
}
