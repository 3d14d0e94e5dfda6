//! Forensic and audit reports from mail-server logs, as they lie in archives.
//!
//! # The tour
//!
//! ```text
//! paths ─source─▶ Block ─syslog, formats─▶ Event ─correlate─▶ rows ─tables─▶ frames ─query─▶ results ─report─▶ folder
//! ```
//!
//! * [`source`] finds files and the members of archives, recognises codecs and journal exports, and gives blocks of whole
//!   lines with hashes and damage reports.
//! * [`syslog`] takes the transport's header off a line: time, host, program, process id, text. [`commands::year`] says
//!   which year the first line of a source is of.
//! * [`formats`] has one file a mail server; each turns the text into an [`event`].
//! * [`correlate`] folds events into messages, attempts, sessions and the rest. It is the only part with state.
//!   [`classify`] says why a delivery failed; [`strings`] keeps every text once; [`groups`] joins what belongs together.
//! * [`tables`] has the schema, the one list of names, puts the rows into columns, and keeps them as Parquet.
//! * [`pseudonyms`] hides persons, by what [`tables::persons`] says that a column holds of them.
//! * [`query`] is the library of `.sql` files under `queries/`, and runs them.
//! * [`report`] is a plain value, its templates under `templates/`, and the exporters.
//! * [`config`] is `mtaudit.toml`: who is where, which thresholds hold, which findings are known.
//! * [`trace`] tells the way of a message over filters, aliases, hosts, notices and tries, in plain words.
//! * [`commands`] joins the parts, one file a command; [`cli`] is the command line and all that knows clap.
//!
//! # Who may use whom
//!
//! `commands → {source, syslog, formats, correlate, tables, query, config, report, trace}`, `correlate → {event,
//! classify, strings}`, `formats → event`, `query → {tables, report}` for their names and values,
//! `config → {query, report}` for parameters, mutes and escaping, `tables → {correlate, source, pseudonyms}` for rows,
//! the names that mark a folder of tables, and what is hidden. `trace → {tables, classify}`, and `report` for how
//! numbers and hostile text are shown.
//! `report` knows neither polars nor clap; `event` knows nobody.
//!
//! # The laws that the code keeps
//!
//! Every line read is counted once ([`correlate::coverage`]); the same input gives the same bytes for any number of
//! threads ([`correlate::Part`]); every row says its source and line; what the logs cannot show is "not assessable"
//! and never zero; log text is hostile and is escaped where it goes ([`report::escape`]).

pub mod classify;
pub mod cli;
pub mod commands;
pub mod config;
pub mod correlate;
pub mod event;
pub mod formats;
pub mod groups;
pub mod pseudonyms;
pub mod query;
pub mod report;
pub mod source;
pub mod strings;
pub mod syslog;
pub mod tables;
pub mod trace;
