//! The command line tool inside somebody's program: it knows that program's functions.

use std::process::Command;

use serde_json::{Value, json};

struct Program(tempfile::TempDir);

impl Program {
    fn new() -> Self {
        let program = Self(tempfile::tempdir().expect("a folder"));
        program.run(&["enqueue"]);
        program
    }

    fn run(&self, args: &[&str]) -> String {
        let url = format!("sqlite:{}", self.0.path().join("jobs.db").display());
        let mut command = Command::new(env!("CARGO_BIN_EXE_embedded_cli"));
        let output = command.args(args).env("DELAY_STORE", url).output().expect("the program starts");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("it is UTF-8")
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.run(args)).expect("it is JSON")
    }
}

#[test]
fn the_programs_own_functions_are_known_with_all_that_their_attributes_say() {
    let program = Program::new();
    let document = program.json(&["functions", "--json"]);
    let [function] = document["functions"].as_array().expect("there is a list").as_slice() else {
        panic!("{document}");
    };
    assert_eq!(function["function"], "delay-tests/src/bin/embedded_cli.rs:welcome-email");
    assert_eq!((&function["workers"], &function["waiting"]), (&json!([]), &json!(2)));
    let linked = &function["linked"];
    assert_eq!(linked["parameters"], json!(["to: String", "times: u32"]));
    assert_eq!(linked["queue"], "mail");
    assert_eq!(linked["retry"]["limit"], 5);
    assert_eq!(linked["timeout"], 120.0);
    assert_eq!(linked["keep_result"], Value::Null);
    assert_eq!(linked["place"]["package"], "delay-tests");
    assert_eq!(linked["place"]["file"], "src/bin/embedded_cli.rs");

    let text = program.run(&["functions"]);
    assert!(text.contains("(to: String, times: u32)") && text.contains("src/bin/embedded_cli.rs:"), "{text}");
}

#[test]
fn the_tool_can_be_one_command_of_several() {
    let program = Program::new();
    assert_eq!(program.run(&["admin", "tasks"]).lines().count(), 3);
    assert_eq!(program.json(&["admin", "queues", "--json"])["queues"][0]["ready"], 1);
}

#[test]
fn an_alias_is_the_function_that_has_it() {
    let program = Program::new();
    for function in
        ["welcome-email", "old/src/a.rs:hello", "hello", "delay-tests/src/bin/embedded_cli.rs:welcome-email"]
    {
        let document = program.json(&["tasks", "--json", "--function", function]);
        assert_eq!(document["tasks"].as_array().map(Vec::len), Some(2), "{function}");
    }
}
