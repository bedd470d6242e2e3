//! Every example, run as a person would run it. `checksum` has tests of its own beside this file.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use rustix::process::Signal;
use tempfile::TempDir;

#[path = "examples/program.rs"]
mod program;

use program::{Ended, Running, built, example};

/// Runs an example that ends by itself, in an empty folder.
fn run(name: &str) -> Ended {
    let folder = TempDir::new().unwrap();
    let ended = Running::start(&mut example(name, folder.path())).end();
    assert!(ended.status.success(), "{name}: {}, {}", ended.status, ended.stderr);
    assert_eq!(ended.stderr, "", "{name}");
    ended
}

fn lines(ended: &Ended) -> Vec<String> {
    String::from_utf8_lossy(&ended.stdout).lines().map(str::to_owned).collect()
}

/// The same lines, whatever their order: tasks run side by side.
fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn every_example_has_a_test() {
    let tested = [
        "arguments",
        "checksum",
        "cron",
        "dispatcher",
        "isolate",
        "queues",
        "quickstart",
        "retry",
        "shutdown",
        "state",
        "survive_deploy",
        "testing",
        "transaction",
        "wasm_plugin",
        "webapp",
    ];
    let built: Vec<&str> = built().keys().map(String::as_str).collect();
    assert_eq!(built, tested, "an example that was added is to be tested here, too");
}

#[test]
fn quickstart_works_until_it_is_told_to_stop() {
    let folder = TempDir::new().unwrap();
    for signal in [Signal::INT, Signal::TERM] {
        let quickstart = Running::start(&mut example("quickstart", folder.path()));
        assert!(quickstart.stdout.shows("Dear ada@example.com, welcome! (task "));
        quickstart.signal(signal);
        let ended = quickstart.end();
        assert!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
        let lines = lines(&ended);
        assert!(lines.len() == 1 && lines[0].ends_with(", attempt 1)"), "{lines:?}");
    }
    let left: Vec<_> = folder.path().read_dir().unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["delay.db"], "a store that was closed in order is one file");
}

#[test]
fn retry_shows_what_becomes_of_each_kind_of_failure() {
    let lines = lines(&run("retry"));
    let (attempts, outcomes) = lines.split_at(lines.iter().position(String::is_empty).unwrap());
    let attempts_of = |to: &str| {
        let line = |line: &&String| line.contains(&format!("  {to}: attempt "));
        let number = |line: &String| line.rsplit(' ').next().unwrap().parse::<u32>().unwrap();
        attempts.iter().filter(line).map(number).collect::<Vec<_>>()
    };
    assert_eq!(attempts_of("busy"), [1, 2, 3]);
    assert_eq!(attempts_of("down"), [1, 2, 3, 4]);
    assert_eq!(attempts_of("greylisted"), [1, 2]);
    assert!(attempts_of("sunday").len() > 1 && attempts_of("sunday").iter().all(|attempt| *attempt == 1));
    assert_eq!(attempts_of("nobody"), [1]);
    assert_eq!(attempts_of("unsubscribed"), [1]);
    assert_eq!(
        outcomes[1..],
        [
            "busy: succeeded, attempts: 3, last error: the server is busy",
            "down: failed, attempts: 4, last error: the server is down",
            "greylisted: succeeded, attempts: 2, last error: come back in a second",
            "sunday: succeeded, attempts: 1",
            "nobody: failed, attempts: 1, last error: there is no such mailbox",
            "unsubscribed: cancelled, attempts: 1, last error: they have left the list",
        ]
    );
}

#[test]
fn arguments_of_every_form_arrive() {
    assert_eq!(
        sorted(lines(&run("arguments"))),
        [
            "closure: HELLO!",
            "evolved: 1 for Grace",
            "evolved: 2 for Ada",
            "references: text, [1, 2, 3], Place { city: \"Zurich\", zip: Some(8001) }",
            "rest: the sum is 30",
            "trait object: Dear Countess,",
            "values: Circle { radius: 1.5 }, None",
            "values: Square(2.0), Some(\"twice\")",
        ]
    );
}

#[test]
fn state_is_lent_and_its_absence_is_told() {
    let lines = lines(&run("state"));
    let (greetings, missing) = lines.split_at(2);
    for name in ["Ada", "Grace"] {
        let start = format!("mail@example.com to {name}: hello, says connection ");
        assert!(greetings.iter().any(|line| line.starts_with(&start)), "{greetings:?}");
    }
    assert!(missing[0].starts_with("state that functions need is missing"), "{missing:?}");
    assert!(missing[1].contains("Pool") && missing[2].contains("Mailer"), "{missing:?}");
}

