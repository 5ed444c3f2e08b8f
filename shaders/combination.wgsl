// Σ_j c_j v_ji over the columns of one basis panel.

fn combination(i: u32) -> real {
    let c = P.array_at + P.first;
    var sum = real(0.0);
    var j = 0u;
    // Four at a time, so that their loads overlap.
    for (; j + 4u <= P.k; j += 4u) {
        sum += ledger[c + j] * real(v[j * P.stride + i])
            + ledger[c + j + 1u] * real(v[(j + 1u) * P.stride + i])
            + ledger[c + j + 2u] * real(v[(j + 2u) * P.stride + i])
            + ledger[c + j + 3u] * real(v[(j + 3u) * P.stride + i]);
    }
    for (; j < P.k; j += 1u) {
        sum += ledger[c + j] * real(v[j * P.stride + i]);
    }
    return sum;
}
