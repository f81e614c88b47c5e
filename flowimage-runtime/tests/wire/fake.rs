//! A server that plays an engine: one connection, one request, one prepared answer.

use std::sync::{Arc, Mutex};

use flowimage_runtime::engine::{Engine, EngineAddress, LookUp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The head of a request.
#[derive(Clone, Debug)]
pub(crate) struct Request(String);

impl Request {
    pub(crate) fn method(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }

    fn target(&self) -> &str {
        self.0.split(' ').nth(1).unwrap_or_default()
    }

    /// The path without the version of the API that may precede it, and without the query.
    pub(crate) fn path(&self) -> &str {
        let path = self.target().split('?').next().unwrap_or_default();
        match path
            .strip_prefix("/v1.")
            .and_then(|rest| rest.find('/').map(|at| &rest[at..]))
        {
            Some(rest) => rest,
            None => path,
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let header = |line: &'_ str| {
            line.split_once(": ")
                .is_some_and(|(key, _)| key.eq_ignore_ascii_case(name))
        };
        self.0
            .lines()
            .find(|line| header(line))
            .and_then(|line| line.split_once(": "))
            .map(|(_, value)| value)
    }
}

/// What the server writes, piece by piece, before it closes the connection.
pub(crate) struct Answer(Vec<Vec<u8>>);

impl Answer {
    /// A chunked body, cut into pieces of this size.
    pub(crate) fn stream(body: &[u8], chunk: usize) -> Self {
        let mut answer = Self::broken(b"");
        for bytes in body.chunks(chunk) {
            answer
                .0
                .push([format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat());
        }
        answer.0.push(b"0\r\n\r\n".to_vec());
        answer
    }

    /// A chunked body that ends without its end.
    pub(crate) fn broken(body: &[u8]) -> Self {
        let mut start = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        if !body.is_empty() {
            start.extend([format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat());
        }
        Self(vec![start])
    }

    pub(crate) fn status(code: u16) -> Self {
        let body = "{\"message\":\"as the test wants it\"}";
        Self::plain(&format!("{code} Status"), body)
    }

    /// What any engine answers.
    pub(crate) fn usual(path: &str) -> Self {
        match path {
            "/_ping" => Self::plain("200 OK", "OK"),
            "/version" => Self::plain(
                "200 OK",
                r#"{"Version":"20.10.24","ApiVersion":"1.41","Os":"linux","Arch":"amd64",
                    "Components":[{"Name":"Engine","Version":"20.10.24"}]}"#,
            ),
            _ => Self::status(404),
        }
    }

    fn plain(status: &str, body: &str) -> Self {
        let length = body.len();
        Self(vec![
            format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
                .into_bytes(),
        ])
    }
}

pub(crate) struct Fake {
    address: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    pub(crate) async fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let noted = seen.clone();
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, noted.clone(), answer.clone()));
            }
        });
        Self { address, seen }
    }

    pub(crate) async fn engine(&self) -> Engine {
        let address = EngineAddress::Tcp(self.address.clone());
        Engine::connect(&address, &LookUp::default()).await.unwrap()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .map(|request| request.path().to_owned())
            .collect()
    }

    fn request(&self, path: &str) -> Request {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .find(|request| request.path() == path)
            .expect("the request was not made")
            .clone()
    }

    pub(crate) fn query(&self, path: &str) -> String {
        self.request(path).target().to_owned()
    }

    pub(crate) fn header(&self, path: &str, name: &str) -> Option<String> {
        self.request(path).header(name).map(str::to_owned)
    }
}

async fn serve(
    mut stream: TcpStream,
    seen: Arc<Mutex<Vec<Request>>>,
    answer: Arc<impl Fn(&Request) -> Answer>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let request = Request(String::from_utf8(head).unwrap());
    seen.lock().unwrap().push(request.clone());
    let has_body = request.header("transfer-encoding").is_some();
    let answer = answer(&request);
    let (mut read, mut write) = stream.into_split();
    if has_body {
        // The whole body first: a server that closes with unread bytes resets the connection.
        let mut end = Vec::new();
        while !end.ends_with(b"\r\n0\r\n\r\n") && end != b"0\r\n\r\n" {
            match read.read_u8().await {
                Ok(byte) => end.push(byte),
                Err(_) => return,
            }
        }
    }
    for piece in answer.0 {
        if write.write_all(&piece).await.is_err() || write.flush().await.is_err() {
            return;
        }
    }
}

/// Decodes base64 of the URL-safe alphabet; `None` for any other character, as an engine does.
pub(crate) fn base64_url(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for character in text.trim_end_matches('=').bytes() {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}
