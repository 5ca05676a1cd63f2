//! Comparing safety numbers with the open person, and the mark that says so (B8).
//!
//! ```text
//! typed, pasted, read from a code ─▶ judged at once ─┐
//! "They match", by eye ──────────────────────────────┴─▶ contact.verify ─▶ the node's notice sets the mark
//! mark gone, and nobody here took it back ─▶ lapsed: a warning until it is compared again or put away
//! ```

use y7ke_node::api::{Command, ContactView};

use super::{Act, Asked, Desk, Effect, Field};
use crate::model::verify::{self, Verdict};

impl Desk {
    pub(super) fn verifying(&mut self, act: Act) -> Vec<Effect> {
        let Some(y7_id) = self.open.clone() else { return Vec::new() };
        match act {
            Act::Compare(typed) => {
                self.compare = typed;
                Vec::new()
            }
            Act::Verify => self.verify(y7_id),
            Act::Unverify => {
                self.unmarking.insert(y7_id.clone());
                let command = Command::ContactVerify { y7_id, digits: None, verified: false };
                vec![Effect::Call(Asked::Simple("The mark is taken back"), command)]
            }
            Act::PutAwayLapse => {
                self.lapsed.remove(&y7_id);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// What was typed goes along, so that the node compares it once more; nothing typed is a comparison by eye.
    fn verify(&mut self, y7_id: String) -> Vec<Effect> {
        let digits = match self.comparison() {
            Verdict::Empty => None,
            Verdict::Same => verify::digits(&self.compare).ok(),
            _ => return Vec::new(),
        };
        vec![Effect::Call(Asked::Verify, Command::ContactVerify { y7_id, digits, verified: true })]
    }

    /// What the digits that are typed say.
    pub fn comparison(&self) -> Verdict {
        verify::judge(&self.safety.digits, &self.compare)
    }

    /// The open person was marked as verified, and is no longer, though nobody here took the mark back.
    pub fn has_lapsed(&self) -> bool {
        self.open.as_ref().is_some_and(|open| self.lapsed.contains(open))
    }

    pub(super) fn verified(&mut self, now_ms: u64) -> Vec<Effect> {
        self.compare.clear();
        self.toasts.say("Marked as verified", false, now_ms);
        vec![Effect::Fill(Field::Compare, String::new())]
    }

    /// Watches the mark of somebody who is told anew.
    pub(super) fn watch_mark(&mut self, now: &ContactView) {
        if now.verified {
            self.lapsed.remove(&now.y7_id);
            return;
        }
        let was = self.contacts.get(&now.y7_id).is_some_and(|known| known.verified);
        if was && !self.unmarking.remove(&now.y7_id) {
            self.lapsed.insert(now.y7_id.clone());
        }
    }
}
