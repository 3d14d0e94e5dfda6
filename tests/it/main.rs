//! tests
mod corpora_postfix;
mod queries;
