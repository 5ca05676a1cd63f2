//! Every pane in both schemes and at three sizes, for looking at: written only where `Y7KE_PICTURES` names a folder.
//!
//! ```text
//! Y7KE_PICTURES=/tmp/look cargo test -p y7ke --test pictures
//! ```

mod common;

use std::rc::Rc;

use common::fake::{self, ADA, Fake, GRACE};
use common::rig::Rig;
use y7ke::model::desk::Act;
use y7ke::ui::Pane;

const SIZES: [(f32, f32); 3] = [(720.0, 480.0), (1024.0, 640.0), (1600.0, 1000.0)];

fn wanted() -> bool {
    std::env::var_os("Y7KE_PICTURES").is_some()
}

/// Shows one state at every size in both schemes.
fn shoot(name: &str, fake: fn() -> Rc<Fake>, fresh: bool, arrange: impl Fn(&Rig)) {
    if !wanted() {
        return;
    }
    for theme in ["light", "dark"] {
        for (width, height) in SIZES {
            let fake = fake();
            fake.settings.borrow_mut().iter_mut().for_each(|settings| {
                settings.theme = theme.into();
                if fresh {
                    settings.name.clear();
                }
            });
            let rig = Rig::start(fake, width, height, fresh);
            arrange(&rig);
            rig.settle();
            rig.picture(&format!("{name}-{theme}-{width}"));
        }
    }
}

fn act(rig: &Rig, act: Act) {
    rig.app.did(act);
    rig.settle();
}

#[test]
fn welcome() {
    shoot("welcome", fake::empty, true, |_| {});
}

#[test]
fn home_empty() {
    shoot("empty", fake::empty, false, |_| {});
}

#[test]
fn home() {
    shoot("home", fake::everyday, false, |_| {});
}

#[test]
fn chat() {
    shoot("chat", fake::everyday, false, |rig| act(rig, Act::Open(ADA.into())));
}

#[test]
fn chat_new() {
    shoot("unread", fake::everyday, false, |rig| act(rig, Act::Open(GRACE.into())));
}

#[test]
fn chat_long() {
    shoot("long", fake::long, false, |rig| act(rig, Act::Open(ADA.into())));
}

#[test]
fn chat_right_to_left() {
    shoot("rtl", fake::right_to_left, false, |rig| act(rig, Act::Open(ADA.into())));
}

#[test]
fn chat_trouble() {
    shoot("trouble", fake::everyday, false, |rig| {
        act(rig, Act::Open(ADA.into()));
        rig.fake.broken.replace(Some("the disk is full; free some space and try again".into()));
        rig.write("This one does not make it to the disk");
        rig.key(slint::platform::Key::Return);
        rig.fake.tell(y7ke_node::api::Notice::Storage {
            error: "The disk is full: nothing new is kept until there is room.".into(),
        });
        rig.write("and more words that I typed since, so many that the composer grows by a line or two as they come, and then some");
    });
}

#[test]
fn add() {
    shoot("add", fake::everyday, false, |rig| {
        act(rig, Act::Show(Pane::Add));
        rig.write("y7:4uQ0");
    });
}

#[test]
fn add_ready() {
    shoot("add-ready", fake::everyday, false, |rig| {
        act(rig, Act::Show(Pane::Add));
        rig.write(fake::NEW);
    });
}

#[test]
fn requests() {
    shoot("requests", fake::asked, false, |rig| act(rig, Act::Show(Pane::Requests)));
}

#[test]
fn waiting() {
    shoot("waiting", fake::empty, false, |rig| {
        act(rig, Act::Uri(fake::NEW.into()));
        act(rig, Act::Request);
    });
}

#[test]
fn settings() {
    shoot("settings", fake::everyday, false, |rig| act(rig, Act::Show(Pane::Settings)));
}

#[test]
fn settings_whole() {
    if wanted() {
        let rig = Rig::new(fake::everyday(), 1024.0, 1700.0);
        rig.fake.protect("right", false);
        act(&rig, Act::Show(Pane::Settings));
        rig.picture("settings-whole");
        act(&rig, Act::ChangeVault(y7ke_node::api::VaultKind::Passphrase));
        rig.picture("settings-passphrase");
    }
}

