//! Tests of the whole file: grammar, the order of evaluation, and a naive evaluator to compare with.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::error::{Fault, REPORTED_LINES_MAX};

fn parse(text: &str) -> AclFile {
    AclFile::parse(text.as_bytes(), Path::new("acl")).unwrap()
}

fn fault(text: &str) -> Fault {
    let error = AclFile::parse(text.as_bytes(), Path::new("acl")).unwrap_err();
    assert_eq!(error.lines().len(), 1, "{error}");
    error.lines()[0].fault.clone()
}

/// The rights as `r`, `w`, `rw` or `-`.
fn rights(file: &AclFile, user: Option<&str>, client_id: &str, topic: &str) -> &'static str {
    let rules = file.rules_for(user, client_id);
    match (rules.may_read(topic), rules.may_write(topic)) {
        (true, true) => "rw",
        (true, false) => "r",
        (false, true) => "w",
        (false, false) => "-",
    }
}

#[test]
fn an_empty_file_denies_everything() {
    for text in ["", "\n\n", "# only a comment\n", "  # indented\r\n", "user ann\n"] {
        let file = parse(text);
        for user in [None, Some("ann")] {
            assert_eq!(rights(&file, user, "c", "a"), "-", "{text:?}");
        }
        assert_eq!(file.rules_for(None, "c").explain(Access::Read, "a").decision, Decision::NoRule);
    }
}

#[test]
fn access_words_give_their_rights() {
    let file =
        parse("topic read a\ntopic write b\ntopic readwrite c\ntopic d\ntopic deny e\ntopic e\ntopic read\n");
    for (topic, expected) in
        [("a", "r"), ("b", "w"), ("c", "rw"), ("d", "rw"), ("e", "-"), ("read", "rw"), ("f", "-")]
    {
        assert_eq!(rights(&file, None, "c", topic), expected, "{topic}");
    }
}

#[test]
fn rights_of_several_lines_add_up() {
    let file = parse("topic read a\ntopic write a\ntopic read b/#\ntopic write +/x\n");
    assert_eq!(rights(&file, None, "c", "a"), "rw");
    assert_eq!(rights(&file, None, "c", "b/x"), "rw");
    assert_eq!(rights(&file, None, "c", "b/y"), "r");
}

#[test]
fn lines_before_the_first_user_are_for_the_anonymous_only() {
    let file = parse("topic read open\nuser ann\ntopic a\nuser bob\ntopic b\nuser ann\ntopic a2\n");
    assert_eq!(rights(&file, None, "c", "open"), "r");
    assert_eq!(rights(&file, Some("ann"), "c", "open"), "-");
    assert_eq!(rights(&file, Some("zoe"), "c", "open"), "-");
    for topic in ["a", "a2"] {
        assert_eq!(rights(&file, Some("ann"), "c", topic), "rw");
        assert_eq!(rights(&file, Some("bob"), "c", topic), "-");
        assert_eq!(rights(&file, None, "c", topic), "-");
    }
}

#[test]
fn a_deny_wins_wherever_it_stands() {
    let file = parse(
        "user ann\ntopic readwrite #\ntopic deny secret/#\ntopic deny one\npattern deny p/#\npattern read q\n",
    );
    for (topic, expected) in
        [("a", "rw"), ("secret", "-"), ("secret/x", "-"), ("one", "-"), ("one/x", "rw"), ("p/x", "rw")]
    {
        assert_eq!(rights(&file, Some("ann"), "c", topic), expected, "{topic}");
    }
    // A user's grant comes before a deny pattern; who has no grant meets the pattern.
    assert_eq!(rights(&file, Some("bob"), "c", "p/x"), "-");
    assert_eq!(rights(&file, Some("bob"), "c", "q"), "r");
}

#[test]
fn dollar_topics_need_a_rule_that_begins_with_a_dollar() {
    let file = parse("topic read #\nuser ann\ntopic read $SYS/#\npattern %c/#\n");
    assert_eq!(rights(&file, None, "c", "$SYS/broker"), "-");
    assert_eq!(rights(&file, None, "$SYS", "$SYS/broker"), "-");
    assert_eq!(rights(&file, Some("ann"), "c", "$SYS/broker"), "r");
    assert_eq!(rights(&file, Some("ann"), "c", "a"), "-");
}

