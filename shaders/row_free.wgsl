// What an operator's own shader text may call; that text follows this one, and `scaled_product` follows that.

alias number = {{value}};

fn x_at(j: u32) -> number {
    return gathered(j);
}

fn data_at(k: u32) -> number {
    return values[k];
}

