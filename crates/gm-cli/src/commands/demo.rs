//! Being written.
use super::Context;
use crate::error::Result;
use crate::output::Report;
use clap::Args;

/// Being written
#[derive(Args, Clone, Debug)]
pub(crate) struct Demo {}

impl Demo {
    pub(super) fn run(&self, _: &Context) -> Result<Report> {
        Report::new("", &())
    }
}
