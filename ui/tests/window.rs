//! Real windows under Xvfb, on a bus of their own: keys in, messages through the real node, notifications and the
//! tray on the bus, and the folders read afterwards.
//!
//! Skipped in words where `Xvfb`, `xdotool` or `dbus-daemon` is missing. Waits are for facts (a window, a title, a
//! port), never for time.

#![cfg(target_os = "linux")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test stops where it is surprised")]

#[path = "common/bus.rs"]
mod bus;
#[path = "common/lens.rs"]
mod lens;
#[path = "common/notes.rs"]
mod notes;
#[path = "common/reader.rs"]
mod reader;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use bus::{Bus, Heard, Look, NoteServer, Portal, TrayHost};
use reader::{Element, Reader, Role};
use y7ke_node::api::{Answer, Command as Ask, ContactState, Conversation, MessageView, Passphrase, SettingsPatch};
use y7ke_node::{Config, Node};

/// Longest wait for any one fact; on a busy machine a window takes seconds.
const PATIENCE: &str = "60";

fn there(program: &str) -> bool {
    let found = Command::new("which").arg(program).stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

/// A display of our own; ends with the test.
struct Screen {
    server: Child,
    name: String,
}

impl Screen {
    fn start() -> Option<Self> {
        if let Some(missing) = ["Xvfb", "xdotool", "timeout"].into_iter().find(|program| !there(program)) {
            eprintln!("skipped: {missing} is not installed, so there is no screen to open two windows on");
            return None;
        }
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "2100x700x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb is there");
        let mut number = String::new();
        BufReader::new(server.stdout.as_mut().expect("piped")).read_line(&mut number).expect("Xvfb says its number");
        Some(Self { server, name: format!(":{}", number.trim()) })
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("timeout");
        command.args([PATIENCE, "xdotool"]).args(arguments).env("DISPLAY", &self.name);
        command.output().expect("xdotool is there")
    }

    /// Looks for windows, again where one went while xdotool walked through them.
    fn search(&self, arguments: &[&str]) -> Output {
        loop {
            let found = self.ask(&[&["search"], arguments].concat());
            if !String::from_utf8_lossy(&found.stderr).contains("BadWindow") {
                return found;
            }
        }
    }

    fn xdotool(&self, arguments: &[&str]) -> Output {
        let output = self.ask(arguments);
        assert!(output.status.success(), "xdotool {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// A picture of the whole screen, where `Y7KE_PICTURES` names a folder and ImageMagick is there.
    fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("Y7KE_PICTURES") else { return };
        let file = Path::new(&folder).join(format!("{name}.png"));
        let taken = Command::new("import").args(["-window", "root"]).arg(&file).env("DISPLAY", &self.name).status();
        if !taken.is_ok_and(|status| status.success()) {
            eprintln!("no picture: `import` of ImageMagick is not there");
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.server.kill().expect("our own child");
        self.server.wait().expect("our own child");
    }
}

/// One running `y7ke` with its window.
struct Person<'a> {
    screen: &'a Screen,
    process: Option<Child>,
    window: String,
    pid: String,
}

impl Drop for Person<'_> {
    /// A test that failed leaves nobody behind.
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("our own child");
            process.wait().expect("our own child");
        }
    }
}

