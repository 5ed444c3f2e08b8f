//! The CPU engine without methods and driver, for benches.

use super::{Allowed, Cpu};
use crate::backend::Engine;
use crate::error::Result;
use crate::op::schedule::Compiler;
use crate::op::{Operator, Program, Space, Vector};

/// Runs programs on the CPU, each compiled once.
pub struct Harness {
    cpu: Cpu,
    compiler: Compiler,
    space: Space,
}

impl Harness {
    /// Allocates what `space` lists. `threads` = 0 takes all.
    ///
    /// # Errors
    /// Threads that can't be started.
    pub fn new(space: Space, threads: usize, allowed: Allowed) -> Result<Self> {
        let cpu = Cpu::with_formats(space.clone(), threads, true, allowed)?;
        Ok(Self { compiler: Compiler::new(cpu.fusion()), cpu, space })
    }

    /// The form in which the CPU stores a matrix.
    #[must_use]
    pub fn describe(&self, a: Operator) -> String {
        self.cpu.describe(a).unwrap_or_default()
    }

    /// Puts values into a vector.
    ///
    /// # Errors
    /// None on the CPU.
    pub fn write(&mut self, v: Vector, values: &[f64]) -> Result<()> {
        self.cpu.write_vector(v, values)
    }

    /// The values of a vector.
    ///
    /// # Errors
    /// None on the CPU.
    pub fn read(&mut self, v: Vector) -> Result<Vec<f64>> {
        pollster::block_on(self.cpu.read_vector(v))
    }

    /// Writes a program and runs it; returns the bytes it moves by the model.
    ///
    /// # Errors
    /// None on the CPU.
    pub fn run(&mut self, write: impl FnOnce(&mut Program)) -> Result<u64> {
        let mut p = Program::new(&self.space);
        write(&mut p);
        let compiled = self.compiler.compile(p.ops, &self.space);
        self.cpu.enqueue(&compiled)?;
        self.cpu.flush()?;
        pollster::block_on(self.cpu.collect())?;
        Ok(compiled.bytes)
    }
}
