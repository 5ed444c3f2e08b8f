// What a kernel with one inner product needs beside its loop: it copies the scalars and leaves one partial sum per
// workgroup; the next kernel adds them. The partial sums start at P.slot, after all scalars.

@group(0) @binding(1) var<storage, read> state_in: array<real>;
@group(0) @binding(2) var<storage, read_write> state_out: array<real>;

fn carry_scalars(t: u32, group: u32) {
    if (group == 0u) {
        for (var i = t; i < P.slot; i += WORKGROUP) {
            state_out[i] = state_in[i];
        }
    }
}

fn leave_sum(t: u32, group: u32, sum: real) {
    tile[t] = sum;
    block_sums(t, 1u);
    if (t == 0u) {
        state_out[P.slot + group] = tile[0];
    }
}
