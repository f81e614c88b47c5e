//! `--load`: the image goes into the engine of this machine too, while it is checked or sent, and gets its name there when
//! nothing can go wrong any more.

use super::{Built, Plan, Pushed};
use crate::engine::{Engine, EngineError};
use crate::failure::{Failure, Stage, at};
use crate::loaded::Loaded;
use crate::oci::{Digest, Image, Source};

impl<'a> Plan<'a> {
    /// Refuses the option where there is no engine, before anything is made.
    pub(super) async fn foresee_load(&self) -> Result<(), Failure> {
        match self.session.options.load {
            true => self.engine_to_load().await.map(drop),
            false => Ok(()),
        }
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
        Ok(self.target.engine_name(&self.unit.declaration, &tag))
    }

    #[cfg(feature = "registry")]
    async fn downloaded(&self, built: &Built<'a>) -> Result<Image, Failure> {
        let local = self
            .session
            .registries
            .download(&built.image, &built.layout)
            .await;
        local.map_err(at(Stage::Publish))
    }

    #[cfg(not(feature = "registry"))]
    #[allow(clippy::unused_async, reason = "the same call with and without the feature")]
    async fn downloaded(&self, built: &Built<'a>) -> Result<Image, Failure> {
        Ok(built.image.clone())
    }
}

impl<'a> Built<'a> {
    /// Puts the image into the engine, where that is wanted and was not done.
    pub(super) async fn load(&mut self) -> Result<(), Failure> {
        if self.loaded.is_none() {
            self.loaded = self.to_engine().await?;
        }
        Ok(())
    }

    /// Sends the image to its target, and puts it into the engine meanwhile.
    pub(super) async fn send(&mut self) -> Result<Digest, Failure> {
        let to_engine = async {
            match self.loaded {
                None => self.to_engine().await,
                Some(_) => Ok(None),
            }
        };
        let send = self
            .plan
            .target
            .send(&self.image, &self.layout, self.plan.session);
        let (sent, loaded) = tokio::join!(send, to_engine);
        let sent = sent?;
        if let Some(loaded) = loaded? {
            self.loaded = Some(loaded);
        }
        Ok(sent)
    }

    async fn to_engine(&self) -> Result<Option<Loaded<'a>>, Failure> {
        let plan = &self.plan;
        if !plan.session.options.load {
            return Ok(None);
        }
        let engine = plan.engine_to_load().await?;
        let declaration = &plan.unit.declaration;
        let loaded = match Loaded::new(&self.image, declaration, engine, &plan.project).await {
            // The engine lacks layers that only a registry has.
            Err(
                EngineError::LayerElsewhere { .. }
                | EngineError::Refused { .. }
                | EngineError::NoImage { .. },
            ) if self
                .image
                .layers
                .iter()
                .any(|layer| matches!(layer.source, Source::Repository(_))) =>
            {
                let image = plan.downloaded(self).await?;
                Loaded::whole(&image, engine, &plan.project).await
            }
            loaded => loaded,
        };
        loaded.map(Some).map_err(at(Stage::Publish))
    }

    /// Gives the image its name in the engine, and says it.
    pub(super) async fn stay(&mut self) -> Result<Option<String>, Failure> {
        let Some(loaded) = self.loaded.take() else {
            return Ok(None);
        };
        let name = self.plan.name_in_engine(&self.ingredients.identity())?;
        loaded.stay(&name, &self.plan.project).await?;
        Ok(Some(name))
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
        let ids = [&self.registration.image_id, &self.registration.digest];
        let there = engine.image(&name).await.map_err(at(Stage::Publish))?;
        if !there.is_some_and(|it| ids.contains(&&it.id)) {
            let (unit, session) = (plan.unit, plan.session);
            let mut held = None;
            for id in ids {
                held = held.or(engine.image(id.as_str()).await.map_err(at(Stage::Publish))?);
            }
            let loaded = match held {
                Some(image) => Loaded::there(engine, image.id),
                None => {
                    let known = &self.registration;
                    Loaded::registered(unit, &plan.target, known, engine, &plan.project, session).await?
                }
            };
            loaded.stay(&name, &plan.project).await?;
        }
        self.loaded = Some(name);
        Ok(self)
    }
}
