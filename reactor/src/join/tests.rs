//! Every group of up to five effects, in every order and with every outcome, against the table read
//! aloud.

use super::*;

const JOINS: [Join; 4] = [Join::All, Join::AllRequired, Join::Any, Join::FirstSuccess];
const COUNT_MAX: usize = 5;

/// One completion.
#[derive(Clone, Copy, Debug)]
struct Completion {
    place: usize,
    has_succeeded: bool,
    is_required: bool,
}

/// How a group ends: after so many completions, and with which effect's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    after: usize,
    failed: Option<usize>,
}

/// The end that the table promises. It knows the whole story from the start, and looks it through
/// from end to end; a [`JoinState`] hears of one completion at a time and keeps no story.
fn promised(join: Join, story: &[Completion]) -> End {
    let is_required_failure = |it: &Completion| it.is_required && !it.has_succeeded;
    let failure = story.iter().position(is_required_failure);
    let success = story.iter().position(|it| it.has_succeeded);
    let succeeds_after = match join {
        Join::All => Some(story.len()),
        Join::AllRequired => {
            let last = story.iter().rposition(|it| it.is_required);
            Some(last.map_or(0, |last| last + 1))
        }
        Join::Any => Some(1),
        Join::FirstSuccess => success.map(|first| first + 1),
    };
    let fails_after = failure.map(|first| first + 1);
    match (succeeds_after, fails_after) {
        // What both succeeds and fails with one completion has failed with it.
        (Some(after), None) => End {
            after,
            failed: None,
        },
        (Some(after), Some(fails)) if after < fails => End {
            after,
            failed: None,
        },
        (_, Some(after)) => End {
            after,
            failed: Some(story[after - 1].place),
        },
        (None, None) => End {
            after: story.len(),
            failed: story.last().map(|last| last.place),
        },
    }
}

/// What a state makes of the story; and that it says so once.
fn lived(join: Join, story: &[Completion]) -> End {
    let mut by_place = story.to_vec();
    by_place.sort_by_key(|it| it.place);
    let (mut state, verdict) = JoinState::begin(join, by_place.iter().map(|it| it.is_required));
    let mut end = None;
    let mut hear = |after: usize, verdict: Verdict| {
        let failed = match verdict {
            Verdict::Wait => return,
            Verdict::Resume => None,
            Verdict::Fail(place) => Some(place),
        };
        assert_eq!(end, None, "{join:?} ended twice: {story:?}");
        end = Some(End { after, failed });
    };
    hear(0, verdict);
    for (index, it) in story.iter().enumerate() {
        hear(index + 1, state.complete(it.place, it.has_succeeded));
    }
    assert!(state.is_over());
    end.unwrap_or_else(|| panic!("{join:?} never ended: {story:?}"))
}

/// Calls `take` with every order of the places below `count`.
fn orders(count: usize, take: &mut impl FnMut(&[usize])) {
    fn extend(count: usize, order: &mut Vec<usize>, take: &mut impl FnMut(&[usize])) {
        if order.len() == count {
            return take(order);
        }
        for place in 0..count {
            if !order.contains(&place) {
                order.push(place);
                extend(count, order, take);
                order.pop();
            }
        }
    }
    extend(count, &mut Vec::new(), take);
}

#[test]
fn every_order_of_every_outcome_ends_as_the_table_says() {
    let mut story_count = 0;
    for count in 0..=COUNT_MAX {
        orders(count, &mut |order| {
            for bits in 0..1_u32 << (2 * count) {
                let story: Vec<Completion> = (order.iter().enumerate())
                    .map(|(index, place)| Completion {
                        place: *place,
                        has_succeeded: bits >> (2 * index) & 1 == 1,
                        is_required: bits >> (2 * index + 1) & 1 == 1,
                    })
                    .collect();
                for join in JOINS {
                    if count == 0 && matches!(join, Join::Any | Join::FirstSuccess) {
                        continue;
                    }
                    story_count += 1;
                    assert_eq!(
                        lived(join, &story),
                        promised(join, &story),
                        "{join:?}: {story:?}"
                    );
                }
            }
        });
    }
    // Four joins over n! orders of 4^n outcomes; two where there is no effect.
    let expected: usize = [4 * 4, 4 * 2 * 16, 4 * 6 * 64, 4 * 24 * 256, 4 * 120 * 1024]
        .iter()
        .sum();
    assert_eq!(story_count, expected + 2);
}

