//! Queries: named `.sql` files over the tables, and what they conclude.
//!
//! A query is one file: front matter ([`header`]) and SQL. The [`library`] holds them by name; the [`engine`]
//! runs them with polars SQL, one `WITH` clause after the other, and gives a `report::QueryResult` with its
//! findings. `commands` is the only user; `report` sees results and never this module. Where to add one: a file
//! under `queries/<section>/` and its line in [`builtin`]; [`check`] then holds it to the contract without any
//! fixture.

mod assess;
pub mod builtin;
mod cells;
pub mod check;
pub mod derive;
pub mod engine;
pub mod error;
mod findings;
pub mod header;
pub mod library;
mod lists;
mod memo;
pub mod mutes;
pub mod own;
pub mod params;
mod parts;
mod places;
mod sensitivity;
pub mod sentence;
mod stages;
mod supply;

pub use assess::question;
pub use engine::{Answer, Engine, ResultTable};
pub use error::Error;
pub use library::{Library, Query};
pub use params::Overrides;

#[cfg(test)]
mod tests;
