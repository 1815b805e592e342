//! Bearer tokens: 256 random bits shown once, kept as a digest.

use crypto::digest::{constant_time_eq, sha256_hex};
use model::{Role, Timestamp};
use serde::{Deserialize, Serialize};

use super::{AccessError, Principal, Store, UNFIT_NAME, file::Keyed, is_fit_name};
use crate::outside;

/// One line of `tokens.jsonl`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenLine {
    id: String,
    role: Role,
    sha256: String,
    /// RFC 3339.
    created: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    revoked: bool,
}

impl Keyed for TokenLine {
    fn key(&self) -> &str {
        &self.id
    }
}

/// A token that was just made. The text is shown once; nobody can find it out again. No `Debug`: it opens doors.
pub struct IssuedToken {
    /// How it is called in the audit trail.
    pub id: String,
    /// `rec_` and 43 characters of base64url.
    pub text: String,
}

impl Store {
    /// Makes a token of that role that does not expire.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create_token(&self, role: Role) -> Result<IssuedToken, AccessError> {
        self.create_token_for(role, None, None)
    }

    /// Makes a token, for the own calls of `subject` where the role is limited to them, until `expires`.
    ///
    /// # Errors
    /// The subject is no name, or the file cannot be written.
    pub fn create_token_for(
        &self,
        role: Role,
        subject: Option<&str>,
        expires: Option<Timestamp>,
    ) -> Result<IssuedToken, AccessError> {
        if subject.is_some_and(|subject| !is_fit_name(subject)) {
            return Err(AccessError::Unfit(UNFIT_NAME));
        }
        let text = format!("rec_{}", outside::unguessable());
        let id = format!("tok_{}", hex::encode(outside::entropy::<6>()));
        let line = TokenLine {
            id: id.clone(),
            role,
            sha256: sha256_hex(text.as_bytes()),
            created: outside::now().to_string(),
            expires: expires.map(|at| at.to_string()),
            subject: subject.map(str::to_owned),
            revoked: false,
        };
        self.tokens.append(|_| Ok(line))?;
        Ok(IssuedToken { id, text })
    }

    /// Ends a token, at once and for good.
    ///
    /// # Errors
    /// There is none of that id, or the file cannot be written.
    pub fn revoke_token(&self, id: &str) -> Result<(), AccessError> {
        self.tokens.append(|lines| {
            let line = lines.iter().find(|line| line.id == id).ok_or_else(|| AccessError::Unknown(id.to_owned()))?;
            Ok(TokenLine { revoked: true, ..line.clone() })
        })
    }

    /// Whose token it is; none when it is unknown, expired or revoked.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn verify_token(&self, text: &str) -> Result<Option<Principal>, AccessError> {
        let digest = sha256_hex(text.as_bytes());
        let now = outside::now();
        // Every line is compared, each in constant time: the answer's time tells nothing of where a match stands.
        let found = self.tokens.current()?.iter().fold(None, |found, line| {
            let is_match = constant_time_eq(line.sha256.as_bytes(), digest.as_bytes());
            if is_match && line.is_valid(now) { Some(line.principal()) } else { found }
        });
        Ok(found)
    }
}

impl TokenLine {
    fn is_valid(&self, now: Timestamp) -> bool {
        // An expiry that cannot be read is one that has passed.
        let is_current = match &self.expires {
            Some(expires) => Timestamp::parse(expires).is_some_and(|expires| now < expires),
            None => true,
        };
        is_current && !self.revoked
    }

    fn principal(&self) -> Principal {
        Principal { id: self.id.clone(), role: self.role, subject: self.subject.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_token_made_beside_a_running_store_works_at_once_and_stands_nowhere_in_clear() {
        let dir = tempfile::tempdir().unwrap();
        let access = dir.path().join("access");
        let (server, cli) = (Store::open(&access).unwrap(), Store::open(&access).unwrap());
        let first = cli.create_token(Role::Auditor).unwrap();
        let found = server.verify_token(&first.text).unwrap().unwrap();
        assert_eq!((found.id.as_str(), found.role), (first.id.as_str(), Role::Auditor));
        let second = cli.create_token_for(Role::Agent, Some("7001"), None).unwrap();
        assert_eq!(server.verify_token(&second.text).unwrap().unwrap().subject.as_deref(), Some("7001"));

        assert!(first.text.starts_with("rec_") && first.text.len() == 47);
        let path = access.join("tokens.jsonl");
        assert!(!fs::read_to_string(&path).unwrap().contains(&first.text[4..]));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn unknown_expired_and_revoked_tokens_are_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.verify_token("rec_x").unwrap(), None);
        let old = store.create_token_for(Role::Auditor, None, Some(Timestamp::from_millis(1))).unwrap();
        assert_eq!(store.verify_token(&old.text).unwrap(), None);
        let token = store.create_token(Role::Auditor).unwrap();
        assert!(store.verify_token(&token.text).unwrap().is_some());
        store.revoke_token(&token.id).unwrap();
        assert_eq!(store.verify_token(&token.text).unwrap(), None);
        assert!(matches!(store.revoke_token("tok_none"), Err(AccessError::Unknown(_))));
        assert!(matches!(store.create_token_for(Role::Agent, Some("*"), None), Err(AccessError::Unfit(_))));
    }

    #[test]
    fn a_loose_mode_and_a_corrupt_line_are_named_and_a_torn_tail_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let token = store.create_token(Role::Auditor).unwrap();
        let path = dir.path().join("tokens.jsonl");
        let whole = fs::read_to_string(&path).unwrap();

        fs::write(&path, format!("{whole}{{\"id\":\"tok_to")).unwrap();
        assert!(store.verify_token(&token.text).unwrap().is_some());
        let next = store.create_token(Role::Agent).unwrap();
        assert!(store.verify_token(&next.text).unwrap().is_some());

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = Store::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("tokens.jsonl: mode 0644"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, format!("{whole}nonsense\n")).unwrap();
        let error = Store::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("tokens.jsonl:2: "), "{error}");
    }
}
