//! Who may do what: the built-in roles (DESIGN section 5) as one table.
//!
//! | role | search | play | control | hold, delete | audit, deliveries | retry deliveries | assurance | annotate | import |
//! |---|---|---|---|---|---|---|---|---|---|
//! | administrator | x | | | | x | x | x | | x |
//! | compliance-officer | x | x | | x | | | x | x | x |
//! | supervisor | x | x | x | | | | x | x | |
//! | auditor | x | | | | x | | x | | |
//! | agent | own | own | | | | | | | |
//! | integration | x | | x | | | | | | x |

use model::Role;
use storage_core::{
    query::{Key, Pattern, terms},
    view::RecordingView,
};

/// One thing a role may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// See that recordings are there, and what is known of them.
    Search,
    /// Hear them, see their waveform.
    Play,
    /// Pause, resume, stop, keep, discard live ones.
    Control,
    /// Set and lift a legal hold.
    Hold,
    /// Destroy.
    Delete,
    /// Read the audit trail, and how deliveries are doing.
    Audit,
    /// Have what could not be handed over tried again.
    Retry,
    /// See how every call was recorded, and who is silent.
    Assurance,
    /// Say what was behind an incident.
    Annotate,
    /// Bring call detail records.
    Import,
}

impl Right {
    /// The word in a refusal.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Play => "play",
            Self::Control => "control",
            Self::Hold => "hold",
            Self::Delete => "delete",
            Self::Audit => "audit",
            Self::Retry => "retry",
            Self::Assurance => "assurance",
            Self::Annotate => "annotate",
            Self::Import => "import",
        }
    }

    /// Whether the role has it.
    pub(crate) fn is_of(self, role: Role) -> bool {
        let rights: &[Self] = match role {
            Role::Administrator => &[Self::Search, Self::Audit, Self::Retry, Self::Assurance, Self::Import],
            Role::Auditor => &[Self::Search, Self::Audit, Self::Assurance],
            Role::ComplianceOfficer => {
                &[Self::Search, Self::Play, Self::Hold, Self::Delete, Self::Assurance, Self::Annotate, Self::Import]
            }
            Role::Supervisor => &[Self::Search, Self::Play, Self::Control, Self::Assurance, Self::Annotate],
            Role::Agent => &[Self::Search, Self::Play],
            Role::Integration => &[Self::Search, Self::Control, Self::Import],
        };
        rights.contains(&self)
    }
}

/// Whether a role sees only what is its own.
pub(crate) fn is_scoped(role: Role) -> bool {
    match role {
        Role::Agent => true,
        Role::Administrator | Role::ComplianceOfficer | Role::Supervisor | Role::Auditor | Role::Integration => false,
    }
}

/// Whether the recording is one of `subject`'s own: a number of a party, or the agent id, as the catalog finds them.
pub(crate) fn is_own(view: &RecordingView, subject: &str) -> bool {
    let own = Pattern::new(subject);
    terms(view).iter().any(|(key, value)| matches!(key, Key::Dn | Key::Agent) && own.fits(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_configures_cannot_listen_and_who_listens_cannot_read_the_audit_trail() {
        for role in Role::ALL {
            assert!(!(Right::Play.is_of(role) && Right::Audit.is_of(role)), "{}", role.name());
            assert!(Right::Search.is_of(role), "{}", role.name());
        }
        for role in [Role::Administrator, Role::Auditor, Role::Integration] {
            assert!(!Right::Play.is_of(role), "{}", role.name());
        }
        assert!(!Right::Assurance.is_of(Role::Agent) && !Right::Annotate.is_of(Role::Auditor));
        assert!(!Right::Import.is_of(Role::Supervisor) && !Right::Assurance.is_of(Role::Integration));
        assert!(!Right::Control.is_of(Role::Agent) && !Right::Delete.is_of(Role::Supervisor));
    }
}
