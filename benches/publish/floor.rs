//! What the machine allows: the same done with nothing but system calls, hashes and requests. It trusts everything and
//! waits for nothing else. What is known already takes less time than starting the program does, so that it has to be
//! started for the floor too; what is more than that starts no process.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use libdeflater::{CompressionLvl, Compressor};
use ring::digest::{Context, SHA256, digest};
use serde_json::{Value, json};

use crate::place::Place;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What the program is told to do the floor's work.
pub(crate) const FLOOR: &str = "--floor";

/// What is done.
#[derive(Clone, Copy)]
pub(crate) enum Floor {
    /// A look at the program, and at the files; a HEAD of each image's manifest.
    Known { images: usize, files: bool },
    /// The program hashed, compressed and sent once; configuration and manifest of each image. Then, where they are
    /// wanted, the layer put into the engine, and a container of each image that does nothing.
    Publish {
        images: usize,
        load: bool,
        containers: usize,
    },
    /// All files hashed, compressed and sent once.
    Tree,
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known { images, files } => {
                let files = if *files { "walk, " } else { "" };
                write!(f, "{files}{images} HEAD")
            }
            Self::Publish {
                images,
                load,
                containers,
            } => {
                write!(f, "hash, compress and send once, {images} manifests")?;
                if *load {
                    write!(f, "; load once, {containers} containers")?;
                }
                Ok(())
            }
            Self::Tree => write!(f, "hash, compress and send all files once"),
        }
    }
}

impl Floor {
    /// Seconds.
    pub(crate) fn measure(self, place: &Place) -> f64 {
        if matches!(self, Self::Publish { .. }) {
            // What the round before sent is there already.
            place.change_program(true);
        }
        if matches!(self, Self::Known { images: 1.., .. }) {
            // As long as one of ours.
            Registry::new(&place.registry).manifest("floor/known", 0, &[], &[]);
        }
        if let Self::Known { images, files } = self {
            return place
                .run(&format!("exec $PROGRAM {FLOOR} {images} {files}"), true)
                .seconds;
        }
        let started = Instant::now();
        match self {
            Self::Known { .. } => {}
            Self::Publish {
                images,
                load,
                containers,
            } => {
                let bytes = fs::read(place.program()).unwrap();
                let layer = layer("opt/flow/flow", &bytes);
                std::thread::scope(|scope| {
                    scope.spawn(|| publish(place, images, &layer));
                    if load {
                        scope.spawn(|| into_engine(place, &layer, containers));
                    }
                });
            }
            Self::Tree => tree(place),
        }
        started.elapsed().as_secs_f64()
    }
}

/// In a process of its own, started as the program is: the arguments after [`FLOOR`] are the number of images and whether
/// there are files.
pub(crate) fn known(arguments: &[String]) {
    let (images, files) = (arguments[0].parse().unwrap(), arguments[1] == "true");
    fs::metadata("target/flow").unwrap();
    if files {
        walk(Path::new("benches/data"), &mut |path| {
            assert!(fs::symlink_metadata(path).is_ok())
        });
    }
    if images == 0 {
        return;
    }
    let mut registry = Registry::new(&std::env::var("REGISTRY").unwrap());
    for _ in 0..images {
        let accept = format!("Accept: {MANIFEST}\r\n");
        registry.ask("HEAD", "/v2/floor/known/manifests/latest", &accept, &[]);
    }
}

fn publish(place: &Place, images: usize, layer: &[u8]) {
    let mut registry = Registry::new(&place.registry);
    let packed = gzip(layer);
    let blob = registry.send("floor/image-0", &packed);
    let diff_id = sha256(layer);
    for image in 0..images {
        let repository = format!("floor/image-{image}");
        if image > 0 {
            let path = format!("/v2/{repository}/blobs/uploads/?mount={blob}&from=floor/image-0");
            registry.ask("POST", &path, "", &[]);
        }
        registry.manifest(&repository, image, &[(&blob, packed.len())], &[&diff_id]);
    }
}

