//! Writing files whole or not at all.

use crate::error::{Error, Result};
use flate2::{Compression, write::GzEncoder};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Lets `body` write to a temporary file beside `path`, which then takes its name: a reader sees
/// the old file or the whole new one. Names that end in `.gz` are compressed. Devices and pipes
/// are written directly.
///
/// # Errors
/// Whatever the system refuses; the file that was there is untouched.
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
    // Behind a symbolic link it is the target that is replaced.
    let target = if old.is_some() { fs::canonicalize(path)? } else { path.to_path_buf() };
    let (temporary, file) = create_beside(&target)?;
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
    written
}

fn create_beside(target: &Path) -> io::Result<(PathBuf, File)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = target.file_name().ok_or(ErrorKind::InvalidInput)?.to_string_lossy().into_owned();
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let short: String = name.chars().take(50).collect();
        let path = target.with_file_name(format!(".{short}.{}-{count}.tmp", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
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
    // Flushed by hand: a drop would swallow "no space left".
    sink.flush()?;
    sink.into_inner().map_err(io::IntoInnerError::into_error)
}
