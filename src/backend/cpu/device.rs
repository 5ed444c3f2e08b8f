//! The CPU as a device.

use super::Cpu;
use crate::backend::{AdapterInfo, BackendEntry, Device, DeviceKind, Engine, Opened, Settings, Wanted};
use crate::error::Result;
use crate::op::{Dtype, Space};
use crate::ranks::Ranks;
use std::future::ready;
use std::sync::Arc;

pub(crate) const BACKEND: BackendEntry = BackendEntry {
    id: "cpu",
    open: |wanted, settings| {
        Box::pin(ready(Ok(match wanted {
            Wanted::Named(name) => Opened::Unsuitable(format!("the CPU has no adapter {name:?}")),
            Wanted::Any | Wanted::Suitable { .. } => {
                Opened::Device { device: Arc::new(Host::new(settings)), failed: vec![] }
            }
        })))
    },
};

struct Host {
    info: AdapterInfo,
    threads: usize,
    fuse: bool,
    ranks: Option<Ranks>,
}

impl Host {
    fn new(settings: &Settings) -> Self {
        let ranks = settings.ranks.clone().filter(|r| r.size() > 1);
        // Threads of a common pool would wait for ranks that wait for these threads.
        let own = match &ranks {
            Some(ranks) if ranks.is_one_process() => (rayon::current_num_threads() / ranks.size()).max(1),
            _ => 0,
        };
        let asked = if settings.threads == 0 { own } else { settings.threads };
        let threads = if asked == 0 { rayon::current_num_threads() } else { asked };
        let each = format!("{threads} thread{}", if threads == 1 { "" } else { "s" });
        let info = AdapterInfo {
            name: match &ranks {
                Some(ranks) => format!("CPU, {} ranks, {each} on the first", ranks.size()),
                None => format!("CPU, {each}"),
            },
            backend: "cpu".into(),
            driver: format!("krylane {}", env!("CARGO_PKG_VERSION")),
            kind: DeviceKind::Cpu,
        };
        Self { info, threads: asked, fuse: settings.fuse, ranks }
    }
}

impl Device for Host {
    fn info(&self) -> &AdapterInfo {
        &self.info
    }

    fn widest(&self) -> Dtype {
        Dtype::F64
    }

    fn is_host(&self) -> bool {
        true
    }

    fn engine(self: Arc<Self>, space: Space) -> Result<Box<dyn Engine>> {
        Ok(Box::new(match &self.ranks {
            Some(ranks) => Cpu::shared_by(ranks, space, self.threads, self.fuse)?,
            None => Cpu::new(space, self.threads, self.fuse)?,
        }))
    }
}
