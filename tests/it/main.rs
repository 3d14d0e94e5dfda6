//! The one integration binary: each further one would cost seconds of linking.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod about;
mod archives;
mod bad_input;
mod baseline;
mod beginnings;
mod config;
mod copies;
mod corpora_postfix;
mod counts;
mod detections;
mod disk;
mod engines;
mod layouts;
mod month;
mod pflogsumm;
mod privacy;
mod queries;
mod readme;
mod same_bytes;
mod sample;
mod show;
mod silence;
mod stamp;
mod store;
mod support;
mod trace;
mod truth;
mod verify;
mod windows;
mod years;
