//! What the driver has compiled, kept on disk between processes where it hands that out: on Vulkan. One file an adapter in
//! the user's cache folder; `KRYLANE_CACHE` names another folder, or is `off`. Whatever fails here is silent: the kernels
//! are compiled again.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// At the start of a file, before length and checksum; another version has another one.
const MAGIC: &[u8; 8] = b"krylane1";

/// A file that has grown beyond this is begun anew.
const MOST: usize = 64 << 20;

/// The kernels of one device that outlive its process.
pub(super) struct DiskCache {
    pub(super) compiled: wgpu::PipelineCache,
    file: PathBuf,
    /// Something was compiled since the file was read.
    fresh: AtomicBool,
}

/// The folder of caches that the environment names; `None` where there is to be none.
pub(super) fn folder() -> Option<PathBuf> {
    let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    match named("KRYLANE_CACHE") {
        Some(off) if off.as_os_str() == "off" => return None,
        Some(folder) => return Some(folder),
        None => {}
    }
    let base = if cfg!(windows) {
        named("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        named("HOME").map(|home| home.join("Library/Caches"))
    } else {
        named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")))
    };
    base.filter(|base| base.is_absolute()).map(|base| base.join("krylane"))
}

fn checksum(data: &[u8]) -> [u8; 4] {
    let mut sum = flate2::Crc::new();
    sum.update(data);
    sum.sum().to_le_bytes()
}

/// The content of a file: `data` with what tells whether it is whole.
fn sealed(data: &[u8]) -> Vec<u8> {
    [&MAGIC[..], &(data.len() as u64).to_le_bytes(), &checksum(data), data].concat()
}

/// What was sealed; `None` of a file that is damaged or not ours.
fn opened(content: &[u8]) -> Option<&[u8]> {
    let (length, rest) = content.strip_prefix(MAGIC)?.split_first_chunk::<8>()?;
    let (sum, data) = rest.split_first_chunk::<4>()?;
    let whole = u64::from_le_bytes(*length) == data.len() as u64 && *sum == checksum(data);
    (whole && data.len() <= MOST).then_some(data)
}

/// Writes beside the file and renames, so that nobody reads half of it.
fn replace(file: &Path, content: &[u8]) -> std::io::Result<()> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let draft = file.with_extension(format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    let written = fs::write(&draft, content).and_then(|()| fs::rename(&draft, file));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

impl DiskCache {
    /// That of an adapter in `folder`; `None` where the device has no such thing.
    pub(super) fn open(device: &wgpu::Device, adapter: &wgpu::AdapterInfo, folder: &Path) -> Option<Self> {
        if cfg!(target_arch = "wasm32") || !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let file = folder.join(wgpu::util::pipeline_cache_key(adapter)?);
        let content = fs::read(&file).unwrap_or_default();
        let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
        // SAFETY: the data is what `get_data` gave: the file begins with our mark, and length and checksum are right. wgpu
        // and the driver compare adapter, driver and version themselves, and begin anew where these differ. Who forges a
        // file in the user's own folder could as well replace the program.
        let compiled = unsafe {
            device.create_pipeline_cache(&wgpu::PipelineCacheDescriptor {
                label: Some("krylane"),
                data: opened(&content),
                fallback: true,
            })
        };
        let refused = pollster::block_on(scope.pop());
        refused.is_none().then_some(Self { compiled, file, fresh: AtomicBool::new(false) })
    }

    /// Something was compiled that the file may lack.
    pub(super) fn note(&self) {
        self.fresh.store(true, Ordering::Relaxed);
    }

    /// Writes the file where it lacks something.
    fn save(&self) {
        if cfg!(target_arch = "wasm32") {
            return;
        }
        if !self.fresh.swap(false, Ordering::Relaxed) {
            return;
        }
        let Some(content) = self.compiled.get_data().map(|data| sealed(&data)) else { return };
        if fs::read(&self.file).is_ok_and(|known| known == content) {
            return;
        }
        // Next time, perhaps.
        let _ = replace(&self.file, &content);
    }
}

impl Drop for DiskCache {
    fn drop(&mut self) {
        self.save();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Counters;
    use crate::backend::Settings;
    use crate::backend::gpu::Context;
    use crate::testing::on_devices;

    #[test]
    fn only_whole_files_of_ours_are_opened() {
        let content = sealed(b"kernels");
        assert_eq!(opened(&content), Some(&b"kernels"[..]));
        for k in 0..content.len() {
            let mut damaged = content.clone();
            damaged[k] ^= 4;
            assert_eq!(opened(&damaged), None, "byte {k}");
            assert_eq!(opened(&content[..k]), None, "cut at {k}");
        }
        assert_eq!(opened(&[&content[..], b"!"].concat()), None);
    }

    /// Compiles a kernel on a device of its own with its files in `folder`; the one file that is there afterwards.
    fn compile(folder: &Path) -> Option<Vec<u8>> {
        let settings = Settings { cache: Some(folder.into()), ..Settings::default() };
        let context = pollster::block_on(Context::any(&settings)).unwrap();
        let text = crate::backend::gpu::text::double_single_test();
        context.pipeline("test", text, &[false, true], false, &mut Counters::default()).unwrap();
        assert!(!context.info().name.is_empty());
        drop(context);
        let files: Vec<_> = fs::read_dir(folder).ok()?.map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() <= 1, "drafts are left: {files:?}");
        files.first().map(|file| fs::read(file).unwrap())
    }

    #[test]
    fn kernels_outlive_their_device() {
        on_devices(|device| {
            let Some(context) = device.gpu() else { return };
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path().join("made").join("when needed");
            let first = compile(&folder);
            let has = context.device.adapter_info().backend == wgpu::Backend::Vulkan;
            assert_eq!(first.is_some(), has, "{:?}", context.info());
            let Some(first) = first else { return };
            assert!(opened(&first).is_some_and(|data| data.len() > 32));
            // The second device finds all that it needs.
            assert_eq!(compile(&folder), Some(first.clone()));
            // A damaged file is replaced, and so is one of somebody else.
            let file = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
            let mut damaged = first.clone();
            *damaged.last_mut().unwrap() ^= 1;
            for content in [damaged, b"somebody else's".to_vec(), vec![]] {
                fs::write(&file, content).unwrap();
                assert_eq!(compile(&folder), Some(first.clone()));
            }
            // No folder can be made: no file, no error.
            assert_eq!(compile(&file.join("below a file")), None);
        });
    }
}
