//! A session bus of our own with a notification server, a tray and the desktop's settings on it, all written down here.

#![allow(clippy::disallowed_types, reason = "what zbus makes of an interface looks properties up in a HashMap")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use futures::executor::block_on;
use tempfile::TempDir;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};
use zbus::{Connection, connection, interface};

/// Longest wait for any one fact.
const PATIENCE: Duration = Duration::from_secs(60);

/// A bus; ends with the test.
pub(crate) struct Bus {
    daemon: Child,
    pub(crate) address: String,
    /// Where services that it starts have their sockets.
    _run: TempDir,
}

impl Bus {
    /// `None`, in words, where there is no `dbus-daemon`.
    pub(crate) fn start() -> Option<Self> {
        let run = TempDir::new().expect("a folder of our own");
        let command = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--print-address=1"])
            .env("XDG_RUNTIME_DIR", run.path())
            // What is switched on here stays switched off on the desktop of whoever runs the tests.
            .env("GSETTINGS_BACKEND", "memory")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut daemon) = command else {
            eprintln!("skipped: dbus-daemon is not installed, so there is no bus to speak on");
            return None;
        };
        let mut address = String::new();
        BufReader::new(daemon.stdout.as_mut().expect("piped")).read_line(&mut address).expect("an address");
        Some(Self { daemon, address: address.trim().to_owned(), _run: run })
    }

    /// Somebody on it without a name.
    pub(crate) fn guest(&self) -> Connection {
        join_at(&self.address)
    }

    fn join(&self, name: &str, serve: impl FnOnce(connection::Builder<'_>) -> connection::Builder<'_>) -> Connection {
        let builder = connection::Builder::address(self.address.as_str()).expect("an address");
        let builder = serve(builder.name(name.to_owned()).expect("a name"));
        block_on(builder.build()).expect("the bus takes us")
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.daemon.kill().expect("our own child");
        self.daemon.wait().expect("our own child");
    }
}

/// A connection to the bus at `address`.
pub(crate) fn join_at(address: &str) -> Connection {
    block_on(connection::Builder::address(address).expect("an address").build()).expect("the bus takes us")
}

/// What the notification server was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Notify { id: u32, replaces: u32, title: String, words: String, actions: Vec<String> },
    Close(u32),
}

struct Notifications {
    heard: Mutex<Sender<Heard>>,
    last: u32,
    markup: bool,
}

#[interface(name = "org.freedesktop.Notifications")]
impl Notifications {
    fn get_capabilities(&self) -> Vec<String> {
        let able = if self.markup { "actions body body-markup" } else { "actions body" };
        able.split(' ').map(str::to_owned).collect()
    }

    #[expect(clippy::too_many_arguments, reason = "the specification's")]
    fn notify(
        &mut self,
        _app_name: String,
        replaces_id: u32,
        _app_icon: String,
        summary: String,
        body: String,
        actions: Vec<String>,
        _hints: BTreeMap<String, OwnedValue>,
        _expire_timeout: i32,
    ) -> u32 {
        if replaces_id == 0 {
            self.last += 1;
        }
        let id = if replaces_id == 0 { self.last } else { replaces_id };
        self.tell(Heard::Notify { id, replaces: replaces_id, title: summary, words: body, actions });
        id
    }

    fn close_notification(&self, id: u32) {
        self.tell(Heard::Close(id));
    }

    #[zbus(signal)]
    async fn action_invoked(emitter: &SignalEmitter<'_>, id: u32, action_key: &str) -> zbus::Result<()>;
}

impl Notifications {
    fn tell(&self, heard: Heard) {
        self.heard.lock().expect("nobody panics with it").send(heard).expect("the test listens");
    }
}

/// The server that shows notifications.
pub(crate) struct NoteServer {
    connection: Connection,
    heard: Receiver<Heard>,
}

const NOTES: &str = "/org/freedesktop/Notifications";

impl NoteServer {
    pub(crate) fn on(bus: &Bus, markup: bool) -> Self {
        let (tell, heard) = channel();
        let server = Notifications { heard: Mutex::new(tell), last: 0, markup };
        let connection =
            bus.join("org.freedesktop.Notifications", |builder| builder.serve_at(NOTES, server).expect("a path"));
        Self { connection, heard }
    }

    /// The next thing that is asked for.
    pub(crate) fn hear(&self) -> Heard {
        self.heard.recv_timeout(PATIENCE).expect("the notification server is asked")
    }

    pub(crate) fn hears_nothing_more(&self) -> bool {
        self.heard.try_recv().is_err()
    }

    /// Somebody presses a notification.
    pub(crate) fn press(&self, id: u32, action: &str) {
        let emitter = SignalEmitter::new(&self.connection, NOTES).expect("a path");
        block_on(Notifications::action_invoked(&emitter, id, action)).expect("a signal");
    }
}

struct Watcher {
    came: Mutex<Sender<String>>,
}

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, service: String) {
        self.came.lock().expect("nobody panics with it").send(service).expect("the test listens");
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(signal)]
    async fn status_notifier_host_registered(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}

