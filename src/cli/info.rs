//! `krylane info`: the devices there are, and which would be chosen.

use super::exit::Exit;
use super::json;
use super::output::print;
use serde_json::{Value, json};
use std::fmt::Write;

pub(super) fn run(as_json: bool) -> anyhow::Result<Exit> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let features = cpu_features();
    let adapters = Adapters::find();
    if as_json {
        let report = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "cpu": { "threads": threads, "architecture": std::env::consts::ARCH, "features": features },
            "gpu_built_in": cfg!(feature = "gpu"),
            "adapters": adapters.json,
            "auto": adapters.chosen,
        });
        return print(&json::text(&report)?);
    }
    let mut text = format!("krylane {}\n", env!("CARGO_PKG_VERSION"));
    let list = if features.is_empty() { String::new() } else { format!(", {}", features.join(" ")) };
    let plural = if threads == 1 { "" } else { "s" };
    writeln!(text, "cpu      {}, {threads} thread{plural}{list}", std::env::consts::ARCH)?;
    text += &adapters.text;
    writeln!(text, "auto     {}", adapters.chosen)?;
    print(text.as_bytes())
}

/// The available adapters besides the CPU, as text and as JSON.
struct Adapters {
    text: String,
    json: Value,
    chosen: String,
}

impl Adapters {
    #[cfg(feature = "gpu")]
    fn find() -> Self {
        let found = krylane::adapters();
        let mut text = String::new();
        for a in &found {
            let has = |b: bool| if b { "yes" } else { "no" };
            text += &format!(
                "gpu {:<4} {} ({}, {}, {})\n",
                a.index, a.info.name, a.info.kind, a.info.backend, a.info.driver
            );
            text += &format!("         f64 {}, subgroups {}, ", has(a.f64), has(a.subgroups));
            text += &format!("binding up to {} MiB, buffer up to {} MiB\n", a.max_binding >> 20, a.max_buffer >> 20);
            if let Some(why) = passed_over(a) {
                text += &format!("         not chosen by auto: {why}\n");
            }
        }
        if found.is_empty() {
            text += "gpu      no adapter found\n";
        }
        let chosen = match found.iter().find(|a| passed_over(a).is_none()) {
            Some(a) => format!("{} for large systems, the CPU for small ones", a.info.name),
            None => "the CPU: no hardware GPU found".into(),
        };
        Self { text, json: json!(found), chosen }
    }

    #[cfg(not(feature = "gpu"))]
    fn find() -> Self {
        let text = "gpu      this krylane was built without the feature `gpu`\n".into();
        Self { text, json: json!([]), chosen: "the CPU: built without the feature `gpu`".into() }
    }
}

/// Why `--backend auto` does not take this adapter.
#[cfg(feature = "gpu")]
fn passed_over(a: &krylane::AdapterDetails) -> Option<String> {
    a.why_not.clone().or_else(|| {
        (a.info.kind == krylane::DeviceKind::Software).then(|| "a software adapter, used only on request".into())
    })
}

fn cpu_features() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    let found = [
        ("sse4.2", std::arch::is_x86_feature_detected!("sse4.2")),
        ("avx", std::arch::is_x86_feature_detected!("avx")),
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
    ];
    #[cfg(target_arch = "aarch64")]
    let found = [
        ("neon", std::arch::is_aarch64_feature_detected!("neon")),
        ("sve", std::arch::is_aarch64_feature_detected!("sve")),
    ];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let found: [(&str, bool); 0] = [];
    found.into_iter().filter_map(|(name, here)| here.then_some(name)).collect()
}
