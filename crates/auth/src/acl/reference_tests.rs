//! Tests of the whole file: grammar, the order of evaluation, and a naive evaluator to compare with.
