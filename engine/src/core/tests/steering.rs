//! What people do to the search takes effect where its fact stands, and is made again on a replay.

use gepa_archive::{Candidate, CandidateIndex, Origin};
use gepa_evaluation::{ExampleId, Stage};

use super::world::{Journal, World, shuffler};
use crate::config::ScheduleKind;
use crate::core::{Core, Steering, SteeringRefused, Work};
use crate::event::{Decision, EventBody, Fact, RunResumed, SteeredBy};
use crate::ids::TrialKey;

fn by() -> SteeredBy {
    SteeredBy {
        who: "ada".to_owned(),
        why: "a test".to_owned(),
        at_rest: false,
    }
}

fn texts(act: &str) -> Candidate {
    Candidate::new([("plan", "a person's plan"), ("act", act)]).unwrap()
}

fn inject(act: &str, gated: bool) -> Steering {
    Steering::Inject {
        candidate: Box::new(texts(act)),
        gated,
        parent: None,
    }
}

/// The entries so far, with the work that is open after each fact.
struct Steered {
    journal: Journal,
    /// The hint of each reflection, by iteration.
    hints: Vec<(u64, Option<String>)>,
}

/// Runs to the end. Before the fact of each given number, a person acts; `None` as a veto's target
/// means the best candidate.
fn run(world: &World, acts: &[(usize, Steering)], mut pick: impl FnMut(usize) -> usize) -> Steered {
    let mut core = world.core();
    let mut journal = Journal {
        entries: made(&mut core),
    };
    let mut open = core.take_work();
    let mut hints = Vec::new();
    let mut facts = 0;
    let mut acts = acts.iter().peekable();
    while !core.is_finished() {
        while let Some((at, act)) = acts.peek()
            && *at <= facts
        {
            if let Ok(fact) = core.act(act.clone(), by(), false, 0.0) {
                settle(&mut core, &fact, &mut journal);
                take_work(&mut core, &mut open, &mut hints);
            }
            acts.next();
        }
        assert!(!open.is_empty(), "the core waits for nothing: {core:?}");
        let work = open.swap_remove(pick(open.len()));
        settle(&mut core, &world.answer(&work), &mut journal);
        take_work(&mut core, &mut open, &mut hints);
        facts += 1;
    }
    Steered { journal, hints }
}

fn settle(core: &mut Core, fact: &Fact, journal: &mut Journal) {
    core.settle(fact);
    journal.entries.push(fact.clone().into());
    journal.entries.extend(made(core));
}

fn take_work(core: &mut Core, open: &mut Vec<Work>, hints: &mut Vec<(u64, Option<String>)>) {
    for work in core.take_work() {
        match work {
            Work::DropQueued => open.clear(),
            Work::DropTrial(_) | Work::Move(..) => {}
            work => {
                if let Work::Reflection(reflection) = &work {
                    let hint = reflection.hint.as_ref().map(ToString::to_string);
                    hints.push((reflection.iteration, hint));
                }
                open.push(work);
            }
        }
    }
}

fn made(core: &mut Core) -> Vec<EventBody> {
    let decisions = core.take_decisions().into_iter();
    decisions.map(EventBody::from).collect()
}

fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    for (lags, schedule, growing, graded) in [
        ((1, 1), ScheduleKind::Ordered, false, false),
        ((3, 6), ScheduleKind::Ordered, false, true),
        ((2, 4), ScheduleKind::Free, false, false),
        ((2, 3), ScheduleKind::Ordered, true, true),
    ] {
        let mut world = World::new(lags.0, lags.1);
        world.settings.run.schedule = schedule;
        world.growing = growing;
        world.graded = graded;
        worlds.push(world);
    }
    let mut growing = World::new(2, 2);
    growing.settings.search.evaluation = crate::config::Evaluation::Growing;
    worlds.push(growing);
    worlds
}

fn all_acts() -> Vec<(usize, Steering)> {
    vec![
        (20, inject("straight", false)),
        (60, Steering::Hint("name the units".to_owned())),
        (90, inject("gated", true)),
        (140, Steering::Veto(CandidateIndex(1))),
        (150, Steering::Exclude(ExampleId::Seed(103))),
        (170, Steering::Exclude(ExampleId::Seed(5))),
        (180, Steering::Exclude(ExampleId::Seed(20_002))),
        (220, Steering::Veto(CandidateIndex(2))),
        (260, Steering::Hint(String::new())),
    ]
}

