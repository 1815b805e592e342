//! Logs: one line an event on stderr, as text for people or as JSON for machines.

use std::{
    fmt,
    io::IsTerminal,
    time::{SystemTime, UNIX_EPOCH},
};

use model::Timestamp;
use serde_json::{Map, Value};
use thiserror::Error;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

/// Why there are no logs.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The level is no level.
    #[error("log.level = {level:?}: not a level (error, warn, info, debug, trace, or target=level,...)")]
    Level {
        /// As it was given.
        level: String,
    },
    /// Logging was set up before.
    #[error("logging is already set up")]
    Twice,
}

/// Starts logging to stderr. `level` is `info` or a filter such as `info,signaling=debug`.
///
/// # Errors
/// The level is no level, or logging was set up before.
pub fn init(level: &str, json: bool) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(level).map_err(|_| TelemetryError::Level { level: level.to_owned() })?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if json {
        logs.event_format(JsonLines).try_init()
    } else {
        logs.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
    started.map_err(|_| TelemetryError::Twice)
}

/// One JSON object a line: `at`, `level`, `target`, `message` and the fields of the event.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let mut line = Map::new();
        line.insert("at".into(), wall_clock().to_string().into());
        line.insert("level".into(), event.metadata().level().as_str().to_ascii_lowercase().into());
        line.insert("target".into(), event.metadata().target().into());
        for (name, value) in fields.0 {
            line.entry(name).or_insert(value);
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().into(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.0.insert(field.name().into(), value.to_string().into());
    }
}

fn wall_clock() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the clock of the log line")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_json_line_is_one_object_with_its_fields_typed() {
        let kept = Kept::default();
        let writer = kept.clone();
        let logs = tracing_subscriber::fmt().with_writer(move || writer.clone()).event_format(JsonLines).finish();
        tracing::subscriber::with_default(logs, || tracing::info!(live = 3_u64, cause = "a \"b\"\nc", "it began"));
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "it began");
        assert_eq!((&line["live"], &line["cause"]), (&3.into(), &"a \"b\"\nc".into()));
        assert_eq!(line["level"], "info");
    }

    #[test]
    fn a_level_that_is_none_is_named() {
        let error = init("info,foo=loudest", false).unwrap_err().to_string();
        assert!(error.starts_with("log.level = \"info,foo=loudest\""), "{error}");
    }
}
