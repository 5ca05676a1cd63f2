//! `y7 console`: talking at a terminal, or through a pipe.
//!
//! ```text
//! typed line ─▶ Typed (parsed once) ─▶ Command ─▶ core ─▶ words on the screen
//! notices    ─▶ announcer thread ────────────────────────▶ words on the screen
//! ```
//!
//! Outside a chat every line is an order; inside one a line is sent, unless it begins with `/`.
//! What others wrote is shown without control characters: a message cannot drive the terminal.

mod announce;
mod screen;
mod typed;

use std::io::{BufRead, Write};
use std::sync::Arc;

use self::announce::Announcer;
use self::screen::Screen;
use self::typed::{Pick, Typed};
use crate::api::{
    Answer, ApiError, Command, ContactState, ContactView, Conversation, Direction, MessageView, RequestState,
    RequestView,
};
use crate::shell::{Handle, NoticeReader};

/// Messages shown when a chat is opened: about a screen.
const SHOWN_AT_OPENING: usize = 20;

const HELP: &str = "\
id                     your own link, to give to others
add LINK [GREETING]    ask somebody to be a contact
requests               who asks, and whom you asked
accept N, reject N     answer request number N of that list
chats                  people you know
chat N or NAME         open a chat; then every line you type is sent, /back leaves it
status                 where this node listens and who is online
help, quit             inside a chat: /help, /quit";

/// Talks to a person until `quit` or the end of input, then ends the node cleanly.
pub fn run<I: BufRead, O: Write + Send + 'static>(node: &Handle, notices: NoticeReader, input: I, output: O) {
    let screen = Arc::new(Screen::new(output));
    let announcer = Announcer::start(node.clone(), notices, Arc::clone(&screen));
    let mut console = Console { node, screen, announcer: &announcer, requests: Vec::new(), people: Vec::new() };
    console.greet();
    console.read(input);
    node.shutdown();
    announcer.join();
}

struct Console<'a, O> {
    node: &'a Handle,
    screen: Arc<Screen<O>>,
    announcer: &'a Announcer,
    /// As last listed: what numbers mean.
    requests: Vec<RequestView>,
    people: Vec<ContactView>,
}

impl<O: Write + Send + 'static> Console<'_, O> {
    fn greet(&mut self) {
        self.screen.say("This is y7ke. Type help to see what you can do.");
        self.show_id();
    }

    fn read(&mut self, input: impl BufRead) {
        for line in input.lines() {
            let Ok(line) = line else {
                return self.screen.say("That line is not UTF-8 text; ending here.");
            };
            let typed = typed::parse(&line, self.announcer.open_chat().is_some());
            if matches!(typed, Typed::Quit) {
                return;
            }
            if let Err(fault) = self.follow(typed) {
                self.screen.say(&fault.message);
            }
        }
    }

    fn follow(&mut self, typed: Typed) -> Result<(), ApiError> {
        match typed {
            Typed::Nothing | Typed::Quit => {}
            Typed::Help => self.screen.say(HELP),
            Typed::Id => self.show_id(),
            Typed::Add { uri, greeting } => self.add(uri, greeting)?,
            Typed::Requests => self.list_requests()?,
            Typed::Accept(number) => self.answer_request(number, true)?,
            Typed::Reject(number) => self.answer_request(number, false)?,
            Typed::Chats => self.list_people()?,
            Typed::Chat(pick) => self.open(&pick)?,
            Typed::Back => self.leave(),
            Typed::Status => self.status()?,
            Typed::Say(text) => self.send(text)?,
            Typed::Unclear(words) => self.screen.say(&words),
        }
        Ok(())
    }

    fn show_id(&self) {
        match self.node.call_blocking(Command::NodeInfo) {
            Ok(Answer::NodeInfo(info)) => self.screen.say(&format!("Your link: {}", info.uri)),
            Ok(_) => {}
            Err(fault) => self.screen.say(&fault.message),
        }
    }

    fn add(&self, uri: String, greeting: String) -> Result<(), ApiError> {
        self.node.call_blocking(Command::ContactRequest { uri, greeting })?;
        self.screen.say("Asked. The request is kept and sent as soon as they can be reached.");
        Ok(())
    }

    fn list_requests(&mut self) -> Result<(), ApiError> {
        if let Answer::Requests(requests) = self.node.call_blocking(Command::RequestList)? {
            self.requests = requests;
        }
        if self.requests.is_empty() {
            self.screen.say("No requests.");
        }
        for (at, request) in self.requests.iter().enumerate() {
            self.screen.say(&request_line(at + 1, request));
        }
        Ok(())
    }

    fn answer_request(&mut self, number: usize, yes: bool) -> Result<(), ApiError> {
        if self.requests.is_empty() {
            self.list_requests()?;
        }
        let Some(request) = numbered(&self.requests, number) else {
            self.screen.say("There is no request with that number; type requests to see them.");
            return Ok(());
        };
        let request_id = request.request_id.clone();
        let (command, done) = match yes {
            true => (Command::RequestAccept { request_id }, "Accepted. Type chats to see them in the list."),
            false => {
                (Command::RequestReject { request_id }, "Rejected. They are not told; you can still accept later.")
            }
        };
        self.node.call_blocking(command)?;
        self.screen.say(done);
        Ok(())
    }

