//! A socket in front of an engine, which counts who comes and notes what is asked for, and can hide BuildKit.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Stays open until the tests end.
pub(crate) struct Door {
    folder: tempfile::TempDir,
    knocks: Arc<AtomicUsize>,
    orders: Arc<Mutex<Vec<String>>>,
}

impl Door {
    /// In front of the engine at this address.
    pub(crate) fn new(engine: &str) -> Self {
        Self::with(engine, |_| (), |_| true)
    }

    /// The same, where something happens before a request is passed on: its method and path.
    pub(crate) fn before(engine: &str, happens: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let happens = move |request: &str| {
            happens(request);
            true
        };
        Self::with(engine, |_| (), happens)
    }

    /// The same, where who orders this, the end of a path, is shut out.
    pub(crate) fn refusing(engine: &str, end: &'static str) -> Self {
        Self::with(engine, |_| (), move |request| !request.ends_with(end))
    }

    /// The same engine, as one too old for BuildKit says of itself.
    pub(crate) fn without_buildkit(engine: &str) -> Self {
        let edit = |answer: &mut [u8]| {
            let key = b"\"ApiVersion\":\"1.";
            for at in 0..answer.len().saturating_sub(key.len() + 2) {
                if answer[at..].starts_with(key) {
                    answer[at + key.len()..][..2].copy_from_slice(b"38");
                }
            }
        };
        Self::with(engine, edit, |_| true)
    }

    fn with(
        engine: &str,
        edit: fn(&mut [u8]),
        may_pass: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        let engine = engine
            .strip_prefix("unix://")
            .expect("an engine on a socket")
            .to_owned();
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("door.sock")).unwrap();
        let orders = Arc::new(Mutex::new(Vec::new()));
        let noted = orders.clone();
        let knocks = Arc::new(AtomicUsize::new(0));
        let came = knocks.clone();
        let may_pass = Arc::new(may_pass);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                came.fetch_add(1, Ordering::SeqCst);
                let Ok(engine) = UnixStream::connect(&engine) else {
                    continue;
                };
                let back = (engine.try_clone().unwrap(), client.try_clone().unwrap());
                let (noted, may_pass) = (noted.clone(), may_pass.clone());
                std::thread::spawn(move || {
                    carry(client, engine, |bytes| {
                        let Some(request) = request(bytes) else {
                            return true;
                        };
                        let passes = may_pass(&request);
                        let order = request.strip_prefix("POST ").map(str::to_owned);
                        noted.lock().unwrap().extend(order);
                        passes
                    })
                });
                std::thread::spawn(move || {
                    carry(back.0, back.1, |bytes| {
                        edit(bytes);
                        true
                    })
                });
            }
        });
        Self {
            folder,
            knocks,
            orders,
        }
    }

    pub(crate) fn address(&self) -> String {
        format!("unix://{}/door.sock", self.folder.path().display())
    }

    /// How often somebody came since the last time, whatever for.
    pub(crate) fn knocks(&self) -> usize {
        self.knocks.swap(0, Ordering::SeqCst)
    }

    /// How many builds were asked for since the last time.
    pub(crate) fn builds(&self) -> usize {
        self.orders("/build")
    }

    /// How often something was ordered since the last time: the end of its path.
    pub(crate) fn orders(&self, end: &str) -> usize {
        let mut orders = self.orders.lock().unwrap();
        let before = orders.len();
        orders.retain(|path| !path.ends_with(end));
        before - orders.len()
    }
}

/// Method and path of a request. It comes in a piece of its own, or at the beginning of one.
fn request(bytes: &[u8]) -> Option<String> {
    let begin = String::from_utf8_lossy(&bytes[..bytes.len().min(500)]);
    let (method, rest) = begin.split_once(' ')?;
    let path = rest.split([' ', '?']).next()?;
    let is_request = ["DELETE", "GET", "HEAD", "POST"].contains(&method) && path.starts_with('/');
    is_request.then(|| format!("{method} {path}"))
}

/// Copies one direction until its end, or until something may not pass, and passes the end on.
fn carry(mut from: UnixStream, mut to: UnixStream, mut passes: impl FnMut(&mut [u8]) -> bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read) = from.read(&mut buffer) {
        if !passes(&mut buffer[..read]) {
            let _ = from.shutdown(Shutdown::Both);
            break;
        }
        if read == 0 || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
