// Curves and dots as SVG. Colours come from the page's style, so light and dark need nothing here.

const TAG = "http://www.w3.org/2000/svg";
const HEIGHT = 300;
const [TOP, RIGHT, BOTTOM, LEFT] = [10, 14, 44, 62];
/** Most points of a curve that are drawn; of more, the extremes of each share. */
const POINTS = 600;

function node(name, attributes, text) {
    const made = document.createElementNS(TAG, name);
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    if (text !== undefined) {
        made.textContent = text;
    }
    return made;
}

/** Some five round numbers from `low` to `high`. */
function ticks(low, high) {
    const rough = (high - low) / 5;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((k) => k * power >= rough);
    const first = Math.ceil(low / step - 1e-9);
    return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, k) => (first + k) * step);
}

/** Powers of ten, at most eight. */
function decades(low, high) {
    const step = Math.max(1, Math.ceil((high - low) / 7));
    const first = Math.ceil(low / step) * step;
    return Array.from({ length: Math.max(0, Math.floor((high - first) / step) + 1) }, (_, k) => first + k * step);
}

const superscript = (number) => String(number).replace(/./g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]));
const label = (value) => (Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(0) : String(+value.toPrecision(4)));

/** The lowest and the highest point of each share, in their order. */
function thinned(points) {
    if (points.length <= POINTS) {
        return points;
    }
    const share = Math.ceil((2 * points.length) / POINTS);
    const kept = [];
    for (let at = 0; at < points.length; at += share) {
        const part = points.slice(at, at + share);
        const low = part.reduce((a, b) => (b[1] < a[1] ? b : a));
        const high = part.reduce((a, b) => (b[1] > a[1] ? b : a));
        kept.push(...(low[0] <= high[0] ? [low, high] : [high, low]));
    }
    return kept;
}

/**
 * Draws into `element`: `series` of { name, points, dots, colour }, axes named `x` and `y`, y in powers of ten if `log`,
 * a dashed line at `goal`.
 */
export function draw(element, { series, x, y, log = false, goal, title }) {
    const value = log ? Math.log10 : (v) => v;
    const shown = series.map((s) => ({
        ...s, points: s.points.map(([a, b]) => [a, value(b)]).filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b)),
    }));
    const all = shown.flatMap((s) => s.points);
    if (goal) {
        all.push([all[0]?.[0] ?? 1, value(goal)]);
    }
    const range = (k) => all.reduce(([low, high], p) => [Math.min(low, p[k]), Math.max(high, p[k])], [Infinity, -Infinity]);
    let [left, right] = all.length ? range(0) : [0, 1];
    let [low, high] = all.length ? range(1) : [0, 1];
    if (log) {
        [low, high] = [Math.floor(low), Math.ceil(high + 1e-9)];
    }
    const spread = (a, b, by) => (b - a < 1e-12 * Math.max(1, Math.abs(a)) ? [a - by, b + by] : [a, b]);
    [left, right] = spread(left, right, 1);
    [low, high] = spread(low, high, 1);
    if (!log) {
        [low, high] = [low - 0.04 * (high - low), high + 0.04 * (high - low)];
    }
    const width = Math.max(280, element.clientWidth || 280);
    const across = (a) => LEFT + ((a - left) / (right - left)) * (width - LEFT - RIGHT);
    const down = (b) => HEIGHT - BOTTOM - ((b - low) / (high - low)) * (HEIGHT - BOTTOM - TOP);

    const svg = node("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": title });
    for (const t of log ? decades(low, high) : ticks(low, high)) {
        svg.append(node("line", { x1: LEFT, x2: width - RIGHT, y1: down(t), y2: down(t), class: "grid" }));
        svg.append(node("text", { x: LEFT - 7, y: down(t) + 4, "text-anchor": "end", class: "axis" }, log ? `10${superscript(t)}` : label(t)));
    }
    for (const t of ticks(left, right)) {
        svg.append(node("line", { x1: across(t), x2: across(t), y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM + 5, class: "grid" }));
        svg.append(node("text", { x: across(t), y: HEIGHT - BOTTOM + 19, "text-anchor": "middle", class: "axis" }, label(t)));
    }
    svg.append(node("text", { x: (LEFT + width - RIGHT) / 2, y: HEIGHT - 6, "text-anchor": "middle", class: "axis" }, x));
    if (goal) {
        svg.append(node("line", { x1: LEFT, x2: width - RIGHT, y1: down(value(goal)), y2: down(value(goal)), class: "goal" }));
    }
    shown.forEach(({ points, dots, colour }, k) => {
        const ink = `var(--series-${colour ?? k})`;
        if (dots) {
            const radius = points.length > 300 ? 1.8 : 2.8;
            const group = node("g", { style: `fill:${ink}` });
            points.forEach(([a, b]) => group.append(node("circle", { cx: across(a).toFixed(1), cy: down(b).toFixed(1), r: radius })));
            svg.append(group);
        } else if (points.length) {
            const line = thinned(points).map(([a, b]) => `${across(a).toFixed(1)},${down(b).toFixed(1)}`).join(" ");
            svg.append(node("polyline", { points: line, class: "curve", style: `stroke:${ink}` }));
        }
    });
    const legend = document.createElement("div");
    legend.className = "legend";
    const names = [...shown.map(({ name, colour }, k) => [name, `var(--series-${colour ?? k})`]), ...(goal ? [["tolerance", "var(--bad)"]] : [])];
    for (const [name, ink] of [[y, null], ...names]) {
        const entry = document.createElement(ink ? "span" : "b");
        entry.textContent = name;
        entry.style.setProperty("--mark", ink ?? "");
        legend.append(entry);
    }
    element.replaceChildren(legend, svg);
}

/** A drawing that follows the width of its element. */
export class Plot {
    #element;
    #what = null;

    constructor(element) {
        this.#element = element;
        let width = 0;
        new ResizeObserver(() => {
            if (element.clientWidth !== width) {
                width = element.clientWidth;
                this.#draw();
            }
        }).observe(element);
    }

    #draw() {
        if (this.#what) {
            draw(this.#element, this.#what);
        }
    }

    show(what) {
        this.#what = what;
        this.#draw();
    }
}
