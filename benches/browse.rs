//! The events API over a real server: `cargo bench --bench browse`.
//!
//! Serves a store with one enterprise tenant over three years and asks for pages of 100 events:
//!
//! - *one client*: page after page, one request at a time: by actor with the log of the log and without, then by each other filter;
//!   each page the first time, then a hundred again;
//! - *mixed*: 200 requests a second, whatever the answers take, by actor, target, address, session, half a day and words, with the log
//!   of the log; with words and without, because words that are in nearly every block take the longest. A request's time counts from
//!   when it was due. Load generator and server share the machine.
//!
//! | variable | means |
//! |---|---|
//! | `AUDITLAKE_BENCH_EVENTS` | number of events; default 2,000,000 |
//! | `AUDITLAKE_BENCH_LAKE`, `AUDITLAKE_BENCH_TENANT` | a store that is there already, and whose events to look in; it is not changed |
//! | `AUDITLAKE_BENCH_RATE`, `AUDITLAKE_BENCH_SECONDS` | requests a second, and for how long; default 200 and 30 |

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::Client;
use tokio::{task::JoinSet, time};

#[path = "support/enterprise.rs"]
mod enterprise;
#[path = "support/link.rs"]
mod link;
#[path = "support/served.rs"]
mod served;

use enterprise::number;
use link::link;
use served::{FILTERS, Server, VALUES, ask, questions, serve};

const PAGES: usize = 100;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(measure());
}

async fn measure() {
    let folder = tempfile::tempdir().expect("a folder");
    let (lake, tenant) = enterprise::lake(folder.path());
    // A server writes; what it is given stays as it is.
    let copy = tempfile::tempdir_in(lake.parent().expect("a store is in a folder")).expect("a folder");
    link(&lake, copy.path());
    let paths = Arc::new(questions(copy.path(), &tenant).await);
    for recorded in [false, true] {
        let server = serve(copy.path(), recorded);
        let name = if recorded { "recorded in the log of the log" } else { "not recorded" };
        let client = Client::new();
        one_by_one(&client, &server, &of(&paths, "actor_id"), &format!("by actor_id, {name}")).await;
        if recorded {
            for filter in &FILTERS[1..] {
                one_by_one(&client, &server, &of(&paths, filter.0), &format!("by {}", filter.0)).await;
            }
            let without_q = paths.iter().filter(|path| !path.contains("&q=")).cloned().collect();
            mixed("mixed filters without q", &client, &server, Arc::new(without_q)).await;
            mixed("mixed filters", &client, &server, Arc::clone(&paths)).await;
        }
    }
}

fn of<'a>(paths: &'a [String], filter: &str) -> Vec<&'a String> {
    paths.iter().filter(|path| path.contains(&format!("&{filter}="))).collect()
}

/// Each page once, as far as time allows; then page after page.
async fn one_by_one(client: &Client, server: &Server, paths: &[&String], name: &str) {
    for (rounds, time) in [(VALUES, "the first time"), (PAGES, "again")] {
        let (mut times, mut failed) = (Vec::new(), 0);
        let began = Instant::now();
        for round in 0..rounds {
            let started = Instant::now();
            match ask(client, &server.base, paths[round % paths.len()]).await {
                Ok(()) => times.push(started.elapsed()),
                Err(problem) => {
                    failed += 1;
                    eprintln!("{}: {problem}", paths[round % paths.len()]);
                }
            }
            if began.elapsed() > Duration::from_secs(10) {
                break;
            }
        }
        show(&format!("one client, a page of 100 {name}, {time} ({failed} failed)"), times);
    }
}

async fn mixed(name: &str, client: &Client, server: &Server, paths: Arc<Vec<String>>) {
    let (rate, seconds) = (number("AUDITLAKE_BENCH_RATE", 200), number("AUDITLAKE_BENCH_SECONDS", 30));
    let mut asked = JoinSet::new();
    let mut ticks = time::interval(Duration::from_micros(1_000_000 / rate));
    let began = Instant::now();
    for number in 0..(rate * seconds) as usize {
        let due = ticks.tick().await;
        let (client, base, paths) = (client.clone(), server.base.clone(), Arc::clone(&paths));
        asked.spawn(async move {
            let answered = ask(&client, &base, &paths[number * 7 % paths.len()]).await;
            answered.map(|()| due.elapsed())
        });
    }
    let answers = asked.join_all().await;
    let took = began.elapsed();
    let refused: Vec<&String> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    let times: Vec<Duration> = answers.iter().filter_map(|answer| answer.as_ref().ok().copied()).collect();
    println!(
        "{name}: {rate} requests a second for {seconds} s: {} answered in {:.1} s, {} refused {:?}",
        times.len(),
        took.as_secs_f64(),
        refused.len(),
        refused.first()
    );
    show(name, times);
}

fn show(name: &str, mut times: Vec<Duration>) {
    if times.is_empty() {
        return println!("{name}: no answer");
    }
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    println!(
        "{name}: median {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
}
