//! What the example sets of a configuration can show, and what makes it show nothing.

use std::io::{self, Write};

use gepa_configs::TaskConfig;
use gepa_engine::record::RunRow;
use gepa_engine::verdict::{ComparedSet, planned};
use gepa_engine::{Config, Plan, Store, StoreError, newest_runs};

/// A baseline this near to the perfect score leaves little to show.
const SATURATED: f64 = 0.97;
/// Share of proposals that are accepted, where nothing is known.
const LIKELY_ACCEPTANCE: f64 = 0.3;

/// Writes which difference the run can show.
pub(crate) fn write_planned(out: &mut dyn Write, config: &Config, plan: &Plan) -> io::Result<()> {
    let proposals = plan.likely.proposals.unwrap_or(1);
    let found = planned(config, (proposals as f64 * LIKELY_ACCEPTANCE) as u64);
    let set = match found.set {
        ComparedSet::Validation => "held-out",
        ComparedSet::Pareto => "pareto",
    };
    writeln!(
        out,
        "shows     on {} {set} examples, in 80 of 100 cases, for scores of 0 and 1:",
        found.examples
    )?;
    for one in &found.differences {
        let differ = format!("if {:.0} of 100 examples differ", one.discordance * 100.0);
        match one.difference {
            // A mean gain cannot be larger than the share of examples that differ.
            Some(gain) if gain > one.discordance => writeln!(
                out,
                "          no gain {differ}; a gain of {gain:.3} or more if at least that share differs"
            )?,
            Some(gain) => writeln!(out, "          a gain of {gain:.3} or more {differ}")?,
            None => writeln!(out, "          no gain {differ}: too few examples")?,
        }
    }
    if found.set == ComparedSet::Pareto {
        writeln!(
            out,
            "          with the choice among about {} candidates allowed for; held-out examples need no such \
             allowance",
            found.candidates
        )?;
    }
    Ok(())
}

/// What is known to make a run of this task show nothing.
pub(crate) fn warnings(task: &TaskConfig, earlier: Option<&RunRow>) -> Vec<String> {
    let mut warnings = Vec::new();
    let configured = task.config.settings().search.perfect_score;
    let range = task.score_range();
    // Without the key the declared range counts, and without a range 1.
    let known = configured.or(range.map(gepa_evaluation::ScoreRange::highest));
    let perfect = known.unwrap_or(1.0);
    if let Some(range) = range
        && range.highest() != perfect
    {
        warnings.push(format!(
            "`search.perfect_score` is {perfect} and `evaluator.score_range` ends at {}: {}; set \
             `search.perfect_score` to the highest score",
            range.highest(),
            if range.highest() > perfect {
                format!(
                    "a minibatch of scores that are all {perfect} or more looks perfect and is not reflected on"
                )
            } else {
                "no minibatch ever looks perfect".to_owned()
            }
        ));
    }
    let Some((row, baseline)) = earlier.and_then(|row| Some((row, row.summary.baseline_score?)))
    else {
        return warnings;
    };
    if baseline > perfect && known.is_none() {
        warnings.push(format!(
            "the seed scored {baseline:.3} in run {}, so the scale is not 0 to 1, and no minibatch counts as perfect; \
             declare the scale, for example `evaluator.score_range = [0, 100]`",
            row.run_id
        ));
    } else if baseline > perfect {
        warnings.push(format!(
            "the seed scored {baseline:.3} in run {}, above `search.perfect_score` = {perfect}: every minibatch looks \
             perfect and is not reflected on; set `search.perfect_score` to the highest score",
            row.run_id
        ));
    } else if perfect > 0.0 && baseline >= SATURATED * perfect {
        warnings.push(format!(
            "the seed scored {baseline:.3} of {perfect} in run {}: there is little left to gain; choose harder \
             examples",
            row.run_id
        ));
    }
    warnings
}

/// The latest run in which the same seed was scored on the same pareto examples.
pub(crate) async fn earlier_run(
    config: &Config,
    store: &dyn Store,
) -> Result<Option<RunRow>, StoreError> {
    let is_same = |run: &RunRow| {
        run.summary.baseline_score.is_some()
            && run.pareto == config.sets().pareto
            && run.template == *config.prompt()
    };
    let mut found = newest_runs(store, 1, is_same).await?;
    Ok(found.pop())
}