fn y7ke(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_y7ke"));
    command.arg("--data-dir").arg(folder).args(["--no-mdns", "--mode", "lan", "--listen", "/ip4/127.0.0.1/tcp/0"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).env_remove("WAYLAND_DISPLAY");
    command
}

impl<'a> Person<'a> {
    fn show(screen: &'a Screen, command: Command, x: &str) -> Self {
        let person = Self::appear(screen, command);
        screen.xdotool(&["windowmove", &person.window, x, "0"]);
        person
    }

    /// Starts, and leaves the window where it opens.
    fn appear(screen: &'a Screen, mut command: Command) -> Self {
        let process = command.env("DISPLAY", &screen.name).spawn().expect("the desktop is built");
        let pid = process.id().to_string();
        let found = screen.search(&["--sync", "--onlyvisible", "--pid", &pid]);
        let window = String::from_utf8_lossy(&found.stdout).lines().next().expect("one window").to_owned();
        Self { screen, process: Some(process), window, pid }
    }

    fn focus(&self) -> &Self {
        self.screen.xdotool(&["windowfocus", "--sync", &self.window]);
        self
    }

    fn write(&self, text: &str) -> &Self {
        self.screen.xdotool(&["type", "--delay", "15", text]);
        self
    }

    fn keys(&self, keys: &[&str]) -> &Self {
        self.screen.xdotool(&[&["key", "--delay", "30"], keys].concat());
        self
    }

    fn is_seen(&self) -> bool {
        self.screen.search(&["--onlyvisible", "--pid", &self.pid]).status.success()
    }

    /// `x y width height` of the window.
    fn geometry(&self) -> String {
        let said = self.screen.xdotool(&["getwindowgeometry", "--shell", &self.window]);
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let of = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        [of("X="), of("Y="), of("WIDTH="), of("HEIGHT=")].join(" ")
    }

    /// Its pixels, red, green, blue; `None` where nothing takes pictures.
    fn pixels(&self) -> Option<Vec<u8>> {
        if !there("import") {
            eprintln!("no picture is looked at: `import` of ImageMagick is not there");
            return None;
        }
        let mut command = Command::new("import");
        command.args(["-window", &self.window, "-depth", "8", "rgb:-"]).env("DISPLAY", &self.screen.name);
        Some(command.output().expect("import is there").stdout)
    }

    /// The colours in the picture of the window.
    fn colours(&self) -> Option<usize> {
        Some(self.pixels()?.chunks_exact(3).collect::<BTreeSet<_>>().len())
    }

    /// Whether most of the window is dark.
    fn is_dark(&self) -> Option<bool> {
        let pixels = self.pixels()?;
        Some(pixels.iter().filter(|part| **part < 128).count() * 2 > pixels.len())
    }

    /// Waits until the title says that so many things wait for the person.
    fn until_waiting(&self, count: usize) -> &Self {
        let title = if count == 0 { "^y7ke$".to_owned() } else { format!(r"^\({count}\) y7ke$") };
        let told = self.screen.search(&["--sync", "--all", "--onlyvisible", "--pid", &self.pid, "--name", &title]);
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        self
    }

    fn close(mut self) {
        self.focus().keys(&["ctrl+q"]);
        let mut process = self.process.take().expect("closed once");
        let (tell, told) = channel();
        std::thread::spawn(move || tell.send(process.wait()));
        let status = told.recv_timeout(Duration::from_secs(60)).expect("the program ends").expect("our own child");
        assert!(status.success(), "{status}");
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("our own folder");
    }
    folder
}

/// What a folder holds once nobody has it open: the one contact's state and the texts, oldest first.
fn read(folder: &Path) -> (ContactState, Vec<(bool, String)>) {
    let (node, _notices) = Node::start(quiet(folder, Config::default())).expect("the folder is free again");
    let Ok(Answer::Contacts(contacts)) = node.call_blocking(Ask::ContactList) else { panic!("contacts are listed") };
    let contact = contacts.first().cloned().expect("one contact");
    let of = Conversation::Person(contact.y7_id.clone());
    let listed = node.call_blocking(Ask::MessageList { of, before: None, limit: 500 });
    let Ok(Answer::Messages { messages, .. }) = listed else { panic!("messages are listed: {listed:?}") };
    node.shutdown();
    let said = |message: MessageView| (message.mine, message.text);
    (contact.state, messages.into_iter().map(said).collect())
}

#[test]
fn two_windows_become_acquainted_and_talk() {
    if let Some(buses) = Bus::start().zip(Bus::start()) {
        become_acquainted_and_talk("", &buses);
    }
}

/// The same with everything that happens told to a reader.
#[test]
fn g4_two_windows_talk_while_screen_readers_listen() {
    let Some(buses) = Bus::start().zip(Bus::start()) else { return };
    if let (Some(_ada), Some(_bob)) = (Reader::on(&buses.0), Reader::on(&buses.1)) {
        become_acquainted_and_talk("-read", &buses);
    }
}

/// Two people, each on a desktop of their own.
fn become_acquainted_and_talk(mark: &str, (ada_bus, bob_bus): &(Bus, Bus)) {
    let Some(screen) = Screen::start() else { return };
    let (ada_folder, bob_folder) = (folder(&format!("ada{mark}")), folder(&format!("bob{mark}")));
    let (ada_notes, bob_notes) = (NoteServer::on(ada_bus, true), NoteServer::on(bob_bus, true));
    let ada = Person::show(&screen, on_bus(y7ke(&ada_folder), ada_bus), "0");
    let bob = Person::show(&screen, on_bus(y7ke(&bob_folder), bob_bus), "1050");

    // First start: a name, and the caret is in its field.
    bob.focus().write("Bob").keys(&["Return"]);
    ada.focus().write("Ada").keys(&["Return"]);
    // Ada copies her link: paste, read, greeting, copy is the order of Tab while nothing can be sent.
    ada.keys(&["ctrl+n", "Tab", "Tab", "Tab", "Tab", "Return"]);
    bob.focus().keys(&["ctrl+n", "ctrl+v", "Tab", "Tab", "Tab"]).write("it is Bob").keys(&["Tab", "Return"]);

    let (_, title, words) = noted(&ada_notes);
    assert_eq!((title.as_str(), words.as_str()), ("Bob asks to talk to you", "it is Bob"));

    // The request is there; Escape leaves the form, Tab walks to the card above the list.
    ada.focus().until_waiting(1);
    screen.picture("window-request");
    ada.keys(&["Escape", "Tab", "Tab", "Tab", "Return"]);
    // In the pane: past the list's buttons to Back, then Accept.
    ada.keys(&["Tab", "Tab", "Tab", "Tab", "Tab", "Tab", "Tab", "Tab", "Tab", "Tab", "Return"]);
    ada.until_waiting(0).write("hello Bob").keys(&["Return"]);

    // Bob's window is not active, so it counts; looking at it reads it.
    bob.until_waiting(1);
    screen.picture("window-unread");
    let (note, title, words) = noted(&bob_notes);
    assert_eq!((title.as_str(), words.as_str()), ("Ada", "hello Bob"));
    bob_notes.press(note, "default");
    bob.focus().until_waiting(0).write("hello Ada").keys(&["shift+Return"]).write("how are you").keys(&["Return"]);
    ada.until_waiting(1);
    ada.focus().until_waiting(0);
    screen.picture("window-talk");
    assert_eq!(bob_notes.hear(), Heard::Close(note), "what is read is not said any longer");

    ada.close();
    bob.close();
    let talk = [(true, "hello Bob"), (false, "hello Ada\nhow are you")].map(|(mine, text)| (mine, text.to_owned()));
    assert_eq!(read(&ada_folder), (ContactState::Accepted, talk.to_vec()));
    let other_side: Vec<_> = talk.iter().map(|(mine, text)| (!mine, text.clone())).collect();
    assert_eq!(read(&bob_folder), (ContactState::Accepted, other_side));
    for folder in [ada_folder, bob_folder] {
        std::fs::remove_dir_all(folder).expect("our own folder");
    }
}

/// The next notification: its number, title and words.
fn noted(server: &NoteServer) -> (u32, String, String) {
    loop {
        if let Heard::Notify { id, title, words, .. } = server.hear() {
            return (id, title, words);
        }
    }
}

fn on_bus(mut command: Command, bus: &Bus) -> Command {
    command.env("DBUS_SESSION_BUS_ADDRESS", &bus.address);
    command
}

/// Asks again until it is so; each question costs a process or a packet, which is pause enough.
#[allow(clippy::disallowed_methods, reason = "tests over real processes wait in real time")]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} within a minute");
        std::thread::yield_now();
    }
}