#[test]
fn a_task_in_a_transaction_shares_its_fate() {
    assert_eq!(
        lines(&run("transaction")),
        [
            "at first: 0 users, 0 tasks",
            "rolled back (a user needs a name): 0 users, 0 tasks",
            "committed: 1 users, 1 tasks",
            "Dear Ada, welcome! You are user 1.",
        ]
    );
}

#[test]
fn cron_calls_by_the_clock_and_takes_up_what_waited() {
    let folder = TempDir::new().unwrap();
    for _ in 0..2 {
        let cron = Running::start(&mut example("cron", folder.path()));
        assert!(cron.stdout.shows("heartbeat of "), "it ended: {}", cron.stderr.text());
        cron.signal(Signal::TERM);
        let ended = cron.end();
        assert!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
        let lines = lines(&ended);
        assert!(lines[0].starts_with("acme: 0 6 * * MON (UTC), next at "), "{lines:?}");
        assert!(lines[1].starts_with("globex: @monthly (Asia/Tokyo), next at "), "{lines:?}");
        let beats = &lines[2..];
        assert!(beats.iter().all(|line| line.starts_with("heartbeat of ")), "{lines:?}");
        let mut once = beats.to_vec();
        once.dedup();
        assert_eq!(once, beats, "each tick once");
    }
}

#[test]
fn a_web_application_enqueues_and_runs_what_a_dispatcher_sends_to_it() {
    let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut command = example("webapp", folder.path());
    let webapp = Running::start(command.env("DELAY_LISTEN", "127.0.0.1:0").env_remove("DELAY_KEY"));
    assert!(webapp.stdout.shows("listening on http://"), "it ended: {}", webapp.stderr.text());
    let said = webapp.stdout.text();
    let word = |before: &str| said.split_once(before).unwrap().1.lines().next().unwrap().to_owned();
    let (key, address) = (word("DELAY_KEY="), word("listening on http://"));

    let signed_up = post(&address, "/signup/ada");
    assert!(signed_up.starts_with("HTTP/1.1 202 ") && signed_up.contains("task "), "{signed_up}");
    assert!(webapp.stdout.shows("Dear ada, welcome! (queue mail, attempt 1, by this program)\n"));
    assert!(
        post(&address, "/_ah/queue/go/delay").starts_with("HTTP/1.1 401 "),
        "nobody gets in without the key"
    );

    let mut command = example("dispatcher", other.path());
    command.env("DELAY_KEY", &key).env("DELAY_TARGET", format!("http://{address}"));
    let sent = Running::start(&mut command).end();
    assert!(sent.status.success(), "{}: {}", sent.status, sent.stderr);
    assert_eq!(lines(&sent), ["grace: succeeded, attempts: 1", "alan: succeeded, attempts: 1"]);
    for name in ["grace", "alan"] {
        let line = format!("Dear {name}, welcome! (queue mail, attempt 1, by the dispatcher)\n");
        assert!(webapp.stdout.shows(&line), "{}", webapp.stdout.text());
    }
    webapp.signal(Signal::TERM);
    let ended = webapp.end();
    assert!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
}

