//! From the ledger's rows to what the API shows. No decisions here, only names.

use y7ke_ledger::fold::status::Status as Reached;
use y7ke_ledger::views::{ContactState as Known, Direction as Way, MessageRow, RequestPhase, RequestRow};
use y7ke_transport::{IpVersion, Path, PathKind, Transport};

use crate::api::{ContactState, Direction, PathView, RequestProblem, RequestState, RequestView, Status};

/// How a contact is reached, with its label: `DIRECT · QUIC · IPv6`.
pub(crate) fn path(path: &Path, found_near: bool, dialer: bool) -> PathView {
    let kind = match path.kind {
        PathKind::Direct => "direct",
        PathKind::Relayed => "relay",
    };
    let (transport, transport_label) = match path.transport {
        Transport::Quic => ("quic", "QUIC"),
        Transport::Tcp => ("tcp", "TCP"),
    };
    let (ip, ip_label) = match path.ip {
        IpVersion::V4 => ("ipv4", " · IPv4"),
        IpVersion::V6 => ("ipv6", " · IPv6"),
        IpVersion::Unknown => ("unknown", ""),
    };
    let via = match (found_near, dialer) {
        (true, _) => "mdns",
        (false, true) => "address",
        (false, false) => "inbound",
    };
    let label = format!("{} · {transport_label}{ip_label}", kind.to_uppercase());
    PathView { kind: kind.into(), transport: transport.into(), ip: ip.into(), via: via.into(), label }
}

pub(crate) fn contact_state(state: Known) -> ContactState {
    match state {
        Known::PendingOut => ContactState::PendingOut,
        Known::PendingIn => ContactState::PendingIn,
        Known::Accepted => ContactState::Accepted,
        Known::Rejected => ContactState::Rejected,
        Known::Blocked => ContactState::Blocked,
    }
}

pub(crate) fn status(reached: Reached) -> Status {
    match reached {
        Reached::Queued => Status::Queued,
        Reached::Sent => Status::Sent,
        Reached::Delivered => Status::Delivered,
        Reached::Read => Status::Read,
    }
}

/// A request as it is listed; superseded ones are shown as cancelled, and not listed at all.
pub(crate) fn request(row: &RequestRow, heard: Option<Option<RequestProblem>>) -> RequestView {
    let pending = row.phase == RequestPhase::Pending;
    RequestView {
        request_id: row.req_id.to_string(),
        direction: match row.direction {
            Way::In => Direction::In,
            Way::Out => Direction::Out,
        },
        y7_id: row.root.to_string(),
        name: row.name.clone(),
        greeting: row.greeting.clone(),
        created: row.created,
        expires: row.expires,
        state: match row.phase {
            RequestPhase::Pending => RequestState::Pending,
            RequestPhase::Accepted => RequestState::Accepted,
            RequestPhase::Rejected => RequestState::Rejected,
            RequestPhase::Cancelled | RequestPhase::Superseded => RequestState::Cancelled,
            RequestPhase::Expired => RequestState::Expired,
        },
        problem: heard.flatten().filter(|_| pending),
        arrived: pending && heard == Some(None),
    }
}

/// A message with how far it came.
pub(crate) fn message(
    row: MessageRow,
    mine: bool,
    status: Reached,
    delivered_to: Vec<String>,
    now_ms: u64,
) -> crate::api::MessageView {
    crate::api::MessageView {
        message_id: row.key.id.to_string(),
        log: row.log.to_string(),
        author: row.author.to_string(),
        device_id: row.key.device.to_string(),
        mine,
        sent_at: row.sent_at(now_ms),
        hlc: row.key.hlc,
        reply_to: row.reply_to.map(|id| id.to_string()),
        edited_at: None,
        deleted: false,
        reactions: Vec::new(),
        status: self::status(status),
        delivered_to,
        unopened: row.unopened,
        disputed: row.disputed,
        text: row.text,
    }
}
