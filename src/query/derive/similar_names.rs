//! Which known name was meant: for names that fail, the well-used name that a slip of the keyboard explains best.

use polars::prelude::{Column, DataFrame, PolarsResult};

use super::Method;
use super::providers::SECOND_LEVEL;
use crate::tables::schema::Type;

/// Optimal string alignment (Damerau 1964, Levenshtein 1966; a neighbouring swap counts once): one edit, two from ten
/// letters on; or the same name under another ending. Of several partners the one whose use makes the slip most
/// likely. `wanted` marks names to find a partner for; the others are partners, used `weight` times. A name without
/// a partner has no row.
pub const METHOD: Method = Method {
    name: "similar_names",
    about: "the well-used domain that a mistyped one stands for: edit distance (optimal string alignment), or another ending",
    inputs: &[
        ("name", Type::Text),
        ("weight", Type::Int),
        ("wanted", Type::Bool),
    ],
    outputs: &[
        ("name", Type::Text),
        ("similar", Type::Text),
        ("distance", Type::Int),
        ("other_ending", Type::Bool),
        ("similar_weight", Type::Int),
    ],
    run,
};

/// Letters from which two edits are still the same name.
const LONG: usize = 10;

/// How much likelier one edit is than two, and another ending than two edits: rough, and only used to choose among
/// partners that all are close enough.
const ONE_EDIT: f64 = 50.0;
const OTHER_ENDING: f64 = 5.0;

/// Letters of the name before its ending below which another ending says nothing.
const MIN_STEM: usize = 4;

/// A name with what is needed to pass over most partners without computing a distance.
struct Name<'a> {
    text: &'a str,
    stem: &'a str,
    letters: usize,
    mask: u64,
    weight: i64,
}

struct Slip<'a> {
    similar: &'a Name<'a>,
    distance: usize,
    other_ending: bool,
}

fn run(rows: &DataFrame) -> PolarsResult<Vec<Column>> {
    let (names, weights, wanted) = (
        rows.column("name")?.str()?,
        rows.column("weight")?.i64()?,
        rows.column("wanted")?.bool()?,
    );
    let (mut asked, mut known) = (Vec::new(), Vec::new());
    for ((name, weight), wanted) in names.iter().zip(weights.iter()).zip(wanted.iter()) {
        let Some(text) = name.filter(|name| !name.is_empty()) else {
            continue;
        };
        let name = Name::new(text, weight.unwrap_or_default());
        match wanted.unwrap_or_default() {
            true => asked.push(name),
            false => known.push(name),
        }
    }
    // By name, so that neither the order of the rows nor a tie shows.
    asked.sort_by_key(|name| name.text);
    asked.dedup_by_key(|name| name.text);
    known.sort_by_key(|name| name.text);
    let found: Vec<(&Name<'_>, Slip<'_>)> = asked
        .iter()
        .filter_map(|name| Some((name, best(name, &known)?)))
        .collect();
    let text = |of: fn(&(&Name<'_>, Slip<'_>)) -> String| -> Column {
        Column::new("".into(), found.iter().map(of).collect::<Vec<String>>())
    };
    let number = |of: fn(&Slip<'_>) -> i64| -> Column {
        let values = found.iter().map(|(_, slip)| of(slip));
        Column::new("".into(), values.collect::<Vec<i64>>())
    };
    let endings: Vec<bool> = found.iter().map(|(_, slip)| slip.other_ending).collect();
    Ok(vec![
        text(|(name, _)| name.text.to_owned()),
        text(|(_, slip)| slip.similar.text.to_owned()),
        number(|slip| slip.distance as i64),
        Column::new("".into(), endings),
        number(|slip| slip.similar.weight),
    ])
}

/// The partner that explains `name` best; the first by name among equals.
fn best<'a>(name: &Name<'_>, known: &'a [Name<'a>]) -> Option<Slip<'a>> {
    let mut best: Option<(f64, Slip<'a>)> = None;
    for partner in known {
        let Some(slip) = slip(name, partner) else {
            continue;
        };
        let chance = match (slip.other_ending, slip.distance) {
            (false, 0 | 1) => ONE_EDIT,
            (false, _) => 1.0,
            (true, _) => OTHER_ENDING,
        };
        let score = chance * partner.weight as f64;
        if best.as_ref().is_none_or(|(most, _)| score > *most) {
            best = Some((score, slip));
        }
    }
    best.map(|(_, slip)| slip)
}