/// A node that keeps to this machine.
fn quiet(folder: &Path, config: Config) -> Config {
    let listen = vec!["/ip4/127.0.0.1/tcp/0".parse().expect("an address")];
    Config { data_dir: folder.into(), listen: Some(listen), bootstrap: Some(Vec::new()), ..config }
}

/// Settings that were made before.
fn prepare(folder: &Path, config: Config, patch: SettingsPatch) {
    let (node, _notices) = Node::start(quiet(folder, config)).expect("a fresh folder");
    node.call_blocking(Ask::SettingsSet(patch)).expect("settings are kept");
    node.shutdown();
}

#[test]
fn a3_a_second_start_raises_the_window_of_the_first() {
    let Some(screen) = Screen::start() else { return };
    let Some(bus) = Bus::start() else { return };
    let tray = TrayHost::on(&bus);
    let folder = folder("twice");
    prepare(&folder, Config::default(), SettingsPatch { close_to_tray: Some(true), ..SettingsPatch::default() });
    let first = Person::appear(&screen, on_bus(y7ke(&folder), &bus));
    let icon = tray.icon();
    assert_eq!(icon.words(), "y7ke");

    // Closed to the tray, it lives on and holds the folder.
    first.focus().keys(&["ctrl+w"]);
    until("the window goes", || !first.is_seen());
    let other = Config { data_dir: folder.clone(), ..Config::default() };
    assert_eq!(Node::start(other).err().map(|fault| fault.exit_code()), Some(3));
    icon.press();
    until("the tray brings it back", || first.is_seen());

    first.focus().keys(&["ctrl+w"]);
    until("the window goes", || !first.is_seen());
    let second = y7ke(&folder).env("DISPLAY", &screen.name).stderr(Stdio::piped()).output().expect("it is built");
    assert_eq!(second.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&second.stderr), "y7ke: it is open already; its window was brought forward\n");
    until("the second start brings it back", || first.is_seen());
    first.close();
    assert!(!folder.join("window").exists());
    std::fs::remove_dir_all(folder).expect("our own folder");
}

