//! `--pseudonymise`: the key, what is hidden of what was read, the map.
//!
//! Everything that a command shows comes out of [`super::load`], and is hidden there once; paths, hosts and keys of the
//! command line are hidden where they are shown ([`Options::shown`]). Tables that were converted with pseudonyms say so
//! ([`Marking`]), and are never joined with such as were not.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};

use super::load::{Loaded, Options};
use super::options::usage;
use crate::cli::{HiddenToo, Kept, PrivacyArgs};
use crate::pseudonyms::{Also, Holds, LEAST_KEY, Marking, Pseudonyms};
use crate::report::case::{Case, CaseFile};
use crate::report::csv;
use crate::source::Source;
use crate::tables::build::{SourceRow, Wanted};
use crate::tables::hide;
use crate::tables::schema::TABLES;
use crate::tables::select::{Entity, Selection};
use crate::tables::store::{self, Store};

/// How a key is made.
const MAKE: &str =
    "make a key with `head -c 32 /dev/urandom > keyfile`, and keep it as secret as the logs";

/// Pseudonyms, and where their map goes.
#[derive(Clone, Debug)]
pub struct Privacy {
    /// Makes them.
    pub pseudonyms: Arc<Pseudonyms>,
    keyfile: PathBuf,
    map: Option<PathBuf>,
}

impl Privacy {
    /// As the command line wants it. `outputs` are folders that are passed on, where the map must not be.
    ///
    /// # Errors
    /// No such key, a short one, a map that is there already or would lie in an output.
    pub fn new(args: &PrivacyArgs) -> Result<Option<Privacy>> {
        let Some(keyfile) = &args.pseudonymise else {
            return Ok(None);
        };
        let wrong =
            |why: String| usage(format!("--pseudonymise {}: {why}", keyfile.display()), MAKE);
        let key = fs::read(keyfile).map_err(|error| wrong(error.to_string()))?;
        let also = Also {
            domains: args.pseudonymise_also.contains(&HiddenToo::Domains),
            networks: args.pseudonymise_also.contains(&HiddenToo::Networks),
            roles: !args.pseudonymise_keep.contains(&Kept::Roles),
        };
        let map = args.pseudonym_map.clone();
        if let Some(path) = map.as_ref().filter(|path| path.symlink_metadata().is_ok()) {
            return Err(usage(
                format!("--pseudonym-map {}: there is a file", path.display()),
                "name a new file: a map is never written over",
            ));
        }
        let pseudonyms = Pseudonyms::new(&key, also, map.is_some());
        let pseudonyms =
            pseudonyms.map_err(|why| wrong(format!("{why} ({LEAST_KEY} to 64 are of use)")))?;
        Ok(Some(Privacy {
            pseudonyms: Arc::new(pseudonyms),
            keyfile: keyfile.clone(),
            map,
        }))
    }

    /// Every source is listed with its hash, and a hash of the key must be nowhere: a short key could be guessed by it.
    ///
    /// # Errors
    /// The key file is one of the sources.
    pub fn keep_key_out_of(&self, found: &[Source]) -> Result<()> {
        let Ok(key) = fs::canonicalize(&self.keyfile) else {
            return Ok(());
        };
        let is_key =
            |source: &&Source| fs::canonicalize(&source.file).is_ok_and(|file| file == key);
        match found.iter().find(is_key) {
            None => Ok(()),
            Some(_) => Err(usage(
                format!(
                    "--pseudonymise {}: lies among the logs",
                    self.keyfile.display()
                ),
                "keep the key elsewhere: what is read is listed with its hash",
            )),
        }
    }

    /// Writes the map, where one is asked for.
    ///
    /// # Errors
    /// A file that is there meanwhile, a folder that is not ours to write.
    fn write_map(&self) -> Result<()> {
        let Some(path) = &self.map else {
            return Ok(());
        };
        let rows = self.pseudonyms.originals();
        let rows = rows
            .iter()
            .map(|(own, kind, original)| [own.as_str(), *kind, original.as_str()]);
        let content = csv::texts(["pseudonym", "kind", "original"], rows)
            .map_err(|error| anyhow!("{error}"))?;
        let write = || owners_alone(path)?.write_all(&content);
        write().with_context(|| format!("--pseudonym-map {}: cannot be written", path.display()))
    }
}

