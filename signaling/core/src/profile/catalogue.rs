//! All profiles by name: the built-in files and those that a customer added, read, completed by what they extend, and
//! checked. A fault names the file, the line and the key.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use toml::{Table, Value};

use super::{Evidence, Profile, Source};
use crate::limits;

/// The built-in files; the order is that in which profile `auto` looks at those that it does not list itself.
macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$((concat!($name, ".toml"), include_str!(concat!("../../profiles/", $name, ".toml")))),*]
    };
}

const BUILT_IN: &[(&str, &str)] = built_in![
    "auto",
    "rfc7866",
    "rfc7866-strict",
    "genesys-msr",
    "oracle",
    "avaya",
    "cisco-cube",
    "cisco-nbr",
    "cucm-bib",
    "audiocodes",
    "broadworks",
    "metaswitch",
    "ribbon",
    "opensips",
    "jambonz",
    "netsapiens",
    "telnyx",
    "google-ccai",
    "amazon-connect",
];

/// Encodings that may stand in `offer.codecs`.
const OFFERED: [&str; 4] = ["PCMU", "PCMA", "G722", "telephone-event"];

/// Keys that a profile does not inherit.
const OWN: [&str; 5] = ["name", "title", "also", "extends", "detect"];

/// Why a profile file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileError {
    /// The file.
    pub file: String,
    /// Its line, from 1.
    pub line: Option<usize>,
    /// What is wrong, with the key.
    pub what: String,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

impl std::error::Error for ProfileError {}

/// Every profile that can be named.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalogue {
    profiles: Vec<Arc<Profile>>,
}

impl Catalogue {
    /// The built-in profiles.
    pub fn built_in() -> &'static Self {
        static CATALOGUE: LazyLock<Catalogue> =
            LazyLock::new(|| Catalogue::with(&[]).expect("the built-in profiles are tested"));
        &CATALOGUE
    }

    /// The built-in profiles and a customer's own: `(file name, text)`. An own file replaces the built-in one of the
    /// same name, and is looked at before them by profile `auto`.
    ///
    /// # Errors
    /// The first fault, by file, line and key.
    pub fn with(own: &[(String, String)]) -> Result<Self, ProfileError> {
        if own.len() > limits::PROFILES {
            let what = format!("more than {} profiles", limits::PROFILES);
            return Err(ProfileError { file: own[limits::PROFILES].0.clone(), line: None, what });
        }
        let mut files: Vec<File<'_>> = Vec::with_capacity(own.len() + BUILT_IN.len());
        let added = own.iter().map(|(file, text)| (file.as_str(), text.as_str()));
        for (number, (file, text)) in added.chain(BUILT_IN.iter().copied()).enumerate() {
            let read = File::read(file, text)?;
            match files.iter().find(|known| known.name == read.name) {
                // A built-in file gives way.
                Some(_) if number >= own.len() => {}
                Some(known) => {
                    return Err(read.fault("name", &format!("{:?} is the name in {} as well", read.name, known.file)));
                }
                None => files.push(read),
            }
        }
        let mut profiles = Vec::with_capacity(files.len());
        for file in &files {
            profiles.push(Arc::new(file.profile(&files)?));
        }
        let chosen: Vec<Option<Vec<Arc<Profile>>>> =
            files.iter().map(|file| file.candidates(&profiles)).collect::<Result<_, _>>()?;
        for (profile, candidates) in profiles.iter_mut().zip(chosen) {
            if let Some(candidates) = candidates {
                *profile = Arc::new(Profile { candidates, ..Profile::clone(profile) });
            }
        }
        Ok(Self { profiles })
    }

    /// The profile of that name.
    pub fn named(&self, name: &str) -> Option<&Arc<Profile>> {
        self.profiles.iter().find(|profile| profile.is_called(name))
    }

    /// Every profile.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.profiles.iter()
    }
}

