// An article in seven steps, each with something to run: from one vector to whole Krylov spaces. The library does the work.

import { Stopped } from "./pkg/krylane.js";
import { Plot } from "./plot.js";

const pairs = (list) => Array.from({ length: list.length / 2 }, (_, k) => [list[2 * k], list[2 * k + 1]]);
const curve = (name, list) => ({ name, points: Array.from(list, (r, k) => [k + 1, r]) });
const upTo = (most, first = 1) => Array.from({ length: Math.max(0, most - first + 1) }, (_, k) => k + first);
const poisson = (size) => ({ gallery: { name: "poisson2d", size } });
const RESIDUAL = { x: "iteration", y: "‖r‖ / ‖b‖", log: true, title: "Residual history" };

/** The two largest eigenvalues of the k x k grid Laplacian. */
function largest(k) {
    const part = (i) => 4 * Math.sin((i * Math.PI) / (2 * (k + 1))) ** 2;
    return [2 * part(k), part(k) + part(k - 1)];
}

/** One plain run, with the history as a curve. */
async function history(krylane, name, a, b, options, signal) {
    const report = await krylane.solve(a, b, { backend: "cpu", preconditioner: "none", ...options, signal });
    return { report, series: curve(name, report.history) };
}

const STEPS = [
    {
        title: "1. Power iteration",
        text: "Multiply a random vector by A again and again, and it turns towards the eigenvector of the largest |λ|. " +
            "The error falls by |λ₂/λ₁| a product. On the Laplacian of a fine grid that factor is close to 1, and the iteration crawls.",
        fields: [["grid", 16, 3, 40], ["steps", 60, 5, 200]],
        async run(krylane, { grid, steps }, signal) {
            const found = await krylane.ritzValues(poisson(grid), "power", upTo(steps), { signal });
            const [first, second] = largest(grid);
            const errors = found.map(([value]) => Math.abs(value - first) / first);
            const ratio = second / first;
            return {
                plot: {
                    series: [
                        curve("|θ − λ₁| / λ₁", errors),
                        { name: "|λ₂/λ₁|² a step", points: upTo(steps).map((k) => [k, errors.at(-1) * ratio ** (2 * (k - steps))]) },
                    ],
                    x: "products with A", y: "error of the eigenvalue", log: true, title: "Power iteration",
                },
                note: `λ₁ = ${first.toFixed(8)}; after ${steps} products θ = ${found.at(-1)[0].toFixed(8)}. |λ₂/λ₁| = ${ratio.toFixed(4)}; ` +
                    "of a symmetric matrix the eigenvalue gains twice what the vector does.",
            };
        },
    },
    {
        title: "2. Lanczos",
        text: "Keep the whole space span(v, A v, A² v, …) and not only its last vector. For a symmetric A an orthonormal basis comes by three terms, " +
            "and the eigenvalues of the small matrix T = VᵀAV, the Ritz values, settle on those of A from the ends of the spectrum inwards.",
        fields: [["grid", 12, 3, 24], ["steps", 40, 6, 80]],
        async run(krylane, { grid, steps }, signal) {
            const a = poisson(grid);
            const exact = pairs(await krylane.eigenvalues(a, { signal })).map(([re]) => re);
            const counts = upTo(Math.min(steps, grid * grid), 5);
            const found = await krylane.ritzValues(a, "lanczos", counts, { signal });
            const last = counts.at(-1);
            return {
                plot: {
                    series: [
                        { name: "Ritz values", dots: true, points: found.flatMap((list, k) => pairs(list).map(([re]) => [counts[k], re])) },
                        { name: "eigenvalues of A", dots: true, points: exact.map((value) => [last + 2, value]) },
                    ],
                    x: "steps", y: "values", title: "Ritz values of Lanczos",
                },
                note: `After ${last} steps the largest Ritz value is within ${Math.abs(Math.max(...found.at(-1).filter((_, k) => k % 2 === 0)) - Math.max(...exact)).toExponential(1)} of the largest eigenvalue. ` +
                    "Each column leaves out three values from the middle.",
            };
        },
    },
    {
        title: "3. Arnoldi",
        text: "Without symmetry each new vector must be orthogonalised against all before it; H = VᵀAV is Hessenberg. " +
            "The Grcar matrix is far from normal: its eigenvalues lie on a curve, but Ritz values spread around it first.",
        fields: [["order", 80, 20, 200], ["steps", 30, 6, 60]],
        async run(krylane, { order, steps }, signal) {
            const a = { gallery: { name: "grcar", size: order } };
            const exact = pairs(await krylane.eigenvalues(a, { signal }));
            const [found] = await krylane.ritzValues(a, "arnoldi", [steps], { signal });
            return {
                plot: {
                    series: [
                        { name: "eigenvalues of A", dots: true, colour: 4, points: exact },
                        { name: `Ritz values after ${steps} steps`, dots: true, colour: 1, points: pairs(found) },
                    ],
                    x: "real part", y: "imaginary part", title: "Ritz values of Arnoldi",
                },
                note: `${pairs(found).length} Ritz values beside ${exact.length} eigenvalues.`,
            };
        },
    },
    {
        title: "4. Steepest descent",
        text: "To solve A x = b with A symmetric positive definite, minimise ½ xᵀAx − bᵀx: go along the residual as far as it falls, then look again. " +
            "The path zigzags; the iterations go with the condition number κ, four times as many for half the mesh width.",
        fields: [["grid", 20, 4, 60]],
        async run(krylane, { grid }, signal) {
            const runs = [];
            for (const size of [Math.round(grid / 2), grid]) {
                runs.push(await history(krylane, `${size} x ${size}`, poisson(size), "random:1", { method: "steepest_descent", maxIterations: 20000 }, signal));
            }
            const [coarse, fine] = runs.map(({ report }) => report.iterations);
            return {
                plot: { ...RESIDUAL, series: runs.map(({ series }) => series) },
                note: `${coarse} iterations on the coarse grid, ${fine} on the fine one: ${(fine / coarse).toFixed(1)} times as many.`,
            };
        },
    },
    {
        title: "5. Projection",
        text: "Take more than a line: choose x in a space of m vectors so that the residual is orthogonal to it. With the first m vectors b, A b, A² b, … " +
            "that is what the methods here do in their own ways; this one keeps all vectors and solves the small system. Rounding makes the powers " +
            "dependent after some twenty, which is why the methods orthogonalise as they go.",
        fields: [["grid", 20, 4, 60], ["vectors", 30, 2, 60]],
        async run(krylane, { grid, vectors }, signal) {
            const residuals = await krylane.projections(poisson(grid), "random:1", vectors, { signal });
            const cg = await history(krylane, "CG", poisson(grid), "random:1", { method: "cg", rtol: 1e-14 }, signal);
            const series = [curve("projection", residuals), curve("CG, the next step", cg.report.history.slice(0, vectors))];
            return {
                plot: { ...RESIDUAL, x: "dimension of the space", series },
                note: `‖r‖/‖b‖ = ${residuals.at(-1).toExponential(2)} in ${vectors} dimensions.`,
            };
        },
    },
    {
        title: "6. Conjugate gradients",
        text: "CG finds the same x as the projection onto the whole Krylov space, by a recurrence of three terms: nothing old is kept. " +
            "Its iterations go with √κ, and a preconditioner makes κ smaller.",
        fields: [["grid", 40, 4, 120], ["preconditioner", ["ic0", "amg", "ssor", "chebyshev", "jacobi"]]],
        async run(krylane, { grid, preconditioner }, signal) {
            const a = poisson(grid);
            const most = 300;
            const runs = [
                await history(krylane, "steepest descent", a, "random:1", { method: "steepest_descent", maxIterations: most }, signal),
                await history(krylane, "CG", a, "random:1", { method: "cg" }, signal),
                await history(krylane, `CG with ${preconditioner}`, a, "random:1", { method: "cg", preconditioner }, signal),
            ];
            const [, plain, better] = runs.map(({ report }) => report.iterations);
            return {
                plot: { ...RESIDUAL, series: runs.map(({ series }) => series) },
                note: `CG: ${plain} iterations; with ${preconditioner}: ${better}. Steepest descent is drawn up to ${most}.`,
            };
        },
    },
    {
        title: "7. GMRES",
        text: "Without symmetry there is no short recurrence that minimises. GMRES keeps Arnoldi's basis and minimises ‖r‖ over it. Restarts bound the memory, " +
            "and throw away what was known of the slow directions.",
        fields: [["grid", 40, 6, 80], ["peclet", 0.6, 0, 4], ["restart", 10, 2, 100]],
        async run(krylane, { grid, peclet, restart }, signal) {
            const a = { gallery: { name: "convection_diffusion2d", size: grid, params: { peclet } } };
            const runs = [
                await history(krylane, `GMRES(${restart})`, a, "ones", { method: `gmres:restart=${restart}` }, signal),
                await history(krylane, "GMRES(200)", a, "ones", { method: "gmres:restart=200" }, signal),
                await history(krylane, "IDR(s)", a, "ones", { method: "idrs" }, signal),
            ];
            return {
                plot: { ...RESIDUAL, series: runs.map(({ series }) => series) },
                note: runs.map(({ report, series }) => `${series.name}: ${report.iterations} iterations, ${report.matvecs} products, ${report.reason}`).join("; ") + ".",
            };
        },
    },
];

