//! A GPU as a device, and the choice of adapter.

use super::{Context, Gpu};
use crate::backend::{AdapterInfo, BackendEntry, Device, Engine, Opened, Wanted};
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
                Wanted::Suitable { .. } if settings.prefer_gpu => Context::any(settings).await?,
                Wanted::Suitable { work, what } if work < FROM_WORK => {
                    return Ok(Opened::Unsuitable(format!("{work} {what} are too few for a GPU to pay")));
                }
                Wanted::Suitable { .. } => match Context::hardware(settings).await? {
                    Some(context) => context,
                    None => {
                        let why = "no hardware GPU found (software adapters are used only on request)";
                        return Ok(Opened::Unsuitable(why.into()));
                    }
                },
                Wanted::Any => Context::any(settings).await?,
                Wanted::Named(name) => Context::named(name, settings).await?,
            };
            Ok(Opened::Device(context))
        })
    },
};

impl Device for Context {
    fn info(&self) -> &AdapterInfo {
        Self::info(self)
    }

    fn widest(&self) -> Dtype {
        Self::widest(self)
    }

    fn engine(self: Arc<Self>, space: Space) -> Result<Box<dyn Engine>> {
        let fuse = self.fuse;
        Ok(Box::new(Gpu::new(self, space, fuse)?))
    }
}