/// One file as read, before it is completed.
struct File<'a> {
    file: &'a str,
    text: &'a str,
    name: String,
    table: Table,
}

impl<'a> File<'a> {
    fn read(file: &'a str, text: &'a str) -> Result<Self, ProfileError> {
        let wrong = |error: &toml::de::Error| ProfileError {
            file: file.to_owned(),
            line: error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1),
            what: error.message().replace('\n', " "),
        };
        if text.len() > limits::PROFILE_OCTETS {
            let what = format!("longer than {} octets", limits::PROFILE_OCTETS);
            return Err(ProfileError { file: file.to_owned(), line: None, what });
        }
        let own: Profile = toml::from_str(text).map_err(|error| wrong(&error))?;
        let table: Table = toml::from_str(text).map_err(|error| wrong(&error))?;
        let read = Self { file, text, name: own.name.clone(), table };
        if own.name.is_empty() || own.name.chars().any(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'))
        {
            return Err(read.fault("name", "a profile has a name of letters, digits, `-`, `_` and `.`"));
        }
        Ok(read)
    }

    /// A fault at the line where the key stands, if it does.
    fn fault(&self, key: &str, what: &str) -> ProfileError {
        let leaf = key.rsplit('.').next().unwrap_or(key);
        let stands = |line: &str| {
            let line = line.trim_start();
            let named = line.strip_prefix(leaf).is_some_and(|rest| rest.trim_start().starts_with('='));
            named || line.trim_matches(['[', ']', ' ']) == key
        };
        let line = self.text.lines().position(stands).map(|at| at + 1);
        ProfileError { file: self.file.to_owned(), line, what: format!("`{key}`: {what}") }
    }

