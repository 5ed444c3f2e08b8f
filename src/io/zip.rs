//! The part of the zip format that NumPy and SciPy use: stored or deflated entries, zip64 for large ones
//! (PKWARE's APPNOTE 6.3). No encryption, no multi-part archives.

use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END64: u32 = 0x0606_4b50;
const LOCATOR64: u32 = 0x0706_4b50;
/// Largest directory that is read, in bytes; that of a matrix has a few hundred.
const MAX_DIRECTORY: u64 = 1 << 24;
/// The end record is followed by a comment of at most 64 KB.
const MAX_TAIL: u64 = 22 + 65_535;

/// What the directory says of an entry.
struct Entry {
    name: String,
    stored: bool,
    packed: u64,
    size: u64,
    crc: u32,
    at: u64,
}

/// An archive whose directory has been read.
pub(super) struct Archive<R> {
    source: R,
    entries: Vec<Entry>,
}

fn bad(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

/// Reads numbers from the front of a slice.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count).ok_or_else(|| bad("a record is cut off"))?;
        self.0 = rest;
        Ok(head)
    }
    fn number(&mut self, bytes: usize) -> io::Result<u64> {
        Ok(self.bytes(bytes)?.iter().rev().fold(0, |n, &b| (n << 8) | u64::from(b)))
    }
}

impl<R: Read + Seek> Archive<R> {
    pub(super) fn new(mut source: R) -> io::Result<Self> {
        let length = source.seek(SeekFrom::End(0))?;
        let tail_at = length.saturating_sub(MAX_TAIL);
        let tail = read_at(&mut source, tail_at, length - tail_at)?;
        let found =
            tail.windows(4).rposition(|w| w == END.to_le_bytes()).ok_or_else(|| bad("its directory is missing"))?;
        let mut end = Fields(&tail[found + 4..]);
        end.bytes(8)?;
        let (mut size, mut at) = (end.number(4)?, end.number(4)?);
        if let Some(locator) = found.checked_sub(20).map(|k| &tail[k..found])
            && locator.starts_with(&LOCATOR64.to_le_bytes())
        {
            let mut locator = Fields(&locator[8..]);
            let record = read_at(&mut source, locator.number(8)?, 56)?;
            if !record.starts_with(&END64.to_le_bytes()) {
                return Err(bad("its zip64 record is damaged"));
            }
            let mut record = Fields(&record[40..]);
            (size, at) = (record.number(8)?, record.number(8)?);
        }
        if size > MAX_DIRECTORY || at.checked_add(size).is_none_or(|end| end > length) {
            return Err(bad("its directory lies outside the file"));
        }
        let directory = read_at(&mut source, at, size)?;
        let mut fields = Fields(&directory);
        let mut entries = vec![];
        while !fields.0.is_empty() {
            entries.push(Entry::read(&mut fields)?);
        }
        Ok(Self { source, entries })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|e| e.name.as_str())
    }

    /// The content of the entry of this name; the checksum is verified at its end.
    pub(super) fn open(&mut self, name: &str) -> io::Result<impl Read> {
        let entry = self.entries.iter().find(|e| e.name == name).ok_or_else(|| bad("there is no such entry"))?;
        let head = read_at(&mut self.source, entry.at, 30)?;
        if !head.starts_with(&LOCAL.to_le_bytes()) {
            return Err(bad("the directory points to no entry"));
        }
        let mut lengths = Fields(&head[26..]);
        let skip = lengths.number(2)? + lengths.number(2)?;
        self.source.seek(SeekFrom::Start(entry.at + 30 + skip))?;
        let packed = (&mut self.source).take(entry.packed);
        let content: Box<dyn Read + '_> =
            if entry.stored { Box::new(packed) } else { Box::new(DeflateDecoder::new(packed)) };
        Ok(Checked { content, left: entry.size, expected: entry.crc, sum: Crc::new() })
    }
}

impl Entry {
    fn read(fields: &mut Fields<'_>) -> io::Result<Self> {
        if fields.number(4)? != u64::from(CENTRAL) {
            return Err(bad("its directory is damaged"));
        }
        fields.bytes(4)?;
        let flags = fields.number(2)?;
        let method = fields.number(2)?;
        fields.bytes(4)?;
        let crc = fields.number(4)? as u32;
        let (mut packed, mut size) = (fields.number(4)?, fields.number(4)?);
        let [name, extra, comment] = [fields.number(2)?, fields.number(2)?, fields.number(2)?];
        fields.bytes(8)?;
        let mut at = fields.number(4)?;
        let name = String::from_utf8_lossy(fields.bytes(name as usize)?).into_owned();
        let mut extra = Fields(fields.bytes(extra as usize)?);
        fields.bytes(comment as usize)?;
        while extra.0.len() >= 4 {
            let (id, length) = (extra.number(2)?, extra.number(2)?);
            let mut field = Fields(extra.bytes(length as usize)?);
            // Zip64: the fields that did not fit above, in this order.
            if id == 1 {
                for number in [&mut size, &mut packed, &mut at].into_iter().filter(|n| **n == u64::from(u32::MAX)) {
                    *number = field.number(8)?;
                }
            }
        }
        if flags & 1 != 0 {
            return Err(bad("it is encrypted"));
        }
        match method {
            0 | 8 => Ok(Self { name, stored: method == 0, packed, size, crc, at }),
            _ => Err(bad("an entry is packed by another method than deflate")),
        }
    }
}

