//! What a matrix is whose rows several ranks share: each looks at its own, and entries are compared with their mirror
//! images where those are.

use crate::analyse::certify::Norms;
use crate::analyse::facts::{Facts, SYMMETRY_TOLERANCE, Seen, sums_to_zero};
use crate::error::Result;
use crate::host::scale::{exponent, largest, ldexp};
use crate::host::whole::Whole;
use crate::matrix::Parted;

/// Findings about all rows, the same on every rank. All of them call this together.
///
/// # Errors
/// A rank that is gone.
pub(crate) fn find(a: &Parted) -> Result<Facts> {
    let (rows, below) = (&*a.local.matrix, a.local.below);
    let d = a.diagonal();
    let count = |f: fn(f64) -> bool| a.count(d.iter().filter(|v| f(**v)).count());
    let seen = Seen::of(rows, below, &d);
    let largest_entry = a.widest(largest(rows.values()));
    let asymmetry = asymmetry(a, &d, largest_entry)?;
    let e = exponent(largest_entry);
    let widths = (0..rows.rows()).map(|i| rows.row(i).1.iter().map(|&v| ldexp(v, -e).abs()).sum::<f64>());
    let widest = a.widest(widths.fold(0.0, f64::max));
    let tallest = if asymmetry.is_some() { a.widest(largest(&columns(a, e)?)) } else { widest };
    // All rows: which of several components have none of their own is not looked for.
    let open = (0..rows.rows()).any(|i| !sums_to_zero(rows.row(i).1));
    let closed = asymmetry.is_none() && a.cuts.len() > 0 && !a.any(open);
    let bounds = d.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    Ok(Facts {
        norms: Norms { exponent: e, scaled_norm: (widest * tallest).sqrt() },
        word: None,
        looks_symmetric: asymmetry.is_none(),
        asymmetry,
        diagonal: (count(|v| v > 0.0), count(|v| v < 0.0), count(|v| v == 0.0)),
        constant_diagonal: -a.widest(-bounds.0) == a.widest(bounds.1),
        m_matrix: !a.any(!seen.m_matrix),
        dominance: a.widest(seen.dominance),
        weak: a.count(seen.weak),
        // Ranks change no variables but for one power of two.
        spread: 0,
        null_components: if closed { (vec![0; d.len()], 1) } else { (vec![], 0) },
    })
}

/// Σ_i |a_ij|·2^−e for this rank's columns j, over all rows.
fn columns(a: &Parted, e: i32) -> Result<Vec<f64>> {
    let rows = &a.local.matrix;
    let mut all = vec![0.0; rows.cols()];
    for (&j, v) in rows.columns().iter().zip(rows.values()) {
        all[j as usize] += ldexp(*v, -e).abs();
    }
    let told = |(p, range): &(usize, std::ops::Range<usize>)| {
        (*p, range.clone().flat_map(|k| [a.ghost(k), all[k].to_bits()]).collect::<Vec<u64>>())
    };
    let letters = a.ranks.mail(a.local.receives.iter().map(told).collect())?;
    let mut own = all[a.inside()].to_vec();
    let first = a.first() as u64;
    for told in letters.iter().flat_map(|(_, letter)| letter.chunks(2)) {
        own[(told[0] - first) as usize] += f64::from_bits(told[1]);
    }
    Ok(own)
}

/// The first entry that differs from its mirror image, as [`crate::matrix::Csr::first_asymmetry`] has it.
fn asymmetry(a: &Parted, d: &[f64], largest_entry: f64) -> Result<Option<(usize, usize)>> {
    let (rows, inside) = (&*a.local.matrix, a.inside());
    let first = a.first() as u64;
    let within = a.block().first_asymmetry(SYMMETRY_TOLERANCE).map(|(i, j)| [first + i as u64, first + j as u64]);
    // Each entry in a ghost's column, told to the rank that has its row.
    let told = |(p, range): &(usize, std::ops::Range<usize>)| {
        let mut letter: Vec<u64> = vec![];
        for i in (0..rows.rows()).filter(|i| a.local.waits[i / a.cuts.chunk()]) {
            let (columns, values) = rows.row(i);
            let there = columns.iter().zip(values).filter(|(j, _)| range.contains(&(**j as usize)));
            for (&j, v) in there {
                letter.extend([first + i as u64, a.ghost(j as usize), v.to_bits(), d[i].to_bits()]);
            }
        }
        (*p, letter)
    };
    let letters = a.ranks.mail(a.local.receives.iter().map(told).collect())?;
    let across = letters.iter().flat_map(|(_, letter)| letter.chunks(4)).filter_map(|told| {
        let (i, j) = (told[0], (told[1] - first) as usize);
        let column = a.local.ghosts.binary_search(&i).ok();
        let place = column.map(|k| if k < inside.start { k } else { k + inside.len() });
        let own = place.map_or(0.0, |k| rows.get(j, k));
        let scale = f64::from_bits(told[3]).abs().sqrt() * d[j].abs().sqrt();
        let allowed = SYMMETRY_TOLERANCE * if scale > 0.0 { scale } else { largest_entry };
        ((f64::from_bits(told[2]) - own).abs() > allowed).then_some([i, told[1]])
    });
    let found = within.into_iter().chain(across).min().unwrap_or([u64::MAX; 2]);
    let found = a.folded(found, found, |a: [u64; 2], b| a.min(b));
    Ok((found[0] != u64::MAX).then_some((found[0] as usize, found[1] as usize)))
}