fn slip<'a>(name: &Name<'_>, partner: &'a Name<'a>) -> Option<Slip<'a>> {
    if name.text == partner.text {
        return None;
    }
    let edits = if name.letters >= LONG { 2 } else { 1 };
    // An edit changes the length by one at most, and which letters occur by two.
    let near = name.letters.abs_diff(partner.letters) <= edits
        && (name.mask ^ partner.mask).count_ones() as usize <= 2 * edits;
    let distance = || strsim::osa_distance(name.text, partner.text);
    if near {
        let distance = distance();
        if distance <= edits {
            return Some(Slip {
                similar: partner,
                distance,
                other_ending: false,
            });
        }
    }
    let same_stem = name.stem == partner.stem && name.stem.chars().count() >= MIN_STEM;
    same_stem.then(|| Slip {
        similar: partner,
        distance: distance(),
        other_ending: true,
    })
}

impl<'a> Name<'a> {
    fn new(text: &'a str, weight: i64) -> Self {
        // A bit for each letter that occurs; letters that share one only make the sieve coarser.
        let mask = text.bytes().fold(0, |mask, byte| mask | 1 << (byte % 64));
        Self {
            text,
            stem: stem(text),
            letters: text.chars().count(),
            mask,
            weight,
        }
    }
}

/// The name without its ending: `shop.example` of `shop.example.co.uk`.
fn stem(name: &str) -> &str {
    let Some((stem, _)) = name.rsplit_once('.') else {
        return "";
    };
    match stem.rsplit_once('.') {
        Some((shorter, last)) if SECOND_LEVEL.contains(&last) => shorter,
        _ => stem,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn meant(name: &str, known: &[(&str, i64)]) -> Option<(String, usize, bool)> {
        let known: Vec<Name<'_>> = known
            .iter()
            .map(|(text, weight)| Name::new(text, *weight))
            .collect();
        let slip = best(&Name::new(name, 0), &known)?;
        Some((
            slip.similar.text.to_owned(),
            slip.distance,
            slip.other_ending,
        ))
    }

    fn distance(name: &str, known: &str) -> Option<usize> {
        meant(name, &[(known, 20)]).map(|(_, distance, _)| distance)
    }

    #[test]
    fn one_slip_of_each_kind_is_one_edit() {
        for typed in ["gmial.tld", "gmal.tld", "gmaiil.tld", "gnail.tld"] {
            assert_eq!(distance(typed, "gmail.tld"), Some(1), "{typed}");
        }
    }

    #[test]
    fn two_edits_need_ten_letters() {
        assert_eq!(distance("gnall.tld", "gmail.tld"), None);
        // Nine letters, and ten.
        assert_eq!(distance("xx345.tld", "12345.tld"), None);
        assert_eq!(distance("xx3456.tld", "123456.tld"), Some(2));
        assert_eq!(distance("xxx456.tld", "123456.tld"), None);
    }

    #[test]
    fn a_swap_with_an_edit_between_is_not_one_swap() {
        // Optimal string alignment: `ca` to `abc` is three edits, not two.
        assert_eq!(strsim::osa_distance("ca", "abc"), 3);
    }

    #[test]
    fn the_same_name_under_another_ending_is_meant() {
        let found = meant("customer.net", &[("customer.example", 20)]).unwrap();
        assert_eq!((found.0.as_str(), found.2), ("customer.example", true));
        let found = meant("shop.com", &[("shop.co.uk", 20)]).unwrap();
        assert_eq!((found.0.as_str(), found.2), ("shop.co.uk", true));
        assert_eq!(meant("abc.net", &[("abc.example", 20)]), None);
    }

    #[test]
    fn use_decides_between_partners_and_the_name_between_equals() {
        let found = meant(
            "maill.example",
            &[("mail.example", 20), ("mailly.example", 20)],
        );
        assert_eq!(found.unwrap().0, "mail.example");
        // Two edits to a partner of a hundred times the use beat one edit.
        let found = meant("exanple1.tld", &[("exanple2.tld", 2), ("example.tld", 200)]);
        assert_eq!(found.unwrap().0, "example.tld");
    }

    #[test]
    fn a_name_is_not_its_own_partner() {
        assert_eq!(meant("mail.example", &[("mail.example", 500)]), None);
        assert_eq!(meant("mail.example", &[]), None);
    }
}
