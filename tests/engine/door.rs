//! A socket in front of an engine, which counts who comes and the builds asked for, and can hide BuildKit.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Stays open until the tests end.
pub(crate) struct Door {
    folder: tempfile::TempDir,
    knocks: Arc<AtomicUsize>,
    builds: Arc<AtomicUsize>,
}

impl Door {
    /// In front of the engine at this address.
    pub(crate) fn new(engine: &str) -> Self {
        Self::with(engine, |_| ())
    }

    /// The same engine, as one too old for BuildKit says of itself.
    pub(crate) fn without_buildkit(engine: &str) -> Self {
        Self::with(engine, |answer| {
            let key = b"\"ApiVersion\":\"1.";
            for at in 0..answer.len().saturating_sub(key.len() + 2) {
                if answer[at..].starts_with(key) {
                    answer[at + key.len()..][..2].copy_from_slice(b"38");
                }
            }
        })
    }

    fn with(engine: &str, edit: fn(&mut [u8])) -> Self {
        let engine = engine
            .strip_prefix("unix://")
            .expect("an engine on a socket")
            .to_owned();
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("door.sock")).unwrap();
        let builds = Arc::new(AtomicUsize::new(0));
        let counted = builds.clone();
        let knocks = Arc::new(AtomicUsize::new(0));
        let came = knocks.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                came.fetch_add(1, Ordering::SeqCst);
                let Ok(engine) = UnixStream::connect(&engine) else {
                    continue;
                };
                let back = (engine.try_clone().unwrap(), client.try_clone().unwrap());
                let counted = counted.clone();
                std::thread::spawn(move || {
                    let mut is_first = true;
                    carry(client, engine, |bytes| {
                        if std::mem::take(&mut is_first) {
                            counted.fetch_add(asks(bytes), Ordering::SeqCst);
                        }
                    })
                });
                std::thread::spawn(move || carry(back.0, back.1, edit));
            }
        });
        Self {
            folder,
            knocks,
            builds,
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
        self.builds.swap(0, Ordering::SeqCst)
    }
}

/// 1 for the first bytes of a request to build. Each request has a connection of its own.
fn asks(first: &[u8]) -> usize {
    let text = String::from_utf8_lossy(first);
    let path = text
        .strip_prefix("POST ")
        .and_then(|rest| rest.split([' ', '?']).next());
    usize::from(path.is_some_and(|path| path.ends_with("/build")))
}

/// Copies one direction until its end, and passes the end on.
fn carry(mut from: UnixStream, mut to: UnixStream, mut see: impl FnMut(&mut [u8])) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read) = from.read(&mut buffer) {
        see(&mut buffer[..read]);
        if read == 0 || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
