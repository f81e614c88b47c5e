//! Environments: what an engine must build, built once and kept in the layout by its content.
//!
//! What comes out is a [`Foundation`] like any other: layers on this machine, on which the flow's own layer is laid
//! without the engine.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flowimage_model::declaration::Base;
use flowimage_model::render::{DEFAULT_USER, USER_ARGUMENT, staged_file};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::assemble::{Foundation, files};
use crate::engine::{
    BuildEvent, BuildRequest, Engine, EngineAddress, EngineError, EngineImage, LookUp, SavedLimits,
};
use crate::failure::{Failure, Stage, at};
use crate::flow::FlowUnit;
use crate::gzip::GzipWriter;
use crate::layer::LayerBuilder;
use crate::layout::Layout;
use crate::oci::{Descriptor, Digest, Hasher, HashingWriter, Layer, Source, media_type};
use crate::pipeline::Options;

/// Connects to the engine that the command line names.
///
/// # Errors
/// There is none, or it does not answer.
pub async fn connect(options: &Options) -> Result<Engine, Failure> {
    if options.engine == "none" {
        return Err(Failure::text(
            Stage::Plan,
            "`--engine none` leaves no engine",
            "leave it out",
        ));
    }
    let address: EngineAddress = options.engine.parse().map_err(at(Stage::Plan))?;
    let look_up = LookUp::from_env(|name| std::env::var(name).ok());
    Engine::connect(&address, &look_up)
        .await
        .map_err(at(Stage::Build))
}

/// What is remembered of an environment.
#[derive(Serialize, Deserialize)]
struct Remembered {
    config: Value,
    account: BTreeMap<String, String>,
    layers: Vec<(Descriptor, Digest)>,
}

/// Where environments are kept.
pub struct Environments<'a> {
    /// Folder of what is remembered.
    pub folder: PathBuf,
    /// Holds the layers.
    pub layout: &'a Layout,
    /// Modification time of staged files.
    pub time: u64,
}