/// A new file that nobody else can read.
fn owners_alone(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

impl Options {
    /// A text of the command line as it is shown.
    pub fn shown(&self, holds: Holds, text: &str) -> String {
        match &self.privacy {
            None => text.to_owned(),
            Some(privacy) => privacy.pseudonyms.hide(holds, text),
        }
    }

    /// The key of `--about` as it is shown.
    pub fn shown_key(&self, key: &str) -> String {
        match (&self.privacy, Entity::new(key)) {
            (Some(privacy), Ok(entity)) => hidden(&entity, &privacy.pseudonyms).key().to_owned(),
            _ => self.shown(Holds::Text, key),
        }
    }

    /// A case as it is shown: who asks and who examines stand there by name, with no address; the rest is free text.
    pub fn shown_case(&self, case: CaseFile) -> CaseFile {
        if self.privacy.is_none() {
            return case;
        }
        let before = case.header.clone();
        let Case {
            reference,
            purpose,
            requester,
            examiner,
            authority,
            handling,
        } = case.header;
        let text = |text: String| self.shown(Holds::Text, &text);
        let name = |name: String| self.shown(Holds::Term, &name);
        let header = Case {
            reference: text(reference),
            purpose: purpose.map(text),
            requester: requester.map(name),
            examiner: examiner.map(name),
            authority: authority.map(text),
            handling: handling.map(text),
        };
        // With all of a file known but a name, its hash would tell whether one that is guessed fits.
        let sha256 = case.sha256.filter(|_| header == before);
        CaseFile {
            file: self.shown(Holds::Path, &case.file),
            sha256,
            header,
        }
    }

    /// Local domains, as given, as they are shown; sorted.
    pub fn shown_domains(&self) -> Vec<String> {
        let domains = self.local_domains.iter();
        let mut shown: Vec<String> = domains.map(|d| self.shown(Holds::Domain, d)).collect();
        shown.sort_unstable();
        shown
    }

    /// Writes what pseudonyms stand for, where that is asked for. Comes after everything that makes some.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write_map(&self) -> Result<()> {
        self.privacy.as_ref().map_or(Ok(()), Privacy::write_map)
    }

    /// The map is for whoever may know: it must not lie where the result does.
    ///
    /// # Errors
    /// It does.
    pub fn keep_map_out_of(&self, out: &Path) -> Result<()> {
        let map = self
            .privacy
            .as_ref()
            .and_then(|privacy| privacy.map.as_ref());
        let Some(map) = map else {
            return Ok(());
        };
        let whole = |path: &Path| {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            let known = path.ancestors().find_map(|known| {
                let rest = path.strip_prefix(known).ok()?;
                Some(fs::canonicalize(known).ok()?.join(rest))
            });
            known.unwrap_or(path)
        };
        if whole(map).starts_with(whole(out)) {
            return Err(usage(
                format!("--pseudonym-map {}: in {}", map.display(), out.display()),
                "the folder is passed on, the map is not: name a file elsewhere",
            ));
        }
        Ok(())
    }

    /// Columns to build: what is looked for in free text has to be known first.
    pub(super) fn wanted_with_names(&self) -> Wanted {
        let wanted = self.wanted.clone();
        match self.privacy {
            None => wanted,
            Some(_) => wanted.add(TABLES.iter().map(|table| table.name), [hide::NAMING]),
        }
    }
}

/// What was read, without persons; the names of these logs are known from now on.
pub fn hide(mut loaded: Loaded, pseudonyms: &Arc<Pseudonyms>) -> Result<Loaded> {
    loaded.tables = hide::tables(loaded.tables, pseudonyms)?;
    loaded.before = hide::tables(loaded.before, pseudonyms)?;
    hide_sources(&mut loaded.sources, pseudonyms);
    hide_paths(&mut loaded, pseudonyms);
    each(&mut loaded.local_domains, Holds::Domain, pseudonyms);
    loaded.local_domains.sort_unstable();
    loaded.hidden = Some(pseudonyms.marking());
    Ok(loaded)
}

/// The same of files that were not read.
pub fn hide_paths(loaded: &mut Loaded, pseudonyms: &Pseudonyms) {
    each(&mut loaded.left_out, Holds::Path, pseudonyms);
    each(&mut loaded.unreadable, Holds::Path, pseudonyms);
}

