//! The file formats: name, recognition, reader and writer. A new one needs a source file and an entry in [`FORMATS`].

use super::entries::dense_columns;
use super::{Loaded, ReadOptions, harwell_boeing, matlab, matrix_market, npy, npz, petsc};
use crate::error::{Error, Result};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};

/// Reads the columns of a file.
type ReadColumns = fn(Input, &ReadOptions) -> Result<Vec<Vec<f64>>>;

/// A file format. [`FORMATS`] lists them.
pub struct FileFormat {
    /// Name of the format.
    pub name: &'static str,
    /// File name extensions, without the dot; each may be followed by `.gz`.
    pub extensions: &'static [&'static str],
    /// What can be read and written in this format.
    pub about: &'static str,
    /// Whether a file that starts with these bytes has this format; the first match in the table wins.
    recognise: fn(&[u8]) -> bool,
    matrix: fn(Input, &ReadOptions) -> Result<Loaded>,
    /// Reads vectors, if they are not the columns of what `matrix` reads.
    columns: Option<ReadColumns>,
    writes: &'static [Content],
}

/// What a file is meant to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A sparse matrix.
    Matrix,
    /// Vectors, stored as columns.
    Vectors,
}

/// All formats that can be read. A file's first bytes determine the format; if they don't, its name does.
pub const FORMATS: &[FileFormat] = &[
    FileFormat {
        name: "Matrix Market",
        extensions: &["mtx", "mm"],
        about: "coordinate and array, real, integer, pattern and complex, all symmetries; or one number a line. Written",
        recognise: matrix_market::is_one,
        matrix: matrix_market::matrix,
        columns: Some(matrix_market::columns),
        writes: &[Content::Matrix, Content::Vectors],
    },
    FileFormat {
        name: "SciPy",
        extensions: &["npz"],
        about: "save_npz: CSR, CSC, COO, DIA, BSR. Written as CSR",
        recognise: |head| head.starts_with(npz::MAGIC),
        matrix: npz::read_matrix,
        columns: None,
        writes: &[Content::Matrix],
    },
    FileFormat {
        name: "NumPy",
        extensions: &["npy"],
        about: "vectors and full matrices of numbers. Vectors are written",
        recognise: |head| head.starts_with(npy::MAGIC),
        matrix: npy::read_matrix,
        columns: Some(npy::read_columns),
        writes: &[Content::Vectors],
    },
    FileFormat {
        name: "MATLAB",
        extensions: &["mat"],
        about: "version 5 (save -v6, -v7): sparse and full variables, alone or in a struct as SuiteSparse has them",
        recognise: |head| head.starts_with(matlab::MAGIC),
        matrix: matlab::read_matrix,
        columns: Some(matlab::read_columns),
        writes: &[],
    },
    FileFormat {
        name: "PETSc binary",
        extensions: &["petsc", "petscbin", "dat", "bin"],
        about: "AIJ and dense matrices, vectors; 32- and 64-bit indices",
        recognise: petsc::is_one,
        matrix: petsc::read_matrix,
        columns: Some(petsc::read_columns),
        writes: &[],
    },
    FileFormat {
        name: "Harwell-Boeing and Rutherford-Boeing",
        extensions: &["hb", "rb", "rsa", "rua", "rra", "rza", "psa", "pua", "pra", "csa", "cua", "cha", "cza"],
        about: "assembled matrices, all symmetries",
        recognise: harwell_boeing::is_one,
        matrix: harwell_boeing::read_matrix,
        columns: None,
        writes: &[],
    },
];

/// Which format a file of this name is written in.
///
/// # Errors
/// An unknown extension, or one whose format can't hold such content.
pub fn written_as(path: &Path, content: Content) -> Result<&'static FileFormat> {
    let able = |f: &&FileFormat| f.writes.contains(&content);
    let device = path.starts_with("/dev") || path.starts_with("/proc");
    let inner = inner_name(path);
    let Some(extension) = inner.extension().filter(|_| !device) else { return Ok(&FORMATS[0]) };
    by_extension(&inner).filter(able).ok_or_else(|| {
        let what = if content == Content::Matrix { "a matrix is" } else { "vectors are" };
        let known: Vec<String> =
            FORMATS.iter().filter(able).map(|f| format!(".{0} or .{0}.gz ({1})", f.extensions[0], f.name)).collect();
        let (path, extension) = (path.display(), extension.display());
        Error::input(format!("{path}: {what} not written as .{extension}; the name ends in {}", known.join(", ")))
    })
}