fn decisions(journal: &Journal) -> impl Iterator<Item = &Decision> {
    journal.entries.iter().filter_map(EventBody::decision)
}

/// The entries after the fact that `is` finds.
fn after(journal: &Journal, is: impl Fn(&Fact) -> bool) -> &[EventBody] {
    let at = journal
        .entries
        .iter()
        .position(|entry| entry.fact().is_some_and(&is));
    &journal.entries[at.expect("the act was taken in")..]
}

#[test]
fn every_act_is_made_again_from_any_cut_and_resumed_the_same() {
    for (number, world) in worlds().iter().enumerate() {
        let whole = run(world, &all_acts(), shuffler(number as u64)).journal;
        let acts = whole.count(|entry| entry.fact().is_some_and(|f| f.steered_by().is_some()));
        assert!(acts >= 8, "world {number}: {acts} acts");
        let (facts, made_before) = (whole.facts(), whole.decided());
        for cut in (0..=facts.len()).step_by(17) {
            let mut core = world.core();
            let mut remade = core.take_decisions();
            for fact in &facts[..cut] {
                core.settle(fact);
                remade.extend(core.take_decisions());
            }
            assert!(
                remade == made_before[..remade.len()],
                "world {number}, cut after {cut} facts"
            );
        }
        // A process that dies right after an act is followed by one that knows of it.
        let ends: Vec<usize> = (0..facts.len())
            .filter(|at| facts[*at].steered_by().is_some())
            .collect();
        for end in ends {
            let resumed = world.resume(&facts[..=end], shuffler(1));
            let kept = resumed.facts();
            assert_eq!(kept[..=end], facts[..=end]);
            assert!(matches!(kept[end + 1], Fact::RunResumed(RunResumed { .. })));
            let verdicts =
                decisions(&resumed).filter(|one| matches!(one, Decision::RunFinished(_)));
            assert_eq!(verdicts.count(), 1);
        }
    }
}

#[test]
fn under_the_ordered_schedule_an_act_before_the_search_leads_to_one_lineage() {
    let world = World::new(3, 6);
    let acts: Vec<(usize, Steering)> = all_acts()
        .into_iter()
        .filter(|(_, act)| !matches!(act, Steering::Veto(_)))
        .map(|(_, act)| (0, act))
        .collect();
    let expected = run(&world, &acts, |_| 0).journal.decisions();
    for seed in 0..6 {
        assert!(expected == run(&world, &acts, shuffler(seed)).journal.decisions());
    }
}

#[test]
fn a_vetoed_candidate_is_never_a_parent_and_never_wins() {
    let mut vetoed = 0;
    for (number, world) in worlds().iter().enumerate() {
        let unsteered = run(world, &[], shuffler(2)).journal;
        let winner = unsteered.end().best.unwrap();
        if winner == CandidateIndex(0) {
            continue;
        }
        let searching = unsteered
            .entries
            .iter()
            .take_while(|entry| !matches!(entry, EventBody::Decision(Decision::StopDecided(_))));
        let last = searching.filter(|entry| entry.is_fact()).count() - 1;
        let acts = [(last, Steering::Veto(winner))];
        let steered = run(world, &acts, shuffler(2)).journal;
        let is_veto = |fact: &Fact| matches!(fact, Fact::CandidateVetoed(_));
        if !steered.facts().iter().any(is_veto) {
            // It entered the archive with the last fact of all.
            continue;
        }
        vetoed += 1;
        for entry in after(&steered, is_veto) {
            match entry {
                EventBody::Decision(Decision::ProposalIssued(issued)) => {
                    assert!(!issued.parents.contains(&winner), "world {number}");
                }
                EventBody::Decision(Decision::RunFinished(finished)) => {
                    assert_ne!(finished.best, Some(winner));
                    let scored = finished.validation.iter();
                    assert!(!scored.skip(1).any(|one| one.candidate == winner));
                }
                EventBody::Decision(Decision::ArchiveRevised(revised)) => {
                    assert!(!revised.front.contains(&winner));
                    assert_ne!(revised.best, Some(winner));
                }
                _ => {}
            }
        }
    }
    assert!(vetoed >= 3, "{vetoed} vetoes");
}

