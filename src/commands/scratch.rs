//! A temporary folder that goes when the program does, whichever way.
//!
//! It is removed when its owner is dropped, and on the signals that ask a program to end. A program that is killed
//! outright leaves it behind: the folder holds a lock, and whoever makes the next one removes those whose lock nobody
//! has.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::tables::store::is_store;

/// Beginning of the names of our folders in the system's folder for temporary files.
const PREFIX: &str = "mtaudit-";

/// A folder is ours only with this in it. Folders of tables that are kept have a lock of another name.
const LOCK: &str = "mtaudit-scratch.lock";

/// The folder; it is removed when this is dropped.
pub struct Scratch {
    dir: PathBuf,
    /// Locked while the folder is in use.
    _lock: File,
}

impl Scratch {
    /// A new folder, readable by its owner alone.
    ///
    /// # Errors
    /// The system's folder for temporary files cannot be written.
    pub fn new() -> Result<Scratch> {
        let parent = std::env::temp_dir();
        sweep(&parent);
        let what = || {
            format!(
                "{}: cannot make a temporary folder for tables that do not fit in memory\n\
                 hint: set TMPDIR to a folder with room, name one by --store, or raise --memory",
                parent.display()
            )
        };
        // Hidden until it is locked, so that nobody takes it for one that was left behind.
        let hidden = tempfile::Builder::new()
            .prefix(&format!(".{PREFIX}"))
            .tempdir_in(&parent)
            .with_context(what)?;
        let lock = lock(hidden.path(), true).with_context(what)?;
        let hidden = hidden.keep();
        let name = hidden.file_name().and_then(|name| name.to_str());
        let dir = parent.join(name.unwrap_or_default().trim_start_matches('.'));
        fs::rename(&hidden, &dir).with_context(what)?;
        remove_on_signals(&dir)?;
        Ok(Scratch { dir, _lock: lock })
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // There is nobody to tell; the next run tries again.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The locked lock of a folder; a plain file, as a stranger's pipe of that name would be waited for.
fn lock(dir: &Path, create: bool) -> std::io::Result<File> {
    let path = dir.join(LOCK);
    if !create && !fs::symlink_metadata(&path)?.is_file() {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(create).open(path)?;
    file.try_lock().map_err(std::io::Error::from)?;
    Ok(file)
}

/// Removes folders of programs that were killed.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let is_dir = is_dir && !is_store(&entry.path());
        // Its lock is held until it is gone, so that two runs do not remove one folder.
        if ours
            && is_dir
            && let Ok(_lock) = lock(&entry.path(), false)
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Removes the folder when a signal asks the program to end, and ends it as the signal would.
#[cfg(unix)]
fn remove_on_signals(dir: &Path) -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    let asked = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];
    let asked = asked.iter().filter(|signal| !is_ignored(**signal));
    let mut signals =
        signal_hook::iterator::Signals::new(asked).context("cannot watch for signals")?;
    let dir = dir.to_owned();
    let watch = move || {
        for signal in signals.forever() {
            // Files may still be added while it is taken apart.
            for _ in 0..16 {
                if fs::remove_dir_all(&dir).is_ok() || !dir.exists() {
                    break;
                }
            }
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(watch)
        .context("cannot start threads")?;
    Ok(())
}

/// Whoever began this program wants it to go on when that signal comes, as `nohup` does (Linux's proc(5)).
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

#[cfg(not(unix))]
fn remove_on_signals(_: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_nobody_holds_is_swept_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let make = |name: &str, locked: bool| {
            let dir = parent.path().join(name);
            fs::create_dir_all(dir.join("messages")).unwrap();
            locked.then(|| lock(&dir, true).unwrap())
        };
        let held = make("mtaudit-held", true);
        drop(make("mtaudit-left", true));
        make("mtaudit-of-a-stranger", false);
        drop(make("mtaudit-kept", true));
        fs::write(parent.path().join("mtaudit-kept/mtaudit.json"), "{}").unwrap();
        drop(make("other", true));
        sweep(parent.path());
        let mut left: Vec<_> = fs::read_dir(parent.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let kept = [
            "mtaudit-held",
            "mtaudit-kept",
            "mtaudit-of-a-stranger",
            "other",
        ];
        assert_eq!(left, kept);
        drop(held);
    }
}
