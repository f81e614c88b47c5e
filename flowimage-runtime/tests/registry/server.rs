//! A server of HTTP/1.1, one request a connection, that can go wrong in every way. Behind it is a registry in memory,
//! or a real one.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flowimage_runtime::oci::{Digest, Hasher};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::fake::Store;

/// Bodies longer than this are hashed and dropped.
const KEPT: usize = 32 << 20;

/// A request, its body read.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    /// Empty where it was longer than is kept.
    pub(crate) body: Vec<u8>,
    pub(crate) digest: Digest,
    pub(crate) length: u64,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let known = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        known.map(|(_, value)| value.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// A decoded parameter of the query.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let query = self.target.split_once('?')?.1;
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let mut found = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
        Some(
            found
                .next()?
                .replace("%3A", ":")
                .replace("%2F", "/")
                .replace("%2C", ","),
        )
    }
}

/// An answer, before anything goes wrong with it.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({"errors": [{"code": code, "message": message}]});
        Self::new(status).body(body.to_string().into_bytes())
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn bytes(&self, method: &str) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} Status\r\nconnection: close\r\n", self.status);
        if !self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        {
            text.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let body = if method == "HEAD" { &[][..] } else { &self.body };
        [text.as_bytes(), body].concat()
    }
}

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The connection ends after so many bytes of the request's body.
    CutRequest(u64),
    /// The request is carried out; the connection ends after so many bytes of the answer.
    CutAnswer(usize),
    /// This answer instead of any deed.
    Status(u16, Vec<(&'static str, String)>, &'static str),
    /// The request is carried out, and the answer has this header.
    Header(&'static str, &'static str),
    /// A bit of the answer's body is another one.
    Garbled,
    /// The answer comes a few bytes at a time.
    Slow(Duration),
    /// No answer comes.
    Silent,
    /// All blobs are gone before the request is carried out.
    Vanish,
}

/// When something goes wrong.
#[derive(Clone)]
pub(crate) struct Rule {
    pub(crate) method: &'static str,
    /// Somewhere in path and query.
    pub(crate) part: &'static str,
    pub(crate) times: usize,
    pub(crate) fault: Fault,
}

/// The first so many requests of that kind go wrong.
pub(crate) fn rule(method: &'static str, part: &'static str, times: usize, fault: Fault) -> Rule {
    Rule {
        method,
        part,
        times,
        fault,
    }
}

/// What stands behind the server.
#[derive(Clone)]
enum Behind {
    Fake(Arc<Mutex<Store>>),
    Real(String),
}

pub(crate) struct Server {
    /// `127.0.0.1:port`.
    pub(crate) address: String,
    pub(crate) store: Arc<Mutex<Store>>,
    rules: Arc<Mutex<Vec<Rule>>>,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) async fn fake() -> Self {
        Self::start(None).await
    }

    /// In front of the real registry at an address.
    #[allow(dead_code, reason = "only the tests with a real registry")]
    pub(crate) async fn before(address: &str) -> Self {
        Self::start(Some(address.to_owned())).await
    }

    async fn start(real: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let store = Arc::new(Mutex::new(Store::new(&address)));
        let behind = match real {
            Some(address) => Behind::Real(address),
            None => Behind::Fake(store.clone()),
        };
        let server = Self {
            address,
            store,
            rules: Arc::default(),
            seen: Arc::default(),
        };
        let (rules, seen) = (server.rules.clone(), server.seen.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (rules, seen, behind) = (rules.clone(), seen.clone(), behind.clone());
                tokio::spawn(async move {
                    let _ = serve(stream, &rules, &seen, &behind).await;
                });
            }
        });
        server
    }

    pub(crate) fn goes_wrong(&self, rules: impl IntoIterator<Item = Rule>) {
        *self.rules.lock().unwrap() = rules.into_iter().collect();
    }

    /// Requests so far, as `METHOD kind`, digests left out.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }

    /// How many requests there were of a kind.
    pub(crate) fn count(&self, method: &str, part: &str) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|it| it.method == method && it.target.contains(part))
            .count()
    }
}

