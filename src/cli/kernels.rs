//! `krylane inspect --kernels`: the shaders that the plan runs on a GPU, for people and for other compilers.

use super::output::Folder;
use anyhow::Context;
use krylane::{Kernel, Options, Reason, Solver};
use serde_json::json;
use std::fmt::Write;

/// Iterations in which every kernel of a plan occurs: a cycle of the usual length, a restart, some more.
const ITERATIONS: usize = 64;

/// Solves a little with every right-hand side one and writes each kernel that ran; returns how many.
pub(super) fn write(matrix: &krylane::matrix::Csr, options: &Options, folder: &Folder) -> anyhow::Result<usize> {
    let mut options = options.clone();
    options.knobs.list_kernels = true;
    options.max_iterations = options.max_iterations.min(ITERATIONS);
    let mut solver = Solver::new(matrix, options)?;
    let report = solver.solve(&vec![1.0; matrix.rows()])?;
    if let Reason::DeviceFailed { .. } = report.reason {
        return Err(report.into_result().map(drop).expect_err("a failure").into());
    }
    let (mut list, mut count) = (vec![], 0);
    for (candidate, kernels) in solver.kernels() {
        for kernel in &kernels {
            let file = format!("{count:03}-{}.wgsl", kernel.name.trim_end_matches(".wgsl").replace(' ', "-"));
            folder.write(&file, (heading(&candidate, kernel) + &kernel.text).as_bytes())?;
            list.push(json!({ "file": file, "candidate": candidate, "kernel": kernel }));
            count += 1;
        }
    }
    if count == 0 {
        anyhow::bail!(krylane::Error::input(
            "the plan runs on the CPU, which has no kernels to write; add --backend gpu (a software adapter will do)"
        ));
    }
    let text = serde_json::to_vec_pretty(&list).context("the list of kernels")?;
    folder.write("kernels.json", &text)?;
    Ok(count)
}

/// What the kernel is for and what it binds, as comments of WGSL.
fn heading(candidate: &str, kernel: &Kernel) -> String {
    let uses = if kernel.uses == 1 { String::new() } else { format!(", the first of {} uses", kernel.uses) };
    let mut text = format!("// {candidate}: {}, {} workgroups of 256{uses}\n", kernel.name, kernel.workgroups);
    for line in &kernel.computes {
        let _ = writeln!(text, "//   {line}");
    }
    for (k, b) in kernel.bindings.iter().enumerate() {
        let access = if b.written { "written" } else { "read" };
        let _ = writeln!(text, "// binding {k}: {}, {} bytes, {access}", b.holds, b.bytes);
    }
    text + "\n"
}
