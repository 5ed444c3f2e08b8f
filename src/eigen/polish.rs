//! Inverse iteration beside a pair's own value (Wielandt 1944; Ipsen 1997, doi:10.1137/S0036144596300773), for pairs that are
//! nearly right: what their vectors hold of far eigenvalues, which weighs most in large rows, all but vanishes.

use super::options::EigenOptions;
use super::pencil::Pencil;
use super::shift::{Shift, Solves};
use super::verify::{Verified, unit};

/// The relative residual up to which a pair is nearly right, so that the eigenvalue nearest to its value is its own.
const NEARLY: f64 = 1e-6;

/// Steps for one pair.
const STEPS: usize = 3;

/// The pair itself, or a better one of the same eigenvalue, where complete factors are affordable.
pub(super) fn polished(p: &Pencil, pair: Verified, options: &EigenOptions) -> Verified {
    let relative = pair.relative();
    if relative <= options.bound() || relative.is_nan() || relative > NEARLY || pair.y.is_some() {
        return pair;
    }
    let given = EigenOptions { inverse: None, ..options.clone() };
    match Shift::at(p, pair.number(), STEPS, &given, &mut vec![]) {
        Ok(Shift { solves: Solves::Direct(direct), .. }) => {
            let mut best = pair;
            for _ in 0..STEPS {
                let next = direct.solve(&p.dual(&best.x)).and_then(|(x, _)| unit(x));
                let Some(next) = next.and_then(|x| p.verify(x, None).pop()) else { break };
                if next.relative() >= best.relative() {
                    break;
                }
                best = next;
            }
            best
        }
        _ => pair,
    }
}
