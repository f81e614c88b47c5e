//! A registry in memory, with a token service.

use std::collections::BTreeMap;

use flowimage_runtime::oci::sha256;
use serde_json::Value;

use crate::server::{Answer, Request};

/// Whom the registry serves.
#[derive(Clone)]
pub(crate) enum Auth {
    Everybody,
    /// Who sends this header.
    Basic(String),
    /// Who has a token of the realm, each good for so many requests.
    Bearer {
        realm: String,
        uses: usize,
    },
}

pub(crate) struct Store {
    address: String,
    pub(crate) auth: Auth,
    /// Header that the token service wants; everybody gets a token without.
    pub(crate) wanted: Option<String>,
    /// By repository and digest; longer ones than are kept are empty.
    pub(crate) blobs: BTreeMap<(String, String), Vec<u8>>,
    /// By repository and reference: media type and bytes.
    pub(crate) manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    pub(crate) uploads: BTreeMap<String, Vec<u8>>,
    /// Uploads so far.
    begun: usize,
    tokens: BTreeMap<String, usize>,
    pub(crate) mounts: bool,
    /// Longest body of a request.
    pub(crate) largest: u64,
    /// Length of blobs that are not kept.
    pub(crate) bytes_received: u64,
}

impl Store {
    pub(crate) fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            auth: Auth::Everybody,
            wanted: None,
            blobs: BTreeMap::new(),
            manifests: BTreeMap::new(),
            uploads: BTreeMap::new(),
            begun: 0,
            tokens: BTreeMap::new(),
            mounts: true,
            largest: u64::MAX,
            bytes_received: 0,
        }
    }

    pub(crate) fn lose_blobs(&mut self) {
        self.blobs.clear();
    }

    pub(crate) fn put_blob(&mut self, repository: &str, bytes: &[u8]) {
        let digest = sha256(bytes).to_string();
        self.blobs.insert((repository.to_owned(), digest), bytes.to_vec());
    }

    /// Under its digest and a tag.
    pub(crate) fn put_manifest(&mut self, repository: &str, tag: &str, media_type: &str, bytes: &[u8]) {
        let value = (media_type.to_owned(), bytes.to_vec());
        for reference in [sha256(bytes).as_str(), tag] {
            self.manifests
                .insert((repository.to_owned(), reference.to_owned()), value.clone());
        }
    }

    pub(crate) fn serves(&self, repository: &str, reference: &str) -> bool {
        let manifest = self.manifests.get(&(repository.to_owned(), reference.to_owned()));
        manifest.is_some_and(|(_, bytes)| self.is_complete(repository, bytes))
    }

    fn is_complete(&self, repository: &str, manifest: &[u8]) -> bool {
        let manifest: Value = serde_json::from_slice(manifest).unwrap();
        let layers = manifest["layers"].as_array().into_iter().flatten();
        let mut all = layers.chain([&manifest["config"]]);
        all.all(|blob| {
            let digest = blob["digest"].as_str().unwrap().to_owned();
            self.blobs.contains_key(&(repository.to_owned(), digest))
        })
    }

    pub(crate) fn answer(&mut self, request: &Request) -> Answer {
        if request.path() == "/token" {
            return self.token(request);
        }
        if let Some(challenge) = self.challenge(request) {
            return Answer::error(401, "UNAUTHORIZED", "authentication required")
                .header("www-authenticate", challenge);
        }
        if request.length > self.largest {
            return Answer::new(413);
        }
        let path = request.path().trim_start_matches("/v2/").to_owned();
        for kind in ["/blobs/uploads/", "/blobs/", "/manifests/"] {
            if let Some((repository, rest)) = path.split_once(kind) {
                return match kind {
                    "/blobs/uploads/" => self.upload(request, repository, rest),
                    "/blobs/" => self.blob(request, repository, rest),
                    _ => self.manifest(request, repository, rest),
                };
            }
        }
        Answer::new(404)
    }

    fn challenge(&mut self, request: &Request) -> Option<String> {
        let sent = request.header("authorization");
        match &self.auth {
            Auth::Everybody => None,
            Auth::Basic(wanted) => (sent != Some(wanted)).then(|| "Basic realm=\"tests\"".to_owned()),
            Auth::Bearer { realm, .. } => {
                let challenge = format!("Bearer realm=\"{realm}\",service=\"tests\"");
                let token = sent.and_then(|it| it.strip_prefix("Bearer ")).unwrap_or_default();
                match self.tokens.get_mut(token) {
                    Some(uses) if *uses > 0 => {
                        *uses -= 1;
                        None
                    }
                    _ => Some(challenge),
                }
            }
        }
    }

    fn token(&mut self, request: &Request) -> Answer {
        if self.wanted.as_deref() != request.header("authorization") {
            return Answer::error(401, "UNAUTHORIZED", "who are you?");
        }
        let Auth::Bearer { uses, .. } = self.auth else {
            return Answer::new(404);
        };
        let token = format!("token-{}", self.tokens.len());
        self.tokens.insert(token.clone(), uses);
        Answer::new(200).body(serde_json::json!({ "token": token }).to_string())
    }

    fn upload(&mut self, request: &Request, repository: &str, id: &str) -> Answer {
        let key = |digest: &str| (repository.to_owned(), digest.to_owned());
        let place = |id: &str| {
            format!(
                "http://{}/v2/{repository}/blobs/uploads/{id}?state=x",
                self.address
            )
        };
        match request.method.as_str() {
            "POST" => {
                if let (Some(digest), Some(from)) = (request.query("mount"), request.query("from"))
                    && self.mounts
                    && let Some(bytes) = self.blobs.get(&(from, digest.clone())).cloned()
                {
                    self.blobs.insert(key(&digest), bytes);
                    return Answer::new(201).header("location", "/");
                }
                self.begun += 1;
                let id = format!("upload-{}", self.begun);
                self.uploads.insert(id.clone(), Vec::new());
                Answer::new(202).header("location", place(&id))
            }
            "PATCH" => {
                let next = place(id);
                let Some(upload) = self.uploads.get_mut(id) else {
                    return Answer::error(404, "BLOB_UPLOAD_UNKNOWN", "no such upload");
                };
                let start = upload.len();
                let range = request.header("content-range").unwrap_or_default();
                if range != format!("{start}-{}", start as u64 + request.length - 1) {
                    return Answer::new(416);
                }
                upload.extend(&request.body);
                Answer::new(202).header("location", next)
            }
            "PUT" => {
                let Some(mut bytes) = self.uploads.get(id).cloned() else {
                    return Answer::error(404, "BLOB_UPLOAD_UNKNOWN", "no such upload");
                };
                let digest = request.query("digest").unwrap_or_default();
                let found = if bytes.is_empty() {
                    bytes = request.body.clone();
                    request.digest.clone()
                } else {
                    bytes.extend(&request.body);
                    sha256(&bytes)
                };
                if found.as_str() != digest {
                    return Answer::error(
                        400,
                        "DIGEST_INVALID",
                        "provided digest did not match uploaded content",
                    );
                }
                self.bytes_received += request.length;
                self.blobs.insert(key(&digest), bytes);
                Answer::new(201).header("docker-content-digest", digest)
            }
            "DELETE" => {
                self.uploads.remove(id);
                Answer::new(204)
            }
            _ => Answer::new(405),
        }
    }

    fn blob(&mut self, request: &Request, repository: &str, digest: &str) -> Answer {
        let Some(bytes) = self.blobs.get(&(repository.to_owned(), digest.to_owned())) else {
            return Answer::error(404, "BLOB_UNKNOWN", "blob unknown to registry");
        };
        let range = request.header("range").and_then(|it| it.strip_prefix("bytes="));
        let start = range.and_then(|it| it.strip_suffix('-')?.parse().ok());
        match start {
            Some(start) => Answer::new(206).body(&bytes[start..]),
            None => Answer::new(200)
                .body(bytes.clone())
                .header("docker-content-digest", digest),
        }
    }

    fn manifest(&mut self, request: &Request, repository: &str, reference: &str) -> Answer {
        if request.method == "PUT" {
            if !self.is_complete(repository, &request.body) {
                return Answer::error(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry");
            }
            let media_type = request.header("content-type").unwrap().to_owned();
            let found = sha256(&request.body).to_string();
            for reference in [&found, reference] {
                let key = (repository.to_owned(), reference.to_owned());
                self.manifests
                    .insert(key, (media_type.clone(), request.body.clone()));
            }
            return Answer::new(201).header("docker-content-digest", found);
        }
        match self.manifests.get(&(repository.to_owned(), reference.to_owned())) {
            Some((media_type, bytes)) => Answer::new(200)
                .header("content-type", media_type)
                .header("docker-content-digest", sha256(bytes).to_string())
                .body(bytes.clone()),
            None => Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
        }
    }
}
