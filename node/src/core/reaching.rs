//! Reaching people: where they may be, dials and their ends.
//!
//! ```text
//! addresses of a person = found on this network, then saved (what worked last first), then hints of my request
//!                         lan only: those of this network alone; sessions that lead elsewhere end, whoever called
//! ```
//!
//! Somebody whose devices are unknown yet (a request that was never answered) may be any device that
//! is found on this network: those are dialled too, and prove who they are.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use rand_core::CryptoRng;
use y7ke_crypto::cert::Proven;
use y7ke_crypto::ids::{NetKey, RootId};
use y7ke_ledger::views::{ContactState, Standing};
use y7ke_transport::{Address, Command as NetCommand, FailedAttempt, SessionId, Ticket};

use super::links::Link;
use super::people::Relation;
use super::{CallId, Core, Round, Step};
use crate::api::{Answer, ApiError, ErrorKind, Mode, Notice};

/// Devices found on this network that are remembered: a crowded office; more are forgotten, oldest key first.
const FOUND_MAX: usize = 256;
/// Addresses given to one dial.
const DIAL_ADDRESSES_MAX: usize = 16;
/// Why a session ends that leads off this network, in "lan only".
pub(super) const ONLY_NEAR: &str = "lan only";

/// What a dial is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// To reach a person.
    Person(RootId),
    /// A command waits for it.
    Call(CallId),
    /// To reach somebody better who is reached already.
    Better,
}

impl Purpose {
    /// The command that waits for it.
    pub(crate) fn call(&self) -> Option<CallId> {
        match self {
            Self::Call(call) => Some(*call),
            Self::Person(_) | Self::Better => None,
        }
    }

    fn is_for(&self, root: &RootId) -> bool {
        matches!(self, Self::Person(other) if other == root)
    }
}

/// Devices that announced themselves on this network.
#[derive(Debug, Default)]
pub(crate) struct Found {
    devices: BTreeMap<NetKey, Vec<Address>>,
}

impl Found {
    pub(crate) fn knows(&self, net: &NetKey) -> bool {
        self.devices.contains_key(net)
    }

    /// Where a device was found, the newest first.
    pub(super) fn addresses(&self, net: &NetKey) -> &[Address] {
        self.devices.get(net).map_or(&[], Vec::as_slice)
    }

    fn add(&mut self, net: NetKey, addresses: Vec<Address>) {
        self.devices.insert(net, addresses);
        if self.devices.len() > FOUND_MAX {
            self.devices.pop_first();
        }
    }
}

impl Core {
    /// Whether the dial mode lets us talk along this address.
    pub(super) fn lets(&self, address: &Address) -> bool {
        self.mode == Mode::Y7net || (is_near(address, &self.listen) && !address.is_relayed())
    }

    pub(super) fn next_ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }
}

