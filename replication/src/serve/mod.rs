//! `replicator serve`: the server side of the T-Library link and a small switch behind it, driven by a scenario file
//! (SCENARIO.md beside this file).

mod hub;
mod link;
mod model;
mod peers;
mod recordings;
pub mod report;
mod requests;
pub mod scenario;
mod steps;

use self::{hub::Hub, report::Report, scenario::Scenario};
use crate::error::CallError;

/// Plays a scenario to its end.
///
/// # Errors
/// [`CallError::Usage`] when it cannot begin; what went wrong later is in [`Report::problems`].
pub async fn run(scenario: Scenario) -> Result<Report, CallError> {
    Ok(Hub::new(scenario)?.play().await)
}
