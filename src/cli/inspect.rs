//! `krylane inspect`: what a matrix looks like, and the plan for it.

use super::args::InspectArgs;
use super::exit::Exit;
use super::output::{Folder, print};
use super::progress::Voice;
use super::source::Source;
use super::{job, json, kernels, progress};
use krylane::matrix::Stats;
use krylane::{Options, Solver};
use serde_json::json;

pub(crate) struct Inspect {
    source: Source,
    options: Options,
    kernels: Option<Folder>,
    json: bool,
}

impl Inspect {
    pub(super) fn new(args: InspectArgs) -> anyhow::Result<Self> {
        let source = Source::new(args.matrix)?;
        let options = job::options(args.solver)?;
        Ok(Self { source, options, kernels: args.kernels.map(Folder::new).transpose()?, json: args.json })
    }

    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let voice = Voice::new(self.json, false);
        let matrix = self.source.load(voice)?;
        let looking = progress::spinner("looking at the matrix", voice);
        let stats = Stats::of(&matrix.csr);
        let kernels = match &self.kernels {
            Some(folder) => Some((kernels::write(&matrix.csr, &self.options, folder)?, folder)),
            None => None,
        };
        // A matrix that can't be solved with can still be inspected.
        let (plan, forms) = match Solver::new(&matrix.csr, self.options) {
            Ok(mut solver) => {
                let forms = solver.stored_forms()?;
                (solver.plan().to_vec(), forms)
            }
            Err(e) if e.is_bad_input() => (vec![format!("none: {e}")], vec![]),
            Err(e) => return Err(e.into()),
        };
        drop(looking);
        if self.json {
            let report =
                json!({ "name": matrix.name, "file": matrix.notes, "stats": stats, "plan": plan, "forms": forms });
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
        for (k, f) in forms.iter().enumerate() {
            let form = f.form.clone().unwrap_or_else(|| format!("{} bytes a product", f.bytes_a_product));
            text += &format!("{:<16} {}: {form}\n", if k == 0 { "stored" } else { "" }, f.device);
        }
        if let Some((count, folder)) = kernels {
            text += &format!("{:<16} {count}, in {}\n", "kernels", folder.path().display());
        }
        print(text.as_bytes())
    }
}
