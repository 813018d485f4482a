//! The service over loopback against named peers: one core for the server, one for the client,
//! medians of interleaved rounds. `cargo bench --bench http -- records` runs one part alone.
//!
//! ```text
//! requests   /random?bytes=32, 64 connections, wrk     peer: hyper answering 32 fixed bytes
//! tenants    /random?bytes=32 with token, limits and meter, of one tenant and of 10,000
//!                                                       peers: without; nginx with limit_req, and without
//! body       10 GiB in one answer, curl                peer: nginx sending a file from memory
//! records    PUT and GET of 1 KiB, 64 connections, wrk     peers: Redis (appendfsync always), etcd
//! transit    32 bytes sealed and 32 random bytes, 64 connections, wrk
//!                                                       peer: OpenBao, in memory
//! aws        GenerateDataKey, 64 connections, wrk      peer: moto, in memory
//! copies     `lavawall kv export` and `import`         peer: the age library alone, the same bytes
//! start      from nothing to the first byte; resident memory
//! ```
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::cast_precision_loss, reason = "figures of a few digits")]

#[path = "../tests/service/aws_signature.rs"]
mod aws_signature;
#[path = "http/copies.rs"]
mod copies;
#[path = "http/keys.rs"]
mod keys;
#[path = "http/load.rs"]
mod load;
#[path = "http/pypi.rs"]
mod pypi;
#[path = "http/servers.rs"]
mod servers;
#[path = "http/stores.rs"]
mod stores;
#[path = "http/tenants.rs"]
mod tenants;

use std::time::Instant;

use copies::Copies;
use keys::{AwsKms, Transit};
use servers::Server;
use stores::Peer;
use tenants::Tenants;

/// Rounds of each peer.
const ROUNDS: usize = 5;

/// The size of the long answer, in GiB.
const BODY_GIB: u64 = 10;

/// Tenants of the larger service.
const TENANTS: u32 = 10_000;

fn main() {
    if std::env::args().nth(1).as_deref() == Some(servers::FIXED) {
        servers::answer_fixed_bytes();
        return;
    }
    let parts = [
        ("start", start as fn()),
        ("requests", requests),
        ("tenants", tenants),
        ("records", records),
        ("transit", transit),
        ("aws", aws),
        ("copies", copies),
        ("body", body),
    ];
    let wanted: Vec<_> = std::env::args().skip(1).filter(|part| part != "--bench").collect();
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            part();
        }
    }
}

fn start() {
    let mut times = Vec::new();
    let mut memory_kib = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let service = Server::lavawall();
        load::first_byte(&service.url("/random"));
        times.push(begun.elapsed().as_secs_f64());
        memory_kib.push(service.resident_kib() as f64);
    }
    println!("start to first byte  {:.3} s  (aim 1 s)", median(times));
    println!("resident memory      {:.1} MiB  (aim 30 MiB)\n", median(memory_kib) / 1024.0);
}

/// The service, once it answers: without a seed it refuses.
fn seeded() -> Server {
    let service = Server::lavawall();
    load::first_byte(&service.url("/random"));
    service
}

fn requests() {
    let (ours, theirs) = (seeded(), Server::fixed());
    let (mut our_rate, mut their_rate) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        our_rate.push(load::requests_a_second(&ours.url("/random?bytes=32")));
        their_rate.push(load::requests_a_second(&theirs.url("/")));
    }
    let (ours, theirs) = (median(our_rate), median(their_rate));
    println!("/random?bytes=32     {ours:.0} requests a second");
    println!("bare hyper           {theirs:.0} requests a second");
    println!("ratio                {:.2}  (aim 0.85)\n", ours / theirs);
}

fn tenants() {
    let without = seeded();
    let (one, many) = (Tenants::new(1), Tenants::new(TENANTS));
    let nginx = Server::nginx_with_limits();
    let of_nginx = |path| load::requests_a_second_with(&nginx.url(path), "a-token");
    let mut rates = [(); 5].map(|()| Vec::new());
    for _ in 0..ROUNDS {
        rates[0].push(load::requests_a_second(&without.url("/random?bytes=32")));
        rates[1].push(one.requests_a_second());
        rates[2].push(many.requests_a_second());
        rates[3].push(of_nginx("/plain"));
        rates[4].push(of_nginx("/limited"));
    }
    let [off, first, last, plain, limited] = rates.map(median);
    println!("without tenants      {off:.0} requests a second");
    println!(
        "one tenant           {first:.0} requests a second, ratio {:.2}  (aim 0.93)",
        first / off
    );
    println!(
        "10,000 tenants       {last:.0} requests a second, ratio {:.2}  (aim 0.93)",
        last / off
    );
    println!("nginx, 32 bytes      {plain:.0} requests a second");
    println!("the same, limit_req  {limited:.0} requests a second, ratio {:.2}", limited / plain);
    let kib = many.resident_kib().saturating_sub(one.resident_kib());
    println!("memory of a tenant   {:.2} KiB\n", kib as f64 / f64::from(TENANTS));
}

