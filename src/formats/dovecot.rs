//! Dovecot.
use super::Format;
use crate::event::{Header, Parsed};
/// Dovecot.
pub struct Dovecot;
impl Format for Dovecot {
    fn name(&self) -> &'static str {
        "dovecot"
    }
    fn claims(&self, program: &[u8]) -> bool {
        program.starts_with(b"dovecot")
    }
    fn parse<'a>(&self, _line: &Header<'a>) -> Parsed<'a> {
        Parsed::Unrecognised
    }
}
