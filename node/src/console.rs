//! `y7 console`.
use std::io::{BufRead, Write};

use crate::shell::{Handle, NoticeReader};

/// Talks to a person until `quit` or the end of input.
pub fn run<I: BufRead, O: Write + Send + 'static>(_node: &Handle, _notices: NoticeReader, _input: I, _output: O) {
    todo!()
}
