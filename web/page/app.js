// The page: a form around `solve` of the package.

import { Krylane, Stopped } from "./pkg/krylane.js";
import { steps } from "./learn.js";
import { Plot } from "./plot.js";

const $ = (id) => document.getElementById(id);
const krylane = new Krylane();
const plot = new Plot($("chart"));
const grouped = (number) => number.toLocaleString("en").replaceAll(",", " ");

/** Points per side that a problem of so many dimensions starts with. */
const SIZES = { 1: 2000, 2: 128, 3: 24 };
/** What the page starts with. */
const FIRST = "poisson2d";

let families = [];
/** The dropped file, if there is one. */
let file = null;
let stopping = null;

function option(value, text = value) {
    const made = document.createElement("option");
    [made.value, made.textContent] = [value, text];
    return made;
}

function field(name, value, min) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "number", step: "any", value, name });
    if (min !== undefined) {
        Object.assign(input, { min, step: 1 });
    }
    label.append(name.replaceAll("_", " "), input);
    return label;
}

function showFamily() {
    const family = families.find((f) => f.name === $("gallery").value);
    $("about").textContent = family.about;
    $("params").replaceChildren(field("size", SIZES[family.dimensions], 1), ...family.params.map((p) => field(p.name, p.value)));
}

function problem() {
    if (file) {
        return { file };
    }
    const name = $("gallery").value;
    const { size, ...given } = Object.fromEntries([...$("params").querySelectorAll("input")].map((input) => [input.name, Number(input.value)]));
    const defaults = families.find((f) => f.name === name).params;
    const changed = defaults.filter((p) => given[p.name] !== p.value).map((p) => [p.name, given[p.name]]);
    return { gallery: { name, size, params: Object.fromEntries(changed) } };
}

function say(text, state) {
    $("status").textContent = text;
    $("status").dataset.state = state;
}

/** The matrix file of a drop or a choice takes the place of the model problem. */
async function take(chosen) {
    if (!chosen) {
        return;
    }
    file = { name: chosen.name, content: await chosen.arrayBuffer() };
    $("dropped").textContent = `${chosen.name}, ${grouped(chosen.size)} bytes`;
    showSource();
    try {
        const { rows, cols, entries, notes } = await krylane.inspect({ file });
        say(`${chosen.name}: ${grouped(rows)} x ${grouped(cols)}, ${grouped(entries)} entries; ${notes}`, "idle");
    } catch (error) {
        say(error.message, "bad");
    }
}

function showSource() {
    $("forget").hidden = !file;
    $("gallery").disabled = Boolean(file);
    $("params").hidden = Boolean(file);
    $("about").hidden = Boolean(file);
}

function forget() {
    file = null;
    $("file").value = "";
    $("dropped").textContent = "or drop a matrix file here";
    showSource();
}

/** What this browser has to offer. */
async function lookForWebGpu() {
    const where = $("webgpu");
    const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
    if (adapter) {
        const { vendor, architecture, description } = adapter.info;
        const software = adapter.info.isFallbackAdapter ? " It computes on the CPU: the backend gpu is for a look only." : "";
        where.textContent = `WebGPU: ${description || [vendor, architecture].filter(Boolean).join(" ") || "an adapter"}.${software} ` +
            "Iterations on it run in f32; the answer is certified in f64 on the CPU.";
        return;
    }
    $("backend").querySelector("[value=gpu]").disabled = true;
    where.textContent = navigator.gpu
        ? "No WebGPU: this browser has the interface but gives no adapter (no driver, or it is blocked). The CPU solves everything here."
        : "No WebGPU in this browser, or not at this address: it needs https or localhost. The CPU solves everything here.";
}

function offer(link, text, type) {
    URL.revokeObjectURL(link.href);
    link.href = URL.createObjectURL(new Blob([text], { type }));
}

function showReport(report, html) {
    const frame = $("report");
    frame.hidden = false;
    frame.onload = () => {
        // As high as its content: one scroll bar is enough.
        frame.style.height = `${frame.contentDocument.documentElement.scrollHeight + 4}px`;
    };
    frame.srcdoc = html;
    offer($("download"), html, "text/html");
    offer($("solution"), [...report.x].join("\n") + "\n", "text/plain");
    $("save").hidden = false;
}

