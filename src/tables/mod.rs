//! The rows, in columns.
pub mod schema;
