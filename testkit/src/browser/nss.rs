//! The user's database of certificates (NSS), which Chromium on Linux reads.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use kit::tls::Authority;

use super::driver::program;

/// Makes a home directory below `folder` whose database trusts `ca` for servers. Returns
/// the environment of a browser that uses it.
pub(super) fn home_trusting(folder: &Path, ca: &Authority) -> Vec<(String, String)> {
    let home = folder.join("home");
    let database = home.join(".pki/nssdb");
    fs::create_dir_all(&database).unwrap();
    let certificate = home.join("ca.pem");
    fs::write(&certificate, ca.pem()).unwrap();
    let at = format!("sql:{}", database.display());
    let certificate = certificate.display().to_string();
    certutil(&["-d", &at, "-N", "--empty-password"]);
    certutil(&[
        "-d",
        &at,
        "-A",
        "-n",
        "lab",
        "-t",
        "C,,",
        "-i",
        &certificate,
    ]);
    vec![("HOME".to_owned(), home.display().to_string())]
}

fn certutil(arguments: &[&str]) {
    let made = Command::new(program("CERTUTIL", &["certutil"]))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "certutil {arguments:?}: {said}");
}
