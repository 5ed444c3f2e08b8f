//! A method of one's own: the gradient method of Barzilai and Borwein (1988, doi:10.1093/imanum/8.1.141). It takes the
//! step length that steepest descent would have taken one iteration earlier, and needs a fraction of its iterations.
//! cargo run --release --example own_method
use krylane::matrix::gallery;
use krylane::method::{Method as KrylovMethod, Needs, Next, OwnMethod, System, Traits};
use krylane::op::{Program, Scalar, Space, Stop, Vector};
use krylane::{Method, Solver};

/// Names for what the backend keeps.
struct BarzilaiBorwein {
    s: System,
    z: Vector,
    q: Vector,
    scalars: [Scalar; 4],
}

impl KrylovMethod for BarzilaiBorwein {
    fn start(&mut self, p: &mut Program) {
        let Self { ref s, z, q, scalars: [alpha, rho, sigma, _] } = *self;
        s.precondition(p, s.r, z); //            z = M r
        p.apply(s.a, z, q); //                   q = A z
        p.dot(s.r, z, rho);
        p.dot(z, q, sigma);
        p.set(alpha, rho / sigma);
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let Self { ref s, z, q, scalars: [alpha, rho, sigma, rr] } = *self;
        p.apply(s.a, z, q); //                   q = A z
        p.dot(s.r, z, rho);
        p.dot(z, q, sigma);
        p.axpy(alpha, z, s.x); //                x += alpha z, alpha from the iteration before
        p.axpy(-alpha, q, s.r); //               r -= alpha q
        p.set(alpha, rho / sigma);
        s.precondition(p, s.r, z);
        p.dot(s.r, s.r, rr);
        s.watch.residual(p, rr.sqrt(), &[]);
        p.stop_if(sigma.le(0.0), Stop::Indefinite);
        Next::More
    }

    fn system(&mut self) -> &mut System {
        &mut self.s
    }
}

fn main() -> krylane::Result<()> {
    let own = OwnMethod::new("barzilai_borwein", Traits::new(Needs::Definite), |space: &mut Space, s, _| {
        let (z, q) = (s.preconditioned(space, "z", s.r), space.vector("q", s.n));
        Box::new(BarzilaiBorwein { z, q, scalars: space.scalars(["alpha", "rho", "sigma", "rr"]), s })
    });
    let a = gallery::poisson2d(60);
    for method in [Method::SteepestDescent, Method::Own(own), Method::Cg] {
        let report = Solver::builder(&a).method(method).build()?.solve(&vec![1.0; a.rows()])?;
        println!("{:>16}: {} iterations, {}", report.method, report.iterations, report.reason);
    }
    Ok(())
}