#[test]
fn g7_the_window_comes_back_where_and_as_it_was() {
    let Some(screen) = Screen::start() else { return };
    let folder = folder("place");
    let first = Person::appear(&screen, y7ke(&folder));
    first.focus().keys(&["Return"]);
    screen.xdotool(&["windowsize", "--sync", &first.window, "930", "610"]);
    screen.xdotool(&["windowmove", "--sync", &first.window, "240", "33"]);
    until("it lies there", || first.geometry() == "240 33 930 610");
    first.close();
    let second = Person::appear(&screen, y7ke(&folder));
    assert_eq!(second.geometry(), "240 33 930 610");
    second.close();
    std::fs::remove_dir_all(folder).expect("our own folder");
}

#[test]
fn g2_the_window_looks_as_the_desktop_does() {
    let Some(screen) = Screen::start() else { return };
    let Some(bus) = Bus::start() else { return };
    let portal = Portal::on(&bus, Look::Dark);
    let folder = folder("look");
    let person = Person::appear(&screen, on_bus(y7ke(&folder), &bus));
    if person.is_dark().is_some() {
        until("it opens dark", || person.is_dark() == Some(true));
        portal.turn(Look::Light);
        until("it is light", || person.is_dark() == Some(false));
        portal.turn(Look::Dark);
        until("it is dark again", || person.is_dark() == Some(true));
        screen.picture("window-dark");
    }
    person.close();
    std::fs::remove_dir_all(folder).expect("our own folder");
}

/// What a reader would say of something without a name: nothing.
fn nameless(reader: &Reader) -> Vec<String> {
    let spoken = [Role::Label, Role::Button, Role::CheckBox, Role::Entry];
    let is_mute = |element: &Element<'_>| {
        element.name.trim().is_empty() && spoken.iter().any(|role| *role as u32 == element.role)
    };
    let walked = reader.walk();
    let after = |n: usize| walked[..n].iter().rev().find(|element| !element.name.is_empty());
    let mute = walked.iter().enumerate().filter(|(_, element)| is_mute(element));
    mute.map(|(n, mute)| format!("{} after {:?}", mute.role, after(n).map(|element| &element.name))).collect()
}