fn each(texts: &mut [String], holds: Holds, pseudonyms: &Pseudonyms) {
    for text in texts {
        *text = pseudonyms.hide(holds, text);
    }
}

/// The same of what is known of sources.
pub fn hide_sources(sources: &mut [SourceRow], pseudonyms: &Pseudonyms) {
    let hide = |text: &mut Option<String>, holds: Holds| {
        if let Some(text) = text {
            *text = pseudonyms.hide(holds, text);
        }
    };
    for source in sources {
        source.found = Some((source.path.clone(), source.member.clone()));
        source.path = pseudonyms.hide(Holds::Path, &source.path);
        hide(&mut source.member, Holds::Path);
        hide(&mut source.hosts, Holds::Server);
        hide(&mut source.problem, Holds::Text);
    }
}

/// What is selected from tables that are hidden already. Of the domain of a host, what ends in a registered domain is
/// found; a longer key finds only domains of addresses.
pub fn selection(selection: &Selection, pseudonyms: &Pseudonyms) -> Selection {
    let hosts = selection.hosts.iter();
    Selection {
        hosts: hosts
            .map(|host| pseudonyms.hide(Holds::Server, host))
            .collect(),
        about: selection
            .about
            .as_ref()
            .map(|entity| hidden(entity, pseudonyms)),
        ..selection.clone()
    }
}

fn hidden(entity: &Entity, pseudonyms: &Pseudonyms) -> Entity {
    match entity {
        Entity::Address(key) => {
            Entity::Address(pseudonyms.hide(Holds::Address, key).to_lowercase())
        }
        Entity::Ip(key) => Entity::Ip(pseudonyms.hide(Holds::Ip, key)),
        Entity::Domain(key) => Entity::Domain(pseudonyms.hide(Holds::Domain, key).to_lowercase()),
        Entity::QueueId(key) => Entity::QueueId(pseudonyms.hide(Holds::Term, key)),
        Entity::MessageId(key) => Entity::MessageId(pseudonyms.hide(Holds::MessageId, key)),
        Entity::User(key) => Entity::User(pseudonyms.hide(Holds::User, key).to_lowercase()),
        Entity::AnyOf(ways) => {
            Entity::AnyOf(ways.iter().map(|way| hidden(way, pseudonyms)).collect())
        }
    }
}

/// Tables with pseudonyms are read with the key that made them, or without any.
///
/// # Errors
/// Another key, or other things hidden.
pub fn check_key(folder: &Path, own: &Marking, options: &Options) -> Result<()> {
    let given = options
        .privacy
        .as_ref()
        .map(|privacy| privacy.pseudonyms.marking());
    match given {
        Some(given) if given != *own => Err(usage(
            format!(
                "{}: its pseudonyms are of {own}, not of {given}",
                folder.display()
            ),
            "give the key file and the --pseudonymise-also that the tables were converted with, or neither",
        )),
        _ => Ok(()),
    }
}

/// Raw lines are of persons, which tables hide that were converted with pseudonyms: the names to hide in them are not
/// known any more.
///
/// # Errors
/// There are such tables.
pub fn refuse_raw_lines(paths: &[PathBuf]) -> Result<()> {
    let folders = paths.iter().filter(|path| store::is_store(path));
    for folder in folders {
        // One that cannot be opened is told of when it is read.
        if Store::open(folder).is_ok_and(|store| store.marking().is_some()) {
            return Err(usage(
                format!(
                    "--evidence: {} hides persons, and the raw lines of its logs name them",
                    folder.display()
                ),
                "leave --evidence out, or name the logs themselves, with --pseudonymise and the key file",
            ));
        }
    }
    Ok(())
}

/// What is read together is all hidden, or all not.
///
/// # Errors
/// It is not.
pub fn check_alike(one: Option<&Marking>, other: Option<&Marking>) -> Result<()> {
    if one == other {
        return Ok(());
    }
    Err(usage(
        "tables with pseudonyms and logs or tables without are not joined: the same person would be two".into(),
        "add --pseudonymise with the key file of these tables, convert the others with it too, or leave one of them out",
    ))
}
