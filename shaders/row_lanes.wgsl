// Rows start .. start + {{width}} of a CSR matrix times x: {{lanes}} invocations per row take its entries in turn
// and add their sums in a fixed order. For long rows, too few to fill a device with one invocation each.

const LANES: u32 = {{lanes}}u;
const ROWS: u32 = WORKGROUP / LANES;

var<workgroup> lane_sums: array<{{value}}, WORKGROUP>;
var<workgroup> products: array<{{value}}, {{width}}>;

fn row_products(start: u32, t: u32) {
    for (var pass_rows = 0u; pass_rows < {{width}}u; pass_rows += ROWS) {
        let i = start + pass_rows + t / LANES;
        var sum = {{value}}(0.0);
        if (i < P.n) {
            let base = base_of(i / 32u);
            let end = pattern[i + 1u];
            var e = pattern[i] + t % LANES;
            for (; e + LANES < end; e += 2u * LANES) {
                let a0 = value(e) * gathered(column(e, base));
                let a1 = value(e + LANES) * gathered(column(e + LANES, base));
                sum = sum + a0 + a1;
            }
            if (e < end) {
                sum += value(e) * gathered(column(e, base));
            }
        }
        lane_sums[t] = sum;
        workgroupBarrier();
        if (t < ROWS) {
            var total = lane_sums[t * LANES];
            for (var m = 1u; m < LANES; m += 1u) {
                total += lane_sums[t * LANES + m];
            }
            products[pass_rows + t] = total;
        }
        workgroupBarrier();
    }
}
