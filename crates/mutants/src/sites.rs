//! Finds, for each mutant, the place in the syntax tree where it can stand beside the code as it is.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr};

use crate::list::{Genre, Mutant, Number};

/// A place with mutants.
#[derive(Clone, Debug)]
pub struct Site {
    /// What is written anew, in bytes of the file; empty where something is put in between.
    pub range: Range<usize>,
    pub shape: Shape,
    /// The mutants with the text that each puts here.
    pub variants: Vec<(Number, String)>,
}

/// How a choice is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// Before a function's first statement: return a value.
    Entry,
    /// Behind a pattern: a guard that fails.
    Arm,
    /// An expression instead of another.
    Value,
}

/// Why a mutant is not woven in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// No build has this code: a bug that is planted only on demand.
    Planted,
    /// The language does not have it.
    Unviable,
    /// It would compile, but not beside the code as it is.
    Apart,
}

/// What one file gives.
#[derive(Debug, Default)]
pub struct Found {
    pub sites: Vec<Site>,
    pub fates: BTreeMap<Number, Fate>,
}

/// The places for `mutants`, all of the file `text`.
pub fn find<'a>(text: &str, mutants: impl Iterator<Item = (Number, &'a Mutant)>) -> syn::Result<Found> {
    let file = syn::parse_file(text)?;
    let mut finder = Finder {
        text,
        wanted: HashMap::new(),
        replacements: HashMap::new(),
        found: Found::default(),
        constant: 0,
        planted: 0,
    };
    for (number, mutant) in mutants {
        let start = mutant.span.start.offset(text).unwrap_or(usize::MAX);
        if mutant.is_opaque() && mutant.genre == Genre::FnValue {
            finder.found.fates.insert(number, Fate::Apart);
            continue;
        }
        finder.wanted.entry((mutant.genre, start)).or_default().push(number);
        finder.replacements.insert(number, mutant.replacement.clone());
    }
    finder.visit_file(&file);
    let Finder { wanted, mut found, .. } = finder;
    found.fates.extend(wanted.into_values().flatten().map(|number| (number, Fate::Apart)));
    // What is put in between stands before what begins there, and what encloses before what it encloses.
    found.sites.sort_by_key(|site| {
        (site.range.start, !site.range.is_empty(), usize::MAX - site.range.end, site.shape)
    });
    Ok(found)
}

struct Finder<'t> {
    text: &'t str,
    /// Mutants that no place was found for yet, by the byte at which what they change begins.
    wanted: HashMap<(Genre, usize), Vec<Number>>,
    replacements: HashMap<Number, String>,
    found: Found,
    /// How many constants we are in, where no choice can be made while the program runs.
    constant: u32,
    /// How many planted bugs we are in.
    planted: u32,
}

