//! The command line, and nothing else knows clap.
//!
//! What the user typed becomes the plain options of [`crate::commands`]; the help text, the completions and
//! the man page come from the same definitions.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

/// Forensic and audit reports from mail-server logs.
#[derive(Parser, Debug)]
#[command(name = "mtaudit", version, about, long_about = LONG_ABOUT, max_term_width = 100)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const LONG_ABOUT: &str = "Reads the SMTP logs of mail servers as they lie in archives (rotated, compressed, from \
many hosts) and writes reports on capacity, delivery failures, spam and unauthorised access, each number with \
the lines it rests on.\n\nExit codes: 0 complete, 1 no result, 2 usage, 3 result written but the evidence is \
incomplete (a source is damaged, unreadable or not text); of verify and show: something is not as the report says.";

/// The commands of design section 6.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Write a report folder: HTML, Markdown, JSON, CSV tables, manifest and checksums
    Report(ReportArgs),
    /// Tell the way of a message, or what became of all mail of an address, domain, client or user
    Trace(TraceArgs),
    /// Run one named query
    Query(QueryArgs),
    /// Run any SQL over the tables
    Sql(SqlArgs),
    /// List the named queries; describe one
    Queries(QueriesArgs),
    /// Check a report: its files, its evidence, and with --rebuild whether it can be made again
    Verify(VerifyArgs),
    /// Print raw lines of logs, as `file:line` of a report names them
    Show(ShowArgs),
    /// Say what is here: sources, formats, periods, coverage
    Inspect(InspectArgs),
    /// Write the tables as Parquet, for other engines and for later runs
    Convert(ConvertArgs),
    /// Write a configuration to begin with, from what the logs show
    Init(InitArgs),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff)
    Man,
}

/// `mtaudit report`.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// Which report: capacity, incident, audit, or a folder of --templates (default: audit), then the logs
    #[arg(value_name = "[KIND] PATH", required = true, num_args = 1.., value_hint = ValueHint::AnyPath)]
    pub words: Vec<PathBuf>,
    /// Folder to write to: new, empty, or an earlier report
    #[arg(short, long, value_name = "DIR", default_value = "report", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// Restrict the report to what touches this address, IP address, domain or queue ID
    #[arg(long, value_name = "KEY")]
    pub about: Option<String>,
    /// Folder with templates that add to or replace the built-in ones
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub templates: Option<PathBuf>,
    /// Case header to put on the first page (TOML: reference, purpose, requester, examiner, authority, handling);
    /// sources are then hashed again after they were read
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub case: Option<PathBuf>,
    /// Write the raw lines behind each finding to evidence/
    #[arg(long)]
    pub evidence: bool,
    /// Time to print as that of the report (RFC 3339); SOURCE_DATE_EPOCH does the same
    #[arg(long, value_name = "TIME")]
    pub generated_at: Option<String>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub library: LibraryArgs,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub input: InputArgs,
}

/// `mtaudit trace`.
#[derive(Args, Debug)]
pub struct TraceArgs {
    /// What to look for: a queue ID, Message-ID, mail address, domain, IP address, or the name of a user
    pub key: String,
    /// Files and folders with logs, folders written by `convert`
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t = TraceFormat::Text)]
    pub format: TraceFormat,
    /// Messages to show at most, and as many steps that belong to no message
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub limit: u64,
    /// Which come first, and are shown where there are more
    #[arg(long, value_enum, default_value_t = Order::Newest)]
    pub order: Order,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub input: InputArgs,
}

/// `mtaudit query`.
#[derive(Args, Debug)]
pub struct QueryArgs {
    /// Name of the query: `section/stem`, or the stem alone
    pub name: String,
    /// Files and folders with logs, folders written by `convert`
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// How to print the rows
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub library: LibraryArgs,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub input: InputArgs,
}

/// `mtaudit sql`.
#[derive(Args, Debug)]
pub struct SqlArgs {
    /// The statement, over the tables sources, messages, attempts, deliveries, rejections, sessions, logins,
    /// verdicts, server_events, line_shapes, activity, clock_steps, ignored_lines
    pub statement: String,
    /// Files and folders with logs, folders written by `convert`
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// How to print the rows
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub input: InputArgs,
}

