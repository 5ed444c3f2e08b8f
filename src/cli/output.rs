//! Where results go: checked before the work that makes them.

use super::exit::{Exit, NotWritable};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

const STDOUT: &str = "/dev/stdout";

/// A file that will be written, or stdout.
#[derive(Clone, Debug)]
pub(super) struct Target(PathBuf);

impl Target {
    /// Fails where the file could not be written now; leaves what is there untouched.
    pub(super) fn new(path: PathBuf) -> anyhow::Result<Self> {
        // The library's writers know this name on every system.
        let target = Self(if path == Path::new("-") { STDOUT.into() } else { path });
        match target.probe() {
            Ok(()) => Ok(target),
            Err(e) => Err(NotWritable(format!("{}: {e}", target.0.display())).into()),
        }
    }

    fn probe(&self) -> io::Result<()> {
        if self.is_stdout() || self.0 == Path::new("/dev/stderr") {
            return Ok(());
        }
        let existing = match fs::metadata(&self.0) {
            Ok(meta) if meta.is_dir() => return Err(ErrorKind::IsADirectory.into()),
            // A pipe would block until it has a reader.
            Ok(meta) if !meta.is_file() => return Ok(()),
            Ok(_) => fs::canonicalize(&self.0)?,
            Err(e) if e.kind() == ErrorKind::NotFound => self.0.clone(),
            Err(e) => return Err(e),
        };
        if existing.exists() {
            OpenOptions::new().append(true).open(&existing)?;
        }
        // Files are written beside their place and then renamed, so it is the folder that counts.
        let name = existing.file_name().ok_or(ErrorKind::InvalidInput)?.to_string_lossy();
        let short: String = name.chars().take(50).collect();
        let probe = existing.with_file_name(format!(".{short}.{}.probe", std::process::id()));
        OpenOptions::new().write(true).create_new(true).open(&probe)?;
        fs::remove_file(probe)
    }

    pub(super) fn is_stdout(&self) -> bool {
        self.0 == Path::new(STDOUT)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes `text` whole or not at all.
    pub(super) fn write(&self, text: &[u8]) -> anyhow::Result<()> {
        self.wrote(krylane::io::write_whole(&self.0, |out| out.write_all(text)))
    }

    /// Turns the library's error about this file into the environment's.
    pub(super) fn wrote(&self, result: krylane::Result<()>) -> anyhow::Result<()> {
        match result {
            Err(krylane::Error::Io { source, .. }) if self.is_stdout() && source.kind() == ErrorKind::BrokenPipe => {
                Ok(())
            }
            result => result.map_err(|e| NotWritable(e.to_string()).into()),
        }
    }
}

/// Refuses two results for one place, of which only the last would be left.
pub(super) fn distinct(targets: &[&Option<Target>]) -> anyhow::Result<()> {
    let paths: Vec<&Path> = targets.iter().filter_map(|t| t.as_ref().map(Target::path)).collect();
    for (k, path) in paths.iter().enumerate() {
        if paths[..k].contains(path) && !path.starts_with("/dev/null") {
            return Err(krylane::Error::input(format!("two outputs go to {}", path.display())).into());
        }
    }
    Ok(())
}

/// Prints a result to stdout. A reader that has seen enough is no error.
pub(super) fn print(text: &[u8]) -> anyhow::Result<Exit> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(NotWritable(format!("stdout: {e}")).into()),
        _ => Ok(Exit::Success),
    }
}
