//! Every WGSL text is valid and translates to SPIR-V, MSL and HLSL. No adapter is needed.

use super::form::{
    Blocks, Columns, Csrs, Form, Free, Lanes, Layout, Runs, SHADERS as FORM_SHADERS, SPMV_PIECES, Slices, Values,
};
use super::text::{self, SHADERS, Shader, Sweep, Types};
use super::*;
use crate::matrix::gallery;
use crate::method::Needs;
use crate::op::schedule::{Compiler, traffic};
use crate::op::{Op, Precisions, forming};
use crate::testing::{build, build_in};
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

/// The portable limit on workgroup memory.
const WORKGROUP_BYTES: u32 = 16384;

/// Another compiler, that of a browser, sees the texts too: `web/tests/run.sh` names a folder for them.
fn keep_for_the_browser(source: &str) {
    let Some(folder) = std::env::var_os("KRYLANE_WGSL") else { return };
    let mut hasher = std::hash::DefaultHasher::new();
    source.hash(&mut hasher);
    std::fs::write(std::path::Path::new(&folder).join(format!("{:016x}.wgsl", hasher.finish())), source).unwrap();
}

fn check(what: &str, source: &str) {
    check_with(what, source, 8);
}

fn check_with(what: &str, source: &str, most: usize) {
    let module = naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|e| panic!("{what}: {}\n{source}", e.emit_to_string(source)));
    let info = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::FLOAT64)
        .validate(&module)
        .unwrap_or_else(|e| panic!("{what}: {}\n{source}", e.emit_to_string(source)));
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).unwrap();
    let shared: u32 = module
        .global_variables
        .iter()
        .filter(|(_, v)| v.space == naga::AddressSpace::WorkGroup)
        .map(|(_, v)| layouter[v.ty].size)
        .sum();
    assert!(shared <= WORKGROUP_BYTES, "{what}: {shared} bytes of workgroup memory");
    let storage = source.matches("var<storage").count();
    assert!(storage <= most, "{what}: {storage} storage bindings");

    let words = naga::back::spv::write_vec(&module, &info, &naga::back::spv::Options::default(), None);
    assert!(words.unwrap_or_else(|e| panic!("{what} to SPIR-V: {e}")).len() > 100);
    if !source.contains("f64") {
        keep_for_the_browser(source);
        let options = naga::back::msl::Options { lang_version: (2, 0), ..Default::default() };
        let (msl, _) = naga::back::msl::write_string(&module, &info, &options, &Default::default())
            .unwrap_or_else(|e| panic!("{what} to MSL: {e}"));
        assert!(msl.contains("kernel void"), "{what}: {msl}");
    }
    // 5.1 is what FXC takes, 6.0 and above DXC.
    use naga::back::hlsl::ShaderModel;
    for shader_model in [ShaderModel::V5_1, ShaderModel::V6_0, ShaderModel::V6_7] {
        let options = naga::back::hlsl::Options { shader_model, ..Default::default() };
        let pipeline = naga::back::hlsl::PipelineOptions::default();
        let mut hlsl = String::new();
        naga::back::hlsl::Writer::new(&mut hlsl, &options, &pipeline)
            .write(&module, &info, None)
            .unwrap_or_else(|e| panic!("{what} to HLSL {shader_model:?}: {e}"));
        assert!(hlsl.contains("[numthreads(256, 1, 1)]"), "{what}: {hlsl}");
    }
}

/// A layout of every kind.
fn layouts() -> Vec<Layout> {
    let slices = [false, true].map(|sorted| Slices { sorted }.into());
    let runs = [8, 16].map(|bits| Runs { bits }.into());
    let lanes = [4, 8, 16, 32].map(|k| Lanes(k).into());
    slices.into_iter().chain(runs).chain(lanes).chain([Blocks.into(), Csrs.into(), Free.into()]).collect()
}

fn all_shaders() -> impl Iterator<Item = &'static Shader> {
    let of_layouts = layouts().into_iter().flat_map(|l| l.rows().shaders());
    SHADERS.iter().copied().chain(FORM_SHADERS.iter().copied()).chain(of_layouts)
}

#[test]
fn the_table_lists_the_directory() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let files: BTreeSet<String> =
        std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    let table: BTreeSet<String> = all_shaders().map(|s| s.name.to_string()).collect();
    assert_eq!(files, table);
}