/// Posts nothing to a path, and gives the whole answer.
fn post(address: &str, path: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn queues_hold_back_and_are_pulled_from() {
    let lines = lines(&run("queues"));
    let (mails, rest) = lines.split_at(8);
    assert_eq!(sorted(mails.to_vec()), (1..=8).map(|n| format!("mail {n}")).collect::<Vec<_>>());
    let tenths = rest[0].strip_prefix("8 mails in ").and_then(|text| text.split(' ').next());
    let tenths: u64 = tenths.unwrap().parse().unwrap();
    assert!(tenths >= 5, "five of them waited for a token, a tenth of a second each: {rest:?}");
    assert_eq!(
        rest[1..],
        [
            "paused: mail 9 waits",
            "mail 9",
            "frame-1 of the film",
            "frame-2 of the film",
            "frame-3 of the film",
            "0 frames left"
        ]
    );
}

#[test]
fn isolate_names_each_way_to_misbehave_and_goes_on() {
    let lines = lines(&run("isolate"));
    let died = "failed, its process ended before the function did:";
    assert_eq!(lines[0], format!("spin: {died} it used up its CPU time of 300ms"));
    assert!(lines[1].starts_with(&format!("leak: {died} it ran out of its memory of 64 MiB")), "{lines:?}");
    assert!(lines[2].starts_with(&format!("abort: {died} it died of SIGABRT: it aborted")), "{lines:?}");
    assert!(lines[3].starts_with(&format!("overflow: {died} its stack overflowed")), "{lines:?}");
    let rest = sorted(lines[4..].to_vec());
    assert_eq!(rest[..2], ["sum: succeeded", "the sum is 6"]);
    assert!(rest[2].starts_with("this worker lives, and so does "), "{rest:?}");
}

#[test]
fn testing_lets_days_pass_in_no_time() {
    assert_eq!(
        lines(&run("testing")),
        [
            "Ada, do not forget!",
            "day 1: 1 ran, 1 wait",
            "Ada, do not forget!",
            "day 2: 1 ran, 1 wait",
            "Ada, do not forget!",
            "day 3: 1 ran, 0 wait",
            "day 4: 0 ran, 0 wait",
        ]
    );
}

#[test]
fn what_shutdown_gives_back_is_there_at_the_next_start() {
    let folder = TempDir::new().unwrap();
    let stop = |after: &str, signal| {
        let shutdown = Running::start(&mut example("shutdown", folder.path()));
        assert!(shutdown.stdout.shows(after), "it ended: {}", shutdown.stderr.text());
        assert!(shutdown.stdout.shows("pondering, attempt 1"));
        shutdown.signal(signal);
        let ended = shutdown.end();
        assert!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
        let lines = lines(&ended);
        let end = lines.iter().position(|line| line == "what waits for the next start:").unwrap();
        assert!(lines[..end].iter().any(|line| line == "stopping: the rest is for later"), "{lines:?}");
        let left = sorted(lines[end + 1..].to_vec());
        assert_eq!(left[1], "  ponder, attempts spent: 0", "it was dropped, and given back");
        let from = left[0].strip_prefix("  fetch from page ").unwrap();
        from.strip_suffix(", attempts spent: 0").unwrap().parse::<u32>().unwrap()
    };
    let next = stop("fetched page 3\n", Signal::INT);
    assert!(next > 3);
    let then = stop(&format!("fetched page {next}\n"), Signal::TERM);
    assert!(then > next);
}

#[test]
fn plugins_that_misbehave_are_ended_alone() {
    let folder = TempDir::new().unwrap();
    let cache = folder.path().join("cache");
    for _ in 0..2 {
        let mut plugins = example("wasm_plugin", folder.path());
        let ended = Running::start(plugins.env("DELAY_CACHE", &cache)).end();
        assert!(ended.status.success(), "{}, {}", ended.status, ended.stderr);
        let lines = lines(&ended);
        let expected = [
            "words: 9 words",
            "ran longer than its time limit of 300ms",
            "the program ended: unreachable",
            "the program ended: call stack exhausted",
            "the program ended: killed: its result takes more than the 65536 bytes that it may",
            "it imports `wasi_snapshot_preview1.path_open`",
        ];
        assert_eq!(lines.len(), expected.len(), "{lines:#?}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.contains(expected), "{line}");
        }
        assert_eq!(cache.read_dir().unwrap().count(), 6, "compiled once each, and found again");
    }
}

#[test]
fn a_computation_survives_five_deploys() {
    let folder = TempDir::new().unwrap();
    let mut survive = example("survive_deploy", folder.path());
    let ended = Running::start(survive.env("DELAY_CACHE", folder.path().join("cache"))).end();
    assert!(ended.status.success(), "{}, {}", ended.status, ended.stderr);
    let lines = lines(&ended);
    assert_eq!(lines.len(), 7, "{lines:#?}");
    for (line, deploy) in lines.iter().zip(1..=5) {
        let bytes = line.strip_prefix(&format!("deploy {deploy}: suspended, and stored in ")).unwrap();
        let bytes: usize = bytes.strip_suffix(" bytes").unwrap().parse().unwrap();
        assert!((100..100_000).contains(&bytes), "{line}");
    }
    let result = |line: &str| line.rsplit(' ').next().unwrap().to_owned();
    assert_eq!(result(&lines[5]), result(&lines[6]), "{lines:#?}");
}
