//! What an observer of this machine's network has: every frame on loopback, by a packet socket.
//!
//! ```text
//! kernel ── frames, in their order ──▶ reader thread ── IPv4 · TCP or UDP · a watched port ──▶ channel ──▶ finish
//!                                                                                               ▲
//! say(words): TCP and a datagram in the clear, which must be found, or the capture shows nothing ┘
//! ```
//!
//! TCP is put together again by its numbers. A hole would be a frame that the capture missed, and fails the test.
#![cfg(target_os = "linux")]
#![allow(unreachable_pub, clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends a test")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use y7ke_tests::process::{PATIENCE, stopwatch};

/// Every protocol, as packet sockets want it: in the order of the network.
const ETH_P_ALL: u16 = 3;
/// The longest frame of loopback, in bytes, with room for what the kernel hands over in one piece.
const FRAME_MAX: usize = 256 * 1024;
/// Bytes that the kernel is asked to keep for us; it may give less.
const BACKLOG: usize = 32 << 20;
/// How often the reader looks whether it is still wanted.
const LOOK_UP: Duration = Duration::from_millis(200);

const ETHERNET: usize = 14;
const IPV4: [u8; 2] = [8, 0];
const TCP: u8 = 6;
const UDP: u8 = 17;
const SYN: u8 = 2;

/// A running capture.
pub struct Capture {
    packets: Receiver<Packet>,
    wanted: Arc<AtomicBool>,
    mouth: UdpSocket,
    ear: UdpSocket,
    door: TcpListener,
}

/// One direction of one conversation between ports.
type Flow = (u16, u16);

struct Packet {
    flow: Flow,
    tcp: Option<Segment>,
    payload: Vec<u8>,
}

/// What of a TCP header orders the bytes.
struct Segment {
    number: u32,
    is_first: bool,
}

/// Everything that was seen.
pub struct Seen {
    /// The bytes of each direction of each TCP connection, in their order.
    pub streams: BTreeMap<Flow, Vec<u8>>,
    /// The datagrams, each by itself.
    pub datagrams: Vec<Vec<u8>>,
}

impl Capture {
    /// Watches what comes from or goes to one of these ports. Fails where the process may not.
    pub fn start(ports: &[u16]) -> std::io::Result<Self> {
        let protocol = Protocol::from(i32::from(ETH_P_ALL.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol))?;
        socket.set_recv_buffer_size(BACKLOG)?;
        socket.set_read_timeout(Some(LOOK_UP))?;
        let (mouth, ear) = (UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?, UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?);
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let own = [ear.local_addr()?.port(), door.local_addr()?.port()];
        let ports: Vec<u16> = ports.iter().copied().chain(own).collect();
        let (sender, packets) = channel();
        let wanted = Arc::new(AtomicBool::new(true));
        let still = Arc::clone(&wanted);
        std::thread::spawn(move || read(socket, &ports, &sender, &still));
        Ok(Self { packets, wanted, mouth, ear, door })
    }

    /// Says something in the clear on loopback, over TCP and in a datagram.
    pub fn say(&self, words: &str) {
        let mut stream = TcpStream::connect(self.door.local_addr().unwrap()).unwrap();
        stream.write_all(words.as_bytes()).unwrap();
        self.mouth.send_to(words.as_bytes(), self.ear.local_addr().unwrap()).unwrap();
    }

    /// Everything up to now: frames come in their order, so after the last word nothing older is missing.
    pub fn finish(self, last_word: &str) -> Seen {
        self.say(last_word);
        let (mut packets, since) = (Vec::new(), stopwatch());
        loop {
            let left = PATIENCE.checked_sub(since()).unwrap_or_else(|| panic!("the capture never saw {last_word:?}"));
            let packet = self.packets.recv_timeout(left).unwrap();
            let is_last = packet.tcp.is_none() && packet.payload == last_word.as_bytes();
            packets.push(packet);
            if is_last {
                return Seen::of(packets);
            }
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.wanted.store(false, Ordering::Relaxed);
    }
}

fn read(mut socket: Socket, ports: &[u16], to: &Sender<Packet>, wanted: &AtomicBool) {
    let mut frame = vec![0; FRAME_MAX];
    while wanted.load(Ordering::Relaxed) {
        // A pause ends the read as well: then there is nothing to look at.
        let length = socket.read(&mut frame).unwrap_or(0);
        let packet = parse(&frame[..length]).filter(|it| ports.contains(&it.flow.0) || ports.contains(&it.flow.1));
        if packet.is_some_and(|packet| to.send(packet).is_err()) {
            return;
        }
    }
}

fn parse(frame: &[u8]) -> Option<Packet> {
    (frame.get(12..ETHERNET)? == IPV4).then_some(())?;
    let ip = &frame[ETHERNET..];
    let length = usize::from(u16::from_be_bytes(array(ip, 2)?));
    let ip = ip.get(..length).unwrap_or(ip);
    let rest = ip.get(usize::from(ip.first()? & 15) * 4..)?;
    let flow = (u16::from_be_bytes(array(rest, 0)?), u16::from_be_bytes(array(rest, 2)?));
    match *ip.get(9)? {
        TCP => {
            let tcp = Segment { number: u32::from_be_bytes(array(rest, 4)?), is_first: rest.get(13)? & SYN != 0 };
            let payload = rest.get(usize::from(rest[12] >> 4) * 4..)?.to_vec();
            Some(Packet { flow, tcp: Some(tcp), payload })
        }
        UDP => Some(Packet { flow, tcp: None, payload: rest.get(8..)?.to_vec() }),
        _ => None,
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

impl Seen {
    fn of(packets: Vec<Packet>) -> Self {
        let (mut parts, mut firsts, mut datagrams) = (BTreeMap::<Flow, Vec<_>>::new(), BTreeMap::new(), Vec::new());
        for Packet { flow, tcp, payload } in packets {
            match tcp {
                None => datagrams.push(payload),
                Some(segment) if segment.is_first => drop(firsts.insert(flow, segment.number.wrapping_add(1))),
                Some(segment) => parts.entry(flow).or_default().push((segment.number, payload)),
            }
        }
        let streams = parts.into_iter().filter_map(|(flow, parts)| Some((flow, stream(*firsts.get(&flow)?, parts))));
        Self { streams: streams.collect(), datagrams }
    }
}

/// The bytes of one direction: sorted by number, what came twice once.
fn stream(first: u32, parts: Vec<(u32, Vec<u8>)>) -> Vec<u8> {
    let mut parts: Vec<(usize, Vec<u8>)> =
        parts.into_iter().map(|(number, bytes)| (number.wrapping_sub(first) as usize, bytes)).collect();
    parts.retain(|(_, bytes)| !bytes.is_empty());
    parts.sort_by_key(|(at, _)| *at);
    let mut whole = Vec::new();
    for (at, bytes) in parts {
        assert!(at <= whole.len(), "the capture missed {} bytes of TCP", at - whole.len());
        whole.extend_from_slice(bytes.get(whole.len() - at..).unwrap_or_default());
    }
    whole
}