#[test]
fn g4_a_screen_reader_reads_the_window_and_presses_what_is_there() {
    let Some(screen) = Screen::start() else { return };
    let Some(bus) = Bus::start() else { return };
    let Some(reader) = Reader::on(&bus) else { return };
    let folder = folder("read");
    let person = Person::appear(&screen, on_bus(y7ke(&folder), &bus));
    until("the window is on its bus", || reader.find(Role::Window, "y7ke").is_some());
    until("the first screen is read", || reader.find(Role::Entry, "Your name").is_some());
    assert_eq!(nameless(&reader), Vec::<String>::new(), "on the first screen");
    person.focus().write("Ada").keys(&["Return"]);
    // Whatever is pressed leads to words of its own, and nothing there is without a name.
    for (button, words) in [
        ("Add contact", "Add contact"),
        ("Requests", "No requests"),
        ("My id", "y7: "),
        ("Keyboard shortcuts", "Everywhere"),
        ("About", "Free software"),
        ("Settings", "Theme"),
    ] {
        until(button, || reader.find(Role::Button, button).is_some());
        reader.find(Role::Button, button).expect("it was there").press();
        let is_read = |element: &Element<'_>| element.name.starts_with(words) && element.role != Role::Button as u32;
        until(words, || reader.walk().iter().any(is_read));
        assert_eq!(nameless(&reader), Vec::<String>::new(), "{button}");
    }
    person.close();
    std::fs::remove_dir_all(folder).expect("our own folder");
}

/// Somebody's id and, as they see them, the codes of it and of their safety number with whoever lives in `folder`.
fn codes_of_bob(folder: &Path) -> (String, String) {
    let bob = self::folder("bob-codes");
    prepare(&bob, Config::default(), SettingsPatch::default());
    let (node, _notices) = Node::start(quiet(&bob, Config::default())).expect("the folder is free again");
    let Ok(Answer::NodeInfo(info)) = node.call_blocking(Ask::NodeInfo) else { panic!("somebody") };
    node.shutdown();
    std::fs::remove_dir_all(bob).expect("our own folder");
    let (node, _notices) = Node::start(quiet(folder, Config::default())).expect("the folder is free again");
    let asked = node.call_blocking(Ask::ContactSafetyNumber { y7_id: info.y7_id.clone() });
    let Ok(Answer::SafetyNumber { code, .. }) = asked else { panic!("a number") };
    node.shutdown();
    let (mine, theirs) = code.split_at(30);
    (info.y7_id, [theirs, mine].concat())
}

/// A code as a PNG file.
fn picture_of(text: &str, file: &Path) {
    let code = qrcode::QrCode::new(text).expect("it fits");
    let (side, dark) = (code.width() + 8, code.to_colors());
    let module = |n: u32| (n as usize / 5).checked_sub(4).filter(|n| *n < code.width());
    let side = u32::try_from(side * 5).expect("it is small");
    let picture = image::GrayImage::from_fn(side, side, |x, y| match (module(x), module(y)) {
        (Some(x), Some(y)) if dark[y * code.width() + x] == qrcode::Color::Dark => image::Luma([0]),
        _ => image::Luma([255]),
    });
    picture.save(file).expect("our own folder");
}

/// Presses what has this name, once it is there.
fn press(reader: &Reader, name: &str) {
    until(name, || reader.find(Role::Button, name).is_some());
    reader.find(Role::Button, name).expect("it is there").press();
}

fn until_read(reader: &Reader, words: &str) {
    let is_read = |element: &Element<'_>| element.name.contains(words) && element.role != Role::Button as u32;
    until(words, || reader.walk().iter().any(is_read));
}

