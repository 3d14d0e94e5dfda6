#![allow(clippy::unwrap_used)]
use super::*;

#[test]
fn the_rules_are_sound() {
    let problems = rules::check_embedded();
    let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "{} problems\n{}", list.len(), list.join("\n"));
}
