//! Bases from layouts and registries, as something to lay a flow on.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use flowimage_model::reference::ImageReference;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account;
use super::entrypoint::{Front, runs_its_arguments};
use super::files;
use crate::assemble::Foundation;
use crate::failure::{Failure, Stage, at};
use crate::layout::Layout;
use crate::oci::{self, Digest, Image, Layer, Platform, media_type};
use crate::registry::{Access, Registries};
use crate::words::short;

/// Where bases are looked for and kept.
pub struct Bases<'a> {
    /// Where they come from.
    pub registries: &'a Registries,
    /// A layout whose index names images by their references, asked before any registry.
    pub mirror: Option<PathBuf>,
    /// Holds documents and layers.
    pub layout: &'a Layout,
    /// Folder of what was read from layers.
    pub folder: PathBuf,
}

/// What was read from the layers of an image.
#[derive(Serialize, Deserialize)]
struct Remembered {
    account: BTreeMap<String, String>,
    entrypoint: Vec<String>,
}

impl Bases<'_> {
    /// A base as something to lay a flow on, and the digest of its manifest, which it can be pinned to. A pinned
    /// base is the very image of that digest.
    ///
    /// # Errors
    /// There is no such image, none for the platform, or it cannot be had; a layer that must be read is of an
    /// unknown kind.
    pub async fn get(
        &self,
        reference: &ImageReference,
        platform: &Platform,
        pin: Option<&Digest>,
    ) -> Result<(Foundation, Digest), Failure> {
        let mut image = self.image(reference, platform, pin).await?;
        let digest = image.digest();
        let config: Value = serde_json::from_slice(&image.config).unwrap_or_default();
        let architecture = config.get("architecture").and_then(Value::as_str);
        if architecture.is_some_and(|it| it != platform.architecture) {
            return Err(Failure::text(
                Stage::Build,
                format!(
                    "the base `{reference}` is for {}, the flow's program for {platform}",
                    architecture.unwrap_or_default()
                ),
                "choose another base, or compile for that platform",
            ));
        }
        for layer in &mut image.layers {
            as_oci(reference, layer)?;
        }
        let config = config.get("config").cloned().unwrap_or(Value::Null);
        let Remembered { account, entrypoint } = match self.remembered(&digest) {
            Some(remembered) => remembered,
            None => self.read(reference, &config, &mut image).await?,
        };
        let foundation = Foundation {
            config,
            layers: image.layers,
            account,
            complete: false,
            entrypoint,
            identity: None,
        };
        Ok((foundation, digest))
    }

    /// Its manifest and configuration, with the layers that are here already.
    ///
    /// # Errors
    /// There is no such image, none for the platform, or it cannot be had.
    pub(crate) async fn image(
        &self,
        reference: &ImageReference,
        platform: &Platform,
        pin: Option<&Digest>,
    ) -> Result<Image, Failure> {
        let place = format!("{}/{}", reference.registry(), reference.repository());
        if let Some(image) = self.mirrored(reference, platform, pin)? {
            return Ok(image);
        }
        if let Some(pin) = pin
            && let Ok(image) = self.layout.read_documents(pin, &place)
        {
            return Ok(image);
        }
        let repository =
            self.registries
                .repository(reference.registry(), reference.repository(), Access::Pull);
        let name = match pin {
            Some(pin) => pin.as_str(),
            None => reference
                .digest()
                .or(reference.effective_tag())
                .unwrap_or("latest"),
        };
        let found = repository.image(name, platform).await.map_err(at(Stage::Build))?;
        let image = found.ok_or_else(|| {
            let message = match pin {
                Some(pin) => {
                    format!("the registry has `{reference}` no more as {pin}, which it is pinned to")
                }
                None => format!("there is no image `{reference}`"),
            };
            let advice = match pin {
                Some(_) => "take it as it is now with `--update-base`",
                None => "check `base_image`; for one that only an engine has, add `local_image = true`",
            };
            Failure::text(Stage::Build, message, advice)
        })?;
        self.layout.put(&image.config).map_err(at(Stage::Build))?;
        self.layout.put(&image.manifest).map_err(at(Stage::Build))?;
        // Layers that an earlier image brought here are here.
        let digest = image.digest();
        self.layout
            .read_documents(&digest, &place)
            .map_err(at(Stage::Build))
    }

    fn mirrored(
        &self,
        reference: &ImageReference,
        platform: &Platform,
        pin: Option<&Digest>,
    ) -> Result<Option<Image>, Failure> {
        let Some(folder) = self.mirror.as_ref().filter(|it| it.join("index.json").is_file()) else {
            return Ok(None);
        };
        let mirror = Layout::open(folder).map_err(at(Stage::Build))?;
        if let Some(pin) = pin {
            return Ok(mirror.read_image(pin).ok());
        }
        for name in [reference.to_string(), reference.canonical(), reference.familiar()] {
            let named = mirror.resolve(&name).map_err(at(Stage::Build))?;
            let Some(named) = named else { continue };
            let found = mirror.for_platform(named, platform).map_err(at(Stage::Build))?;
            let found = found.ok_or_else(|| {
                Failure::text(
                    Stage::Build,
                    format!("{} has no `{name}` for {platform}", folder.display()),
                    "copy the image for that platform into it",
                )
            })?;
            return mirror
                .read_image(&found.digest)
                .map(Some)
                .map_err(at(Stage::Build));
        }
        Ok(None)
    }

    /// What must be known of the base's files. Where its configuration says it all, no layer is looked at.
    async fn read(
        &self,
        reference: &ImageReference,
        config: &Value,
        image: &mut Image,
    ) -> Result<Remembered, Failure> {
        let user = oci::config::user(config);
        let front = Front::of(config);
        let mut paths = Vec::new();
        if user.is_none() {
            paths.extend(["etc/passwd", "etc/group"]);
        }
        if let Front::Script(script, _) = &front {
            paths.push(script.trim_start_matches('/'));
        }
        let found = if paths.is_empty() {
            BTreeMap::new()
        } else {
            *image = self
                .registries
                .download(image, self.layout)
                .await
                .map_err(at(Stage::Build))?;
            files::read(image, &paths).map_err(|error| {
                Failure::text(
                    Stage::Build,
                    format!("a layer of the base `{reference}` cannot be read: {error}"),
                    "choose another base, or set `local_image = true` and let an engine read it",
                )
            })?
        };
        let text = |path: &str| {
            let bytes = found.get(path.trim_start_matches('/'));
            String::from_utf8_lossy(bytes.map_or(&[][..], Vec::as_slice)).into_owned()
        };
        let account = match user {
            None => account(&text("etc/passwd"), &text("etc/group")),
            Some(_) => BTreeMap::new(),
        };
        let entrypoint = match front {
            Front::Words(words) => words,
            Front::Script(script, words) if runs_its_arguments(&text(&script)) => words,
            Front::Script(..) => Vec::new(),
        };
        let remembered = Remembered { account, entrypoint };
        // What cannot be remembered is read again.
        let _ = fs::create_dir_all(&self.folder);
        let bytes = serde_json::to_vec(&remembered).unwrap_or_default();
        let _ = fs::write(self.folder.join(image.digest().hex()), bytes);
        Ok(remembered)
    }

    fn remembered(&self, digest: &Digest) -> Option<Remembered> {
        let bytes = fs::read(self.folder.join(digest.hex())).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

/// Docker's layers are OCI's under another name.
fn as_oci(reference: &ImageReference, layer: &mut Layer) -> Result<(), Failure> {
    let name = match layer.blob.media_type.as_str() {
        media_type::DOCKER_LAYER_GZIP => media_type::LAYER_GZIP,
        media_type::LAYER_TAR | media_type::LAYER_GZIP | media_type::LAYER_ZSTD => return Ok(()),
        other => {
            let shown = short(other, 100);
            return Err(Failure::text(
                Stage::Build,
                format!(
                    "the base `{reference}` has a layer of the kind `{shown}`, which is not for others to have"
                ),
                "choose another base",
            ));
        }
    };
    layer.blob.media_type = name.to_owned();
    Ok(())
}
