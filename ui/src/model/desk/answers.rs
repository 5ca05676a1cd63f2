//! What an answer of the node changes.

use y7ke_node::api::{Answer, ApiError, Command, Conversation, ErrorKind};

use super::{Asked, Chat, Desk, Effect, Field, Safety};
use crate::model::text;

impl Desk {
    pub(super) fn answered(&mut self, asked: Asked, answer: Result<Answer, ApiError>, now_ms: u64) -> Vec<Effect> {
        match answer {
            answer if matches!(asked, Asked::Vault | Asked::Unlock | Asked::SetVault) => {
                self.vault_answered(&asked, answer, now_ms)
            }
            // It was asked for before the vault was locked, or refused because it is.
            _ if self.locked() => Vec::new(),
            Ok(answer) => self.answered_well(asked, answer, now_ms),
            Err(fault) => self.refused(asked, fault, now_ms),
        }
    }

    fn answered_well(&mut self, asked: Asked, answer: Answer, now_ms: u64) -> Vec<Effect> {
        match (asked, answer) {
            (Asked::Send(ticket), _) => self.sent(ticket),
            (Asked::Request(y7_id), _) => self.requested(y7_id, now_ms),
            (Asked::Accept(y7_id), _) => {
                self.awaited = Some(y7_id);
                self.open_awaited(now_ms)
            }
            (Asked::Simple(said), _) => {
                self.toasts.say(said, false, now_ms);
                Vec::new()
            }
            (Asked::Draft(of), Answer::Draft { text }) => self.draft_read(&of, text),
            (Asked::Safety(of), Answer::SafetyNumber { digits, code }) => {
                if self.open.as_deref() == Some(&of) {
                    self.safety = Safety { digits, code };
                }
                Vec::new()
            }
            (Asked::Verify, _) => self.verified(now_ms),
            (Asked::Found(number), Answer::Messages { messages, more }) => self.hits_came(number, messages, more),
            (Asked::FoundWithin(of, number), Answer::Messages { messages, more }) => {
                self.found_within(&of, number, messages, more)
            }
            (_, answer) => self.listed_anew(answer),
        }
    }

    /// The answers that carry a whole list: at the start, and after notices were missed.
    fn listed_anew(&mut self, answer: Answer) -> Vec<Effect> {
        match answer {
            Answer::NodeInfo(info) => {
                self.me = Some(info);
            }
            Answer::Settings(settings) => {
                self.welcome &= settings.name.is_empty();
                self.around.place = self.around.place.or(settings.window);
                self.settings = Some(settings);
            }
            Answer::Contacts(contacts) => {
                contacts.iter().for_each(|contact| self.watch_mark(contact));
                self.contacts = contacts.into_iter().map(|contact| (contact.y7_id.clone(), contact)).collect();
                self.has_contacts = true;
            }
            Answer::Requests(requests) => {
                self.requests = requests.into_iter().map(|request| (request.request_id.clone(), request)).collect();
                self.has_requests = true;
            }
            _ => return Vec::new(),
        }
        self.read()
    }

    fn sent(&mut self, ticket: u64) -> Vec<Effect> {
        let again = self.drafts.sent(ticket);
        let save = again.map(|to| {
            let text = self.drafts.kept(&to);
            Effect::Call(Asked::SaveDraft, Command::DraftSet { of: Conversation::Person(to), text })
        });
        std::iter::once(Effect::Chat(Chat::Settled(ticket))).chain(save).collect()
    }

    fn requested(&mut self, y7_id: String, now_ms: u64) -> Vec<Effect> {
        let mut effects = self.clear_form();
        self.toasts.say("Request kept. It goes out as soon as they can be reached.", false, now_ms);
        self.awaited = Some(y7_id);
        effects.extend(self.open_awaited(now_ms));
        effects.push(Effect::Call(Asked::Requests, Command::RequestList));
        effects
    }

    fn draft_read(&mut self, of: &str, text: String) -> Vec<Effect> {
        let unknown = self.drafts.typed(of).is_none();
        self.drafts.restore(of, text.clone());
        if unknown && self.open.as_deref() == Some(of) { vec![Effect::Fill(Field::Draft, text)] } else { Vec::new() }
    }

    fn refused(&mut self, asked: Asked, fault: ApiError, now_ms: u64) -> Vec<Effect> {
        match asked {
            Asked::Send(ticket) => {
                let failed = self.drafts.failed(ticket, fault.message, now_ms).cloned();
                let here = failed.filter(|out| self.open.as_deref() == Some(&out.to));
                here.map(|out| Effect::Chat(Chat::Outgoing(out))).into_iter().collect()
            }
            Asked::Request(_) => {
                self.add.busy = false;
                self.add.refused = text::sentence(&fault.message);
                Vec::new()
            }
            Asked::Info | Asked::Contacts | Asked::Requests | Asked::Settings => {
                self.trouble = text::sentence(&fault.message);
                Vec::new()
            }
            Asked::SetSettings => {
                self.toasts.say(text::sentence(&fault.message), true, now_ms);
                vec![Effect::Call(Asked::Settings, Command::SettingsGet)]
            }
            // Before there is a conversation there is no draft; the composer comes with the answer to the request.
            Asked::Draft(_) if fault.kind == ErrorKind::NotFound => Vec::new(),
            Asked::Draft(_) => {
                self.composer_trouble = format!("What you typed here before cannot be read: {}", fault.message);
                Vec::new()
            }
            Asked::SaveDraft => {
                self.composer_trouble = format!("This draft is not saved yet: {}", fault.message);
                Vec::new()
            }
            // The count comes back with the next notice; nothing was promised to the person.
            Asked::Read(_) => Vec::new(),
            Asked::Safety(_) => {
                self.safety = Safety::default();
                Vec::new()
            }
            // Answered elsewhere.
            Asked::Vault | Asked::Unlock | Asked::SetVault => Vec::new(),
            Asked::Found(number) => {
                self.search.refuse(number, text::sentence(&fault.message));
                Vec::new()
            }
            Asked::FoundWithin(_, number) => {
                self.within.iter_mut().for_each(|within| within.query.refuse(number, text::sentence(&fault.message)));
                Vec::new()
            }
            Asked::Accept(_) | Asked::Simple(_) | Asked::Verify => {
                self.toasts.say(text::sentence(&fault.message), true, now_ms);
                Vec::new()
            }
        }
    }
}
