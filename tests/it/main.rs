//! Tests of the whole, one binary: each further one would cost a link.
mod corpora_postfix;
mod support;
mod truth;
