//! Bounds of the operations side, each with its reason and what happens at the bound.

/// Octets of a configuration file. A file beyond this is refused by name: it is not a configuration.
pub const CONFIG_OCTETS: u64 = 1024 * 1024;

/// Requests answered at once on the metrics listener. A scraper needs one; at the bound further ones wait.
pub const HEALTH_REQUESTS: usize = 16;

/// Octets of a request to the metrics listener: it reads no bodies.
pub const HEALTH_BODY: usize = 1024;

/// Characters of one failing condition in the readiness answer; the rest is cut.
pub const CONDITION_DETAIL: usize = 200;
