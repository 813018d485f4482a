//! A namespace out into an encrypted file and back, by the command line: beside the age library alone, which
//! encrypts and decrypts the same bytes.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::PathBuf;
use std::time::Instant;

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use age::{Decryptor, Encryptor};

use super::load;
use super::servers::Server;
use super::stores::retried;

/// Records of 1 KiB.
pub(crate) const RECORDS: usize = 10_000;

/// A namespace, its export, and who opens that.
pub(crate) struct Copies {
    server: Server,
    identity: Identity,
    /// What the export holds, as lines of JSON.
    clear: Vec<u8>,
}

impl Copies {
    pub(crate) fn new() -> Self {
        let identity = Identity::generate();
        let mut copies = Self { server: Server::lavawall(), identity, clear: Vec::new() };
        let key = copies.identity.to_string();
        std::fs::write(copies.file("key"), key.expose_secret()).expect("written");
        // It is there once the service has randomness for its keys.
        retried(|| copies.file("state/admin.token").exists().then_some(()));
        retried(|| copies.try_kv(&["namespaces", "create", "from"]).then_some(()));
        copies.kv(&["namespaces", "create", "to"]);
        let pairs = copies.file("pairs");
        let mut out = BufWriter::new(File::create(&pairs).expect("a file"));
        for number in 0..RECORDS {
            let value = "x".repeat(1024);
            writeln!(out, "{{\"key\":\"customers/{number:08}\",\"value\":\"{value}\"}}")
                .expect("written");
        }
        drop(out);
        copies.kv(&["bulk", "from", "put", pairs.to_str().expect("text")]);
        copies.export();
        let file = std::fs::read(copies.file("export")).expect("an export");
        copies.clear = age::decrypt(&copies.identity, &file).expect("it opens");
        copies
    }

    /// The size of what is encrypted, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.clear.len()
    }

    /// Seconds of the command and of the library: to write the file, and to take it in.
    pub(crate) fn seconds(&self) -> [[f64; 2]; 2] {
        [
            [timed(|| self.export()), timed(|| self.encrypt())],
            [timed(|| self.import()), timed(|| self.decrypt())],
        ]
    }

    fn export(&self) {
        let to = self.identity.to_public().to_string();
        let file = self.file("export");
        self.kv(&["export", "from", "--force", "--to", &to, "-o", file.to_str().expect("text")]);
    }

    fn import(&self) {
        let (file, key) = (self.file("export"), self.file("key"));
        let [file, key] = [&file, &key].map(|path| path.to_str().expect("text"));
        self.kv(&["import", "to", file, "-i", key]);
    }

    /// What an export does with its lines once it has them.
    fn encrypt(&self) {
        let to = self.identity.to_public();
        let encryptor = Encryptor::with_recipients(std::iter::once(&to as _)).expect("a recipient");
        let file = BufWriter::new(File::create(self.file("alone")).expect("a file"));
        let mut out = encryptor.wrap_output(file).expect("a header");
        out.write_all(&self.clear).expect("written");
        let file = out.finish().expect("an end").into_inner().expect("written");
        file.sync_all().expect("on the disk");
    }

    fn decrypt(&self) {
        let file = BufReader::new(File::open(self.file("alone")).expect("it was written"));
        let opened = Decryptor::new_buffered(file).expect("a header");
        let identity = std::iter::once(&self.identity as &dyn age::Identity);
        let mut clear = Vec::with_capacity(self.clear.len());
        opened.decrypt(identity).expect("it opens").read_to_end(&mut clear).expect("it is whole");
        assert_eq!(clear.len(), self.clear.len());
    }

    fn kv(&self, arguments: &[&str]) {
        assert!(self.try_kv(arguments), "{arguments:?}");
    }

    fn try_kv(&self, arguments: &[&str]) -> bool {
        let socket = self.file("state/admin.sock");
        let socket = ["--socket", socket.to_str().expect("text")];
        load::succeeds(&[&[env!("CARGO_BIN_EXE_lavawall"), "kv"], arguments, &socket].concat())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.server.folder().join(name)
    }
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}
