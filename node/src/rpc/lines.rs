//! Lines of at most 1 MiB from a stream of bytes; a longer one is reported once and skipped to its end.

use std::io::{BufRead, ErrorKind};

/// One line at most, in bytes: the largest call is a message of 64 KiB, which JSON may write six times as long.
pub(super) const LINE_CAP: usize = 1 << 20;

/// What was read.
#[derive(Debug)]
pub(super) enum Line {
    /// A line without its end.
    Text(Vec<u8>),
    /// A line beyond the cap; its bytes are gone.
    TooLong,
    /// The stream failed; it ends here.
    Broken(std::io::Error),
}

/// Iterator over the lines of a stream. A last line without an end counts.
pub(super) struct Lines<R> {
    input: R,
    ended: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, ended: false }
    }

    /// Appends up to the end of the line; `true` once the line is complete or the stream ended.
    fn take_some(&mut self, line: &mut Vec<u8>) -> std::io::Result<bool> {
        let chunk = match self.input.fill_buf() {
            Ok(chunk) => chunk,
            Err(fault) if fault.kind() == ErrorKind::Interrupted => return Ok(false),
            Err(fault) => return Err(fault),
        };
        self.ended = chunk.is_empty();
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(chunk.len());
        // One byte beyond the cap is kept as the mark of a line that is too long.
        line.extend_from_slice(&chunk[..taken.min((LINE_CAP + 1).saturating_sub(line.len()))]);
        self.input.consume(end.map_or(taken, |at| at + 1));
        Ok(end.is_some() || self.ended)
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        if self.ended {
            return None;
        }
        let mut line = Vec::new();
        loop {
            match self.take_some(&mut line) {
                Ok(false) => {}
                Ok(true) => break,
                Err(fault) => {
                    self.ended = true;
                    return Some(Line::Broken(fault));
                }
            }
        }
        match line.len() {
            0 if self.ended => None,
            length if length > LINE_CAP => Some(Line::TooLong),
            _ => Some(Line::Text(line)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn read(input: &[u8]) -> Vec<Option<usize>> {
        let lines = Lines::new(BufReader::with_capacity(7, input));
        lines.map(|line| if let Line::Text(text) = line { Some(text.len()) } else { None }).collect()
    }

    #[test]
    fn lines_are_cut_at_their_ends() {
        assert_eq!(read(b""), []);
        assert_eq!(read(b"one\n\nthree three"), [Some(3), Some(0), Some(11)]);
        assert_eq!(read(b"\n"), [Some(0)]);
    }

    #[test]
    fn a_line_beyond_the_cap_is_skipped_and_the_next_one_read() {
        let mut input = vec![b'x'; LINE_CAP];
        input.push(b'\n');
        input.extend(vec![b'y'; LINE_CAP + 1]);
        input.extend(b"\nz");
        assert_eq!(read(&input), [Some(LINE_CAP), None, Some(1)]);
    }
}
