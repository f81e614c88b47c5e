//! An image in the engine of this machine. It comes there under a name that the next command finds, should this one be
//! killed, and has it while it is checked or run, or until it has the name under which it stays (`--load`).

use flowimage_model::Declaration;
use flowimage_model::declaration::Base;

use crate::catalog::Registration;
use crate::engine::{CHECKED_NAMES, Engine, EngineError, LoadRequest};
use crate::environment;
use crate::failure::{Failure, Stage, at};
use crate::layout::Layout;
use crate::oci::{Digest, Image};
use crate::plan::Plan;
use crate::project::Project;
use crate::pulled;
use crate::target::Target;
use crate::unique::unique;

/// An image that an engine has.
pub(crate) struct Loaded<'a> {
    engine: &'a Engine,
    id: Digest,
    /// The name for a while.
    name: Option<String>,
}

impl<'a> Loaded<'a> {
    /// Puts an image there, without the layers that the engine has. The others must be on this machine.
    ///
    /// # Errors
    /// The engine refuses the image, or does not answer; a layer is elsewhere.
    pub(crate) async fn new(
        image: &Image,
        declaration: &Declaration,
        engine: &'a Engine,
        project: &Project,
    ) -> Result<Self, EngineError> {
        let present = present(image, declaration, engine).await?;
        Self::put(image, present, engine, project).await
    }

    /// Puts an image there with all its layers.
    ///
    /// # Errors
    /// The engine refuses the image, or does not answer; a layer is elsewhere.
    pub(crate) async fn whole(
        image: &Image,
        engine: &'a Engine,
        project: &Project,
    ) -> Result<Self, EngineError> {
        Self::put(image, Vec::new(), engine, project).await
    }

    async fn put(
        image: &Image,
        present: Vec<Digest>,
        engine: &'a Engine,
        project: &Project,
    ) -> Result<Self, EngineError> {
        let name = format!("{CHECKED_NAMES}/{}:{}", project.mark(), unique());
        let request = LoadRequest {
            present,
            name: Some(name.clone()),
            ..LoadRequest::default()
        };
        let loaded = engine.load(image, &request).await?;
        Ok(Self {
            engine,
            id: loaded.id,
            name: Some(name),
        })
    }

    /// The image that is registered of a plan's flow: pulled where it is in a registry and the engine lacks it, else put
    /// there from its layout.
    ///
    /// # Errors
    /// The image cannot be had.
    pub(crate) async fn registered(
        plan: &Plan<'_>,
        known: &Registration,
        engine: &'a Engine,
    ) -> Result<Self, Failure> {
        let Plan {
            unit,
            session,
            project,
            ..
        } = plan;
        let folder = match &plan.target {
            Target::Layout { folder, .. } => folder,
            Target::Repository { .. } => {
                let name = plan.target.image_name(unit, &known.digest);
                let image = match engine.image(&name).await.map_err(at(Stage::Plan))? {
                    Some(image) => image,
                    None => {
                        pulled::remember(project, engine.address(), &name)?;
                        let (progress, flow) = (&session.progress, unit.entry.name);
                        environment::pull(engine, &name, None, progress, flow, at(Stage::Plan)).await?
                    }
                };
                return Ok(Self::there(engine, image.id));
            }
        };
        session.begin(project);
        let layout = Layout::open(folder).map_err(at(Stage::Plan))?;
        let image = layout.read_image(&known.digest).map_err(at(Stage::Plan))?;
        Self::new(&image, &unit.declaration, engine, project)
            .await
            .map_err(at(Stage::Plan))
    }

    /// An image that the engine has anyhow.
    pub(crate) fn there(engine: &'a Engine, id: Digest) -> Self {
        Self {
            engine,
            id,
            name: None,
        }
    }

    /// What the engine calls it.
    pub(crate) fn id(&self) -> &Digest {
        &self.id
    }

    /// Gives it the name under which it stays, until no registration needs it.
    ///
    /// # Errors
    /// The engine refuses; the project's folder cannot be written.
    pub(crate) async fn stay(self, name: &str, project: &Project) -> Result<(), Failure> {
        let engine = self.engine;
        let given = pulled::give(project, engine.address(), name, &self.id)?;
        engine.tag(&self.id, name).await.map_err(at(Stage::Publish))?;
        self.release().await;
        for before in given.done()? {
            engine.remove_if_unnamed(&before).await;
        }
        Ok(())
    }

    /// Takes away the name that it had for a while, and the image where that was its only one: now, or when it is not in
    /// use any more.
    pub(crate) async fn release(mut self) {
        if let Some(name) = self.name.take()
            && self.engine.remove_image(&name).await.is_err()
        {
            self.engine.remove_later(name);
        }
    }
}

impl Drop for Loaded<'_> {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            self.engine.remove_later(name);
        }
    }
}

/// The lowest layers, as far as the engine has them already.
async fn present(
    image: &Image,
    declaration: &Declaration,
    engine: &Engine,
) -> Result<Vec<Digest>, EngineError> {
    let layers = image.layers.iter().map(|layer| &layer.diff_id);
    if declaration.needs_run().is_some() {
        // All but the flow's own, where the engine built them.
        let below = image.layers.len().saturating_sub(1);
        return Ok(layers.take(below).cloned().collect());
    }
    let Base::Image(base) = declaration.base_image.base() else {
        return Ok(Vec::new());
    };
    let base = engine.image(&base.to_string()).await?;
    let known = base.map(|base| base.diff_ids).unwrap_or_default();
    let same = layers.zip(&known).take_while(|(layer, known)| layer == known);
    Ok(same.map(|(layer, _)| layer.clone()).collect())
}
