//! Choices made before solving, each with its reason in words: backend, method, preconditioner, precision.

pub(crate) mod transform;

use crate::analyse::facts::Facts;
use crate::backend::{Engine, cpu::Cpu};
use crate::error::{Error, Result};
use crate::host::memory;
use crate::matrix::format::scatters;
use crate::matrix::order::rcm;
use crate::matrix::{Csr, Matrix, Structure, equilibrate};
use crate::method::registry::Method;
use crate::method::{self, MethodEntry, Needs};
use crate::op::{Dtype, Plan, Role, Space};
use crate::options::{Backend, Criterion, Options, Precision, When};
use crate::precond;
use crate::precond::registry::Precond;
use crate::report::AdapterInfo;
#[cfg(feature = "gpu")]
use std::sync::Arc;
use transform::{Change, Ordering};

/// The device chosen.
pub(crate) struct DeviceChoice {
    pub(crate) adapter: AdapterInfo,
    /// The widest type that residuals can be computed in there.
    pub(crate) widest: Dtype,
    #[cfg(feature = "gpu")]
    pub(crate) gpu: Option<Arc<crate::backend::gpu::Context>>,
}

impl DeviceChoice {
    /// An empty space for this device.
    pub(crate) fn space(&self, plan: Plan) -> Space {
        #[cfg(feature = "gpu")]
        if self.gpu.is_some() {
            return Space::new(plan).without_triangles();
        }
        Space::new(plan)
    }

    /// An engine on this device over `space`.
    pub(crate) fn engine(&self, space: Space, options: &Options) -> Result<Box<dyn Engine>> {
        let cpu = |space| Cpu::new(space, options.threads, options.knobs.fuse).map(Box::new);
        #[cfg(feature = "gpu")]
        if let Some(context) = &self.gpu {
            use crate::backend::{gpu::Gpu, lockstep::Lockstep};
            let gpu = Box::new(Gpu::new(Arc::clone(context), space.clone(), options)?);
            return Ok(match options.backend {
                Backend::Lockstep => Box::new(Lockstep::new(space.clone(), cpu(space)?, gpu)),
                _ => gpu,
            });
        }
        Ok(cpu(space)?)
    }
}

/// One method of the ladder.
pub(crate) struct RungPlan {
    pub(crate) method: MethodEntry,
    pub(crate) preconditioner: String,
    pub(crate) precision: Plan,
    pub(crate) restart: usize,
    pub(crate) window: usize,
    /// How the user's system is changed for it.
    pub(crate) change: Change,
    /// The part of the iterations left that it may use before the next rung has its turn.
    pub(crate) share: f64,
    /// The rung before it once more with a preconditioner in full precision, for where a narrow one is to blame.
    pub(crate) again: bool,
}

/// A rung before options and device have their say.
#[derive(Clone, Copy)]
struct Step {
    method: &'static str,
    restart: Option<usize>,
    preconditioner: &'static str,
    matched: bool,
    share: f64,
}

impl Step {
    const fn new(method: &'static str, preconditioner: &'static str, share: f64) -> Self {
        Self { method, restart: None, preconditioner, matched: false, share }
    }

    const fn restart(self, columns: usize) -> Self {
        Self { restart: Some(columns), ..self }
    }

    /// With large entries brought to the diagonal first.
    const fn matched(self) -> Self {
        Self { matched: true, ..self }
    }
}

/// Products of the probe for a negative eigenvalue.
const PROBE: usize = 15;

/// A least Ritz value below this part of the largest possible one is negative beyond rounding.
const NEGATIVE: f64 = -1e-10;

/// Bytes of a basis that the last rung may fill: a long cycle solves what short ones don't.
const LONG_BASIS: usize = 64 << 20;

/// Powers of two by which columns may differ in size before least-squares methods scale them: κ(A) is at least that.
const COLUMNS: i32 = 10;

/// Below this many entries a kernel launch costs more than the work.
#[cfg(feature = "gpu")]
const GPU_FROM_NNZ: usize = 300_000;

fn cpu_info(threads: usize) -> AdapterInfo {
    let threads = if threads == 0 { rayon::current_num_threads() } else { threads };
    AdapterInfo {
        name: format!("CPU, {threads} thread{}", if threads == 1 { "" } else { "s" }),
        backend: "cpu".into(),
        driver: format!("krylane {}", env!("CARGO_PKG_VERSION")),
        kind: "cpu".into(),
    }
}