#[test]
fn an_excluded_example_is_sampled_no_more_and_counts_in_no_mean() {
    for (number, world) in worlds().iter().enumerate() {
        let gone = [5, 103, 20_002].map(ExampleId::Seed);
        let acts: Vec<_> = gone
            .iter()
            // The texts `5`, `103` and `20002` mean the examples with these numbers, since there are no such texts.
            .map(|example| {
                (
                    150,
                    Steering::Exclude(ExampleId::Name(example.to_string().into())),
                )
            })
            .collect();
        let journal = run(world, &acts, shuffler(3)).journal;
        let last = |fact: &Fact| matches!(fact, Fact::ExampleExcluded(one) if one.example == ExampleId::Seed(20_002));
        let open_before: Vec<TrialKey> = journal
            .entries
            .iter()
            .take_while(|entry| !entry.fact().is_some_and(last))
            .filter_map(|entry| match entry {
                EventBody::Decision(Decision::ProposalIssued(issued)) => Some(TrialKey {
                    iteration: issued.iteration,
                    index: 0,
                }),
                _ => None,
            })
            .collect();
        let is_new = |iteration: u64| !open_before.iter().any(|key| key.iteration == iteration);
        let mut started = 0;
        for entry in after(&journal, last) {
            match entry {
                EventBody::Decision(Decision::TrialStarted(trial))
                    if is_new(trial.trial.iteration)
                        && !matches!(
                            trial.stage,
                            Stage::ValidationBaseline | Stage::ValidationTopK
                        ) =>
                {
                    started += 1;
                    for example in &gone[..2] {
                        assert!(
                            !trial.examples.contains(example),
                            "world {number}: {trial:?}"
                        );
                    }
                }
                EventBody::Decision(Decision::RunFinished(finished)) => {
                    for result in &finished.validation {
                        let kept = result.scores.iter().enumerate();
                        let kept = kept.filter(|(at, _)| *at != 2);
                        let known: Vec<f64> = kept.filter_map(|(_, score)| *score).collect();
                        let mean = known.iter().sum::<f64>() / known.len() as f64;
                        assert!((result.mean_score.unwrap() - mean).abs() < 1e-9);
                        assert!(result.scores[2].is_some());
                    }
                }
                _ => {}
            }
        }
        assert!(started > 5, "world {number}: {started} trials");
    }
}

#[test]
fn a_hint_goes_to_the_proposals_that_begin_after_it() {
    let world = World::new(1, 1);
    let acts = [
        (60, Steering::Hint(" name the units ".to_owned())),
        (200, Steering::Hint("and the sign".to_owned())),
        (320, Steering::Hint(String::new())),
    ];
    let steered = run(&world, &acts, |_| 0);
    let mut seen: Vec<Option<String>> = steered.hints.into_iter().map(|(_, hint)| hint).collect();
    seen.dedup();
    let expected = [None, Some("name the units"), Some("and the sign"), None];
    assert_eq!(seen, expected.map(|hint| hint.map(str::to_owned)));
}

#[test]
fn an_injected_text_is_gated_or_goes_straight_to_the_pareto_set() {
    for gated in [false, true] {
        let world = World::new(2, 3);
        let journal = run(&world, &[(40, inject("xxxxxxxxxxx", gated))], shuffler(5)).journal;
        let issued = decisions(&journal).find_map(|decision| match decision {
            Decision::ProposalIssued(issued) if issued.origin == Origin::Injected => Some(issued),
            _ => None,
        });
        let issued = issued.unwrap();
        let gates = decisions(&journal).filter(
            |one| matches!(one, Decision::GateDecided(gate) if gate.iteration == issued.iteration),
        );
        assert_eq!(gates.count(), usize::from(gated));
        assert_eq!(issued.parents.len(), usize::from(gated));
        assert_eq!(issued.examples.is_empty(), !gated);
    }
}

