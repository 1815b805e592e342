//! What the policy says of a recording.

use serde::{Deserialize, Serialize};

/// What is done with a call. The order is that of what is kept: a later word may raise it, never lower it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Treatment {
    /// It is not recorded.
    Never,
    /// It is recorded, and kept only if somebody asks for it in time.
    Provisional,
    /// It is recorded.
    #[default]
    Record,
}

impl Treatment {
    /// The word in configuration, ledger and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Provisional => "provisional",
            Self::Record => "record",
        }
    }
}

/// What the policy decided, and by which rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// What is done.
    pub treatment: Treatment,
    /// The rule that said so; none for the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The retention class it gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<String>,
    /// The partition it gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
}
