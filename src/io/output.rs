//! Writing files whole or not at all.

use crate::error::{Error, Result};
use flate2::{Compression, write::GzEncoder};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lets `body` write to a temporary file beside `path`, then renames it to `path`: a reader sees
/// the old file or the whole new one. Names that end in `.gz` are compressed. Devices and pipes
/// are written directly; a pipe that nobody opens to read within ten seconds is an error.
///
/// A process killed while it writes leaves `.NAME.krylane-PROCESS-COUNT.tmp`; the next write to that name removes it.
///
/// # Errors
/// Any I/O error; the file that was there is untouched.
pub fn write_whole(path: &Path, body: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    write(path, body).map_err(|source| Error::Io { file: path.to_path_buf(), source })
}

fn write(path: &Path, body: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let gz = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"));
    // Opening /dev/stdout anew would start at offset 0 of a redirected file, over what is there.
    if path == Path::new("/dev/stdout") {
        return fill(io::stdout().lock(), gz, body).map(drop);
    }
    if path == Path::new("/dev/stderr") {
        return fill(io::stderr().lock(), gz, body).map(drop);
    }
    let old = match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => return Err(ErrorKind::IsADirectory.into()),
        #[cfg(unix)]
        Ok(meta) if std::os::unix::fs::FileTypeExt::is_fifo(&meta.file_type()) => {
            return fill(pipe::Pipe::open(path)?, gz, body).map(drop);
        }
        Ok(meta) if !meta.is_file() || path.starts_with("/dev") || path.starts_with("/proc") => {
            return fill(OpenOptions::new().append(true).open(path)?, gz, body).map(drop);
        }
        Ok(meta) => Some(meta),
        Err(e) if e.kind() == ErrorKind::NotFound => None,
        Err(e) => return Err(e),
    };
    if old.as_ref().is_some_and(|meta| meta.permissions().readonly()) {
        return Err(ErrorKind::PermissionDenied.into());
    }
    // A symbolic link stays; its target is replaced.
    let target = if old.is_some() { fs::canonicalize(path)? } else { path.to_path_buf() };
    let (temporary, file) = create_beside(&target)?;
    open_ones().push(temporary.clone());
    let written = fill(file, gz, body).and_then(|file| {
        if let Some(meta) = old {
            file.set_permissions(meta.permissions())?;
        }
        file.sync_all()?;
        drop(file);
        fs::rename(&temporary, &target)
    });
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    open_ones().retain(|other| *other != temporary);
    written
}

/// Temporary files that are being written.
static OPEN: Mutex<Vec<PathBuf>> = Mutex::new(vec![]);

fn open_ones() -> MutexGuard<'static, Vec<PathBuf>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the temporary files that other threads are writing: for a process that is about to end without waiting for them.
pub fn abandon() {
    open_ones().iter().for_each(|path| drop(fs::remove_file(path)));
}

fn create_beside(target: &Path) -> io::Result<(PathBuf, File)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = target.file_name().ok_or(ErrorKind::InvalidInput)?.to_string_lossy().into_owned();
    let short: String = name.chars().take(50).collect();
    let stem = format!(".{short}.krylane-");
    remove_leftovers(target, &stem);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = target.with_file_name(format!("{stem}{}-{count}.tmp", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
}

/// Removes temporary files that dead processes left beside `target`, if the system has a /proc to find those.
fn remove_leftovers(target: &Path, stem: &str) {
    let folder = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !Path::new("/proc/self").exists() {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|n| n.strip_prefix(stem)?.strip_suffix(".tmp")?.split_once('-'));
        if let Some((process, _)) = process
            && process.parse::<u32>().is_ok_and(|id| !Path::new(&format!("/proc/{id}")).exists())
        {
            // On error the file belongs to another user or is already gone.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Named pipes: the wait for a reader is bounded, and writing keeps the reader's pace.
#[cfg(unix)]
mod pipe {
    use std::fs::{File, OpenOptions};
    use std::io::{self, ErrorKind, Write};
    use std::os::unix::fs::OpenOptionsExt;
    use std::path::Path;
    use std::time::{Duration, Instant};

    /// How long to wait for a reader.
    const PATIENCE: Duration = Duration::from_secs(10);
    const PAUSE: Duration = Duration::from_millis(2);

    pub(super) struct Pipe(File);

    impl Pipe {
        pub(super) fn open(path: &Path) -> io::Result<Self> {
            let start = Instant::now();
            loop {
                match OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(path) {
                    // No reader yet.
                    Err(e) if e.raw_os_error() == Some(libc::ENXIO) => {
                        if start.elapsed() > PATIENCE {
                            return Err(io::Error::new(ErrorKind::TimedOut, "nobody reads from this pipe"));
                        }
                        std::thread::sleep(PAUSE);
                    }
                    opened => return opened.map(Self),
                }
            }
        }
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            loop {
                match self.0.write(bytes) {
                    Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
                    written => return written,
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.flush()
        }
    }
}

fn fill<W: Write>(sink: W, gz: bool, body: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<W> {
    let mut sink = BufWriter::with_capacity(1 << 16, sink);
    if gz {
        let mut packed = BufWriter::with_capacity(1 << 16, GzEncoder::new(&mut sink, Compression::default()));
        body(&mut packed)?;
        packed.into_inner().map_err(io::IntoInnerError::into_error)?.finish()?;
    } else {
        body(&mut sink)?;
    }
    // Flushed explicitly: a drop would swallow "no space left".
    sink.flush()?;
    sink.into_inner().map_err(io::IntoInnerError::into_error)
}
