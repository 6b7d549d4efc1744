//! The archive against plain definitions, recorded decisions of the reference implementation, and
//! other implementations.

mod conformance;
mod dominance;
mod eviction;
mod fronts;
mod generators;
mod merge;
mod merge_oracle;
mod oracle;
mod peers;
mod rows;
mod selection;
mod world;
