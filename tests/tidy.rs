//! The layering and the size of files, read from the sources.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // In a worktree `.git` is a file.
        if ["target", ".git"].contains(&name.as_str()) {
        } else if path.is_dir() {
            files(&path, out);
        } else {
            out.push(path);
        }
    }
}

/// Name and text of each file below `folder`, comments cut.
fn code(folder: &str) -> Vec<(String, String)> {
    let mut list = vec![];
    files(&root().join(folder), &mut list);
    list.into_iter()
        .map(|p| {
            let text = fs::read_to_string(&p).unwrap();
            // Tests at the end of a file may use what they test.
            let lines = text.lines().take_while(|l| !l.starts_with("#[cfg(test)]"));
            let code = lines.map(|l| l.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
            (p.strip_prefix(root()).unwrap().display().to_string(), code)
        })
        .collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

#[test]
fn methods_know_no_device_no_clock_and_no_loop() {
    for folder in ["src/method", "src/krylov", "src/precond"] {
        for (name, code) in code(folder) {
            for word in words(&code) {
                let banned =
                    ["wgpu", "pollster", "Instant", "SystemTime", "Engine", "Gpu", "Cpu", "Backend", "backend"];
                assert!(!banned.contains(&word), "{name} names {word}");
                assert!(folder == "src/precond" || !["loop", "while"].contains(&word), "{name} has a {word}");
            }
            assert!(!code.contains("read_vector") && !code.contains("block_on"), "{name} reads the device");
        }
    }
}

/// The eigenvalue methods; the loop, the search and the front doors stand beside them.
const EIGEN_METHODS: [&str; 8] =
    ["arnoldi", "bidiagonal", "filter", "inverse", "lanczos", "lobpcg", "power", "thick_restart"];

#[test]
fn eigenvalue_methods_know_no_device_no_clock_and_no_loop() {
    for id in EIGEN_METHODS {
        let wanted = format!("{id}.rs");
        let (name, code) = code("src/eigen").into_iter().find(|(name, _)| name.ends_with(&wanted)).unwrap();
        for word in words(&code) {
            let banned = ["wgpu", "pollster", "Instant", "Engine", "Gpu", "Cpu", "Backend", "backend", "loop", "while"];
            assert!(!banned.contains(&word), "{name} names {word}");
        }
    }
}

#[test]
fn a_method_is_a_page() {
    let mut list = vec![];
    files(&root().join("src/method"), &mut list);
    assert!(list.len() >= 7);
    list.extend(EIGEN_METHODS.map(|id| root().join(format!("src/eigen/{id}.rs"))));
    for path in list {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().take_while(|l| !l.starts_with("#[cfg(test)]")).count();
        // The seam and the table are no methods.
        let page = match &path {
            path if path.ends_with("mod.rs") || path.ends_with("registry.rs") => 250,
            // These end in a small dense problem of their own.
            path if path.parent().is_some_and(|folder| folder.ends_with("eigen")) => 215,
            _ => 185,
        };
        assert!(lines <= page, "{}: {lines} lines", path.display());
        assert!(text.starts_with("//! "), "{}: no word on what it is", path.display());
    }
}

#[test]
fn one_method_does_not_know_another() {
    let ids = ["bicgstab", "cg", "gmres", "minres", "steepest_descent"];
    for (name, code) in code("src/method") {
        let own = Path::new(&name).file_stem().unwrap().to_string_lossy().into_owned();
        if ids.contains(&own.as_str()) {
            for word in words(&code) {
                assert!(!ids.contains(&word) || word == own, "{name} names {word}");
            }
        }
    }
}

#[test]
fn shaders_are_in_the_table() {
    let table: String = code("src/backend/gpu").into_iter().map(|f| f.1).collect();
    for entry in fs::read_dir(root().join("shaders")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(table.contains(&format!("\"{name}\"")), "shaders/{name} is not in the table");
    }
}

#[test]
fn only_the_gpu_backend_knows_wgpu() {
    for (name, code) in code("src") {
        let allowed = name.starts_with("src/backend/gpu");
        assert!(allowed || !code.contains("wgpu::"), "{name} uses wgpu");
    }
}

#[test]
fn no_text_names_a_place_on_this_machine() {
    let mut list = vec![];
    files(&root(), &mut list);
    // Spelled in parts, so that this file is clean as well.
    let places = ["work", "tmp", "home", "root"].map(|p| format!("/{p}/"));
    for path in list {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if path.extension().is_some_and(|e| e == "mtx") {
            continue;
        }
        for place in &places {
            for (k, _) in text.match_indices(place.as_str()) {
                // Only at the start of a path: `path/tmp/x` is some other one.
                let before = text[..k].chars().next_back().unwrap_or(' ');
                assert!(
                    before.is_alphanumeric() || "/._-}".contains(before),
                    "{} names {}",
                    path.display(),
                    text[k..].chars().take(30).collect::<String>()
                );
            }
        }
    }
}

#[test]
fn dependencies_are_licensed_as_deny_toml_allows() {
    let output = std::process::Command::new(env!("CARGO"))
        // Not offline: a fresh machine has not fetched the crates of other platforms, which are checked as well.
        .args(["metadata", "--format-version", "1", "--all-features", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let policy = fs::read_to_string(root().join("deny.toml")).unwrap();
    let allowed = |licence: &str| policy.contains(&format!("\"{licence}\""));
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "{} packages", packages.len());
    for package in packages {
        let name = package["name"].as_str().unwrap();
        assert!(!policy.contains(&format!("name = \"{name}\"")), "{name} is banned by deny.toml");
        let licence = package["license"].as_str().unwrap_or_default().replace('/', " OR ");
        // Every part joined by AND needs one of its alternatives joined by OR.
        let ok = licence.split(" AND ").all(|part| {
            part.split(" OR ").any(|l| allowed(l.trim_matches(|c: char| c == '(' || c == ')' || c == ' ')))
        });
        assert!(ok, "{name} is licensed {licence:?}");
    }
}
