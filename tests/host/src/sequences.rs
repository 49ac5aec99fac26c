// SPDX-License-Identifier: GPL-2.0

//! Comparisons of the queue and its ring buffer, step by step, with simple models of them, and how
//! the queue shares hardware.

mod fifo;
mod queue;
mod turns;

/// The source of the steps of a run: random numbers, or all possible choices one after the other.
pub(crate) enum Choices {
    /// State of the random number generator.
    Random(u64),
    /// The choices of this run: the number chosen, and how many there were to choose from.
    All {
        path: Vec<(usize, usize)>,
        at: usize,
    },
}

impl Choices {
    pub(crate) fn random(seed: u64) -> Self {
        Self::Random(seed * 2 + 1)
    }

    pub(crate) fn all() -> Self {
        Self::All {
            path: Vec::new(),
            at: 0,
        }
    }

    /// Returns a number below `count`.
    pub(crate) fn choose(&mut self, count: usize) -> usize {
        match self {
            Self::Random(state) => {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                // CAST: Less than `count`.
                ((*state >> 16) % count as u64) as usize
            }
            Self::All { path, at } => {
                if *at == path.len() {
                    path.push((0, count));
                }
                let (chosen, of) = path[*at];
                assert_eq!(of, count, "the steps differ from run to run");
                *at += 1;
                chosen
            }
        }
    }

    /// Advances to the next run. Returns false after the last one.
    pub(crate) fn next(&mut self) -> bool {
        let Self::All { path, at } = self else {
            return false;
        };
        *at = 0;
        while let Some((chosen, count)) = path.pop() {
            if chosen + 1 < count {
                path.push((chosen + 1, count));
                return true;
            }
        }
        false
    }
}
