//! Where results go: checked before the work that makes them.

use super::exit::{Exit, NotWritable};
use super::progress::{self, Spinner, Voice};
use krylane::io::Content;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

const STDOUT: &str = "/dev/stdout";

/// A file that will be written, or stdout.
#[derive(Clone, Debug)]
pub(super) struct Target(PathBuf);

/// What a target is to hold.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Holds {
    Matrix,
    Vectors,
    Report,
    Figure,
    Page,
    Table,
}

impl Holds {
    /// Refuses a name whose extension does not suit the content.
    fn check(self, path: &Path) -> krylane::Result<()> {
        let (what, known): (_, &[&str]) = match self {
            Self::Matrix => return krylane::io::written_as(path, Content::Matrix).map(drop),
            Self::Vectors => return krylane::io::written_as(path, Content::Vectors).map(drop),
            Self::Report => ("a report", &["json"]),
            Self::Figure => ("a figure", &["svg"]),
            Self::Page => ("a page", &["html", "htm"]),
            Self::Table => ("a table", &["md", "csv", "json"]),
        };
        let inner = if path.extension().is_some_and(|e| e == "gz") { path.with_extension("") } else { path.into() };
        match inner.extension() {
            Some(e) if !path.starts_with("/dev") && !known.iter().any(|k| e.eq_ignore_ascii_case(k)) => {
                let known: Vec<String> = known.iter().map(|k| format!(".{k}")).collect();
                let (path, e, known) = (path.display(), e.display(), known.join(", "));
                Err(krylane::Error::input(format!(
                    "{path}: {what} can't be written as .{e}; the name must end in {known}"
                )))
            }
            _ => Ok(()),
        }
    }
}

impl Target {
    /// [`Target::new`] for content that the extension allows.
    pub(super) fn holding(holds: Holds, path: PathBuf) -> anyhow::Result<Self> {
        if path != Path::new("-") {
            holds.check(&path)?;
        }
        Self::new(path)
    }

    /// Fails if the file could not be written now; leaves an existing one untouched.
    pub(super) fn new(path: PathBuf) -> anyhow::Result<Self> {
        // The library's writers know /dev/stdout on every system.
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
        // Files are written beside their target and then renamed, so the folder must be writable.
        let name = existing.file_name().ok_or(ErrorKind::InvalidInput)?.to_string_lossy();
        let short: String = name.chars().take(50).collect();
        let probe = existing.with_file_name(format!(".{short}.krylane-{}-probe.tmp", std::process::id()));
        OpenOptions::new().write(true).create_new(true).open(&probe)?;
        fs::remove_file(probe)
    }

    pub(super) fn is_stdout(&self) -> bool {
        self.0 == Path::new(STDOUT)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Says that it is written, until dropped.
    pub(super) fn writing(&self, voice: Voice) -> Spinner {
        progress::working(&format!("writing {}", self.0.display()), voice)
    }

    /// Writes `text` whole or not at all.
    pub(super) fn write(&self, text: &[u8]) -> anyhow::Result<()> {
        self.wrote(krylane::io::write_whole(&self.0, |out| out.write_all(text)))
    }

    /// Turns the library's error about this file into [`NotWritable`].
    pub(super) fn wrote(&self, result: krylane::Result<()>) -> anyhow::Result<()> {
        match result {
            Err(krylane::Error::Io { source, .. }) if self.is_stdout() && source.kind() == ErrorKind::BrokenPipe => {
                Ok(())
            }
            result => result.map_err(|e| NotWritable(e.to_string()).into()),
        }
    }
}

/// A folder of its own for many results.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes the folder; one that holds something already is refused, so that old results and new ones do not mix.
    pub(super) fn new(path: PathBuf) -> anyhow::Result<Self> {
        let refused = |e: io::Error| NotWritable(format!("{}: {e}", path.display()));
        fs::create_dir_all(&path).map_err(refused)?;
        if fs::read_dir(&path).map_err(refused)?.next().is_some() {
            return Err(krylane::Error::input(format!("{} is not empty; name a new folder", path.display())).into());
        }
        Ok(Self(path))
    }

    /// Writes a file of the folder.
    pub(super) fn write(&self, name: &str, text: &[u8]) -> anyhow::Result<()> {
        let path = self.0.join(name);
        fs::write(&path, text).map_err(|e| NotWritable(format!("{}: {e}", path.display())).into())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

/// Refuses two results for one file, of which only the last would be left, and results that would replace an input.
pub(super) fn distinct<'a>(
    inputs: impl IntoIterator<Item = Option<&'a Path>>,
    targets: &[&Option<Target>],
) -> anyhow::Result<()> {
    let paths: Vec<&Path> = targets.iter().filter_map(|t| t.as_ref().map(Target::path)).collect();
    let inputs: Vec<&Path> = inputs.into_iter().flatten().collect();
    for (k, path) in paths.iter().enumerate() {
        if inputs.iter().any(|input| input.exists() && same_file(input, path)) {
            return Err(
                krylane::Error::input(format!("{} is an input; an output would overwrite it", path.display())).into()
            );
        }
        if paths[..k].iter().any(|other| same_file(other, path)) {
            return Err(krylane::Error::input(format!("two outputs go to {}", path.display())).into());
        }
    }
    Ok(())
}

/// Whether both names lead to one file, through links or not. The null device never counts as the same.
fn same_file(a: &Path, b: &Path) -> bool {
    if a.starts_with("/dev/null") {
        return false;
    }
    #[cfg(unix)]
    if let (Ok(a), Ok(b)) = (fs::metadata(a), fs::metadata(b)) {
        use std::os::unix::fs::MetadataExt;
        return (a.dev(), a.ino()) == (b.dev(), b.ino());
    }
    place(a) == place(b)
}

/// Where a file is or would be created; a dangling link is followed to its target.
fn place(path: &Path) -> PathBuf {
    let beside =
        |path: &Path| path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
    let path = fs::read_link(path).map_or_else(|_| path.to_path_buf(), |to| beside(path).join(to));
    match (fs::canonicalize(&path), fs::canonicalize(beside(&path)), path.file_name()) {
        (Ok(whole), ..) => whole,
        (_, Ok(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}

/// Prints a result to stdout. A reader that closes the pipe early is no error.
pub(super) fn print(text: &[u8]) -> anyhow::Result<Exit> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(NotWritable(format!("stdout: {e}")).into()),
        _ => Ok(Exit::Success),
    }
}