#[test]
fn patterns_put_the_client_in_its_place() {
    let file = parse("pattern readwrite dev/%c/#\npattern read home/%u/+\npattern write both/%u/%c\n");
    assert_eq!(rights(&file, Some("ann"), "c1", "dev/c1/x"), "rw");
    assert_eq!(rights(&file, Some("ann"), "c1", "dev/c2/x"), "-");
    assert_eq!(rights(&file, Some("ann"), "c1", "home/ann/x"), "r");
    assert_eq!(rights(&file, Some("ann"), "c1", "both/ann/c1"), "w");
    assert_eq!(rights(&file, None, "c1", "dev/c1"), "rw");
    for topic in ["home//x", "home/%u/x", "home/c1/x", "both//c1"] {
        assert_eq!(rights(&file, None, "c1", topic), "-", "{topic}");
    }
}

/// E03: whatever a client calls itself, it gains nothing.
#[test]
fn names_never_become_wildcards_or_levels() {
    let file = parse("user ok\ntopic own\npattern readwrite dev/%c/#\npattern readwrite home/%u/x\n");
    for name in ["#", "+", "a/b", "/", "a+", "#a"] {
        for topic in ["dev/a/b", "dev/a/b/x", "dev/x", "dev/+/x", "dev/#", "home/a/x", "home/a/b/x"] {
            assert_eq!(rights(&file, None, name, topic), "-", "client id {name}, topic {topic}");
            assert_eq!(rights(&file, Some(name), "c", topic), "-", "user {name}, topic {topic}");
        }
    }
    // These are literal.
    assert_eq!(rights(&file, Some("..",), "%u", "dev/%u/x"), "rw");
    assert_eq!(rights(&file, Some("%c"), "$share", "home/%c/x"), "rw");
    assert_eq!(rights(&file, Some("%c"), "$share", "home/$share/x"), "-");
    // The client's own section is not a pattern.
    assert_eq!(rights(&file, Some("ok"), "a+b", "own"), "rw");
    let why = file.rules_for(Some("ok"), "a+b").explain(Access::Read, "dev/a+b/x");
    assert_eq!((why.granted, why.decision), (false, Decision::DangerousClientId));
    let why = file.rules_for(Some("a/b"), "c").explain(Access::Write, "dev/c");
    assert_eq!((why.granted, why.decision), (false, Decision::DangerousUser));
}

#[test]
fn a_slash_is_harmless_where_the_name_is_not_used() {
    let file = parse("pattern read dev/%c\npattern read news\n");
    assert_eq!(rights(&file, Some("a/b"), "c", "dev/c"), "r");
    assert_eq!(rights(&file, None, "a/b", "news"), "-");
    assert_eq!(rights(&parse("topic read news\n"), None, "a/#", "news"), "r");
}

#[test]
fn explanations_name_the_line() {
    let file = parse("# first\ntopic read a\ntopic deny b/#\n\npattern write %c/+\npattern deny %c/no\n");
    let rules = file.rules_for(None, "c");
    let explain = |access, topic| rules.explain(access, topic).to_string();
    assert_eq!(explain(Access::Read, "a"), "granted by the topic rule at line 2");
    assert_eq!(explain(Access::Write, "a"), "denied: no rule matches");
    assert_eq!(explain(Access::Read, "b"), "denied by the topic rule at line 3");
    assert_eq!(explain(Access::Write, "c/x"), "granted by the pattern at line 5");
    assert_eq!(explain(Access::Write, "c/no"), "denied by the pattern at line 6");
}

#[test]
fn blanks_and_line_ends_are_mosquittos() {
    let file = parse("\u{feff}   topic  read   a b  \r\nuser   ann b \r\ntopic deny  x y\r\ntopic   z");
    assert_eq!(rights(&file, None, "c", "a b"), "r");
    assert_eq!(rights(&file, Some("ann b"), "c", "x y"), "-");
    assert_eq!(rights(&file, Some("ann b"), "c", "z"), "rw");
    assert!(file.warnings().is_empty());
}

