//! Sentences of findings: text with `{column}` and `{params.name}` in it.
//!
//! A placeholder may say how the value is worded: `{n|message|messages}` gives the number and its noun (`1 message`),
//! `{auth_user|an account without a name}` the words where the cell is empty.

use crate::report::format::NULL;

/// What a part of a sentence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// As it is.
    Text(&'a str),
    /// A column of the result.
    Column(&'a str),
    /// A parameter.
    Param(&'a str),
}

/// How a value is worded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wording<'a> {
    /// As it is.
    Plain,
    /// With the noun of one, or of any other number.
    Counted(&'a str, &'a str),
    /// These words where there is no value.
    Or(&'a str),
}

/// Takes a sentence apart; braces must pair.
pub fn pieces(sentence: &str) -> Result<Vec<(Piece<'_>, Wording<'_>)>, String> {
    let mut pieces = Vec::new();
    let mut rest = sentence;
    while let Some((text, tail)) = rest.split_once('{') {
        let (inside, after) = tail
            .split_once('}')
            .ok_or_else(|| format!("`{{{tail}` has no closing brace"))?;
        pieces.push((Piece::Text(text), Wording::Plain));
        pieces.push(placeholder(inside)?);
        rest = after;
    }
    pieces.push((Piece::Text(rest), Wording::Plain));
    Ok(pieces)
}

/// What stands between braces.
fn placeholder(inside: &str) -> Result<(Piece<'_>, Wording<'_>), String> {
    let parts: Vec<&str> = inside.split('|').collect();
    let (name, wording) = match parts[..] {
        [name] => (name, Wording::Plain),
        [name, words] => (name, Wording::Or(words)),
        [name, one, many] => (name, Wording::Counted(one, many)),
        _ => return Err(format!("`{{{inside}}}` has more than two `|`")),
    };
    let piece = name
        .strip_prefix("params.")
        .map_or(Piece::Column(name), Piece::Param);
    Ok((piece, wording))
}

/// The sentence with its placeholders replaced; `value` gives `None` for what it does not know.
pub fn fill<'v>(
    sentence: &str,
    value: impl Fn(Piece<'_>) -> Option<&'v str>,
) -> Result<String, String> {
    let mut filled = String::with_capacity(sentence.len() + 32);
    for (piece, wording) in pieces(sentence)? {
        let value = match piece {
            Piece::Text(text) => text,
            Piece::Column(name) => value(piece).ok_or_else(|| format!("no column `{name}`"))?,
            Piece::Param(name) => value(piece).ok_or_else(|| format!("no parameter `{name}`"))?,
        };
        match wording {
            Wording::Or(words) if value.is_empty() || value == NULL => filled.push_str(words),
            Wording::Plain | Wording::Or(_) => filled.push_str(value),
            Wording::Counted(one, many) => {
                filled.push_str(value);
                filled.push(' ');
                filled.push_str(if value == "1" { one } else { many });
            }
        }
    }
    Ok(filled)
}

/// The sentence as a page of the query shows it: placeholders without their wording, nouns as of many.
pub fn shown(sentence: &str) -> String {
    let Ok(pieces) = pieces(sentence) else {
        return sentence.to_owned();
    };
    let shown = pieces.into_iter().map(|(piece, wording)| {
        let value = match piece {
            Piece::Text(text) => text.to_owned(),
            Piece::Column(name) => format!("{{{name}}}"),
            Piece::Param(name) => format!("{{params.{name}}}"),
        };
        match wording {
            Wording::Counted(_, many) => format!("{value} {many}"),
            Wording::Plain | Wording::Or(_) => value,
        }
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn value(piece: Piece<'_>) -> Option<&'static str> {
        match piece {
            Piece::Column("n") => Some("{n}"),
            Piece::Column("one") => Some("1"),
            Piece::Column("none") => Some(""),
            Piece::Param("most") => Some("5"),
            _ => None,
        }
    }

    #[test]
    fn replaces_columns_and_parameters_once() {
        let filled = fill("{n} tries, more than {params.most}.", value).unwrap();
        assert_eq!(filled, "{n} tries, more than 5.");
    }

    #[test]
    fn a_number_comes_with_its_noun() {
        let filled = fill(
            "{one|try|tries}, {params.most|try|tries}, {params.most|or none}.",
            value,
        );
        assert_eq!(filled.unwrap(), "1 try, 5 tries, 5.");
        assert_eq!(
            shown("{one|try|tries} of {none|someone}"),
            "{one} tries of {none}"
        );
    }

    #[test]
    fn an_empty_cell_has_words() {
        assert_eq!(
            fill("{none|someone} came.", value).unwrap(),
            "someone came."
        );
        assert_eq!(
            fill("{n|a|b|c}", value).unwrap_err(),
            "`{n|a|b|c}` has more than two `|`"
        );
    }

    #[test]
    fn unknown_names_and_open_braces_are_errors() {
        assert_eq!(fill("{x}.", value).unwrap_err(), "no column `x`");
        assert_eq!(fill("{params.x}.", value).unwrap_err(), "no parameter `x`");
        assert_eq!(
            fill("{n.", value).unwrap_err(),
            "`{n.` has no closing brace"
        );
    }
}