    /// The file's keys over those of what it extends.
    fn completed(&self, files: &[File<'_>], depth: usize) -> Result<Table, ProfileError> {
        let Some(base) = self.table.get("extends").and_then(Value::as_str) else { return Ok(self.table.clone()) };
        if depth >= limits::PROFILE_DEPTH {
            return Err(self.fault("extends", "goes round in a circle, or too deep"));
        }
        let known = files.iter().find(|file| file.name == base);
        let base = known.ok_or_else(|| self.fault("extends", &format!("there is no profile {base:?}")))?;
        let mut completed = base.completed(files, depth + 1)?;
        OWN.iter().for_each(|key| drop(completed.remove(*key)));
        overlay(&mut completed, &self.table);
        Ok(completed)
    }

    fn profile(&self, files: &[File<'_>]) -> Result<Profile, ProfileError> {
        let completed = self.completed(files, 0)?;
        let profile: Profile = completed.try_into().map_err(|error: toml::de::Error| ProfileError {
            file: self.file.to_owned(),
            line: None,
            what: error.message().replace('\n', " "),
        })?;
        match fault(&profile) {
            Some((key, what)) => Err(self.fault(key, &what)),
            None => Ok(profile),
        }
    }

    /// What a choosing profile chooses among: a customer's own first, then its list, then whatever else is automatic.
    /// What matches without a fingerprint matches everything, so it comes last.
    fn candidates(&self, profiles: &[Arc<Profile>]) -> Result<Option<Vec<Arc<Profile>>>, ProfileError> {
        let own: Profile =
            profiles.iter().find(|one| one.name == self.name).map(|one| Profile::clone(one)).unwrap_or_default();
        if own.detect.among.is_empty() {
            return Ok(None);
        }
        let mut chosen: Vec<Arc<Profile>> = Vec::new();
        let is_built_in =
            |profile: &Profile| BUILT_IN.iter().any(|(file, _)| file.strip_suffix(".toml") == Some(&*profile.name));
        let automatic = |profile: &&Arc<Profile>| profile.detect.automatic && !own.detect.among.contains(&profile.name);
        chosen.extend(profiles.iter().filter(|profile| !is_built_in(profile)).filter(automatic).cloned());
        for name in &own.detect.among {
            let found = profiles.iter().find(|profile| profile.is_called(name) && profile.detect.among.is_empty());
            chosen.push(
                found.cloned().ok_or_else(|| self.fault("detect.among", &format!("there is no profile {name:?}")))?,
            );
        }
        let more = profiles.iter().filter(|profile| is_built_in(profile)).filter(automatic);
        chosen.extend(more.cloned());
        let (special, general): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|profile| {
            !profile.detect.fingerprint.is_empty() || profile.session.evidence != Evidence::Siprec
        });
        Ok(Some(special.into_iter().chain(general).collect()))
    }
}

/// Tables are laid over each other, everything else replaces; `[[key]]` entries are added, own ones first.
fn overlay(base: &mut Table, own: &Table) {
    for (name, value) in own {
        match (base.get_mut(name), value) {
            (Some(Value::Table(below)), Value::Table(above)) => overlay(below, above),
            (Some(Value::Array(below)), Value::Array(above)) if name == "key" => {
                below.splice(0..0, above.iter().cloned());
            }
            _ => drop(base.insert(name.clone(), value.clone())),
        }
    }
}

/// What does not fit together: the key and why.
fn fault(profile: &Profile) -> Option<(&'static str, String)> {
    let missing = |key: &'static str, what: &str| Some((key, what.to_owned()));
    let session = &profile.session;
    if !(400..700).contains(&session.refusal) {
        return missing("session.refusal", "is no status of a refusal (400-699)");
    }
    if matches!(session.evidence, Evidence::Header | Evidence::FromParameter) && session.name.is_none() {
        return missing("session.evidence", "needs `session.name`");
    }
    let (participants, leg) = (&profile.participants, &profile.leg);
    match profile.metadata.source {
        Source::Headers if participants.header.is_empty() || participants.line.is_empty() => {
            return missing("metadata.source", "\"headers\" needs `participants.header` and `participants.line`");
        }
        Source::FromUri if leg.near.is_empty() || leg.far.is_empty() || leg.join.is_empty() => {
            return missing("metadata.source", "\"from-uri\" needs `leg.near`, `leg.far` and `leg.join`");
        }
        Source::Headers | Source::FromUri | Source::Body | Source::RequestUri => {}
    }
    if profile.offer.lines as usize > crate::sdp::limits::USED_MEDIA {
        return missing("offer.lines", "more lines than a session may have");
    }
    let is_known = |codec: &&String| !OFFERED.contains(&codec.as_str());
    if let Some(codec) = profile.offer.codecs.iter().find(is_known) {
        return Some(("offer.codecs", format!("{codec:?} is none of {}", OFFERED.join(", "))));
    }
    if profile.detect.automatic && profile.detect.fingerprint.is_empty() && session.evidence == Evidence::Siprec {
        return missing("detect.automatic", "without a `[[detect.fingerprint]]` it would match every INVITE");
    }
    entries(profile)
}

fn entries(profile: &Profile) -> Option<(&'static str, String)> {
    for rule in &profile.role {
        let conditions = [
            rule.flag.is_some(),
            rule.pointer.is_some(),
            rule.number.is_some(),
            rule.label_rank.is_some(),
            rule.leg.is_some(),
        ];
        if rule.role.is_empty() || conditions.into_iter().filter(|set| *set).count() != 1 {
            return Some(("role", "needs `role` and one of `flag`, `pointer`, `number`, `label_rank`, `leg`".into()));
        }
    }
    for rule in &profile.key {
        let carriers = [rule.header.is_some(), !rule.element.is_empty(), rule.attribute.is_some()];
        let is_path = rule.attribute.as_deref().is_none_or(|path| path.contains('/'));
        if rule.name.is_empty() || carriers.into_iter().filter(|set| *set).count() != 1 || !is_path {
            let what = "needs `name` and one of `header`, `element`, `attribute` (ELEMENT/ATTRIBUTE)";
            return Some(("key", format!("{} {what}", rule.name)));
        }
    }
    None
}
