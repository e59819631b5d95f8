//! Medians of rounds, and ratios between them.

/// The middle of the values; of an even number, the mean of the two in the middle. `None` of none, and where a value is
/// not a number.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    if values.is_empty() || values.iter().any(|value| value.is_nan()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        Some(sorted[middle])
    } else {
        Some(f64::midpoint(sorted[middle - 1], sorted[middle]))
    }
}

/// How far the values lie apart: (largest - smallest) / median. `None` without a median or with a median of 0.
#[must_use]
pub fn spread(values: &[f64]) -> Option<f64> {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
    ratio(largest - smallest, median(values)?)
}

/// `value / base`. `None` where the base is 0 or something is not finite.
#[must_use]
pub fn ratio(value: f64, base: f64) -> Option<f64> {
    let ratio = value / base;
    ratio.is_finite().then_some(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[1.0, f64::NAN]), None);
        // One round that was disturbed does not count.
        assert_eq!(median(&[10.0, 11.0, 9000.0]), Some(11.0));
    }

    #[test]
    fn ratios_of_nothing_are_none() {
        assert_eq!(ratio(5.0, 2.0), Some(2.5));
        assert_eq!(ratio(5.0, 0.0), None);
        assert_eq!(ratio(0.0, 0.0), None);
    }

    #[test]
    fn the_spread_is_a_share_of_the_median() {
        assert_eq!(spread(&[9.0, 10.0, 12.0]), Some(0.3));
        assert_eq!(spread(&[]), None);
    }
}
