// What an operator's own text may call; that text stands behind this, and `scaled_product` behind that.

alias number = {{value}};

fn x_at(j: u32) -> number {
    return gathered(j);
}

fn data_at(k: u32) -> number {
    return values[k];
}