/// The layer alone into the engine, as an image of the base and it; and containers of it.
fn into_engine(place: &Place, layer: &[u8], containers: usize) {
    let mut engine = Http::new(UnixStream::connect(place.engine.strip_prefix("unix://").unwrap()).unwrap());
    let base = engine
        .ask(
            "GET",
            "/images/debian:bookworm-slim/json",
            "Host: engine\r\n",
            &[],
        )
        .1;
    let base: Value = serde_json::from_slice(&base).unwrap();
    let mut diff_ids: Vec<Value> = base["RootFS"]["Layers"].as_array().unwrap().clone();
    let mut layers: Vec<String> = (0..diff_ids.len()).map(|at| format!("{at}/layer.tar")).collect();
    diff_ids.push(sha256(layer).into());
    layers.push("flow/layer.tar".to_owned());
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": { "Cmd": ["/bin/true"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let manifest =
        json!([{ "Config": "config.json", "RepoTags": ["flowimage-floor:latest"], "Layers": layers }]);
    let mut archive = Vec::new();
    for (name, bytes) in [
        ("flow/layer.tar", layer),
        ("config.json", config.to_string().as_bytes()),
        ("manifest.json", manifest.to_string().as_bytes()),
    ] {
        entry(&mut archive, name, bytes);
    }
    archive.extend([0; 1024]);
    let (status, said) = engine.ask(
        "POST",
        "/images/load?quiet=1",
        "Host: engine\r\nContent-Type: application/x-tar\r\n",
        &archive,
    );
    assert!(
        status == 200 && !String::from_utf8_lossy(&said).contains("error"),
        "{}",
        String::from_utf8_lossy(&said)
    );
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..containers.min(2) {
            scope.spawn(|| {
                let mut engine =
                    Http::new(UnixStream::connect(place.engine.strip_prefix("unix://").unwrap()).unwrap());
                while next.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < containers {
                    container(&mut engine);
                }
            });
        }
    });
}

fn container(engine: &mut Http<UnixStream>) {
    let wish = json!({ "Image": "flowimage-floor:latest", "HostConfig": { "NetworkMode": "none" } });
    let kind = "Host: engine\r\nContent-Type: application/json\r\n";
    let made = engine
        .ask("POST", "/containers/create", kind, wish.to_string().as_bytes())
        .1;
    let made: Value = serde_json::from_slice(&made).unwrap();
    let path = format!("/containers/{}", made["Id"].as_str().unwrap());
    engine.ask("POST", &format!("{path}/start"), kind, &[]);
    engine.ask("POST", &format!("{path}/wait"), kind, &[]);
    engine.ask("DELETE", &path, kind, &[]);
}

/// All files in one layer, in pieces of a size that memory bears: hashed, compressed on all processors, sent on.
fn tree(place: &Place) {
    let mut paths = Vec::new();
    walk(&place.data(), &mut |path| paths.push(path.to_owned()));
    let mut registry = Registry::new(&place.registry);
    let repository = format!("floor/fresh-{}", place.round());
    let mut upload = registry.begin(&repository);
    let (mut diff_id, mut blob, mut length) = (Context::new(&SHA256), Context::new(&SHA256), 0);
    let piece = |paths: &[std::path::PathBuf]| {
        let mut tar = Vec::new();
        for path in paths {
            entry(&mut tar, &path.display().to_string(), &fs::read(path).unwrap());
        }
        let packed = gzip(&tar);
        (tar, packed)
    };
    for paths in paths.chunks(400) {
        let (first, second) = paths.split_at(paths.len() / 2);
        let pieces = std::thread::scope(|scope| {
            let first = scope.spawn(|| piece(first));
            let second = piece(second);
            [first.join().unwrap(), second]
        });
        for (tar, packed) in pieces {
            diff_id.update(&tar);
            blob.update(&packed);
            length += packed.len();
            registry.more(&mut upload, &packed);
        }
    }
    let blob = named(blob.finish().as_ref());
    registry.end(&upload, &blob);
    registry.manifest(
        &repository,
        0,
        &[(&blob, length)],
        &[&named(diff_id.finish().as_ref())],
    );
}

fn walk(folder: &Path, each: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), each);
        } else {
            each(&entry.path());
        }
    }
}

fn layer(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut tar = Vec::with_capacity(bytes.len() + 4096);
    entry(&mut tar, name, bytes);
    tar.extend([0; 1024]);
    tar
}