async fn serve(
    mut stream: TcpStream,
    rules: &Mutex<Vec<Rule>>,
    seen: &Mutex<Vec<Request>>,
    behind: &Behind,
) -> io::Result<()> {
    let mut request = read_head(&mut stream).await?;
    let fault = take(&mut rules.lock().unwrap(), &request);
    let limit = match fault {
        Some(Fault::CutRequest(limit)) => Some(limit),
        _ => None,
    };
    let whole = read_body(&mut stream, &mut request, limit).await?;
    seen.lock().unwrap().push(request.clone());
    if !whole {
        return Ok(());
    }
    let mut answer = match &fault {
        Some(Fault::Silent) => {
            // Until the client gives up.
            let _ = stream.read(&mut [0; 1]).await;
            return Ok(());
        }
        Some(Fault::Status(status, headers, body)) => {
            let answer = Answer::new(*status).body(*body);
            headers
                .iter()
                .fold(answer, |answer, (name, value)| answer.header(name, value))
        }
        _ => {
            if let (Some(Fault::Vanish), Behind::Fake(store)) = (&fault, behind) {
                store.lock().unwrap().lose_blobs();
            }
            match behind {
                Behind::Fake(store) => store.lock().unwrap().answer(&request),
                Behind::Real(address) => ask(address, &request).await?,
            }
        }
    };
    match &fault {
        Some(Fault::Header(name, value)) => answer = answer.header(name, *value),
        Some(Fault::Garbled) => {
            if let Some(byte) = answer.body.last_mut() {
                *byte ^= 1;
            }
        }
        _ => {}
    }
    let bytes = answer.bytes(&request.method);
    match fault {
        Some(Fault::CutAnswer(length)) => stream.write_all(&bytes[..length.min(bytes.len())]).await,
        Some(Fault::Slow(pause)) => {
            for piece in bytes.chunks(bytes.len().div_ceil(8).max(1)) {
                stream.write_all(piece).await?;
                stream.flush().await?;
                tokio::time::sleep(pause).await;
            }
            Ok(())
        }
        _ => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
    }
}

fn take(rules: &mut [Rule], request: &Request) -> Option<Fault> {
    let rule = rules
        .iter_mut()
        .find(|it| it.times > 0 && it.method == request.method && request.target.contains(it.part))?;
    rule.times -= 1;
    Some(rule.fault.clone())
}

async fn read_head(stream: &mut TcpStream) -> io::Result<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let headers = lines.filter_map(|line| line.split_once(": "));
    Ok(Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        body: Vec::new(),
        digest: flowimage_runtime::oci::sha256(b""),
        length: 0,
    })
}

/// Reads a body; `false` where it was cut.
async fn read_body(stream: &mut TcpStream, request: &mut Request, cut: Option<u64>) -> io::Result<bool> {
    assert!(
        request.header("transfer-encoding").is_none(),
        "every body has a length"
    );
    let length = request
        .header("content-length")
        .map_or(0, |it| it.parse().unwrap());
    let end = cut.unwrap_or(length).min(length);
    let mut hasher = Hasher::new();
    let mut piece = vec![0; 256 << 10];
    while request.length < end {
        let wanted = (end - request.length).min(piece.len() as u64) as usize;
        let read = stream.read(&mut piece[..wanted]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        hasher.update(&piece[..read]);
        request.length += read as u64;
        if request.length as usize <= KEPT {
            request.body.extend_from_slice(&piece[..read]);
        }
    }
    request.digest = hasher.finish().0;
    Ok(cut.is_none())
}

/// Has a real registry answer.
async fn ask(address: &str, request: &Request) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    let mut head = format!(
        "{} {} HTTP/1.1\r\nconnection: close\r\n",
        request.method, request.target
    );
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&request.body).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines
        .next()
        .unwrap_or_default()
        .split(' ')
        .nth(1)
        .unwrap_or_default();
    let mut answer = Answer::new(status.parse().unwrap());
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        assert!(
            !name.eq_ignore_ascii_case("transfer-encoding"),
            "the real registry names lengths"
        );
        if !name.eq_ignore_ascii_case("connection") {
            answer = answer.header(name, value);
        }
    }
    Ok(answer.body(&bytes[end + 4..]))
}
