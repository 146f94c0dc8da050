//! Numbers of foreign records without a lost digit.
//!
//! In: the letters of a JSON number. Out: the number if a double holds exactly what the letters say, and else the
//! letters as text. Guaranteed: what comes out has the decimal value that went in; `1.10` may become `1.1`, and
//! `0.1000000000000000055` stays as it is.

use serde_json::{Number, Value};

/// A number of so few digits survives the way into a double and back to the shortest text.
const SAFE_DIGITS: usize = 15;
/// Powers of ten in which that holds, far from where doubles end.
const SAFE_EXPONENT: std::ops::RangeInclusive<i64> = -280..=280;
/// Whole numbers from here on are not told apart by every reader of JSON, so the stored form has them as text.
const EXACT_END: f64 = 9_007_199_254_740_992.0;
/// From here on the stored form (RFC 8785) writes an exponent.
const EXPONENT_START: f64 = 1e21;

/// The value that stands for a valid JSON number. Integers of 64 bits stay numbers: the mappings need them as ids.
pub(super) fn value(text: &str) -> Value {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        if let Ok(integer) = text.parse::<i64>() {
            return integer.into();
        }
        return text.parse::<u64>().map_or_else(|_| text.into(), Value::from);
    }
    exact_double(text).and_then(Number::from_f64).map_or_else(|| text.into(), Value::Number)
}

/// The double that has the value of `text`, if there is one and its stored form is that of a number.
fn exact_double(text: &str) -> Option<f64> {
    let double: f64 = text.parse().ok()?;
    let magnitude = double.abs();
    if !double.is_finite() || (EXACT_END..EXPONENT_START).contains(&magnitude) {
        return None;
    }
    let given = Decimal::parse(text)?;
    if given.digits.len() <= SAFE_DIGITS && SAFE_EXPONENT.contains(&given.exponent) {
        return Some(double);
    }
    let shortest = Decimal::parse(ryu_js::Buffer::new().format_finite(double))?;
    (given == shortest).then_some(double)
}

/// The value of a decimal number: `digits` × 10^`exponent`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) negative: bool,
    /// Without zeros at either end; empty for zero.
    pub(super) digits: String,
    pub(super) exponent: i64,
}

impl Decimal {
    /// Reads digits with an optional sign, fraction and exponent.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits = String::with_capacity(whole.len() + fraction.len());
        digits.push_str(whole);
        digits.push_str(fraction);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let trailing = digits.len() - digits.trim_end_matches('0').len();
        digits.truncate(digits.len() - trailing);
        let leading = digits.len() - digits.trim_start_matches('0').len();
        digits.drain(..leading);
        if digits.is_empty() {
            return Some(Self { negative: false, digits, exponent: 0 });
        }
        let fraction_digits = i64::try_from(fraction.len()).ok()?;
        let trailing_zeros = i64::try_from(trailing).ok()?;
        let exponent = exponent.checked_sub(fraction_digits)?.checked_add(trailing_zeros)?;
        Some(Self { negative, digits, exponent })
    }

    /// The number times 10^`power` as an integer, if it is one of 18 digits or fewer.
    pub(super) fn scaled(&self, power: i64) -> Option<i64> {
        const DIGITS_MAX: usize = 18;
        if self.digits.is_empty() {
            return Some(0);
        }
        let zeros = usize::try_from(self.exponent.checked_add(power)?).ok()?;
        if self.digits.len() + zeros > DIGITS_MAX {
            return None;
        }
        let number: i64 = self.digits.parse().ok()?;
        let number = number * 10_i64.pow(u32::try_from(zeros).ok()?);
        Some(if self.negative { -number } else { number })
    }

    /// The same, digits behind the point cut off; for numbers that are not negative.
    pub(super) fn scaled_floor(&self, power: i64) -> Option<i64> {
        let behind_point = -(self.exponent.checked_add(power)?);
        match usize::try_from(behind_point) {
            Err(_) => self.scaled(power),
            Ok(_) if self.negative => None,
            Ok(cut) if cut >= self.digits.len() => Some(0),
            Ok(cut) => self.digits[..self.digits.len() - cut].parse().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Would catch a digit lost to a double, and a number turned into text without need.
    #[test]
    fn numbers_keep_their_value_or_their_letters() {
        for (text, expected) in [
            ("0", json!(0)),
            ("-0", json!(0)),
            ("12", json!(12)),
            ("-9007199254740993", json!(-9_007_199_254_740_993_i64)),
            ("18446744073709551615", json!(u64::MAX)),
            ("18446744073709551616", json!("18446744073709551616")),
            ("1.0", json!(1.0)),
            ("1.10", json!(1.1)),
            ("-0.0", json!(-0.0)),
            ("2e-3", json!(0.002)),
            ("0.1000000000000000055511151231257827", json!("0.1000000000000000055511151231257827")),
            ("3.14159265358979323846", json!("3.14159265358979323846")),
            ("333333333.3333333", json!(333_333_333.333_333_3)),
            ("9007199254740992.0", json!("9007199254740992.0")),
            ("1e17", json!("1e17")),
            ("1e21", json!(1e21)),
            ("1e400", json!("1e400")),
            ("1e-400", json!("1e-400")),
            ("5e-324", json!(5e-324)),
            ("4.9e-324", json!("4.9e-324")),
            ("1e99999999999999999999", json!("1e99999999999999999999")),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    /// Would catch a power of ten that is off by one.
    #[test]
    fn decimals_are_scaled_exactly() {
        let scaled = |text: &str, power| Decimal::parse(text).unwrap().scaled(power);
        assert_eq!(scaled("1714675581.121", 6), Some(1_714_675_581_121_000));
        assert_eq!(scaled("1.714675581121E12", 0), Some(1_714_675_581_121));
        assert_eq!(scaled("-1.5", 1), Some(-15));
        assert_eq!(scaled("0.0000001", 6), None);
        assert_eq!(scaled("1e30", 0), None);
        assert_eq!(Decimal::parse("1.x"), None);
        assert_eq!(Decimal::parse(""), None);
    }

    proptest! {
        /// Would catch a shortcut for short numbers that is not exact.
        #[test]
        fn what_stays_a_number_has_the_given_value(whole in "(0|[1-9][0-9]{0,24})", rest in "(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?") {
            let text = format!("{whole}{rest}");
            let kept = match value(&text) {
                Value::String(letters) => {
                    prop_assert_eq!(&letters, &text);
                    letters
                }
                number => number.to_string(),
            };
            prop_assert_eq!(Decimal::parse(&kept), Decimal::parse(&text));
        }
    }
}
