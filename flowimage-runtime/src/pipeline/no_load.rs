//! Without the feature `engine` nothing is put into one.
#![allow(clippy::unused_async, reason = "the same calls with and without the feature")]

use super::{Built, Plan, Pushed};
use crate::failure::{Failure, Stage};
use crate::oci::Digest;

impl Plan<'_> {
    pub(super) async fn foresee_load(&self) -> Result<(), Failure> {
        Ok(())
    }
}

impl Built<'_> {
    pub(super) async fn load(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    pub(super) async fn send(&mut self) -> Result<Digest, Failure> {
        let Plan { target, session, .. } = &self.plan;
        target.send(&self.image, &self.layout, session).await
    }

    pub(super) async fn stay(&mut self, _stage: Stage) -> Result<Option<String>, Failure> {
        Ok(None)
    }
}

impl Pushed<'_> {
    pub(super) async fn load(self: Box<Self>) -> Result<Box<Self>, Failure> {
        Ok(self)
    }
}
