// SPDX-License-Identifier: GPL-2.0

//! Types that can be converted from and to bytes.

/// A type of which each pattern of bytes is a value.
///
/// # Safety
///
/// Each pattern of bytes is a value.
pub unsafe trait FromBytes {
    /// Returns the value in `bytes`; an error if they are not aligned or of another length.
    fn mut_from_bytes(bytes: &mut [u8]) -> Result<&mut Self, ()>;
}

/// A type without padding.
///
/// # Safety
///
/// The type has no padding.
pub unsafe trait IntoBytes {}

// SAFETY: A slice consists of its elements, one after the other.
unsafe impl<T: FromBytes + IntoBytes> FromBytes for [T] {
    fn mut_from_bytes(bytes: &mut [u8]) -> Result<&mut Self, ()> {
        // SAFETY: Every pattern of bytes is a value of `T`, and `T` has no padding.
        match unsafe { bytes.align_to_mut::<T>() } {
            ([], values, []) => Ok(values),
            _ => Err(()),
        }
    }
}
