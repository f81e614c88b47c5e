//! One blob into a repository: asked for, mounted, sent whole, or sent in chunks.

use std::path::Path;

use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderName, LOCATION};
use reqwest::{Method, Response, StatusCode, Url};

use super::pull::CONTENT_DIGEST;
use super::request::{Body, Request, header};
use super::retry::{Tries, Trouble};
use super::{RegistryError, Repository};
use crate::oci::{Descriptor, sha256_of_file};

/// The chunk that is sent where a whole blob is too much for what stands before a registry.
const CHUNK: u64 = 16 << 20;

/// Names the smallest chunk a registry takes. Source: the distribution specification, "Pushing a blob in chunks".
const CHUNK_MINIMUM: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// The bytes of a blob.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    Bytes(&'a [u8]),
    File(&'a Path),
}

impl Content<'_> {
    fn part(self, start: u64, end: u64) -> Body {
        match self {
            Content::Bytes(bytes) => Body::Bytes(bytes[start as usize..end as usize].to_vec()),
            Content::File(path) => Body::File {
                path: path.to_owned(),
                range: start..end,
            },
        }
    }
}

/// How an upload began.
pub(super) enum Begun {
    /// The repository has the blob now.
    Mounted,
    /// Where it is to be sent, and the smallest chunk taken there.
    At(Url, u64),
}

/// What became of an attempt to send.
enum Sent {
    Done,
    /// Something on the way takes no body this large.
    TooLarge,
}

