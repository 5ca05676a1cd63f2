//! Profiles as people have them: made by real nodes that talk over loopback.

use std::path::Path;
use std::thread;

use y7ke_node::api::{Answer, Command, ContactState, Conversation, MessageView, Notice};
use y7ke_node::{Config, Handle, Node, NoticeReader};

/// Said by the other side when it has said everything.
const END: &str = "that is all";

/// Somebody whose node runs.
pub(crate) struct Person {
    pub(crate) node: Handle,
    pub(crate) notices: NoticeReader,
    pub y7_id: String,
    uri: String,
}

impl Person {
    pub(crate) fn start(folder: &Path) -> Self {
        let listen = vec!["/ip4/127.0.0.1/tcp/0".parse().expect("an address")];
        let config = Config {
            data_dir: folder.into(),
            listen: Some(listen),
            bootstrap: Some(Vec::new()),
            mdns: false,
            ..Config::default()
        };
        let (node, notices) = Node::start(config).expect("a node starts");
        let Ok(Answer::NodeInfo(info)) = node.call_blocking(Command::NodeInfo) else { panic!("a node says who it is") };
        Self { node, notices, y7_id: info.y7_id, uri: info.uri }
    }

    pub(crate) fn ask(&self, command: Command) -> Answer {
        self.node.call_blocking(command).expect("answered well")
    }

    fn say(&self, to: &str, words: impl Iterator<Item = String>) {
        for text in words {
            let command = Command::MessageSend { to: Conversation::Person(to.into()), text, reply_to: None };
            self.node.submit(command, |answer| drop(answer.expect("sent")));
        }
        // Commands are answered in order: this one after all of them.
        self.ask(Command::NodeInfo);
    }

    fn newest(&self, with: &str) -> Option<MessageView> {
        let of = Conversation::Person(with.into());
        match self.ask(Command::MessageList { of, before: None, limit: 1 }) {
            Answer::Messages { mut messages, .. } => messages.pop(),
            other => panic!("messages are listed: {other:?}"),
        }
    }

    pub(crate) fn count(&self, with: &str) -> usize {
        let of = Conversation::Person(with.into());
        self.node.views().index(&of, None, usize::MAX).expect("an index").keys.len()
    }
}

/// Gives `me` a contact called `name`, with whom `messages` were exchanged and read, half of them each way.
pub(crate) fn befriend(me: &mut Person, folder: &Path, name: &str, messages: usize) -> String {
    let mut other = Person::start(folder);
    me.ask(Command::ContactRequest { uri: other.uri.clone(), greeting: String::new() });
    let request_id = loop {
        if let Some(Notice::RequestReceived { request }) = other.notices.recv_blocking() {
            break request.request_id;
        }
    };
    other.ask(Command::RequestAccept { request_id });
    let accepted = |notice: &Notice| matches!(notice, Notice::ContactChanged { contact } if contact.y7_id == other.y7_id && contact.state == ContactState::Accepted);
    while !me.notices.recv_blocking().is_some_and(|notice| accepted(&notice)) {}
    me.ask(Command::ContactRename { y7_id: other.y7_id.clone(), name: name.into() });
    if messages > 0 {
        talk(me, &other, messages);
    }
    let y7_id = other.y7_id.clone();
    other.node.shutdown();
    y7_id
}

fn talk(me: &mut Person, other: &Person, messages: usize) {
    let half = messages / 2;
    thread::scope(|scope| {
        scope.spawn(|| {
            other.say(&me.y7_id, (1..messages - half).map(words));
            other.say(&me.y7_id, std::iter::once(END.to_owned()));
        });
        me.say(&other.y7_id, (0..half).map(words));
    });
    let last = |notice: &Notice| match notice {
        Notice::MessageReceived { message } => message.text == END,
        notice => matches!(notice, Notice::Resync),
    };
    while me.count(&other.y7_id) < messages {
        while !me.notices.recv_blocking().is_some_and(|notice| last(&notice)) {}
    }
    if let Some(newest) = me.newest(&other.y7_id) {
        me.ask(Command::MessageRead { of: Conversation::Person(other.y7_id.clone()), up_to: newest.message_id });
    }
}

/// Texts of every length that people write, from a word to three lines.
pub(crate) fn words(n: usize) -> String {
    format!("message {n} {}", "and some more words ".repeat(n % 9)).trim_end().to_owned()
}
