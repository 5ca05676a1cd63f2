//! A TCP relay on loopback that keeps every byte that passes: what an observer of the wire has.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// A running relay; it ends with the process.
pub struct Proxy {
    /// The port to connect to.
    pub port: u16,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Proxy {
    /// Relays every connection to `target` of loopback.
    pub fn start(target: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        std::thread::spawn(move || {
            listener.incoming().flatten().for_each(|inbound| relay(inbound, target, &kept));
        });
        Ok(Self { port, seen })
    }

    /// All bytes that passed so far, both directions.
    pub fn seen(&self) -> Vec<u8> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn relay(inbound: TcpStream, target: u16, seen: &Arc<Mutex<Vec<u8>>>) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, target));
    let Ok(outbound) = TcpStream::connect(address) else { return };
    if let (Ok(back_in), Ok(back_out)) = (inbound.try_clone(), outbound.try_clone()) {
        let (one, other) = (Arc::clone(seen), Arc::clone(seen));
        std::thread::spawn(move || copy(inbound, outbound, &one));
        std::thread::spawn(move || copy(back_out, back_in, &other));
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, seen: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        seen.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // Either end may be gone already.
    drop(to.shutdown(Shutdown::Both));
    drop(from.shutdown(Shutdown::Both));
}
