//! mtaudit
pub mod event;
pub mod formats;
pub mod query;
pub mod report;
pub mod source;
pub mod tables;
