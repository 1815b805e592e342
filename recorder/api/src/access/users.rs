//! Users of the console: passwords kept as Argon2id.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString},
};
use model::Role;
use serde::{Deserialize, Serialize};

use super::{AccessError, Principal, Store, UNFIT_NAME, file::Keyed, is_fit_name};
use crate::{limits, outside};

/// One line of `users.jsonl`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserLine {
    name: String,
    role: Role,
    /// PHC string.
    argon2: String,
    /// RFC 3339.
    created: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    disabled: bool,
}

impl Keyed for UserLine {
    fn key(&self) -> &str {
        &self.name
    }
}

impl Store {
    /// Adds a user. Takes the time of one password hash.
    ///
    /// # Errors
    /// The name is taken or no name, the password too short or long, or the file cannot be written.
    pub fn add_user(&self, name: &str, role: Role, password: &str) -> Result<(), AccessError> {
        if !is_fit_name(name) {
            return Err(AccessError::Unfit(UNFIT_NAME));
        }
        if !limits::PASSWORD_CHARS.contains(&password.chars().count()) {
            return Err(AccessError::Unfit("a password has 8 to 1024 characters"));
        }
        let line = UserLine {
            name: name.to_owned(),
            role,
            argon2: hash(password)?,
            created: outside::now().to_string(),
            disabled: false,
        };
        // Numbers and agent ids are compared without case, so two users must not differ by case alone.
        let is_taken = |line: &UserLine| line.name.to_lowercase() == name.to_lowercase();
        self.users.append(|lines| match lines.iter().any(is_taken) {
            true => Err(AccessError::Exists(name.to_owned())),
            false => Ok(line),
        })
    }

    /// Ends the access of a user, running sessions included.
    ///
    /// # Errors
    /// There is none of that name, or the file cannot be written.
    pub fn disable_user(&self, name: &str) -> Result<(), AccessError> {
        self.users.append(|lines| {
            let line =
                lines.iter().find(|line| line.name == name).ok_or_else(|| AccessError::Unknown(name.to_owned()))?;
            Ok(UserLine { disabled: true, ..line.clone() })
        })
    }

    /// The user, if the password is theirs. Takes the time of one password hash, whether the name is known or not;
    /// call it from a blocking context.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn verify_password(&self, name: &str, password: &str) -> Result<Option<Principal>, AccessError> {
        if password.chars().count() > *limits::PASSWORD_CHARS.end() {
            return Ok(None);
        }
        let lines = self.users.current()?;
        let Some(line) = lines.iter().find(|line| line.name == name && !line.disabled) else {
            hash(password)?;
            return Ok(None);
        };
        let is_right = PasswordHash::new(&line.argon2)
            .is_ok_and(|known| hasher().verify_password(password.as_bytes(), &known).is_ok());
        Ok(is_right.then(|| line.principal()))
    }

    /// The user as of now: a session asks on every use, so that whoever was disabled is out at once.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn user(&self, name: &str) -> Result<Option<Principal>, AccessError> {
        let lines = self.users.current()?;
        Ok(lines.iter().find(|line| line.name == name && !line.disabled).map(UserLine::principal))
    }
}

impl UserLine {
    fn principal(&self) -> Principal {
        Principal { id: self.name.clone(), role: self.role, subject: Some(self.name.clone()) }
    }
}

/// OWASP's second choice for Argon2id: 19 MiB, two passes, one lane. Tests take the least the algorithm allows.
fn hasher() -> Argon2<'static> {
    let memory_kib = if cfg!(test) { Params::MIN_M_COST } else { 19 * 1024 };
    let params = Params::new(memory_kib, 2, 1, None).expect("the parameters are within Argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &str) -> Result<String, AccessError> {
    let salt = SaltString::encode_b64(&outside::entropy::<16>()).expect("16 octets are a lawful salt");
    let hash = hasher()
        .hash_password(password.as_bytes(), &salt)
        .map_err(|_| AccessError::Unfit("the password cannot be hashed"))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_let_in_by_the_right_password_only() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.add_user("ann", Role::Supervisor, "correct horse").unwrap();
        let ann = store.verify_password("ann", "correct horse").unwrap().unwrap();
        assert_eq!((ann.id.as_str(), ann.role, ann.subject.as_deref()), ("ann", Role::Supervisor, Some("ann")));
        assert_eq!(store.verify_password("ann", "correct hors").unwrap(), None);
        assert_eq!(store.verify_password("bob", "correct horse").unwrap(), None);
        store.disable_user("ann").unwrap();
        assert_eq!(store.verify_password("ann", "correct horse").unwrap(), None);
        assert_eq!(store.user("ann").unwrap(), None);
    }

    #[test]
    fn a_taken_name_a_wild_name_and_a_short_password_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.add_user("ann", Role::Agent, "long enough").unwrap();
        for name in ["ann", "Ann"] {
            assert!(matches!(store.add_user(name, Role::Agent, "long enough"), Err(AccessError::Exists(_))), "{name}");
        }
        for (name, password) in [("7*", "long enough"), ("", "long enough"), ("a b", "long enough"), ("bob", "short")] {
            assert!(matches!(store.add_user(name, Role::Agent, password), Err(AccessError::Unfit(_))), "{name}");
        }
    }
}
