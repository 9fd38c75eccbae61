//! Numbers as people read them.

/// A number with so many decimals, and commas between thousands.
pub(super) fn decimal(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "NaN".to_string() } else { format!("{}∞", if value < 0.0 { "−" } else { "" }) };
    }
    let plain = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = plain.split_once('.').map_or((plain.as_str(), None), |(w, f)| (w, Some(f)));
    let mut text = String::new();
    // What rounds to zero has no sign.
    if value < 0.0 && plain.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) {
        text.push('−');
    }
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text += fraction;
    }
    text
}

/// A whole number, with commas between thousands.
pub(super) fn whole(value: u64) -> String {
    decimal(value as f64, 0)
}

/// A number of unknown size with about so many significant digits, in scientific notation far from 1.
pub(super) fn significant(value: f64, digits: usize) -> String {
    let exponent = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    if !value.is_finite() || (-4..7).contains(&exponent) {
        return decimal(value, (digits as i32 - 1 - exponent).max(0) as usize);
    }
    format!("{value:.*e}", digits - 1).replace('-', "−")
}

/// Seconds as "48 s", "1 min 52 s", "2 h 5 min".
pub(super) fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", whole(seconds / 3600), seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_signs_and_decimals() {
        assert_eq!(decimal(1234567.891, 2), "1,234,567.89");
        assert_eq!(decimal(-999.5, 0), "−1,000");
        assert_eq!(decimal(-0.001, 2), "0.00");
        assert_eq!(decimal(f64::NEG_INFINITY, 2), "−∞");
        assert_eq!(decimal(f64::NAN, 2), "NaN");
        assert_eq!(whole(100), "100");
        assert_eq!(significant(0.012345, 3), "0.0123");
        assert_eq!(significant(1234.5, 3), "1,234");
        assert_eq!(significant(0.0, 3), "0.00");
        assert_eq!(significant(-2.5e-7, 2), "−2.5e−7");
        assert_eq!(significant(3e9, 1), "3e9");
    }

    #[test]
    fn durations_have_two_units_at_most() {
        assert_eq!([0.4, 59.6, 112.0, 7500.0].map(duration), ["0 s", "1 min 0 s", "1 min 52 s", "2 h 5 min"]);
    }
}