impl Environments<'_> {
    /// The environment of a flow: remembered, or built by the engine and taken out of it. Says whether it was built.
    ///
    /// # Errors
    /// The base cannot be had; a step of the build failed; the layout cannot be written.
    pub async fn of(
        &self,
        unit: &FlowUnit,
        folder: &Path,
        engine: &Engine,
    ) -> Result<(Foundation, bool), Failure> {
        let declaration = &unit.declaration;
        let Base::Image(reference) = declaration.base_image.base() else {
            return Err(Failure::text(
                Stage::Build,
                "a Dockerfile that starts from `scratch` has nothing a flow could stand on",
                "start its last stage from an image, or leave `dockerfile` out",
            ));
        };
        let base = base(engine, &reference.to_string()).await?;
        let runs = declaration.needs_run().is_some();
        let files = if runs {
            files(declaration, folder).map_err(at(Stage::Build))?
        } else {
            LayerBuilder::new()
        };
        let identity = self.identity(unit, folder, &base, &files)?;
        if let Some(known) = self.remembered(&identity) {
            return Ok((
                Foundation {
                    complete: runs,
                    ..known
                },
                false,
            ));
        }
        let image = if runs {
            self.build(unit, folder, engine, &base, &files).await?
        } else {
            base
        };
        let account = if runs {
            BTreeMap::new()
        } else {
            account_of(engine, &image).await?
        };
        let foundation = self.take_out(engine, &image, &identity, account).await?;
        Ok((
            Foundation {
                complete: runs,
                ..foundation
            },
            true,
        ))
    }

    /// Hash of all that the environment is made of.
    fn identity(
        &self,
        unit: &FlowUnit,
        folder: &Path,
        base: &EngineImage,
        files: &LayerBuilder,
    ) -> Result<Digest, Failure> {
        let mut hasher = Hasher::new();
        hasher.update(format!("environment 1\n{}\n{}\n", base.id, self.time).as_bytes());
        if unit.declaration.needs_run().is_some() {
            hasher.update(unit.rendered.environment_text().as_bytes());
            let content = HashingWriter::new(io::sink());
            let content = files
                .write_tar(content, self.time)
                .map_err(at(Stage::Build))?
                .finish()
                .1;
            hasher.update(content.as_str().as_bytes());
        }
        if unit.declaration.dockerfile.is_some() {
            let mut content = HashingWriter::new(io::sink());
            write_context(&mut content, folder, files, self.time)
                .map_err(|error| context_error(folder, &error))?;
            hasher.update(content.finish().1.as_str().as_bytes());
        }
        Ok(hasher.finish().0)
    }

    fn remembered(&self, identity: &Digest) -> Option<Foundation> {
        let bytes = fs::read(self.folder.join(identity.hex())).ok()?;
        let Remembered {
            config,
            account,
            layers,
        } = serde_json::from_slice(&bytes).ok()?;
        let mut found = Vec::new();
        for (blob, diff_id) in layers {
            if !self.layout.has(&blob) {
                return None;
            }
            let source = Source::File(self.layout.blob_path(&blob.digest));
            found.push(Layer {
                blob,
                diff_id,
                source,
            });
        }
        Some(Foundation {
            config,
            layers: found,
            complete: true,
            account,
        })
    }

    async fn build(
        &self,
        unit: &FlowUnit,
        folder: &Path,
        engine: &Engine,
        base: &EngineImage,
        files: &LayerBuilder,
    ) -> Result<EngineImage, Failure> {
        let mut request = BuildRequest::new(unit.rendered.environment_text());
        let user = base
            .config
            .get("User")
            .and_then(Value::as_str)
            .filter(|user| !user.is_empty());
        request
            .build_args
            .insert(USER_ARGUMENT.to_owned(), user.unwrap_or(DEFAULT_USER).to_owned());
        let (mut writer, reader) = tokio::io::duplex(1 << 20);
        let (staged, source, time) = (files.clone(), folder.to_owned(), self.time);
        let whole = unit.declaration.dockerfile.is_some();
        let handle = tokio::runtime::Handle::current();
        let sender = tokio::task::spawn_blocking(move || {
            let bridge = Bridge {
                writer: &mut writer,
                handle,
            };
            let mut buffered = io::BufWriter::with_capacity(256 << 10, bridge);
            if whole {
                write_context(&mut buffered, &source, &staged, time)?;
            } else {
                staged_layer(&staged)
                    .write_tar(&mut buffered, time)
                    .map_err(io::Error::other)?;
            }
            buffered.flush()
        });
        let mut ignore = |_: BuildEvent| {};
        let built = engine.build(&request, reader, &mut ignore).await;
        let sent = sender.await;
        let id = built.map_err(|error| failed_build(unit, &error))?;
        if let Ok(Err(error)) = sent {
            return Err(context_error(folder, &error));
        }
        let image = engine.image(id.as_str()).await.map_err(at(Stage::Build))?;
        image.ok_or_else(|| {
            Failure::text(
                Stage::Build,
                "the engine lost the image it has just built",
                "run the command again",
            )
        })
    }

    /// Takes an image's layers out of the engine into the layout, those that are not there yet.
    async fn take_out(
        &self,
        engine: &Engine,
        image: &EngineImage,
        identity: &Digest,
        account: BTreeMap<String, String>,
    ) -> Result<Foundation, Failure> {
        let index = self.folder.join("layers");
        let made = |path: &Path| fs::create_dir_all(path).map_err(|error| context_error(path, &error));
        made(&index)?;
        let blob_of = |diff_id: &Digest| -> Option<Descriptor> {
            let bytes = fs::read(index.join(diff_id.hex())).ok()?;
            serde_json::from_slice(&bytes)
                .ok()
                .filter(|blob| self.layout.has(blob))
        };
        let mut wanted: Vec<Digest> = image
            .diff_ids
            .iter()
            .filter(|diff_id| blob_of(diff_id).is_none())
            .cloned()
            .collect();
        wanted.sort();
        wanted.dedup();
        if !wanted.is_empty() {
            let (layout, index) = (self.layout.clone(), index.clone());
            let take = move |diff_id: &Digest, tar: &mut dyn Read| -> io::Result<()> {
                let blob = layout.blob_writer().map_err(io::Error::other)?;
                let mut gzip = GzipWriter::new(HashingWriter::new(blob));
                io::copy(tar, &mut gzip)?;
                let (blob, digest, size) = gzip.finish()?.finish();
                blob.keep(&digest).map_err(io::Error::other)?;
                let descriptor = Descriptor::new(media_type::LAYER_GZIP, digest, size);
                fs::write(index.join(diff_id.hex()), serde_json::to_vec(&descriptor)?)
            };
            let spool = self.layout.root().join("tmp");
            engine
                .export_layers(image, &wanted, &SavedLimits::default(), &spool, take)
                .await
                .map_err(at(Stage::Build))?;
        }
        let mut layers = Vec::new();
        for diff_id in &image.diff_ids {
            let blob = blob_of(diff_id).ok_or_else(|| {
                Failure::text(
                    Stage::Build,
                    format!("the engine gave no layer {diff_id}"),
                    "run the command again",
                )
            })?;
            let source = Source::File(self.layout.blob_path(&blob.digest));
            layers.push(Layer {
                blob,
                diff_id: diff_id.clone(),
                source,
            });
        }
        let mut config = image.config.clone();
        drop_own_labels(&mut config);
        let remembered = Remembered {
            config: config.clone(),
            account: account.clone(),
            layers: layers
                .iter()
                .map(|layer| (layer.blob.clone(), layer.diff_id.clone()))
                .collect(),
        };
        let path = self.folder.join(identity.hex());
        let bytes = serde_json::to_vec(&remembered).unwrap_or_default();
        fs::write(&path, bytes).map_err(|error| context_error(&path, &error))?;
        Ok(Foundation {
            config,
            layers,
            complete: true,
            account,
        })
    }
}