fn records() {
    let peers = [("lavawall", Peer::lavawall()), ("Redis", Peer::redis()), ("etcd", Peer::etcd())];
    let mut rates = peers.each_ref().map(|_| [Vec::new(), Vec::new()]);
    for _ in 0..ROUNDS {
        for ((_, peer), rates) in peers.iter().zip(&mut rates) {
            for (rates, rate) in rates.iter_mut().zip(peer.rates()) {
                rates.push(rate);
            }
        }
    }
    let rates = rates.map(|both| both.map(median));
    for (number, what) in ["PUT", "GET"].into_iter().enumerate() {
        let ours = rates[0][number];
        for ((name, _), theirs) in peers.iter().zip(&rates) {
            let (theirs, ratio) = (theirs[number], ours / theirs[number]);
            println!("{what} of 1 KiB, {name:9} {theirs:.0} requests a second, ratio {ratio:.2}");
        }
    }
    println!();
}

fn transit() {
    let (ours, theirs) = (Transit::lavawall(), Transit::openbao());
    let mut rates = [(); 2].map(|()| [Vec::new(), Vec::new()]);
    for _ in 0..ROUNDS {
        let round = ours.rates().into_iter().zip(theirs.rates());
        for ([our_rates, their_rates], (our_rate, their_rate)) in rates.iter_mut().zip(round) {
            our_rates.push(our_rate);
            their_rates.push(their_rate);
        }
    }
    for (what, rates) in ["transit/encrypt", "transit/random"].into_iter().zip(rates) {
        compare(what, "OpenBao", rates, 3);
    }
}

fn aws() {
    let (ours, theirs) = (AwsKms::lavawall(), AwsKms::moto());
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        rates[0].push(ours.rate());
        rates[1].push(theirs.rate());
    }
    compare("GenerateDataKey", "moto", rates, 10);
}

/// Prints the requests a second of the service and of a peer, in rounds: medians, spreads and their ratio.
fn compare(what: &str, peer: &str, rates: [Vec<f64>; 2], aim: u32) {
    for (whose, rates) in [what, peer].into_iter().zip(&rates) {
        let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
        let most = rates.iter().copied().fold(0.0, f64::max);
        let rate = median(rates.clone());
        println!("{whose:20} {rate:.0} requests a second, {least:.0} to {most:.0}");
    }
    let [ours, theirs] = rates.map(median);
    println!("ratio                {:.1}  (aim {aim})\n", ours / theirs);
}

fn copies() {
    let copies = Copies::new();
    let mut seconds = [[(); 2]; 2].map(|both| both.map(|()| Vec::new()));
    for _ in 0..ROUNDS {
        let round = copies.seconds().into_iter().flatten();
        for (seconds, took) in seconds.iter_mut().flatten().zip(round) {
            seconds.push(took);
        }
    }
    let megabytes = copies.bytes() as f64 / 1e6;
    for (what, seconds) in ["export", "import"].into_iter().zip(seconds) {
        let [ours, theirs] = seconds.map(median);
        let records = copies::RECORDS as f64 / ours;
        println!("{what:20} {records:.0} records of 1 KiB a second, {:.1} MB/s", megabytes / ours);
        println!("age alone            {:.0} MB/s", megabytes / theirs);
        println!("ratio                {:.3}\n", theirs / ours);
    }
}

fn body() {
    let ours = seeded();
    let theirs = Server::nginx();
    let url = ours.url(&format!("/random?bytes={}", BODY_GIB << 30));
    let files = BODY_GIB / servers::FILE_GIB;
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        rates[0].push(load::gigabytes_a_second(&url, 1, BODY_GIB));
        rates[1].push(load::gigabytes_a_second(&theirs.url("/body"), files, BODY_GIB));
    }
    let [ours, theirs] = rates.map(median);
    println!("10 GiB body          {ours:.2} GB/s");
    println!("nginx, from memory   {theirs:.2} GB/s");
    println!("ratio                {:.2}  (aim 0.6)", ours / theirs);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
