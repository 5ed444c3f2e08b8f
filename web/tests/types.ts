// Compiled, never run: what a program in TypeScript writes.

import { Krylane, Stopped, solve, type Csr, type Report } from "../dist/pkg/krylane.js";

const a: Csr = { rows: 2, cols: 2, indptr: [0, 1, 2], indices: new Int32Array([0, 1]), values: new Float64Array([1, 2]) };
const options = { rtol: 1e-10, signal: AbortSignal.timeout(1000), html: true } as const;
const report: Report = await solve(a, [1, 2], options);
const norm: number = report.certificate.relative;
const page: string | undefined = await report.html;
await solve({ gallery: { name: "poisson2d", size: 8 } }, "random:3", { backend: "gpu" });
// @ts-expect-error a backend that there is not
await solve(a, "ones", { backend: "cuda" });
// @ts-expect-error a right-hand side that there is not
await solve(a, "twos");
const krylane = new Krylane();
try {
    const values: Float64Array[] = await krylane.ritzValues(a, "lanczos", [1, 2]);
    console.log(norm, page, values);
} catch (error) {
    if (!(error instanceof Stopped)) throw error;
}
krylane.close();
