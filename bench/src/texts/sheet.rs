//! The policy: a sheet of rules of which each votes for a label.

use std::collections::BTreeSet;

use super::words::weight;

/// The first lines of every prompt.
pub(super) const OPENING: &str =
    "Give each text its label. Every rule that applies is a vote; the label with most votes wins.";
const SAYS: &str = "- If the text says \"";
const BEGINS: &str = "- If the text begins with \"";
const THEN: &str = "\", vote for ";

/// A rule: what it looks for, and the label it votes for.
pub(super) type Rule = (String, String);

/// The rules in a prompt; other lines are not obeyed.
pub(super) fn rules_in(prompt: &str) -> BTreeSet<Rule> {
    let rules = prompt.lines().filter_map(|line| {
        let (begins, rest) = match line.strip_prefix(SAYS) {
            Some(rest) => ("", rest),
            None => ("^", line.strip_prefix(BEGINS)?),
        };
        let (feature, label) = rest.split_once(THEN)?;
        let label = label.strip_suffix('.')?;
        Some((format!("{begins}{feature}"), label.to_owned()))
    });
    rules.collect()
}

/// The prompt with these rules.
pub(super) fn written(rules: &BTreeSet<Rule>) -> String {
    let lines = rules.iter().map(|(feature, label)| {
        let (start, feature) = match feature.strip_prefix('^') {
            Some(feature) => (BEGINS, feature),
            None => (SAYS, feature.as_str()),
        };
        format!("{start}{feature}{THEN}{label}.")
    });
    let opening = std::iter::once(OPENING.to_owned());
    opening.chain(lines).collect::<Vec<String>>().join("\n")
}

/// The label for a text with these features: most votes, then the earlier of `labels`. The
/// commonest label has a quarter of a vote.
pub(super) fn label<'l>(
    rules: &BTreeSet<Rule>,
    features: &BTreeSet<String>,
    labels: &'l [String],
    commonest: usize,
) -> &'l str {
    let mut votes = vec![0.0; labels.len()];
    if let Some(votes) = votes.get_mut(commonest) {
        *votes += 0.25;
    }
    for (feature, label) in rules {
        if features.contains(feature)
            && let Ok(at) = labels.binary_search(label)
        {
            votes[at] += weight(feature);
        }
    }
    let mut best = 0;
    for (at, count) in votes.iter().enumerate() {
        if *count > votes[best] {
            best = at;
        }
    }
    labels.get(best).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_sheet_is_read_as_it_was() {
        let rules: BTreeSet<Rule> = [("^how many", "NUM"), ("who", "HUM"), ("?", "ENTY")]
            .map(|(feature, label)| (feature.to_owned(), label.to_owned()))
            .into();
        assert_eq!(rules_in(&written(&rules)), rules);
        assert_eq!(rules_in(OPENING), BTreeSet::new());
    }

    #[test]
    fn rules_vote_and_without_any_the_commonest_label_wins() {
        let labels = ["HUM", "LOC", "NUM"].map(str::to_owned);
        let features = super::super::words::features("how many people?");
        let rules = rules_in("- If the text begins with \"how many\", vote for NUM.");
        assert_eq!(label(&rules, &features, &labels, 0), "NUM");
        assert_eq!(label(&BTreeSet::new(), &features, &labels, 1), "LOC");
    }
}