/// The rows of the table in which implementations differ, spelled out: the model above might be wrong
/// in the same way.
#[test]
fn the_cases_that_are_easily_got_wrong() {
    /// Completions as `+0` or `-0`, by place; `required` as a string of `r` and `o`.
    fn check(join: Join, required: &str, story: &str, expected: &[Verdict]) {
        let (mut state, first) = JoinState::begin(join, required.bytes().map(|it| it == b'r'));
        let mut verdicts = vec![first];
        for it in story.split_whitespace() {
            let (outcome, place) = it.split_at(1);
            verdicts.push(state.complete(place.parse().unwrap(), outcome == "+"));
        }
        assert_eq!(verdicts, expected, "{join:?} {required} {story}");
    }
    use Verdict::{Fail, Resume, Wait};

    // Nothing required: nothing to wait for.
    check(Join::AllRequired, "oo", "-0 +1", &[Resume, Wait, Wait]);
    check(Join::AllRequired, "", "", &[Resume]);
    check(Join::All, "", "", &[Resume]);
    // Optional failures never fail `all`, and it waits for them.
    check(Join::All, "ro", "+0 -1", &[Wait, Wait, Resume]);
    // A required failure is not waited with.
    check(Join::All, "rrr", "-2 +0 +1", &[Wait, Fail(2), Wait, Wait]);
    check(
        Join::AllRequired,
        "rro",
        "+2 +0 +1",
        &[Wait, Wait, Wait, Resume],
    );
    // The first completion of `any` decides, even where it is a failure.
    check(Join::Any, "rr", "-1 +0", &[Wait, Fail(1), Wait]);
    check(Join::Any, "oo", "-1 +0", &[Wait, Resume, Wait]);
    // Where nothing succeeds, the last failure is the one that is told.
    check(
        Join::FirstSuccess,
        "ooo",
        "-1 -2 -0",
        &[Wait, Wait, Wait, Fail(0)],
    );
    check(
        Join::FirstSuccess,
        "oro",
        "-0 -1 +2",
        &[Wait, Wait, Fail(1), Wait],
    );
}

/// How many effects of a group begin that run one after the other, and whose failure ends it: the walk
/// along them, read aloud.
fn promised_in_order(join: Join, effects: &[Completion]) -> (usize, Option<usize>) {
    let is_required_failure = |it: &Completion| it.is_required && !it.has_succeeded;
    let failure = effects.iter().position(is_required_failure);
    let all = effects.len();
    let last = match join {
        Join::All => all,
        // The optional ones behind the last required one have no time at all.
        Join::AllRequired => (effects.iter().rposition(|it| it.is_required)).map_or(0, |it| it + 1),
        Join::Any => 1,
        Join::FirstSuccess => {
            let success = effects.iter().position(|it| it.has_succeeded);
            success.map_or(all, |it| it + 1)
        }
    };
    match failure {
        Some(failed) if failed < last => (failed + 1, Some(failed)),
        _ if join == Join::FirstSuccess && !effects.iter().any(|it| it.has_succeeded) => {
            (all, Some(all - 1))
        }
        _ => (last, None),
    }
}

/// As whoever performs effects in order begins them: the next one while nothing else is said.
fn lived_in_order(join: Join, effects: &[Completion]) -> (usize, Option<usize>) {
    let (mut state, mut verdict) = JoinState::begin(join, effects.iter().map(|it| it.is_required));
    let mut begun_count = 0;
    while verdict == Verdict::Wait {
        let next = effects
            .get(begun_count)
            .expect("a group ends with its last effect");
        begun_count += 1;
        verdict = state.complete(next.place, next.has_succeeded);
    }
    let failed = match verdict {
        Verdict::Fail(place) => Some(place),
        Verdict::Wait | Verdict::Resume => None,
    };
    (begun_count, failed)
}

#[test]
fn one_after_the_other_each_group_begins_what_it_waits_for_and_no_more() {
    for count in 0..=COUNT_MAX {
        for bits in 0..1_u32 << (2 * count) {
            let effects: Vec<Completion> = (0..count)
                .map(|place| Completion {
                    place,
                    has_succeeded: bits >> (2 * place) & 1 == 1,
                    is_required: bits >> (2 * place + 1) & 1 == 1,
                })
                .collect();
            for join in JOINS {
                if count == 0 && matches!(join, Join::Any | Join::FirstSuccess) {
                    continue;
                }
                assert_eq!(
                    lived_in_order(join, &effects),
                    promised_in_order(join, &effects),
                    "{join:?}: {effects:?}"
                );
            }
        }
    }
}

#[test]
#[should_panic(expected = "a race has effects")]
fn a_race_without_effects_would_never_end() {
    let _ = JoinState::begin(Join::FirstSuccess, []);
}

#[test]
fn a_group_has_a_bit_for_each_effect() {
    let count = JoinState::EFFECTS_MAX;
    let (mut state, _) = JoinState::begin(Join::All, vec![true; count]);
    for place in 0..count - 1 {
        assert_eq!(state.complete(place, true), Verdict::Wait);
    }
    assert_eq!(state.complete(count - 1, true), Verdict::Resume);
}
