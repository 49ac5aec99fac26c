// SPDX-License-Identifier: GPL-2.0

//! The ring buffer, compared with a `VecDeque`.

use std::collections::VecDeque;

use kernel::{
    alloc,
    prelude::*, //
};

use crate::queue::fifo::Fifo;

use super::Choices;

/// Makes `steps` steps on a ring buffer and on a `VecDeque`.
fn run(choices: &mut Choices, steps: usize) {
    let capacity = choices.choose(4);
    let mut ring = if capacity == 0 {
        Fifo::new()
    } else {
        Fifo::with_capacity(capacity).expect("there is memory")
    };
    let mut simple = VecDeque::new();
    for value in 0..steps {
        match choices.choose(6) {
            0 if simple.len() < capacity => {
                assert_eq!(ring.push(value), Ok(()));
                simple.push_back(value);
            }
            0 => assert_eq!(ring.push(value), Err(value)),
            1 if simple.len() < capacity => {
                let is_later = |other: &usize| *other % 3 == value % 3;
                let to = simple.iter().position(is_later).unwrap_or(simple.len());
                assert_eq!(ring.push_before(value, is_later), Ok(()));
                simple.insert(to, value);
            }
            1 => assert_eq!(ring.push_before(value, |_| true), Err(value)),
            2 => assert_eq!(ring.pop(), simple.pop_front()),
            3 => {
                let second = simple.get(1).copied();
                assert_eq!(ring.remove(|value| Some(*value) == second), second);
                simple.retain(|value| Some(*value) != second);
            }
            4 => {
                let last = simple.pop_back();
                assert_eq!(ring.remove(|value| Some(*value) == last), last);
            }
            _ => {
                let first = simple.front().copied();
                let found = ring.find_mut(|value| Some(*value) == first);
                assert_eq!(found.copied(), first);
            }
        }
        assert!(ring.iter().eq(simple.iter()));
        assert_eq!(ring.is_empty(), simple.is_empty());
    }
}

#[test]
fn every_short_sequence_is_that_of_a_vecdeque() {
    let mut choices = Choices::all();
    loop {
        run(&mut choices, 6);
        if !choices.next() {
            break;
        }
    }
}

#[test]
fn long_random_sequences_are_those_of_a_vecdeque() {
    for seed in 0..2000 {
        run(&mut Choices::random(seed), 100);
    }
}

#[test]
fn of_equal_elements_the_oldest_is_removed() {
    let mut ring = Fifo::with_capacity(3).expect("there is memory");
    for value in [(1, 'a'), (2, 'b'), (2, 'c')] {
        assert_eq!(ring.push(value), Ok(()));
    }
    assert_eq!(ring.remove(|value| value.0 == 2), Some((2, 'b')));
    assert_eq!(ring.remove(|value| value.0 == 3), None);
    assert!(ring.iter().eq([&(1, 'a'), &(2, 'c')]));
}

#[test]
fn a_ring_without_memory_is_refused() {
    alloc::limit(Some(0));
    assert_eq!(Fifo::<u8>::with_capacity(1).err(), Some(ENOMEM));
    alloc::limit(None);
}
