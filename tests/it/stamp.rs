//! The README's time stamp of a manifest, against an authority that is made up here: all but the way over the network.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::readme::{commands, readme, words};
use crate::verify::{evidence, report};

/// A certificate for time stamps and what `openssl ts -reply` needs to know.
const AUTHORITY: &str = "
[req]
distinguished_name = name
x509_extensions = stamps
prompt = no
[name]
CN = Time stamps of a test
[stamps]
basicConstraints = critical, CA:TRUE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa]
default_tsa = own
[own]
serial = serial
signer_cert = tsa-ca.pem
signer_key = key.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_alg = sha256
";

fn openssl(dir: &Path, line: &str) -> bool {
    let words = words(line);
    let output = Command::new(&words[0])
        .args(&words[1..])
        .current_dir(dir)
        .output()
        .unwrap();
    let ok = output.status.success();
    if !ok {
        println!("{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    ok
}

#[test]
fn a_manifest_is_stamped_and_the_stamp_tells_a_change() {
    if Command::new("openssl").arg("version").output().is_err() {
        println!("left out: there is no openssl");
        return;
    }
    let evidence = evidence();
    let dir = evidence.path();
    report(dir, &[]);
    fs::rename(dir.join("report"), dir.join("case-0417")).unwrap();
    let lines = commands(&readme());
    let line = |begin: &str| lines.iter().find(|line| line.starts_with(begin)).unwrap();
    let (query, verify) = (line("openssl ts -query"), line("openssl ts -verify"));
    assert!(openssl(dir, query));
    // The authority's part.
    fs::write(dir.join("tsa.cnf"), AUTHORITY).unwrap();
    fs::write(dir.join("serial"), "01\n").unwrap();
    let made = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -config tsa.cnf -keyout key.pem -out tsa-ca.pem";
    assert!(openssl(dir, made));
    let sent = line("curl ");
    assert!(sent.contains("@case-0417.tsq ") && sent.contains("-o case-0417.tsr "));
    assert!(openssl(
        dir,
        "openssl ts -reply -config tsa.cnf -queryfile case-0417.tsq -out case-0417.tsr"
    ));
    assert!(openssl(dir, verify));
    let manifest = dir.join("case-0417/manifest.json");
    let mut bytes = fs::read(&manifest).unwrap();
    bytes[40] ^= 1;
    fs::write(&manifest, bytes).unwrap();
    assert!(!openssl(dir, verify));
}