/// A2 by the camera; B8 from a file and from the clipboard. What looks is the real program, and every code is a picture.
#[test]
fn b8_somebody_is_added_and_compared_by_the_codes_on_their_screen() {
    let (Some(screen), Some(bus)) = (Screen::start(), Bus::start()) else { return };
    let Some(reader) = Reader::on(&bus) else { return };
    let folder = folder("codes");
    prepare(&folder, Config::default(), SettingsPatch { name: Some("Ada".into()), ..SettingsPatch::default() });
    let (bob, number) = codes_of_bob(&folder);
    let Some(cameras) = lens::Cameras::plug([(0, lens::Device::showing(&bob))]) else { return };
    let (own, theirs) = (folder.join("own.png"), folder.join("theirs.png"));
    picture_of(&[&number[30..], &number[..30]].concat(), &own);
    picture_of(&number, &theirs);
    let portal = Portal::on(&bus, Look::Light);
    let mut command = on_bus(y7ke(&folder), &bus);
    command.env("Y7KE_CAMERA", cameras.path(0));
    let person = Person::show(&screen, command, "0");

    person.focus().keys(&["ctrl+n"]);
    press(&reader, "Read their code");
    press(&reader, "Read it with the camera");
    until_read(&reader, "What the camera sees");
    screen.picture("window-camera");
    cameras.until(0, "the camera is closed once it has read the code", |seen| !seen.streaming && seen.open == 0);
    press(&reader, "Send request");
    until_read(&reader, "Your request is kept");
    let about = || reader.walk().into_iter().find(|element| element.name.starts_with("About "));
    until("their conversation", || about().is_some());
    about().expect("it is there").press();
    until_read(&reader, "Safety number");
    // Its page is higher than the window.
    person.focus().keys(&["Next", "Next"]);

    portal.chooses(&own);
    press(&reader, "Read their code");
    press(&reader, "Choose a picture of it");
    until_read(&reader, "This is your own code");
    screen.picture("window-own-code");
    if paste(&screen, &theirs) {
        press(&reader, "Paste a picture of it");
    } else {
        portal.chooses(&theirs);
        press(&reader, "Choose a picture of it");
    }
    until_read(&reader, "All digits are the same.");
    press(&reader, "They match");
    until_read(&reader, "is verified");
    screen.picture("window-compared");
    person.close();
    std::fs::remove_dir_all(folder).expect("our own folder");
}

/// Puts a picture on the clipboard of this screen; says so where nothing does that.
fn paste(screen: &Screen, file: &Path) -> bool {
    let held = Command::new("xclip")
        .args(["-selection", "clipboard", "-t", "image/png", "-i"])
        .arg(file)
        .env("DISPLAY", &screen.name)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let held = held.is_ok_and(|status| status.success());
    if !held {
        eprintln!("not pasted: xclip is not installed, so there is nothing to hold a picture");
    }
    held
}

/// B8: what looks into a picture is a process of its own. A picture that would keep it busy for ever ends it alone.
#[test]
fn b8_a_picture_is_looked_at_by_a_process_that_ends() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/corpora/picture");
    let good = std::fs::read(corpus.join("number.jpg")).expect("it is kept");
    let number = "012345678901234567890123456789901234567801234567892345678901";
    for (picture, code, answer) in [
        (good, Some(0), format!("[\"{number}\"]")),
        (b"P5\n8 8\n255\n\0".to_vec(), Some(3), String::new()),
        (b"hello".to_vec(), Some(3), String::new()),
        (b"P5\n20000 20000\n255\n".to_vec(), Some(4), String::new()),
        (corners(), Some(1), String::new()),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_y7ke"));
        command.args(["--read-code", "picture"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the desktop is built");
        child.stdin.take().expect("piped").write_all(&picture).expect("it reads all of it first");
        let output = child.wait_with_output().expect("our own child");
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()), (code, answer));
    }
}

/// A wall of the corners that codes have: any three of them might be one.
fn corners() -> Vec<u8> {
    let dark = |x: usize, y: usize| {
        let ring = (x % 9).abs_diff(3).max((y % 9).abs_diff(3));
        ring != 2 && ring < 4
    };
    let mut picture = b"P5\n900 900\n255\n".to_vec();
    picture.extend((0..900 * 900).map(|at| if dark(at % 900, at / 900) { 0 } else { 255 }));
    picture
}

