//! The icon in the tray: numbers in its tooltip, Open and Quit in its menu.
//!
//! By StatusNotifierItem itself rather than by Slint's `SystemTrayIcon`: that one does not say whether there is a
//! tray, and a window that was closed to a tray that is not there is lost.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use ksni::blocking::{Handle, TrayMethods};
use ksni::menu::StandardItem;
use ksni::{MenuItem, OfflineReason, ToolTip};

use super::{Sink, icon};
use crate::model::desk::{Act, Fact, Input};

/// The tray as the window's thread sees it; what blocks is done by another one.
#[derive(Default)]
pub(super) struct Tray {
    sink: Option<Sink>,
    shown: Option<String>,
    wishes: Option<Sender<Option<String>>>,
}

impl Tray {
    pub(super) fn attend(&mut self, sink: Sink) {
        self.sink = Some(sink);
    }

    /// An icon with these words, or none. The thread is there once an icon was wanted.
    pub(super) fn show(&mut self, words: Option<String>) {
        if self.shown == words {
            return;
        }
        self.shown.clone_from(&words);
        if self.wishes.is_none()
            && let Some(sink) = self.sink.clone()
        {
            self.wishes = start(sink);
        }
        if self.wishes.as_ref().is_some_and(|wishes| wishes.send(words).is_err()) {
            tracing::debug!("the tray's thread has ended");
        }
    }
}

fn start(sink: Sink) -> Option<Sender<Option<String>>> {
    let (wishes, wished) = channel();
    let started = thread::Builder::new().name("y7ke-tray".into()).spawn(move || serve(&wished, &sink));
    match started {
        Ok(_) => Some(wishes),
        Err(why) => {
            tracing::warn!("no thread for the tray: {why}");
            None
        }
    }
}

fn serve(wished: &Receiver<Option<String>>, sink: &Sink) {
    let mut icon: Option<Handle<Item>> = None;
    while let Ok(wish) = wished.recv() {
        match (wish, &icon) {
            (Some(words), Some(handle)) if !handle.is_closed() => {
                handle.update(|item| item.words = words);
            }
            (Some(words), _) => icon = put(words, sink),
            (None, _) => drop_icon(icon.take()),
        }
    }
    drop_icon(icon);
}

/// There until the tray says otherwise: it does so at once if it is not.
fn put(words: String, sink: &Sink) -> Option<Handle<Item>> {
    sink(Input::Found(Fact::Tray(true)));
    match (Item { words, sink: sink.clone() }).assume_sni_available(true).spawn() {
        Ok(handle) => Some(handle),
        Err(why) => {
            tracing::info!("there is no tray: {why}");
            sink(Input::Found(Fact::Tray(false)));
            None
        }
    }
}

fn drop_icon(icon: Option<Handle<Item>>) {
    icon.into_iter().for_each(|handle| handle.shutdown().wait());
}

struct Item {
    words: String,
    sink: Sink,
}

impl Item {
    fn press(&self, act: Act) {
        (self.sink)(Input::Did(act));
    }
}

impl ksni::Tray for Item {
    fn id(&self) -> String {
        "y7ke".into()
    }

    fn title(&self) -> String {
        "y7ke".into()
    }

    fn tool_tip(&self) -> ToolTip {
        ToolTip { title: self.words.clone(), ..ToolTip::default() }
    }

    fn icon_pixmap(&self) -> Vec<ksni::Icon> {
        icon::sizes()
    }

    fn activate(&mut self, _x: i32, _y: i32) {
        self.press(Act::Raise);
    }

    fn menu(&self) -> Vec<MenuItem<Self>> {
        vec![entry("Open y7ke", Act::Raise), MenuItem::Separator, entry("Quit", Act::Quit)]
    }

    fn watcher_online(&self) {
        (self.sink)(Input::Found(Fact::Tray(true)));
    }

    fn watcher_offline(&self, reason: OfflineReason) -> bool {
        tracing::info!("the tray is not there: {reason:?}");
        (self.sink)(Input::Found(Fact::Tray(false)));
        true
    }
}

fn entry(label: &str, act: Act) -> MenuItem<Item> {
    let activate = Box::new(move |item: &mut Item| item.press(act.clone()));
    StandardItem { label: label.into(), activate, ..StandardItem::default() }.into()
}
