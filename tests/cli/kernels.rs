//! The kernels that `inspect` writes.

use super::program::{Folder, expect, krylane};
use super::refuses;
use serde_json::Value;
use std::fs;

#[test]
fn kernels_are_written_with_what_they_compute_and_bind() {
    let dir = Folder::new();
    let inspect = |backend: &str, folder: &str| {
        krylane(&[
            "inspect",
            "convection_diffusion2d:8",
            "--backend",
            backend,
            "-m",
            "gmres",
            "-p",
            "jacobi",
            "--kernels",
            folder,
        ])
    };
    let folder = dir.name("kernels");
    let (out, _) = expect(&inspect("gpu", &folder), 0);
    let list: Vec<Value> =
        serde_json::from_slice(&fs::read(dir.path("kernels").join("kernels.json")).unwrap()).unwrap();
    assert!(out.contains(&format!("kernels          {}, in {folder}", list.len())), "{out}");
    // A product, projections and their sums, updates, the scaling, a start and an end of a cycle.
    assert!((9..40).contains(&list.len()), "{} kernels", list.len());
    let mut names = vec![];
    for entry in &list {
        let text = fs::read_to_string(dir.path("kernels").join(entry["file"].as_str().unwrap())).unwrap();
        let module = naga::front::wgsl::parse_str(&text).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&text)));
        let bound = module.global_variables.iter().filter(|(_, v)| v.binding.is_some()).count();
        let bindings = entry["kernel"]["bindings"].as_array().unwrap();
        assert_eq!((bindings.len(), text.matches("// binding ").count()), (bound, bound), "{text}");
        assert!(bindings.iter().all(|b| b["bytes"].as_u64().unwrap() > 0));
        assert!(text.starts_with("// gmres with jacobi"), "{text}");
        names.push(entry["kernel"]["name"].as_str().unwrap().to_string());
    }
    for name in ["sweep", "multi_dot_pair.wgsl", "multi_axpy_pair.wgsl", "finish.wgsl"] {
        assert!(names.iter().any(|n| n == name), "{name} is missing in {names:?}");
    }
    let product = |e: &&Value| e["kernel"]["computes"].to_string().contains("w = A z");
    let bindings = list.iter().find(product).expect("the product")["kernel"]["bindings"].to_string();
    for what in ["pattern of A", "values of A", "vector z", "vector w"] {
        assert!(bindings.contains(what), "{what} is missing in {bindings}");
    }

    refuses(&inspect("gpu", &folder), 2, &["is not empty", "new folder"]);
    refuses(&inspect("cpu", &dir.name("none")), 2, &["runs on the CPU", "--backend gpu"]);
}