/// The engine's own housekeeping labels are none of the flow's image.
fn drop_own_labels(config: &mut Value) {
    if let Some(labels) = config.get_mut("Labels").and_then(Value::as_object_mut) {
        labels.retain(|name, _| !name.starts_with(crate::engine::LABEL));
    }
}

/// The base image, pulled where the engine does not have it.
async fn base(engine: &Engine, reference: &str) -> Result<EngineImage, Failure> {
    if let Some(image) = engine.image(reference).await.map_err(at(Stage::Build))? {
        return Ok(image);
    }
    engine
        .pull(reference, None, None, &mut |_| {})
        .await
        .map_err(at(Stage::Build))
}

/// A failed step, with the key it came from.
fn failed_build(unit: &FlowUnit, error: &EngineError) -> Failure {
    let mut failure = Failure::new(Stage::Build, error);
    if let EngineError::Build(build) = error {
        let key = build
            .dockerfile_line
            .and_then(|line| unit.rendered.key_of_line(line));
        if let Some(key) = key {
            failure.message = format!("`{key}`: {}", failure.message);
        }
        if !build.last_lines.is_empty() {
            failure.message = format!("{}\n    {}", failure.message, build.last_lines.join("\n    "));
        }
    }
    failure
}

fn context_error(path: &Path, error: &io::Error) -> Failure {
    Failure::text(
        Stage::Build,
        format!("{}: {error}", path.display()),
        "check that it can be read and written",
    )
}

/// The declared files where the Dockerfile copies them from.
fn staged_layer(files: &LayerBuilder) -> LayerBuilder {
    let mut staged = LayerBuilder::new();
    for (path, entry) in files.entries() {
        staged.add(&staged_file(&format!("/{path}")), entry.clone());
    }
    staged
}

/// The build context of a user's Dockerfile: the crate's folder without `target/` and `.git`, and the staged files.
fn write_context(out: impl Write, folder: &Path, files: &LayerBuilder, time: u64) -> io::Result<()> {
    let mut context = LayerBuilder::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if !matches!(name, "target" | ".git") {
            context
                .host(&format!("/{name}"), &path)
                .map_err(io::Error::other)?;
        }
    }
    for (path, entry) in staged_layer(files).entries() {
        context.add(&format!("/{path}"), entry.clone());
    }
    context.write_tar(out, time).map_err(io::Error::other)?;
    Ok(())
}

/// Writes to an asynchronous stream from a blocking thread.
struct Bridge<'a> {
    writer: &'a mut tokio::io::DuplexStream,
    handle: tokio::runtime::Handle,
}

impl Write for Bridge<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.handle
            .block_on(tokio::io::AsyncWriteExt::write(self.writer, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.handle.block_on(tokio::io::AsyncWriteExt::flush(self.writer))
    }
}

/// The same for a base in an engine; nothing where the base has a user.
async fn account_of(engine: &Engine, base: &EngineImage) -> Result<BTreeMap<String, String>, Failure> {
    const LIMIT: u64 = 1 << 20;
    let user = base
        .config
        .get("User")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if !user.is_empty() {
        return Ok(BTreeMap::new());
    }
    let files = engine.files(base.id.as_str()).await.map_err(at(Stage::Build))?;
    let mut texts = Vec::new();
    for path in ["/etc/passwd", "/etc/group"] {
        let bytes = files
            .read(path, LIMIT)
            .await
            .map_err(at(Stage::Build))?
            .unwrap_or_default();
        texts.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    files.close().await.map_err(at(Stage::Build))?;
    Ok(account(&texts[0], &texts[1]))
}

/// The account that flows run as, added to a base's own files where the base has no user.
fn account(passwd: &str, group: &str) -> BTreeMap<String, String> {
    let with = |text: &str, line: &str| {
        let known = text.lines().any(|it| it.split(':').nth(2) == Some("65532"));
        let gap = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        if known {
            text.to_owned()
        } else {
            format!("{text}{gap}{line}\n")
        }
    };
    BTreeMap::from([
        (
            "/etc/passwd".to_owned(),
            with(passwd, "flow:x:65532:65532:flow:/home/flow:/bin/false"),
        ),
        ("/etc/group".to_owned(), with(group, "flow:x:65532:")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_added_once() {
        let once = account("root:x:0:0:root:/root:/bin/bash", "");
        assert!(once["/etc/passwd"].starts_with("root:x:0:0:root:/root:/bin/bash\nflow:x:65532:"));
        let twice = account(&once["/etc/passwd"], &once["/etc/group"]);
        assert_eq!(once, twice);
    }
}
