//! Writes a file anew, so that it holds every mutant beside the code as it is, and chooses when it runs.

use std::ops::Range;

use crate::list::Number;
use crate::sites::{Shape, Site};

/// The module that chooses, in the crate under test.
pub const MODULE: &str = "pondhawk_mutant";

/// A place with mutants, in the text that was written.
#[derive(Clone, Debug)]
pub struct Region {
    /// Bytes of the written file.
    pub range: Range<usize>,
    /// The mutant that this text is for; or, around it, all that stand at this place.
    pub mutants: Vec<Number>,
}

/// A file with its mutants in.
#[derive(Debug, Default)]
pub struct Woven {
    pub text: String,
    pub regions: Vec<Region>,
}

/// Writes `text` with `sites`, which are in order and are numbered from `first` on.
pub fn weave(text: &str, sites: &[Site], first: u32) -> Woven {
    let mut loom = Loom { text, first, all: sites, woven: Woven::default() };
    loom.range(0..text.len(), 0..sites.len());
    loom.woven
}

struct Loom<'t> {
    text: &'t str,
    first: u32,
    all: &'t [Site],
    woven: Woven,
}

impl Loom<'_> {
    /// Writes a part of the file, in which the sites of these indexes are.
    fn range(&mut self, bytes: Range<usize>, sites: Range<usize>) {
        let (mut at, mut index) = (bytes.start, sites.start);
        while index < sites.end {
            let site = &self.all[index];
            let inside =
                self.all[index + 1..sites.end].partition_point(|inner| inner.range.start < site.range.end);
            self.woven.text.push_str(&self.text[at..site.range.start]);
            self.site(index, index + 1..index + 1 + inside);
            at = site.range.end;
            index += 1 + inside;
        }
        self.woven.text.push_str(&self.text[at..bytes.end]);
    }

    fn site(&mut self, index: usize, inside: Range<usize>) {
        let site = &self.all[index];
        let place = self.first + u32::try_from(index).expect("few sites in a file");
        let start = self.woven.text.len();
        let choice = format!("match crate::{MODULE}::at({place}) {{ ");
        match site.shape {
            Shape::Entry => {
                self.woven.text.push_str(&choice);
                self.variants(site, "return ");
                self.woven.text.push_str("_ => {} } ");
            }
            Shape::Arm => {
                self.woven.text.push_str(" if ");
                self.woven.text.push_str(&choice);
                self.variants(site, "");
                self.woven.text.push_str("_ => true }");
            }
            Shape::Value => {
                self.woven.text.push('(');
                self.woven.text.push_str(&choice);
                self.variants(site, "");
                self.woven.text.push_str("_ => (");
                self.range(site.range.clone(), inside);
                self.woven.text.push_str(") })");
            }
        }
        let mutants = site.variants.iter().map(|(number, _)| *number).collect();
        self.woven.regions.push(Region { range: start..self.woven.text.len(), mutants });
    }

    fn variants(&mut self, site: &Site, before: &str) {
        site.variants.iter().for_each(|(number, text)| self.variant(*number, before, text));
    }

    fn variant(&mut self, number: Number, before: &str, text: &str) {
        self.woven.text.push_str(&format!("{number} => {before}("));
        let start = self.woven.text.len();
        self.woven.text.push_str(text);
        self.woven.regions.push(Region { range: start..self.woven.text.len(), mutants: vec![number] });
        self.woven.text.push_str("), ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::{Genre, Mutant, Position, Span};
    use crate::sites::{Fate, find};

    /// The mutants of `text` that replace `what` by each of the replacements, and what is written for them.
    fn woven(text: &str, changes: &[(Genre, &str, &str)]) -> (String, Vec<(Number, Fate)>) {
        let mutants: Vec<Mutant> = changes.iter().map(|change| mutant(text, *change)).collect();
        let found = find(text, (1..).zip(&mutants)).expect("it parses");
        (weave(text, &found.sites, 0).text, found.fates.into_iter().collect())
    }

    fn mutant(text: &str, (genre, what, replacement): (Genre, &str, &str)) -> Mutant {
        let start = text.find(what).expect("it is there");
        let line = text[..start].matches('\n').count() + 1;
        let column = start - text[..start].rfind('\n').map_or(0, |at| at + 1) + 1;
        let span = Span { start: Position { line, column } };
        let (name, file, replacement) = (String::new(), String::new(), replacement.to_string());
        Mutant { name, file, genre, span, replacement, function: None }
    }

    #[test]
    fn a_chain_is_written_for_each_operator() {
        use Genre::BinaryOperator;
        let (text, fates) = woven(
            "fn f() { a + b * c }",
            &[(BinaryOperator, "+", "-"), (BinaryOperator, "*", "+"), (BinaryOperator, "+", "*")],
        );
        let choice = "(match crate::pondhawk_mutant::at(0) { 1 => (a - b * c), 3 => (a * b * c), \
                      2 => (a + b + c), _ => (a + b * c) })";
        assert_eq!(text, format!("fn f() {{ {choice} }}"));
        assert_eq!(fates, []);
    }

    #[test]
    fn what_is_inside_is_woven_in_the_code_as_it_is() {
        let (text, _) = woven(
            "fn f() { g(!x) == y }",
            &[
                (Genre::UnaryOperator, "!", ""),
                (Genre::BinaryOperator, "==", "!="),
                (Genre::FnValue, "g", "1"),
            ],
        );
        let inner = "(match crate::pondhawk_mutant::at(2) { 1 => (x), _ => (!x) })";
        let outer = "(match crate::pondhawk_mutant::at(1) { 2 => (g(!x) != y), _ => (g";
        let entry = "match crate::pondhawk_mutant::at(0) { 3 => return (1), _ => {} } ";
        assert_eq!(text, format!("fn f() {{ {entry}{outer}({inner}) == y) }}) }}"));
    }

    #[test]
    fn arms_guards_and_fields_are_chosen() {
        let (text, _) = woven(
            "fn f() { match x { A => S { b: 1, ..d }, B if g => 2, _ => 3 } }",
            &[
                (Genre::MatchArm, "A", ""),
                (Genre::StructField, "b", ""),
                (Genre::MatchArmGuard, "g =", "true"),
            ],
        );
        let choice = |place| format!("match crate::pondhawk_mutant::at({place}) {{ ");
        let arm = format!("A if {}1 => (false), _ => true }}", choice(0));
        let field = format!("({}2 => (S {{  ..d }}), _ => (S {{ b: 1, ..d }}) }})", choice(1));
        let guard = format!("({}3 => (true), _ => (g) }})", choice(2));
        assert_eq!(text, format!("fn f() {{ match x {{ {arm} => {field}, B if {guard} => 2, _ => 3 }} }}"));
    }

    #[test]
    fn what_cannot_be_chosen_at_run_time_is_left_out() {
        use Genre::BinaryOperator;
        let source = "const A: u8 = 1 + 1;\nfn f() { if planted!(Bug) && a < b { c > d } }\n\
                      fn g() { if let x = y && z == z {} }";
        let (text, fates) = woven(
            source,
            &[
                (BinaryOperator, "+", "-"),
                (BinaryOperator, "<", "<="),
                (BinaryOperator, ">", ">="),
                (BinaryOperator, "&& z", "||"),
                (BinaryOperator, "== z", "!="),
            ],
        );
        assert_eq!(fates, [(1, Fate::Apart), (2, Fate::Planted), (3, Fate::Planted), (4, Fate::Unviable)]);
        let choice = "(match crate::pondhawk_mutant::at(0) { 5 => (z != z), _ => (z == z) })";
        assert_eq!(text, source.replace("z == z", choice));
    }

    #[test]
    fn regions_tell_which_mutant_a_text_is_for() {
        let text = "fn f() { a + b }";
        let mutants = ["-", "*"].map(|replacement| mutant(text, (Genre::BinaryOperator, "+", replacement)));
        let found = find(text, (1..).zip(&mutants)).expect("it parses");
        let woven = weave(text, &found.sites, 0);
        let texts: Vec<(&str, &[Number])> = woven
            .regions
            .iter()
            .map(|region| (&woven.text[region.range.clone()], region.mutants.as_slice()))
            .collect();
        assert_eq!(texts[..2], [("a - b", &[1][..]), ("a * b", &[2][..])]);
        assert_eq!(texts[2].1, [1, 2]);
    }
}
