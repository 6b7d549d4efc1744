//! Standard output, buffered, and what it can show.

use std::io::{self, BufWriter, IsTerminal, StdoutLock};

/// Standard output; flush it before the command ends.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::new(io::stdout().lock())
}

/// Whether standard output shows colour: a terminal, unless `NO_COLOR` asks otherwise.
pub(crate) fn has_colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
