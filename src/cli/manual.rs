//! `krylane man`: man pages and completion scripts, into a folder.

use super::args::Args;
use super::completion;
use super::exit::{Exit, NotWritable};
use super::output::print;
use clap::{CommandFactory, ValueEnum};
use clap_complete::{Generator, Shell};
use std::path::Path;

/// Writes `man1/*.1` and `completions/*`, and prints where.
pub(super) fn write(folder: &Path) -> anyhow::Result<Exit> {
    let (pages, scripts) = (folder.join("man1"), folder.join("completions"));
    let made = || -> std::io::Result<()> {
        std::fs::create_dir_all(&pages)?;
        std::fs::create_dir_all(&scripts)?;
        clap_mangen::generate_to(Args::command(), &pages)?;
        for &shell in Shell::value_variants() {
            std::fs::write(scripts.join(shell.file_name("krylane")), completion::script(shell))?;
        }
        Ok(())
    };
    made().map_err(|e| NotWritable(format!("{}: {e}", folder.display())))?;
    let (pages, scripts) = (pages.display(), scripts.display());
    print(format!("man pages in {pages}, completion scripts in {scripts}\n").as_bytes())
}
