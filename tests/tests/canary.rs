//! What a person wrote is nowhere but on the screens of the two (shown: 6; the row "encrypted covers all").
#![allow(clippy::unwrap_used, reason = "a failed expectation ends a test")]

#[cfg(target_os = "linux")]
mod capture;
mod common;

use common::{Person, accepted, text, uri, y7_id};
use serde_json::json;
use y7ke_tests::process::{Launch, Node, files};
use y7ke_tests::proxy::Proxy;

const CANARY: &str = "canary-8c1f-sings-only-in-the-mine";
#[cfg(target_os = "linux")]
const IN_THE_CLEAR: &str = "this stands in the clear on loopback";

/// Everything that carries the canary: a greeting, messages in both directions, a nickname, a profile name, a draft.
#[test]
fn a_canary_is_in_no_file_no_log_and_no_captured_byte() {
    let (ada, bob) = (Person::new(), Person::new());
    let proxy = Proxy::start(bob.port).unwrap();
    let (launch_a, launch_b) = (talkative(&ada), talkative(&bob));
    let (mut a, mut b) = (launch_a.start(), launch_b.start());
    let link = uri(&mut b).replace(&format!("tcp%2F{}", bob.port), &format!("tcp%2F{}", proxy.port));
    a.get("settings.set", json!({"name": format!("{CANARY} name")}));
    a.get("contact.request", json!({"uri": link, "greeting": format!("{CANARY} greeting")}));
    let request = b.event("the request", |event| event["kind"] == "request.received");
    assert!(text(&request["request"]["greeting"]).contains(CANARY));
    b.get("request.accept", json!({"request_id": request["request"]["request_id"]}));
    let (a_id, b_id) = (y7_id(&mut a), y7_id(&mut b));
    accepted(&mut a, &b_id);
    accepted(&mut b, &a_id);

    say(&mut a, &mut b, &b_id, "from a");
    say(&mut b, &mut a, &a_id, "from b");
    a.get("contact.rename", json!({"y7_id": b_id, "name": format!("{CANARY} nickname")}));
    a.get("draft.set", json!({"y7_id": b_id, "text": format!("{CANARY} draft")}));
    let seen = proxy.seen();
    assert!(seen.len() > 10_000, "only {} bytes passed the proxy", seen.len());
    nowhere(&seen, "the traffic");

    while_running_and_after(&ada, &bob);
    assert!(a.end().success() && b.end().success());
    while_running_and_after(&ada, &bob);
}

/// The same by a packet socket on loopback, over TCP and over QUIC: handshakes and everything else included.
#[cfg(target_os = "linux")]
#[test]
fn a_canary_is_in_no_frame_on_loopback() {
    for quic in [false, true] {
        let (ada, bob) = (Person::new(), Person::new());
        let ports = if quic { [free_udp_port(), free_udp_port()] } else { [ada.port, bob.port] };
        let capture = match capture::Capture::start(&ports) {
            Ok(capture) => capture,
            Err(fault) => {
                eprintln!(
                    "skipped: capturing frames needs CAP_NET_RAW on Linux ({fault}); the recording relay is tested"
                );
                return;
            }
        };
        capture.say(IN_THE_CLEAR);
        let launch = |person: &Person, port: u16| {
            let transport = if quic { format!("udp/{port}/quic-v1") } else { format!("tcp/{port}") };
            person.launch().listen(format!("/ip4/127.0.0.1/{transport}")).start()
        };
        let (mut a, mut b) = (launch(&ada, ports[0]), launch(&bob, ports[1]));
        a.get("settings.set", json!({"name": format!("{CANARY} name")}));
        let (a_id, b_id) = common::befriend(&mut a, &mut b);
        say(&mut a, &mut b, &b_id, "from a");
        say(&mut b, &mut a, &a_id, "from b");
        assert!(a.end().success() && b.end().success());
        searched(&capture.finish("the last word"), quic);
    }
}

/// The capture holds what was in the clear, and much that is not the canary.
#[cfg(target_os = "linux")]
fn searched(seen: &capture::Seen, quic: bool) {
    let carried: usize =
        if quic { seen.datagrams.iter().map(Vec::len).sum() } else { seen.streams.values().map(Vec::len).sum() };
    assert!(carried > 10_000, "only {carried} bytes were captured");
    assert!(seen.datagrams.iter().any(|bytes| found(bytes, IN_THE_CLEAR).is_some()), "the capture is deaf to UDP");
    assert!(seen.streams.values().any(|bytes| found(bytes, IN_THE_CLEAR).is_some()), "the capture is deaf to TCP");
    seen.streams.iter().for_each(|(flow, bytes)| nowhere(bytes, &format!("TCP {flow:?}")));
    seen.datagrams.iter().for_each(|bytes| nowhere(bytes, "a datagram"));
}

#[cfg(target_os = "linux")]
fn free_udp_port() -> u16 {
    let socket = std::net::UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap().port()
}

/// Logs everything that it ever would.
fn talkative(person: &Person) -> Launch {
    person.launch().log("trace")
}

fn say(from: &mut Node, to: &mut Node, to_id: &str, words: &str) {
    for n in 0..20 {
        from.get("message.send", json!({"y7_id": to_id, "text": format!("{CANARY} {words} {n}")}));
    }
    let last = format!("{CANARY} {words} 19");
    to.event("the last of them", |event| event["message"]["text"] == *last);
    from.event("its delivery", |event| event["message"]["text"] == *last && event["message"]["status"] == "delivered");
}

/// Data folders and stderr logs both lie under the person's root.
fn while_running_and_after(ada: &Person, bob: &Person) {
    for (path, bytes) in files(ada.root()).into_iter().chain(files(bob.root())) {
        nowhere(&bytes, &path.display().to_string());
    }
}

fn nowhere(bytes: &[u8], place: &str) {
    let around = found(bytes, CANARY)
        .map(|at| String::from_utf8_lossy(&bytes[at..(at + CANARY.len() + 16).min(bytes.len())]).into_owned());
    assert_eq!(around, None, "the canary sings in {place}");
}

/// Where words stand: as they are, in UTF-16, in hex.
fn found(bytes: &[u8], words: &str) -> Option<usize> {
    let utf16: Vec<u8> = words.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let ways = [words.as_bytes(), &utf16, hex(words).as_bytes()].map(<[u8]>::to_vec);
    ways.iter().find_map(|way| bytes.windows(way.len()).position(|window| window == way))
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
