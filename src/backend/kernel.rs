//! Kernels as people read them.

use serde::Serialize;

/// A kernel as a GPU runs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Kernel {
    /// What kind of kernel it is: "sweep", or a file of `shaders/`.
    pub name: String,
    /// The name with a digest of the text, as the times of kernels have it.
    pub label: String,
    /// What it computes at its first use: scalars first, then for every entry.
    pub computes: Vec<String>,
    /// What it binds then, in order.
    pub bindings: Vec<KernelBinding>,
    /// Workgroups of 256 invocations then.
    pub workgroups: usize,
    /// Uses: with other vectors, other columns of a basis, other lengths.
    pub uses: usize,
    /// Its WGSL.
    #[serde(skip)]
    pub text: String,
}

/// A buffer, or part of one, that a kernel binds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KernelBinding {
    /// What it holds.
    pub holds: String,
    /// Whether the kernel writes it.
    pub written: bool,
    /// Bytes bound.
    pub bytes: u64,
}
