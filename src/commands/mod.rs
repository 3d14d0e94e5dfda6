//! One file a command; what they share is [`load`] (paths to tables) and [`options`] (words to values).
//!
//! Data goes to standard output, talk to standard error, and a closed pipe is success. The exit code is decided
//! here: 0 complete, 1 no result, 2 usage, 3 result written but the evidence is incomplete.

mod asked;
pub mod blocks;
pub mod configured;
mod convert;
mod coverage;
mod custody;
mod evidence;
mod init;
mod inspect;
mod lanes;
pub mod load;
mod lookup;
mod machine;
mod options;
mod overlap;
mod print;
pub mod privacy;
mod progress;
mod proof;
mod provenance;
mod queries;
mod query;
mod readers;
mod rebuild;
mod report;
mod rotation;
mod scratch;
mod show;
mod sources;
pub mod spill;
mod statement;
mod stores;
mod tables;
pub mod timings;
mod trace;
mod verify;
mod windows;
pub mod year;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Command};

/// What a command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Everything named was read.
    Complete,
    /// The result is there; a source is damaged, unreadable or not text, or is not what a report says of it.
    Incomplete,
    /// There is nothing to show.
    Empty,
}

/// A mistake in what was asked, found before any work: exit code 2.
#[derive(Debug)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Runs the command line.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and succeed; a closed pipe is no concern of ours.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match with_stack(move || run(cli.command)) {
        Ok(Done::Complete) => ExitCode::SUCCESS,
        Ok(Done::Empty) => ExitCode::from(1),
        Ok(Done::Incomplete) => ExitCode::from(3),
        Err(error) if closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

/// Planning a query recurses deeply, deeper than the stacks that some systems give; a thread of our own has enough.
const STACK: usize = 256 << 20;

fn with_stack(run: impl FnOnce() -> Result<Done> + Send) -> Result<Done> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("mtaudit".into())
            .stack_size(STACK);
        let handle = thread.spawn_scoped(scope, run)?;
        handle.join().unwrap_or_else(|_| {
            anyhow::bail!("this is a defect of mtaudit; the message above says where")
        })
    })
}

fn run(command: Command) -> Result<Done> {
    match command {
        Command::Report(args) => report::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Trace(args) => trace::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Sql(args) => query::sql(&args),
        Command::Queries(args) => queries::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "mtaudit", &mut script);
            print::bytes(&script)
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            print::bytes(&page)
        }
    }
}

fn closed_pipe(error: &anyhow::Error) -> bool {
    let io = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
