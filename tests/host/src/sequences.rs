// SPDX-License-Identifier: GPL-2.0

//! The queue and its ring, step by step beside simple ones that are plainly right.

mod fifo;
mod queue;

/// Whether a run of steps is made up at random, or one of all that there are.
pub(crate) enum Choices {
    /// The state of a generator.
    Random(u64),
    /// What was chosen, and out of how many.
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

    /// A number below `count`.
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

    /// Goes on to the next run, if there is one.
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
