//! Standard output, buffered, and whether it shows colour.

use std::io::{self, BufWriter, IsTerminal, StdoutLock};

/// Buffered standard output. Flush it before the command ends.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::new(io::stdout().lock())
}

/// Whether standard output shows colour: it is a terminal and `NO_COLOR` is not set.
pub(crate) fn has_colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
