//! After a kill of the process or a failure of its disk, no paid rollout is lost without an error.

pub(crate) mod books;
mod disk;
mod kills;
mod parts;
mod torn;