/// The CPU as the device.
pub(crate) fn cpu(options: &Options) -> DeviceChoice {
    DeviceChoice {
        adapter: cpu_info(options.threads),
        widest: Dtype::F64,
        #[cfg(feature = "gpu")]
        gpu: None,
    }
}

/// The device for a stored matrix of `nnz` entries.
pub(crate) fn choose_backend(nnz: usize, options: &Options, notes: &mut Vec<String>) -> Result<DeviceChoice> {
    choose_for(nnz, "entries", options, notes)
}

/// The device for products with `a`.
pub(crate) fn choose_device(a: &Matrix, options: &Options, notes: &mut Vec<String>) -> Result<DeviceChoice> {
    if let Matrix::Free(operator) = a
        && options.backend != Backend::Cpu
        && operator.shader().is_none()
    {
        if options.backend != Backend::Auto {
            return Err(Error::input(
                "the operator has no WGSL for its product, which a GPU needs; give it a shader, or use the backend cpu",
            ));
        }
        notes.push("backend cpu: the operator has no WGSL for its product".into());
        return Ok(cpu(options));
    }
    if let Precond::Given(given) = &options.preconditioner
        && given.on_host()
        && options.backend != Backend::Cpu
    {
        if options.backend != Backend::Auto {
            return Err(Error::input("the preconditioner is a function on the host; use the backend cpu"));
        }
        notes.push("backend cpu: the preconditioner is a function on the host".into());
        return Ok(cpu(options));
    }
    let what = if a.entries().is_some() { "entries" } else { "numbers a product" };
    let choice = choose_for(a.work(), what, options, notes)?;
    // An operator's text knows no double-single arithmetic.
    let narrow = a.entries().is_none() && choice.widest == Dtype::DoubleSingle;
    Ok(DeviceChoice { widest: if narrow { Dtype::F32 } else { choice.widest }, ..choice })
}

fn choose_for(work: usize, what: &str, options: &Options, notes: &mut Vec<String>) -> Result<DeviceChoice> {
    let cpu = |notes: &mut Vec<String>, why: &str| {
        notes.push(format!("backend cpu: {why}"));
        cpu(options)
    };
    if options.backend == Backend::Cpu {
        return Ok(cpu(notes, "as asked"));
    }
    #[cfg(feature = "gpu")]
    {
        use crate::backend::gpu::Context;
        let wanted = match &options.backend {
            Backend::Auto if work < GPU_FROM_NNZ => {
                return Ok(cpu(notes, &format!("{work} {what} are too few for a GPU to pay")));
            }
            Backend::Auto => match Context::hardware(options)? {
                Some(context) => Ok(context),
                None => return Ok(cpu(notes, "no hardware GPU answers (software adapters are used on request only)")),
            },
            Backend::Adapter(name) => Context::named(name, options),
            _ => Context::any(options),
        };
        let context = wanted?;
        notes.push(format!("backend {}: {}", context.info().backend, context.info().name));
        Ok(DeviceChoice { adapter: context.info().clone(), widest: context.widest(), gpu: Some(context) })
    }
    #[cfg(not(feature = "gpu"))]
    {
        let _ = (work, what);
        if options.backend == Backend::Auto {
            return Ok(cpu(notes, "built without the feature `gpu`"));
        }
        Err(Error::NoAdapter("this krylane was built without the feature `gpu`; use the backend cpu".into()))
    }
}

/// Bytes that caches may hold: an iteration over less is not bound by memory, and f64 costs it little.
const CACHED: usize = 32 << 20;

