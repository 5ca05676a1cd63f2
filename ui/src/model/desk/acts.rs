//! What a press or a key does.

use y7ke_node::api::{Command, Conversation, Mode, SettingsPatch};

use super::{Act, Asked, Chat, Desk, Effect, Field, Question, ReadUri};
use crate::model::add::{self, Verdict};
use crate::model::{conversations, links, text};
use crate::ui::Pane;

/// Bytes of a message at most (ACCEPTANCE C1).
const MESSAGE_BYTES: usize = 65_536;

/// Names of the schemes, in the order of the choice.
pub(super) const LOOKS: [&str; 3] = ["system", "light", "dark"];

impl Desk {
    pub(super) fn did(&mut self, act: Act, read_uri: &ReadUri<'_>, now_ms: u64) -> Vec<Effect> {
        if self.locked() && !works_locked(&act) {
            return Vec::new();
        }
        match act {
            Act::Start(name) => self.start(&name),
            Act::Show(pane) => self.show(pane, now_ms),
            Act::Back => self.back(now_ms),
            Act::Open(y7_id) => self.open(&y7_id, now_ms),
            Act::Step(by) => self.step(by, now_ms),
            Act::Find | Act::Filter(_) | Act::Choose(_) | Act::FilterAccepted | Act::OpenHit(_) => {
                self.searching(act, now_ms)
            }
            Act::FindHere | Act::FindHereWords(_) | Act::FindHereStep(_) | Act::LeaveHere => {
                self.searching(act, now_ms)
            }
            Act::CopyId | Act::Copy(..) => self.copy(act, now_ms),
            Act::ClipboardFailed(why) | Act::LinkFailed(why) => {
                self.toasts.clear();
                self.toasts.say(why, true, now_ms);
                Vec::new()
            }
            Act::Uri(_) | Act::Greeting(_) | Act::Request | Act::OpenKnown => self.adding(act, read_uri, now_ms),
            Act::Accept(_) | Act::Reject(_) | Act::Cancel(_) => self.answering(act),
            Act::Block(_) | Act::Unblock(_) | Act::Answer(_) | Act::Rename(_) => self.relating(act),
            Act::ReadCode(_) | Act::PastePicture(_) | Act::Dropped(_) | Act::ReadFrom(_) | Act::LeaveReading => {
                self.reading(act)
            }
            Act::Compare(_) | Act::Verify | Act::Unverify | Act::PutAwayLapse => self.verifying(act),
            Act::Draft(_) | Act::Send | Act::Retry(_) | Act::TakeBack(_) => self.writing(act, now_ms),
            Act::Reply(_) | Act::DropReply => self.replying(act),
            Act::Jump(key) => self.jump(key),
            Act::NotThere => {
                self.toasts.say("That message is not on this device.", true, now_ms);
                Vec::new()
            }
            Act::Link(address) => {
                self.question = links::read(&address).map(|link| Question::Link(link.address));
                Vec::new()
            }
            Act::AtEnd(_) | Act::ToEnd | Act::Active(_) => self.looking(act),
            Act::SetName(_) | Act::SetLook(_) | Act::SetScale(_) | Act::SetReceipts(_) | Act::SetMode(_) => {
                self.setting(act, now_ms)
            }
            Act::SetNotifications(_) | Act::SetNotificationText(_) | Act::SetCloseToTray(_) => {
                self.setting(act, now_ms)
            }
            Act::Placed(_) | Act::Raise | Act::Follow(_) | Act::Close | Act::Quit => self.around(act, now_ms),
            Act::Dismiss(id) => {
                self.toasts.dismiss(id);
                Vec::new()
            }
            Act::Lock | Act::Unlock(_) | Act::ChangeVault(_) => self.guarding(act, now_ms),
            Act::VaultTyped(_) | Act::ApplyVault(_) | Act::LeaveVault => self.guarding(act, now_ms),
            Act::Leave => self.leave(now_ms),
        }
    }

