//! The real node behind the port: commands to its thread, notices from a thread of their own,
//! snapshot reads at once.

use std::cell::RefCell;
use std::thread;

use y7ke_node::api::{ApiError, Command, Conversation, MessageView};
use y7ke_node::uri::Uri;
use y7ke_node::{Handle, MessageKey, NoticeReader};

use crate::port::{Backend, Key, Reply, Sink, Source, Stretch};

/// A running node as the desktop's backend.
pub struct NodeBackend {
    node: Handle,
    notices: RefCell<Option<NoticeReader>>,
}

impl NodeBackend {
    /// `notices` has every notice since the node's start; it goes to whoever subscribes first.
    pub fn new(node: Handle, notices: NoticeReader) -> Self {
        Self { node, notices: RefCell::new(Some(notices)) }
    }

    /// The node.
    pub const fn node(&self) -> &Handle {
        &self.node
    }
}

impl Source for NodeBackend {
    fn index(&self, of: &Conversation, before: Option<&Key>, limit: usize) -> Result<Stretch, ApiError> {
        let places = self.node.views().index(of, before.map(place).as_ref(), limit)?;
        Ok(Stretch { keys: places.keys.iter().map(key).collect(), more: places.more })
    }

    fn messages(&self, keys: &[Key]) -> Result<Vec<MessageView>, ApiError> {
        let keys: Vec<MessageKey> = keys.iter().map(place).collect();
        self.node.views().messages(&keys)
    }

    fn find(&self, id: &[u8; 32]) -> Result<Option<MessageView>, ApiError> {
        let key = Key { hlc: 0, device: [0; 32], id: *id };
        Ok(self.node.views().messages(&[place(&key)])?.pop())
    }

    fn first_unread(&self, of: &Conversation) -> Result<Option<Key>, ApiError> {
        Ok(self.node.views().first_unread(of)?.as_ref().map(key))
    }
}

impl Backend for NodeBackend {
    fn call(&self, command: Command, reply: Reply) {
        self.node.submit(command, reply);
    }

    fn subscribe(&self, sink: Sink) {
        let mut notices = self.notices.take().unwrap_or_else(|| self.node.subscribe());
        let reading = thread::Builder::new().name("y7ke-notices".into()).spawn(move || {
            while let Some(notice) = notices.recv_blocking() {
                sink(notice);
            }
        });
        if let Err(why) = reading {
            tracing::error!("no thread for what the node tells: {why}");
        }
    }

    fn read_uri(&self, text: &str) -> Result<String, String> {
        read_uri(text)
    }
}

/// The identity that a link names; no node is needed for that.
pub fn read_uri(text: &str) -> Result<String, String> {
    text.parse::<Uri>().map(|uri| uri.root.to_string()).map_err(|fault| fault.to_string())
}

fn key(place: &MessageKey) -> Key {
    Key { hlc: place.hlc, device: *place.device.as_bytes(), id: *place.id.as_bytes() }
}

/// A message is found by its id; its number in its log is not needed for that.
fn place(key: &Key) -> MessageKey {
    MessageKey { hlc: key.hlc, device: key.device.into(), id: key.id.into(), seq: 0 }
}
