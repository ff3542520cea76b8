//! What shards and workers have in common: their terms, and when they end.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use quelea_engine::Control;
use quelea_job::{Protocol, Tls, Transport};

use crate::view::View;
use crate::{environment, interrupt};

/// How long a child may take to end once its parent is gone.
const FAREWELL: Duration = Duration::from_secs(2);

/// How a process belongs to a cluster.
#[derive(Args)]
pub struct Membership {
    /// Threads to compute with; all cores when not given
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// A file with the secret that the processes of a run share [transport.token_file]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// This process's certificate for TLS, PEM [transport.tls.certificate]
    #[arg(long, value_name = "FILE", requires_all = ["key", "authority"])]
    certificate: Option<PathBuf>,
    /// The certificate's private key, PEM [transport.tls.key]
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// The certificate of the authority that all processes have theirs from, PEM [transport.tls.authority]
    #[arg(long, value_name = "FILE", requires = "certificate")]
    authority: Option<PathBuf>,
    /// The transport of the job whose run has started this process, as JSON
    #[arg(long, value_name = "TRANSPORT", hide = true, conflicts_with_all = ["token_file", "certificate"])]
    child: Option<String>,
}

impl Membership {
    /// Threads to compute with.
    pub fn threads(&self) -> Option<usize> {
        self.threads.map(usize::from)
    }

    /// The terms, by `protocol` if no parent says otherwise, and a control that ends with the parent for a child, and with Ctrl-C for all others.
    pub fn begin(&self, protocol: Protocol, view: &View) -> Result<(Transport, Control)> {
        let control = view.control();
        match &self.child {
            Some(transport) => {
                let transport = serde_json::from_str(transport).context("--child is for processes that quelea starts itself")?;
                end_with_parent(control.clone());
                Ok((transport, control))
            }
            None => Ok((environment::with_token(self.transport(protocol))?, interrupt::stoppable(control)?)),
        }
    }

    fn transport(&self, protocol: Protocol) -> Transport {
        let tls = match (&self.certificate, &self.key, &self.authority) {
            (Some(certificate), Some(key), Some(authority)) => {
                Some(Tls { certificate: certificate.clone(), key: key.clone(), authority: authority.clone() })
            }
            _ => None,
        };
        Transport { token_file: self.token_file.clone(), protocol, tls, ..Transport::default() }
    }
}

/// The standard input of a child ends when its parent does, however that happens.
fn end_with_parent(control: Control) {
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        // Nothing is ever written to it; that it breaks is as good an end as any.
        let _ = std::io::stdin().read_to_end(&mut rest);
        control.cancel();
        std::thread::sleep(FAREWELL);
        std::process::exit(1);
    });
}
