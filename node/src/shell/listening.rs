//! Starting the transport and waiting until its addresses are bound.
//!
//! ```text
//! --listen given    every address must come up, else the start fails (exit 7)
//! default           whatever comes up; a machine without IPv6 is no failure
//! ```

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use y7ke_transport::{self as transport, Address, Event as NetEvent};

use super::actor::Network;
use super::ears::Ears;
use crate::home::StartError;
use crate::options::Config;

/// Where a node listens unless it is told otherwise.
const DEFAULT: [&str; 4] =
    ["/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1", "/ip6/::/tcp/0", "/ip6/::/udp/0/quic-v1"];

/// Binding sockets takes milliseconds; after this the node starts without what is missing.
const PATIENCE: Duration = Duration::from_secs(3);

/// A wildcard becomes one address after the other; after this long without another one, they are all there.
const QUIET: Duration = Duration::from_millis(50);

/// The running transport, and what it said until its addresses stood.
pub(super) fn start(
    runtime: &Runtime,
    config: &Config,
    seed: zeroize::Zeroizing<[u8; 32]>,
) -> Result<(Network, Vec<NetEvent>), StartError> {
    let listen = config.listen.clone().unwrap_or_else(defaults);
    let within = runtime.enter();
    let mut settings = transport::Config::new(seed, listen.clone());
    settings.mdns = config.mdns;
    let (commands, mut events, _task) = transport::start(settings).map_err(refused)?;
    drop(within);
    let heard = runtime.block_on(hear(&mut events, &listen));
    if config.listen.is_some() {
        all_bound(&heard)?;
    }
    Ok((Network::new(commands, Ears::new(events, runtime.handle().clone())), heard))
}

/// The constants parse; a test shows it.
fn defaults() -> Vec<Address> {
    DEFAULT.iter().filter_map(|text| text.parse().ok()).collect()
}

fn refused(fault: transport::StartError) -> StartError {
    match fault {
        transport::StartError::Network(why) => StartError::System(why),
        fault => StartError::System(std::io::Error::other(fault)),
    }
}

/// Listens to the transport until each address of `listen` stands or failed.
async fn hear(events: &mut mpsc::Receiver<NetEvent>, listen: &[Address]) -> Vec<NetEvent> {
    let mut heard = Vec::new();
    let all = hear_all(events, listen, &mut heard);
    if tokio::time::timeout(PATIENCE, all).await.is_err() {
        tracing::warn!("not every address is up yet; going on without");
    }
    newest_listening(heard)
}

async fn hear_all(events: &mut mpsc::Receiver<NetEvent>, listen: &[Address], heard: &mut Vec<NetEvent>) {
    while !listen.iter().all(|address| is_settled(address, heard)) {
        match events.recv().await {
            Some(event) => heard.push(event),
            None => return,
        }
    }
    while listen.iter().any(Address::is_unspecified) {
        match tokio::time::timeout(QUIET, events.recv()).await {
            Ok(Some(event)) => heard.push(event),
            Ok(None) | Err(_) => return,
        }
    }
}

/// Each list of addresses replaces the one before: the first notice is then the whole one.
fn newest_listening(mut heard: Vec<NetEvent>) -> Vec<NetEvent> {
    let is_list = |event: &NetEvent| matches!(event, NetEvent::Listening { .. });
    let newest = heard.iter().rposition(is_list);
    let mut at = 0;
    heard.retain(|event| {
        at += 1;
        !is_list(event) || Some(at - 1) == newest
    });
    heard
}

fn is_settled(address: &Address, heard: &[NetEvent]) -> bool {
    heard.iter().any(|event| match event {
        NetEvent::Listening { addresses } => addresses.iter().any(|real| stands_for(address, real)),
        NetEvent::ListenFailed { address: failed, .. } => failed == address,
        _ => false,
    })
}

/// Is `real` what became of `asked`? Port 0 and the unspecified host stand for any.
fn stands_for(asked: &Address, real: &Address) -> bool {
    let same_family = asked.ip().map(|ip| ip.is_ipv4()) == real.ip().map(|ip| ip.is_ipv4());
    let same_host = asked.is_unspecified() || asked.ip() == real.ip();
    let same_port = asked.port() == Some(0) || asked.port() == real.port();
    asked.transport() == real.transport() && same_family && same_host && same_port
}

fn all_bound(heard: &[NetEvent]) -> Result<(), StartError> {
    let failed = heard.iter().find_map(|event| match event {
        NetEvent::ListenFailed { address, why } => {
            Some(StartError::AddressInUse { address: address.to_string(), why: why.to_string() })
        }
        _ => None,
    });
    failed.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().expect("a multiaddr")
    }

    #[test]
    fn the_default_addresses_parse() {
        assert_eq!(defaults().len(), DEFAULT.len());
    }

    #[test]
    fn only_the_newest_list_of_addresses_is_passed_on() {
        let list = |text: &str| NetEvent::Listening { addresses: vec![address(text)] };
        let (one, other) = (list("/ip4/127.0.0.1/tcp/1"), list("/ip4/127.0.0.1/tcp/2"));
        let heard = vec![one.clone(), NetEvent::NetworkChanged, one, other.clone()];
        assert_eq!(newest_listening(heard), [NetEvent::NetworkChanged, other]);
    }

    #[test]
    fn a_wildcard_is_settled_by_any_real_address_of_its_kind() {
        let heard =
            |texts: &[&str]| vec![NetEvent::Listening { addresses: texts.iter().map(|t| address(t)).collect() }];
        let any = address("/ip4/0.0.0.0/tcp/0");
        assert!(is_settled(&any, &heard(&["/ip4/10.0.0.1/tcp/4001"])));
        assert!(!is_settled(&any, &heard(&["/ip4/10.0.0.1/udp/4001/quic-v1"])));
        assert!(!is_settled(&any, &heard(&["/ip6/::1/tcp/4001"])));
        let exact = address("/ip4/127.0.0.1/tcp/9");
        assert!(!is_settled(&exact, &heard(&["/ip4/127.0.0.1/tcp/8", "/ip4/10.0.0.1/tcp/9"])));
        assert!(is_settled(&exact, &heard(&["/ip4/127.0.0.1/tcp/9"])));
    }
}
