//! How long each stage took, for `--timings`: on standard error, as it differs from run to run.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::machine;

/// A stage with its wall time and, where the system tells, the CPU time that the process spent meanwhile.
#[derive(Clone, Debug)]
struct Stage {
    name: String,
    wall: Duration,
    cpu: Option<Duration>,
    /// Bytes that went through, where it makes sense to ask.
    bytes: Option<u64>,
    /// It is one of many queries, of which the most expensive are shown.
    is_query: bool,
}

/// Queries that are shown.
const SHOWN: usize = 10;

/// Stages in the order in which they ended; nothing is noted unless they were asked for. Clones share one list.
#[derive(Clone, Debug, Default)]
pub struct Timings(Option<Arc<Mutex<Vec<Stage>>>>);

impl Timings {
    /// None yet.
    pub fn new(asked: bool) -> Self {
        Timings(asked.then(Arc::default))
    }

    /// Runs a stage and notes its time.
    pub fn of<T>(&self, stage: &str, run: impl FnOnce() -> T) -> T {
        self.with_bytes(stage, run, |_| None)
    }

    /// Runs one of many queries and notes its time.
    pub fn query<T>(&self, name: &str, run: impl FnOnce() -> T) -> T {
        self.noted(name, run, |_| None, true)
    }

    /// The same for a stage whose result says how many bytes went through.
    pub fn with_bytes<T>(
        &self,
        stage: &str,
        run: impl FnOnce() -> T,
        bytes: impl FnOnce(&T) -> Option<u64>,
    ) -> T {
        self.noted(stage, run, bytes, false)
    }

    fn noted<T>(
        &self,
        stage: &str,
        run: impl FnOnce() -> T,
        bytes: impl FnOnce(&T) -> Option<u64>,
        is_query: bool,
    ) -> T {
        let Some(stages) = &self.0 else {
            return run();
        };
        let (start, cpu) = (Instant::now(), cpu_time());
        let result = run();
        let wall = start.elapsed();
        let cpu = cpu_time()
            .zip(cpu)
            .map(|(after, before)| after.saturating_sub(before));
        let stage = Stage {
            name: stage.to_owned(),
            wall,
            cpu,
            bytes: bytes(&result),
            is_query,
        };
        stages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(stage);
        result
    }

    /// Prints them, when they were asked for.
    ///
    /// # Errors
    /// Those of standard error.
    pub fn print(&self) -> io::Result<()> {
        let mut out = io::stderr().lock();
        self.lines()
            .iter()
            .try_for_each(|line| writeln!(out, "{line}"))?;
        match machine::peak_memory().filter(|_| self.0.is_some()) {
            Some(bytes) => writeln!(out, "{:9.0} MB of memory at most", bytes as f64 / 1e6),
            None => Ok(()),
        }
    }

    /// One line a stage: wall milliseconds, CPU milliseconds, megabytes of decoded log a second of wall, name. Of
    /// stages that run side by side, the CPU time is that of all of them. Then the most expensive queries, and what the
    /// others took together.
    fn lines(&self) -> Vec<String> {
        let Some(stages) = &self.0 else {
            return Vec::new();
        };
        let stages = stages.lock().unwrap_or_else(PoisonError::into_inner);
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let cpu = |stage: &Stage| {
            stage
                .cpu
                .map_or_else(|| "-".into(), |cpu| format!("{:.0}", ms(cpu)))
        };
        let rate = |stage: &Stage| {
            stage.bytes.map_or_else(String::new, |bytes| {
                format!(
                    "{:.0} MB/s",
                    bytes as f64 / 1e6 / stage.wall.as_secs_f64().max(1e-6)
                )
            })
        };
        let line = |s: &Stage| {
            let (wall, cpu, rate) = (ms(s.wall), cpu(s), rate(s));
            format!("{wall:9.1} ms wall {cpu:>6} ms cpu {rate:>10}  {}", s.name)
        };
        let (mut queries, stages): (Vec<&Stage>, Vec<&Stage>) =
            stages.iter().partition(|stage| stage.is_query);
        queries.sort_by(|a, b| b.wall.cmp(&a.wall).then(a.name.cmp(&b.name)));
        let others = queries.split_off(SHOWN.min(queries.len()));
        let mut lines: Vec<String> = stages.into_iter().map(line).collect();
        // Queries run side by side, so what a single one took of the CPU is not known.
        let wall =
            |wall: Duration| format!("{:9.1} ms wall {:>6} ms cpu {:>10}", ms(wall), "-", "");
        let of_query = |stage: &Stage| format!("{}    {}", wall(stage.wall), stage.name);
        lines.extend(queries.into_iter().map(of_query));
        if !others.is_empty() {
            let sum: Duration = others.iter().map(|stage| stage.wall).sum();
            lines.push(format!("{}    {} other queries", wall(sum), others.len()));
        }
        lines
    }
}

/// CPU time of the process so far, from `/proc/self/stat` (Linux), in ticks of 10 ms.
fn cpu_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The command's name, in parentheses, may hold blanks; user and system time are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields
        .split_ascii_whitespace()
        .skip(11)
        .map_while(|field| field.parse::<u64>().ok());
    Some(Duration::from_millis(10 * (ticks.next()? + ticks.next()?)))
}