/// A file of a tar archive (POSIX ustar), whose name's beginning is left out where it is too long.
fn entry(tar: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    let mut head = [0; 512];
    let name = &name.as_bytes()[name.len().saturating_sub(100)..];
    head[..name.len()].copy_from_slice(name);
    head[100..108].copy_from_slice(b"0000755\0");
    head[108..116].copy_from_slice(b"0000000\0");
    head[116..124].copy_from_slice(b"0000000\0");
    head[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
    head[136..148].copy_from_slice(b"00000000000\0");
    head[148..156].copy_from_slice(b"        ");
    head[156] = b'0';
    head[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.extend(head);
    tar.extend(bytes);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

/// At the quickest level that compresses, on all processors: members one after the other are one stream.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let members: Vec<_> = bytes
            .chunks(bytes.len().div_ceil(threads).max(1))
            .map(|chunk| {
                scope.spawn(|| {
                    let mut compressor = Compressor::new(CompressionLvl::new(1).unwrap());
                    let mut out = vec![0; compressor.gzip_compress_bound(chunk.len())];
                    let length = compressor.gzip_compress(chunk, &mut out).unwrap();
                    out.truncate(length);
                    out
                })
            })
            .collect();
        members
            .into_iter()
            .flat_map(|member| member.join().unwrap())
            .collect()
    })
}

fn sha256(bytes: &[u8]) -> String {
    named(digest(&SHA256, bytes).as_ref())
}

fn named(hash: &[u8]) -> String {
    use fmt::Write;
    hash.iter().fold("sha256:".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

struct Registry {
    http: Http<TcpStream>,
    host: String,
}

impl Registry {
    fn new(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            http: Http::new(stream),
            host: format!("Host: {address}\r\n"),
        }
    }

    fn ask(&mut self, method: &str, path: &str, more: &str, body: &[u8]) -> String {
        let head = format!("{}{more}", self.host);
        let (status, _) = self.http.ask(method, path, &head, body);
        assert!(status < 400, "{method} {path}: {status}");
        let location = self.http.location.take().unwrap_or_default();
        // Without scheme and host.
        location
            .split_once("/v2/")
            .map_or(location.clone(), |(_, rest)| format!("/v2/{rest}"))
    }

    fn begin(&mut self, repository: &str) -> String {
        self.ask("POST", &format!("/v2/{repository}/blobs/uploads/"), "", &[])
    }

    fn more(&mut self, upload: &mut String, bytes: &[u8]) {
        *upload = self.ask(
            "PATCH",
            upload,
            "Content-Type: application/octet-stream\r\n",
            bytes,
        );
    }

    fn end(&mut self, upload: &str, blob: &str) {
        let path = format!("{upload}&digest={blob}");
        self.ask("PUT", &path, "Content-Type: application/octet-stream\r\n", &[]);
    }

    fn send(&mut self, repository: &str, bytes: &[u8]) -> String {
        let blob = sha256(bytes);
        let upload = self.begin(repository);
        let path = format!("{upload}&digest={blob}");
        self.ask("PUT", &path, "Content-Type: application/octet-stream\r\n", bytes);
        blob
    }

    fn manifest(&mut self, repository: &str, number: usize, layers: &[(&str, usize)], diff_ids: &[&str]) {
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": { "Cmd": [number.to_string()] },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = config.to_string();
        let digest = self.send(repository, config.as_bytes());
        let layers: Vec<_> = layers
            .iter()
            .map(|(digest, size)| {
                json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": size })
            })
            .collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "layers": layers,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": config.len()
            },
        });
        self.ask(
            "PUT",
            &format!("/v2/{repository}/manifests/latest"),
            &format!("Content-Type: {MANIFEST}\r\n"),
            manifest.to_string().as_bytes(),
        );
    }
}

/// One connection, one request at a time.
struct Http<S> {
    stream: BufReader<S>,
    location: Option<String>,
}

impl<S: Read + Write> Http<S> {
    fn new(stream: S) -> Self {
        Self {
            stream: BufReader::new(stream),
            location: None,
        }
    }

    fn ask(&mut self, method: &str, path: &str, more: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let head = format!(
            "{method} {path} HTTP/1.1\r\n{more}Content-Length: {}\r\n\r\n",
            body.len()
        );
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let (mut status, mut length, mut chunked) = (0, 0, false);
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            if status == 0 {
                status = line.split(' ').nth(1).unwrap().parse().unwrap();
            }
            let Some((name, value)) = line.split_once(": ") else {
                continue;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "transfer-encoding" => chunked = true,
                "location" => self.location = Some(value.to_owned()),
                _ => {}
            }
        }
        let mut answer = Vec::new();
        if method == "HEAD" || status == 204 {
            return (status, answer);
        }
        if !chunked {
            answer.resize(length, 0);
            self.stream.read_exact(&mut answer).unwrap();
            return (status, answer);
        }
        loop {
            let length = usize::from_str_radix(&self.line(), 16).unwrap();
            let begin = answer.len();
            answer.resize(begin + length, 0);
            self.stream.read_exact(&mut answer[begin..]).unwrap();
            self.line();
            if length == 0 {
                return (status, answer);
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}
