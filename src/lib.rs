//! mtaudit
pub mod classify;
pub mod correlate;
pub mod event;
pub mod formats;
pub mod report;
pub mod source;
pub mod strings;
pub mod tables;