#[test]
fn a_text_from_a_candidate_that_has_left_is_compared_with_the_best_one() {
    let world = World::new(1, 1);
    let mut core = world.core();
    let mut work = core.take_work();
    let first = CandidateIndex(1);
    let veto = loop {
        let next = work.pop().expect("candidate 1 comes before the end");
        core.settle(&world.answer(&next));
        work.extend(core.take_work());
        work.retain(|one| matches!(one, Work::Rollout(_) | Work::Reflection(_)));
        if let Ok(veto) = core.act(Steering::Veto(first), by(), false, 0.0) {
            break veto;
        }
    };
    core.settle(&veto);
    let named = Steering::Inject {
        candidate: Box::new(texts("from candidate 1")),
        gated: true,
        parent: Some(first),
    };
    let refused = core.act(named, by(), false, 0.0).unwrap_err();
    assert_eq!(refused, SteeringRefused::ParentGone(first));
    let unnamed = inject("from candidate 1", true);
    assert!(core.act(unnamed, by(), false, 0.0).is_ok());
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_written() {
    let mut world = World::new(1, 1);
    world.settings.budget.max_rollouts = Some(120);
    let mut core = world.core();
    let mut work = core.take_work();
    let tell = |core: &mut Core, act: Steering| core.act(act, by(), false, 0.0).unwrap_err();
    let unknown = tell(&mut core, Steering::Veto(CandidateIndex(9)));
    assert!(matches!(unknown, SteeringRefused::NoSuchCandidate { .. }));
    assert_eq!(
        tell(&mut core, Steering::Veto(CandidateIndex(0))),
        SteeringRefused::Seed
    );
    let missing = tell(&mut core, Steering::Exclude(ExampleId::Seed(77_777)));
    assert!(missing.to_string().contains("77777"), "{missing}");
    assert_eq!(
        tell(&mut core, Steering::Hint(String::new())),
        SteeringRefused::NoHint
    );
    let long = tell(&mut core, Steering::Hint("x".repeat(4_001)));
    assert_eq!(long, SteeringRefused::HintTooLong(4_001));
    let other = Steering::Inject {
        candidate: Box::new(Candidate::new([("other", "x")]).unwrap()),
        gated: true,
        parent: None,
    };
    assert!(tell(&mut core, other).to_string().contains("`plan`, `act`"));
    assert_eq!(
        tell(&mut core, Steering::Extend(Box::default())),
        SteeringRefused::SameLimits
    );
    assert_eq!(
        tell(&mut core, Steering::Resume),
        SteeringRefused::NotPaused
    );
    for position in 0..8 {
        let example = ExampleId::Seed(20_000 + position);
        let act = core.act(Steering::Exclude(example), by(), false, 0.0);
        if position < 7 {
            core.settle(&act.unwrap());
        } else {
            assert!(matches!(act, Err(SteeringRefused::LastOne { .. })));
        }
    }
    while let Some(next) = work.pop() {
        core.settle(&world.answer(&next));
        work.extend(core.take_work());
        work.retain(|one| matches!(one, Work::Rollout(_) | Work::Reflection(_)));
        if core.is_finished() {
            break;
        }
    }
    let over = tell(&mut core, Steering::Hint("late".to_owned()));
    assert_eq!(over, SteeringRefused::Over("hint"));
}

#[test]
fn the_lines_of_a_persons_text_end_with_line_feeds_and_it_has_no_control_characters() {
    let world = World::new(1, 1);
    let mut core = world.core();
    for work in core.take_work() {
        core.settle(&world.answer(&work));
    }
    let fact = core.act(inject("one\r\n\ttwo", false), by(), false, 0.0);
    let Ok(Fact::CandidateInjected(injected)) = fact else {
        panic!("{fact:?}");
    };
    assert_eq!(
        injected.candidate.text("act").map(|text| &**text),
        Some("one\n\ttwo")
    );
    for (text, found) in [
        (
            "one\rtwo",
            "a carriage return without a line feed in line 1",
        ),
        ("one\n\0", "the control character U+0000 in line 2"),
        ("\u{1b}[31mred", "the control character U+001B in line 1"),
    ] {
        let refused = core.act(inject(text, true), by(), false, 0.0).unwrap_err();
        let expected = SteeringRefused::ControlCharacter {
            component: "act".to_owned(),
            found: found.to_owned(),
        };
        assert_eq!(refused, expected);
    }
}