/// Number types for a device, the first choice and what to fall back on; reasons go to `notes`.
fn precisions(
    a: &Matrix,
    options: &Options,
    device: &DeviceChoice,
    least_squares: bool,
    notes: &mut Vec<String>,
) -> Result<Vec<Plan>> {
    let double = Plan::uniform(Dtype::F64).with_preconditioner(Dtype::F32);
    let has_f64 = device.widest == Dtype::F64;
    // A correction of least squares starts with Aᵀr, which the CPU computes.
    let single = if least_squares { Plan::uniform(Dtype::F32) } else { Plan::mixed(device.widest) };
    let mixed = match single.accumulate {
        // The correction of a correction: the device has nothing wider.
        Dtype::F32 => "f32 iterations, residual and x in f64 on the CPU".to_string(),
        wide => format!("f32 iterations, residual and x in {wide}, renewed as they converge"),
    };
    // The matrix and the ten vectors of a CG iteration.
    let streamed = a.plain_bytes(8) as usize + 80 * a.rows();
    let (plans, why) = match options.precision {
        Precision::F64 if !has_f64 => {
            return Err(Error::input(format!(
                "{} has no f64 in shaders; use --precision auto, f32 or mixed (answers are certified in f64 all the same)",
                device.adapter.name
            )));
        }
        Precision::F64 => {
            let cycle = "a cycle of multigrid is f32 all the same, unless amg:precision=full asks for f64";
            (vec![double], format!("f64: as asked; {cycle}"))
        }
        Precision::F32 => (vec![single], format!("f32: as asked; {mixed}")),
        Precision::Mixed if has_f64 => {
            (vec![single, double], format!("mixed: {mixed}; f64 where that gains too little"))
        }
        Precision::Mixed => (vec![single], format!("mixed: {mixed}")),
        Precision::Auto if !has_f64 => (vec![single], format!("mixed: the device has no f64: {mixed}")),
        Precision::Auto if streamed < CACHED => {
            (vec![double], format!("f64: an iteration's {} MB fit caches", streamed.div_ceil(1 << 20)))
        }
        Precision::Auto => (
            vec![single, double],
            format!(
                "mixed: an iteration streams {} MB of memory, half in f32; {mixed}; f64 where that gains too little",
                streamed >> 20
            ),
        ),
    };
    notes.push(format!("precision {why}"));
    Ok(plans)
}

/// Below this many rows the vector that products gather from stays in a core's cache in any order.
const REORDER_FROM: usize = 1 << 17;

/// The rows in the order of reverse Cuthill–McKee, where that is asked for or pays; an operator has no order but its own.
pub(crate) fn choose_order(a: &Matrix, options: &Options, notes: &mut Vec<String>) -> Result<Option<Vec<u32>>> {
    if let Some(a) = a.entries() {
        return Ok(order_of(a, options, notes));
    }
    for (name, when) in [("reorder", options.reorder), ("equilibrate", options.equilibrate)] {
        if when == When::Always {
            return Err(Error::input(format!("{name} needs the entries of A; an operator has none")));
        }
    }
    Ok(None)
}

fn order_of(a: &Csr, options: &Options, notes: &mut Vec<String>) -> Option<Vec<u32>> {
    let auto = options.reorder == When::Auto;
    // Near-null vectors come node by node, in the order as given; so does a preconditioner of the user's own.
    if options.reorder == When::Never
        || options.near_null.is_some()
        || options.gives_preconditioner()
        || auto && (a.rows() < REORDER_FROM || !scatters(a))
    {
        return None;
    }
    let before = rcm::mean_distance(a, None);
    // Set-up costs as much as some dozens of products, so the present order must be a bad one.
    if auto && before < REORDER_FROM as f64 / 8.0 {
        return None;
    }
    let order = rcm::order(a);
    let after = rcm::mean_distance(a, Some(&order));
    if auto && after > before / 4.0 {
        notes.push(format!(
            "order as given: gathers scatter, but Cuthill-McKee brings the mean |i - j| only from {before:.0} to {after:.0}"
        ));
        return None;
    }
    let why = if auto { "gathers scatter beyond the cache" } else { "as asked" };
    notes.push(format!("order reverse Cuthill-McKee: {why}; mean |i - j| from {before:.0} to {after:.0}"));
    Some(order)
}

/// Whether rows and columns are equilibrated for arithmetic in `dtype`.
fn equilibrates(facts: &Facts, options: &Options, dtype: Dtype) -> bool {
    match options.equilibrate {
        When::Always => true,
        When::Never => false,
        // Bounds of a spectrum are those of A as given.
        // A preconditioner of the user's own is one of A as given, too.
        When::Auto => {
            let asked = options.method.settings().spectrum.is_some() || options.gives_preconditioner();
            // By component small rows count as much as large ones.
            let bound = if options.criterion == Criterion::Componentwise { 0 } else { transform::digits(dtype) };
            facts.spread > bound && !asked
        }
    }
}

/// GMRES, then BiCGStab with incomplete factors of the matched matrix: those that work do so within dozens of
/// iterations, so their shares are small. Between the two, `whole`: GMRES with nearly complete factors.
fn incomplete(whole: Step) -> Vec<Step> {
    let step = |method, id| Step::new(method, id, 0.1).matched();
    let gmres = ["ilu0", "ilut"].map(|id| step("gmres", id).restart(50));
    let bicgstab = ["ilu0", "ilut"].map(|id| step("bicgstab", id));
    gmres.into_iter().chain([whole]).chain(bicgstab).collect()
}