impl Repository {
    pub(super) async fn has(&self, blob: &Descriptor) -> Result<bool, RegistryError> {
        let url = self.url(&format!("blobs/{}", blob.digest))?;
        let response = self.send(&Request::new(Method::HEAD, url)).await?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.refusal(response, "a blob").await),
        }
    }

    /// Begins an upload, or mounts the blob from another repository of the registry. A registry that does not mount
    /// begins an upload instead.
    pub(super) async fn begin(&self, mount: Option<(&Descriptor, &str)>) -> Result<Begun, RegistryError> {
        let mut url = self.url("blobs/uploads/")?;
        if let Some((blob, from)) = mount {
            url.query_pairs_mut()
                .append_pair("mount", blob.digest.as_str())
                .append_pair("from", from);
        }
        let response = self.send(&Request::new(Method::POST, url.clone())).await?;
        match response.status() {
            StatusCode::ACCEPTED => {
                let minimum = header(&response, &CHUNK_MINIMUM).and_then(|it| it.parse().ok());
                Ok(Begun::At(self.location(&url, &response)?, minimum.unwrap_or(0)))
            }
            StatusCode::CREATED if mount.is_some() => Ok(Begun::Mounted),
            _ => Err(self.refusal(response, "the start of an upload").await),
        }
    }

    /// Where an upload goes on. Layers go to the registry that was named, to no other.
    fn location(&self, asked: &Url, response: &Response) -> Result<Url, RegistryError> {
        let next = header(response, &LOCATION).and_then(|it| asked.join(it).ok());
        let next = next.map(|mut next| {
            // Behind a proxy that ends TLS, registries take themselves for plain ones.
            if asked.scheme() == "https" && next.host_str() == asked.host_str() && next.port().is_none() {
                let _ = next.set_scheme("https");
            }
            next
        });
        next.filter(|next| next.origin() == asked.origin())
            .ok_or_else(|| {
                self.answer(
                    response.status(),
                    "an upload",
                    "it names no place of its own to send to",
                )
            })
    }

    /// Sends a blob that the repository lacks.
    pub(super) async fn upload(&self, blob: &Descriptor, content: Content<'_>) -> Result<(), RegistryError> {
        if let Content::File(path) = content {
            check_length(path, blob)?;
        }
        let mut tries = Tries::default();
        let mut chunked = false;
        loop {
            // An upload that broke off is begun anew: what had arrived of it is not known.
            let outcome = match self.begin(None).await? {
                Begun::Mounted => return Ok(()),
                Begun::At(place, minimum) if chunked => {
                    self.in_chunks(blob, content, place, minimum.max(CHUNK)).await
                }
                Begun::At(place, _) => self.put(blob, place, content.part(0, blob.size), blob.size).await,
            };
            match outcome {
                Ok(Sent::Done) => return Ok(()),
                Ok(Sent::TooLarge) if !chunked => chunked = true,
                Ok(Sent::TooLarge) => {
                    let said = format!("not even {CHUNK} bytes are taken at a time");
                    return Err(self.answer(StatusCode::PAYLOAD_TOO_LARGE, "an upload", &said));
                }
                Err(trouble) => {
                    self.look_for_damage(blob, content, &trouble)?;
                    tries.again(self, trouble).await?;
                }
            }
        }
    }

    /// Sends a blob where an upload was begun, whole and once. `false` where it did not arrive: only another upload tells
    /// why.
    pub(super) async fn upload_at(&self, blob: &Descriptor, content: Content<'_>, place: Url) -> bool {
        let sent = self.put(blob, place, content.part(0, blob.size), blob.size).await;
        matches!(sent, Ok(Sent::Done))
    }

    /// The last request of an upload: what remains of the blob, and its digest.
    async fn put(&self, blob: &Descriptor, mut place: Url, body: Body, length: u64) -> Result<Sent, Trouble> {
        place
            .query_pairs_mut()
            .append_pair("digest", blob.digest.as_str());
        let mut request = Request::new(Method::PUT, place).body(body);
        if length > 0 {
            request = request.header(CONTENT_TYPE, "application/octet-stream");
        }
        let response = self.once(&request).await?;
        match response.status() {
            StatusCode::CREATED | StatusCode::NO_CONTENT => {}
            StatusCode::PAYLOAD_TOO_LARGE => return Ok(Sent::TooLarge),
            status => {
                let (code, said) = self.words(response).await;
                let error = self.answer(status, "an upload", &said);
                // It is gone or garbled on the way: both may be otherwise the next time.
                let again = matches!(
                    code.as_str(),
                    "DIGEST_INVALID" | "SIZE_INVALID" | "BLOB_UPLOAD_UNKNOWN" | "BLOB_UPLOAD_INVALID"
                );
                return Err(if again {
                    Trouble::transient(error)
                } else {
                    error.into()
                });
            }
        }
        match header(&response, &CONTENT_DIGEST) {
            Some(named) if named != blob.digest.as_str() => {
                let named: String = named.chars().take(100).collect();
                Err(Trouble::transient(self.wrong(named, blob.digest.clone())))
            }
            _ => Ok(Sent::Done),
        }
    }

    async fn in_chunks(
        &self,
        blob: &Descriptor,
        content: Content<'_>,
        mut place: Url,
        chunk: u64,
    ) -> Result<Sent, Trouble> {
        let mut start = 0;
        while start < blob.size {
            let end = blob.size.min(start + chunk);
            let request = Request::new(Method::PATCH, place.clone())
                .header(CONTENT_TYPE, "application/octet-stream")
                .header(CONTENT_RANGE, format!("{start}-{}", end - 1))
                .body(content.part(start, end));
            let response = self.once(&request).await?;
            match response.status() {
                StatusCode::ACCEPTED | StatusCode::NO_CONTENT => {}
                StatusCode::PAYLOAD_TOO_LARGE => return Ok(Sent::TooLarge),
                _ => {
                    return Err(Trouble::transient(
                        self.refusal(response, "a part of an upload").await,
                    ));
                }
            }
            place = self.location(&place, &response)?;
            start = end;
        }
        self.put(blob, place, Body::Bytes(Vec::new()), 0).await
    }

    /// A file that is not what its digest says must not be taken for a fault of the registry.
    fn look_for_damage(
        &self,
        blob: &Descriptor,
        content: Content<'_>,
        trouble: &Trouble,
    ) -> Result<(), RegistryError> {
        let Content::File(path) = content else {
            return Ok(());
        };
        if !trouble.is_a_refusal() {
            return Ok(());
        }
        let failed = |source| RegistryError::File {
            path: path.to_owned(),
            source,
        };
        let found = sha256_of_file(path).map_err(failed)?;
        if found == blob.digest {
            return Ok(());
        }
        Err(failed(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            format!("its digest is {found}, not {}", blob.digest),
        )))
    }
}

fn check_length(path: &Path, blob: &Descriptor) -> Result<(), RegistryError> {
    let failed = |source| RegistryError::File {
        path: path.to_owned(),
        source,
    };
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length == blob.size {
        return Ok(());
    }
    Err(failed(std::io::Error::new(
        std::io::ErrorKind::InvalidData,
        format!("it has {length} bytes, not {}", blob.size),
    )))
}
