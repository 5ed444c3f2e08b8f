// The worker: the module, one call at a time. A solve hands its residuals over and lets messages in now and then, so that a
// stop is heard; no shared memory is needed, which few servers allow. A set-up hears nothing: `krylane.js` ends the worker
// where a stop is not answered.

import start, * as krylane from "./krylane_module.js";

/** Calls that were asked to stop. */
const stopped = new Set();
/** The end of the calls before. */
let before = start({ module_or_path: new URL("./krylane_module_bg.wasm", import.meta.url) });

/** A turn of the events that wait: a message to oneself comes behind them. */
const channel = new MessageChannel();
const turns = [];
channel.port1.onmessage = () => turns.shift()();
const turn = () => new Promise((done) => {
    turns.push(done);
    channel.port2.postMessage(null);
});

/** A matrix from what `krylane.js` sends. */
function matrixOf({ csr, gallery, file }) {
    if (csr) {
        return krylane.Matrix.fromCsr(csr.rows, csr.cols, csr.indptr, csr.indices, csr.values);
    }
    if (gallery) {
        const params = gallery.params ?? {};
        return krylane.Matrix.fromGallery(gallery.name, gallery.size, Object.keys(params), Float64Array.from(Object.values(params)));
    }
    return krylane.Matrix.fromFile(file.name, file.content);
}

/** Runs `use` with the matrix, and frees it. */
async function withMatrix(problem, use) {
    const matrix = matrixOf(problem);
    try {
        return await use(matrix);
    } finally {
        matrix.free();
    }
}

/** The command line that does the same, where there is one. */
function commandOf(name, { csr, gallery }, b, { preconditioner, ...options }) {
    if (csr || typeof b !== "string" || Object.keys(gallery?.params ?? {}).length) {
        return "";
    }
    const words = Object.entries({ rhs: b, precond: preconditioner, ...options })
        .filter(([, value]) => value && value !== "auto")
        .map(([key, value]) => `--${key.replaceAll("_", "-")} ${value}`);
    return `krylane solve ${name} ${words.join(" ")}`;
}

const vectorOf = (b, rows) => (typeof b === "string" ? krylane.rightHandSide(b, rows) : b);

const factsOf = ({ name, rows, cols, entries, notes }) => ({ name, rows, cols, entries, notes });

/** What each call hands back: a value, or a page that follows a value. */
const calls = {
    catalogue: () => ({ value: JSON.parse(krylane.catalogue()) }),

    inspect: (id, { problem }) =>
        withMatrix(problem, (matrix) => ({ value: factsOf(matrix) })),

    multiply: (id, { problem, x }) => withMatrix(problem, (matrix) => ({ value: matrix.multiply(x) })),

    ritzValues: (id, { problem, method, steps }) =>
        withMatrix(problem, (matrix) => ({ value: steps.map((k) => krylane.ritzValues(matrix, method, k)) })),

    eigenvalues: (id, { problem }) => withMatrix(problem, (matrix) => ({ value: krylane.eigenvalues(matrix) })),

    projections: (id, { problem, b, most }) =>
        withMatrix(problem, (matrix) => ({ value: krylane.projections(matrix, vectorOf(b, matrix.rows), most) })),

    solve: (id, { problem, b, options, page }) =>
        withMatrix(problem, async (matrix) => {
            postMessage({ id, progress: { matrix: factsOf(matrix), residuals: new Float64Array() } });
            const tell = async (residuals) => {
                postMessage({ id, progress: { residuals } }, [residuals.buffer]);
                await turn();
                return stopped.has(id);
            };
            const names = Object.keys(options);
            const solution = await krylane.solve(matrix, vectorOf(b, matrix.rows), names, names.map((key) => options[key]), tell);
            try {
                const { answer, reason, advice, x } = solution;
                const value = { ...JSON.parse(solution.json), answer, reason, advice, x };
                postMessage({ id, value }, [x.buffer]);
                return page ? { html: solution.page(matrix, commandOf(matrix.name, problem, b, options)) } : {};
            } finally {
                solution.free();
            }
        }),
};

async function answer({ id, call, argument }) {
    await before;
    if (stopped.has(id)) {
        return postMessage({ id, error: "stopped before it began", done: true });
    }
    try {
        postMessage({ id, ...(await calls[call](id, argument)), done: true });
    } catch (error) {
        // A trap leaves the module in no state to be called again.
        const broken = error instanceof WebAssembly.RuntimeError;
        postMessage({ id, error: broken ? `the module failed: ${error.message}` : error.message, broken, done: true });
    } finally {
        stopped.delete(id);
    }
}

onmessage = ({ data }) => {
    if (data.stop) {
        stopped.add(data.id);
        return;
    }
    const now = answer(data);
    before = now.catch((error) => postMessage({ id: data.id, error: `the module could not be loaded: ${error.message}`, broken: true, done: true }));
};