impl<R: CryptoRng> Round<'_, R> {
    pub(super) fn listening(&mut self, addresses: Vec<Address>) -> Step {
        self.core.listen = addresses;
        let listen = self.core.listen_texts();
        self.tell(Notice::Listening { listen });
        let trusted: Vec<SessionId> =
            self.core.links.iter().filter(|(_, link)| link.trusted).map(|(id, _)| *id).collect();
        trusted.into_iter().try_for_each(|id| self.tell_addresses(id))
    }

    /// Says to a contact where this device listens, so that either side can call the other again.
    pub(super) fn tell_addresses(&mut self, id: SessionId) -> Step {
        let Some(link) = self.core.links.get(&id) else { return Ok(()) };
        // An address of this machine alone is of use only to somebody on it.
        let here = link.path.remote.is_loopback();
        let usable = self.core.listen.iter().filter(|address| here || !address.is_loopback());
        let texts: Vec<String> = usable.take(y7ke_sync::ADDRESSES).map(ToString::to_string).collect();
        if texts.is_empty() { Ok(()) } else { self.note(id, y7ke_sync::Note::Addresses(texts)) }
    }

    /// Somebody says where they listen: of a contact it is kept, of a stranger if they come to ask.
    pub(super) fn heard_addresses(&mut self, id: SessionId, texts: Vec<String>) -> Step {
        let Some(link) = self.core.links.get_mut(&id) else { return Ok(()) };
        link.told = texts;
        let Some(root) = link.root() else { return Ok(()) };
        match self.relation(&root)? {
            Relation::Contact | Relation::Asked | Relation::Overdue | Relation::Sibling => self.keep_told(id),
            Relation::Asks | Relation::Rejected | Relation::Stranger | Relation::Blocked => Ok(()),
        }
    }

    /// What a device says of its addresses is worth a try, behind what is known to work. It replaces what the
    /// device said before: else a device that moves often is dialled wherever it once was.
    pub(super) fn keep_told(&mut self, id: SessionId) -> Step {
        let Some(link) = self.core.links.get_mut(&id) else { return Ok(()) };
        let (texts, Some(proven)) = (std::mem::take(&mut link.told), link.proven) else { return Ok(()) };
        let parsed = texts.iter().filter_map(|text| text.parse::<Address>().ok());
        let told: Vec<String> = parsed.map(|address| address.without_peer().to_string()).collect();
        if !told.is_empty() {
            self.forget_hearsay(&proven.net, &told)?;
        }
        for address in told {
            self.book.put_address(&proven.net, &address, 0)?;
        }
        Ok(())
    }

    /// Somebody is near: whoever waits for them, or for a person whose devices are unknown, dials.
    pub(super) fn discovered(&mut self, net: NetKey, addresses: Vec<Address>) -> Step {
        if net == self.core.me.net {
            return Ok(());
        }
        let is_news = !self.core.found.knows(&net);
        self.core.found.add(net, addresses);
        let theirs: Vec<SessionId> =
            self.core.links.iter().filter(|(_, link)| link.net == net).map(|(id, _)| *id).collect();
        theirs.into_iter().for_each(|id| self.hope_for_better(id));
        for contact in self.contacts()? {
            let nets = self.nets_of(&contact.root)?;
            if is_news && self.core.links_of(&contact.root).any(|(_, link)| link.net == net) {
                // They were faster; the path says from now on that they are near.
                self.tell_presence(&contact.root)?;
            }
            if nets.contains(&net) || (nets.is_empty() && contact.state == ContactState::PendingOut) {
                self.core.dialing.news(&contact.root, self.now.mono_ms);
            }
        }
        Ok(())
    }

    /// Puts a person on the table of dials, or takes them off, by what they are to me.
    pub(super) fn wish_to_reach(&mut self, root: &RootId) -> Step {
        let contact = self.standing(root)?;
        self.wish_by(root, contact.as_ref())
    }

    /// The same, for whoever has read the contact already.
    pub(super) fn wish_by(&mut self, root: &RootId, contact: Option<&Standing>) -> Step {
        let now_ms = self.now.mono_ms;
        match contact.map(|contact| (contact, contact.state)) {
            Some((_, ContactState::PendingOut)) => self.core.dialing.want(*root, true, now_ms),
            Some((contact, ContactState::Accepted)) => {
                let urgent = self.something_waits_for(contact)?;
                self.core.dialing.want(*root, urgent, now_ms);
            }
            None if self.must_tell(root)? => self.core.dialing.want(*root, false, now_ms),
            _ => self.core.dialing.forget(root),
        }
        self.rest_if_connected(root);
        Ok(())
    }

    /// The same, for whoever has just written to a contact: something waits for them.
    pub(super) fn wish_at_once(&mut self, root: &RootId) {
        self.core.dialing.want(*root, true, self.now.mono_ms);
        self.rest_if_connected(root);
    }

    /// The dial mode changed: what it forbids ends, whoever is apart is looked for where it lets us.
    pub(super) fn live_by_mode(&mut self) -> Step {
        let far = |link: &Link| !self.core.lets(&link.path.remote);
        let far: Vec<SessionId> = self.core.links.iter().filter(|(_, link)| far(link)).map(|(id, _)| *id).collect();
        let lost: BTreeSet<RootId> = far.iter().filter_map(|id| self.core.links.get(id)?.root()).collect();
        far.into_iter().for_each(|id| self.shut(id, ONLY_NEAR));
        self.core.dialing.news_for_all(self.now.mono_ms);
        lost.iter().try_for_each(|root| self.tell_presence(root))
    }

    fn rest_if_connected(&mut self, root: &RootId) {
        if self.core.links_of(root).next().is_some() {
            self.core.dialing.connected(root, self.now.mono_ms);
        }
    }

    pub(super) fn dial_due(&mut self) -> Step {
        for root in self.core.dialing.take_due(self.now.mono_ms) {
            self.dial_person(&root)?;
        }
        Ok(())
    }

    fn dial_person(&mut self, root: &RootId) -> Step {
        let targets = self.targets(root)?;
        if targets.is_empty() {
            self.give_up_for_now(root);
            return self.tell_presence(root);
        }
        // What is still under way from before (news came meanwhile) is not waited for any more.
        self.core.dials.retain(|_, purpose| !purpose.is_for(root));
        for (peer, addresses) in targets {
            let ticket = self.core.next_ticket();
            self.core.dials.insert(ticket, Purpose::Person(*root));
            self.net(NetCommand::Dial { ticket, peer, addresses });
        }
        self.tell_presence(root)
    }

    /// Each device that may be this person's, with its addresses.
    fn targets(&self, root: &RootId) -> Step<Vec<(Option<NetKey>, Vec<Address>)>> {
        let mut targets: BTreeMap<Option<NetKey>, Vec<Address>> = BTreeMap::new();
        let nets = self.nets_of(root)?;
        let near = self.core.found.devices.iter().filter(|(net, _)| nets.is_empty() || nets.contains(net));
        for (net, addresses) in near {
            targets.entry(Some(*net)).or_default().extend(addresses.iter().cloned());
        }
        for net in &nets {
            targets.entry(Some(*net)).or_default().extend(self.saved_addresses(net)?);
        }
        for hint in
            self.answerable(root)?.iter().flat_map(|row| &row.hints).filter_map(|hint| hint.parse::<Address>().ok())
        {
            targets.entry(hint.peer()).or_default().push(hint);
        }
        let allowed = targets.into_iter().map(|(peer, addresses)| (peer, self.allowed(addresses)));
        Ok(allowed.filter(|(peer, addresses)| !addresses.is_empty() && *peer != Some(self.core.me.net)).collect())
    }

    /// What the dial mode lets through, in this order and without repetitions.
    fn allowed(&self, mut addresses: Vec<Address>) -> Vec<Address> {
        let mut seen = BTreeSet::new();
        addresses.retain(|address| self.core.lets(address) && seen.insert(address.without_peer()));
        addresses.truncate(DIAL_ADDRESSES_MAX);
        addresses
    }

    fn give_up_for_now(&mut self, root: &RootId) {
        let jitter = self.rng.next_u64();
        self.core.dialing.failed(root, self.now.mono_ms, jitter);
    }

    pub(super) fn dialled(&mut self, ticket: Ticket, peer: NetKey) -> Step {
        match self.core.dials.remove(&ticket) {
            Some(Purpose::Call(call)) => self.answer(call, Ok(Answer::Dialled { peer_id: peer.to_string() })),
            Some(Purpose::Person(root)) => self.core.dialing.answered(&root, self.now.mono_ms),
            Some(Purpose::Better) | None => {}
        }
        Ok(())
    }

    pub(super) fn dial_failed(&mut self, ticket: Ticket, attempts: &[FailedAttempt]) -> Step {
        match self.core.dials.remove(&ticket) {
            Some(Purpose::Call(call)) => {
                let why = attempts.first().map_or_else(|| "no address".to_owned(), |attempt| attempt.why.to_string());
                self.answer(
                    call,
                    Err(ApiError::new(
                        ErrorKind::Network,
                        format!("Could not connect: {why}. Check the address and that the other side is running."),
                    )),
                );
            }
            Some(Purpose::Person(root)) if !self.still_dialling(&root) => {
                self.give_up_for_now(&root);
                self.tell_presence(&root)?;
            }
            Some(Purpose::Better) => self.core.udp.failed(self.now.mono_ms),
            Some(Purpose::Person(_)) | None => {}
        }
        Ok(())
    }

    fn still_dialling(&self, root: &RootId) -> bool {
        self.core.dials.values().any(|purpose| purpose.is_for(root))
    }

    pub(super) fn dial_by_hand(&mut self, call: CallId, multiaddr: &str) -> Step {
        let address = match multiaddr.parse::<Address>() {
            Ok(address) => address,
            Err(why) => {
                let message = format!("This is not an address: {why}. It looks like /ip4/192.168.1.7/tcp/4101.");
                self.answer(call, Err(ApiError::param("multiaddr", message)));
                return Ok(());
            }
        };
        if !self.core.lets(&address) {
            let what =
                if address.ip().is_some() { "is not on this network" } else { "is a name, which may lead anywhere" };
            let message = format!(
                "This address {what}, and only this network is used. Choose \"Internet\" in the settings to call it."
            );
            self.answer(call, Err(ApiError::new(ErrorKind::Network, message)));
            return Ok(());
        }
        let ticket = self.core.next_ticket();
        self.core.dials.insert(ticket, Purpose::Call(call));
        self.net(NetCommand::Dial { ticket, peer: address.peer(), addresses: vec![address] });
        Ok(())
    }

    /// An address that led to a device that proved itself is worth dialling again.
    pub(super) fn remember_address(&mut self, id: SessionId, proven: &Proven) -> Step {
        let Some(link) = self.core.links.get(&id) else { return Ok(()) };
        let (net, address) = (proven.net, link.path.remote.clone());
        if link.dialer && self.relation(&proven.root)?.is_acquainted() {
            self.save_address(&net, &address)?;
        }
        Ok(())
    }
}

