//! Reading single files of an image, through a container that never runs.

use std::io::Read;

use bollard::errors::Error;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{ContainerArchiveInfoOptions, DownloadFromContainerOptions};

use super::super::EngineKind;
use super::cleanup::Cleanup;
use super::images::checked;
use super::run::{container_name, owned};
use super::save::body_reader;
use super::{Engine, EngineError};

/// What a path in an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, whose target does not exist (others are followed).
    Link,
    /// A device, socket or pipe.
    Special,
}

/// What an image says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// What it is, after links were followed inside the image.
    pub file_type: FileType,
    /// Where it is, after links were followed.
    pub path: String,
    /// Permission bits with set-user, set-group and sticky, such as `0o755`.
    pub mode: u32,
    /// Numbers of user and group; `None` from Podman, which answers with the container's user for every file.
    pub owner: Option<(u64, u64)>,
    /// Bytes, of a regular file.
    pub size: u64,
}

/// The files of an image, as long as this lives.
pub struct ContainerFiles {
    engine: Engine,
    container: String,
    left: Cleanup,
}

impl Engine {
    /// Opens an image's files; [`ContainerFiles::close`] or a drop removes what this makes in the engine.
    pub async fn files(&self, image: &str) -> Result<ContainerFiles, EngineError> {
        checked(image)?;
        let container = container_name();
        let mut left = Cleanup::new(self);
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            // Never run, but an image without a command needs one to become a container.
            cmd: Some(vec!["/".to_owned()]),
            labels: Some(owned()),
            network_disabled: Some(true),
            ..Default::default()
        };
        if let Err(error) = self.create(&mut left, &container, body).await {
            left.now().await;
            return Err(error);
        }
        Ok(ContainerFiles {
            engine: self.clone(),
            container,
            left,
        })
    }
}

impl ContainerFiles {
    /// What is at an absolute path, or `None` where nothing is.
    pub async fn stat(&self, path: &str) -> Result<Option<FileStat>, EngineError> {
        Ok(self.first_entry(path, 0).await?.map(|(stat, _)| stat))
    }

    /// The bytes of a regular file, or `None` where nothing is.
    ///
    /// Units: `limit` in bytes; a larger file is an error, and so is what is no file.
    pub async fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, EngineError> {
        let unreadable = |reason: String| EngineError::File {
            path: path.to_owned(),
            reason,
        };
        match self.first_entry(path, limit).await? {
            None => Ok(None),
            Some((stat, _)) if stat.file_type != FileType::File => {
                Err(unreadable("it is no regular file".to_owned()))
            }
            Some((stat, _)) if stat.size > limit => Err(unreadable(format!(
                "it has {} bytes, more than the {limit} allowed",
                stat.size
            ))),
            Some((_, bytes)) => Ok(Some(bytes)),
        }
    }

