//! Tests that need what is not here.

use std::io::{self, Write};

/// Says so even where the test harness captures what passing tests print.
pub(crate) fn report_skip(reason: &str) {
    writeln!(io::stderr(), "SKIPPED: {reason}").expect("standard error is open");
}
