//! What bases are made of, found out without an engine: an environment is known by it.

use flowimage_model::Declaration;

use super::Environments;
use super::base::references;
use crate::flow::FlowUnit;
use crate::oci::Digest;

impl Environments<'_> {
    /// What the bases of a flow are made of; `None` where one of them must be asked of the engine.
    pub(super) async fn contents(&self, unit: &FlowUnit) -> Option<Vec<Digest>> {
        let declaration = &unit.declaration;
        if declaration.local_image {
            return None;
        }
        let mut contents = Vec::new();
        for reference in &references(declaration) {
            let remembered = self
                .pins
                .get(reference)
                .and_then(|pin| self.store().base(pin, self.platform));
            contents.push(match remembered {
                Some(content) => content,
                None => self.read(declaration, reference).await?,
            });
        }
        Some(contents)
    }

    /// Reads what a base is made of in the layout of bases or in its registry, where that may save a build: a registry
    /// may have the environment.
    ///
    /// A base that is not pinned is what an engine here means by its name, where one has it: that need not be what a
    /// registry means.
    #[cfg(feature = "registry")]
    async fn read(&self, declaration: &Declaration, reference: &str) -> Option<Digest> {
        let pin = self.pins.get(reference);
        if !self.places().any(super::Target::is_remote) {
            return None;
        }
        if pin.is_none()
            && self.session.options.engine != "none"
            && let Ok(Some(_)) = super::look(self.session, self.project, declaration, reference).await
        {
            return None;
        }
        let work = || async { Ok(self.documented(reference, pin).await) };
        let key = format!("{reference} {}", self.platform);
        let (content, _) = self.session.base_contents.once(&key, work).await.ok()??;
        Some(content)
    }

    /// What a base is made of, and the digest of its manifest. One that cannot be had is looked for by the engine, which
    /// says why not.
    #[cfg(feature = "registry")]
    async fn documented(&self, reference: &str, pin: Option<&Digest>) -> Option<(Digest, Digest)> {
        let bases = self.session.bases_for(self.project, self.layout);
        let image = bases
            .image(&reference.parse().ok()?, self.platform, pin)
            .await
            .ok()?;
        let config: serde_json::Value = serde_json::from_slice(&image.config).ok()?;
        let architecture = config.get("architecture")?.as_str()?;
        if architecture != self.platform.architecture {
            return None;
        }
        let diff_ids: Vec<Digest> = image.layers.iter().map(|layer| layer.diff_id.clone()).collect();
        let empty = serde_json::Value::Null;
        let content =
            super::base::content_of(&diff_ids, config.get("config").unwrap_or(&empty), architecture);
        let digest = image.digest();
        if let Some(pin) = pin {
            self.store().remember_base(pin, self.platform, &content);
        }
        Some((content, digest))
    }

    #[cfg(not(feature = "registry"))]
    #[allow(clippy::unused_async, reason = "the same call with and without the feature")]
    async fn read(&self, _declaration: &Declaration, _reference: &str) -> Option<Digest> {
        None
    }
}
