//! Median and spread of a few rounds.

/// What a handful of rounds gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// The middle value; the mean of the two middle ones where the count is even.
    pub median: f64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
}

impl Summary {
    /// Sums up `values`; `None` where there are none or one is not a number.
    pub fn of(values: &[f64]) -> Option<Summary> {
        let mut sorted = values.to_vec();
        if sorted.is_empty() || sorted.iter().any(|value| value.is_nan()) {
            return None;
        }
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            (sorted[middle - 1] + sorted[middle]) / 2.0
        };
        Some(Summary {
            median,
            min: sorted[0],
            max: sorted[sorted.len() - 1],
        })
    }

    /// From the smallest to the largest value, as a part of the median.
    pub fn spread(&self) -> f64 {
        (self.max - self.min) / self.median
    }
}

/// The ratio of each round's value to the base's value of the same round.
///
/// Neighbours in time share the machine's mood, so their ratio is steadier than the ratio of two
/// medians.
///
/// *Panics*: where the two have different numbers of rounds.
pub fn paired_ratios(values: &[f64], base: &[f64]) -> Vec<f64> {
    assert_eq!(
        values.len(),
        base.len(),
        "every subject runs in every round"
    );
    values
        .iter()
        .zip(base)
        .map(|(value, base)| value / base)
        .collect()
}

#[cfg(test)]
mod tests;
