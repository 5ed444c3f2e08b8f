// What an operator's own text may call; behind this stands that text, and then `scaled_product`.

alias number = {{value}};

{{data}}var<private> x_number: u32;

fn x_at(j: u32) -> number {
    switch (x_number) {
{{cases}}    }
}