    fn start(&mut self, name: &str) -> Vec<Effect> {
        self.welcome = false;
        let name = text::name(name);
        if name.is_empty() {
            Vec::new()
        } else {
            self.change_settings(SettingsPatch { name: Some(name), ..SettingsPatch::default() })
        }
    }

    pub(super) fn show(&mut self, pane: Pane, now_ms: u64) -> Vec<Effect> {
        if self.welcome || !self.ready() {
            return Vec::new();
        }
        self.finding = false;
        self.go(pane);
        match pane {
            Pane::Home => self.close_chat(now_ms),
            Pane::Settings => vec![Effect::Fill(Field::Name, self.my_name())],
            Pane::Person => self.show_person(),
            _ => Vec::new(),
        }
    }

    fn my_name(&self) -> String {
        self.settings.as_ref().map(|settings| settings.name.clone()).unwrap_or_default()
    }

    fn show_person(&mut self) -> Vec<Effect> {
        let Some(contact) = self.person() else { return Vec::new() };
        let y7_id = contact.y7_id.clone();
        let nickname = contact.name.clone();
        self.compare.clear();
        vec![
            Effect::Fill(Field::Nickname, nickname),
            Effect::Fill(Field::Compare, String::new()),
            Effect::Call(Asked::Safety(y7_id.clone()), Command::ContactSafetyNumber { y7_id }),
        ]
    }

    fn back(&mut self, now_ms: u64) -> Vec<Effect> {
        if self.question.take().is_some() || self.reading.take().is_some() || self.welcome {
            return Vec::new();
        }
        if !self.filter.is_empty() {
            return self.leave_finding();
        }
        if std::mem::take(&mut self.finding) {
            return vec![Effect::Caret];
        }
        if self.pane == Pane::Chat
            && let Some(effects) = self.back_in_chat()
        {
            return effects;
        }
        self.pane = self.trail.pop().unwrap_or(Pane::Home);
        match self.pane {
            Pane::Home => self.close_chat(now_ms),
            Pane::Chat if self.open.is_none() => {
                self.pane = Pane::Home;
                Vec::new()
            }
            Pane::Chat => [vec![Effect::Caret], self.read()].concat(),
            _ => Vec::new(),
        }
    }

    /// What Escape leaves before it leaves the conversation.
    fn back_in_chat(&mut self) -> Option<Vec<Effect>> {
        if self.within.is_some() {
            return Some(self.leave_within());
        }
        let open = self.open.clone()?;
        self.drafts.reply(&open)?;
        Some(self.replying(Act::DropReply))
    }

    /// Answering a message, in the composer of the open conversation.
    fn replying(&mut self, act: Act) -> Vec<Effect> {
        let Some(to) = self.open.clone() else { return Vec::new() };
        self.drafts.set_reply(&to, if let Act::Reply(reply) = act { Some(reply) } else { None });
        vec![Effect::Caret]
    }

    fn step(&mut self, by: i32, now_ms: u64) -> Vec<Effect> {
        let listed = self.listed();
        let next = conversations::neighbour(&listed, self.open.as_deref(), by).map(|contact| contact.y7_id.clone());
        match next.filter(|_| !self.welcome) {
            Some(y7_id) => self.open(&y7_id, now_ms),
            None => Vec::new(),
        }
    }

    fn copy(&mut self, act: Act, now_ms: u64) -> Vec<Effect> {
        let (copied, said) = match (act, &self.me) {
            (Act::Copy(copied, said), _) => (copied, said),
            (_, Some(me)) => (me.uri.clone(), "Your id is copied, with the way to this device".to_owned()),
            (_, None) => return Vec::new(),
        };
        self.toasts.say(if said.is_empty() { "Copied" } else { &said }, false, now_ms);
        vec![Effect::Copy(copied)]
    }

