//! Words that must not stand in code that is shipped.

use super::Problem;
use super::settings::Settings;
use super::source::Source;
use super::tree::Tree;

/// A word, whether tests may say it, and what to do instead.
const FORBIDDEN: &[(&str, bool, &str)] = &[
    ("todo!", false, "finish it, or write down what is missing where a reader looks for it"),
    ("unimplemented!", false, "finish it, or return an error that says what is missing"),
    ("dbg!", false, "it belongs to one debugging session"),
    ("#[ignore", false, "a test runs or is removed"),
    (".unwrap()", true, "return an error, or `expect` with the invariant as its text"),
];

/// Written in a comment, it stands for work that is not done. (In two parts, or this file would break its rule.)
const UNDONE: &str = concat!("FIX", "ME");

/// With a reason behind it, on the line of a sleep or the one above, it allows a test to sleep.
const ALLOW_SLEEP: &str = "tidy: allow-sleep";

/// Nothing unfinished and nothing that panics on a user.
pub fn forbidden(tree: &Tree, _: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, source) in tree.rust() {
        for (index, (code, comment)) in source.code.lines().zip(source.comments.lines()).enumerate() {
            let line = index + 1;
            for (word, in_tests, advice) in FORBIDDEN {
                if says(code, word) && !(*in_tests && source.is_test(line)) {
                    problems.push(Problem::new(path, line, format!("`{word}`: {advice}")));
                }
            }
            if comment.contains(UNDONE) {
                problems.push(Problem::new(path, line, format!("`{UNDONE}`: do it, or open an issue")));
            }
        }
    }
    problems
}

/// Tests wait for what they wait for, with a deadline, and do not sleep.
pub fn sleeping_tests(tree: &Tree, _: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, source) in tree.rust() {
        for (index, code) in source.code.lines().enumerate() {
            let line = index + 1;
            if code.contains("thread::sleep") && source.is_test(line) && !sleep_is_explained(source, index) {
                let text = format!(
                    "a test must not sleep: wait for the event, or say why: `// {ALLOW_SLEEP} REASON`"
                );
                problems.push(Problem::new(path, line, text));
            }
        }
    }
    problems
}

fn sleep_is_explained(source: &Source, index: usize) -> bool {
    let explains =
        |line: &str| line.split_once(ALLOW_SLEEP).is_some_and(|(_, reason)| !reason.trim().is_empty());
    source.comments.lines().skip(index.saturating_sub(1)).take(if index == 0 { 1 } else { 2 }).any(explains)
}

/// Whether the code has the word, not as the end of a longer one.
fn says(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !word.starts_with(char::is_alphabetic)
            || before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(rule: fn(&Tree, &Settings) -> Vec<Problem>, path: &str, text: &str) -> Vec<usize> {
        rule(&Tree::of(&[(path, text)]), &Settings::default())
            .into_iter()
            .map(|problem| problem.line)
            .collect()
    }

    #[test]
    fn unfinished_code_is_noticed_also_in_tests() {
        let text = "fn f() {\n todo!()\n}\nfn g() { unimplemented!(\"x\") }\nfn h() { dbg!(1); }\n";
        assert_eq!(lines(forbidden, "crates/a/src/a.rs", text), [2, 4, 5]);
        assert_eq!(
            lines(forbidden, "crates/a/tests/a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}\n"),
            [2]
        );
    }

    #[test]
    fn undone_work_in_comments_is_noticed() {
        let text = format!("// {UNDONE}: later\nlet x = \"{UNDONE}\";\n");
        assert_eq!(lines(forbidden, "crates/a/src/a.rs", &text), [1]);
    }

    #[test]
    fn unwrap_is_for_tests() {
        let text = "fn f() { x.unwrap(); }\nfn g() { x.unwrap_or(1); }\n// x.unwrap()\n\
                    #[cfg(test)]\nmod tests { fn t() { x.unwrap(); } }\n";
        assert_eq!(lines(forbidden, "crates/a/src/a.rs", text), [1]);
        assert!(lines(forbidden, "crates/a/tests/a.rs", "fn f() { x.unwrap(); }\n").is_empty());
    }

    #[test]
    fn words_inside_others_and_in_literals_are_no_matter() {
        let text = "fn f() { my_todo!(); p(\"todo!\"); }\n";
        assert!(lines(forbidden, "crates/a/src/a.rs", text).is_empty());
    }

    #[test]
    fn tests_do_not_sleep_without_a_reason() {
        let text = "thread::sleep(D);\n// tidy: allow-sleep the peer measures silence\nthread::sleep(D);\n\
                    fn x() {}\nstd::thread::sleep(D); // tidy: allow-sleep\n";
        assert_eq!(lines(sleeping_tests, "crates/a/tests/a.rs", text), [1, 5]);
        assert!(lines(sleeping_tests, "crates/a/src/a.rs", "fn f() { thread::sleep(D); }\n").is_empty());
    }
}
