//! One stream of bytes, cut in different ways.

/// Cuts `bytes` into pieces. Each byte of `lengths` is the length of one piece, over and over; without lengths, and
/// where they are all 0, it is one piece.
pub fn cut<'a>(mut bytes: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let lengths = lengths.iter().copied().filter(|len| *len > 0).map(usize::from);
    for len in lengths.collect::<Vec<_>>().into_iter().cycle() {
        let Some((piece, rest)) = bytes.split_at_checked(len) else { break };
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

/// Takes a list of up to 15 lengths off the front of an input: the first byte says how many follow.
pub fn lengths(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (count, rest) = data.split_first()?;
    rest.split_at_checked(usize::from(*count & 15))
}
