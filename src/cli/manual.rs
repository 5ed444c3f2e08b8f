//! `krylane man`: man pages and completion scripts, into a folder.

use super::args::Args;
use super::exit::{Exit, NotWritable};
use super::output::print;
use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;
use std::path::Path;

/// Writes `man1/*.1` and `completions/*`, and prints where.
pub(super) fn write(folder: &Path) -> anyhow::Result<Exit> {
    let (pages, scripts) = (folder.join("man1"), folder.join("completions"));
    let made = || -> std::io::Result<()> {
        std::fs::create_dir_all(&pages)?;
        std::fs::create_dir_all(&scripts)?;
        clap_mangen::generate_to(Args::command(), &pages)?;
        for &shell in Shell::value_variants() {
            clap_complete::generate_to(shell, &mut Args::command(), "krylane", &scripts)?;
        }
        Ok(())
    };
    made().map_err(|e| NotWritable(format!("{}: {e}", folder.display())))?;
    let (pages, scripts) = (pages.display(), scripts.display());
    print(format!("man pages in {pages}, completion scripts in {scripts}\n").as_bytes())
}
