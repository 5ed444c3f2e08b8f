//! What the summary says is so: who solved it, what is not in use, numbers that tell two apart, what completion offers.

use super::*;

#[test]
fn the_summary_names_who_solved_it() {
    let f = Folder::new();
    let (json, page) = (f.name("r.json"), f.name("p.html"));
    let (out, _) = expect(&solve(&["poisson2d:200", "--json", &json, "--report", &page]), 0);
    let r = report(f.path("r.json"));
    let by = format!("{} with {}", r["method"].as_str().unwrap(), r["preconditioner"].as_str().unwrap());
    assert!(out.contains(&format!("solved by    {by}")), "{by}: {out}");
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("solved by") && page.contains(&by), "{by}");
    // Whose work is only counted at first does not count as one that runs.
    let told = out.lines().find(|l| l.contains("race: ")).expect("a race");
    assert!(told.contains("is counted first") || told.contains(&format!("race: {by} first")), "{told}");
    let (out, _) = expect(&solve(&["poisson2d:40", "-m", "cg", "-p", "none", "--max-iterations", "3"]), 1);
    assert!(out.contains("ended by     cg with none"), "{out}");
    assert!(out.contains("Raise --max-iterations, or"), "no limit on products was set: {out}");
}