    fn adding(&mut self, act: Act, read_uri: &ReadUri<'_>, now_ms: u64) -> Vec<Effect> {
        match act {
            Act::Uri(uri) => {
                let me = self.me.as_ref().map_or("", |me| me.y7_id.as_str());
                self.add.verdict = add::judge(&uri, me, self.contacts.values(), read_uri);
                self.add.uri = uri;
                self.add.refused.clear();
                Vec::new()
            }
            Act::Greeting(words) => {
                self.add.greeting = words;
                Vec::new()
            }
            Act::OpenKnown => match &self.add.verdict {
                Verdict::Known(y7_id, _) => {
                    let y7_id = y7_id.clone();
                    let mut effects = self.clear_form();
                    effects.extend(self.open(&y7_id, now_ms));
                    effects
                }
                _ => Vec::new(),
            },
            _ => self.request(),
        }
    }

    fn request(&mut self) -> Vec<Effect> {
        let Some(y7_id) = self.add.ready().map(str::to_owned) else { return Vec::new() };
        self.add.busy = true;
        let (uri, greeting) = (add::cleaned(&self.add.uri), self.add.greeting.trim().to_owned());
        vec![Effect::Call(Asked::Request(y7_id), Command::ContactRequest { uri, greeting })]
    }

    pub(super) fn clear_form(&mut self) -> Vec<Effect> {
        self.add = add::Form::default();
        vec![Effect::Fill(Field::Uri, String::new()), Effect::Fill(Field::Greeting, String::new())]
    }

    fn answering(&mut self, act: Act) -> Vec<Effect> {
        let (asked, command) = match act {
            Act::Accept(request_id) => {
                let from = self.requests.get(&request_id).map(|request| request.y7_id.clone()).unwrap_or_default();
                (Asked::Accept(from), Command::RequestAccept { request_id })
            }
            Act::Reject(request_id) => (
                Asked::Simple("Rejected. They are not told, and you can change your mind."),
                Command::RequestReject { request_id },
            ),
            Act::Cancel(request_id) => (Asked::Simple("Request cancelled"), Command::RequestCancel { request_id }),
            _ => return Vec::new(),
        };
        vec![Effect::Call(asked, command)]
    }

