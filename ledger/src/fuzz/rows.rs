//! A file whose tables are whole and whose rows are not what this store wrote.
//!
//! ```text
//! store    the three logs of `folds`, a dozen events in each
//! script   damage…
//! damage   u8 table · u8 how ( 0 a byte changed · 1 cut short · 2 replaced · 3 taken away · 4 under another key )
//!          · u8 which row · u8 where · u8 length · bytes
//! ```
//!
//! Deep: each row is reached by its key, so the decoders of `schema` and what trusts their numbers is reached.
//! Checked: no panic and no endless walk. Everything else may fail: the disk's fault, said as an error.

use std::sync::OnceLock;

use super::folds::{Stage, a2, hand_over, keys, rng, specs, written};
use super::{Disk, Image};
use crate::body::Body;
use crate::fold;
use crate::store::raw::Tbl;
use crate::store::{Batch, Ledger, StorageError, View};
use crate::{tools, views};

/// Damages in one script.
const DAMAGES: usize = 16;

/// Runs a script; see the head of the file.
pub fn rows(data: &[u8]) {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    let disk = Disk::of(IMAGE.get_or_init(filled).clone());
    let ledger = Ledger::open(disk.storage(), keys()).expect("memory does not fail");
    let mut batch = ledger.begin(&mut rng(1)).expect("no other batch is open");
    let mut rest = data;
    for _ in 0..DAMAGES {
        let [table, how, row, at, len, tail @ ..] = rest else { break };
        let (bytes, next) = tail.split_at(usize::from(*len).min(tail.len()));
        rest = next;
        damage(&mut batch, *table, *how, usize::from(*row), usize::from(*at), bytes);
    }
    batch.commit().expect("memory does not fail");
    // A verdict is reached: which one is free.
    drop(ledger.view().and_then(|view| read(&view)));
    drop(ledger.begin(&mut rng(2)).and_then(|mut batch| write(&mut batch)));
}

/// A store with something in every table that an ordinary life fills.
fn filled() -> Image {
    let stage = Stage::set();
    let script: Vec<u8> = (0..16u8)
        .flat_map(|n| {
            let body: &[u8] = if n % 4 == 0 { b"\x05\x02\x00\x00\x00ab" } else { b"\x20\x03\x00\x00\x00abc\x00" };
            let how = u8::from(n % 4 != 0);
            [&[n, how, body.len().to_le_bytes()[0]], body].concat()
        })
        .collect();
    let disk = Disk::of(stage.image.clone());
    let ledger = Ledger::open(disk.storage(), keys()).expect("memory does not fail");
    let mut batch = ledger.begin(&mut rng(3)).expect("no other batch is open");
    hand_over(&mut batch, written(&mut stage.pens(), &script).iter());
    let net = y7ke_crypto::sign::NetSecret::from_bytes(&[1; 32]).id();
    batch.put_address(&net, "/ip4/10.0.0.1/tcp/4101", 5).expect("memory does not fail");
    batch.put_setting("theme", "dark");
    batch.put_secret("fuzz", b"secret");
    batch.note_seen(&y7ke_crypto::ids::RequestId::from([1; 32]), 7);
    for spec in specs() {
        batch.put_draft(&spec.id(), "half a sent");
        batch.acknowledge(spec.id(), &a2().key).expect("memory does not fail");
    }
    batch.commit().expect("memory does not fail");
    drop(ledger);
    disk.durable()
}

fn damage(batch: &mut Batch, table: u8, how: u8, row: usize, at: usize, bytes: &[u8]) {
    let table = Tbl::ALL[usize::from(table) % Tbl::ALL.len()];
    let rows = batch.raw_rows(table).expect("memory does not fail");
    let Some((key, mut value)) = rows.get(row % rows.len().max(1)).cloned() else {
        return batch.raw_write(table, bytes.to_vec(), Some(bytes.to_vec()));
    };
    let at = at % value.len().max(1);
    match how % 5 {
        0 => value.iter_mut().skip(at).zip(bytes).for_each(|(old, new)| *old = *new),
        1 => value.truncate(at),
        2 => value = bytes.to_vec(),
        3 => return batch.raw_write(table, key, None),
        _ => {
            let mut other = key;
            other.iter_mut().rev().zip(bytes).for_each(|(old, new)| *old = *new);
            return batch.raw_write(table, other, Some(value));
        }
    }
    batch.raw_write(table, key, Some(value));
}

/// What is read in a day.
fn read(view: &View) -> Result<(), StorageError> {
    let me = a2();
    let net = y7ke_crypto::sign::NetSecret::from_bytes(&[1; 32]).id();
    // Each verdict is free, and none keeps the others from being reached.
    drop((view.device(), view.secret("fuzz"), view.newest_prekey(), view.prekeys(), view.addresses(&net)));
    drop((view.outbound(), view.setting("theme"), view.stats(), view.arrivals(0, 100)));
    drop(tools::list(view));
    drop(tools::verify(view, None, &mut rng(4)));
    for log in specs().map(|spec| spec.id()) {
        drop((view.heads(&log), view.heads_digest(&log), view.clock(&log), view.members(&log), view.fork_proofs(&log)));
        drop((view.unopened(&log), view.acks(&log), view.draft(&log), fold::digest(view, &log)));
        drop((tools::show(view, &log, tools::Words::Shown), tools::export_json(view, &log, tools::Words::Shown)));
        drop(tools::export_automerge(view, &log));
        drop((views::page(view, &[log], None, 50), views::conversation(view, &[log], &me.root.id())));
        drop((views::contacts(view, &log, 5), views::requests(view, &log, 5), views::settings(view, &log)));
        let lacks = y7ke_crypto::clock::Clock::new().lacks(&view.clock(&log)?);
        drop(view.events_between(&log, &lacks, 100, 1 << 20));
    }
    Ok(())
}

/// What is written in a day.
fn write(batch: &mut Batch) -> Result<(), StorageError> {
    let me = a2();
    for spec in specs() {
        let log = spec.id();
        drop(batch.append(log, &Body::Join { chain: me.chain.clone() }, 9, &mut rng(5), &me.key));
        drop(batch.acknowledge(log, &me.key));
        drop(batch.write_fork_notices(log, 9, &mut rng(6), &me.key));
        drop(batch.rebuild_projections(&log));
    }
    drop((batch.note_running(9), batch.prune_seen(9)));
    Ok(())
}
