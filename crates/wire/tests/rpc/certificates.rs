//! Certificates that are made for a test.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use quelea_wire::Tls;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

/// An authority, and a folder for what it makes.
pub struct Certificates {
    authority: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

/// A new authority.
pub fn certificates() -> Certificates {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("quelea-certificates-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a new folder");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    std::fs::write(folder.join("authority.pem"), authority.pem()).expect("a new file");
    Certificates { authority, folder }
}

impl Certificates {
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes NAME.pem and NAME.key for a host and for 127.0.0.1.
    pub fn make(&self, name: &str, hosts: &[&str], last_year: i32) {
        let mut params = CertificateParams::new(hosts.iter().map(|host| (*host).into()).collect::<Vec<_>>()).expect("names");
        params.not_after = date_time_ymd(last_year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.authority).expect("a certificate");
        std::fs::write(self.file(&format!("{name}.pem")), certificate.pem()).expect("a new file");
        std::fs::write(self.file(&format!("{name}.key")), key.serialize_pem()).expect("a new file");
    }

    pub fn read(&self, name: &str) -> Result<Tls, quelea_tls::Error> {
        Tls::read(&self.file(&format!("{name}.pem")), &self.file(&format!("{name}.key")), &self.file("authority.pem"))
    }

    /// What a process of this authority has.
    pub fn tls(&self, host: &str) -> Tls {
        self.make(host, &[host, "127.0.0.1"], 4096);
        self.read(host).expect("good certificates")
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
