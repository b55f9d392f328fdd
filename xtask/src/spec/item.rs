//! Which item of a Rust file a citation stands at. The page names items rather than lines, which would change with
//! every edit above them.

use crate::tidy::{Function, Source};

/// The item that a line belongs to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// Its name; none where a line speaks of the whole file.
    pub name: Option<String>,
    /// Whether the test runner calls it.
    pub is_test: bool,
}

/// The items of one file.
pub struct Items<'a> {
    source: &'a Source,
    functions: Vec<Function>,
}

impl<'a> Items<'a> {
    /// Scans the file once for all its citations.
    pub fn of(source: &'a Source) -> Self {
        Self { source, functions: source.functions() }
    }

    /// The function around `line` (from one), or else the item, field or variant that follows it.
    pub fn at(&self, line: usize) -> Item {
        if let Some(function) = self.functions.iter().rfind(|function| holds(function, line)) {
            return of_function(self.source, function);
        }
        let code: Vec<&str> = self.source.code.lines().collect();
        let found = code.iter().enumerate().skip(line - 1).find(|(_, text)| is_declaration(text));
        let Some((index, text)) = found else {
            return Item::default();
        };
        match self.functions.iter().find(|function| function.line == index + 1) {
            Some(function) => of_function(self.source, function),
            None => Item { name: declared(&code, index, text.trim()), is_test: false },
        }
    }
}

fn holds(function: &Function, line: usize) -> bool {
    (function.line..function.line + function.lines).contains(&line)
}

fn of_function(source: &Source, function: &Function) -> Item {
    let above = source.code.lines().take(function.line - 1).collect::<Vec<_>>();
    let is_test = above
        .iter()
        .rev()
        .take_while(|text| !is_declaration(text))
        .any(|text| text.trim_start().starts_with("#[test]"));
    let is_test = is_test || is_listed(source, &function.name);
    Item { name: Some(function.name.clone()), is_test }
}

/// Whether a macro makes tests of the function, one for each number of shards.
fn is_listed(source: &Source, name: &str) -> bool {
    let lists = source.code.split("on_shards!(").skip(1).filter_map(|rest| rest.split(')').next());
    lists.flat_map(|list| list.split(',')).any(|listed| listed.trim() == name)
}

/// Neither empty (comments are blank here) nor an attribute.
fn is_declaration(code: &str) -> bool {
    let code = code.trim();
    !code.is_empty() && !code.starts_with("#[") && !code.starts_with("#![")
}

/// What the line of code at `index` declares.
fn declared(code: &[&str], index: usize, text: &str) -> Option<String> {
    let mut words = text.split(|letter: char| letter.is_whitespace() || letter == '<' || letter == ';');
    let keyword = words.find(|word| !(word.starts_with("pub") || *word == "unsafe"))?;
    match keyword {
        "struct" | "enum" | "trait" | "mod" | "const" | "static" | "type" => {
            let name = words.find(|word| !matches!(*word, "" | "fn"))?;
            Some(first_word(name))
        }
        "fn" => words.next().map(first_word),
        "impl" => Some(text.trim_end_matches('{').trim().to_string()),
        "use" | "extern" => None,
        _ => {
            let field = first_word(keyword);
            let owner = owner(code, index)?;
            (!field.is_empty()).then(|| format!("{owner}::{field}"))
        }
    }
}

/// The struct or enum whose field or variant stands at `index`.
fn owner(code: &[&str], index: usize) -> Option<String> {
    let indent = |text: &str| text.len() - text.trim_start().len();
    let mine = indent(code[index]);
    let head = code[..index].iter().rev().find(|text| !text.trim().is_empty() && indent(text) < mine)?;
    let (_, name) = head.split_once("struct ").or_else(|| head.split_once("enum "))?;
    Some(first_word(name))
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
//! Head.

use a::b;

/// Doc of a variant's owner.
pub enum Kind {
    /// Doc.
    #[non_exhaustive]
    Bad,
}

impl Kind {
    /// Doc of f.
    pub const fn f(&self) {
        // Inside.
        g(); // Behind.
    }
}

/// Doc of LIMIT.
pub const LIMIT: usize = 1;

#[cfg(test)]
mod tests {
    // Above a test.
    #[test]
    fn t() {
        // In a test.
    }

    // Above a helper.
    fn helper() {}
}
";

    #[test]
    fn a_function_that_a_macro_makes_tests_of_is_one() {
        let source = Source::new("// Doc.\nfn a(n: usize) {}\nfn b() {}\non_shards!(\n    a,\n);\n", true);
        let items = Items::of(&source);
        assert!(items.at(1).is_test && !items.at(3).is_test);
    }

    fn name_and_test(comment: &str) -> (String, bool) {
        let source = Source::new(TEXT, false);
        let line = TEXT.lines().position(|text| text.contains(comment)).expect("in the text") + 1;
        let item = Items::of(&source).at(line);
        (item.name.unwrap_or_default(), item.is_test)
    }

    #[test]
    fn citations_belong_to_what_follows_or_surrounds_them() {
        for (comment, name) in [
            ("Head.", ""),
            ("Doc of a variant's owner.", "Kind"),
            ("Doc.", "Kind::Bad"),
            ("Doc of f.", "f"),
            ("Inside.", "f"),
            ("Behind.", "f"),
            ("Doc of LIMIT.", "LIMIT"),
            ("Above a helper.", "helper"),
        ] {
            assert_eq!(name_and_test(comment), (name.to_string(), false), "{comment}");
        }
    }

    #[test]
    fn only_what_the_runner_calls_is_a_test() {
        assert_eq!(name_and_test("Above a test."), ("t".to_string(), true));
        assert_eq!(name_and_test("In a test."), ("t".to_string(), true));
    }
}