/// `mtaudit verify`.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// Folder of the report
    #[arg(value_name = "REPORT", value_hint = ValueHint::DirPath)]
    pub report: PathBuf,
    /// Where the sources are now; they are known by their SHA-256 (default: the paths that the report names, from
    /// the current folder)
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// Make the report again and compare it byte by byte
    #[arg(long)]
    pub rebuild: bool,
    /// Where the report's configuration is now (default: the path that the report names, from the current folder)
    #[arg(long, value_name = "FILE", requires = "rebuild", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// The key file of a report that hides persons, to make it again
    #[arg(long, value_name = "KEYFILE", requires = "rebuild", value_hint = ValueHint::FilePath)]
    pub pseudonymise: Option<PathBuf>,
    /// Threads to use (default: one for each core)
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Say only what differs
    #[arg(short, long)]
    pub quiet: bool,
}

/// `mtaudit show`.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// Folder of a report, or files and folders with logs; then lines as `file:line` or `file:from-to`
    #[arg(value_name = "REPORT_OR_PATH... FILE:LINE", required = true, num_args = 2.., value_hint = ValueHint::AnyPath)]
    pub words: Vec<PathBuf>,
    /// Lines to print before and after each
    #[arg(short = 'C', long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=10_000))]
    pub context: u64,
}

/// `mtaudit queries`.
#[derive(Args, Debug)]
pub struct QueriesArgs {
    /// Describe this query instead of listing all
    pub name: Option<String>,
    /// Folder with queries that add to or replace the built-in ones
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub queries: Option<PathBuf>,
}

/// `mtaudit inspect`.
#[derive(Args, Debug)]
pub struct InspectArgs {
    /// Files and folders with logs, folders written by `convert`
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// How to print the rows
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub input: InputArgs,
}

/// `mtaudit convert`.
#[derive(Args, Debug)]
pub struct ConvertArgs {
    /// Files and folders with logs
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// Folder for the tables: new, empty, or one that holds some, to which these are added
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub read: ReadArgs,
}

/// `mtaudit init`.
#[derive(Args, Debug)]
pub struct InitArgs {
    /// Files and folders with logs, folders written by `convert`
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// File to write
    #[arg(short, long, value_name = "FILE", default_value = "mtaudit.toml", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Which queries, with which parameters.
#[derive(Args, Debug)]
pub struct LibraryArgs {
    /// Folder with queries that add to or replace the built-in ones
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub queries: Option<PathBuf>,
    /// Set a query's parameter, for all queries that have it or as `query.name=value` for one
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub params: Vec<String>,
}

/// Which rows of which logs, and how to read them.
#[derive(Args, Debug)]
pub struct InputArgs {
    /// Only this month, YYYY-MM
    #[arg(long, value_name = "MONTH", conflicts_with_all = ["since", "until"])]
    pub month: Option<String>,
    /// Only from this time on: 2026-10-01, 2026-10-01T12:00, or RFC 3339
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Compare with this earlier period: 2026-09, 2026-09-01..2026-09-15, or none (default: the month before
    /// --month; before --since and --until, a period of the same length)
    #[arg(long, value_name = "PERIOD")]
    pub baseline: Option<String>,
    /// Only this host, as logged; can be repeated
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,
    /// Write the tables of all logs to this new folder, as `convert` does, and go on from there
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub store: Option<PathBuf>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub read: ReadArgs,
}

/// How to read logs.
#[derive(Args, Debug)]
pub struct ReadArgs {
    /// Configuration (TOML; `mtaudit init` writes one): local domains, networks, holidays, limits, thresholds, known
    /// findings, name and logo. Only the file named here is read
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Zone of log times without an offset, and of days and hours in reports (IANA name)
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub timezone: String,
    /// Year of each source's first line, where neither the lines nor the time in queue IDs tell it (default: from
    /// the path, other sources of the host, the gzip header, or the file's mtime)
    #[arg(long, value_name = "YEAR", value_parser = clap::value_parser!(i32).range(1970..=2200))]
    pub year: Option<i32>,
    /// A domain of ours, for directions; can be repeated (default: domains seen in local delivery)
    #[arg(long = "local-domain", value_name = "DOMAIN")]
    pub local_domains: Vec<String>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub privacy: PrivacyArgs,
    /// Threads to use (default: one for each core)
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Memory that logs and tables may take: 512M, 4G; what does not fit goes to files, with the same results
    /// (default: a quarter of the machine's memory, at most 4G)
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory: Option<u64>,
    /// Bytes that one file, or one member of an archive, may decode to (default: 250 times its size, at least 64M)
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_decoded: Option<u64>,
    /// Print how long each stage took
    #[arg(long)]
    pub timings: bool,
    /// No progress bar and no closing line
    #[arg(short, long)]
    pub quiet: bool,
}

/// Who is not to be recognised in what is written.
#[derive(Args, Debug)]
pub struct PrivacyArgs {
    /// Replace local parts, user names, client names and addresses, Message-IDs and subjects everywhere by pseudonyms made
    /// with this file's bytes as key (at least 16)
    #[arg(long, value_name = "KEYFILE", value_hint = ValueHint::FilePath)]
    pub pseudonymise: Option<PathBuf>,
    /// Hide domains and networks too, which are kept otherwise
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        value_delimiter = ',',
        requires = "pseudonymise"
    )]
    pub pseudonymise_also: Vec<HiddenToo>,
    /// Keep mailboxes of roles (RFC 2142: postmaster, abuse …), which are hidden like others otherwise
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        value_delimiter = ',',
        requires = "pseudonymise"
    )]
    pub pseudonymise_keep: Vec<Kept>,
    /// Write what each pseudonym stands for to this new file, for its owner alone
    #[arg(long, value_name = "FILE", requires = "pseudonymise", value_hint = ValueHint::FilePath)]
    pub pseudonym_map: Option<PathBuf>,
}

