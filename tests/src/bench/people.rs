//! Two real nodes of two people, acquainted and connected over loopback.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use y7ke_node::api::{Answer, Command, Conversation, Direction, MessageView, Notice, Presence, RequestState};
use y7ke_node::{Config, Handle, Node, NoticeReader};

/// Becoming acquainted takes milliseconds; this is for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running node and what it tells.
pub struct Side {
    /// Asks it.
    pub handle: Handle,
    /// Its notices.
    pub notices: NoticeReader,
    /// Its identity.
    pub y7_id: String,
}

impl Side {
    /// A node of `folder` that listens exactly there.
    pub fn start(folder: &Path, listen: &str) -> anyhow::Result<Self> {
        let listen = Some(vec![listen.parse()?]);
        let config = Config { data_dir: folder.to_path_buf(), listen, mdns: false, ..Config::default() };
        let (handle, notices) = Node::start(config)?;
        let y7_id = match handle.call_blocking(Command::NodeInfo)? {
            Answer::NodeInfo(info) => info.y7_id,
            other => bail!("not what was asked: {other:?}"),
        };
        Ok(Self { handle, notices, y7_id })
    }

    fn uri(&self) -> anyhow::Result<String> {
        match self.handle.call_blocking(Command::NodeInfo)? {
            Answer::NodeInfo(info) => Ok(info.uri),
            other => bail!("not what was asked: {other:?}"),
        }
    }

    /// Waits for a notice that `fits`; those before it are dropped.
    pub fn wait<T>(&mut self, what: &str, mut fits: impl FnMut(Notice) -> Option<T>) -> anyhow::Result<T> {
        loop {
            let notice = self.notices.recv_timeout(PATIENCE).with_context(|| format!("waited in vain for {what}"))?;
            if let Some(found) = fits(notice) {
                return Ok(found);
            }
        }
    }

    /// Writes a message; its id once it is durable here.
    pub fn send(&self, to: &str, text: String) -> anyhow::Result<String> {
        let to = Conversation::Person(to.to_owned());
        match self.handle.call_blocking(Command::MessageSend { to, text, reply_to: None })? {
            Answer::Sent { message_id } => Ok(message_id),
            other => bail!("not what was asked: {other:?}"),
        }
    }

    /// Waits until a message of mine has come so far.
    pub fn until(&mut self, what: &str, fits: impl Fn(&MessageView) -> bool) -> anyhow::Result<()> {
        self.wait(what, |notice| match notice {
            Notice::MessageStatus { message } if fits(&message) => Some(()),
            _ => None,
        })
    }
}

/// Starts two nodes in subfolders of `folder`, makes them acquainted and waits until they are connected.
pub fn acquainted(folder: &Path, listen: &str) -> anyhow::Result<(Side, Side)> {
    let mut a = Side::start(&folder.join("a"), listen)?;
    let mut b = Side::start(&folder.join("b"), listen)?;
    let request = Command::ContactRequest { uri: b.uri()?, greeting: String::new() };
    a.handle.call_blocking(request)?;
    let request_id = b.wait("a request", |notice| match notice {
        Notice::RequestReceived { request } if request.direction == Direction::In => Some(request.request_id),
        _ => None,
    })?;
    b.handle.call_blocking(Command::RequestAccept { request_id })?;
    a.wait("an accept", |notice| match notice {
        Notice::RequestChanged { request } if request.state == RequestState::Accepted => Some(()),
        _ => None,
    })?;
    let first = a.send(&b.y7_id, "a first message, so that keys and paths stand".into())?;
    a.until("its delivery", |message| message.message_id == first && !message.delivered_to.is_empty())?;
    connected(&a, &b.y7_id)?;
    Ok((a, b))
}

fn connected(side: &Side, other: &str) -> anyhow::Result<()> {
    let Answer::Contacts(contacts) = side.handle.call_blocking(Command::ContactList)? else {
        bail!("not what was asked");
    };
    let online = contacts.iter().any(|contact| contact.y7_id == other && contact.presence == Presence::Online);
    online.then_some(()).context("the two are not connected")
}
