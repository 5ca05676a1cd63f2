//! Commands: from parameters to ids at the border, then one method each.

use rand_core::CryptoRng;
use y7ke_crypto::ids::{EventId, LogId, RootId};
use y7ke_crypto::safety;
use y7ke_crypto::text::Name;
use y7ke_ledger::body::Body;
use y7ke_ledger::views::{self, ContactState, RequestPhase, Standing};

use super::telling::Shown;
use super::{CallId, Refused, Round, Step};
use crate::api::{
    Answer, ApiError, BadEvent, ClockView, Command, Conversation, ErrorKind, LogView, NodeInfo, Notice, Settings,
    SettingsPatch, WindowPlace,
};

/// Setting of this device: the scale of its window.
const SCALE: &str = "device.scale";

impl<R: CryptoRng> Round<'_, R> {
    pub(super) fn on_command(&mut self, call: CallId, command: Command) -> Step {
        if let Command::NodeDial { multiaddr } = &command {
            return self.dial_by_hand(call, multiaddr);
        }
        match self.obey(command) {
            Ok(answer) => self.answer(call, Ok(answer)),
            Err(Refused::Caller(error)) => self.answer(call, Err(error)),
            Err(disk @ Refused::Disk(_)) => return Err(disk),
        }
        Ok(())
    }

    fn obey(&mut self, command: Command) -> Result<Answer, Refused> {
        match command {
            Command::NodeInfo | Command::NodeDial { .. } => self.info(),
            Command::ContactRequest { uri, greeting } => self.request_contact(&uri, &greeting),
            Command::ContactList => self.contact_list(),
            Command::ContactRename { y7_id, name } => self.rename(&y7_id, &name),
            Command::ContactBlock { y7_id } => self.block(&y7_id, true),
            Command::ContactUnblock { y7_id } => self.block(&y7_id, false),
            Command::ContactVerify { y7_id, digits, verified } => self.verify(&y7_id, digits.as_deref(), verified),
            Command::ContactSafetyNumber { y7_id } => self.safety_number(&y7_id),
            Command::RequestList => self.request_list(),
            Command::RequestAccept { request_id } => self.accept_by_hand(&request_id),
            Command::RequestReject { request_id } => self.reject(&request_id),
            Command::RequestCancel { request_id } => self.cancel(&request_id),
            Command::MessageSend { to, text, reply_to } => self.send_message(&to, text, reply_to.as_deref()),
            Command::MessageList { of, before, limit } => self.list_messages(&of, before.as_deref(), limit),
            Command::MessageSearch { query, y7_id, limit } => self.search(&query, y7_id, limit),
            Command::MessageRead { of, up_to } => self.read_messages(&of, &up_to),
            Command::LogList => self.log_list(),
            Command::LogVerify { log } => self.log_verify(log.as_deref()),
            Command::LogDigest { log } => self.log_digest(log.as_deref()),
            Command::SettingsGet => Ok(Answer::Settings(self.settings()?)),
            Command::SettingsSet(patch) => self.set_settings(patch),
            Command::DraftSet { of, text } => self.set_draft(&of, &text),
            Command::DraftGet { of } => self.get_draft(&of),
            // The vault is the shell's: an engine that is driven without one has none.
            Command::VaultGet | Command::VaultSet { .. } | Command::VaultLock | Command::VaultUnlock { .. } => {
                Err(ApiError::new(ErrorKind::NotFound, "This node has no folder and so no vault."))?
            }
        }
    }

    fn info(&self) -> Result<Answer, Refused> {
        let me = &self.core.me;
        Ok(Answer::NodeInfo(NodeInfo {
            version: self.config.version.clone(),
            y7_id: me.root.to_string(),
            uri: crate::uri::Uri::of(me.root, &me.net, &self.core.listen).to_string(),
            device_id: me.device.id().to_string(),
            peer_id: me.net.to_string(),
            listen: self.core.listen_texts(),
            mode: self.core.mode,
            vault: self.config.vault,
            name: views::profile_name(self.view(), &me.root)?,
        }))
    }

    fn contact_list(&mut self) -> Result<Answer, Refused> {
        let contacts = self.contacts()?;
        let mut shown = Shown::default();
        Ok(Answer::Contacts(contacts.iter().map(|row| self.show_contact(row, &mut shown)).collect::<Step<_>>()?))
    }

    fn rename(&mut self, y7_id: &str, name: &str) -> Result<Answer, Refused> {
        let root = self.known_person(y7_id)?;
        let name = Name::new(name.trim()).map_err(|why| ApiError::param("name", format!("The name is {why}.")))?;
        self.append_account(Body::ContactName { root, name })?;
        Ok(Answer::Done {})
    }

    fn block(&mut self, y7_id: &str, on: bool) -> Result<Answer, Refused> {
        let root = if on { person(y7_id)? } else { self.known_person(y7_id)? };
        if root == self.core.me.root {
            Err(ApiError::new(ErrorKind::Own, "This is your own id."))?;
        }
        self.append_account(if on { Body::Block { root } } else { Body::Unblock { root } })?;
        self.regrant_person(&root)?;
        Ok(Answer::Done {})
    }

    /// Marks a person as the one whose safety number I compared (B8), or takes the mark away.
    fn verify(&mut self, y7_id: &str, digits: Option<&str>, verified: bool) -> Result<Answer, Refused> {
        let root = self.known_person(y7_id)?;
        let ours = safety::number(&self.core.me.root, &root);
        let bare = |given: &str| given.chars().filter(|sign| !sign.is_whitespace()).collect::<String>();
        if digits.is_some_and(|given| !safety::is_same(&ours, &bare(given))) {
            let message = "These digits are not the ones of you two. Read them to each other again; if they still differ, this is somebody else.";
            Err(ApiError::param("digits", message))?;
        }
        if self.contact(&root)?.is_some_and(|contact| contact.verified != verified) {
            self.append_account(if verified { Body::Verify { root } } else { Body::Unverify { root } })?;
        }
        Ok(Answer::Done {})
    }

    fn safety_number(&self, y7_id: &str) -> Result<Answer, Refused> {
        let root = person(y7_id)?;
        if root == self.core.me.root {
            Err(ApiError::new(ErrorKind::Own, "This is your own id. A safety number is shared by two people."))?;
        }
        let me = &self.core.me.root;
        Ok(Answer::SafetyNumber { digits: safety::number(me, &root), code: safety::code(me, &root) })
    }

    fn request_list(&self) -> Result<Answer, Refused> {
        let all = views::requests(self.view(), &self.core.me.account, self.now.wall_ms)?;
        let shown = all.iter().filter(|row| row.phase != RequestPhase::Superseded);
        Ok(Answer::Requests(shown.map(|row| self.show_request(row)).collect()))
    }

    fn log_list(&self) -> Result<Answer, Refused> {
        let mut logs = Vec::new();
        // A log that is only expected (a request that nobody answered) has nothing to be listed.
        for info in self.view().logs()?.into_iter().filter(|info| info.stored > 0) {
            let clock = self.view().clock(&info.log)?;
            let entries = clock.iter().flat_map(|(device, tips)| tips.iter().map(move |tip| (device, tip)));
            logs.push(LogView {
                log: info.log.to_string(),
                kind: info.spec.kind().name().to_owned(),
                events: info.live,
                heads: self.view().heads(&info.log)?.iter().map(ToString::to_string).collect(),
                clock: entries.map(|(device, tip)| ClockView { device_id: device.to_string(), seq: tip.seq }).collect(),
            });
        }
        Ok(Answer::Logs(logs))
    }

    fn log_verify(&mut self, log: Option<&str>) -> Result<Answer, Refused> {
        let log = log.map(|log| self.log_named(log)).transpose()?;
        let report = y7ke_ledger::tools::verify(self.book, log.as_ref(), self.rng)?;
        let bad = report.bad.iter().map(|bad| BadEvent { message_id: bad.id.to_string(), why: bad.why.to_string() });
        Ok(Answer::Verified { events: report.events, bad: bad.collect() })
    }

    fn log_digest(&self, log: Option<&str>) -> Result<Answer, Refused> {
        let digest = match log {
            Some(log) => y7ke_ledger::fold::digest(self.view(), &self.log_named(log)?)?,
            None => y7ke_ledger::fold::digest_all(self.view(), &self.logs_named(None)?)?,
        };
        Ok(Answer::Digest { projection: hex::encode(digest) })
    }

    fn logs_named(&self, log: Option<&str>) -> Result<Vec<LogId>, Refused> {
        match log {
            Some(log) => Ok(vec![self.log_named(log)?]),
            None => Ok(self.view().logs()?.iter().map(|info| info.log).collect()),
        }
    }

    pub(super) fn log_named(&self, log: &str) -> Result<LogId, Refused> {
        let id: LogId =
            log.parse().ok().ok_or_else(|| ApiError::new(ErrorKind::InvalidId, "A log id is 64 hex digits."))?;
        let known = self.view().log(&id)?;
        known
            .map(|info| info.log)
            .ok_or_else(|| ApiError::new(ErrorKind::NotFound, "There is no such log. `log.list` shows them.").into())
    }

    /// A person of whom there is anything here.
    pub(super) fn known_person(&self, y7_id: &str) -> Result<RootId, Refused> {
        Ok(self.acquaintance(y7_id)?.root)
    }

    /// The same, with what they are to me.
    fn acquaintance(&self, y7_id: &str) -> Result<Standing, Refused> {
        let root = person(y7_id)?;
        if root == self.core.me.root {
            Err(ApiError::new(ErrorKind::Own, "This is your own id."))?;
        }
        let none = || ApiError::new(ErrorKind::NotFound, "There is no such contact. `contact.list` shows them.");
        Ok(self.standing(&root)?.ok_or_else(none)?)
    }

    /// The logs of a conversation, the one that is written to first.
    pub(super) fn conversation_logs(&self, of: &Conversation) -> Result<Vec<LogId>, Refused> {
        self.logs_of(&self.other_side(of)?)
    }

    /// Whose conversation it is.
    fn other_side(&self, of: &Conversation) -> Result<Standing, Refused> {
        match of {
            Conversation::Person(y7_id) => self.acquaintance(y7_id),
            Conversation::Log(log) => {
                let id = self.log_named(log)?;
                let owner = self.contacts()?.into_iter().find(|contact| contact.all_logs().contains(&id));
                Ok(owner.ok_or_else(no_conversation)?.standing)
            }
        }
    }

    /// The person of a conversation that may be written to now, and its logs, the one to write to first.
    pub(super) fn writable(&self, to: &Conversation) -> Result<(Standing, LogId, Vec<LogId>), Refused> {
        let contact = self.other_side(to)?;
        if contact.state == ContactState::Blocked {
            Err(ApiError::new(ErrorKind::Blocked, "You blocked this person. Unblock them to write."))?;
        }
        let logs = self.logs_of(&contact)?;
        let closed = || ApiError::new(ErrorKind::NotFound, not_open_yet(contact.state));
        let first = *logs.first().ok_or_else(closed)?;
        Ok((contact, first, logs))
    }

    pub(super) fn settings(&self) -> Step<Settings> {
        let saved = views::settings(self.view(), &self.core.me.account)?;
        let on = |key: &str| saved.get(key).is_none_or(|value| value == "on");
        Ok(Settings {
            mode: self.core.mode,
            name: views::profile_name(self.view(), &self.core.me.root)?,
            receipts: on("receipts"),
            typing: on("typing"),
            notifications: on("notifications"),
            notification_text: on("notification_text"),
            theme: saved.get("theme").cloned().unwrap_or_else(|| "system".to_owned()),
            // How large things are is a matter of this screen; earlier versions kept it for all devices.
            scale: self
                .view()
                .setting(SCALE)?
                .as_ref()
                .or(saved.get("scale"))
                .and_then(|value| value.parse().ok())
                .unwrap_or(100),
            close_to_tray: self.closes_to_tray()?,
            window: self.window_place()?,
        })
    }

    fn set_settings(&mut self, patch: SettingsPatch) -> Result<Answer, Refused> {
        let SettingsPatch { mode, name, receipts, typing, notifications, notification_text, theme, scale, .. } = patch;
        let theme = theme.map(known_theme).transpose()?;
        let scale = scale.map(sound_scale).transpose()?;
        let window = patch.window.map(sound_place).transpose()?;
        let name = name
            .map(|name| Name::new(name.trim()).map_err(|why| ApiError::param("name", format!("The name is {why}."))));
        if let Some(name) = name.transpose()? {
            self.set_profile_name(&name)?;
        }
        if let Some(mode) = mode {
            self.set_mode(mode)?;
        }
        let switches = [
            ("receipts", receipts),
            ("typing", typing),
            ("notifications", notifications),
            ("notification_text", notification_text),
        ];
        for (key, on) in switches.into_iter().filter_map(|(key, on)| Some((key, on?))) {
            self.set_setting(key, if on { "on" } else { "off" })?;
        }
        if let Some(theme) = theme {
            self.set_setting("theme", &theme)?;
        }
        if let Some(scale) = scale {
            self.book.put_setting(SCALE, &scale.to_string());
        }
        self.keep_for_this_device(patch.close_to_tray, window);
        let settings = self.settings()?;
        self.tell(Notice::SettingsChanged { settings });
        Ok(Answer::Done {})
    }

    fn set_setting(&mut self, key: &str, value: &str) -> Step {
        self.append_account(Body::Setting { key: key.to_owned(), value: value.to_owned() })
    }
}

