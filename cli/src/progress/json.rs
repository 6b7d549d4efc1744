//! One JSON object per event.

use std::io::Write;

use gepa_engine::record::export::{EVENT_EXPORT, object};
use gepa_engine::{Event, RunId};

use super::Standing;
use super::view::View;

pub(super) struct JsonLines {
    run: RunId,
}

impl JsonLines {
    pub(super) fn new(run: RunId) -> Self {
        Self { run }
    }
}

impl View for JsonLines {
    fn trouble(&mut self, line: &str, _standing: &Standing) {
        let line = serde_json::json!({"run_id": self.run, "kind": "note", "text": line});
        let _ = writeln!(std::io::stderr(), "{line}");
    }

    fn events(&mut self, events: &[Event], _standing: &Standing) {
        let mut text = Vec::new();
        for one in events {
            let line = object(EVENT_EXPORT, &self.run, one);
            if serde_json::to_writer(&mut text, &line).is_ok() {
                text.push(b'\n');
            }
        }
        let _ = std::io::stderr().write_all(&text);
    }
}
