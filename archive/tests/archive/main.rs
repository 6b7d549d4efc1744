//! The archive against plain definitions, recorded decisions of the reference implementation, and
//! other implementations.

mod eviction;
mod fronts;
mod generators;
mod oracle;
mod rows;
mod selection;
