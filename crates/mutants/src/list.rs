//! The mutants that cargo-mutants lists.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// A mutant's number: its place in the list, from 1. Zero is the code as it is.
pub type Number = u32;

/// One change, as `cargo mutants --list --json` describes it.
#[derive(Clone, Debug, Deserialize)]
pub struct Mutant {
    /// What people read: the file with line and column, and the change.
    pub name: String,
    /// The file, from the root of the workspace.
    pub file: String,
    /// What kind of change.
    pub genre: Genre,
    /// What is replaced.
    pub span: Span,
    /// By what.
    pub replacement: String,
    /// In which function.
    pub function: Option<Function>,
}

/// The kinds of changes.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Hash)]
pub enum Genre {
    /// A function's whole body becomes a value.
    FnValue,
    /// One operator becomes another.
    BinaryOperator,
    /// An operator is left out.
    UnaryOperator,
    /// An arm is left out.
    MatchArm,
    /// A guard is always, or never, true.
    MatchArmGuard,
    /// A field is left out, and the base expression gives it.
    StructField,
}

/// From where to where.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Span {
    /// The first character.
    pub start: Position,
}

/// Line and column, both from 1; a column is a character.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A function that has mutants.
#[derive(Clone, Debug, Deserialize)]
pub struct Function {
    /// As it is written, with the arrow.
    pub return_type: String,
}

impl Mutant {
    /// Whether the caller of its function sees no type but a trait: then all values that it returns must be of one type.
    pub fn is_opaque(&self) -> bool {
        self.function.as_ref().is_some_and(|function| function.return_type.contains("impl "))
    }
}

impl Position {
    /// The same place as an offset in bytes.
    pub fn offset(self, text: &str) -> Option<usize> {
        let line: usize = text.split_inclusive('\n').take(self.line.checked_sub(1)?).map(str::len).sum();
        let rest = text.get(line..)?;
        let (within, _) = rest.char_indices().nth(self.column.checked_sub(1)?)?;
        Some(line + within)
    }
}

/// Reads a list.
pub fn read(file: &Path) -> Result<Vec<Mutant>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no list of mutants", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found() {
        let offset = |line, column| Position { line, column }.offset("ab\nü+b\n");
        assert_eq!(offset(1, 2), Some(1));
        assert_eq!(offset(2, 2), Some(5), "a column is a character");
        assert_eq!(offset(9, 1), None);
        assert_eq!(offset(0, 1), None);
    }

    #[test]
    fn a_list_is_read() {
        let text = r#"{"file": "a.rs", "function": {"function_name": "f", "return_type": "-> impl Iterator",
            "span": {"start": {"line": 1, "column": 1}, "end": {"line": 1, "column": 9}}}, "genre": "FnValue",
            "name": "a.rs:1:5: replace f", "package": "p", "replacement": "()", "diff": "",
            "span": {"start": {"line": 1, "column": 5}, "end": {"line": 1, "column": 9}}}"#;
        let mutant: Mutant = serde_json::from_str(text).expect("a mutant");
        assert_eq!((mutant.genre, mutant.span.start.column), (Genre::FnValue, 5));
        assert!(mutant.is_opaque());
    }
}
