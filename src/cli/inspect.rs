//! `krylane inspect`: what a matrix looks like, and the plan for it.

use super::args::InspectArgs;
use super::exit::Exit;
use super::output::print;
use super::source::Source;
use super::{job, json};
use krylane::matrix::{Csr, Stats};
#[cfg(feature = "gpu")]
use krylane::op::Dtype;
use krylane::{Options, Solver};
use serde_json::json;
use std::collections::BTreeMap;

pub(crate) struct Inspect {
    source: Source,
    options: Options,
    json: bool,
}

impl Inspect {
    pub(super) fn new(args: InspectArgs) -> anyhow::Result<Self> {
        let source = Source::new(args.matrix)?;
        Ok(Self { source, options: job::options(args.solver)?, json: args.json })
    }

    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let matrix = self.source.load(self.json)?;
        let stats = Stats::of(&matrix.csr);
        // A matrix that can't be solved can be looked at.
        let plan = match Solver::new(&matrix.csr, self.options) {
            Ok(solver) => solver.plan().to_vec(),
            Err(e) if e.is_bad_input() => vec![format!("none: {e}")],
            Err(e) => return Err(e.into()),
        };
        let formats = formats(&matrix.csr);
        if self.json {
            let report = json!({
                "name": matrix.name, "file": matrix.notes, "stats": stats, "plan": plan, "formats": formats,
            });
            return print(&json::text(&report)?);
        }
        let mut text = format!("{:<16} {}\n", "matrix", matrix.name);
        if let Some(notes) = matrix.notes {
            text += &format!("{:<16} {notes}\n", "file");
        }
        text += &format!("{stats}\n");
        for (k, line) in plan.iter().enumerate() {
            text += &format!("{:<16} {line}\n", if k == 0 { "plan" } else { "" });
        }
        for (which, line) in formats {
            text += &format!("{which:<16} {line}\n");
        }
        print(text.as_bytes())
    }
}

/// In which form each device would keep the matrix.
fn formats(a: &Csr) -> BTreeMap<&'static str, String> {
    let mut out = BTreeMap::new();
    #[cfg(feature = "gpu")]
    for (which, dtype) in [("gpu f64", Dtype::F64), ("gpu f32", Dtype::F32)] {
        out.insert(which, krylane::gpu_format(a, dtype));
    }
    out
}
