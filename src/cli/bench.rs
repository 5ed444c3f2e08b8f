//! `krylane bench`: how close products, sweeps and iterations come to the machine's bandwidth.

use super::args::BenchArgs;
use super::document::command_line;
use super::exit::Exit;
use super::output::{Holds, Target, distinct, print};
use super::source::name_and_size;
use krylane::bench::{Row, Settings, run as measure};
use krylane::matrix::{Csr, gallery};
use krylane::picture::{About, bench_page};
use krylane::{Backend, Error, Precision};
use std::sync::Arc;

/// A device to measure, and problems that suit its size.
struct Device {
    backend: Backend,
    precisions: Vec<Precision>,
    problems: &'static [&'static str],
    triad: usize,
}

const LARGE: &[&str] = &["poisson2d:1000", "poisson3d:100"];
/// A software adapter handles some hundred million entries per second: keep the run to seconds.
const SMALL: &[&str] = &["poisson2d:100", "poisson3d:20"];

fn cpu() -> Device {
    Device { backend: Backend::Cpu, precisions: vec![Precision::F64, Precision::F32], problems: LARGE, triad: 1 << 24 }
}

/// The usable adapters.
fn gpus() -> Vec<Device> {
    #[cfg(feature = "gpu")]
    return krylane::adapters()
        .into_iter()
        .filter(|a| a.why_not.is_none())
        .map(|a| {
            let software = a.info.kind == krylane::DeviceKind::Software;
            Device {
                backend: Backend::Adapter(a.index.to_string()),
                precisions: if a.f64 { vec![Precision::F64, Precision::F32] } else { vec![Precision::F32] },
                problems: if software { SMALL } else { LARGE },
                triad: if software { 1 << 20 } else { 1 << 24 },
            }
        })
        .collect();
    #[cfg(not(feature = "gpu"))]
    vec![]
}

pub(super) fn run(args: BenchArgs) -> anyhow::Result<Exit> {
    let json = args.json.clone().map(|p| Target::holding(Holds::Report, p)).transpose()?;
    let page = args.report.clone().map(|p| Target::holding(Holds::Page, p)).transpose()?;
    distinct([], &[&json, &page])?;
    let devices = match args.backend.as_str() {
        "all" => std::iter::once(cpu()).chain(gpus()).collect(),
        "cpu" => vec![cpu()],
        "gpu" => gpus(),
        name => gpus().into_iter().filter(|d| d.backend == Backend::Adapter(name.into())).collect::<Vec<_>>(),
    };
    if devices.is_empty() {
        return Err(
            Error::NoAdapter(format!("no adapter matches {:?}; `krylane info` lists them", args.backend)).into()
        );
    }
    let mut rows: Vec<Row> = vec![];
    for device in devices {
        let names: Vec<String> = match args.problems.is_empty() {
            true => device.problems.iter().map(ToString::to_string).collect(),
            false => args.problems.clone(),
        };
        let problems = names.into_iter().map(problem).collect::<krylane::Result<Vec<_>>>()?;
        for precision in device.precisions {
            let settings = Settings {
                backend: device.backend.clone(),
                precision,
                operations: args.operations.clone(),
                repeat: args.repeat as usize,
                triad: device.triad,
                threads: args.threads,
            };
            let mut first = true;
            rows.extend(measure(&settings, &problems, &mut |row| {
                if std::mem::take(&mut first) {
                    let head = format!(
                        "\n{}, {}\n{:16} {:>10} {:10} {:>12} {:>12} {:>9} {:>9}\n",
                        row.device,
                        row.precision,
                        "problem",
                        "rows",
                        "operation",
                        "ms",
                        "bytes/row",
                        "GB/s",
                        "of triad"
                    );
                    let _ = print(head.as_bytes());
                }
                let per_row = row.bytes as f64 / row.n as f64;
                let line = format!(
                    "{:16} {:>10} {:10} {:>12.4} {:>12.1} {:>9.2} {:>8.0}%\n",
                    row.problem,
                    row.n,
                    row.operation,
                    row.milliseconds,
                    per_row,
                    row.gb_per_s,
                    100.0 * row.fraction
                );
                let _ = print(line.as_bytes());
            })?);
        }
    }
    if let Some(target) = json {
        target
            .write(&super::json::text(&serde_json::json!({ "version": env!("CARGO_PKG_VERSION"), "rows": rows }))?)?;
    }
    if let Some(target) = page {
        let words: Vec<String> = std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect();
        let about = About { name: "bench", command: Some(&command_line(&words)), ..About::default() };
        target.write(bench_page(&rows, &about).as_bytes())?;
    }
    Ok(Exit::Success)
}

fn problem(spec: String) -> krylane::Result<(String, Arc<Csr>)> {
    let (name, size) = name_and_size(&spec)
        .ok_or_else(|| Error::input(format!("--problems {spec}: the form is NAME:SIZE, as in poisson2d:500")))?;
    Ok((spec, Arc::new(gallery::by_name(&name, size, &[])?)))
}
