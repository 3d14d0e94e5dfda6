//! mtaudit
pub mod event;
pub mod formats;
pub mod report;
pub mod source;
pub mod syslog;
pub mod tables;
