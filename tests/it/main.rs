//! The one integration binary: each further one would cost seconds of linking.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod corpora_postfix;
mod readme;