fn read_at<R: Read + Seek>(source: &mut R, at: u64, count: u64) -> io::Result<Vec<u8>> {
    source.seek(SeekFrom::Start(at))?;
    let mut bytes = vec![0; count as usize];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Content of the length given by the directory, whose checksum is verified at its end.
struct Checked<'a> {
    content: Box<dyn Read + 'a>,
    left: u64,
    expected: u32,
    sum: Crc,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 {
            let whole = buffer.is_empty() || self.sum.sum() == self.expected;
            return if whole { Ok(0) } else { Err(bad("the checksum is wrong")) };
        }
        let count = self.content.read(&mut buffer[..most])?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.sum.update(&buffer[..count]);
        self.left -= count as u64;
        Ok(count)
    }
}

/// An archive being written, entry after entry, each deflated in memory first.
pub(super) struct Writer<'a> {
    out: &'a mut dyn Write,
    at: u64,
    directory: Vec<u8>,
    count: u64,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, at: 0, directory: vec![], count: 0 }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Adds an entry with what `content` writes.
    pub(super) fn entry(
        &mut self,
        name: &str,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut packing =
            Summing { sum: Crc::new(), size: 0, out: DeflateEncoder::new(vec![], Compression::default()) };
        content(&mut packing)?;
        let Summing { sum, size, out } = packing;
        let packed = out.finish()?;
        let (crc, at) = (sum.sum(), self.at);
        // Version 4.5 (zip64), deflate, the earliest possible date.
        let common = |numbers: [u64; 2], extra: usize| {
            let mut head = [45u16, 0, 8, 0, 0x21].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
            head.extend(crc.to_le_bytes());
            numbers.iter().for_each(|&n| head.extend((n.min(u64::from(u32::MAX)) as u32).to_le_bytes()));
            head.extend((name.len() as u16).to_le_bytes());
            head.extend((extra as u16).to_le_bytes());
            head
        };
        let zip64 = |numbers: &[u64]| {
            let large: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
            [&1u16.to_le_bytes()[..], &(large.len() as u16).to_le_bytes(), &large].concat()
        };
        let sizes = [packed.len() as u64, size];
        let most = u64::from(u32::MAX);
        let extra = if sizes.iter().any(|&n| n >= most) { zip64(&[size, sizes[0]]) } else { vec![] };
        // The extra field holds both sizes or neither.
        let told = if extra.is_empty() { sizes } else { [most, most] };
        self.put(&[&LOCAL.to_le_bytes()[..], &common(told, extra.len()), name.as_bytes(), &extra].concat())?;
        self.put(&packed)?;
        let large = !extra.is_empty() || at >= most;
        let (told, place, extra) =
            if large { ([most, most], most, zip64(&[size, sizes[0], at])) } else { (sizes, at, vec![]) };
        self.directory.extend(CENTRAL.to_le_bytes());
        self.directory.extend(45u16.to_le_bytes());
        self.directory.extend(common(told, extra.len()));
        // No comment, first disk, no attributes.
        self.directory.extend([0; 10]);
        self.directory.extend((place as u32).to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.directory.extend(extra);
        self.count += 1;
        Ok(())
    }

    /// Writes the directory.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let (at, directory) = (self.at, std::mem::take(&mut self.directory));
        let size = directory.len() as u64;
        self.put(&directory)?;
        let most = u64::from(u32::MAX);
        if at >= most {
            let record = self.at;
            let numbers = [44, 45 | (45 << 16), 0, self.count, self.count, size, at];
            let widths = [8, 4, 8, 8, 8, 8, 8];
            let fields = numbers.iter().zip(widths).flat_map(|(n, w): (&u64, usize)| n.to_le_bytes()[..w].to_vec());
            self.put(&[&END64.to_le_bytes()[..], &fields.collect::<Vec<u8>>()].concat())?;
            let locator = [&LOCATOR64.to_le_bytes()[..], &[0; 4], &record.to_le_bytes(), &1u32.to_le_bytes()].concat();
            self.put(&locator)?;
        }
        let count = (self.count as u16).to_le_bytes();
        let numbers = [(size.min(most) as u32).to_le_bytes(), (at.min(most) as u32).to_le_bytes()].concat();
        self.put(&[&END.to_le_bytes()[..], &[0; 4], &count, &count, &numbers, &[0; 2]].concat())
    }
}

/// Passes on what is written and computes its checksum.
struct Summing<W> {
    sum: Crc,
    size: u64,
    out: W,
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.sum.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
