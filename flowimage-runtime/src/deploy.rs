//! The last part of registering: the flow's deployment on an orchestrator, if one is named.
//!
//! Everything that could be wrong is looked for before an image is made.

use std::num::NonZeroU32;

use flowimage_model::settings::Running;

use crate::failure::{Failure, Stage, at};
use crate::flow::FlowUnit;
use crate::oci::Platform;
use crate::pipeline::{Done, Stopped};
use crate::prefect::{
    Deployed, Orchestrator, Pool, PrefectError, Program, Wanted, body_schedule, job_variables, unheeded,
};
use crate::session::Session;
use crate::target::Target;

/// A deployment to be: all of it but the image.
pub struct Deployment<'a> {
    unit: &'a FlowUnit,
    orchestrator: &'a Orchestrator,
    name: &'a str,
    running: &'a Running,
    pool: Pool,
    program: Program,
    platform: Platform,
}

impl<'a> Deployment<'a> {
    /// Looks for everything that could hinder the deployment. `None` where the flow is not to be deployed: no server,
    /// or no work pool, is named.
    ///
    /// # Errors
    /// The server, its pool, or what it would be told.
    pub async fn foresee(
        unit: &'a FlowUnit,
        session: &'a Session,
        target: &Target,
        program: Program,
        platform: Platform,
    ) -> Result<Option<Self>, Failure> {
        let wishes = &session.options.orchestrator;
        let settings = &session.options.settings;
        // What the command says, then the flow, then what holds where nobody says anything.
        let usual = std::env::var("PREFECT_DEFAULT_WORK_POOL_NAME").ok();
        let pool = wishes
            .work_pool
            .as_ref()
            .or(settings.profile.work_pool.as_ref())
            .or(unit.declaration.work_pool.as_ref())
            .or(settings.prefect.work_pool.as_ref())
            .or(usual.as_ref().filter(|name| !name.is_empty()));
        let Some(pool) = pool else { return Ok(None) };
        let Some(orchestrator) = session.orchestrator().await? else {
            return Ok(None);
        };
        let flow = unit.declaration.name.as_str();
        orchestrator.check_name(flow).map_err(at(Stage::Plan))?;
        let pool = orchestrator.pool(pool).await.map_err(at(Stage::Plan))?;
        if pool.runs_images() && !target.is_remote() {
            let error = PrefectError::NoRegistry {
                pool: pool.name,
                kind: pool.kind,
                flow: flow.to_owned(),
            };
            return Err(Failure::new(Stage::Plan, &error));
        }
        Ok(Some(Self {
            unit,
            orchestrator,
            name: wishes.deployment(),
            running: settings,
            pool,
            program,
            platform,
        }))
    }

    /// Creates the deployment of what was registered, or puts it right.
    ///
    /// # Errors
    /// The server refuses it.
    pub async fn put(self, done: Done) -> Result<Done, Stopped> {
        let wanted = self.wanted(&done);
        match self.orchestrator.deploy(&wanted).await {
            Ok(deployed) => {
                let same = !deployed.created && deployed.changes.is_empty();
                Ok(Done {
                    status: if same { done.status } else { "registered" },
                    deployed: Some(Deployed {
                        warnings: self.warnings(),
                        ..deployed
                    }),
                    ..done
                })
            }
            Err(error) => Err(Stopped {
                failure: Failure::new(Stage::Register, &error),
                checks: done.checks,
            }),
        }
    }

    /// What the server takes, and what may yet hinder runs.
    fn warnings(&self) -> Vec<String> {
        let unheeded = unheeded(&self.unit.declaration, &self.pool);
        let mut warnings = Vec::new();
        if !unheeded.is_empty() {
            warnings.push(format!(
                "the pool `{}` starts the program itself, in no image: what {} names must be on its workers' machines",
                self.pool.name,
                unheeded.join(", ")
            ));
        }
        if self.pool.kind == "docker" && !self.orchestrator.pulls_by_digest() {
            warnings.push(
                "workers of Prefect before 3.4.1 do not pull images by digest: pull it on their machines, or update \
                 Prefect"
                    .to_owned(),
            );
        }
        warnings
    }

    fn wanted(&self, done: &Done) -> Wanted {
        let declaration = &self.unit.declaration;
        let profile = &self.running.profile;
        let schedule = profile.schedule.as_ref().or(declaration.schedule.as_ref());
        let limit = profile.concurrency_limit.or(declaration.concurrency_limit);
        let labels = [
            ("flowimage.digest", done.digest.to_string()),
            ("flowimage.platform", self.platform.to_string()),
            ("flowimage.program", self.program.label(self.unit.entry.package)),
        ];
        Wanted {
            flow: declaration.name.to_string(),
            name: self.name.to_owned(),
            work_pool: self.pool.name.clone(),
            work_queue: self.running.prefect.work_queue.clone(),
            job_variables: job_variables(declaration, &self.pool, &done.image, &self.program),
            parameter_schema: self.unit.entry.parameters_schema(),
            description: declaration.description.clone().unwrap_or_default(),
            tags: profile.tags.clone().unwrap_or_else(|| declaration.tags.clone()),
            schedule: schedule.map(body_schedule),
            concurrency_limit: limit.map(NonZeroU32::get),
            version: done.digest.short().to_owned(),
            labels: labels.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    }
}
