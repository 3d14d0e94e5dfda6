//! How far reading has come: a bar on standard error, when that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Counts bytes read from disk.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar for so many bytes; silent when asked to be, or when standard error is no terminal.
    pub fn new(bytes: u64, quiet: bool) -> Self {
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(bytes), target);
        let style = "{bar:32} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        bar.set_style(
            ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Progress(bar)
    }

    /// So many more were read.
    pub fn add(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// All are read.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
