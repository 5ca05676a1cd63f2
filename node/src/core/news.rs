//! What admission brought: notices to tell, logs to spread, and what else follows.
//!
//! Follow-ups are decided here and carried out where they belong: an opening consumes a request, a new
//! device changes what is granted, a fork is told of.

use rand_core::CryptoRng;
use y7ke_crypto::ids::{DeviceId, LogId, RequestId, RootId};
use y7ke_ledger::fold::{Change, LogKind};
use y7ke_ledger::store::{AppendError, EventRef, News};
use y7ke_ledger::views::{Direction, MessageKey, RequestPhase};
use y7ke_ledger::{orphans, views};
use y7ke_sync as sync;

use super::people::Relation;
use super::telling::What;
use super::{Core, Round, Step};
use crate::api::Notice;

impl Core {
    /// What is counted follows what came out of its order, and what went.
    fn count_with(&mut self, news: &News) {
        match news {
            News::Changed { event, .. } => self.counts.came(&event.log, &event.device, event.seq),
            News::Frozen { log, .. } | News::Refolded(log) => self.counts.forget(log),
            News::Live(_) | News::Dropped(_) | News::Refused { .. } => {}
        }
    }
}

impl<R: CryptoRng> Round<'_, R> {
    /// What the batch did since the last look: who has to be told, and what follows.
    pub(super) fn take_news(&mut self) -> Step {
        loop {
            let news = self.book.drain_news();
            if news.is_empty() {
                return Ok(());
            }
            for news in news {
                // What one of them leads to may be refused; the others still have to be told.
                super::disk_only(self.on_news(news))?;
            }
        }
    }

    fn on_news(&mut self, news: News) -> Step {
        self.core.count_with(&news);
        match news {
            News::Live(event) => self.touch(&event.log, event.device != self.core.me.device.id()),
            News::Changed { event, change } => {
                self.touch(&event.log, event.device != self.core.me.device.id())?;
                self.on_change(&event, change)
            }
            News::Frozen { log, .. } => {
                self.touch(&log, true)?;
                self.tell_of_forks(&log)
            }
            News::Refolded(log) => {
                self.tell(Notice::Resync);
                self.touch(&log, true)
            }
            News::Dropped(orphans::Dropped { log, sender, .. }) => self.ask_afresh(&log, &sender),
            News::Refused { sender, refusal, .. } => {
                tracing::debug!(%refusal, "an orphan was refused");
                self.core.refusals.spend(sender, 1, self.now.mono_ms);
                Ok(())
            }
        }
    }

    fn touch(&mut self, log: &LogId, foreign: bool) -> Step {
        let shared = self.view().log(log)?.is_some_and(|info| info.spec.kind() != LogKind::Identity);
        self.touched.entry(*log).or_default().acknowledge |= foreign && shared;
        Ok(())
    }

    /// An orphan was dropped: what its sender has is asked for once more (S5).
    fn ask_afresh(&mut self, log: &LogId, sender: &DeviceId) -> Step {
        let from = |link: &super::Link| link.proven.is_some_and(|proven| proven.device == *sender);
        let holds = self.core.links.iter().filter(|(_, link)| from(link));
        let links: Vec<_> = holds.filter_map(|(id, link)| Some((*id, *link.granted.get(log)?))).collect();
        for (id, stage) in links {
            let heads = self.heads(log)?;
            self.feed(id, sync::Input::Grant { log: *log, stage, heads })?;
        }
        Ok(())
    }

    fn on_change(&mut self, event: &EventRef, change: Change) -> Step {
        let foreign = event.device != self.core.me.device.id();
        match change {
            Change::Message(_) => self.message_came(event),
            Change::Read(root) => self.read_came(&event.log, &root),
            Change::Opened => {
                self.conversation_opened(&event.log, event.hlc)?;
                self.person_changed(&event.log)
            }
            Change::Revoked(_) => {
                self.person_changed(&event.log)?;
                self.sort_out_the_revoked(&event.log)
            }
            Change::Profile if foreign && event.log == self.core.me.identity => self.settings_came(),
            Change::Device(_) | Change::Prekey(_) | Change::Profile => self.person_changed(&event.log),
            Change::Disputed(..) => {
                self.tell(Notice::Resync);
                Ok(())
            }
            Change::Request(req_id) => self.request_changed(&req_id),
            Change::Contact(root) => {
                self.core.to_tell.person(root);
                Ok(())
            }
            Change::Draft(log) if foreign => self.draft_came(&log),
            Change::ReadUpTo(log) => self.person_changed(&log),
            Change::Setting(_) if foreign => self.settings_came(),
            Change::Draft(_) | Change::Setting(_) | Change::Unopened => Ok(()),
        }
    }

    /// Another device of mine changed what follows the person.
    fn settings_came(&mut self) -> Step {
        let settings = self.settings()?;
        self.tell(Notice::SettingsChanged { settings });
        Ok(())
    }

    fn message_came(&mut self, event: &EventRef) -> Step {
        let EventRef { log, hlc, device, seq, id } = *event;
        let other = self.other_member(&log)?;
        self.core.to_tell.people(other);
        self.core.to_tell.message(log, MessageKey { hlc, device, id, seq }, What::Came);
        Ok(())
    }

    /// Somebody read: which of my messages that covers is told, from the one that was told last.
    fn read_came(&mut self, log: &LogId, reader: &RootId) -> Step {
        if *reader == self.core.me.root {
            return self.person_changed(log);
        }
        let me = self.core.me.device.id();
        let marks = views::reads_of(self.view(), log)?;
        let mark = marks.iter().find(|mark| mark.reader == *reader && mark.device == me).map_or(0, |mark| mark.seq);
        let told = self.core.told_read.insert((*log, *reader), mark).unwrap_or(0);
        self.tell_reached(log, &me, told.saturating_add(1), mark)
    }

    /// A device is out: what its session may see changes at once (S1).
    fn sort_out_the_revoked(&mut self, log: &LogId) -> Step {
        let roots = self.view().log(log)?.map(|info| info.spec.roots()).unwrap_or_default();
        roots.iter().try_for_each(|root| self.regrant_person(root))
    }

    fn person_changed(&mut self, log: &LogId) -> Step {
        let roots = self.view().log(log)?.map(|info| info.spec.roots()).unwrap_or_default();
        let me = self.core.me.root;
        self.core.to_tell.people(roots.into_iter().filter(|root| *root != me));
        Ok(())
    }

    fn request_changed(&mut self, req_id: &RequestId) -> Step {
        for direction in [Direction::In, Direction::Out] {
            let row = views::request(self.view(), &self.core.me.account, direction, req_id, self.now.wall_ms)?;
            let Some(row) = row.filter(|row| row.phase != RequestPhase::Superseded) else { continue };
            self.core.to_tell.person(row.root);
            let request = self.show_request(&row);
            // One that crossed mine and lost answers itself (C3): nobody need look at it.
            let pending = direction == Direction::In && row.phase == RequestPhase::Pending;
            let fresh = pending && self.relation(&row.root)? == Relation::Asks;
            self.tell(if fresh { Notice::RequestReceived { request } } else { Notice::RequestChanged { request } });
        }
        Ok(())
    }

    fn tell_of_forks(&mut self, log: &LogId) -> Step {
        if !self.is_joined(log)? {
            return Ok(());
        }
        match self.book.write_fork_notices(*log, self.now.wall_ms, self.rng, &self.core.me.device) {
            Ok(_) => Ok(()),
            Err(AppendError::Storage(error)) => Err(error.into()),
            Err(why) => self.bug("a fork could not be told of", &why),
        }
    }
}
