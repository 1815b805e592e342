//! Which column means what: names of the field by default, names of the customer where they say so.

use std::collections::BTreeMap;

use thiserror::Error;

use super::time::{Format, Zone};

/// What a column says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// Identity of the line within its source.
    Id,
    /// Genesys CallUUID.
    CallUuid,
    /// Genesys ConnID.
    ConnId,
    /// SIP Call-ID, UCID.
    CallId,
    /// Identity of the recording at the client.
    RecordId,
    /// Identity of the recording here.
    RecordingId,
    /// DNs of the house; several are separated by `|`.
    Dn,
    /// Agents; several are separated by `|`.
    Agent,
    /// Who called.
    Ani,
    /// What was dialled.
    Dnis,
    /// Which way.
    Direction,
    /// When it began.
    StartedAt,
    /// When it was answered.
    AnsweredAt,
    /// When it ended.
    EndedAt,
    /// How long it lasted from its beginning, in seconds.
    DurationS,
    /// Whether it was to be recorded: `yes`, `no`, `provisional`.
    Record,
}

/// A column, its name in the configuration, and the names it is known by: letters and digits, lower case.
const KNOWN: &[(Column, &str, &[&str])] = &[
    (Column::Id, "id", &["id", "cdrid", "uniqueid", "recordnumber"]),
    (Column::CallUuid, "call_uuid", &["calluuid", "genesysuuid", "uuid"]),
    (Column::ConnId, "conn_id", &["connid", "connectionid"]),
    (Column::CallId, "call_id", &["callid", "sipcallid", "ucid", "globalcallid", "icid"]),
    (Column::RecordId, "record_id", &["recordid"]),
    (Column::RecordingId, "recording_id", &["recordingid", "recording"]),
    (Column::Dn, "dn", &["dn", "dns", "thisdn", "extension", "device", "station"]),
    (Column::Agent, "agent", &["agent", "agents", "agentid", "agentlogin", "loginid", "user"]),
    (Column::Ani, "ani", &["ani", "calling", "callingnumber", "callingparty", "caller", "src", "source", "from"]),
    (Column::Dnis, "dnis", &["dnis", "called", "callednumber", "calledparty", "callee", "dst", "destination", "to"]),
    (Column::Direction, "direction", &["direction", "calltype"]),
    (
        Column::StartedAt,
        "started_at",
        &["startedat", "start", "starttime", "begin", "begintime", "calldate", "setuptime", "invitetime"],
    ),
    (
        Column::AnsweredAt,
        "answered_at",
        &["answeredat", "answer", "answertime", "connecttime", "connectedat", "established"],
    ),
    (
        Column::EndedAt,
        "ended_at",
        &["endedat", "end", "endtime", "disconnecttime", "releasetime", "stop", "stoptime", "hangup"],
    ),
    (Column::DurationS, "duration_s", &["durations", "duration", "durationseconds", "durationsec", "callduration"]),
    (Column::Record, "record", &["record", "torecord", "shouldrecord", "expectation"]),
];

impl Column {
    /// Its name in the configuration and in what is said of bad lines.
    pub fn name(self) -> &'static str {
        KNOWN.iter().find(|(column, ..)| *column == self).map_or("?", |(_, name, _)| name)
    }

    fn by_name(name: &str) -> Option<Self> {
        KNOWN.iter().find(|(_, known, _)| *known == name).map(|(column, ..)| *column)
    }
}

/// How the files of one source are read.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// `cdr:NAME`.
    pub source: String,
    pub(super) separator: Option<char>,
    pub(super) format: Format,
    pub(super) zone: Zone,
    /// The file says when calls were answered: what has no such time was not.
    pub(super) tells_answer: bool,
    columns: BTreeMap<String, Column>,
}

/// Why there is no such mapping; the message names the key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MappingFault {
    /// No such column.
    #[error("columns.{0}: no such column")]
    Column(String),
    /// The separator is not one character.
    #[error("separator: not one of `,`, `;`, `|` and tab")]
    Separator,
    /// The time format cannot be read.
    #[error("time_format: {0}")]
    Format(String),
    /// The zone is none.
    #[error("zone: not `UTC` or an offset such as `+02:00`")]
    Zone,
}

impl Mapping {
    /// The mapping of the source `name` with the names that the field uses.
    pub fn new(name: &str) -> Self {
        let names = |(column, _, names): &(Column, &str, &[&str])| {
            names.iter().map(|name| ((*name).to_owned(), *column)).collect::<Vec<_>>()
        };
        let columns = KNOWN.iter().flat_map(names).collect();
        Self {
            source: format!("cdr:{name}"),
            separator: None,
            format: Format::Any,
            zone: Zone::default(),
            tells_answer: true,
            columns,
        }
    }

    /// Says which column of the file carries what `name` names. The names of the field no longer count for it.
    pub fn set_column(&mut self, name: &str, of_file: &str) -> Result<(), MappingFault> {
        let column = Column::by_name(name).ok_or_else(|| MappingFault::Column(name.to_owned()))?;
        self.columns.retain(|_, known| *known != column);
        self.columns.insert(plain(of_file), column);
        Ok(())
    }

    /// Says what stands between values; without it the header tells.
    pub fn set_separator(&mut self, text: &str) -> Result<(), MappingFault> {
        let separator = match text {
            "," | ";" | "|" | "\t" => text.chars().next(),
            _ => return Err(MappingFault::Separator),
        };
        self.separator = separator;
        Ok(())
    }

    /// Says how times are written: `any`, `rfc3339`, `epoch_s`, `epoch_ms`, or a pattern of `%Y %m %d %H %M %S %f %z`.
    pub fn set_time_format(&mut self, text: &str) -> Result<(), MappingFault> {
        self.format = Format::read(text).map_err(MappingFault::Format)?;
        Ok(())
    }

    /// Says in which zone times stand that name none.
    pub fn set_zone(&mut self, text: &str) -> Result<(), MappingFault> {
        self.zone = Zone::read(text).ok_or(MappingFault::Zone)?;
        Ok(())
    }

    /// Says that the file does not tell when calls were answered: all of its calls were, at once.
    pub fn set_all_answered(&mut self) {
        self.tells_answer = false;
    }

    /// What a column of the file says, if it is known.
    pub(super) fn column(&self, of_file: &str) -> Option<Column> {
        self.columns.get(&plain(of_file)).copied()
    }
}

/// Names of columns are compared by letters and digits.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_field_are_known_and_a_customers_name_takes_their_place() {
        let mut mapping = Mapping::new("pbx");
        assert_eq!(mapping.column("Start Time"), Some(Column::StartedAt));
        assert_eq!((mapping.column("CallUUID"), mapping.column("colour")), (Some(Column::CallUuid), None));
        mapping.set_column("started_at", "Rufbeginn").expect("a column");
        assert_eq!((mapping.column("rufbeginn"), mapping.column("Start Time")), (Some(Column::StartedAt), None));
        assert_eq!(mapping.set_column("colour", "x"), Err(MappingFault::Column("colour".into())));
        assert_eq!(mapping.set_separator("ab"), Err(MappingFault::Separator));
        assert_eq!(mapping.set_zone("Europe/Berlin"), Err(MappingFault::Zone));
        assert!(matches!(mapping.set_time_format("%Q"), Err(MappingFault::Format(_))));
    }

    #[test]
    fn no_name_means_two_columns() {
        let mut names: Vec<&str> = KNOWN.iter().flat_map(|(_, _, names)| *names).copied().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