#[test]
fn bad_lines_are_refused_with_mosquittos_words() {
    assert_eq!(fault("topic\n"), Fault::AclTopicMissing);
    assert_eq!(fault("pattern  \n"), Fault::AclTopicMissing);
    assert_eq!(fault("user\n"), Fault::AclUserMissing);
    assert_eq!(fault("user  \t\n"), Fault::AclUserMissing);
    assert_eq!(fault("topic readd a\n"), Fault::AclAccess("readd".into()));
    assert_eq!(fault("topic a b\n"), Fault::AclAccess("a".into()));
    assert_eq!(fault("topic read a#\n"), Fault::AclFilter("a#".into()));
    assert_eq!(fault("topics read a\n"), Fault::AclWord("topics".into()));
    assert_eq!(fault("\ttopic read a\n"), Fault::AclWord("\\ttopic".into()));
    let not_text = AclFile::parse(b"topic read \xff\n", Path::new("acl")).unwrap_err();
    assert_eq!(not_text.lines()[0].fault, Fault::NotText(FileKind::Acl));
    assert_eq!(fault("topic read a\0b\n"), Fault::NotText(FileKind::Acl));
}

#[test]
fn all_bad_lines_are_reported_up_to_a_bound() {
    let error = AclFile::parse(b"topic ok\nfoo\nuser\n", Path::new("acl")).unwrap_err();
    assert_eq!(error.lines().iter().map(|line| line.line).collect::<Vec<_>>(), [2, 3]);
    let error = AclFile::parse("foo\n".repeat(5000).as_bytes(), Path::new("acl")).unwrap_err();
    assert_eq!(error.lines().len(), REPORTED_LINES_MAX);
}

#[test]
fn lines_that_mean_less_than_meant_are_warned_about() {
    let file =
        parse("pattern read a/b\npattern read a-%c/b\ntopic deny\tsecret\npattern read %u/x\ntopic %c\n");
    let (path, text) = (PathBuf::from("acl"), str::to_owned);
    assert_eq!(
        file.warnings(),
        [
            Warning::PatternWithoutName { filter: text("a/b"), path: path.clone(), line: 1 },
            Warning::PatternPartOfLevel { filter: text("a-%c/b"), path: path.clone(), line: 2 },
            Warning::TabInFilter { filter: text("deny\\tsecret"), path, line: 3 },
        ]
    );
    assert_eq!(
        file.warnings()[0].to_string(),
        "Warning: ACL pattern 'a/b' does not contain '%c' or '%u' (acl_file \"acl\", line 1)."
    );
}

#[test]
fn rules_outlive_the_file_and_are_small() {
    let rules = parse("topic a\npattern %c/#\n").rules_for(None, "c");
    assert!(rules.clone().may_read("c/x") && rules.may_write("a"));
    assert!(size_of::<ClientRules>() <= 56, "{}", size_of::<ClientRules>());
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&rules);
}

#[test]
fn a_file_is_loaded_from_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("acl");
    std::fs::write(&path, "topic read a\n").unwrap();
    assert!(AclFile::load(&path, Symlinks::Refuse).unwrap().rules_for(None, "c").may_read("a"));
    std::fs::write(&path, "topic read a\ntopic rea").unwrap();
    assert!(AclFile::load(&path, Symlinks::Refuse).is_ok(), "a lone word is a filter");
    let error = AclFile::load(&dir.path().join("gone"), Symlinks::Refuse).unwrap_err();
    assert!(error.to_string().starts_with("Error: Unable to open acl_file \""), "{error}");
}

/// A rule as the reference evaluator sees it: `None` is a pattern, `Some(None)` the anonymous section.
#[derive(Debug, Clone)]
struct Line {
    section: Option<Option<&'static str>>,
    word: &'static str,
    filter: String,
}

/// The text of a file with the rules in their order.
fn text_of(lines: &[Line]) -> String {
    let mut text = String::new();
    // A section cannot return to the anonymous clients, so theirs come first.
    for line in lines.iter().filter(|line| line.section == Some(None)) {
        text += &format!("topic {} {}\n", line.word, line.filter);
    }
    for line in lines.iter().filter(|line| line.section != Some(None)) {
        text += &match line.section {
            Some(user) => format!("user {}\ntopic {} {}\n", user.unwrap_or_default(), line.word, line.filter),
            None => format!("pattern {} {}\n", line.word, line.filter),
        };
    }
    text
}

