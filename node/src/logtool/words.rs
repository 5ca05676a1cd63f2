//! What the log tools say, for a person and as JSON.

use y7ke_crypto::ids::LogId;
use y7ke_ledger::tools::{LogDiff, LogRow, Report, Run, ShownEvent, State, Step};

use super::rebuild::Rebuilt;
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

/// Steps first, then what they come to.
pub(super) fn state(state: &State) -> String {
    let State { log, kind, events, of, closed, projection, .. } = state;
    let steps = state.steps.iter().map(stepped);
    let count = format!("{log}  {kind:<12}  {events} of {of} events");
    let shut = if *closed > 0 { format!(", {closed} cannot be opened here") } else { String::new() };
    let heads = state.heads.iter().map(|head| format!("  head        {head}"));
    let rows: Vec<_> = state.rows.iter().map(|(table, rows)| format!("{table} {rows}")).collect();
    let facts = [format!("  projection  {projection}"), format!("  rows        {}", rows.join(", "))];
    let messages = state.messages.iter();
    let messages = messages.map(|said| format!("  {:>14}  {}  {}", said.hlc, said.author, said.says.escape_debug()));
    let lines = steps.chain([count + &shut]).chain(heads).chain(facts).chain(messages);
    lines.collect::<Vec<_>>().join("\n")
}

fn stepped(step: &Step) -> String {
    let changed =
        step.changed.as_ref().map_or_else(|| "nothing".to_owned(), |changed| changed.escape_debug().to_string());
    format!("{}\n  ⇒ {changed}", step.event)
}

/// The logs that differ; a word if none does.
pub(super) fn diff(logs: &[LogDiff]) -> String {
    let differing: Vec<_> = logs.iter().filter(|log| !log.is_same()).map(differs).collect();
    if differing.is_empty() { format!("{} logs, all equal", logs.len()) } else { differing.join("\n") }
}

fn differs(log: &LogDiff) -> String {
    let name = ["the first", "the second"];
    let [one, other] =
        log.events.map(|events| events.map_or_else(|| "not there".to_owned(), |n| format!("{n} events")));
    let mut lines = vec![format!("{}  {:<12}  {one} | {other}", log.log, log.kind)];
    for (side, name) in name.into_iter().enumerate() {
        lines.extend(log.only[side].iter().map(|run| format!("  only in {name}: {}", numbers(run))));
        lines.extend(log.closed[side].iter().map(|run| format!("  cannot be opened in {name}: {}", numbers(run))));
    }
    if let [Some(one), Some(other)] = &log.projections
        && one != other
    {
        lines.push(format!("  projections  {one} | {other}"));
    }
    lines.join("\n")
}

fn numbers(run: &Run) -> String {
    let Run { device_id, from, to } = run;
    if from == to { format!("device {device_id} #{from}") } else { format!("device {device_id} #{from} to #{to}") }
}

pub(super) fn rebuilt(logs: &[Rebuilt]) -> String {
    let lines = logs.iter().map(|log| {
        let Rebuilt { log, kind, events, projection, mended } = log;
        let was = if *mended { "MENDED: what was there said something else" } else { "as it was" };
        format!("{log}  {kind:<12}  {events} events, {was}\n  projection  {}", hex::encode(projection))
    });
    lines.collect::<Vec<_>>().join("\n")
}
