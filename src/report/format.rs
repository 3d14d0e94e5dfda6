//! How numbers, shares, durations and sizes are written for people, the same in a tile, a table and on an axis.
//! Pure; the raw value stands beside it in the cell.

use super::ColumnKind;

/// What stands for null: not assessable, never 0.
pub const NULL: &str = "–";

/// A number as a column of this kind shows it.
pub fn number(value: f64, kind: ColumnKind) -> String {
    match kind {
        ColumnKind::Share => share(value),
        ColumnKind::Seconds => seconds(value),
        ColumnKind::Bytes => bytes(value),
        _ => plain(value),
    }
}

/// `49,816`.
pub fn count(value: impl Into<i128>) -> String {
    let value: i128 = value.into();
    let digits = value.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if value < 0 {
        text.push('-');
    }
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 source`, `49,816 sources`: a noun whose plural ends in `s`.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// Two decimals (`1,234.50`), below 1 two significant ones (`0.0042`), none for whole numbers.
pub fn plain(value: f64) -> String {
    if !value.is_finite() {
        return NULL.to_owned();
    }
    let size = value.abs();
    if value.fract() == 0.0 && size < 1e15 {
        return count(value as i64);
    }
    if !(1e-9..1e15).contains(&size) {
        return format!("{value:e}");
    }
    let decimals = if size >= 1.0 {
        2
    } else {
        1 - size.log10().floor() as i32
    };
    grouped(value, usize::try_from(decimals).unwrap_or(2))
}

/// Fixed decimals, thousands separated.
fn grouped(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole
        .parse::<i128>()
        .map_or_else(|_| whole.to_owned(), count);
    let sign = if value < 0.0 { "-" } else { "" };
    match fraction {
        "" => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{fraction}"),
    }
}

/// `3.1 %`. What is neither nothing nor all never looks like it: `< 0.1 %`, `> 99.9 %`.
pub fn share(value: f64) -> String {
    let percent = value * 100.0;
    if !percent.is_finite() {
        return NULL.to_owned();
    }
    if percent > 0.0 && percent < 0.05 {
        return "< 0.1 %".to_owned();
    }
    if (99.95..100.0).contains(&percent) {
        return "> 99.9 %".to_owned();
    }
    if percent == 0.0 || percent == 100.0 {
        return format!("{percent:.0} %");
    }
    format!("{} %", grouped(percent, 1))
}

/// `0.42 s`, `12.3 s`, `1 min 10 s`, `2 h 5 min`, `2 d 3 h`.
pub fn seconds(value: f64) -> String {
    if !value.is_finite() {
        return NULL.to_owned();
    }
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{sign}{}", positive_seconds(value.abs()))
}

fn positive_seconds(value: f64) -> String {
    let whole = value.round() as u64;
    if value.fract() == 0.0 && value < 60.0 {
        return format!("{whole} s");
    }
    match value {
        v if v < 0.0005 => "< 0.001 s".to_owned(),
        v if v < 0.01 => format!("{v:.3} s"),
        v if v < 0.995 => format!("{v:.2} s"),
        v if v < 59.95 => format!("{v:.1} s"),
        v if v < 3599.5 => two(whole, 60, "min", "s"),
        v if v < 86_370.0 => two((value / 60.0).round() as u64, 60, "h", "min"),
        _ => two((value / 3600.0).round() as u64, 24, "d", "h"),
    }
}

/// `units` of the small unit as large and small; a zero remainder is left out.
fn two(units: u64, per_large: u64, large: &str, small: &str) -> String {
    match (units / per_large, units % per_large) {
        (n, 0) => format!("{} {large}", count(n)),
        (n, rest) => format!("{} {large} {rest} {small}", count(n)),
    }
}

/// `12.3 MB`, decimal units.
pub fn bytes(value: f64) -> String {
    if !value.is_finite() {
        return NULL.to_owned();
    }
    let mut size = value.abs();
    let mut unit = "B";
    for larger in ["kB", "MB", "GB", "TB", "PB"] {
        if size < if unit == "B" { 999.5 } else { 999.95 } {
            break;
        }
        (size, unit) = (size / 1000.0, larger);
    }
    let signed = if value < 0.0 { -size } else { size };
    format!("{} {unit}", grouped(signed, usize::from(unit != "B")))
}

/// `yes` or `no`.
pub fn flag(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// `2026-10-01T00:00:03.5+02:00` as `2026-10-01 00:00:03 +02:00`; any other text as it is.
pub fn when(rfc3339: &str) -> String {
    let Ok(time) = chrono::DateTime::parse_from_rfc3339(rfc3339) else {
        return rfc3339.to_string();
    };
    time.format("%Y-%m-%d %H:%M:%S %:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_separators() {
        let shown = [0, 999, 1000, 49_816, 1_234_567, -1000].map(count);
        assert_eq!(
            shown,
            ["0", "999", "1,000", "49,816", "1,234,567", "-1,000"]
        );
    }

    #[test]
    fn numbers_have_two_decimals_or_two_significant_ones() {
        let shown = [5.0, 1234.5, 0.5, 0.0421, 0.00123, -3.256, 1e15, 1e-12].map(plain);
        assert_eq!(
            shown,
            [
                "5", "1,234.50", "0.50", "0.042", "0.0012", "-3.26", "1e15", "1e-12"
            ]
        );
        assert_eq!(number(f64::NAN, ColumnKind::Number), NULL);
    }

    #[test]
    fn shares_never_round_to_nothing_or_all() {
        let shown = [0.0, 0.0001, 0.031, 0.5, 0.9999, 1.0, 1.5].map(share);
        assert_eq!(
            shown,
            [
                "0 %", "< 0.1 %", "3.1 %", "50.0 %", "> 99.9 %", "100 %", "150.0 %"
            ]
        );
    }

    #[test]
    fn durations_use_two_units_and_carry() {
        for (value, shown) in [
            (0.0, "0 s"),
            (0.0001, "< 0.001 s"),
            (0.003, "0.003 s"),
            (0.42, "0.42 s"),
            (0.999, "1.0 s"),
            (1.23, "1.2 s"),
            (5.0, "5 s"),
            (59.97, "1 min"),
            (70.0, "1 min 10 s"),
            (3599.7, "1 h"),
            (7500.0, "2 h 5 min"),
            (86_399.0, "1 d"),
            (183_600.0, "2 d 3 h"),
            (-70.0, "-1 min 10 s"),
        ] {
            assert_eq!(seconds(value), shown, "{value}");
        }
    }

    #[test]
    fn sizes_are_decimal_and_carry() {
        let shown = [0.0, 532.0, 999.0, 1000.0, 12_345_678.0, 999_960.0, -2000.0].map(bytes);
        assert_eq!(
            shown,
            [
                "0 B", "532 B", "999 B", "1.0 kB", "12.3 MB", "1.0 MB", "-2.0 kB"
            ]
        );
    }

    #[test]
    fn times_lose_their_t_and_fraction_and_keep_their_zone() {
        assert_eq!(
            when("2026-10-01T00:00:03.5+02:00"),
            "2026-10-01 00:00:03 +02:00"
        );
        assert_eq!(when("then"), "then");
    }
}