/// Where nearly complete factors take too much: what is left when more is dropped. They take long to set up, so they come
/// after what is cheap, but before the iterations are used up.
fn coarser(whole: Step) -> [Step; 2] {
    ["lu:drop=1e-4", "lu:drop=1e-2"].map(|preconditioner| Step { preconditioner, ..whole })
}

/// Whether `spec` names this preconditioner, whatever its parameters.
fn names(spec: &str, id: &str) -> bool {
    spec.split(':').next() == Some(id)
}

/// Nearly complete factors want the matrix in an order of their own, scaled alike.
fn nearly_complete(preconditioner: &str) -> bool {
    names(preconditioner, "lu")
}

pub(crate) fn ladder(
    a: &Matrix,
    facts: &Facts,
    options: &Options,
    device: &DeviceChoice,
    reorder: bool,
    notes: &mut Vec<String>,
) -> Result<(Vec<RungPlan>, Vec<String>)> {
    let mut warnings = vec![];
    let least_squares = options.method.is_least_squares();
    let asked_for = options.preconditioner.to_string();
    let precisions = precisions(a, options, device, least_squares, notes)?;
    if let Some(plan) = precisions.iter().find(|p| equilibrates(facts, options, p.working)) {
        let why = if options.equilibrate == When::Always { "as asked; " } else { "" };
        notes.push(format!(
            "equilibration by powers of two: {why}the largest entries of rows or columns differ by up to 2^{}, {} has {} binary digits",
            facts.spread,
            plan.working,
            transform::digits(plan.working)
        ));
    }
    let (positive, negative, zero) = facts.diagonal;
    let definite_candidate = facts.may_be_definite();
    // What costs nothing to set up and runs everywhere.
    let (simple, why) = match zero {
        0 if facts.constant_diagonal => ("none", "the diagonal is constant, Jacobi would change nothing".to_string()),
        0 => ("jacobi", "the diagonal has no zeros".to_string()),
        _ if a.diagonal().is_none() => ("none", "the operator gives no diagonal".to_string()),
        _ => ("none", format!("{zero} diagonal entries are zero or missing")),
    };
    let cpu = device.adapter.kind == "cpu";
    let (chosen, mut because) = match asked_for.as_str() {
        "auto" => (None, why),
        asked => (Some(asked), "as asked".to_string()),
    };
    if chosen == Some("jacobi") && zero > 0 && facts.word.is_none() {
        warnings
            .push(format!("{zero} diagonal entries are zero or missing; their rows are scaled by their largest entry"));
    }
    let n = a.rows();
    let elliptic = negative == 0 && zero == 0 && chosen.is_none();
    let multigrid = precond::multigrid_pays(n, facts.m_matrix, facts.dominance, options.near_null.is_some());
    let multigrid = multigrid.filter(|_| elliptic);
    let entries = a.entries();
    let factors = cpu && chosen.is_none() && entries.is_some();
    let long = Step::new("gmres", simple, 1.0).restart((LONG_BASIS / 8 / n.max(1)).clamp(50, 300));
    let definite = positive == n || negative == n;
    let whole = Step { preconditioner: "lu", share: 0.1, matched: true, ..long };
    let (_, components) = facts.null_components;
    if components > 0 {
        notes.push(format!("null space: the constants on {components} components; b must have no part in it"));
    }
    // Dominant rows with a positive diagonal have no negative eigenvalue (Gershgorin); elsewhere it is worth a look,
    // where the method is to be chosen by it.
    let probe = options.method == Method::Auto && definite_candidate && facts.dominance > 1.0;
    let least = entries.filter(|_| probe).map_or(0.0, |a| precond::least_ritz_value(a, PROBE));
    let steps: Vec<Step> = if options.method != Method::Auto {
        notes.push(format!("method {}: as asked", options.method));
        if least_squares && chosen.is_none() {
            because = "of all least-squares solutions the shortest; jacobi scales the columns".into();
        }
        let mut step = Step::new(options.method.id(), if least_squares { "none" } else { simple }, 1.0);
        let spread = entries.filter(|_| least_squares && chosen.is_none()).map_or(0, |a| equilibrate::column_spread(a));
        if spread > COLUMNS && a.rows() >= a.cols() {
            because = format!(
                "the columns of A differ by up to 2^{spread} in size and are scaled; of several solutions the one that is \
                 shortest in these units"
            );
            step.preconditioner = "jacobi";
        } else if spread > COLUMNS {
            because += &format!("; its columns differ by up to 2^{spread} in size");
        }
        vec![step]
    } else if definite_candidate && least >= NEGATIVE {
        let seen = match (entries, probe, facts.dominance <= 1.0) {
            (None, _, _) => "said to be positive definite".into(),
            (_, true, _) => {
                format!("symmetric with a positive diagonal, {PROBE} Lanczos steps met no negative eigenvalue")
            }
            (_, _, true) => "symmetric with a positive diagonal, its rows are dominant".into(),
            _ => "symmetric with a positive diagonal".to_string(),
        };
        notes.push(format!("method cg: A is {seen}; minres, then gmres if it proves indefinite"));
        let mut list = vec![Step::new("cg", simple, 0.7)];
        if let Some(why) = multigrid {
            because = format!("{why}; {simple} if it fails");
            list.insert(0, Step::new("cg", "amg", 0.3));
        }
        if factors {
            // The diagonal of a definite matrix has the largest product already.
            let whole = Step { matched: false, ..whole };
            list.extend([Step::new("cg", "ic0", 0.5), whole]);
            list.extend(coarser(whole));
        }
        list.extend([Step::new("minres", simple, 0.5), long]);
        list
    } else if facts.symmetric() {
        let why = match (positive, negative) {
            _ if entries.is_none() => "A is said to be symmetric, not to be definite".into(),
            _ if definite_candidate => {
                format!("A is symmetric and indefinite: {PROBE} Lanczos steps met a negative eigenvalue")
            }
            (0, 1..) if zero == 0 => "A is symmetric, its diagonal is negative throughout".into(),
            _ => "A is symmetric, its diagonal is not positive throughout".into(),
        };
        let mut list = vec![Step::new("minres", simple, 0.9), long];
        if factors && !definite {
            notes.push(format!("method gmres: {why}; minres if incomplete factors fail"));
            because =
                format!("the CPU solves with triangles, large entries are brought to the diagonal; then {simple}");
            list.splice(0..0, incomplete(whole).into_iter().chain(coarser(whole)));
        } else {
            notes.push(format!("method minres: {why}; then gmres"));
            if factors {
                list.splice(1..1, [whole].into_iter().chain(coarser(whole)));
            }
        }
        list
    } else {
        let why = match facts.asymmetry {
            Some((i, j)) => format!("is not symmetric (entry ({i}, {j}))"),
            None => "is not said to be symmetric".into(),
        };
        notes.push(format!("method gmres: A {why}; then bicgstab"));
        let mut list = vec![];
        if let Some(why) = multigrid {
            because = format!("{why}; then incomplete factors");
            list.extend([Step::new("gmres", "amg", 0.1).restart(50), Step::new("bicgstab", "amg", 0.1)]);
        } else if factors {
            because = format!("A is not symmetric and the CPU solves with triangles; {simple} if it fails");
        }
        if factors {
            if zero == 0 {
                list.extend([Step::new("gmres", "ilu0", 0.1).restart(50), Step::new("bicgstab", "ilu0", 0.1)]);
            }
            list.extend(incomplete(whole));
        }
        list.push(Step::new("gmres", simple, 0.2).restart(50));
        if zero > 0 && chosen.is_none() && entries.is_some() {
            list.push(Step::new("gmres", "jacobi", 0.2).restart(50).matched());
        }
        if factors {
            list.extend(coarser(whole));
        }
        list.extend([Step::new("bicgstab", simple, 0.5), long]);
        list
    };
    let mut steps = steps;
    if options.least_squares && entries.is_some() {
        notes.push("least squares: lsqr comes last, where A proves singular and b outside its range".into());
        steps.push(Step { preconditioner: "none", ..Step::new("lsqr", "none", 1.0) });
    }
    if steps.iter().any(|s| s.matched) {
        let when = if steps[0].matched { "" } else { ", if the order as given fails" };
        notes.push(format!("matching: rows are permuted so that the diagonal's product is largest{when}"));
    }
    notes.push(format!("preconditioner {}: {because}", chosen.unwrap_or(steps[0].preconditioner)));
    // Columns of a basis that leave half of the memory to all else.
    let room = memory::available(options.memory_limit).map_or(usize::MAX, |m| (m / 16 / n.max(1) as u64) as usize);
    if options.method == Method::Auto && steps.iter().any(|s| s.restart > Some(room)) {
        notes.push(format!("restart at most {room}: a longer basis would take half of the memory that is left"));
    }
    if steps.iter().any(|s| nearly_complete(chosen.unwrap_or(s.preconditioner))) {
        let when = if nearly_complete(chosen.unwrap_or(steps[0].preconditioner)) { "" } else { ", after cheaper ones" };
        notes.push(format!(
            "lu: nearly complete factors{when}, in an order of minimum degree, as far as room and time allow"
        ));
    }
    let multigrid_step = |s: &Step| names(chosen.unwrap_or(s.preconditioner), "amg");
    if options.precision == Precision::Auto && precisions.len() > 1 && steps.iter().any(multigrid_step) {
        notes.push("precision under amg: f64 iterations around a cycle in f32".into());
    }
    let rungs = steps
        .into_iter()
        .flat_map(|step| {
            // A cycle of multigrid moves most of the bytes and is f32 anyway; what f32 iterations save beside it,
            // their renewals cost. Nearly complete factors are set up once, and few iterations follow.
            let name = chosen.unwrap_or(step.preconditioner);
            let last = step.method == "lsqr" && !least_squares;
            let auto = options.precision == Precision::Auto;
            let own = auto && (names(name, "amg") || nearly_complete(name)) || last;
            let wide = precisions.last().filter(|p| own && p.working == Dtype::F64);
            let plans = wide.map_or(&precisions[..], std::slice::from_ref);
            // A narrow cycle under GMRES, or over rows of very different size, can be too coarse: then once more in full.
            let narrow = |p: &Plan| names(name, "amg") && p.dtype(Role::Preconditioner) != p.working;
            let rungs = plans.iter().flat_map(move |&p| {
                let full = narrow(&p).then(|| (step, p.with_preconditioner(p.working), true));
                [Some((step, p, false)), full].into_iter().flatten()
            });
            rungs.collect::<Vec<_>>()
        })
        .map(|(step, precision, again)| {
            // The last rung of a ladder may minimise where the method asked for solves.
            let method = match options.method.entry() {
                Some(asked) => asked.clone(),
                None => method::by_name(step.method)?.clone(),
            };
            let minimises = method.needs == Needs::Any;
            // Corrections of least squares come from the CPU.
            let narrow = minimises && precision.working == Dtype::F32;
            let precision = if narrow { Plan::uniform(Dtype::F32) } else { precision };
            let preconditioner = chosen.filter(|_| minimises == least_squares).unwrap_or(step.preconditioner);
            let inside =
                if method.traits.carries_preconditioned { precision.working } else { precision.preconditioner };
            let precision = precision.with_preconditioner(inside);
            let own = method.needs == Needs::Square && nearly_complete(preconditioner);
            let order = match reorder {
                _ if own => Ordering::LittleFill,
                _ if minimises => Ordering::Given,
                true => Ordering::Narrow,
                false => Ordering::Given,
            };
            // Least squares weigh rows as they are.
            let scaled = own && options.equilibrate != When::Never;
            let equilibrate = !minimises && (scaled || equilibrates(facts, options, precision.working));
            let columns = match options.method {
                Method::Auto => step.restart.unwrap_or(30).min(room.max(1)),
                _ => options.method.settings().restart,
            };
            let matched = step.matched || own && !definite_candidate;
            Ok(RungPlan {
                method,
                preconditioner: preconditioner.into(),
                precision,
                restart: columns.min(n.max(1)),
                // Short recurrences may rest for long on hard systems before they fall.
                window: n.clamp(1000, 5000),
                change: Change { equilibrate, order, matched },
                share: step.share,
                again,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    if facts.word == Some(Structure::General)
        && let Some(rung) = rungs.iter().find(|r| r.method.needs.symmetry())
    {
        let id = rung.method.id;
        if !facts.looks_symmetric {
            return Err(Error::input(format!(
                "{id} needs a symmetric matrix, and <Ax, y> = <x, Ay> does not hold for the operator; use gmres or bicgstab"
            )));
        }
        warnings.push(format!("{id} needs a symmetric matrix; the operator does not say that it is, two products do"));
    }
    if facts.word.is_some() {
        notes.push(format!(
            "operator: what needs entries is unknown; |A| is at least {:.3e}, by products",
            crate::host::scale::ldexp(facts.norms.scaled_norm, facts.norms.exponent)
        ));
    }
    debug_assert!(
        rungs.iter().all(|r| options.method != Method::Auto || facts.symmetric() || r.method.needs == Needs::Square)
    );
    Ok((rungs, warnings))
}
