//! A screen reader: what a window says of itself over AT-SPI, the accessibility bus of the desktop, and what it lets
//! one do there.

use futures::executor::block_on;
use zbus::proxy::{self, CacheProperties};
use zbus::zvariant::OwnedObjectPath;
use zbus::{Connection, Proxy};

use super::bus::{Bus, join_at};

/// Where an element lives: the program's name on the bus, and its path there.
type Place = (String, OwnedObjectPath);

/// Kinds of elements, by their numbers in AT-SPI (`AtspiRole`).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    CheckBox = 7,
    Window = 23,
    Label = 29,
    Button = 43,
    Entry = 79,
}

/// A reader that is switched on.
pub(crate) struct Reader {
    accessibility: Connection,
    // The services that were started for it go with the bus that it came by.
    _session: Connection,
}

/// One element as it is read out.
pub(crate) struct Element<'a> {
    reader: &'a Reader,
    place: Place,
    pub(crate) role: u32,
    pub(crate) name: String,
}

impl Reader {
    /// `None`, in words, where nothing offers an accessibility bus.
    pub(crate) fn on(bus: &Bus) -> Option<Self> {
        let session = bus.guest();
        let launcher = |interface| block_on(Proxy::new(&session, "org.a11y.Bus", "/org/a11y/bus", interface));
        let asked = block_on(launcher("org.a11y.Bus").expect("a name").call("GetAddress", &()));
        let Some(address) = asked.ok().filter(|address: &String| !address.is_empty()) else {
            eprintln!("skipped: at-spi2-core is not installed, so there is no bus for screen readers");
            return None;
        };
        let status = launcher("org.a11y.Status").expect("a name");
        for switch in ["IsEnabled", "ScreenReaderEnabled"] {
            block_on(status.set_property(switch, true)).expect("it can be switched on");
        }
        Some(Self { accessibility: join_at(&address), _session: session })
    }

    /// Everything that is on the screen, as it is walked through.
    pub(crate) fn walk(&self) -> Vec<Element<'_>> {
        let root = OwnedObjectPath::try_from("/org/a11y/atspi/accessible/root").expect("a path");
        let mut found = Vec::new();
        self.walk_from(("org.a11y.atspi.Registry".into(), root), &mut found);
        found
    }

    /// The element of this role and name, if there is one now.
    pub(crate) fn find(&self, role: Role, name: &str) -> Option<Element<'_>> {
        self.walk().into_iter().find(|element| element.role == role as u32 && element.name == name)
    }

    /// What has gone by the time that it is asked is left out.
    fn walk_from<'a>(&'a self, place: Place, found: &mut Vec<Element<'a>>) {
        let accessible = self.proxy(&place, "org.a11y.atspi.Accessible");
        let (role, name) = (block_on(accessible.call("GetRole", &())), block_on(accessible.get_property("Name")));
        let children: Vec<Place> = block_on(accessible.call("GetChildren", &())).unwrap_or_default();
        if let (Ok(role), Ok(name)) = (role, name) {
            found.push(Element { reader: self, place, role, name });
        }
        children.into_iter().for_each(|child| self.walk_from(child, found));
    }

    fn proxy(&self, place: &Place, interface: &'static str) -> Proxy<'_> {
        let (program, path) = place.clone();
        let proxy = proxy::Builder::new(&self.accessibility).cache_properties(CacheProperties::No);
        let proxy = proxy.destination(program).and_then(|proxy| proxy.path(path));
        let proxy = proxy.and_then(|proxy| proxy.interface(interface)).expect("a name and a path");
        block_on(proxy.build()).expect("nothing is asked yet")
    }
}

impl Element<'_> {
    /// Does what pressing it does.
    pub(crate) fn press(&self) {
        let done: bool = block_on(self.reader.proxy(&self.place, "org.a11y.atspi.Action").call("DoAction", &(0_i32,)))
            .expect("it can be pressed");
        assert!(done, "{} {}", self.role, self.name);
    }
}