#[test]
fn locked() {
    fn profile() -> Rc<Fake> {
        let fake = fake::everyday();
        fake.protect("right", true);
        fake
    }
    shoot("locked", profile, false, |rig| rig.write("correct horse"));
    shoot("locked-wrong", profile, false, |rig| {
        rig.write("wrong");
        rig.key(slint::platform::Key::Return);
    });
}

#[test]
fn about() {
    shoot("about", fake::everyday, false, |rig| act(rig, Act::Show(Pane::About)));
}

#[test]
fn person() {
    shoot("person", fake::everyday, false, |rig| {
        act(rig, Act::Open(ADA.into()));
        act(rig, Act::Show(Pane::Person));
    });
}

#[test]
fn question() {
    shoot("question", fake::everyday, false, |rig| {
        act(rig, Act::Open(ADA.into()));
        act(rig, Act::Block(ADA.into()));
    });
}

#[test]
fn middle_width_is_a_rail() {
    if !wanted() {
        return;
    }
    let rig = Rig::new(fake::asked(), 780.0, 560.0);
    act(&rig, Act::Open(ADA.into()));
    rig.picture("rail-light-780");
}

#[test]
fn large_scale() {
    shoot("scale150", fake::everyday, false, |rig| {
        act(rig, Act::SetScale(150));
        act(rig, Act::Open(ADA.into()));
    });
}

#[test]
fn person_verified() {
    shoot("person-verified", fake::everyday, false, |rig| {
        rig.fake.alter(ADA, |contact| contact.verified = true).tell_contact(ADA);
        act(rig, Act::Open(ADA.into()));
        act(rig, Act::Show(Pane::Person));
    });
}

#[test]
fn found() {
    shoot("found", fake::everyday, false, |rig| {
        act(rig, Act::Open(ADA.into()));
        rig.chord(slint::platform::Key::Control, "k");
        rig.write("re");
        rig.pass(300);
    });
}

#[test]
fn found_nothing() {
    shoot("found-nothing", fake::everyday, false, |rig| {
        rig.chord(slint::platform::Key::Control, "k");
        rig.write("zzz");
        rig.pass(300);
    });
}

#[test]
fn within() {
    shoot("within", fake::everyday, false, |rig| {
        act(rig, Act::Open(ADA.into()));
        rig.chord(slint::platform::Key::Control, "f");
        rig.write("the");
        rig.pass(300);
        rig.settle();
        rig.key(slint::platform::Key::Return);
    });
}

#[test]
fn reply() {
    shoot("reply", fake::everyday, false, |rig| {
        let messages: Vec<_> = rig.fake.messages.borrow()[ADA].values().cloned().collect();
        let last = rig.fake.said(ADA, false, "Both copies, please", fake::NOW - 60_000);
        rig.fake.answers(ADA, &last, &messages[12]);
        act(rig, Act::Open(ADA.into()));
        rig.click_right_message("Both copies, please");
        rig.click("Reply");
        rig.write("Of course");
    });
}

#[test]
fn menu() {
    shoot("menu", fake::everyday, false, |rig| {
        act(rig, Act::Open(ADA.into()));
        rig.click_right_message("example.org/notes");
    });
}

#[test]
fn link() {
    shoot("link", fake::everyday, false, |rig| {
        act(rig, Act::Open(ADA.into()));
        act(rig, Act::Link("https://xn--80ak6aa92e.com/login?next=%2Faccount&session=8f6f1d2c0b".into()));
    });
}

#[test]
fn keys() {
    shoot("keys", fake::everyday, false, |rig| act(rig, Act::Show(Pane::Keys)));
}

#[test]
fn lapse() {
    shoot("lapse", fake::everyday, false, |rig| {
        rig.fake.alter(ADA, |contact| contact.verified = true).tell_contact(ADA);
        act(rig, Act::Open(ADA.into()));
        rig.fake.alter(ADA, |contact| contact.verified = false).tell_contact(ADA);
    });
}

#[test]
fn no_network() {
    let cut_off = || {
        let fake = fake::empty();
        fake.info.borrow_mut().iter_mut().for_each(|info| info.listen.clear());
        fake
    };
    shoot("no-network", cut_off, false, |_| {});
}
