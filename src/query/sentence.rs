//! Sentences of findings: text with `{column}` and `{params.name}` in it.

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// As it is.
    Text(&'a str),
    /// A column of the result.
    Column(&'a str),
    /// A parameter.
    Param(&'a str),
}

/// Takes a sentence apart; braces must pair.
pub fn pieces(sentence: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = sentence;
    while let Some((text, tail)) = rest.split_once('{') {
        let (name, after) = tail
            .split_once('}')
            .ok_or_else(|| format!("`{{{tail}` has no closing brace"))?;
        pieces.push(Piece::Text(text));
        pieces.push(
            name.strip_prefix("params.")
                .map_or(Piece::Column(name), Piece::Param),
        );
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// The sentence with its placeholders replaced; `value` gives `None` for what it does not know.
pub fn fill<'v>(
    sentence: &str,
    value: impl Fn(Piece<'_>) -> Option<&'v str>,
) -> Result<String, String> {
    let mut filled = String::with_capacity(sentence.len() + 32);
    for piece in pieces(sentence)? {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Column(name) => {
                filled.push_str(value(piece).ok_or_else(|| format!("no column `{name}`"))?)
            }
            Piece::Param(name) => {
                filled.push_str(value(piece).ok_or_else(|| format!("no parameter `{name}`"))?)
            }
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn value(piece: Piece<'_>) -> Option<&'static str> {
        match piece {
            Piece::Column("n") => Some("{n}"),
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
    fn unknown_names_and_open_braces_are_errors() {
        assert_eq!(fill("{x}.", value).unwrap_err(), "no column `x`");
        assert_eq!(fill("{params.x}.", value).unwrap_err(), "no parameter `x`");
        assert_eq!(
            fill("{n.", value).unwrap_err(),
            "`{n.` has no closing brace"
        );
    }
}
