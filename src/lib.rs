//! mtaudit
pub mod classify;
pub mod cli;
pub mod commands;
pub mod correlate;
pub mod event;
pub mod formats;
pub mod query;
pub mod report;
pub mod source;
pub mod strings;
pub mod syslog;
pub mod tables;
