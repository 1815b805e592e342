//! `[assurance]`: who is in scope, how long to wait, and how files of call detail records are read.

use std::collections::BTreeMap;

use serde::Deserialize;
use storage_core::{
    assurance::{
        Settings,
        cdr::{Mapping, MappingFault},
    },
    query::Pattern,
};

use crate::fault::Fault;

/// `[assurance]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AssuranceConfig {
    /// How long after its end a call may be without a recording before it is told, in seconds.
    pub(crate) grace_s: u64,
    /// How far apart a call and a recording of the same numbers may begin, in seconds.
    pub(crate) tolerance_s: u64,
    /// How much of the talk may be missing, in seconds.
    pub(crate) partial_s: u64,
    /// Calls with less talk need not be recorded, in seconds.
    pub(crate) min_talk_s: u64,
    /// DNs that are to be recorded where no policy spoke, `*` at either end; none: all.
    pub(crate) scope: Vec<String>,
    /// DNs that are left out where no policy spoke.
    pub(crate) exclude: Vec<String>,
    /// DNs and agents who must be seen recording.
    pub(crate) users: Vec<String>,
    /// Without a recording for so many days a user is silent.
    pub(crate) silent_days: u32,
    /// Days that are held in memory.
    pub(crate) days: u32,
    /// How long after midnight (UTC) the report of the day is written, in seconds.
    pub(crate) report_after_s: u64,
    /// Sources of call detail records. With one, a recording without a call waits for its files.
    pub(crate) cdr: BTreeMap<String, CdrSource>,
}

/// `[assurance.cdr.NAME]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CdrSource {
    /// What a column of the file is called, by what it says.
    columns: BTreeMap<String, String>,
    /// Between values of CSV; without it the header tells.
    separator: Option<String>,
    /// `any`, `rfc3339`, `epoch_s`, `epoch_ms`, or a pattern.
    time_format: Option<String>,
    /// Of times that name none: `UTC`, `+02:00`.
    zone: Option<String>,
    /// All calls of the file were answered, whatever a column says.
    all_answered: bool,
}

impl Default for AssuranceConfig {
    fn default() -> Self {
        Self {
            grace_s: 300,
            tolerance_s: 10,
            partial_s: 5,
            min_talk_s: 0,
            scope: Vec::new(),
            exclude: Vec::new(),
            users: Vec::new(),
            silent_days: 7,
            days: 8,
            report_after_s: 3_600,
            cdr: BTreeMap::new(),
        }
    }
}

/// The longest span that a figure may say: a day.
const DAY_S: u64 = 86_400;

impl AssuranceConfig {
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let spans = [
            ("grace_s", self.grace_s),
            ("tolerance_s", self.tolerance_s),
            ("partial_s", self.partial_s),
            ("min_talk_s", self.min_talk_s),
            ("report_after_s", self.report_after_s),
        ];
        for (name, seconds) in spans {
            if seconds > DAY_S {
                return Err(Fault::key(&format!("assurance.{name}"), "is longer than a day"));
            }
        }
        if !(2..=366).contains(&self.days) {
            return Err(Fault::key("assurance.days", "must be from 2 to 366"));
        }
        if self.silent_days == 0 || self.silent_days >= self.days {
            return Err(Fault::key("assurance.silent_days", "must be at least 1 and below `assurance.days`"));
        }
        self.cdr.keys().try_for_each(|name| self.mapping(name).map(drop))
    }

    /// How the judgement is done.
    pub(crate) fn settings(&self) -> Settings {
        let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::new(text)).collect();
        Settings {
            grace_ms: self.grace_s * 1_000,
            tolerance_ms: self.tolerance_s * 1_000,
            partial_ms: self.partial_s * 1_000,
            min_ms: self.min_talk_s * 1_000,
            scope: patterns(&self.scope),
            exclude: patterns(&self.exclude),
            users: self.users.clone(),
            silent_days: self.silent_days,
            days: self.days,
            expects_cdrs: !self.cdr.is_empty(),
        }
    }

    /// How the files of a source are read. `default` needs no section.
    pub(crate) fn mapping(&self, name: &str) -> Result<Mapping, Fault> {
        let mut mapping = Mapping::new(name);
        let section = match self.cdr.get(name) {
            Some(section) => section,
            None if name == DEFAULT => return Ok(mapping),
            None => {
                let known: Vec<&str> = self.cdr.keys().map(String::as_str).chain([DEFAULT]).collect();
                let what = format!("no such source of call detail records; there are {}", known.join(", "));
                return Err(Fault::key(&format!("assurance.cdr.{name}"), what));
            }
        };
        let fault = |fault: MappingFault| Fault::Usage(format!("assurance.cdr.{name}.{fault}"));
        for (column, of_file) in &section.columns {
            mapping.set_column(column, of_file).map_err(fault)?;
        }
        section.separator.as_deref().map_or(Ok(()), |text| mapping.set_separator(text)).map_err(fault)?;
        section.time_format.as_deref().map_or(Ok(()), |text| mapping.set_time_format(text)).map_err(fault)?;
        section.zone.as_deref().map_or(Ok(()), |text| mapping.set_zone(text)).map_err(fault)?;
        if section.all_answered {
            mapping.set_all_answered();
        }
        Ok(mapping)
    }
}

/// The source of files for which nobody named one.
pub(crate) const DEFAULT: &str = "default";
