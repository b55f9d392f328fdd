//! A list that goes on while there is input, so that any bytes are a long run and not, as with a `Vec`, a short one
//! every other time.

use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};

/// The longest list: a run takes a millisecond.
const LEN_MAX: usize = 200;

/// The last field of an input.
#[derive(Debug)]
pub struct Many<T>(pub Vec<T>);

impl<'a, T: Arbitrary<'a>> Arbitrary<'a> for Many<T> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut list = Vec::new();
        while !u.is_empty() && list.len() < LEN_MAX {
            list.push(u.arbitrary()?);
        }
        Ok(Many(list))
    }
}
