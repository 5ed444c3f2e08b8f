//! A GPU as a device, and the choice of adapter.

use super::{Context, Gpu};
use crate::backend::{AdapterInfo, BackendEntry, Device, Engine, KernelTime, Opened, Settings, Wanted};
use crate::error::Result;
use crate::op::{Dtype, Space};
use std::sync::Arc;

/// Below this many entries a kernel launch costs more than the work.
const FROM_WORK: usize = 300_000;

pub(crate) const BACKEND: BackendEntry = BackendEntry {
    id: "gpu",
    open: |wanted, settings| {
        Box::pin(async move {
            let context = match wanted {
                Wanted::Suitable { work, what } => return Ok(suitable(work, what, settings).await),
                Wanted::Any => Context::any(settings).await?,
                Wanted::Named(name) => Context::named(name, settings).await?,
            };
            Ok(Opened::Device { device: context, failed: vec![] })
        })
    },
};

/// A GPU for so much work, or why there is none.
async fn suitable(work: usize, what: &str, settings: &Settings) -> Opened {
    if work < FROM_WORK && !settings.prefer_gpu {
        return Opened::Unsuitable(format!("{work} {what} are too few for a GPU to pay"));
    }
    match Context::suitable(settings).await {
        (Some(device), failed) => Opened::Device { device, failed },
        (None, mut why) => {
            let another = if settings.lost.is_empty() && why.is_empty() { "no" } else { "no other" };
            why.push(format!("{another} hardware GPU found (software adapters are used only on request)"));
            Opened::Unsuitable(why.join("; "))
        }
    }
}

impl Device for Context {
    fn info(&self) -> &AdapterInfo {
        Self::info(self)
    }

    fn key(&self) -> &str {
        &self.key
    }

    fn widest(&self) -> Dtype {
        Self::widest(self)
    }

    fn take_kernel_times(&self) -> Vec<KernelTime> {
        self.times.take()
    }

    fn engine(self: Arc<Self>, space: Space) -> Result<Box<dyn Engine>> {
        let fuse = self.fuse;
        Ok(Box::new(Gpu::new(self, space, fuse)?))
    }
}