/// The name without `.gz`.
fn inner_name(path: &Path) -> PathBuf {
    if super::has_extension(path, "gz") { path.with_extension("") } else { path.to_path_buf() }
}

fn by_extension(path: &Path) -> Option<&'static FileFormat> {
    FORMATS.iter().find(|f| f.extensions.iter().any(|e| super::has_extension(path, e)))
}

impl FileFormat {
    /// The columns of a file of this format.
    fn read_columns(&self, input: Input, options: &ReadOptions) -> Result<Vec<Vec<f64>>> {
        match self.columns {
            Some(read) => read(input, options),
            None => {
                let place = input.place();
                let loaded = (self.matrix)(input, options)?;
                dense_columns(&loaded, options).map_err(|e| place.name(e))
            }
        }
    }
}

pub(super) fn read_matrix(path: &Path, options: &ReadOptions) -> Result<Loaded> {
    let input = Input::open(path)?;
    (input.format().matrix)(input, options)
}

/// A file's content in memory: nothing is promised of its length, as with a pipe.
pub(super) fn read_matrix_from(content: Vec<u8>, name: &Path, options: &ReadOptions) -> Result<Loaded> {
    let input = Input::new(Box::new(Cursor::new(content)), None, name)?;
    (input.format().matrix)(input, options)
}

pub(super) fn read_columns(path: &Path, options: &ReadOptions) -> Result<Vec<Vec<f64>>> {
    let input = Input::open(path)?;
    input.format().read_columns(input, options)
}

/// An open file, decompressed if it is gzip, with its first bytes at hand.
pub(super) struct Input {
    pub(super) reader: Box<dyn Read>,
    head: Vec<u8>,
    path: PathBuf,
    /// Upper bound on the bytes to be read, if known.
    pub(super) bytes: Option<u64>,
    pub(super) compressed: bool,
}

/// Names the file in errors after the input has been consumed.
pub(super) struct Place(PathBuf);

impl Place {
    pub(super) fn name(&self, e: Error) -> Error {
        match e {
            Error::Input(message) => Error::Input(format!("{}: {message}", self.0.display())),
            other => other,
        }
    }
}

/// A reader that can seek.
pub(super) trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// How many leading bytes are inspected.
const HEAD: u64 = 512;

impl Input {
    fn open(path: &Path) -> Result<Self> {
        let (file, bytes) = open(path)?;
        Self::new(file, bytes, path)
    }

    fn new(file: Box<dyn Read>, bytes: Option<u64>, path: &Path) -> Result<Self> {
        let io = |source| Error::Io { file: path.to_path_buf(), source };
        let (head, rest) = head(file).map_err(io)?;
        let packed = head.starts_with(b"\x1f\x8b");
        // An empty file counts as truncated: the decoder says so.
        if !packed && super::has_extension(path, "gz") && bytes.is_some() {
            let message = "named .gz, but the content is not gzip data".to_string();
            return Err(Error::Parse { file: path.to_path_buf(), line: 1, column: None, message });
        }
        let compressed = packed || super::has_extension(path, "gz");
        let (head, reader) = if compressed { head_or_fault(MultiGzDecoder::new(rest)) } else { (head, rest) };
        // Deflate compresses by at most 1032 to 1.
        let bytes = if compressed { bytes.map(|b| b.saturating_mul(1032)) } else { bytes };
        Ok(Self { reader, head, path: path.to_path_buf(), bytes, compressed })
    }