/// A panel with a tray.
pub(crate) struct TrayHost {
    connection: Connection,
    came: Receiver<String>,
}

/// An icon in the tray.
pub(crate) struct TrayIcon<'a> {
    host: &'a TrayHost,
    service: String,
}

impl TrayHost {
    pub(crate) fn on(bus: &Bus) -> Self {
        let (tell, came) = channel();
        let watcher = Watcher { came: Mutex::new(tell) };
        let connection = bus.join("org.kde.StatusNotifierWatcher", |builder| {
            builder.serve_at("/StatusNotifierWatcher", watcher).expect("a path")
        });
        Self { connection, came }
    }

    pub(crate) fn icon(&self) -> TrayIcon<'_> {
        let service = self.came.recv_timeout(PATIENCE).expect("an icon comes");
        TrayIcon { host: self, service }
    }
}

impl TrayIcon<'_> {
    fn proxy(&self) -> zbus::Proxy<'_> {
        let interface = "org.kde.StatusNotifierItem";
        block_on(zbus::Proxy::new(&self.host.connection, self.service.as_str(), "/StatusNotifierItem", interface))
            .expect("the icon is on the bus")
    }

    /// The tooltip's title.
    pub(crate) fn words(&self) -> String {
        type ToolTip = (String, Vec<(i32, i32, Vec<u8>)>, String, String);
        let tip: ToolTip = block_on(self.proxy().get_property("ToolTip")).expect("a tooltip");
        tip.2
    }

    pub(crate) fn press(&self) {
        block_on(self.proxy().call_method("Activate", &(0_i32, 0_i32))).expect("the icon is pressed");
    }
}

/// What the desktop says of how it looks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look {
    Dark = 1,
    Light = 2,
}

struct Settings {
    look: Mutex<Look>,
}

const APPEARANCE: (&str, &str) = ("org.freedesktop.appearance", "color-scheme");

#[interface(name = "org.freedesktop.portal.Settings")]
impl Settings {
    fn read_one(&self, namespace: &str, key: &str) -> zbus::fdo::Result<OwnedValue> {
        if (namespace, key) != APPEARANCE {
            return Err(zbus::fdo::Error::Failed("there is no such setting".into()));
        }
        Ok(OwnedValue::from(*self.look.lock().expect("nobody panics with it") as u32))
    }

    #[zbus(signal)]
    async fn setting_changed(
        emitter: &SignalEmitter<'_>,
        namespace: &str,
        key: &str,
        value: OwnedValue,
    ) -> zbus::Result<()>;
}

/// The portal that tells programs how the desktop looks.
pub(crate) struct Portal {
    connection: Connection,
}

const PORTAL: &str = "/org/freedesktop/portal/desktop";

impl Portal {
    pub(crate) fn on(bus: &Bus, look: Look) -> Self {
        let settings = Settings { look: Mutex::new(look) };
        let connection =
            bus.join("org.freedesktop.portal.Desktop", |builder| builder.serve_at(PORTAL, settings).expect("a path"));
        Self { connection }
    }

    /// From now on whoever asks for a file gets this one chosen.
    pub(crate) fn chooses(&self, file: &Path) -> &Self {
        let files = vec![format!("file://{}", file.display())];
        block_on(self.connection.object_server().at(PORTAL, FileChooser { files })).expect("a path");
        self
    }

    /// The person turns the whole desktop to it.
    pub(crate) fn turn(&self, look: Look) {
        let emitter = SignalEmitter::new(&self.connection, PORTAL).expect("a path");
        let told = Settings::setting_changed(&emitter, APPEARANCE.0, APPEARANCE.1, OwnedValue::from(look as u32));
        block_on(told).expect("a signal");
    }
}

/// The dialog for files: this one is chosen, whatever is asked for.
struct FileChooser {
    files: Vec<String>,
}

#[interface(name = "org.freedesktop.portal.FileChooser")]
impl FileChooser {
    async fn open_file(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        _parent: String,
        _title: String,
        options: BTreeMap<String, OwnedValue>,
    ) -> zbus::fdo::Result<OwnedObjectPath> {
        let sender = header.sender().expect("whoever asks has a name").to_owned();
        let token = <&str>::try_from(&options["handle_token"]).expect("a token").to_owned();
        let name = sender.as_str().trim_start_matches(':').replace('.', "_");
        let request = OwnedObjectPath::try_from(format!("{PORTAL}/request/{name}/{token}")).expect("a path");
        let results = BTreeMap::from([("uris", Value::from(self.files.clone()))]);
        let interface = "org.freedesktop.portal.Request";
        connection.emit_signal(Some(sender), &request, interface, "Response", &(0_u32, results)).await?;
        Ok(request)
    }

    #[zbus(property, name = "version")]
    fn version(&self) -> u32 {
        4
    }
}
