//! A file whose tables are whole and whose rows are not what this store wrote.
//!
//! ```text
//! store    the three logs of `folds`, a dozen events in each
//! script   damage…
//! damage   u8 table · u8 how ( 0 a byte changed · 1 cut short · 2 replaced · 3 taken away · 4 under another key )
//!          · u8 which row · u8 where · u8 length · bytes
//!          table ≥ 128: not a row but a whole block of them, as it lies in the file
//! ```
//!
//! Deep: each row is reached by its key, so the decoders of `schema` and what trusts their numbers is reached; each
//! block as redb has it, so that of `blocks` and what trusts its keys.
//! Checked: no panic and no endless walk. Everything else may fail: the disk's fault, said as an error.

use std::sync::OnceLock;

use redb::{ReadableTable, Table, TableDefinition};

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
    let (of_blocks, of_rows): (Vec<_>, Vec<_>) = damages(data).into_iter().partition(|damage| damage.table >= 128);
    let ledger = Ledger::open(disk.storage(), keys()).expect("memory does not fail");
    let mut batch = ledger.begin(&mut rng(1)).expect("no other batch is open");
    of_rows.iter().for_each(|damage| damage.to_row(&mut batch));
    batch.commit().expect("memory does not fail");
    drop(ledger);
    if !of_blocks.is_empty() {
        damage_blocks(&disk, &of_blocks);
    }
    let Ok(ledger) = Ledger::open(disk.storage(), keys()) else { return };
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

struct Damage<'a> {
    table: u8,
    how: u8,
    row: usize,
    at: usize,
    bytes: &'a [u8],
}

fn damages(mut rest: &[u8]) -> Vec<Damage<'_>> {
    let mut damages = Vec::new();
    while damages.len() < DAMAGES
        && let [table, how, row, at, len, tail @ ..] = rest
    {
        let (bytes, next) = tail.split_at(usize::from(*len).min(tail.len()));
        damages.push(Damage { table: *table, how: *how, row: (*row).into(), at: (*at).into(), bytes });
        rest = next;
    }
    damages
}

impl Damage<'_> {
    fn table(&self) -> Tbl {
        Tbl::ALL[usize::from(self.table % 128) % Tbl::ALL.len()]
    }

    /// One of these rows, chosen and damaged: what to write instead, where.
    fn of(&self, rows: &[(Vec<u8>, Vec<u8>)]) -> (Vec<u8>, Option<Vec<u8>>) {
        let bytes = self.bytes;
        let Some((mut key, mut value)) = rows.get(self.row % rows.len().max(1)).cloned() else {
            return (bytes.to_vec(), Some(bytes.to_vec()));
        };
        let at = self.at % value.len().max(1);
        match self.how % 5 {
            0 => value.iter_mut().skip(at).zip(bytes).for_each(|(old, new)| *old = *new),
            1 => value.truncate(at),
            2 => value = bytes.to_vec(),
            3 => return (key, None),
            _ => key.iter_mut().rev().zip(bytes).for_each(|(old, new)| *old = *new),
        }
        (key, Some(value))
    }

    fn to_row(&self, batch: &mut Batch) {
        let table = self.table();
        let rows = batch.raw_rows(table).expect("memory does not fail");
        let (key, value) = self.of(&rows);
        batch.raw_write(table, &key, value.as_deref());
    }

    fn to_block(&self, table: &mut Table<'_, &'static [u8], &'static [u8]>) -> Result<(), redb::StorageError> {
        let rows = table.iter()?.map(|row| row.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())));
        let (key, value) = self.of(&rows.collect::<Result<Vec<_>, _>>()?);
        match value {
            Some(value) => table.insert(key.as_slice(), value.as_slice())?,
            None => table.remove(key.as_slice())?,
        };
        Ok(())
    }
}

fn damage_blocks(disk: &Disk, damages: &[Damage<'_>]) {
    let database = redb::Database::builder().create_with_backend(disk.pages()).expect("memory does not fail");
    let transaction = database.begin_write().expect("memory does not fail");
    for damage in damages {
        let table = TableDefinition::<&'static [u8], &'static [u8]>::new(damage.table().name());
        let mut table = transaction.open_table(table).expect("memory does not fail");
        damage.to_block(&mut table).expect("memory does not fail");
    }
    transaction.commit().expect("memory does not fail");
}

/// What is read in a day.
fn read(view: &View) -> Result<(), StorageError> {
    let me = a2();
    let net = y7ke_crypto::sign::NetSecret::from_bytes(&[1; 32]).id();
    // Each verdict is free, and none keeps the others from being reached.
    drop((view.device(), view.secret("fuzz"), view.newest_prekey(), view.prekeys(), view.addresses(&net)));
    drop((view.outbound(), view.setting("theme"), view.stats(), view.arrivals(0, 100)));
    drop(tools::list(view));
    drop((tools::verify(view, None, &mut rng(4)), tools::diff([view, view])));
    for log in specs().map(|spec| spec.id()) {
        drop((view.heads(&log), view.heads_digest(&log), view.clock(&log), view.members(&log), view.fork_proofs(&log)));
        drop((view.unopened(&log), view.acks(&log), view.draft(&log), fold::digest(view, &log)));
        drop((tools::show(view, &log, tools::Words::Shown), tools::export_json(view, &log, tools::Words::Shown)));
        drop(tools::export_automerge(view, &log));
        let newest = tools::Point::Heads(view.heads(&log)?);
        drop(tools::replay(view, &log, &newest, tools::Words::Shown, tools::Steps::Shown));
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