#[test]
fn plain_kernels_are_valid() {
    let mut kernels = 0;
    check("double-single test", &text::double_single_test());
    let frames = ["sweep.wgsl", "spmv.wgsl", "double_single_test.wgsl"];
    for shader in SHADERS.iter().filter(|s| s.text.contains("@compute") && !frames.contains(&s.name)) {
        for real in [Dtype::F32, Dtype::F64] {
            for item in [Dtype::F32, real] {
                for (minus, columns) in [(false, 1), (true, 9), (false, 17), (true, 40)] {
                    let source = text::plain(shader, Types { real, item }, minus, columns);
                    check(&format!("{} in {real:?} on {item:?}", shader.name), &source);
                    kernels += 1;
                }
            }
        }
    }
    assert!(kernels >= 5 * 16, "{kernels} kernels");
}

/// Every form, whether a matrix would get it or not.
fn forms(dtype: Dtype) -> Vec<Form> {
    let mut out = vec![];
    let stored = if dtype == Dtype::F64 { vec![Values::F64, Values::F32] } else { vec![Values::F32] };
    for values in stored.into_iter().chain([Values::Codes, Values::Shared]) {
        for layout in layouts().into_iter().filter(|l| l.rows().multiplies_alone()) {
            let absent = layout.rows().without_columns();
            let columns = if absent { vec![Columns::Absent] } else { vec![Columns::Wide, Columns::Short] };
            let kept = columns.into_iter().filter(|_| absent || values != Values::Shared);
            out.extend(kept.map(|columns| Form { layout, columns, values, dtype }));
        }
    }
    out
}

#[test]
fn products_of_every_form_are_valid() {
    for item in [Dtype::F32, Dtype::F64] {
        for form in forms(item) {
            for real in [item, Dtype::F64] {
                for shared in [false, true] {
                    check(&format!("{form:?} under {real:?}"), &text::product(form, Types { real, item }, shared));
                }
            }
        }
        check("pieces", &text::plain(&SPMV_PIECES, Types { real: item, item }, false, 0));
        // In a sweep with dot products and everything else that needs workgroup memory.
        let mut built = build("cg", "jacobi", &gallery::poisson2d(6), Precisions::uniform(item), 5);
        let step = Compiler::new(FUSION).compile(built.segments().remove(2).1, &built.space);
        for form in forms(item).into_iter().filter(|f| !f.alone()) {
            for source in sweeps(&built.space, &[Arc::clone(&step)], item, |_| form, 8) {
                check(&format!("a sweep with {form:?}"), &source);
            }
        }
    }
}

/// The sweep that spans the end of one CG iteration and the start of the next, in every form.
#[test]
fn sweeps_that_form_what_they_gather_are_valid() {
    for dtype in [Dtype::F32, Dtype::F64] {
        for preconditioner in ["none", "jacobi"] {
            let mut built = build("cg", preconditioner, &gallery::poisson2d(6), Precisions::uniform(dtype), 5);
            let d = built.segments()[2].1.iter().find_map(Op::gathers).unwrap();
            let step = Compiler::new(FUSION).compile(built.segments().remove(2).1, &built.space);
            assert_eq!(forming::deferrable(&step, &built.space), Some(d));
            let twin = built.space.vector("d", 36);
            let maps = &step.stages.last().unwrap().body;
            let redirected = forming::redirected(maps, d, d, twin);
            let joined = forming::joined(redirected, &step.stages[0].body, d, twin).unwrap();
            // x, d, its twin, r or z, q: 3 written, 3 read, one of them both; plus the matrix.
            let bytes = traffic(&joined, &built.space) - built.space.operator_bytes(Operator(0));
            assert_eq!(bytes, 6 * 36 * dtype.size() as u64, "{preconditioner}");
            for form in forms(dtype).into_iter().filter(|f| !f.alone()) {
                let made = Sweep {
                    space: &built.space,
                    real: dtype,
                    pending: &[0, 1],
                    scalars: &step.epilogue,
                    body: &joined,
                    deferred: maps.len(),
                    twin: Some(d),
                    forms: &vec![form; built.space.operators.len()],
                    scalar_count: built.space.scalars.len() + 1,
                    array_at: &[],
                }
                .generate();
                check_with(&format!("{preconditioner} with {form:?}"), &made.text, 10);
            }
        }
    }
}

