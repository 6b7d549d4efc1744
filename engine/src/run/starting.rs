//! Candidates beside the seed from which a search starts: further seeds of the configuration, and candidates
//! of an earlier run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gepa_archive::{Candidate, CandidateIndex};

use super::error::RunError;
use crate::config::Config;
use crate::event::{CandidateInjected, Decision, EventBody, Fact, SteeredBy, TakenFrom};
use crate::ids::RunId;
use crate::record::{CandidateRow, CandidateStatus};
use crate::replay::read_all;
use crate::store::{Store, StoreError};

/// What a run takes from the archive of an earlier one.
#[derive(Clone, Debug, PartialEq)]
pub struct WarmStart {
    /// The earlier run.
    pub run: RunId,
    /// The candidates taken, the best first, with their texts.
    pub taken: Vec<(CandidateIndex, Candidate)>,
    /// Candidates that break a rule of `[texts.NAME]` and are left out, each with the rule.
    pub left_out: Vec<(CandidateIndex, String)>,
}

/// What a run with this configuration takes from the run that `search.start_from` names; `None` if it names
/// none. The seed of the configuration is never among it.
///
/// # Errors
///
/// [`RunError::CannotStartFrom`] says why nothing can be taken from that run.
pub async fn warm_start(store: &dyn Store, config: &Config) -> Result<Option<WarmStart>, RunError> {
    let search = &config.settings().search;
    let Some(named) = &search.start_from else {
        return Ok(None);
    };
    let refused = |reason: String| RunError::CannotStartFrom {
        run: named.clone(),
        reason,
    };
    let Ok(run) = named.parse::<RunId>() else {
        let reason = "it is no run id; `gepa runs` lists the ids of the store";
        return Err(refused(reason.to_owned()));
    };
    match store.run(&run).await {
        Ok(_) => {}
        Err(StoreError::UnknownRun(_)) => {
            let reason = "the store has no such run; `gepa runs` lists those it has";
            return Err(refused(reason.to_owned()));
        }
        Err(error) => return Err(error.into()),
    }
    let rows = store.candidates(&run).await?;
    let mut rows: Vec<_> = rows
        .into_iter()
        .filter(|row| row.status == CandidateStatus::Accepted)
        .filter_map(|row| Some((row.index?, row)))
        .collect();
    let wanted = config.seed();
    let keys = |candidate: &Candidate| -> BTreeSet<Arc<str>> {
        candidate.components().keys().cloned().collect()
    };
    if let Some((_, row)) = rows.first()
        && keys(&row.components) != keys(wanted)
    {
        return Err(refused(format!(
            "its components are {}, and those of this config are {}",
            names(&row.components),
            names(wanted)
        )));
    }
    let kept = standing(store, &run).await?;
    rows.retain(|(index, _)| !kept.withdrawn.contains(index));
    if search.start_best.is_none() {
        rows.retain(|(index, _)| kept.front.contains(index));
    }
    let worth = |index: CandidateIndex, row: &CandidateRow| {
        let estimate = kept.estimates.get(&index).copied();
        estimate.or(row.mean_score).unwrap_or(f64::NEG_INFINITY)
    };
    rows.sort_by(|(one, left), (other, right)| {
        let by_worth = worth(*other, right).total_cmp(&worth(*one, left));
        by_worth.then(one.cmp(other))
    });
    if let Some(most) = search.start_best {
        rows.truncate(most as usize);
    }
    let mut start = WarmStart {
        run,
        taken: Vec::new(),
        left_out: Vec::new(),
    };
    for (index, row) in rows {
        let texts = row.components.components().iter();
        let texts = texts.map(|(name, text)| (&**name, Arc::clone(text)));
        // The components are the same, so their texts can replace those of the seed.
        let candidate = wanted.with_texts(texts).unwrap_or(row.components.clone());
        let is_seed = candidate.content_id() == wanted.content_id();
        match config.check_candidate(&candidate) {
            _ if is_seed => {}
            Ok(()) => start.taken.push((index, candidate)),
            Err(rule) => start.left_out.push((index, rule)),
        }
    }
    if start.taken.is_empty() {
        let reason = match start.left_out.first() {
            Some((index, rule)) => format!("candidate {index} breaks a rule: {rule}"),
            None => "its archive holds nothing but the seed of this config".to_owned(),
        };
        return Err(refused(reason));
    }
    Ok(Some(start))
}

/// The facts with which a new run takes the candidates that it starts from.
pub(super) async fn first_facts(store: &dyn Store, config: &Config) -> Result<Vec<Fact>, RunError> {
    let fact = |candidate: &Candidate, taken_from| {
        Fact::CandidateInjected(CandidateInjected {
            candidate: Box::new(candidate.clone()),
            gated: false,
            parent: None,
            taken_from,
            by: SteeredBy::default(),
        })
    };
    let seeds = config.further_seeds();
    let mut facts: Vec<Fact> = seeds.iter().map(|seed| fact(seed, None)).collect();
    if let Some(start) = warm_start(store, config).await? {
        let is_new = |candidate: &Candidate| {
            let mut seeds = seeds.iter();
            seeds.all(|seed| seed.content_id() != candidate.content_id())
        };
        let taken = start.taken.iter().filter(|(_, taken)| is_new(taken));
        facts.extend(taken.map(|(index, candidate)| {
            let from = TakenFrom {
                run: start.run.clone(),
                candidate: *index,
            };
            fact(candidate, Some(Box::new(from)))
        }));
    }
    Ok(facts)
}

#[derive(Default)]
struct Standing {
    front: Vec<CandidateIndex>,
    withdrawn: Vec<CandidateIndex>,
    /// Where rows grow: the mean that was expected of a candidate when its row last grew.
    estimates: BTreeMap<CandidateIndex, f64>,
}

/// The last front of a run, and the candidates that people took out of its archive.
async fn standing(store: &dyn Store, run: &RunId) -> Result<Standing, RunError> {
    let mut standing = Standing::default();
    for event in read_all(store, run).await? {
        let EventBody::Decision(decision) = event.body else {
            continue;
        };
        match decision {
            Decision::CandidateAccepted(accepted) => {
                let estimate = accepted.estimate.map(|estimate| estimate.mean);
                let estimate = estimate.map(|mean| (accepted.index, mean));
                standing.estimates.extend(estimate);
                standing.front = accepted.front;
            }
            Decision::RowExtended(extended) => {
                let mean = extended.estimate.mean;
                standing.estimates.insert(extended.candidate, mean);
                standing.front = extended.front;
            }
            Decision::ArchiveRevised(revised) => {
                standing.front = revised.front;
                standing.withdrawn.extend(revised.withdrawn);
            }
            _ => {}
        }
    }
    Ok(standing)
}

fn names(candidate: &Candidate) -> String {
    let names = candidate.components().keys();
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
