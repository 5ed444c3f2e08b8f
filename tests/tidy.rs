//! The layering and the size of files, read from the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // In a worktree `.git` is a file. The last two are what web/ builds and fetches.
        if ["target", ".git", "dist", "node_modules"].contains(&name.as_str()) {
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
            path if ["mod.rs", "registry.rs", "entry.rs"].iter().any(|name| path.ends_with(name)) => 250,
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
    let ids: Vec<&str> = krylane::method::METHODS.iter().map(|m| m.id).collect();
    let mut seen = 0;
    for (name, code) in code("src/method") {
        let own = Path::new(&name).file_stem().unwrap().to_string_lossy().into_owned();
        if ids.contains(&own.as_str()) {
            seen += 1;
            for word in words(&code) {
                assert!(!ids.contains(&word) || word == own, "{name} names {word}");
            }
        }
    }
    assert_eq!(seen, ids.len(), "a file for each method");
}

/// The README says how many matrices end Converged; the record of that run lies beside it.
#[test]
fn the_readme_counts_the_matrices_of_the_record() {
    let record = fs::read_to_string(root().join("benches/results/2026-11-30-regret.md")).unwrap();
    let rows = record.lines().filter(|l| l.starts_with('|')).count() - 2;
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(&format!("Of {rows} square")), "the record has {rows} matrices");
    assert!(record.contains(&format!("All {rows} ended Converged")));
}

#[test]
fn the_readme_has_every_method_and_preconditioner() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let tables: String = readme.lines().filter(|l| l.starts_with('|')).collect();
    let methods = krylane::method::METHODS.iter().map(|m| m.id);
    let preconditioners = krylane::precond::PRECONDITIONERS.iter().map(|p| p.id).filter(|id| *id != "none");
    for id in methods.chain(preconditioners) {
        let named = ["`", ":"].iter().any(|end| tables.contains(&format!("`{id}{end}")));
        assert!(named, "{id} is in no table of README.md");
    }
}

/// The room of a file: its folder under `src`, or its own name.
fn room(file: &str) -> &str {
    let inside = file.trim_start_matches("src/");
    inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
}

/// The room of each name that `lib.rs` exports.
fn names_at_root() -> BTreeMap<String, String> {
    let root = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let code = root.lines().map(|l| l.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
    let mut names = BTreeMap::new();
    for statement in code.split(';').filter_map(|s| s.split("pub use ").nth(1)) {
        let mut parts = words(statement).filter(|w| !w.is_empty());
        let room = parts.next().unwrap().to_string();
        parts.for_each(|name| drop(names.insert(name.to_string(), room.clone())));
    }
    names
}

/// Which room names which others, by `crate::` and the command line's `krylane::`.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let names = names_at_root();
    let mut graph = BTreeMap::<String, BTreeSet<String>>::new();
    for (file, code) in code("src") {
        let own = room(&file);
        if ["lib", "main", "testing"].contains(&own) || file.contains("tests") {
            continue;
        }
        assert!(!code.contains("crate::{"), "{file}: one line for each room, so that this test sees it");
        let others = graph.entry(own.to_string()).or_default();
        for part in code.split("crate::").skip(1).chain(code.split("krylane::").skip(1)) {
            let word = words(part).next().unwrap_or_default();
            let other = names.get(word).map_or(word, String::as_str);
            if other != own && !other.is_empty() {
                others.insert(other.to_string());
            }
        }
    }
    graph
}

/// The layers of the library: a room imports from layers before its own only. `-- --nocapture` prints them.
#[test]
fn rooms_do_not_import_each_other_in_circles() {
    let mut left = imports();
    assert!(left.len() > 15 && left["solve"].contains("plan") && left["cli"].contains("solve"), "{left:?}");
    for layer in 0.. {
        let rooms: Vec<String> = left.keys().cloned().collect();
        let ready = |others: &BTreeSet<String>| !others.iter().any(|other| rooms.contains(other));
        let free: Vec<String> = left.iter().filter(|(_, o)| ready(o)).map(|(room, _)| room.clone()).collect();
        assert!(!free.is_empty() || left.is_empty(), "circles among {left:#?}");
        for room in &free {
            let others: Vec<String> = left.remove(room).unwrap().into_iter().collect();
            println!("{layer} {room:>10} -> {}", others.join(" "));
        }
        if left.is_empty() {
            return;
        }
    }
}

/// Longer than a reader takes in at once; tables of much the same entries are not read in one go.
const LONG: usize = 500;

/// Files that may be longer, and why.
const TABLES: [(&str, &str); 1] = [("src/matrix/gallery.rs", "a table of model problems, each a function of its own")];

#[test]
fn files_are_short() {
    for folder in ["src", "tests", "examples", "benches", "shaders"] {
        let mut list = vec![];
        files(&root().join(folder), &mut list);
        for path in list.iter().filter(|p| p.extension().is_some_and(|e| e == "rs" || e == "wgsl")) {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            let lines = fs::read_to_string(path).unwrap().lines().count();
            let excepted = TABLES.iter().any(|(file, _)| *file == name);
            assert!(excepted || lines <= LONG, "{name}: {lines} lines");
            assert!(!excepted || lines > LONG, "{name} needs no exception any more");
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
