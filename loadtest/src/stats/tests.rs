use proptest::prelude::*;

use super::*;

#[test]
fn medians_and_spreads() {
    for (values, median, spread) in [
        (&[3.0][..], 3.0, 0.0),
        (&[1.0, 3.0], 2.0, 1.0),
        (&[5.0, 1.0, 4.0], 4.0, 1.0),
        (&[2.0, 2.0, 2.0, 10.0], 2.0, 4.0),
    ] {
        let summary = Summary::of(values).unwrap();
        assert_eq!(
            (summary.median, summary.spread()),
            (median, spread),
            "{values:?}"
        );
    }
    assert_eq!(Summary::of(&[]), None);
    assert_eq!(Summary::of(&[1.0, f64::NAN]), None);
}

#[test]
fn ratios_are_taken_within_a_round() {
    // The machine was twice as slow in the second round, for both.
    assert_eq!(paired_ratios(&[3.0, 6.0], &[4.0, 8.0]), [0.75, 0.75]);
}

proptest! {
    #[test]
    fn half_lies_on_either_side_of_the_median(values in prop::collection::vec(-1e9..1e9f64, 1..20)) {
        let summary = Summary::of(&values).unwrap();
        let below = values.iter().filter(|&&value| value < summary.median).count();
        let above = values.iter().filter(|&&value| value > summary.median).count();
        prop_assert!(below * 2 <= values.len() && above * 2 <= values.len());
        prop_assert!(values.iter().all(|&value| summary.min <= value && value <= summary.max));
    }
}
