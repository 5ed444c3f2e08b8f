/** A matrix in compressed sparse rows, counted from 0. Columns may come in any order; entries at one place are added up. */
export interface Csr {
    rows: number;
    cols: number;
    /** Where each row starts: `rows` + 1 numbers. */
    indptr: ArrayLike<number | bigint>;
    /** The column of each entry. */
    indices: ArrayLike<number | bigint>;
    /** The value of each entry. */
    values: ArrayLike<number>;
}

/** A matrix: arrays, a model problem, or a file's content (Matrix Market, SciPy, MATLAB, PETSc, Harwell-Boeing; also gzip). */
export type MatrixSource =
    | Csr
    | { gallery: { name: string; size: number; params?: Record<string, number> } }
    | { file: { name: string; content: ArrayBuffer | Uint8Array } };

/** A right-hand side: numbers, all ones, or random ones by a seed. */
export type RightHandSide = ArrayLike<number> | "ones" | `random:${number}`;

/** What a matrix is. */
export interface MatrixFacts {
    name: string;
    rows: number;
    cols: number;
    entries: number;
    /** What was noticed in its file. */
    notes?: string;
}

/** How far a solve is. */
export interface Progress {
    /** Iterations so far. */
    iteration: number;
    /** Relative residuals of those since the last call, by the method's estimate. */
    residuals: Float64Array;
    /** Once, before the first iteration. */
    matrix?: MatrixFacts;
}

/** Options of the library by name, in camel case; values as on the command line. */
export interface Options {
    /** "auto", "cg", "gmres:restart=50", ... */
    method?: string;
    /** "auto", "none", "jacobi", "amg", ... */
    preconditioner?: string;
    /** A hardware GPU where it pays ("auto"), the CPU, or the adapter that the browser gives. */
    backend?: "auto" | "cpu" | "gpu";
    /** Number types of the iterations; the answer is certified in f64 in any case. */
    precision?: "auto" | "f32" | "f64" | "mixed";
    /** Relative tolerance, 1e-8. */
    rtol?: number;
    /** Absolute tolerance, 0. */
    atol?: number;
    /** "rhs_norm", "initial_residual", "absolute", "backward_error", "componentwise". */
    criterion?: string;
    /** Bound on iterations, 10 000. */
    maxIterations?: number;
    /** Bound on products with A. */
    maxMatvecs?: number;
    /** Bound on the time, in seconds. */
    timeLimit?: number;
    /** Columns of a cycle of gmres and others. */
    restart?: number;
    /** Damping of lsqr and lsmr. */
    damp?: number;
    reorder?: "auto" | "always" | "never";
    equilibrate?: "auto" | "always" | "never";
    /** Where A is singular and b outside its range, go on to the least-squares solution. */
    leastSquares?: boolean;
    /** Ends the solve; it resolves with the best x so far, or rejects with `Stopped` where there is none. */
    signal?: AbortSignal;
    /** Called some thirty times a second at most. */
    onProgress?: (progress: Progress) => void;
    /** Also write the report as a page; it follows the answer by a second or so. */
    html?: boolean;
}

/** How a solve ended. */
export interface Report {
    /** The solution, or the best x found. */
    x: Float64Array;
    /** Whether x is what was asked for: its residual was recomputed in f64. */
    answer: boolean;
    /** As in "Converged (Rtol)". */
    reason: string;
    /** What to do about it. */
    advice: string;
    method: string;
    preconditioner: string;
    iterations: number;
    matvecs: number;
    /** Norms of b - A x, recomputed in f64. */
    certificate: { relative: number; backward_error: number; [name: string]: unknown };
    /** Relative residuals by the method's estimate, one an iteration. */
    history: number[];
    /** Seconds. */
    timings: { setup_s: number; upload_s: number; solve_s: number; certify_s: number };
    /** Where it ran. */
    adapter: { name: string; backend: string; driver: string; kind: string };
    /** What was chosen and why. */
    plan: string[];
    warnings: string[];
    /** The report as a self-contained page, where `html` was asked for. */
    html?: Promise<string>;
    /** All else that the library's JSON report has. */
    [name: string]: unknown;
}

/** An entry of the catalogue. */
export interface Entry {
    id: string;
    about: string;
}

/** What there is to choose from. */
export interface Catalogue {
    gallery: { name: string; about: string; dimensions: number; params: { name: string; value: number }[] }[];
    methods: Entry[];
    preconditioners: Entry[];
}

/** What a call rejects with where it was stopped before there was anything to report. */
export class Stopped extends Error {}

/** A worker with the module. Calls run one after the other. */
export class Krylane {
    solve(a: MatrixSource, b?: RightHandSide, options?: Options): Promise<Report>;
    /** What a matrix is. */
    inspect(a: MatrixSource, options?: { signal?: AbortSignal }): Promise<MatrixFacts>;
    /** A x. */
    multiply(a: MatrixSource, x: ArrayLike<number>): Promise<Float64Array>;
    catalogue(): Promise<Catalogue>;
    /** Ritz values after each of `steps`: real and imaginary parts in turn. */
    ritzValues(
        a: MatrixSource, method: "power" | "lanczos" | "arnoldi", steps: Iterable<number>, options?: { signal?: AbortSignal },
    ): Promise<Float64Array[]>;
    /** All eigenvalues of a small matrix: real and imaginary parts in turn. */
    eigenvalues(a: MatrixSource, options?: { signal?: AbortSignal }): Promise<Float64Array>;
    /** Relative residuals of the projections onto span(b, A b, ...) of dimension 1 to `most`. */
    projections(
        a: MatrixSource, b: RightHandSide, most: number, options?: { signal?: AbortSignal },
    ): Promise<Float64Array>;
    /** Ends the worker and frees its memory; calls under way are rejected. */
    close(): void;
}

/**
 * Solves A x = b, or the least-squares problem where A is not square, in a worker. The report's x is an answer where
 * `answer` is true: then its residual was recomputed in f64 on the CPU, wherever the iterations ran.
 */
export function solve(a: MatrixSource, b?: RightHandSide, options?: Options): Promise<Report>;

/** The model problems, methods and preconditioners there are. */
export function catalogue(): Promise<Catalogue>;
