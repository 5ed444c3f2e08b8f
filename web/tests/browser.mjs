// The page and the package in a headless Chromium, beside the native library: browser.mjs KRYLANE WGSL SCREENSHOTS. The first is
// its command line, the second a folder of its kernels' texts, the third takes pictures.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { gzipSync } from "node:zlib";
import { chromium } from "playwright-core";

const [native, wgsl, pictures] = process.argv.slice(2);
const dist = new URL("../dist/", import.meta.url).pathname;
const work = mkdtempSync(join(tmpdir(), "krylane-web-"));
mkdirSync(pictures, { recursive: true });
const RTOL = 1e-8;

const step = (text) => console.log(`== ${text}`);
const seconds = (since) => `${((performance.now() - since) / 1e3).toFixed(1)} s`;

// The files of the page. `before` is put in front of the worker's text.
let before = "";
const TYPES = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".wasm": "application/wasm" };
const server = createServer((request, response) => {
    const path = normalize(new URL(request.url, "http://host").pathname.replace(/\/$/, "/index.html"));
    try {
        const content = readFileSync(join(dist, path));
        const type = TYPES[extname(path)] ?? "text/plain";
        response.writeHead(200, { "content-type": type, "cache-control": "no-store" });
        response.end(path.endsWith("/worker.js") ? before + content : content);
    } catch {
        response.writeHead(404).end();
    }
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const address = `http://127.0.0.1:${server.address().port}/`;

const WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"];
const launch = (flags) => chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", ...flags] });

/** A page whose console must stay free of errors. */
const complaints = [];
async function open(browser, options, hash = "") {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(address + hash);
    await page.waitForSelector("body[data-ready]", { timeout: 20000 });
    return page;
}

/** Entries to a file of Matrix Market. */
function matrixMarket(rows, symmetry, entries) {
    const lines = entries.map(([i, j, v]) => `${i + 1} ${j + 1} ${v}`);
    return `%%MatrixMarket matrix coordinate real ${symmetry}\n${rows} ${rows} ${entries.length}\n${lines.join("\n")}\n`;
}

/** A generator of numbers in [0, 1) that is the same everywhere (the minimal standard of Park and Miller). */
function generator(seed) {
    let state = seed;
    return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

/** A symmetric positive definite matrix of random pattern: each diagonal exceeds the rest of its row by `margin`. */
function network(rows, degree, margin) {
    const next = generator(5);
    const links = new Map();
    for (let k = 0; k < rows * degree; k++) {
        const [i, j] = [Math.floor(next() * rows), Math.floor(next() * rows)];
        if (i !== j) {
            links.set(Math.max(i, j) * rows + Math.min(i, j), -(0.1 + next()));
        }
    }
    const diagonal = new Float64Array(rows).fill(margin);
    const entries = [...links].map(([key, v]) => [Math.floor(key / rows), key % rows, v]);
    entries.forEach(([i, j, v]) => {
        diagonal[i] -= v;
        diagonal[j] -= v;
    });
    diagonal.forEach((v, i) => entries.push([i, i, v]));
    return entries;
}

/** Upwind convection and diffusion on a k x k grid, not symmetric; each diagonal exceeds the rest of its row by `margin`. */
function upwind(k, margin) {
    const entries = [];
    for (let i = 0; i < k * k; i++) {
        const [x, y] = [i % k, Math.floor(i / k)];
        const beside = [[x > 0, i - 1, 3], [x < k - 1, i + 1, 1], [y > 0, i - k, 2], [y < k - 1, i + k, 1]].filter(([inside]) => inside);
        beside.forEach(([, j, v]) => entries.push([i, j, -v]));
        entries.push([i, i, beside.reduce((sum, [, , v]) => sum + v, margin)]);
    }
    return entries;
}

const norm = (v) => Math.sqrt(v.reduce((sum, x) => sum + x * x, 0));
const greatest = (v) => v.reduce((most, x) => Math.max(most, Math.abs(x)), 0);

/** What the native library finds: x and the relative residual. */
function solveNatively(source) {
    const [x, json] = [join(work, "x.mtx"), join(work, "report.json")];
    execFileSync(native, ["solve", source, "--rhs", "ones", "--rtol", String(RTOL), "--backend", "cpu", "--output", x, "--json", json], { stdio: "pipe" });
    const [shape, ...numbers] = readFileSync(x, "utf8").split("\n").filter((line) => line && !line.startsWith("%"));
    assert.equal(shape, `${numbers.length} 1`);
    return { x: numbers.map(Number), relative: JSON.parse(readFileSync(json, "utf8")).certificate.relative };
}

/** Solves by the package, on the page. Bytes cross as base64. */
const solveInPage = (page, problem, options) => page.evaluate(async ({ problem, options }) => {
    const { solve } = await import("./pkg/krylane.js");
    const content = problem.base64 && Uint8Array.from(atob(problem.base64), (c) => c.charCodeAt(0));
    const a = problem.base64 ? { file: { name: problem.name, content } } : problem;
    const { x, answer, reason, certificate, adapter, iterations } = await solve(a, "ones", options);
    return { x: [...x], answer, reason, certificate, adapter, iterations };
}, { problem, options });

step("size");
const module = readFileSync(join(dist, "pkg/krylane_module_bg.wasm"));
const packed = gzipSync(module, { level: 9 }).length;
console.log(`   the module has ${(module.length / 1e6).toFixed(2)} MB, ${(packed / 1e6).toFixed(3)} MB packed`);
assert(packed <= 1e6, "1 MB at most, packed");

const browser = await launch(WEBGPU);
try {
    step("from load to the first answer");
    {
        // The best of three: other work on the machine is not the page's.
        const times = [];
        for (let k = 0; k < 3; k++) {
            const context = await browser.newContext();
            const page = await context.newPage();
            const start = performance.now();
            await page.goto(address);
            await page.waitForSelector("body[data-ready]");
            await page.click("#run");
            await page.waitForSelector("#status[data-state=good]", { timeout: 20000 });
            times.push(performance.now() - start);
            await context.close();
        }
        console.log(`   ${times.map((t) => (t / 1e3).toFixed(2)).join(", ")} s`);
        assert(Math.min(...times) <= 3000, "3 s at most");
    }

    const page = await open(browser, { viewport: { width: 1280, height: 900 } });

    step("answers on the CPU and by WebGPU, beside the native ones");
    // A row that is dominated by its diagonal by `margin` bounds the inverse: |x|_max <= |r|_max / margin. The grid's
    // smallest eigenvalue is known.
    const margins = { network: 0.02, upwind: 0.5 };
    const network_ = matrixMarket(3000, "symmetric", network(3000, 4, margins.network));
    const upwind_ = gzipSync(matrixMarket(1600, "general", upwind(40, margins.upwind)));
    writeFileSync(join(work, "network.mtx"), network_);
    writeFileSync(join(work, "upwind.mtx.gz"), upwind_);
    const poisson = (size) => ({
        name: `poisson2d:${size}`, source: `poisson2d:${size}`, problem: { gallery: { name: "poisson2d", size } },
        bound: (residual) => residual / (8 * Math.sin(Math.PI / (2 * (size + 1))) ** 2), distance: norm,
    });
    const dropped = (name, content, margin) => ({
        name, source: join(work, name), problem: { name, base64: Buffer.from(content).toString("base64") },
        bound: (residual) => residual / margin, distance: greatest,
    });
    const systems = [
        poisson(64), poisson(128), dropped("network.mtx", network_, margins.network), dropped("upwind.mtx.gz", upwind_, margins.upwind),
    ];
    for (const { name, source, problem, bound, distance } of systems) {
        const theirs = solveNatively(source);
        for (const backend of ["cpu", "gpu"]) {
            const start = performance.now();
            const ours = await solveInPage(page, problem, { backend, rtol: RTOL });
            assert(ours.answer, `${name} on ${backend}: ${ours.reason}`);
            assert(ours.certificate.relative <= RTOL, `${name} on ${backend}: ${ours.certificate.relative}`);
            assert.match(ours.adapter.backend, backend === "cpu" ? /^cpu$/ : /webgpu/i);
            assert.equal(ours.x.length, theirs.x.length);
            const apart = distance(ours.x.map((v, i) => v - theirs.x[i]));
            // Both residuals, times |b| = sqrt(rows).
            const allowed = bound((ours.certificate.relative + theirs.relative) * Math.sqrt(ours.x.length));
            console.log(`   ${name} on ${ours.adapter.backend}: ${ours.iterations} iterations, ${ours.certificate.relative.toExponential(2)}, ` +
                `${apart.toExponential(1)} from the native x of ${allowed.toExponential(1)} allowed, ${seconds(start)}`);
            assert(apart <= allowed, `${name} on ${backend}: x differs by ${apart}, and by ${allowed} at most`);
        }
    }

    step("arrays, options and errors of the package");
    const told = await page.evaluate(async () => {
        const { solve, catalogue } = await import("./pkg/krylane.js");
        const a = { rows: 3, cols: 3, indptr: [0, 2, 5, 7], indices: [0n, 1n, 0n, 1n, 2n, 1n, 2n], values: [2, -1, -1, 2, -1, -1, 2] };
        let heard = 0;
        const report = await solve(a, [1, 0, 1], { method: "gmres", restart: 5, maxIterations: 9, onProgress: ({ residuals }) => (heard += residuals.length) });
        const fault = (promise) => promise.then(() => "no error", (error) => error.message);
        return {
            x: [...report.x], options: report.options, heard, iterations: report.iterations,
            method: await fault(solve(a, "ones", { method: "gmras" })),
            column: await fault(solve({ ...a, indices: [0, 1, 0, 1, 2, 1, 7] }, "ones")),
            negative: await fault(solve({ ...a, indices: [0, 1, 0, 1, 2, 1, -1] }, "ones")),
            length: await fault(solve(a, [1, 2], {})),
            right: await fault(solve(a, "random:x", {})),
            memory: await fault(solve({ gallery: { name: "poisson3d", size: 500 } })),
            counts: Object.values(await catalogue()).map((list) => list.length),
        };
    });
    told.x.forEach((v) => assert(Math.abs(v - 1) < 1e-7, `x is ${told.x}`));
    assert.equal(told.options.method, "gmres:restart=5");
    assert.equal(told.options.max_iterations, "9");
    assert.match(told.method, /gmres/);
    assert.match(told.column, /7/);
    assert.match(told.negative, /indices\[6\] is -1/);
    assert.match(told.length, /2 entries/);
    assert.match(told.right, /random:x/);
    assert.match(told.memory, /bytes/);
    assert(told.counts.every((count) => count >= 10), `the catalogue has ${told.counts}`);

    step("a stop, with the best x so far and without any");
    const stopped = await page.evaluate(async () => {
        const { Krylane } = await import("./pkg/krylane.js");
        const krylane = new Krylane();
        const large = { gallery: { name: "poisson2d", size: 700 } };
        const stopping = new AbortController();
        let at = null;
        const report = await krylane.solve(large, "ones", {
            // Its residual falls from the first step on.
            method: "minres", preconditioner: "none", backend: "cpu", signal: stopping.signal,
            onProgress: ({ iteration }) => {
                if (iteration >= 20 && at === null) {
                    at = performance.now();
                    stopping.abort();
                }
            },
        });
        const answered = performance.now() - at;
        const early = AbortSignal.timeout(400);
        const start = performance.now();
        // A dense eigenproblem, as a set-up, hears nothing.
        const refused = await krylane.eigenvalues({ gallery: { name: "poisson2d", size: 40 } }, { signal: early })
            .then(() => "values", (error) => error.name);
        const ended = performance.now() - start;
        // The worker was replaced.
        const after = await krylane.solve({ gallery: { name: "poisson2d", size: 20 } });
        krylane.close();
        return { reason: report.reason, length: report.x.length, moved: report.x.some((v) => v !== 0), iterations: report.iterations, answered, refused, ended, after: after.answer };
    });
    console.log(`   ${stopped.iterations} iterations, heard after ${stopped.answered.toFixed(0)} ms; in deaf work: ${stopped.refused} after ${stopped.ended.toFixed(0)} ms`);
    assert.equal(stopped.reason, "Cancelled");
    assert(stopped.length === 490000 && stopped.moved, "the best x so far");
    assert(stopped.answered < 1500, `heard after ${stopped.answered} ms`);
    assert.equal(stopped.refused, "AbortError");
    assert(stopped.ended < 4000 && stopped.after);

    step("the page: stop, a dropped file, a bad one");
    await page.fill("#params input[name=size]", "700");
    await page.selectOption("#method", "cg");
    await page.selectOption("#preconditioner", "none");
    await page.selectOption("#backend", "cpu");
    await page.click("#run");
    await page.waitForFunction(() => /^Iteration \d/.test(document.getElementById("status").textContent));
    // The residual is drawn while it falls.
    await page.waitForSelector("#chart polyline");
    assert(await page.locator("#run").isDisabled());
    await page.click("#stop");
    await page.waitForFunction(() => document.getElementById("status").textContent.startsWith("Cancelled"), null, { timeout: 5000 });
    await page.waitForSelector("#report:not([hidden])", { timeout: 30000 });
    assert.equal(await page.frameLocator("#report").locator("h1").innerText(), "Cancelled");
    await page.waitForFunction(() => !document.getElementById("run").disabled);
    await page.selectOption("#preconditioner", "auto");
    await page.selectOption("#method", "auto");

    const bad = "%%MatrixMarket matrix coordinate real general\n3 3 2\n1 1 2.0\n2 9 1.0\n";
    await page.setInputFiles("#file", { name: "bad.mtx", mimeType: "text/plain", buffer: Buffer.from(bad) });
    await page.waitForFunction(() => document.getElementById("status").textContent.includes("bad.mtx:"));
    const fault = await page.innerText("#status");
    console.log(`   ${fault}`);
    assert.match(fault, /bad\.mtx/);
    assert.match(fault, /\b4\b/, "the line at fault");
    await page.click("#run");
    await page.waitForFunction(() => !document.getElementById("run").disabled);
    assert.equal(await page.innerText("#status"), fault);

    await page.setInputFiles("#file", join(work, "upwind.mtx.gz"));
    await page.waitForFunction(() => document.getElementById("status").textContent.includes("1 600 x 1 600"));
    for (const backend of ["cpu", "gpu"]) {
        await page.selectOption("#backend", backend);
        await page.click("#run");
        await page.waitForSelector("#status[data-state=good]", { timeout: 30000 });
        await page.waitForFunction(() => !document.getElementById("run").disabled);
    }
    assert.match(await page.innerText("#status"), /SwiftShader|webgpu|adapter/i);
    assert.match(await page.frameLocator("#report").locator("h1").innerText(), /Converged/);

    step("every text of WGSL that f32 plans make compiles");
    {
        const start = performance.now();
        const texts = readdirSync(wgsl).map((name) => readFileSync(join(wgsl, name), "utf8"));
        assert(texts.length >= 500, `there are ${texts.length} texts`);
        const faults = await page.evaluate(async (texts) => {
            const adapter = await navigator.gpu.requestAdapter();
            const most = adapter.limits.maxStorageBuffersPerShaderStage;
            const device = await adapter.requestDevice({ requiredLimits: { maxStorageBuffersPerShaderStage: most } });
            const told = await Promise.all(texts.map(async (code, k) => {
                const module = device.createShaderModule({ code });
                const { messages } = await module.getCompilationInfo();
                const errors = messages.filter((m) => m.type === "error").map((m) => m.message);
                // The driver behind is slow: it sees some, of those that fit it.
                const fits = code.split("var<storage").length - 1 <= most;
                const entry = { layout: "auto", compute: { module, entryPoint: "main" } };
                const made = k % 50 === 0 && fits ? await device.createComputePipelineAsync(entry).then(() => [], (e) => [e.message]) : [];
                return [...errors, ...made].map((message) => `${message}\n${code}`);
            }));
            return told.flat();
        }, texts);
        console.log(`   ${texts.length} texts, ${seconds(start)}`);
        assert.equal(faults.length, 0, `${faults.length} faults, the first: ${faults[0]}`);
    }
    await page.context().close();

    step("a panic, and a worker that fails");
    {
        const page = await browser.newPage();
        await page.goto(address);
        await page.waitForSelector("body[data-ready]");
        const panic = await page.evaluate(async () => {
            const module = await import("./pkg/krylane_module.js");
            await module.default();
            try {
                return `${module.rightHandSide("ones", 2 ** 31).length} numbers`;
            } catch (error) {
                return error.message ?? String(error);
            }
        });
        assert.match(panic, /a bug of krylane's.*capacity overflow/s);

        // What a panic within a task does to the worker.
        before = "addEventListener('message', () => setTimeout(() => { throw new Error('a drill'); }, 100));";
        const failing = await page.evaluate(async () => {
            const { Krylane } = await import("./pkg/krylane.js");
            window.krylane = new Krylane();
            const large = { gallery: { name: "poisson2d", size: 700 } };
            return window.krylane.solve(large, "ones", { method: "cg", preconditioner: "none" }).then((r) => r.reason, (error) => error.message);
        });
        assert.match(failing, /a drill/);
        before = "";
        assert(await page.evaluate(async () => (await window.krylane.solve({ gallery: { name: "poisson2d", size: 20 } })).answer));

        before = "WebAssembly.instantiateStreaming = () => Promise.reject(new Error('no module today'));";
        await page.reload();
        await page.waitForSelector("#status[data-state=bad]");
        assert.match(await page.innerText("#status"), /no module today/);
        before = "";
        await page.close();
    }

    step("the article, and pictures of everything");
    for (const scheme of ["light", "dark"]) {
        for (const width of [390, 1280]) {
            const page = await open(browser, { viewport: { width, height: 900 }, colorScheme: scheme });
            const picture = (name) => page.screenshot({ path: join(pictures, `${name}-${scheme}-${width}.png`), fullPage: true });
            const fits = async (what) => {
                const across = await page.evaluate(() => document.documentElement.scrollWidth);
                assert(across <= width, `${what} is ${across} wide on a screen of ${width}`);
            };
            await picture("start");
            await page.click("#run");
            await page.waitForSelector("#status[data-state=good]", { timeout: 20000 });
            await page.waitForSelector("#report:not([hidden])");
            await page.waitForTimeout(300);
            await fits("the report");
            await picture("solved");
            await page.click("#tab-learn");
            const steps = page.locator(".step");
            const count = await steps.count();
            assert.equal(count, 7);
            for (let k = 0; k < count; k++) {
                await steps.nth(k).locator("button").click();
            }
            await page.waitForFunction((count) => document.querySelectorAll(".step[data-state=done]").length === count, count, { timeout: 60000 });
            for (let k = 0; k < count; k++) {
                const marks = await steps.nth(k).locator("svg polyline, svg circle").count();
                assert(marks > 0, `step ${k + 1} is drawn`);
                assert.doesNotMatch(await steps.nth(k).locator(".hint").innerText(), /NaN|undefined|Infinity/);
            }
            await fits("the article");
            await picture("learn");
            await page.context().close();
        }
    }

    step("what the article says is true");
    {
        const page = await open(browser, {}, "#learn");
        const found = await page.evaluate(async () => {
            const { Krylane } = await import("./pkg/krylane.js");
            const krylane = new Krylane();
            const grid = { gallery: { name: "poisson2d", size: 12 } };
            const all = [...(await krylane.eigenvalues(grid))].filter((_, k) => k % 2 === 0);
            const [few, many] = (await krylane.ritzValues(grid, "lanczos", [10, 40])).map((list) => Math.max(...list.filter((_, k) => k % 2 === 0)));
            const [one, power] = (await krylane.ritzValues(grid, "power", [1, 400])).map((list) => list[0]);
            const plain = { backend: "cpu", preconditioner: "none", rtol: 1e-12 };
            const cg = await krylane.solve(grid, "random:1", { ...plain, method: "cg" });
            const projections = await krylane.projections(grid, "random:1", 30);
            krylane.close();
            return { largest: Math.max(...all), count: all.length, few, many, one, power, cg: cg.history.slice(0, 30), projections: [...projections] };
        });
        const exact = 8 * Math.sin((12 * Math.PI) / 26) ** 2;
        assert.equal(found.count, 144);
        assert(Math.abs(found.largest - exact) < 1e-10, `the largest eigenvalue is ${found.largest}`);
        assert(found.few < exact && Math.abs(found.many - exact) < 1e-6, "Ritz values come from below");
        assert(found.one < found.power && Math.abs(found.power - exact) < 1e-3);
        // CG is the projection onto the Krylov space, as long as rounding leaves its vectors independent.
        for (const k of [1, 5, 10, 15]) {
            const [a, b] = [found.cg[k - 1], found.projections[k - 1]];
            assert(Math.abs(a - b) <= 1e-3 * a, `after ${k} steps CG has ${a}, the projection ${b}`);
        }
        await page.context().close();
    }
} finally {
    await browser.close();
}

step("a browser without WebGPU");
const bare = await launch(["--disable-features=WebGPU", "--disable-gpu"]);
try {
    const page = await open(bare, { viewport: { width: 390, height: 900 } });
    await page.waitForFunction(() => /^No WebGPU/.test(document.getElementById("webgpu").textContent));
    assert(await page.locator("#backend option[value=gpu]").isDisabled());
    await page.click("#run");
    await page.waitForSelector("#status[data-state=good]", { timeout: 20000 });
    await page.screenshot({ path: join(pictures, "bare.png") });
    const refusal = await page.evaluate(async () => {
        const { solve } = await import("./pkg/krylane.js");
        return solve({ gallery: { name: "poisson2d", size: 20 } }, "ones", { backend: "gpu" }).then((r) => r.reason, (error) => error.message);
    });
    console.log(`   ${refusal}`);
    assert.match(refusal, /WebGPU/);
} finally {
    await bare.close();
}
assert.deepEqual(complaints, [], "no error on any console");
server.close();
rmSync(work, { recursive: true });
console.log("the browser part passed");