/// The texts of all sweeps of a list of segments, by the rules of `Gpu::lower_stage`.
fn sweeps(
    space: &Space,
    segments: &[Arc<Compiled>],
    real: Dtype,
    form: impl Fn(Dtype) -> Form,
    bindings: usize,
) -> Vec<String> {
    let forms: Vec<Form> = space.operators.iter().map(|o| form(space.plan.dtype(o.role))).collect();
    let scalar_count = space.scalars.len() + 1;
    let mut at = 16 * 1024;
    let array_at: Vec<usize> = space
        .arrays
        .iter()
        .map(|a| {
            at += a.1;
            at - a.1
        })
        .collect();
    let mut out = vec![];
    let mut now = Carry::default();
    let mut generate = |now: &mut Carry, body: &[Op]| {
        let made = Sweep {
            space,
            real,
            pending: &now.pending,
            scalars: &now.scalars,
            body,
            deferred: 0,
            twin: None,
            forms: &forms,
            scalar_count,
            array_at: &array_at,
        }
        .generate();
        out.push(made.text);
        *now = Carry { pending: made.leaves, ..Carry::default() };
    };
    for segment in segments {
        for stage in &segment.stages {
            now.scalars.extend(stage.scalars.iter().cloned());
            let projection = matches!(stage.body[0], Op::MultiDot { .. } | Op::MultiAxpy { .. });
            let publishes = now.scalars.iter().any(super::text::needs_ledger);
            // As `project.rs` decides.
            let waits = match stage.body[..] {
                [Op::MultiDot { .. }, ..] => now.scalars.is_empty(),
                [Op::MultiAxpy { .. }, Op::MultiAxpy { .. }] => now.scalars.iter().all(|op| op.sets().is_some()),
                _ => false,
            };
            let operands =
                stage.body.iter().flat_map(|op| op.reads().into_iter().chain(op.writes()).chain(op.gathers()));
            let wide = operands.collect::<BTreeSet<_>>().len()
                + 2 * usize::from(stage.body.iter().any(|op| matches!(op, Op::Apply { .. })));
            if (projection && !waits || publishes && wide + 3 > bindings) && now != Carry::default() {
                generate(&mut now, &[]);
            }
            if !projection {
                generate(&mut now, &stage.body);
            } else if let Some(Op::Dot { out, .. }) = stage.body.get(1) {
                now.pending = vec![out.0];
            }
        }
        now.scalars.extend(segment.epilogue.iter().cloned());
    }
    generate(&mut now, &[]);
    out
}

#[test]
fn sweeps_of_every_method_are_valid() {
    let a = gallery::convection_diffusion2d(6, [0.3, 0.1]);
    for method in crate::method::METHODS {
        // fsai needs a symmetric matrix and emits what isai does; `given` is the user's own.
        let suits = |id: &str| match method.needs {
            Needs::Any => ["none", "jacobi"].contains(&id),
            Needs::Square => !["fsai", "given"].contains(&id),
            _ => !["fsai", "given", "gauss_seidel", "ilut", "lu"].contains(&id),
        };
        for preconditioner in crate::precond::PRECONDITIONERS.iter().filter(|p| suits(p.id)) {
            let plans = [
                (Dtype::F32, Precisions::uniform(Dtype::F32)),
                (Dtype::F64, Precisions::uniform(Dtype::F64)),
                (Dtype::F64, Precisions::uniform(Dtype::F64).with_preconditioner(Dtype::F32)),
                (Dtype::F64, Precisions::mixed(Dtype::F64)),
                (Dtype::F32, Precisions::mixed(Dtype::DoubleSingle)),
            ];
            for (dtype, plan) in plans {
                let space = Space::new(plan).without_triangles();
                let mut built = build_in(space, method.id, preconditioner.id, &a, 5);
                let segments = built.segments();
                // The fewest bindings a device may have, and as many as one can use.
                let wide = Fusion { max_vectors: context::STORAGE_WANTED as usize - 2, ..FUSION };
                for (fusion, bindings) in [(FUSION, 8), (wide, wide.max_vectors + 2), (Fusion::NONE, 8)] {
                    let mut compiler = Compiler::new(fusion);
                    let compiled: Vec<_> =
                        segments.iter().map(|(_, ops)| compiler.compile(ops.clone(), &built.space)).collect();
                    let texts: BTreeSet<String> =
                        sweeps(&built.space, &compiled, dtype, Form::plain, bindings).into_iter().collect();
                    assert!(texts.len() >= 3, "{}: {} kernels", method.id, texts.len());
                    for source in texts {
                        check_with(
                            &format!("{} with {} in {dtype:?}", method.id, preconditioner.id),
                            &source,
                            bindings,
                        );
                    }
                }
            }
        }
    }
}
