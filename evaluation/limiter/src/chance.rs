//! Refusals that have nothing to do with how many calls are under way.
//!
//! Some providers refuse a share of all calls whatever a client does. Going down for each of them
//! would end at one call at a time. So when refusals go on at a fraction of a level that had held, the
//! higher level is tried again, and refusals are disregarded for as long as they stay few there.

/// This part of the highest level is a fraction of it.
const FRACTION: f64 = 0.3;

/// Refusals at such a level before the higher one is tried.
const ENOUGH: u32 = 3;

/// So many refusals among so many calls can be chance.
const MOST_BY_CHANCE: u32 = 8;
const AMONG: u32 = 32;

/// Keeps apart what the level brings about and what it does not.
#[derive(Debug)]
pub(super) struct Chance {
    /// The highest level that has held; `None` once it was found not to.
    highest: Option<f64>,
    refused_in_spite: u32,
    trial: Option<Trial>,
}

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Meaning {
    /// The level is too high.
    TooMany,
    /// Nothing.
    Chance,
    /// Nothing, it seems: this higher level is worth a try.
    WorthATry(f64),
    /// The trial is over: the level is too high after all.
    NotChance,
}

#[derive(Clone, Copy, Debug, Default)]
struct Trial {
    admitted: u32,
    refused: u32,
}

impl Chance {
    pub(super) fn new(highest: f64) -> Self {
        Self {
            highest: Some(highest),
            refused_in_spite: 0,
            trial: None,
        }
    }

    /// A call was refused; `is_expected` where that is what the level was raised to find out.
    pub(super) fn refused(&mut self, level: f64, is_expected: bool) -> Meaning {
        if let Some(trial) = &mut self.trial {
            trial.refused += 1;
            if trial.refused <= MOST_BY_CHANCE {
                return Meaning::Chance;
            }
            self.trial = None;
            self.highest = None;
            return Meaning::NotChance;
        }
        let highest = self.highest.filter(|highest| level <= highest * FRACTION);
        let Some(highest) = highest.filter(|_| !is_expected) else {
            self.refused_in_spite = 0;
            return Meaning::TooMany;
        };
        self.refused_in_spite += 1;
        if self.refused_in_spite < ENOUGH {
            return Meaning::TooMany;
        }
        self.refused_in_spite = 0;
        self.trial = Some(Trial::default());
        Meaning::WorthATry(highest)
    }

    pub(super) fn admitted(&mut self) {
        if let Some(trial) = &mut self.trial {
            trial.admitted += 1;
            if trial.admitted > AMONG {
                *trial = Trial::default();
            }
        }
    }

    /// This level has held for a while.
    pub(super) fn held(&mut self, level: f64) {
        self.highest = Some(level.max(self.highest.unwrap_or(level)));
    }
}
