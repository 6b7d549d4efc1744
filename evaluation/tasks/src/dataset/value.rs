//! The value of a field, as it was written.

use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// A field: its text, and where it is no text its JSON.
#[derive(Clone, Debug)]
pub(super) struct FieldValue {
    pub(super) text: String,
    /// Absent where the value is the text itself.
    raw: Option<Box<RawValue>>,
}

impl FieldValue {
    pub(super) fn of_text(text: String) -> Self {
        Self { text, raw: None }
    }

    /// Strings are text; of anything else the text is its JSON without spaces, numbers as they were
    /// written, and nothing for null.
    pub(super) fn of_json(raw: Box<RawValue>) -> serde_json::Result<Self> {
        let json = raw.get();
        let text = match json.as_bytes().first() {
            Some(b'"') => return serde_json::from_str(json).map(Self::of_text),
            Some(b'{' | b'[') => compact(json)?,
            _ if json == "null" => String::new(),
            _ => json.to_owned(),
        };
        Ok(Self {
            text,
            raw: Some(raw),
        })
    }

    /// The value as JSON. A number that JSON would print differently becomes a text.
    pub(super) fn value(&self) -> Value {
        let parsed = self.raw.as_ref().map(|raw| serde_json::from_str(raw.get()));
        match parsed {
            Some(Ok(Value::Number(number))) if number.to_string() != self.text => {
                Value::String(self.text.clone())
            }
            Some(Ok(value)) => value,
            None | Some(Err(_)) => Value::String(self.text.clone()),
        }
    }
}

impl Serialize for FieldValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.raw {
            Some(raw) => raw.serialize(serializer),
            None => serializer.serialize_str(&self.text),
        }
    }
}

fn compact(json: &str) -> serde_json::Result<String> {
    let mut text = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(c) = rest.chars().next() {
        if c == '"' {
            let mut strings = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            if let Some(string) = strings.next() {
                text.push_str(&serde_json::to_string(&string?)?);
                rest = &rest[strings.byte_offset()..];
                continue;
            }
        }
        if !c.is_ascii_whitespace() {
            text.push(c);
        }
        rest = &rest[c.len_utf8()..];
    }
    Ok(text)
}