async function run() {
    const residuals = [];
    const goal = Number($("rtol").value);
    const show = () => {
        const points = residuals.map((r, k) => [k + 1, r]);
        plot.show({ series: [{ name: "estimate of the method", points }], x: "iteration", y: "‖r‖ / ‖b‖", log: true, goal, title: "Residual history" });
    };
    stopping = new AbortController();
    $("run").disabled = true;
    $("stop").disabled = false;
    $("report").hidden = $("save").hidden = true;
    $("chart").hidden = false;
    show();
    say("Setting up …", "busy");
    let facts;
    let drawn = 0;
    try {
        const report = await krylane.solve(problem(), $("rhs").value, {
            method: $("method").value, preconditioner: $("preconditioner").value, backend: $("backend").value,
            rtol: $("rtol").value, maxIterations: $("most").value, html: true, signal: stopping.signal,
            onProgress: (progress) => {
                facts = progress.matrix ?? facts;
                residuals.push(...progress.residuals);
                const size = `${grouped(facts.rows)} x ${grouped(facts.cols)}, ${grouped(facts.entries)} entries`;
                say(residuals.length ? `Iteration ${grouped(residuals.length)}: ${residuals.at(-1).toExponential(2)} (${size})` : `Setting up (${size}) …`, "busy");
                if (performance.now() - drawn > 60) {
                    show();
                    drawn = performance.now();
                }
            },
        });
        residuals.splice(0, residuals.length, ...report.history);
        const seconds = Object.values(report.timings).reduce((a, b) => a + b, 0);
        say(`${report.reason}: ${grouped(report.iterations)} iterations of ${report.method} with ${report.preconditioner} on ${report.adapter.name}, ` +
            `${seconds.toFixed(2)} s. Certified in f64: ‖b − Ax‖/‖b‖ = ${report.certificate.relative.toExponential(2)}. ${report.advice}`,
            report.answer ? "good" : "bad");
        // The answer is there; the pictures of the report follow.
        show();
        showReport(report, await report.html);
    } catch (error) {
        say(error instanceof Stopped ? `Stopped: ${error.message}.` : error.message, "bad");
    }
    show();
    stopping = null;
    $("run").disabled = false;
    $("stop").disabled = true;
}

function choose(tab) {
    for (const name of ["solve", "learn"]) {
        $(name).hidden = name !== tab;
        $(`tab-${name}`).setAttribute("aria-selected", String(name === tab));
    }
}

for (const name of ["solve", "learn"]) {
    $(`tab-${name}`).onclick = () => {
        choose(name);
        history.replaceState(null, "", `#${name}`);
    };
}
choose(location.hash === "#learn" ? "learn" : "solve");

$("form").onsubmit = (event) => {
    event.preventDefault();
    run();
};
$("stop").onclick = () => {
    say("Stopping …", "busy");
    stopping?.abort();
};
$("gallery").onchange = showFamily;
$("file").onchange = () => take($("file").files[0]);
$("forget").onclick = forget;
// Files may be dropped anywhere.
addEventListener("dragover", (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
});
addEventListener("dragleave", () => $("drop").classList.remove("over"));
addEventListener("drop", (event) => {
    event.preventDefault();
    $("drop").classList.remove("over");
    choose("solve");
    take(event.dataTransfer.files[0]);
});

steps($("learn"), krylane);
lookForWebGpu();
try {
    const { gallery, methods, preconditioners } = await krylane.catalogue();
    families = gallery;
    $("gallery").append(...gallery.map((f) => option(f.name)));
    $("gallery").value = FIRST;
    $("method").append(option("auto"), ...methods.map((m) => option(m.id)));
    $("preconditioner").append(option("auto"), ...preconditioners.map((p) => option(p.id)));
    showFamily();
    document.body.dataset.ready = "true";
} catch (error) {
    say(error.message, "bad");
    $("run").disabled = true;
}