impl Finder<'_> {
    /// The mutants of something that begins here, if they can be woven in.
    fn take(&mut self, genre: Genre, start: usize) -> Vec<Number> {
        let numbers = self.wanted.remove(&(genre, start)).unwrap_or_default();
        let fate = match (self.planted, self.constant) {
            (0, 0) => return numbers,
            (0, _) => Fate::Apart,
            _ => Fate::Planted,
        };
        self.found.fates.extend(numbers.into_iter().map(|number| (number, fate)));
        Vec::new()
    }

    fn add(&mut self, range: Range<usize>, shape: Shape, variants: Vec<(Number, String)>) {
        if !variants.is_empty() {
            self.found.sites.push(Site { range, shape, variants });
        }
    }

    /// The text of `range` with its part `inner` replaced as each mutant says.
    fn replaced(&self, range: &Range<usize>, inner: &Range<usize>, of: Vec<Number>) -> Vec<(Number, String)> {
        let (before, after) = (&self.text[range.start..inner.start], &self.text[inner.end..range.end]);
        of.into_iter()
            .map(|number| (number, format!("{before}{}{after}", self.replacements[&number])))
            .collect()
    }

    fn body(&mut self, block: &syn::Block) {
        let Some(first) = block.stmts.first() else { return };
        let start = first.span().byte_range().start;
        let numbers = self.take(Genre::FnValue, start);
        let variants =
            numbers.into_iter().map(|number| (number, self.replacements[&number].clone())).collect();
        self.add(start..start, Shape::Entry, variants);
    }

    fn constant(&mut self, inside: impl FnOnce(&mut Self)) {
        self.constant += 1;
        inside(self);
        self.constant -= 1;
    }

    fn planted(&mut self, planted: bool, inside: impl FnOnce(&mut Self)) {
        self.planted += u32::from(planted);
        inside(self);
        self.planted -= u32::from(planted);
    }

    /// The operators of a chain such as `a + b * c`. The whole chain is written for each of them, since another operator
    /// may bind differently, and a mutant is a change of the text.
    fn chain(&mut self, expr: &Expr, whole: &Range<usize>, variants: &mut Vec<(Number, String)>) {
        let Expr::Binary(node) = expr else {
            return self.visit_expr(expr);
        };
        let operator = node.op.span().byte_range();
        let numbers = self.take(Genre::BinaryOperator, operator.start);
        variants.extend(self.replaced(whole, &operator, numbers));
        self.chain(&node.left, whole, variants);
        let planted = matches!(node.op, BinOp::And(_)) && is_planted(&node.left);
        self.planted(planted, |finder| finder.chain(&node.right, whole, variants));
    }

    /// `let … = … && …`: not an expression, and nothing but `&&` may stand in it.
    fn lets(&mut self, expr: &Expr) {
        match expr {
            Expr::Binary(node) if matches!(node.op, BinOp::And(_)) => {
                let numbers = self.take(Genre::BinaryOperator, node.op.span().byte_range().start);
                self.found.fates.extend(numbers.into_iter().map(|number| (number, Fate::Unviable)));
                self.lets(&node.left);
                self.planted(is_planted(&node.left), |finder| finder.lets(&node.right));
            }
            other => self.visit_expr(other),
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        self.constant += u32::from(node.sig.constness.is_some());
        self.body(&node.block);
        visit::visit_item_fn(self, node);
        self.constant -= u32::from(node.sig.constness.is_some());
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        self.constant += u32::from(node.sig.constness.is_some());
        self.body(&node.block);
        visit::visit_impl_item_fn(self, node);
        self.constant -= u32::from(node.sig.constness.is_some());
    }

    fn visit_trait_item_fn(&mut self, node: &'ast syn::TraitItemFn) {
        node.default.iter().for_each(|block| self.body(block));
        visit::visit_trait_item_fn(self, node);
    }

    fn visit_item_const(&mut self, node: &'ast syn::ItemConst) {
        self.constant(|finder| visit::visit_item_const(finder, node));
    }

    fn visit_item_static(&mut self, node: &'ast syn::ItemStatic) {
        self.constant(|finder| visit::visit_item_static(finder, node));
    }

    fn visit_impl_item_const(&mut self, node: &'ast syn::ImplItemConst) {
        self.constant(|finder| visit::visit_impl_item_const(finder, node));
    }

    fn visit_trait_item_const(&mut self, node: &'ast syn::TraitItemConst) {
        self.constant(|finder| visit::visit_trait_item_const(finder, node));
    }

    fn visit_variant(&mut self, node: &'ast syn::Variant) {
        self.constant(|finder| visit::visit_variant(finder, node));
    }

    fn visit_type(&mut self, node: &'ast syn::Type) {
        self.constant(|finder| visit::visit_type(finder, node));
    }

    fn visit_pat(&mut self, node: &'ast syn::Pat) {
        self.constant(|finder| visit::visit_pat(finder, node));
    }

    fn visit_generic_argument(&mut self, node: &'ast syn::GenericArgument) {
        self.constant(|finder| visit::visit_generic_argument(finder, node));
    }

    fn visit_expr_const(&mut self, node: &'ast syn::ExprConst) {
        self.constant(|finder| visit::visit_expr_const(finder, node));
    }

    fn visit_expr_repeat(&mut self, node: &'ast syn::ExprRepeat) {
        self.visit_expr(&node.expr);
        self.constant(|finder| finder.visit_expr(&node.len));
    }

    fn visit_expr_if(&mut self, node: &'ast syn::ExprIf) {
        self.visit_expr(&node.cond);
        self.planted(is_planted(&node.cond), |finder| finder.visit_block(&node.then_branch));
        node.else_branch.iter().for_each(|(_, other)| self.visit_expr(other));
    }

    fn visit_expr_binary(&mut self, node: &'ast syn::ExprBinary) {
        let expr = Expr::Binary(node.clone());
        if has_let(&expr) {
            return self.lets(&expr);
        }
        let whole = node.span().byte_range();
        let mut variants = Vec::new();
        self.chain(&expr, &whole, &mut variants);
        self.add(whole, Shape::Value, variants);
    }

    fn visit_expr_unary(&mut self, node: &'ast syn::ExprUnary) {
        let (whole, operator) = (node.span().byte_range(), node.op.span().byte_range());
        let numbers = self.take(Genre::UnaryOperator, operator.start);
        let variants = self.replaced(&whole, &operator, numbers);
        self.add(whole, Shape::Value, variants);
        visit::visit_expr_unary(self, node);
    }

    fn visit_arm(&mut self, node: &'ast syn::Arm) {
        let numbers = self.take(Genre::MatchArm, node.span().byte_range().start);
        let end = node.pat.span().byte_range().end;
        let variants = numbers.into_iter().map(|number| (number, "false".to_string())).collect();
        self.add(end..end, Shape::Arm, variants);
        if let Some((_, guard)) = &node.guard {
            let whole = guard.span().byte_range();
            let numbers = self.take(Genre::MatchArmGuard, whole.start);
            let variants = self.replaced(&whole, &whole, numbers);
            self.add(whole, Shape::Value, variants);
        }
        visit::visit_arm(self, node);
    }

    fn visit_expr_struct(&mut self, node: &'ast syn::ExprStruct) {
        let whole = node.span().byte_range();
        let mut variants = Vec::new();
        for pair in node.fields.pairs() {
            let field = pair.value().span().byte_range();
            let end = pair.punct().map_or(field.end, |comma| comma.span().byte_range().end);
            let numbers = self.take(Genre::StructField, field.start);
            variants.extend(self.replaced(&whole, &(field.start..end), numbers));
        }
        self.add(whole, Shape::Value, variants);
        visit::visit_expr_struct(self, node);
    }
}

fn has_let(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(node) => {
            matches!(node.op, BinOp::And(_)) && (has_let(&node.left) || has_let(&node.right))
        }
        _ => false,
    }
}

/// Whether it is true only if a bug is planted: `planted!(Name)`, perhaps with `&&` and more.
fn is_planted(expr: &Expr) -> bool {
    match expr {
        Expr::Macro(node) => node.mac.path.is_ident("planted"),
        Expr::Binary(node) => {
            matches!(node.op, BinOp::And(_)) && (is_planted(&node.left) || is_planted(&node.right))
        }
        _ => false,
    }
}