/// What pseudonyms can hide beside persons.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum HiddenToo {
    /// Domains of addresses and hosts
    Domains,
    /// The networks of IP addresses
    Networks,
}

/// What pseudonyms can leave.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Mailboxes of roles
    Roles,
}

/// How rows are printed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns
    Table,
    /// RFC 4180, formula-safe
    Csv,
    /// An array of objects
    Json,
    /// A Markdown table
    Md,
}

/// How a trace is printed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceFormat {
    /// Lines for the terminal
    Text,
    /// One object
    Json,
    /// A page that needs nothing else
    Html,
    /// Markdown
    Md,
}

/// Which messages come first.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The last that came in
    Newest,
    /// The first that came in
    Oldest,
}

/// Less than this holds neither the blocks on their way nor a window of log.
const LEAST: u64 = 32 << 20;

/// Bytes, or with a letter thousands of them by two's powers: 64M, 1.5G.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || {
        format!(
            "give a size of at least {}M, such as 512M or 4G",
            LEAST >> 20
        )
    };
    let upper = text.trim().to_ascii_uppercase();
    let bare = upper.trim_end_matches('B').trim_end_matches('I');
    let (digits, unit) = match bare.as_bytes().last() {
        Some(b'K') => (&bare[..bare.len() - 1], 1u64 << 10),
        Some(b'M') => (&bare[..bare.len() - 1], 1 << 20),
        Some(b'G') => (&bare[..bare.len() - 1], 1 << 30),
        Some(b'T') => (&bare[..bare.len() - 1], 1 << 40),
        _ => (bare, 1),
    };
    let number: f64 = digits.trim().parse().map_err(|_| wrong())?;
    let bytes = number * unit as f64;
    // What is no number, or beyond what a machine can have, is refused with what is too small.
    if (LEAST as f64..1e18).contains(&bytes) {
        Ok(bytes as u64)
    } else {
        Err(wrong())
    }
}

/// More threads than this help nobody, and a system may refuse them.
fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads @ 1..=256) => Ok(threads),
        _ => Err("give a number from 1 to 256".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("512M", 512 << 20),
            ("1.5g", 3 << 29),
            ("64MiB", 64 << 20),
            ("64 MB", 64 << 20),
            ("40000000", 40_000_000),
        ] {
            assert_eq!(super::size(text), Ok(bytes), "{text}");
        }
        for text in [
            "", "M", "1M", "-4G", "NaN", "1e99G", "infG", "4X", "0", "G4",
        ] {
            assert!(super::size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn definitions_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
