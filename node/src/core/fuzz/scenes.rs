//! Where scripts begin: played honestly once per process, then opened from copies of the disks.

use std::sync::OnceLock;

use super::world::{FRIEND, LIAR, VICTIM, World};
use crate::api::{Command, Conversation, SettingsPatch};

/// What a world is opened from.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) images: [y7ke_ledger::fuzz::Image; 3],
    pub(super) now_ms: u64,
    /// Everybody's identity.
    pub(super) ids: [String; 3],
    /// Ids that commands may name, per machine: of requests, of messages.
    pub(super) requests: [Vec<String>; 3],
    pub(super) messages: [Vec<String>; 3],
}

/// The world of scene `number`, a session between liar and victim open unless the number says otherwise.
pub(super) fn load(number: u8) -> World {
    static SCENES: [OnceLock<Scene>; 4] = [const { OnceLock::new() }; 4];
    let which = usize::from(number % 4);
    let scene = SCENES[which].get_or_init(|| play(which));
    let mut world = World::of(scene);
    if number < 128 {
        world.connect(LIAR, VICTIM);
        world.settle();
    }
    world
}

fn play(which: usize) -> Scene {
    let mut world = World::new();
    become_friends(&mut world, FRIEND);
    let name = SettingsPatch { name: Some("Vic".into()), ..SettingsPatch::default() };
    world.command(VICTIM, Command::SettingsSet(name));
    match which {
        0 => {}
        1 => ask(&mut world, LIAR, VICTIM),
        2 => {
            world.online[LIAR] = false;
            ask(&mut world, VICTIM, LIAR);
            world.pass(2_000);
            world.online[LIAR] = true;
        }
        _ => become_friends(&mut world, LIAR),
    }
    world.pass(2_000);
    world.into_scene()
}

fn ask(world: &mut World, from: usize, to: usize) {
    let uri = world.uri(to);
    world.command(from, Command::ContactRequest { uri, greeting: "hello".into() });
    world.pass(5_000);
}

fn become_friends(world: &mut World, who: usize) {
    ask(world, who, VICTIM);
    let request_id = world.request_id(VICTIM, u8::MAX);
    world.command(VICTIM, Command::RequestAccept { request_id });
    world.pass(2_000);
    for n in 0..3 {
        for (from, to) in [(who, VICTIM), (VICTIM, who)] {
            let to = Conversation::Person(world.y7_id(to));
            world.command(from, Command::MessageSend { to, text: format!("{n} of {from}"), reply_to: None });
        }
    }
    world.pass(1_000);
    let (of, up_to) = (Conversation::Person(world.y7_id(who)), world.message_id(VICTIM, u8::MAX));
    world.command(VICTIM, Command::MessageRead { of, up_to });
    world.pass(1_000);
}
