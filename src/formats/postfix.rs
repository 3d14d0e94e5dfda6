//! Postfix.
use super::Format;
use crate::event::{Header, Parsed};
/// Postfix.
pub struct Postfix;
impl Format for Postfix {
    fn name(&self) -> &'static str {
        "postfix"
    }
    fn claims(&self, program: &[u8]) -> bool {
        program.starts_with(b"postfix")
    }
    fn parse<'a>(&self, _line: &Header<'a>) -> Parsed<'a> {
        Parsed::Unrecognised
    }
}