    fn format(&self) -> &'static FileFormat {
        let text = self.head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.head);
        let known = FORMATS.iter().find(|f| (f.recognise)(text));
        known.or_else(|| by_extension(&inner_name(&self.path))).unwrap_or(&FORMATS[0])
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn place(&self) -> Place {
        Place(self.path.clone())
    }

    /// An error about the whole file.
    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        self.name(Error::Input(message.into()))
    }

    pub(super) fn name(&self, e: Error) -> Error {
        self.place().name(e)
    }

    /// Reads N bytes; `what` names them in the error if the file ends too early.
    pub(super) fn exactly<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        match self.reader.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => Err(self.error(format!("the file ends within {what}"))),
            Err(source) => Err(Error::Io { file: self.path.clone(), source }),
        }
    }

    /// Reads `count` numbers of `N` bytes each; memory grows with the data read, not with `count`.
    pub(super) fn numbers<const N: usize, T>(
        &mut self,
        count: u64,
        what: &str,
        options: &ReadOptions,
        mut decode: impl FnMut([u8; N]) -> Result<T, String>,
    ) -> Result<Vec<T>> {
        let needed = count.saturating_mul(size_of::<T>() as u64);
        if needed > options.memory_limit {
            return Err(self.name(super::entries::no_memory(what, needed, options)));
        }
        let mut out = Vec::new();
        let mut chunk = vec![0; N << 12];
        while (out.len() as u64) < count {
            options.halt.check()?;
            let some = (count - out.len() as u64).min(1 << 12) as usize;
            let bytes = &mut chunk[..N * some];
            if let Err(e) = self.reader.read_exact(bytes) {
                let found = out.len();
                return Err(self.error(format!("{what} end after {found} or so of {count}: {e}")));
            }
            out.try_reserve(some).map_err(|_| super::entries::no_memory(what, needed, options))?;
            for piece in bytes.as_chunks::<N>().0 {
                let k = out.len();
                out.push(decode(*piece).map_err(|message| self.error(format!("entry {k} of {what} {message}")))?);
            }
        }
        Ok(out)
    }

    /// The whole input as a seekable reader; `None` if it is not a zip archive.
    pub(super) fn seekable(mut self, options: &ReadOptions) -> Result<Option<Box<dyn ReadSeek>>> {
        if !self.head.starts_with(npz::MAGIC) {
            return Ok(None);
        }
        let io = |source| Error::Io { file: self.path.clone(), source };
        if !self.compressed && self.bytes.is_some() {
            return Ok(Some(Box::new(io::BufReader::new(File::open(&self.path).map_err(io)?))));
        }
        // A pipe or gzip: held in memory.
        let mut bytes = vec![];
        let limit = options.memory_limit;
        self.reader.by_ref().take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() as u64 > limit {
            return Err(super::entries::no_memory("the archive", bytes.len() as u64, options));
        }
        Ok(Some(Box::new(Cursor::new(bytes))))
    }
}

/// Opens the file; the size is `None` if it is not that of what can be read.
fn open(path: &Path) -> Result<(Box<dyn Read>, Option<u64>)> {
    let io = |source| Error::Io { file: path.to_path_buf(), source };
    // Not reopened: a redirected file keeps the position where another reader left it.
    if path == Path::new("/dev/stdin") {
        return Ok((Box::new(io::stdin()), None));
    }
    let meta = std::fs::metadata(path).map_err(io)?;
    if meta.is_dir() {
        return Err(io(ErrorKind::IsADirectory.into()));
    }
    // Files in /proc are regular but report size 0.
    let bytes = (meta.is_file() && meta.len() > 0).then_some(meta.len());
    Ok((Box::new(File::open(path).map_err(io)?), bytes))
}

/// The first bytes, and a reader that still starts with them.
fn head(mut source: impl Read + 'static) -> io::Result<(Vec<u8>, Box<dyn Read>)> {
    let mut head = vec![];
    source.by_ref().take(HEAD).read_to_end(&mut head)?;
    Ok((head.clone(), Box::new(Cursor::new(head).chain(source))))
}

/// [`head`], but an error is returned by a later read instead.
fn head_or_fault(mut source: impl Read + 'static) -> (Vec<u8>, Box<dyn Read>) {
    let mut head = vec![];
    let fault = source.by_ref().take(HEAD).read_to_end(&mut head).err();
    let start = Cursor::new(head.clone());
    match fault {
        None => (head, Box::new(start.chain(source))),
        Some(e) => (head, Box::new(start.chain(Fails(Some(e))))),
    }
}

/// A reader that returns the error once, then ends.
struct Fails(Option<io::Error>);

impl Read for Fails {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
