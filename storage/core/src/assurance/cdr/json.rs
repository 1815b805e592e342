//! JSON: an array of objects, or one object a line.

use serde::{
    Deserializer,
    de::{SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use super::{
    BadLine, Line,
    mapping::{Column, Mapping},
    row::{self, Ways},
    too_long,
};
use crate::limits::CDR_LINE_OCTETS;

/// Reads JSON Lines.
pub(super) fn lines(text: &str, mapping: &Mapping, each: &mut impl FnMut(Line)) {
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let number = index as u64 + 1;
        if line.len() > CDR_LINE_OCTETS {
            each(Err(too_long(number)));
            continue;
        }
        let object = serde_json::from_str(line).map_err(|error| format!("not a JSON object: {}", told(&error)));
        let read = object.and_then(|object| call(&object, mapping));
        each(read.map(|cdr| (number, cdr)).map_err(|reason| BadLine { line: number, reason }));
    }
}

/// Reads an array; the "line" of a call is its place in it, from 1.
pub(super) fn array(text: &str, mapping: &Mapping, each: &mut impl FnMut(Line)) -> Result<(), String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = reader.deserialize_seq(Calls { mapping, each }).and_then(|()| reader.end());
    read.map_err(|error| format!("not a JSON array: {} (what was before it counts)", told(&error)))
}

struct Calls<'a, F> {
    mapping: &'a Mapping,
    each: &'a mut F,
}

impl<'de, F: FnMut(Line)> Visitor<'de> for Calls<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut calls: A) -> Result<(), A::Error> {
        let mut line = 0;
        while let Some(value) = calls.next_element::<Value>()? {
            line += 1;
            let call = match value {
                Value::Object(object) => call(&object, self.mapping),
                _ => Err("not a JSON object".into()),
            };
            (self.each)(call.map(|cdr| (line, cdr)).map_err(|reason| BadLine { line, reason }));
        }
        Ok(())
    }
}

/// The kind of fault and its place: the message itself may quote a value.
fn told(error: &serde_json::Error) -> String {
    format!("{:?} at line {} column {}", error.classify(), error.line(), error.column())
}

fn call(object: &Map<String, Value>, mapping: &Mapping) -> Result<model::Cdr, String> {
    let mut named = Vec::new();
    let has_answer = object.keys().any(|name| mapping.column(name) == Some(Column::AnsweredAt));
    let ways = Ways { mapping, tells_answer: mapping.tells_answer && has_answer };
    for (name, value) in object {
        let Some(column) = mapping.column(name) else { continue };
        match value {
            Value::Null => {}
            Value::String(text) => named.push((column, text.clone())),
            Value::Number(number) => named.push((column, number.to_string())),
            Value::Bool(flag) => named.push((column, flag.to_string())),
            Value::Array(items) => {
                let texts = items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
                named.push((column, texts.collect::<Vec<_>>().join("|")));
            }
            Value::Object(_) => return Err(format!("`{}` is an object", column.name())),
        }
    }
    row::read(named.iter().map(|(column, value)| (*column, value.as_str())), &ways)
}