    /// Reads everything below a path as one tar archive, on another thread.
    ///
    /// Shape: `read` gets a plain tar whose entries begin with the path's last component; nothing of it is
    /// checked, neither names nor sizes. Links are not followed.
    pub async fn archive<T, F>(&self, path: &str, read: F) -> Result<T, EngineError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Read) -> std::io::Result<T> + Send + 'static,
    {
        let unreadable = |reason: String| EngineError::File {
            path: path.to_owned(),
            reason,
        };
        let (mut reader, _end) = self.download(path);
        match tokio::task::spawn_blocking(move || read(&mut reader)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(unreadable(error.to_string())),
            Err(error) => Err(unreadable(error.to_string())),
        }
    }

    /// Removes the container and waits for it.
    pub async fn close(self) -> Result<(), EngineError> {
        let removed = self.engine.remove_container(&self.container).await;
        if removed.is_ok() {
            self.left.keep();
        }
        removed
    }

    fn download(&self, path: &str) -> (super::save::BodyReader, super::save::EndOnDrop) {
        let options = DownloadFromContainerOptions {
            path: path.to_owned(),
        };
        let (docker, container) = (self.engine.docker.clone(), self.container.clone());
        body_reader(futures_util::StreamExt::flatten(futures_util::stream::once(
            async move { docker.download_from_container(&container, Some(options)) },
        )))
    }

    /// The first entry of a path's archive, which is the path itself, and its bytes up to a limit.
    ///
    /// The archive is asked for rather than the engine's own stat, because that knows no owner.
    async fn first_entry(&self, path: &str, limit: u64) -> Result<Option<(FileStat, Vec<u8>)>, EngineError> {
        if !path.starts_with('/') || path.contains('\0') {
            return Err(EngineError::File {
                path: path.to_owned(),
                reason: "the path is not absolute".to_owned(),
            });
        }
        let mut path = path.to_owned();
        let mut hops = 0;
        loop {
            let Some((stat, bytes)) = self.entry_at(&path, limit).await? else {
                return Ok(None);
            };
            // An engine resolves a link all the way in one answer; Podman may need several.
            if stat.file_type != FileType::Link || hops == 8 {
                return Ok(Some((stat, bytes)));
            }
            hops += 1;
            match self.link_target(&path).await? {
                Some(target) if target != path => path = target,
                _ => return Ok(Some((stat, bytes))),
            }
            if self.link_target(&path).await?.is_none() {
                return Ok(Some((stat, bytes)));
            }
        }
    }

    async fn entry_at(&self, path: &str, limit: u64) -> Result<Option<(FileStat, Vec<u8>)>, EngineError> {
        let (reader, _end) = self.download(path);
        let wanted = path.to_owned();
        let read = tokio::task::spawn_blocking(move || read_first(reader, wanted, limit)).await;
        let error = match read {
            Ok(Ok(Some((mut stat, bytes)))) => {
                if self.engine.info().await?.kind == EngineKind::Podman {
                    stat.owner = None;
                    // It has followed the link already, without a word about it.
                    stat.path = self.link_target(path).await?.unwrap_or(stat.path);
                }
                return Ok(Some((stat, bytes)));
            }
            Ok(Ok(None)) => return Ok(None),
            Ok(Err(error)) => error,
            Err(error) => std::io::Error::other(error),
        };
        match error.into_inner().map(|inner| inner.downcast::<Error>()) {
            Some(Ok(error)) => match *error {
                Error::DockerResponseServerError { status_code: 404, .. } => Ok(None),
                // Docker's words for a path below a file.
                Error::DockerResponseServerError {
                    status_code: 500,
                    message,
                } if message.ends_with("not a directory") => Ok(None),
                error => Err(self.engine.failed(&format!("read {path} in an image"), error)),
            },
            Some(Err(inner)) => Err(EngineError::File {
                path: path.to_owned(),
                reason: inner.to_string(),
            }),
            None => Err(EngineError::File {
                path: path.to_owned(),
                reason: "the engine's answer is no archive".to_owned(),
            }),
        }
    }

    /// Where the link at a path leads inside the image; the path itself if it is no link, `None` if nothing is.
    async fn link_target(&self, path: &str) -> Result<Option<String>, EngineError> {
        let options = ContainerArchiveInfoOptions {
            path: path.to_owned(),
        };
        match self
            .engine
            .docker
            .get_container_archive_info(&self.container, Some(options))
            .await
        {
            Ok(stat) if stat.link_target.is_empty() => Ok(Some(path.to_owned())),
            Ok(stat) if stat.link_target.starts_with('/') => Ok(Some(stat.link_target)),
            Ok(stat) => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                Ok(Some(format!("{folder}/{}", stat.link_target)))
            }
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(self.engine.failed(&format!("look at {path} in an image"), error)),
        }
    }
}

fn read_first(reader: impl Read, path: String, limit: u64) -> std::io::Result<Option<(FileStat, Vec<u8>)>> {
    let mut archive = tar::Archive::new(reader);
    let Some(entry) = archive.entries()?.next() else {
        return Ok(None);
    };
    let entry = entry?;
    let header = entry.header();
    let kind = header.entry_type();
    let stat = FileStat {
        file_type: match kind {
            tar::EntryType::Directory => FileType::Folder,
            tar::EntryType::Symlink => FileType::Link,
            kind if kind.is_file() || kind.is_hard_link() => FileType::File,
            _ => FileType::Special,
        },
        path,
        mode: header.mode()? & 0o7777,
        owner: Some((header.uid()?, header.gid()?)),
        size: entry.size(),
    };
    let mut bytes = Vec::new();
    if stat.file_type == FileType::File && stat.size <= limit {
        entry.take(limit).read_to_end(&mut bytes)?;
    }
    Ok(Some((stat, bytes)))
}
