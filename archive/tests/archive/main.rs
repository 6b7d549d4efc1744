//! The archive against plain definitions and against recorded decisions of the reference
//! implementation.

#[cfg(test)]
mod conformance;
#[cfg(test)]
#[cfg(test)]
mod eviction;
#[cfg(test)]
mod fronts;
#[cfg(test)]
mod generator;
#[cfg(test)]
mod generators;
#[cfg(test)]
mod merge;
#[cfg(test)]
mod merge_oracle;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod revision;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod selection;
