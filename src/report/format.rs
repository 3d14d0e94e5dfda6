//! How values are shown: the same figure reads the same in a tile, a table and on an axis.

use super::ColumnKind;

/// A number as a column of this kind shows it. Not finite: `–`.
pub fn number(value: f64, kind: ColumnKind) -> String {
    if !value.is_finite() {
        return "–".to_string();
    }
    match kind {
        ColumnKind::Share => share(value),
        ColumnKind::Seconds => seconds(value),
        ColumnKind::Bytes => bytes(value),
        ColumnKind::Count => grouped(value, 0),
        _ => plain(value),
    }
}

/// `49816` as `49,816`.
pub fn count(value: u64) -> String {
    group_digits(&value.to_string())
}

/// `0.031` as `3.1 %`.
pub fn share(value: f64) -> String {
    format!("{} %", grouped(value * 100.0, 1))
}

/// SI units, one decimal: `12.3 MB`.
pub fn bytes(value: f64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut scaled = value;
    let mut unit = 0;
    // 999.95 would be rounded to 1,000.0 of the smaller unit.
    while scaled.abs() >= 999.95 && unit + 1 < UNITS.len() {
        scaled /= 1000.0;
        unit += 1;
    }
    let decimals = usize::from(unit > 0);
    format!("{} {}", trimmed(&grouped(scaled, decimals)), UNITS[unit])
}

/// `250 ms`, `1.2 s`, `4 min 10 s`, `2 d 3 h`.
pub fn seconds(value: f64) -> String {
    let (sign, value) = (if value < 0.0 { "-" } else { "" }, value.abs());
    if value == 0.0 {
        return "0 s".to_string();
    }
    if value < 0.9995 {
        return format!(
            "{sign}{} ms",
            trimmed(&grouped(value * 1000.0, usize::from(value < 0.01)))
        );
    }
    if value < 59.95 {
        return format!("{sign}{} s", trimmed(&grouped(value, 1)));
    }
    format!("{sign}{}", long_duration(value))
}

/// The two largest units of a minute or more.
fn long_duration(value: f64) -> String {
    // Saturates for absurd values, which is what is wanted here.
    let total = value.round() as u64;
    let (big, big_unit, small, small_unit) = match total {
        0..3600 => (total / 60, "min", total % 60, "s"),
        3600..86_400 => (total / 3600, "h", total % 3600 / 60, "min"),
        _ => (total / 86_400, "d", total % 86_400 / 3600, "h"),
    };
    if small == 0 {
        return format!("{} {big_unit}", count(big));
    }
    format!("{} {big_unit} {small} {small_unit}", count(big))
}

/// `2026-10-01T00:00:03.5+02:00` as `2026-10-01 00:00:03 +02:00`; any other text as it is.
pub fn when(rfc3339: &str) -> String {
    let Ok(time) = chrono::DateTime::parse_from_rfc3339(rfc3339) else {
        return rfc3339.to_string();
    };
    time.format("%Y-%m-%d %H:%M:%S %:z").to_string()
}

/// Two decimals for small numbers, none for large ones.
fn plain(value: f64) -> String {
    let decimals = match value.abs() {
        a if a >= 100.0 => 0,
        a if a >= 10.0 => 1,
        _ => 2,
    };
    trimmed(&grouped(value, decimals)).to_string()
}

/// Fixed decimals with thousands separators.
fn grouped(value: f64, decimals: usize) -> String {
    if value.abs() >= 1e15 {
        return format!("{value:.2e}");
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let zero = text.bytes().all(|b| b == b'0' || b == b'.');
    let sign = if value < 0.0 && !zero { "-" } else { "" };
    format!("{sign}{}{rest}", group_digits(whole))
}

fn group_digits(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Without zeros at the end of a fraction.
fn trimmed(text: &str) -> &str {
    if text.contains('.') && !text.contains('e') {
        return text.trim_end_matches('0').trim_end_matches('.');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_people_write_them() {
        assert_eq!(count(49_816), "49,816");
        assert_eq!(number(1_234_567.0, ColumnKind::Count), "1,234,567");
        assert_eq!(number(0.031, ColumnKind::Share), "3.1 %");
        assert_eq!(number(-0.0001, ColumnKind::Share), "0.0 %");
        assert_eq!(number(12_345_678.0, ColumnKind::Bytes), "12.3 MB");
        assert_eq!(number(999_999.0, ColumnKind::Bytes), "1 MB");
        assert_eq!(number(512.0, ColumnKind::Bytes), "512 B");
        assert_eq!(number(2.71459, ColumnKind::Number), "2.71");
        assert_eq!(number(f64::NAN, ColumnKind::Number), "–");
        assert_eq!(number(1e300, ColumnKind::Count), "1.00e300");
    }

    #[test]
    fn times_lose_their_t_and_fraction_and_keep_their_zone() {
        assert_eq!(
            when("2026-10-01T00:00:03.5+02:00"),
            "2026-10-01 00:00:03 +02:00"
        );
        assert_eq!(when("then"), "then");
    }

    #[test]
    fn durations_use_two_units() {
        for (value, shown) in [
            (0.0, "0 s"),
            (0.25, "250 ms"),
            (0.0031, "3.1 ms"),
            (1.24, "1.2 s"),
            (59.97, "1 min"),
            (250.0, "4 min 10 s"),
            (3600.0, "1 h"),
            (183_600.0, "2 d 3 h"),
            (-5.0, "-5 s"),
        ] {
            assert_eq!(seconds(value), shown);
        }
    }
}
