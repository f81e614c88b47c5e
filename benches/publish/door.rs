//! Doors in front of the engine and the registry, which count what goes through.

use std::fmt;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What went through a door.
#[derive(Default)]
pub(crate) struct Counts {
    requests: AtomicU64,
    sent: AtomicU64,
}

impl Counts {
    pub(crate) fn clear(&self) {
        self.requests.store(0, Ordering::SeqCst);
        self.sent.store(0, Ordering::SeqCst);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (requests, sent) = (
            self.requests.load(Ordering::SeqCst),
            self.sent.load(Ordering::SeqCst),
        );
        write!(f, "{requests} requests with {sent} bytes of content")
    }
}

/// A stream of either kind.
trait Stream: Read + Write + Send + Sized + 'static {
    fn twin(&self) -> Self;
    fn no_more(&self);
}

impl Stream for TcpStream {
    fn twin(&self) -> Self {
        self.try_clone().unwrap()
    }
    fn no_more(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl Stream for UnixStream {
    fn twin(&self) -> Self {
        self.try_clone().unwrap()
    }
    fn no_more(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

/// In front of a registry; gives its address.
pub(crate) fn to_registry(registry: String, counts: Arc<Counts>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let _ = client.set_nodelay(true);
            if let Ok(server) = TcpStream::connect(&registry) {
                let _ = server.set_nodelay(true);
                join(client, server, counts.clone());
            }
        }
    });
    address
}

/// In front of an engine's socket, at a path.
pub(crate) fn to_engine(socket: String, path: &Path, counts: Arc<Counts>) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            if let Ok(server) = UnixStream::connect(&socket) {
                join(client, server, counts.clone());
            }
        }
    });
}

fn join<S: Stream>(client: S, server: S, counts: Arc<Counts>) {
    let (from, to) = (server.twin(), client.twin());
    std::thread::spawn(move || carry(from, to, |_| ()));
    std::thread::spawn(move || {
        let mut requests = Requests::default();
        carry(client, server, |bytes| requests.see(bytes, &counts));
    });
}

/// Copies one direction until its end, and passes the end on.
fn carry<S: Stream>(mut from: S, mut to: S, mut see: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read) = from.read(&mut buffer) {
        see(&buffer[..read]);
        if read == 0 || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    to.no_more();
}

/// Where the requests of a connection begin and end.
#[derive(Default)]
struct Requests {
    /// The head or the line that is not whole yet.
    held: Vec<u8>,
    state: State,
}

#[derive(Default, Clone, Copy)]
enum State {
    #[default]
    Head,
    /// So many bytes of content follow; then a head, or a chunk's length.
    Content {
        left: u64,
        chunked: bool,
    },
    ChunkLength,
    /// Another protocol.
    Else,
}

impl Requests {
    fn see(&mut self, mut bytes: &[u8], counts: &Counts) {
        while !bytes.is_empty() {
            match self.state {
                State::Else => {
                    counts.sent.fetch_add(bytes.len() as u64, Ordering::SeqCst);
                    return;
                }
                State::Content { left, chunked } => {
                    let taken = left.min(bytes.len() as u64);
                    counts.sent.fetch_add(taken, Ordering::SeqCst);
                    bytes = &bytes[usize::try_from(taken).unwrap()..];
                    self.state = match (left - taken, chunked) {
                        (0, true) => State::ChunkLength,
                        (0, false) => State::Head,
                        (left, chunked) => State::Content { left, chunked },
                    };
                }
                State::Head => {
                    if let Some(head) = self.until(&mut bytes, b"\r\n\r\n") {
                        counts.requests.fetch_add(1, Ordering::SeqCst);
                        self.state = after(&head.to_ascii_lowercase());
                    }
                }
                State::ChunkLength => {
                    let Some(line) = self.until(&mut bytes, b"\r\n") else {
                        return;
                    };
                    let line = line.trim();
                    self.state = match u64::from_str_radix(line.split(';').next().unwrap_or(""), 16) {
                        // The line's end after the last chunk is what is left of the message.
                        Ok(0) => State::Content {
                            left: 2,
                            chunked: false,
                        },
                        Ok(length) => State::Content {
                            left: length,
                            chunked: true,
                        },
                        // The end of the chunk before.
                        Err(_) => State::ChunkLength,
                    };
                }
            }
        }
    }

    /// The text up to an end, once that has come.
    fn until(&mut self, bytes: &mut &[u8], end: &[u8]) -> Option<String> {
        while let Some((first, rest)) = bytes.split_first() {
            self.held.push(*first);
            *bytes = rest;
            if self.held.ends_with(end) {
                return Some(String::from_utf8_lossy(&std::mem::take(&mut self.held)).into_owned());
            }
        }
        None
    }
}

fn after(head: &str) -> State {
    let field = |name: &str| {
        head.lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    if field("upgrade:").is_some() {
        return State::Else;
    }
    if field("transfer-encoding:") == Some("chunked") {
        return State::ChunkLength;
    }
    match field("content-length:").and_then(|length| length.parse().ok()) {
        Some(0) | None => State::Head,
        Some(left) => State::Content { left, chunked: false },
    }
}