/// Whether an address is of this machine or this network. Of public IPv6 that is whoever shares a /64 with an
/// address that we listen at: there a local network has no other addresses.
fn is_near(address: &Address, mine: &[Address]) -> bool {
    match address.ip().map(|ip| ip.to_canonical()) {
        Some(IpAddr::V4(ip)) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        Some(IpAddr::V6(ip)) => {
            let shared = mine.iter().filter_map(Address::ip).any(|own| same_link(own, ip));
            ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() || shared
        }
        None => false,
    }
}

/// Loopback lies in a /64 with nothing else that is anybody's.
fn same_link(own: IpAddr, ip: Ipv6Addr) -> bool {
    matches!(own, IpAddr::V6(own) if !own.is_loopback() && own.segments()[..4] == ip.segments()[..4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lan_only_knows_near_from_far() {
        let near =
            ["/ip4/192.168.1.7/tcp/4101", "/ip4/127.0.0.1/udp/1/quic-v1", "/ip6/fe80::1/tcp/1", "/ip6/fd00::2/tcp/1"];
        let far = ["/ip4/8.8.8.8/tcp/4101", "/dns/example.org/tcp/4101", "/ip6/2001:db8::1/tcp/1"];
        assert!(near.iter().map(parse).all(|address| is_near(&address, &[])));
        assert!(!far.iter().map(parse).any(|address| is_near(&address, &[])));
    }

    #[test]
    fn a_public_address_of_ipv6_is_near_on_our_own_link_only() {
        let mine = ["/ip4/10.0.0.1/tcp/1", "/ip6/::1/tcp/1", "/ip6/2001:db8:0:7::1/tcp/1"]
            .iter()
            .map(parse)
            .collect::<Vec<_>>();
        assert!(is_near(&parse(&"/ip6/2001:db8:0:7::2/udp/9/quic-v1"), &mine));
        assert!(!is_near(&parse(&"/ip6/2001:db8:0:8::2/udp/9/quic-v1"), &mine));
        for far in ["/ip4/8.8.8.8/tcp/9", "/ip6/::ffff:8.8.8.8/tcp/9", "/ip6/::8/tcp/9"] {
            assert!(!is_near(&parse(&far), &mine), "{far}");
        }
        assert!(is_near(&parse(&"/ip6/::ffff:192.168.1.7/tcp/9"), &mine));
    }

    fn parse(text: &&str) -> Address {
        text.parse().expect("a valid address")
    }
}
