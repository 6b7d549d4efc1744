//! Simulated worlds: tasks with hidden rules, a policy model that obeys the rules in its prompt,
//! and a reflection model that knows only the failures in its prompt.
//!
//! A world is a pure function of its family and a seed. So engines can be compared on equal terms,
//! and the exact score of a prompt is known. A world answers over HTTP ([`WorldServer`]) and in
//! process ([`WorldEvaluator`], [`WorldReflector`]).

mod calibrated;
mod conditions;
mod family;
mod figures;
mod item;
mod lessons;
mod line;
mod model;
mod moments;
mod nature;
mod reader;
mod reading;
mod reflector;
mod rewriter;
mod rule;
mod search;
mod server;
mod shown;
mod tally;
mod twin;
mod wording;
mod world;

pub use conditions::{Conditions, Faults, OverCapacity};
pub use family::{Family, UnknownFamily};
pub use figures::RunFigures;
pub use item::{Item, Split};
pub use model::{Answer, Role, WorldModel};
pub use moments::Moments;
pub use reading::Reading;
pub use search::Search;
pub use server::{Books, WorldServer};
pub use tally::Tally;
pub use twin::{WorldEvaluator, WorldReflector, twins};
pub use world::{LARGEST_SET, World};
