//! `register --kubernetes DIR`: a manifest of each flow that was registered.

use std::path::Path;

use flowimage_model::declaration::Base;

use super::arguments::{Arguments, Command};
use crate::failure::{Failure, Stage, at};
use crate::flow::FlowUnit;
use crate::kubernetes::{self, Workload};
use crate::pipeline::{Done, Options, Stopped};
use crate::scratch::DEFAULT_UID;
use crate::settings;

/// Where manifests go, and what is in them beside the flow.
pub(super) struct Manifests<'a> {
    folder: &'a Path,
    options: &'a Options,
}

impl<'a> Manifests<'a> {
    /// `None` where the command line wants none.
    pub(super) fn wanted(arguments: &'a Arguments, options: &'a Options) -> Option<Self> {
        let folder = arguments.command.as_ref().and_then(Command::kubernetes)?;
        Some(Self { folder, options })
    }

    /// The flow as a cluster runs it.
    fn workload<'b>(&'b self, unit: &'b FlowUnit, image: &'b str, declaration: &'b str) -> Workload<'b> {
        Workload {
            flow: unit.entry.name,
            description: unit.declaration.description.as_deref(),
            image,
            declaration,
            user: number(unit),
            schedule: settings::schedule(&self.options.settings, &unit.declaration),
            cluster: &self.options.settings.kubernetes,
        }
    }

    /// Whether the flow fits a cluster, before anything is built for it.
    fn fits(&self, unit: &FlowUnit) -> Result<(), Failure> {
        let target = crate::target::Target::of(
            &unit.declaration,
            self.options,
            &crate::project::Project::of(unit.entry).map_err(at(Stage::Plan))?,
        )?;
        let image = if target.is_remote() {
            "registry@sha256:"
        } else {
            unit.entry.name
        };
        let workload = self.workload(unit, image, "");
        kubernetes::manifest(&workload).map(drop).map_err(at(Stage::Plan))
    }

    fn write(&self, unit: &FlowUnit, done: &Done) -> Result<(), Failure> {
        let declaration = unit.declaration_hash().to_string();
        let workload = self.workload(unit, &done.image, &declaration);
        kubernetes::write(&workload, self.folder)
            .map(drop)
            .map_err(at(Stage::Register))
    }
}

/// Registers a flow with a look at what a cluster takes before, and writes its manifest after.
pub(super) async fn around(
    manifests: Option<&Manifests<'_>>,
    unit: &FlowUnit,
    register: impl Future<Output = Result<Done, Stopped>>,
) -> Result<Done, Stopped> {
    let Some(manifests) = manifests else {
        return register.await;
    };
    manifests.fits(unit)?;
    let done = register.await?;
    manifests.write(unit, &done)?;
    Ok(done)
}

/// The number of the user that the image runs as, where the declaration tells it.
fn number(unit: &FlowUnit) -> Option<i64> {
    match &unit.declaration.user {
        Some(user) => user.as_str().split(':').next()?.parse().ok(),
        None if *unit.declaration.base_image.base() == Base::Scratch => Some(DEFAULT_UID.into()),
        None => None,
    }
}
