//! Notifications by the freedesktop specification, over the session bus.
//!
//! * `replaces_id` keeps one for each [`About`]; several that wait for the bus become the newest one.
//! * Words are plain: where the server reads markup, they are escaped.
//! * A server that is not there is told once; when it answers again, the next failure is told again.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::stream::{self, StreamExt};
use zbus::zvariant::Value;
use zbus::{Connection, connection, proxy};

use super::Sink;
use crate::model::desk::{Act, Fact, Input};
use crate::model::notify::{About, Note};

/// How long the end of the program waits for the server to take back what was said.
const PATIENCE: Duration = Duration::from_millis(500);

/// What pressing the notification itself is called.
const PRESSED: &str = "default";

#[proxy(
    interface = "org.freedesktop.Notifications",
    default_service = "org.freedesktop.Notifications",
    default_path = "/org/freedesktop/Notifications",
    gen_blocking = false
)]
trait Notifications {
    fn get_capabilities(&self) -> zbus::Result<Vec<String>>;
    #[expect(clippy::too_many_arguments, reason = "the specification's")]
    fn notify(
        &self,
        app_name: &str,
        replaces_id: u32,
        app_icon: &str,
        summary: &str,
        body: &str,
        actions: &[&str],
        hints: BTreeMap<&str, Value<'_>>,
        expire_timeout: i32,
    ) -> zbus::Result<u32>;
    fn close_notification(&self, id: u32) -> zbus::Result<()>;
    #[zbus(signal)]
    fn action_invoked(&self, id: u32, action_key: &str) -> zbus::Result<()>;
    #[zbus(signal)]
    fn notification_closed(&self, id: u32, reason: u32) -> zbus::Result<()>;
}

enum Wish {
    Show(Note),
    Withdraw(About),
}

/// The thread that talks to the notification server; ends with this value.
pub(super) struct Notes {
    wishes: Option<UnboundedSender<Wish>>,
    /// Closed when the thread is through.
    over: Receiver<()>,
}

impl Notes {
    pub(super) fn start(bus: Option<String>, sink: Sink) -> Self {
        let ((wishes, wished), (alive, over)) = (unbounded(), channel::<()>());
        let told = sink.clone();
        let started = thread::Builder::new().name("y7ke-notes".into()).spawn(move || {
            let _alive = alive;
            if let Err(why) = futures::executor::block_on(serve(bus, wished, &sink)) {
                missing(&sink, &why);
            }
        });
        if let Err(why) = started {
            told(Input::Found(Fact::Notes(format!("Notifications do not work: {why}."))));
        }
        Self { wishes: Some(wishes), over }
    }

    pub(super) fn show(&self, note: Note) {
        self.wish(Wish::Show(note));
    }

    pub(super) fn withdraw(&self, about: About) {
        self.wish(Wish::Withdraw(about));
    }

    fn wish(&self, wish: Wish) {
        let sent = self.wishes.as_ref().map(|wishes| wishes.unbounded_send(wish));
        if sent.is_some_and(|sent| sent.is_err()) {
            tracing::debug!("there is no bus for a notification");
        }
    }
}

impl Drop for Notes {
    /// What was said is taken back before the program ends, unless the server hangs.
    fn drop(&mut self) {
        drop(self.wishes.take());
        if self.over.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            tracing::debug!("notifications may be left: their server does not answer");
        }
    }
}

fn missing(sink: &Sink, why: &zbus::Error) {
    tracing::info!("notifications are not shown: {why}");
    let words = "Notifications are not shown: this desktop has no service for them.";
    sink(Input::Found(Fact::Notes(words.into())));
}

enum Event {
    Wished(Wish),
    Pressed(u32),
    Closed(u32),
    Over,
}

