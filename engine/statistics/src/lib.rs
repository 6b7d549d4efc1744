//! What scores on the same examples show about two prompts, and what they do not show.
//!
//! Pure: no I/O, no clock and no randomness. Everything that is said about a comparison, in the
//! terminal, in JSON, at a gate and on pages, comes from here, so that all of them agree.
//!
//! ```
//! use gepa_statistics::Comparison;
//!
//! // Ten examples that only the new prompt solves, two that only the old one solves, and 38 on
//! // which they agree.
//! let mut pairs = vec![(0.0, 1.0); 10];
//! pairs.extend([(1.0, 0.0); 2]);
//! pairs.extend([(1.0, 1.0); 38]);
//! let found = Comparison::of(&pairs, 0.95).expect("there are pairs");
//! assert_eq!((found.won, found.lost), (10, 2));
//! assert!(found.difference.low > 0.0 && found.p_better > 0.98);
//! ```

mod decomposition;
mod distribution;
mod interval;
mod paired;
mod power;
mod selection;
mod sequential;

pub use decomposition::TwoWay;
pub use interval::{Estimate, Method, gap, interval_of_means, mean_interval};
pub use paired::Comparison;
pub use power::{detectable_difference, power_of_comparison};
pub use selection::{Corrected, corrected_mean};
pub use sequential::{Direction, Sequential};
