//! `--load`: the image goes into the engine of this machine too, while it is checked or sent. It gets its name there when
//! the registry has all of it, and before others see that.

use super::{Built, Plan, Pushed};
use crate::catalog::Registration;
use crate::engine::{Engine, EngineError};
use crate::failure::{Failure, Stage, at};
use crate::layout::Layout;
use crate::loaded::Loaded;
use crate::oci::{Digest, Image, Source};
use crate::target::Target;

impl<'a> Plan<'a> {
    /// Refuses the option where there is no engine, or no name for the image there, before anything is made.
    pub(super) async fn foresee_load(&self) -> Result<(), Failure> {
        if self.session.options.load {
            self.target.engine_name(&self.unit.declaration, "tag")?;
            self.engine_to_load().await?;
        }
        Ok(())
    }

    async fn engine_to_load(&self) -> Result<&'a Engine, Failure> {
        let engine = self.session.engine(&self.project).await;
        engine.map_err(|failure| Failure {
            message: format!("`--load` needs an engine: {}", failure.message),
            ..failure
        })
    }

    fn name_in_engine(&self, identity: &Digest) -> Result<String, Failure> {
        let tag = self.tag(identity)?;
        self.target.engine_name(&self.unit.declaration, &tag)
    }

    /// Puts an image into the engine. Layers that it lacks and only a registry has come into the layout first.
    async fn to_engine(&self, image: &Image, layout: &Layout) -> Result<Loaded<'a>, Failure> {
        let engine = self.engine_to_load().await?;
        let loaded = match Loaded::new(image, &self.unit.declaration, engine, &self.project).await {
            Err(
                EngineError::LayerElsewhere { .. }
                | EngineError::Refused { .. }
                | EngineError::NoImage { .. },
            ) if image
                .layers
                .iter()
                .any(|layer| matches!(layer.source, Source::Repository(_))) =>
            {
                let image = self.downloaded(image, layout).await?;
                Loaded::whole(&image, engine, &self.project).await
            }
            loaded => loaded,
        };
        loaded.map_err(at(Stage::Publish))
    }

    /// An image that is registered, as far as it is here; its other layers are in its repository.
    async fn registered_image(&self, known: &Registration, layout: &Layout) -> Result<Image, Failure> {
        match &self.target {
            Target::Layout { folder, .. } => Layout::open(folder)
                .and_then(|layout| layout.read_image(&known.digest))
                .map_err(at(Stage::Publish)),
            Target::Repository { .. } => {
                match layout.read_documents(&known.digest, &self.target.to_string()) {
                    Ok(image) => Ok(image),
                    Err(_) => self.served(&known.digest).await,
                }
            }
        }
    }

    #[cfg(feature = "registry")]
    async fn downloaded(&self, image: &Image, layout: &Layout) -> Result<Image, Failure> {
        let local = self.session.registries.download(image, layout).await;
        local.map_err(at(Stage::Publish))
    }

    #[cfg(not(feature = "registry"))]
    #[allow(clippy::unused_async, reason = "the same call with and without the feature")]
    async fn downloaded(&self, image: &Image, _layout: &Layout) -> Result<Image, Failure> {
        Ok(image.clone())
    }

    #[cfg(feature = "registry")]
    async fn served(&self, digest: &Digest) -> Result<Image, Failure> {
        let repository = self.target.repository(self.session)?;
        let platform = self.binary.platform();
        let image = repository.image(digest.as_str(), &platform).await;
        image.map_err(at(Stage::Publish))?.ok_or_else(|| {
            Failure::text(
                Stage::Publish,
                format!("{}@{digest} is gone from the registry", self.target),
                "run the command again",
            )
        })
    }

    #[cfg(not(feature = "registry"))]
    #[allow(clippy::unused_async, reason = "the same call with and without the feature")]
    async fn served(&self, _digest: &Digest) -> Result<Image, Failure> {
        Err(self.target.unsupported())
    }
}

impl<'a> Built<'a> {
    /// Puts the image into the engine, where that is wanted and was not done.
    pub(super) async fn load(&mut self) -> Result<(), Failure> {
        let loaded = self.wanted().await.map_err(in_stage(Stage::Build))?;
        if let Some(loaded) = loaded {
            self.loaded = Some(loaded);
        }
        Ok(())
    }

    /// Sends the image to its target, and puts it into the engine meanwhile.
    pub(super) async fn send(&mut self) -> Result<Digest, Failure> {
        let Plan { target, session, .. } = &self.plan;
        let send = target.send(&self.image, &self.layout, session);
        let (sent, loaded) = tokio::join!(send, self.wanted());
        let sent = sent?;
        if let Some(loaded) = loaded? {
            self.loaded = Some(loaded);
        }
        Ok(sent)
    }

    async fn wanted(&self) -> Result<Option<Loaded<'a>>, Failure> {
        match self.plan.session.options.load && self.loaded.is_none() {
            true => self.plan.to_engine(&self.image, &self.layout).await.map(Some),
            false => Ok(None),
        }
    }

    /// Gives the image its name in the engine, in this stage, and says it.
    pub(super) async fn stay(&mut self, stage: Stage) -> Result<Option<String>, Failure> {
        let Some(loaded) = self.loaded.take() else {
            return Ok(None);
        };
        let name = self.plan.name_in_engine(&self.ingredients.identity())?;
        let stayed = loaded.stay(&name, &self.plan.project).await;
        stayed.map_err(in_stage(stage)).map(|()| Some(name))
    }
}

impl Pushed<'_> {
    /// Puts an image into the engine that was registered before, where that is wanted and the engine lacks it.
    pub(super) async fn load(mut self: Box<Self>) -> Result<Box<Self>, Failure> {
        let plan = &self.plan;
        if !plan.session.options.load {
            return Ok(self);
        }
        let engine = plan.engine_to_load().await?;
        let name = plan.name_in_engine(&self.ingredients.identity())?;
        let known = &self.registration;
        let ids = [&known.image_id, &known.digest];
        let there = engine.image(&name).await.map_err(at(Stage::Publish))?;
        if !there.is_some_and(|it| ids.contains(&&it.id)) {
            plan.session.begin(&plan.project);
            let layout = Layout::open(plan.project.layout()).map_err(at(Stage::Publish))?;
            let image = plan.registered_image(known, &layout).await?;
            let loaded = plan.to_engine(&image, &layout).await?;
            let stayed = loaded.stay(&name, &plan.project).await;
            stayed.map_err(in_stage(Stage::Publish))?;
        }
        self.loaded = Some(name);
        Ok(self)
    }
}

fn in_stage(stage: Stage) -> impl Fn(Failure) -> Failure {
    move |failure| Failure { stage, ..failure }
}
