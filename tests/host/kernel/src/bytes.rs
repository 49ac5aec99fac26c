// SPDX-License-Identifier: GPL-2.0

//! Types that are nothing but bytes.

/// A type, each pattern of bytes of which is a value.
///
/// # Safety
///
/// It is.
pub unsafe trait FromBytes {
    /// A value of the type, where `bytes` are; none if they are not aligned or not whole ones.
    fn mut_from_bytes(bytes: &mut [u8]) -> Result<&mut Self, ()>;
}

/// A type without padding.
///
/// # Safety
///
/// It is.
pub unsafe trait IntoBytes {}

// SAFETY: A slice is one after the other.
unsafe impl<T: FromBytes + IntoBytes> FromBytes for [T] {
    fn mut_from_bytes(bytes: &mut [u8]) -> Result<&mut Self, ()> {
        // SAFETY: All patterns are values, whichever way they are written.
        match unsafe { bytes.align_to_mut::<T>() } {
            ([], values, []) => Ok(values),
            _ => Err(()),
        }
    }
}