function control([name, value, min, max]) {
    const label = document.createElement("label");
    const choice = Array.isArray(value);
    const input = document.createElement(choice ? "select" : "input");
    if (choice) {
        input.append(...value.map((text) => Object.assign(document.createElement("option"), { value: text, textContent: text })));
    } else {
        Object.assign(input, { type: "number", value, min, max, step: Number.isInteger(value) ? 1 : "any", required: true });
    }
    input.name = name;
    label.append(name, input);
    return label;
}

function show(step, krylane) {
    const section = document.createElement("section");
    section.className = "step";
    const heading = Object.assign(document.createElement("h2"), { textContent: step.title });
    const text = Object.assign(document.createElement("p"), { textContent: step.text });
    const form = document.createElement("form");
    form.className = "row";
    const button = Object.assign(document.createElement("button"), { className: "run", textContent: "Run" });
    form.append(...step.fields.map(control), button);
    const note = Object.assign(document.createElement("p"), { className: "hint" });
    note.setAttribute("role", "status");
    const chart = Object.assign(document.createElement("div"), { className: "chart", hidden: true });
    const plot = new Plot(chart);
    let running = null;
    form.onsubmit = async (event) => {
        event.preventDefault();
        if (running) {
            running.abort();
            return;
        }
        running = new AbortController();
        button.textContent = "Stop";
        note.className = "hint";
        note.textContent = "Running …";
        const texts = Object.fromEntries(new FormData(form));
        const values = Object.fromEntries(step.fields.map(([name, value]) => [name, Array.isArray(value) ? texts[name] : Number(texts[name])]));
        try {
            const { plot: what, note: said } = await step.run(krylane, values, running.signal);
            chart.hidden = false;
            plot.show(what);
            note.textContent = said;
            section.dataset.state = "done";
        } catch (error) {
            note.className = "hint bad";
            note.textContent = error instanceof Stopped || error.name === "AbortError" ? "Stopped." : error.message;
        }
        running = null;
        button.textContent = "Run";
    };
    section.append(heading, text, form, note, chart);
    return section;
}

/** Writes the steps into `element`. */
export function steps(element, krylane) {
    const intro = document.createElement("p");
    intro.textContent = "How Krylov methods work, in seven steps. Each runs the library's own method; change the numbers and run it again.";
    element.append(intro, ...STEPS.map((step) => show(step, krylane)));
}
