//! User data, reasons and extensions as a scenario writes them: tables, or pairs as on the wire.

use serde::{Deserialize, Deserializer};
use signaling_core::tlib::list::{List, Pair, Value};

pub(super) fn list<'de, D: Deserializer<'de>>(from: D) -> Result<List, D::Error> {
    pairs(toml::Value::deserialize(from)?).map_err(serde::de::Error::custom)
}

/// A table becomes a list in the order of its keys; an array is pairs as on the wire.
fn pairs(value: toml::Value) -> Result<List, String> {
    match value {
        toml::Value::Table(table) => {
            let pair = |(key, value)| Ok(Pair { key, value: single(value)? });
            table.into_iter().map(pair).collect::<Result<_, String>>().map(List)
        }
        toml::Value::Array(_) => {
            let json = serde_json::to_value(value).map_err(|cause| cause.to_string())?;
            serde_json::from_value(json).map_err(|cause| cause.to_string())
        }
        other => Err(format!("{} is neither a table nor pairs", other.type_str())),
    }
}

fn single(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => Value::Text(text.into_bytes()),
        toml::Value::Integer(number) => Value::Integer(number),
        toml::Value::Table(table)
            if table.len() == 1 && (table.contains_key("binary") || table.contains_key("text")) =>
        {
            let json = serde_json::to_value(table).map_err(|cause| cause.to_string())?;
            serde_json::from_value(json).map_err(|_| "octets are not base64".to_owned())?
        }
        other => Value::List(pairs(other)?),
    })
}
