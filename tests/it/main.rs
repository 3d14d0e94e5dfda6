//! Tests of the whole, one binary: each further one would cost a link.
mod bad_input;
mod corpora_postfix;
mod layouts;
mod pflogsumm;
mod same_bytes;
mod sample;
mod support;
mod truth;
