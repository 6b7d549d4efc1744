//! One JSON object per event.

use std::io::Write;

use gepa_engine::record::columns::{EVENT_COLUMNS, event, object};
use gepa_engine::{Event, RunId};

use super::{Standing, View};

pub(super) struct JsonLines {
    run: RunId,
}

impl JsonLines {
    pub(super) fn new(run: RunId) -> Self {
        Self { run }
    }
}

impl View for JsonLines {
    fn events(&mut self, events: &[Event], _standing: &Standing) {
        let mut text = Vec::new();
        for one in events {
            let line = object(EVENT_COLUMNS, event(&self.run, one));
            if serde_json::to_writer(&mut text, &line).is_ok() {
                text.push(b'\n');
            }
        }
        let _ = std::io::stderr().write_all(&text);
    }
}
