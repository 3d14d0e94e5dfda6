//! mtaudit
pub mod classify;
pub mod event;
pub mod formats;
pub mod query;
pub mod report;
pub mod source;
pub mod strings;
pub mod syslog;
pub mod tables;
