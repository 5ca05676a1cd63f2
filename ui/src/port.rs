//! What the desktop needs of a node.
//!
//! Commands go out and are answered once, on any thread; notices come on any thread; the paged
//! list reads snapshots at once, on the window's thread. The real node stands behind
//! [`crate::backend`]; tests and demonstrations bring one of their own.

use y7ke_node::api::{Answer, ApiError, Command, Conversation, MessageView, Notice};

/// Where an answer goes.
pub type Reply = Box<dyn FnOnce(Result<Answer, ApiError>) + Send>;

/// Where notices go.
pub type Sink = Box<dyn Fn(Notice) + Send>;

/// A message's place in display order; compares like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Hybrid time.
    pub hlc: u64,
    /// The author's device.
    pub device: [u8; 32],
    /// The event.
    pub id: [u8; 32],
}

impl Key {
    /// The place of a message that was told or read; `None` where its ids are not ids.
    pub fn of(message: &MessageView) -> Option<Self> {
        Some(Self { hlc: message.hlc, device: bytes(&message.device_id)?, id: bytes(&message.message_id)? })
    }

    /// The event's id as the node writes it.
    pub fn message_id(&self) -> String {
        hex::encode(self.id)
    }
}

/// An id in bytes; `None` where it is none.
pub fn bytes(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

/// A stretch of a conversation's index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Places, ascending.
    pub keys: Vec<Key>,
    /// Older ones exist.
    pub more: bool,
}

impl Stretch {
    /// The end of `older`, the places before some place in an index that is in memory.
    pub fn end_of<'k>(older: impl DoubleEndedIterator<Item = &'k Key>, limit: usize) -> Self {
        let mut older = older.rev();
        let mut keys: Vec<Key> = older.by_ref().take(limit).copied().collect();
        keys.reverse();
        Self { keys, more: older.next().is_some() }
    }
}

/// Snapshot reads of messages: what was durable when asked.
pub trait Source {
    /// The places of the newest `limit` messages, or the newest before `before`.
    fn index(&self, of: &Conversation, before: Option<&Key>, limit: usize) -> Result<Stretch, ApiError>;
    /// The messages at these places, in the same order; one that is gone is left out.
    fn messages(&self, keys: &[Key]) -> Result<Vec<MessageView>, ApiError>;
    /// The message with this id, of whatever conversation; `None` if it is not here.
    fn find(&self, id: &[u8; 32]) -> Result<Option<MessageView>, ApiError>;
    /// The oldest message not read here.
    fn first_unread(&self, of: &Conversation) -> Result<Option<Key>, ApiError>;
}

/// A node, as the desktop sees one.
pub trait Backend: Source {
    /// Asks; `reply` is called exactly once, on any thread.
    fn call(&self, command: Command, reply: Reply);
    /// From now on every notice goes to `sink`, in order.
    fn subscribe(&self, sink: Sink);
    /// The identity that a link names, or what is wrong with it, in words.
    fn read_uri(&self, text: &str) -> Result<String, String>;
}
