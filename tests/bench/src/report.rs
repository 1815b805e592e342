//! What a run found: rows for a table and for JSON, and everything that makes the run invalid.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::{
    failure::{Failure, Outcome},
    machine::Machine,
};

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    stage: &'static str,
    what: String,
    value: f64,
    unit: &'static str,
    /// What issue or design asks for, when they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    goal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reached: Option<bool>,
    #[serde(skip_serializing_if = "Value::is_null")]
    details: Value,
}

/// A run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    valid: bool,
    invalid: Vec<String>,
    skipped: Vec<String>,
    rows: Vec<Row>,
}

impl Report {
    pub(crate) const fn new(machine: Machine) -> Self {
        Self { machine, valid: true, invalid: Vec::new(), skipped: Vec::new(), rows: Vec::new() }
    }

    /// A figure; it is printed at once so that a long run can be watched.
    pub(crate) fn row(
        &mut self,
        stage: &'static str,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
    ) -> &mut Row {
        let what = what.into();
        println!("  {stage:<9} {what:<58} {value:>12.3} {unit}");
        self.rows.push(Row { stage, what, value, unit, goal: None, reached: None, details: Value::Null });
        self.rows.last_mut().expect("just pushed")
    }

    /// Something does not add up: the run is worth nothing.
    pub(crate) fn invalid(&mut self, why: impl Into<String>) {
        let why = why.into();
        println!("  INVALID   {why}");
        self.valid = false;
        self.invalid.push(why);
    }

    /// Not measured, and why.
    pub(crate) fn skip(&mut self, why: impl Into<String>) {
        let why = why.into();
        println!("  skipped   {why}");
        self.skipped.push(why);
    }

    /// Prints the table, writes the JSON, and says whether the run counts.
    pub(crate) fn finish(self, folder: &Path) -> Outcome<(PathBuf, bool)> {
        println!("\n{}\n", self.machine.sentence());
        for row in &self.rows {
            let goal = row.goal.as_deref().map(|goal| format!("   goal {goal}")).unwrap_or_default();
            let verdict = row.reached.map_or("", |reached| if reached { " reached" } else { " NOT reached" });
            println!("{:<9} {:<58} {:>12.3} {:<14}{goal}{verdict}", row.stage, row.what, row.value, row.unit);
        }
        for why in &self.skipped {
            println!("skipped   {why}");
        }
        for why in &self.invalid {
            println!("INVALID   {why}");
        }
        let path = folder.join("bench.json");
        let text = serde_json::to_string_pretty(&self).map_err(Failure::new)?;
        std::fs::write(&path, text).map_err(|cause| Failure::file(&path, &cause))?;
        Ok((path, self.valid))
    }
}

impl Row {
    /// The figure should be at most this.
    pub(crate) fn at_most(&mut self, most: f64) -> &mut Self {
        self.goal = Some(format!("<= {most}"));
        self.reached = Some(self.value <= most);
        self
    }

    /// The figure should be at least this.
    pub(crate) fn at_least(&mut self, least: f64) -> &mut Self {
        self.goal = Some(format!(">= {least}"));
        self.reached = Some(self.value >= least);
        self
    }

    /// What stands behind it.
    pub(crate) fn details(&mut self, details: Value) -> &mut Self {
        self.details = details;
        self
    }
}
