//! mtaudit
pub mod classify;
pub mod event;
pub mod formats;
pub mod report;
pub mod source;
pub mod tables;