#[test]
fn a4_a_locked_profile_opens_by_its_passphrase_and_locks_again() {
    let Some(screen) = Screen::start() else { return };
    let Some(bus) = Bus::start() else { return };
    // Where there can be one, a reader is told of each screen that comes and goes.
    let _reader = Reader::on(&bus);
    let folder = folder("locked");
    let passphrase = Some(Passphrase::new("correct horse"));
    prepare(&folder, Config { passphrase, ..Config::default() }, SettingsPatch::default());
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr()).expect("a free port").port();
    let listens = || TcpStream::connect(("127.0.0.1", port)).is_ok();
    let mut command = Command::new(env!("CARGO_BIN_EXE_y7ke"));
    command.arg("--data-dir").arg(&folder).args(["--no-mdns", "--mode", "lan"]);
    command.args(["--listen", &format!("/ip4/127.0.0.1/tcp/{port}")]).env_remove("WAYLAND_DISPLAY");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let person = Person::appear(&screen, on_bus(command, &bus));
    assert!(!listens());
    screen.picture("window-locked");
    let second = y7ke(&folder).env("DISPLAY", &screen.name).output().expect("it is built");
    assert_eq!(second.status.code(), Some(0), "a locked one is raised as well");
    person.focus().write("correct horse").keys(&["Return"]);
    until("it opens", listens);
    screen.picture("window-unlocked");
    // The window learns of it a moment after the port is open: a key that comes too early finds nothing to lock.
    until("it is locked", || {
        person.keys(&["ctrl+l"]);
        !listens()
    });
    screen.picture("window-locked-again");
    person.close();
    std::fs::remove_dir_all(folder).expect("our own folder");
}

#[test]
fn gl_never_leaves_the_window_blank() {
    let Some(screen) = Screen::start() else { return };
    let folder = folder("gl");
    let cache = folder.join("cache");
    // As it is here, twice as it is where no GL driver is found: tried out, then remembered.
    for driver in [None, Some("/nowhere"), Some("/nowhere")] {
        let mut command = y7ke(&folder.join("data"));
        command.args(["--renderer", "gl"]).env("XDG_CACHE_HOME", cache.join(driver.map_or("here", |_| "without")));
        if let Some(nowhere) = driver {
            command.env("LIBGL_DRIVERS_PATH", nowhere).env("__EGL_VENDOR_LIBRARY_DIRS", nowhere);
            command.env("__EGL_VENDOR_LIBRARY_FILENAMES", nowhere).env("LIBGL_ALWAYS_SOFTWARE", "false");
        }
        let person = Person::appear(&screen, command);
        screen.picture("window-gl");
        if person.colours().is_some() {
            until("something is drawn", || person.colours() > Some(1));
        }
        person.close();
    }
    assert!(cache.join("without/y7ke/gl").exists());
    std::fs::remove_dir_all(folder).expect("our own folder");
}

#[test]
fn text_is_readable_where_no_font_is_installed() {
    let Some(screen) = Screen::start() else { return };
    let (folder, fontless) = (folder("fontless"), folder("fonts"));
    std::fs::create_dir_all(&fontless).expect("our own folder");
    let none = "<?xml version=\"1.0\"?><!DOCTYPE fontconfig SYSTEM \"fonts.dtd\"><fontconfig></fontconfig>";
    std::fs::write(fontless.join("fonts.conf"), none).expect("our own folder");
    let mut command = y7ke(&folder);
    command.env("FONTCONFIG_FILE", fontless.join("fonts.conf")).env("TMPDIR", &fontless);
    let person = Person::show(&screen, command, "0");
    person.focus().write("Ada").keys(&["Return"]);
    screen.picture("window-fontless");
    person.close();
    let left: Vec<_> = std::fs::read_dir(&fontless).expect("our own folder").filter_map(Result::ok).collect();
    assert_eq!(left.len(), 1, "the lent fonts are gone: {left:?}");
    [folder, fontless].iter().for_each(|folder| std::fs::remove_dir_all(folder).expect("our own folder"));
}

#[test]
fn without_a_display_it_says_so_and_is_a_console() {
    for display in [None, Some(":9999")] {
        let folder = folder("blind");
        let mut command = y7ke(&folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).env_remove("DISPLAY");
        display.into_iter().for_each(|name| {
            command.env("DISPLAY", name);
        });
        let mut child = command.spawn().expect("the desktop is built");
        drop(child.stdin.take());
        let (mut said, mut shown) = (String::new(), String::new());
        child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        child.stdout.take().expect("piped").read_to_string(&mut shown).expect("text");
        assert!(child.wait().expect("our own child").success());
        let first = said.lines().next().unwrap_or_default();
        assert!(first.starts_with("y7ke: no window can be opened here"), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        assert!(shown.contains("y7:"), "{shown}");
        std::fs::remove_dir_all(folder).expect("our own folder");
    }
}
