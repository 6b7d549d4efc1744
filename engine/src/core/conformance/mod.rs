//! Recorded runs of the reference implementation, decided again by the whole core: every parent,
//! minibatch, acceptance, merge, front, count, draw and stop.

mod driver;
mod recording;
mod records;
mod rules;
mod tests;
mod twister;
