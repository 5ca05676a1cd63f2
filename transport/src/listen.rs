//! Where we listen: what was asked for, and what came of it. `I` is a listener's id.

use std::collections::BTreeSet;

use crate::Address;

/// The listeners of this device, in the order in which they were created.
#[derive(Debug)]
pub(crate) struct Listeners<I> {
    all: Vec<Listener<I>>,
}

#[derive(Debug)]
struct Listener<I> {
    id: I,
    configured: Address,
    /// Its addresses now; none before the first.
    up: Option<BTreeSet<Address>>,
}

impl<I: Copy + PartialEq> Listeners<I> {
    pub(crate) fn new() -> Self {
        Self { all: Vec::new() }
    }

    /// A listener was created; its addresses follow.
    pub(crate) fn created(&mut self, id: I, configured: Address) {
        self.all.push(Listener { id, configured, up: None });
    }

    /// A listener has one more address.
    pub(crate) fn gained(&mut self, id: I, address: Address) {
        if let Some(listener) = self.find(id) {
            listener.up.get_or_insert_default().insert(address);
        }
    }

    /// A listener has one address less. It stays settled.
    pub(crate) fn lost(&mut self, id: I, address: &Address) {
        if let Some(listener) = self.find(id) {
            listener.up.get_or_insert_default().remove(address);
        }
    }

    /// A listener is gone; what it was configured as, if it was one of ours.
    pub(crate) fn closed(&mut self, id: I) -> Option<Address> {
        let at = self.all.iter().position(|listener| listener.id == id)?;
        Some(self.all.remove(at).configured)
    }

    /// Has every listener had an address, or failed?
    pub(crate) fn settled(&self) -> bool {
        self.all.iter().all(|listener| listener.up.is_some())
    }

    /// Every current address once, ascending.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        let all: BTreeSet<&Address> = self.all.iter().filter_map(|listener| listener.up.as_ref()).flatten().collect();
        all.into_iter().cloned().collect()
    }

    fn find(&mut self, id: I) -> Option<&mut Listener<I>> {
        self.all.iter_mut().find(|listener| listener.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn settled_means_that_each_listener_had_an_address_or_is_gone() {
        let (tcp, quic) = (address("/ip4/0.0.0.0/tcp/0"), address("/ip4/0.0.0.0/udp/0/quic-v1"));
        let mut listeners = Listeners::new();
        assert!(listeners.settled());
        listeners.created(1, tcp.clone());
        listeners.created(2, quic.clone());
        listeners.gained(1, address("/ip4/192.0.2.1/tcp/9"));
        listeners.gained(1, address("/ip4/127.0.0.1/tcp/9"));
        assert!(!listeners.settled());
        assert_eq!(listeners.closed(2), Some(quic));
        assert!(listeners.settled());
        assert_eq!(listeners.addresses(), [address("/ip4/127.0.0.1/tcp/9"), address("/ip4/192.0.2.1/tcp/9")]);
        listeners.lost(1, &address("/ip4/127.0.0.1/tcp/9"));
        listeners.lost(1, &address("/ip4/192.0.2.1/tcp/9"));
        assert!(listeners.settled() && listeners.addresses().is_empty());
    }
}
