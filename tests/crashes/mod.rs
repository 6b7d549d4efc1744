//! Whatever happens to the process or to its disk, nothing that was paid for is lost in silence.

mod books;
mod disk;
mod kills;
mod parts;
mod torn;