    fn load_people(&mut self) -> Result<(), ApiError> {
        if let Answer::Contacts(people) = self.node.call_blocking(Command::ContactList)? {
            self.people = people;
        }
        Ok(())
    }

    fn list_people(&mut self) -> Result<(), ApiError> {
        self.load_people()?;
        if self.people.is_empty() {
            self.screen.say("Nobody yet. Give your link to somebody, or type add followed by theirs.");
        }
        for (at, person) in self.people.iter().enumerate() {
            self.screen.say(&person_line(at + 1, person));
        }
        Ok(())
    }

    fn open(&mut self, pick: &Pick) -> Result<(), ApiError> {
        self.load_people()?;
        let Some(person) = self.find(pick) else {
            self.screen.say("There is nobody by that number or name; type chats to see them.");
            return Ok(());
        };
        let (y7_id, name) = (person.y7_id.clone(), screen::name(person));
        self.announcer.open(Some(y7_id.clone()));
        self.screen.say(&format!("Chat with {name}. Type and press Enter to send; /back leaves."));
        self.show_history(&y7_id)
    }

    fn find(&self, pick: &Pick) -> Option<&ContactView> {
        match pick {
            Pick::Number(number) => numbered(&self.people, *number),
            Pick::Name(name) => {
                let named = |person: &&ContactView| screen::name(person).to_lowercase() == name.to_lowercase();
                self.people.iter().find(|person| person.y7_id == *name || named(person))
            }
        }
    }

    fn show_history(&self, y7_id: &str) -> Result<(), ApiError> {
        let of = Conversation::Person(y7_id.into());
        let page = Command::MessageList { of: of.clone(), before: None, limit: SHOWN_AT_OPENING };
        let Answer::Messages { messages, .. } = self.node.call_blocking(page)? else { return Ok(()) };
        for message in &messages {
            self.screen.message(message, &self.author(message));
        }
        match messages.iter().rev().find(|message| !message.mine) {
            Some(newest) => {
                let up_to = newest.message_id.clone();
                self.node.call_blocking(Command::MessageRead { of, up_to }).map(drop)
            }
            None => Ok(()),
        }
    }

    fn author(&self, message: &MessageView) -> String {
        match self.people.iter().find(|person| person.y7_id == message.author) {
            _ if message.mine => "you".into(),
            Some(person) => screen::name(person),
            None => screen::short(&message.author),
        }
    }

    fn leave(&self) {
        self.announcer.open(None);
        self.screen.say("Left the chat.");
    }

    fn send(&self, text: String) -> Result<(), ApiError> {
        if let Some(y7_id) = self.announcer.open_chat() {
            let to = Conversation::Person(y7_id);
            self.node.call_blocking(Command::MessageSend { to, text, reply_to: None })?;
        }
        Ok(())
    }

    fn status(&mut self) -> Result<(), ApiError> {
        if let Answer::NodeInfo(info) = self.node.call_blocking(Command::NodeInfo)? {
            self.screen.say(&format!("y7ke {}, device {}", info.version, info.device_id));
            let listen = if info.listen.is_empty() { "nowhere".into() } else { info.listen.join("\n             ") };
            self.screen.say(&format!("Listening on {listen}"));
        }
        self.list_people()
    }
}

/// Counted from 1, as lists are shown.
fn numbered<T>(list: &[T], number: usize) -> Option<&T> {
    list.get(number.checked_sub(1)?)
}

fn request_line(number: usize, request: &RequestView) -> String {
    let who = match request.name.is_empty() {
        true => screen::short(&request.y7_id),
        false => format!("{} ({})", screen::clean(&request.name), screen::short(&request.y7_id)),
    };
    let asks = if request.direction == Direction::In { format!("{who} asks you") } else { format!("you asked {who}") };
    let state = match request.state {
        RequestState::Pending => "waiting",
        RequestState::Accepted => "accepted",
        RequestState::Rejected => "rejected",
        RequestState::Cancelled => "cancelled",
        RequestState::Expired => "expired",
    };
    let greeting = screen::clean(&request.greeting);
    if greeting.is_empty() {
        format!("{number}. {asks}, {state}")
    } else {
        format!("{number}. {asks}, {state}: {greeting}")
    }
}

fn person_line(number: usize, person: &ContactView) -> String {
    let state = match person.state {
        ContactState::PendingOut => "asked, no answer yet".into(),
        ContactState::PendingIn => "asks you; type requests".into(),
        ContactState::Rejected => "rejected".into(),
        ContactState::Blocked => "blocked".into(),
        ContactState::Accepted => screen::presence(person),
    };
    let unread = if person.unread == 0 { String::new() } else { format!(", {} unread", person.unread) };
    format!("{number}. {}, {state}{unread}", screen::name(person))
}

/// The body of the fuzz target: see `crate::fuzz`.
pub(crate) fn fuzz(text: &str) {
    for in_chat in [false, true] {
        if let Typed::Say(words) = typed::parse(text, in_chat) {
            assert!(in_chat && !words.trim().is_empty(), "nothing is no message");
        }
    }
    let shown = screen::clean(text);
    assert!(shown.replace("\n    ", "").chars().all(|letter| !letter.is_control()), "a message drives the terminal");
    assert_eq!(screen::clean(&shown.replace("\n    ", "\n")), shown, "what is clean stays as it is");
}