    fn relating(&mut self, act: Act) -> Vec<Effect> {
        match act {
            Act::Block(y7_id) => {
                self.question = Some(Question::Block(y7_id));
                Vec::new()
            }
            Act::Unblock(y7_id) => {
                vec![Effect::Call(Asked::Simple("Unblocked"), Command::ContactUnblock { y7_id })]
            }
            Act::Rename(name) => {
                let Some(y7_id) = self.open.clone() else { return Vec::new() };
                let name = text::name(&name);
                vec![Effect::Call(Asked::Simple("Name kept"), Command::ContactRename { y7_id, name })]
            }
            Act::Answer(yes) => match self.question.take().filter(|_| yes) {
                Some(Question::Block(y7_id)) => {
                    vec![Effect::Call(Asked::Simple("Blocked"), Command::ContactBlock { y7_id })]
                }
                Some(Question::Link(address)) => vec![Effect::OpenLink(address)],
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn writing(&mut self, act: Act, now_ms: u64) -> Vec<Effect> {
        let Some(to) = self.open.clone() else { return Vec::new() };
        match act {
            Act::Draft(words) => {
                self.composer_trouble.clear();
                self.drafts.edit(&to, words, now_ms);
                Vec::new()
            }
            Act::Send => self.send(&to, now_ms),
            Act::Retry(ticket) => {
                let again = self.drafts.retry(ticket).cloned();
                again.map(|out| vec![Effect::Chat(Chat::Outgoing(out.clone())), send_call(&out)]).unwrap_or_default()
            }
            Act::TakeBack(ticket) => match self.drafts.take_back(ticket, now_ms) {
                Some(_) => {
                    let typed = self.drafts.typed(&to).unwrap_or_default().to_owned();
                    vec![Effect::Chat(Chat::Settled(ticket)), Effect::Fill(Field::Draft, typed), Effect::Caret]
                }
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn send(&mut self, to: &str, now_ms: u64) -> Vec<Effect> {
        let typed = self.drafts.typed(to).unwrap_or_default();
        if text::is_blank(typed) {
            return Vec::new();
        }
        let words = typed.trim_end().to_owned();
        if words.len() > MESSAGE_BYTES {
            let over = words.len() - MESSAGE_BYTES;
            self.composer_trouble = format!("This is {over} bytes too long for one message. Send it in parts.");
            return Vec::new();
        }
        self.composer_trouble.clear();
        self.at_end = true;
        self.below = 0;
        let out = self.drafts.send(to, words, now_ms).clone();
        let call = send_call(&out);
        let chat = [Chat::Seen, Chat::Outgoing(out), Chat::ToEnd].map(Effect::Chat);
        let mut effects = vec![Effect::Fill(Field::Draft, String::new())];
        effects.extend(chat);
        effects.push(call);
        effects.extend(self.read());
        effects
    }

    fn looking(&mut self, act: Act) -> Vec<Effect> {
        let mut effects = Vec::new();
        match act {
            Act::AtEnd(yes) => self.at_end = yes,
            Act::Active(yes) => self.active = yes,
            _ => {
                self.at_end = true;
                effects.push(Effect::Chat(Chat::ToEnd));
            }
        }
        if self.at_end {
            self.below = 0;
        }
        effects.extend(self.read());
        effects
    }

    fn setting(&mut self, act: Act, now_ms: u64) -> Vec<Effect> {
        let none = SettingsPatch::default();
        let patch = match act {
            Act::SetName(name) => {
                self.toasts.say("Name kept", false, now_ms);
                SettingsPatch { name: Some(text::name(&name)), ..none }
            }
            Act::SetLook(choice) => {
                let look = usize::try_from(choice).ok().and_then(|at| LOOKS.get(at)).unwrap_or(&LOOKS[0]);
                SettingsPatch { theme: Some((*look).to_owned()), ..none }
            }
            Act::SetScale(percent) => {
                let scale = u16::try_from(percent.clamp(80, 150)).unwrap_or(100);
                SettingsPatch { scale: Some(scale), ..none }
            }
            Act::SetReceipts(receipts) => SettingsPatch { receipts: Some(receipts), ..none },
            Act::SetMode(choice) => {
                SettingsPatch { mode: Some(if choice == 0 { Mode::Lan } else { Mode::Y7net }), ..none }
            }
            Act::SetNotifications(on) => SettingsPatch { notifications: Some(on), ..none },
            Act::SetNotificationText(on) => SettingsPatch { notification_text: Some(on), ..none },
            Act::SetCloseToTray(on) => SettingsPatch { close_to_tray: Some(on), ..none },
            _ => return Vec::new(),
        };
        self.change_settings(patch)
    }

    /// Shows at once; the node's answer or notice has the last word.
    pub(super) fn change_settings(&mut self, patch: SettingsPatch) -> Vec<Effect> {
        if let Some(settings) = &mut self.settings {
            let new = patch.clone();
            new.name.into_iter().for_each(|name| settings.name = name);
            new.theme.into_iter().for_each(|theme| settings.theme = theme);
            new.scale.into_iter().for_each(|scale| settings.scale = scale);
            new.receipts.into_iter().for_each(|receipts| settings.receipts = receipts);
            new.mode.into_iter().for_each(|mode| settings.mode = mode);
            new.notifications.into_iter().for_each(|on| settings.notifications = on);
            new.notification_text.into_iter().for_each(|on| settings.notification_text = on);
            new.close_to_tray.into_iter().for_each(|on| settings.close_to_tray = on);
            settings.window = new.window.or(settings.window);
        }
        vec![Effect::Call(Asked::SetSettings, Command::SettingsSet(patch))]
    }
}

/// What a person can do without having unlocked anything.
const fn works_locked(act: &Act) -> bool {
    matches!(
        act,
        Act::Unlock(_)
            | Act::Active(_)
            | Act::Placed(_)
            | Act::Raise
            | Act::Follow(_)
            | Act::Close
            | Act::Quit
            | Act::Leave
    )
}

fn send_call(out: &crate::model::drafts::Outgoing) -> Effect {
    let to = Conversation::Person(out.to.clone());
    let reply_to = out.reply.as_ref().map(|reply| reply.id.clone());
    Effect::Call(Asked::Send(out.ticket), Command::MessageSend { to, text: out.text.clone(), reply_to })
}