fn no_conversation() -> ApiError {
    ApiError::new(ErrorKind::NotFound, "This log is not a conversation of yours.")
}

/// Why there is nothing to write in.
fn not_open_yet(state: ContactState) -> &'static str {
    match state {
        ContactState::PendingIn | ContactState::Rejected => {
            "This person asked you. Accept their request to write to them."
        }
        _ => "This person has not accepted yet. Your message can be sent once they have.",
    }
}

/// A person by identity.
pub(super) fn person(y7_id: &str) -> Result<RootId, ApiError> {
    let bad = "This is not a y7 id. It begins with y7: and is followed by about 44 letters and digits.";
    y7_id.trim().parse().ok().ok_or_else(|| ApiError::new(ErrorKind::InvalidId, bad))
}

/// A message by id.
pub(super) fn message_id(text: &str, field: &'static str) -> Result<EventId, ApiError> {
    text.parse().ok().ok_or_else(|| ApiError::param(field, "A message id is 64 hex digits."))
}

fn known_theme(theme: String) -> Result<String, ApiError> {
    let known = ["system", "light", "dark"].contains(&theme.as_str());
    if known { Ok(theme) } else { Err(ApiError::param("theme", "The theme is system, light or dark.")) }
}

/// A desktop of many screens has tens of thousands of pixels; more is nobody's window.
fn sound_place(place: WindowPlace) -> Result<WindowPlace, ApiError> {
    const FAR: i32 = 1 << 17;
    let (x, y) = place.at.unwrap_or_default();
    let near = [x, y].iter().all(|edge| (-FAR..=FAR).contains(edge));
    let sized = [place.width, place.height].iter().all(|side| (1..=1 << 15).contains(side));
    if near && sized { Ok(place) } else { Err(ApiError::param("window", "No screen has room for such a window.")) }
}

fn sound_scale(scale: u16) -> Result<u16, ApiError> {
    if (80..=150).contains(&scale) {
        Ok(scale)
    } else {
        Err(ApiError::param("scale", "The scale is 80 to 150 per cent."))
    }
}