async fn serve(bus: Option<String>, wished: UnboundedReceiver<Wish>, sink: &Sink) -> zbus::Result<()> {
    let bus = match bus {
        Some(address) => connection::Builder::address(address.as_str())?.build().await?,
        None => Connection::session().await?,
    };
    let proxy = NotificationsProxy::new(&bus).await?;
    let pressed = proxy.receive_action_invoked().await?.filter_map(|signal| async move {
        let args = signal.args().ok()?;
        (args.action_key == PRESSED).then_some(Event::Pressed(args.id))
    });
    let closed = proxy.receive_notification_closed().await?;
    let closed = closed.filter_map(|signal| async move { Some(Event::Closed(signal.args().ok()?.id)) });
    let wished = wished.map(Event::Wished).chain(stream::once(async { Event::Over }));
    let events = stream::select(wished, stream::select(Box::pin(pressed), Box::pin(closed)));
    let mut shown = Shown { proxy: &proxy, sink, markup: None, ids: BTreeMap::new(), silent: false };
    shown.look().await;
    let mut events = Box::pin(events.ready_chunks(64));
    while let Some(some) = events.next().await {
        if shown.take(some).await.is_break() {
            break;
        }
    }
    shown.withdraw_all().await;
    Ok(())
}

struct Shown<'a> {
    proxy: &'a NotificationsProxy<'a>,
    sink: &'a Sink,
    /// Whether the server reads markup; `None` until it said so.
    markup: Option<bool>,
    ids: BTreeMap<About, u32>,
    /// It was told that the server is not there.
    silent: bool,
}

impl Shown<'_> {
    /// Asks the server what it can do: that says whether there is one.
    async fn look(&mut self) {
        match self.proxy.get_capabilities().await {
            Ok(able) => {
                self.markup = Some(able.iter().any(|word| word == "body-markup"));
                self.works();
            }
            Err(why) => self.failed(&why),
        }
    }

    fn works(&mut self) {
        if std::mem::take(&mut self.silent) {
            (self.sink)(Input::Found(Fact::Notes(String::new())));
        }
    }

    fn failed(&mut self, why: &zbus::Error) {
        if !std::mem::replace(&mut self.silent, true) {
            missing(self.sink, why);
        }
    }

    async fn take(&mut self, events: Vec<Event>) -> std::ops::ControlFlow<()> {
        let mut newest: BTreeMap<About, Option<Note>> = BTreeMap::new();
        let mut over = false;
        for event in events {
            match event {
                Event::Wished(Wish::Show(note)) => {
                    newest.insert(note.about.clone(), Some(note));
                }
                Event::Wished(Wish::Withdraw(about)) => {
                    newest.insert(about, None);
                }
                Event::Pressed(id) => self.pressed(id),
                Event::Closed(id) => self.ids.retain(|_, shown| *shown != id),
                Event::Over => over = true,
            }
        }
        for (about, note) in newest {
            match note {
                Some(note) if !over => self.show(note).await,
                _ => self.withdraw(&about).await,
            }
        }
        if over { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
    }

    fn pressed(&self, id: u32) {
        let about = self.ids.iter().find(|(_, shown)| **shown == id).map(|(about, _)| about.clone());
        about.into_iter().for_each(|about| (self.sink)(Input::Did(Act::Follow(about))));
    }

    async fn show(&mut self, note: Note) {
        if self.markup.is_none() {
            self.look().await;
        }
        let words = if self.markup == Some(false) { note.words.clone() } else { escaped(&note.words) };
        let before = self.ids.get(&note.about).copied().unwrap_or_default();
        let hints = BTreeMap::from([("category", Value::from("im.received")), ("desktop-entry", Value::from("y7ke"))]);
        let asked = self.proxy.notify("y7ke", before, "", &note.title, &words, &[PRESSED, "Open"], hints, -1).await;
        match asked {
            Ok(id) => {
                self.works();
                self.ids.insert(note.about, id);
            }
            Err(why) => self.failed(&why),
        }
    }

    async fn withdraw(&mut self, about: &About) {
        if let Some(id) = self.ids.remove(about)
            && let Err(why) = self.proxy.close_notification(id).await
        {
            // Servers answer so for one that went by itself a moment ago.
            tracing::debug!("a notification is not taken back: {why}");
        }
    }

    async fn withdraw_all(&mut self) {
        while let Some(about) = self.ids.keys().next().cloned() {
            self.withdraw(&about).await;
        }
    }
}

/// Nothing a peer writes is ever read as markup.
fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_no_markup() {
        assert_eq!(escaped("<a href=\"x\">1 & 2</a>"), "&lt;a href=\"x\"&gt;1 &amp; 2&lt;/a&gt;");
    }
}
