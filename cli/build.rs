//! Notes the commit and the features that the binary is built from, for `gepa --version`. Outside of a git
//! checkout the variables `GEPA_COMMIT` and `GEPA_COMMIT_DATE` name the commit; without them it is unknown.

use std::env::var;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=GEPA_COMMIT");
    println!("cargo:rerun-if-env-changed=GEPA_COMMIT_DATE");
    println!("cargo:rerun-if-changed=build.rs");
    let named = var("GEPA_COMMIT").ok();
    let commit = named.or_else(|| git(&["rev-parse", "--short=12", "HEAD"]));
    let date = var("GEPA_COMMIT_DATE").ok();
    let date = date.or_else(|| git(&["show", "-s", "--format=%cs", "HEAD"]));
    let commit = match (commit, date) {
        (Some(commit), Some(date)) => format!("{commit} of {date}"),
        (Some(commit), None) => commit,
        (None, _) => "unknown".to_owned(),
    };
    let features = ["otel", "parquet", "queue"];
    let built = features.iter().filter(|name| {
        let variable = format!("CARGO_FEATURE_{}", name.to_uppercase());
        var(variable).is_ok()
    });
    let built: Vec<&str> = built.copied().collect();
    let built = if built.is_empty() {
        "none".to_owned()
    } else {
        built.join(", ")
    };
    println!("cargo:rustc-env=GEPA_COMMIT={commit}");
    println!("cargo:rustc-env=GEPA_FEATURES={built}");
    // The files that change with each commit. Cargo reruns always for a file that does not exist.
    let branch = git(&["symbolic-ref", "-q", "HEAD"]);
    for name in ["HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        if let Some(path) = git(&["rev-parse", "--git-path", name])
            && Path::new(&path).exists()
        {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}

/// The first line that git prints; `None` without git or without a checkout.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}
