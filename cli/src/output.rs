//! Standard output, buffered, and whether it shows colour.

use std::io::{self, BufWriter, IsTerminal, Stderr, StdoutLock};

use crate::screen::Screen;

/// Buffered standard output. Flush it before the command ends.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::new(io::stdout().lock())
}

/// Buffered standard output for people: what models and evaluators wrote moves no cursor.
pub(crate) fn people() -> Screen<BufWriter<StdoutLock<'static>>> {
    Screen(stdout())
}

/// Standard error, which is for people.
pub(crate) fn err() -> Screen<Stderr> {
    Screen(io::stderr())
}

/// Whether standard output shows colour: it is a terminal that knows escape sequences, and `NO_COLOR` is not
/// set.
pub(crate) fn has_colour() -> bool {
    io::stdout().is_terminal() && !is_dumb() && std::env::var_os("NO_COLOR").is_none()
}

/// Whether lines on standard error can be drawn again: it is a terminal that knows escape sequences.
pub(crate) fn can_redraw() -> bool {
    io::stderr().is_terminal() && !is_dumb()
}

/// Whether the terminal says that it knows no escape sequences.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|name| name == "dumb")
}
