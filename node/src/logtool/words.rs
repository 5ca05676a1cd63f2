//! What the log tools say, for a person and as JSON.

use y7ke_crypto::ids::LogId;
use y7ke_ledger::tools::{LogRow, Report, ShownEvent};

use crate::api::{ClockView, LogView};

/// The logs as `log.list` of `y7 rpc` shows them; one that is only expected holds nothing to be listed.
pub(super) fn log_views(rows: Vec<LogRow>) -> Vec<LogView> {
    rows.into_iter().filter(|row| !row.heads.is_empty()).map(log_view).collect()
}

fn log_view(row: LogRow) -> LogView {
    let clock = row.clock.into_iter().map(|entry| ClockView { device_id: entry.device_id, seq: entry.seq });
    LogView { log: row.log, kind: row.kind.into(), events: row.events, heads: row.heads, clock: clock.collect() }
}

pub(super) fn list(logs: &[LogView]) -> String {
    logs.iter().map(listed).collect::<Vec<_>>().join("\n")
}

fn listed(log: &LogView) -> String {
    let clock = log.clock.iter().map(|entry| format!("\n  device {} #{}", entry.device_id, entry.seq));
    let heads = log.heads.iter().map(|head| format!("\n  head   {head}"));
    format!("{}  {:<12}  {} events{}", log.log, log.kind, log.events, heads.chain(clock).collect::<String>())
}

pub(super) fn events(events: &[ShownEvent]) -> String {
    events.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

pub(super) fn verified(log: Option<&LogId>, found: &Report) -> String {
    let what = log.map_or_else(|| "all logs".to_owned(), ToString::to_string);
    let bad = found.bad.iter().map(|bad| format!("\n  {}  {}", bad.id, bad.why)).collect::<String>();
    let verdict = if found.bad.is_empty() { "all good".to_owned() } else { format!("{} BAD", found.bad.len()) };
    format!("{what}: {} events, {verdict}{bad}", found.events)
}
