// Krylov solvers for large sparse problems, in a worker so that the page stays alive.

/** How long a worker has to answer a stop before it is ended, in milliseconds. */
const PATIENCE = 1500;

/** What a call rejects with where it was stopped before there was anything to report. */
export class Stopped extends Error {
    constructor(message) {
        super(message);
        this.name = "AbortError";
    }
}

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Whole numbers below 2^32, checked: a typed array would wrap what does not fit. */
function indices(name, list) {
    if (list instanceof Uint32Array) {
        return list;
    }
    return Uint32Array.from(list, (value, k) => {
        const number = Number(value);
        if (!Number.isInteger(number) || number < 0 || number >= 2 ** 32) {
            throw new TypeError(`${name}[${k}] is ${value}; indices are whole numbers from 0 to 2^32 - 1`);
        }
        return number;
    });
}

function count(name, value) {
    return indices(name, [value])[0];
}

/** A problem as the worker takes it. */
function problemOf(a) {
    if (a.gallery) {
        const { name, size, params } = a.gallery;
        return { gallery: { name: String(name), size: count("size", size), params } };
    }
    if (a.file) {
        return { file: { name: String(a.file.name), content: new Uint8Array(a.file.content) } };
    }
    const { rows, cols } = a;
    const values = a.values instanceof Float64Array ? a.values : Float64Array.from(a.values);
    return {
        csr: {
            rows: count("rows", rows), cols: count("cols", cols),
            indptr: indices("indptr", a.indptr), indices: indices("indices", a.indices), values,
        },
    };
}

const vectorOf = (b) => (typeof b === "string" || b instanceof Float64Array ? b : Float64Array.from(b));

/** A worker with the module. Calls run one after the other. */
export class Krylane {
    #worker = null;
    #waiting = new Map();
    #next = 0;

    #start() {
        if (this.#worker) {
            return this.#worker;
        }
        const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
        worker.onmessage = ({ data }) => this.#hear(data);
        // A panic inside a task ends up here: no call gets an answer any more.
        worker.onerror = (event) => {
            event.preventDefault();
            this.#end(new Error(event.message || "the worker could not be started"));
        };
        this.#worker = worker;
        return worker;
    }

    #hear({ id, progress, value, html, error, broken, done }) {
        const waiting = this.#waiting.get(id);
        if (!waiting) {
            return;
        }
        if (progress) {
            waiting.progress?.(progress);
        }
        if (value !== undefined) {
            waiting.answered = true;
            waiting.resolve(value);
        }
        if (html !== undefined) {
            waiting.page.resolve(html);
        }
        if (error !== undefined) {
            const fault = waiting.stopping ? new Stopped(error) : new Error(error);
            waiting.reject(fault);
            waiting.page?.reject(fault);
        }
        if (done) {
            this.#waiting.delete(id);
        }
        if (broken) {
            this.#end(new Error(error));
        }
    }

    #end(error) {
        this.#worker?.terminate();
        this.#worker = null;
        const waiting = [...this.#waiting.values()];
        this.#waiting.clear();
        for (const { reject, page } of waiting) {
            reject(error);
            page?.reject(error);
        }
    }

    #call(call, argument, { signal, progress, page } = {}) {
        signal?.throwIfAborted();
        const id = this.#next++;
        const worker = this.#start();
        return new Promise((resolve, reject) => {
            const waiting = { resolve, reject, progress, page, stopping: false, answered: false };
            this.#waiting.set(id, waiting);
            signal?.addEventListener("abort", () => {
                const open = () => this.#waiting.has(id) && !waiting.answered;
                if (!open()) {
                    return;
                }
                waiting.stopping = true;
                worker.postMessage({ id, stop: true });
                setTimeout(() => {
                    if (open()) {
                        this.#end(new Stopped("stopped during a set-up; there is no x to report"));
                    }
                }, PATIENCE);
            }, { once: true });
            worker.postMessage({ id, call, argument });
        });
    }

    /** Solves A x = b; see `solve` below. */
    async solve(a, b = "ones", { signal, onProgress, html = false, ...options } = {}) {
        const texts = Object.entries(options).filter(([, value]) => value !== undefined);
        const argument = {
            problem: problemOf(a), b: vectorOf(b), page: html,
            options: Object.fromEntries(texts.map(([name, value]) => [snake(name), String(value)])),
        };
        let iteration = 0;
        const progress = ({ matrix, residuals }) => {
            iteration += residuals.length;
            onProgress?.({ iteration, residuals, matrix });
        };
        if (!html) {
            return this.#call("solve", argument, { signal, progress });
        }
        const page = Promise.withResolvers();
        // Who does not ask for the page is told of no fault.
        page.promise.catch(() => {});
        const report = await this.#call("solve", argument, { signal, progress, page });
        return { ...report, html: page.promise };
    }

    /** What a matrix is: its name, shape and number of entries, and what was noticed in its file. */
    async inspect(a, { signal } = {}) {
        return this.#call("inspect", { problem: problemOf(a) }, { signal });
    }

    /** A x. */
    async multiply(a, x) {
        return this.#call("multiply", { problem: problemOf(a), x: vectorOf(x) });
    }

    /** The model problems, methods and preconditioners there are. */
    async catalogue() {
        return this.#call("catalogue");
    }

    /** Ritz values after each of `steps`, by "power", "lanczos" or "arnoldi": real and imaginary parts in turn. */
    async ritzValues(a, method, steps, { signal } = {}) {
        return this.#call("ritzValues", { problem: problemOf(a), method, steps: [...steps] }, { signal });
    }

    /** All eigenvalues of a small matrix: real and imaginary parts in turn. */
    async eigenvalues(a, { signal } = {}) {
        return this.#call("eigenvalues", { problem: problemOf(a) }, { signal });
    }

    /** Relative residuals of the projections onto span(b, A b, ...) of dimension 1 to `most`. */
    async projections(a, b, most, { signal } = {}) {
        return this.#call("projections", { problem: problemOf(a), b: vectorOf(b), most }, { signal });
    }

    /** Ends the worker and frees its memory; calls under way are rejected. */
    close() {
        this.#end(new Stopped("closed"));
    }
}

let shared;

/** The worker behind `solve` and `catalogue`. */
function common() {
    shared ??= new Krylane();
    return shared;
}

/**
 * Solves A x = b, or the least-squares problem where A is not square. The report's x is an answer where `answer` is true:
 * then its residual was recomputed in f64 on the CPU, wherever the iterations ran.
 */
export function solve(a, b, options) {
    return common().solve(a, b, options);
}

/** The model problems, methods and preconditioners there are. */
export function catalogue() {
    return common().catalogue();
}
