//! tests
mod corpora_postfix;
