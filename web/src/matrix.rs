//! Matrices: from arrays, from the gallery, from a file's content.

use crate::failure;
use krylane::io::{ReadOptions, read_matrix_from};
use krylane::matrix::{Csr, gallery};
use std::path::Path;
use std::sync::Arc;
use wasm_bindgen::prelude::*;

/// A matrix in compressed sparse rows.
#[wasm_bindgen]
pub struct Matrix {
    pub(crate) csr: Arc<Csr>,
    pub(crate) name: String,
    /// What the reader noticed in its file.
    notes: Option<String>,
}

#[wasm_bindgen]
impl Matrix {
    /// A matrix from arrays that count from 0. Columns may come in any order; entries at one place are added up.
    #[wasm_bindgen(js_name = fromCsr)]
    pub fn from_csr(
        rows: usize,
        cols: usize,
        indptr: Vec<u32>,
        indices: Vec<u32>,
        values: Vec<f64>,
    ) -> Result<Matrix, JsError> {
        let starts = indptr.into_iter().map(|p| p as usize).collect();
        let csr = Csr::new(rows, cols, starts, indices, values).map_err(failure)?;
        Ok(Self { csr: Arc::new(csr), name: format!("a matrix of {rows} x {cols}"), notes: None })
    }

    /// A model problem; `names` and `values` are its parameters.
    #[wasm_bindgen(js_name = fromGallery)]
    pub fn from_gallery(name: &str, size: usize, names: Vec<String>, values: Vec<f64>) -> Result<Matrix, JsError> {
        let params: Vec<(String, f64)> = names.into_iter().zip(values).collect();
        let csr = gallery::by_name(name, size, &params).map_err(failure)?;
        let params: String = params.iter().map(|(name, value)| format!(":{name}={value}")).collect();
        Ok(Self { csr: Arc::new(csr), name: format!("{name}:{size}{params}"), notes: None })
    }

    /// A matrix from the content of a file in any format that the library reads, perhaps packed by gzip.
    #[wasm_bindgen(js_name = fromFile)]
    pub fn from_file(name: &str, content: Vec<u8>) -> Result<Matrix, JsError> {
        let loaded = read_matrix_from(content, Path::new(name), &ReadOptions::default()).map_err(failure)?;
        Ok(Self { csr: Arc::new(loaded.matrix), name: name.into(), notes: Some(loaded.notes.to_string()) })
    }

    /// Number of rows.
    #[wasm_bindgen(getter)]
    pub fn rows(&self) -> usize {
        self.csr.rows()
    }

    /// Number of columns.
    #[wasm_bindgen(getter)]
    pub fn cols(&self) -> usize {
        self.csr.cols()
    }

    /// Number of stored entries.
    #[wasm_bindgen(getter)]
    pub fn entries(&self) -> usize {
        self.csr.nnz()
    }

    /// What it is called in a report.
    #[wasm_bindgen(getter)]
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// What the reader noticed in its file.
    #[wasm_bindgen(getter)]
    pub fn notes(&self) -> Option<String> {
        self.notes.clone()
    }

    /// A x.
    pub fn multiply(&self, x: Vec<f64>) -> Result<Vec<f64>, JsError> {
        let cols = self.csr.cols();
        if x.len() != cols {
            return Err(failure(format!("x has {} entries; the matrix has {cols} columns", x.len())));
        }
        Ok(self.csr.multiply(&x))
    }
}

/// The gallery, and the methods and preconditioners, as JSON: names, what they are, parameters with their defaults.
#[wasm_bindgen]
pub fn catalogue() -> String {
    let families = gallery::NAMES.iter().filter(|f| !f.is_complex()).map(|f| {
        serde_json::json!({
            "name": f.name, "about": f.about, "dimensions": f.dimensions,
            "params": f.params.iter().map(|(name, value)| serde_json::json!({ "name": name, "value": value })).collect::<Vec<_>>(),
        })
    });
    let line = |id: &str, about: &str| serde_json::json!({ "id": id, "about": about });
    serde_json::json!({
        "gallery": families.collect::<Vec<_>>(),
        "methods": krylane::method::METHODS.iter().map(|m| line(m.id, m.about)).collect::<Vec<_>>(),
        "preconditioners": krylane::precond::PRECONDITIONERS.iter().map(|m| line(m.id, m.about)).collect::<Vec<_>>(),
    })
    .to_string()
}