/// MQTT's matching, level by level, with the names put in by comparison of whole levels.
fn naive_match(filter: &str, topic: &str, names: Option<(&str, Option<&str>)>) -> bool {
    if topic.starts_with('$') && !filter.starts_with('$') {
        return false;
    }
    let (filter, topic): (Vec<&str>, Vec<&str>) = (filter.split('/').collect(), topic.split('/').collect());
    for (index, level) in filter.iter().enumerate() {
        let here = topic.get(index);
        let fits = match (*level, names) {
            ("#", _) => return true,
            ("+", _) => here.is_some(),
            ("%c", Some((id, _))) => here == Some(&id) && !id.is_empty(),
            ("%u", Some((_, user))) => user.is_some_and(|user| here == Some(&user) && !user.is_empty()),
            _ => here == Some(level),
        };
        if !fits {
            return false;
        }
    }
    filter.len() == topic.len()
}

fn naive(lines: &[Line], user: Option<&str>, id: &str, write: bool, topic: &str) -> bool {
    let right = |word: &str| match word {
        "read" => !write,
        "write" => write,
        other => other == "readwrite",
    };
    let own: Vec<&Line> = lines
        .iter()
        .filter(|line| line.section == Some(user) && naive_match(&line.filter, topic, None))
        .collect();
    if own.iter().any(|line| line.word == "deny") {
        return false;
    }
    if own.iter().any(|line| right(line.word)) {
        return true;
    }
    let patterns: Vec<&Line> = lines.iter().filter(|line| line.section.is_none()).collect();
    let uses = |what: &str| patterns.iter().any(|line| line.filter.split('/').any(|level| level == what));
    let bad = |name: &str, used: bool| name.contains(['+', '#']) || used && name.contains('/');
    if bad(user.unwrap_or_default(), uses("%u")) || bad(id, uses("%c")) {
        return false;
    }
    let hit: Vec<&&Line> =
        patterns.iter().filter(|line| naive_match(&line.filter, topic, Some((id, user)))).collect();
    !hit.iter().any(|line| line.word == "deny") && hit.iter().any(|line| right(line.word))
}

const USERS: [Option<&str>; 3] = [None, Some("ann"), Some("a")];

fn a_filter() -> impl Strategy<Value = String> {
    let level = prop::sample::select(vec!["a", "b", "", "+", "%c", "%u", "$SYS", "ann", "c1"]);
    (prop::collection::vec(level, 1..4), any::<bool>()).prop_map(|(levels, deep)| {
        let plain = levels.join("/");
        if deep {
            if plain.is_empty() { "#".to_owned() } else { format!("{plain}/#") }
        } else if plain.is_empty() {
            "a".to_owned()
        } else {
            plain
        }
    })
}

fn a_line() -> impl Strategy<Value = Line> {
    let section = prop::sample::select(vec![None, Some(USERS[0]), Some(USERS[1]), Some(USERS[2])]);
    let word = prop::sample::select(vec!["read", "write", "readwrite", "deny"]);
    (section, word, a_filter()).prop_map(|(section, word, filter)| Line { section, word, filter })
}

fn a_topic() -> impl Strategy<Value = String> {
    let level = prop::sample::select(vec!["a", "b", "", "%c", "$SYS", "ann", "c1"]);
    prop::collection::vec(level, 1..5).prop_map(|levels| levels.join("/"))
}

fn a_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "ann", "c1", "$SYS", "%c", "%u", "", "+", "#", "a/b", "a+", "/"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn evaluation_equals_the_reference(
        lines in prop::collection::vec(a_line(), 0..12),
        topics in prop::collection::vec(a_topic(), 1..12),
        user in prop::option::of(a_name()),
        id in a_name(),
    ) {
        let file = parse(&text_of(&lines));
        let rules = file.rules_for(user, id);
        for topic in &topics {
            prop_assert_eq!(rules.may_read(topic), naive(&lines, user, id, false, topic), "read {}", topic);
            prop_assert_eq!(rules.may_write(topic), naive(&lines, user, id, true, topic), "write {}", topic);
            for (access, granted) in [(Access::Read, rules.may_read(topic)), (Access::Write, rules.may_write(topic))] {
                prop_assert_eq!(rules.explain(access, topic).granted, granted);
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = AclFile::parse(&bytes, Path::new("acl"));
    }

    #[test]
    fn no_lines_panic(text in "((topic|pattern|user|#|) ?(read|deny|)[ \t]?[a+#/%cu$ ]{0,8}\r?\n){0,6}") {
        if let Ok(file) = AclFile::parse(text.as_bytes(), Path::new("acl")) {
            let _ = file.rules_for(Some("u"), "c").may_read("a/c");
        }
    }
}
