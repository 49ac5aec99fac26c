// SPDX-License-Identifier: GPL-2.0

//! Locks, condition variables and references.

use std::{
    marker::PhantomData,
    ops::{
        Deref,
        DerefMut, //
    }, //
};

use crate::{
    alloc::{
        self,
        AllocError,
        Flags, //
    },
    error::{
        Error,
        Result, //
    },
    task, //
};

pub use self::srcu::Srcu;
pub use crate::{
    new_condvar,
    new_mutex,
    new_spinlock_irq, //
};

/// A reference with a counter.
pub struct Arc<T>(std::sync::Arc<T>);

impl<T> Arc<T> {
    /// Returns a reference to `value`.
    pub fn new(value: T, flags: Flags) -> Result<Self, AllocError> {
        alloc::allocate(flags)?;
        Ok(Self(std::sync::Arc::new(value)))
    }

    /// Returns a reference to the value of `init`.
    pub fn pin_init<E>(init: Result<T, E>, flags: Flags) -> Result<Self>
    where
        Error: From<E>,
    {
        Ok(Self::new(init?, flags)?)
    }

    /// Returns a reference that does not count.
    pub fn downgrade(&self) -> std::sync::Weak<T> {
        std::sync::Arc::downgrade(&self.0)
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A lock.
pub struct Lock<T, B> {
    inner: loom::sync::Mutex<T>,
    kind: PhantomData<B>,
}

/// A lock whose waiters sleep.
pub type Mutex<T> = Lock<T, lock::mutex::MutexBackend>;

/// A lock that interrupt handlers take.
pub type SpinLockIrq<T> = Lock<T, lock::spinlock::SpinLockIrqBackend>;

impl<T, B> Lock<T, B> {
    /// Returns a lock that is not held.
    pub fn new(value: T) -> Self {
        Self {
            inner: loom::sync::Mutex::new(value),
            kind: PhantomData,
        }
    }

    /// Takes the lock.
    pub fn lock(&self) -> lock::Guard<'_, T, B> {
        lock::Guard {
            lock: self,
            inner: self.inner.lock().ok(),
        }
    }
}

pub mod lock {
    //! The guard of a lock.

    use super::*;

    pub mod mutex {
        //! Locks whose waiters sleep.

        /// The type of these locks.
        pub enum MutexBackend {}
    }

    pub mod spinlock {
        //! Spin locks.

        /// The type of these locks.
        pub enum SpinLockIrqBackend {}
    }

    /// Evidence that a lock is held.
    pub struct Guard<'a, T, B> {
        pub(super) lock: &'a Lock<T, B>,
        /// None only during a wait.
        pub(super) inner: Option<loom::sync::MutexGuard<'a, T>>,
    }

    impl<T, B> Guard<'_, T, B> {
        /// Releases the lock and takes it again.
        pub(super) fn bump(&mut self) {
            self.inner = None;
            self.inner = self.lock.inner.lock().ok();
        }
    }

    impl<T, B> Deref for Guard<'_, T, B> {
        type Target = T;

        fn deref(&self) -> &T {
            self.inner.as_deref().expect("the lock is held")
        }
    }

    impl<T, B> DerefMut for Guard<'_, T, B> {
        fn deref_mut(&mut self) -> &mut T {
            self.inner.as_deref_mut().expect("the lock is held")
        }
    }
}

/// A condition variable.
pub struct CondVar(loom::sync::Condvar);

impl CondVar {
    /// Returns a condition variable without waiters.
    #[expect(clippy::new_without_default, reason = "as in the kernel")]
    pub fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    /// Sleeps until woken.
    pub fn wait<T, B>(&self, guard: &mut lock::Guard<'_, T, B>) {
        guard.inner = guard.inner.take().and_then(|inner| self.0.wait(inner).ok());
    }

    /// Sleeps until woken, or returns true if a signal is pending.
    pub fn wait_interruptible<T, B>(&self, guard: &mut lock::Guard<'_, T, B>) -> bool {
        if task::signal_pending() {
            guard.bump();
            return true;
        }
        self.wait(guard);
        false
    }

    /// Wakes all waiters.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

pub mod aref {
    //! References to values that count their references in the kernel.

    use std::ops::Deref;

    /// A reference.
    pub struct ARef<T>(std::sync::Arc<T>);

    impl<T> ARef<T> {
        /// Returns a reference to a value.
        pub fn new(value: T) -> Self {
            Self(std::sync::Arc::new(value))
        }
    }

    impl<T> Clone for ARef<T> {
        fn clone(&self) -> Self {
            Self(self.0.clone())
        }
    }

    impl<T> Deref for ARef<T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.0
        }
    }
}

pub mod poll {
    //! Condition variables that can also be polled.

    use super::*;

    /// A condition variable in a box.
    pub struct PollCondVarBox(CondVar);

    impl PollCondVarBox {
        /// Returns a condition variable without waiters.
        pub fn new(_: &core::ffi::CStr, _: ()) -> Result<Self> {
            Ok(Self(CondVar::new()))
        }
    }

    impl Deref for PollCondVarBox {
        type Target = CondVar;

        fn deref(&self) -> &CondVar {
            &self.0
        }
    }
}

pub mod srcu {
    //! Sleepable RCU.

    use std::cell::Cell;

    use super::*;

    thread_local! {
        static WAITS: Cell<bool> = const { Cell::new(false) };
    }

    /// Sets whether domains made from now on wait for their readers. If a test does not depend on
    /// readers, taking no lock for them makes its model smaller.
    pub fn wait_for_readers(waits: bool) {
        WAITS.set(waits);
    }

    /// A domain of readers.
    pub struct Srcu(Option<(Mutex<usize>, CondVar)>);

    impl Srcu {
        /// Returns a domain without readers.
        #[expect(clippy::new_without_default, reason = "as in the kernel")]
        pub fn new() -> Self {
            Self(WAITS.get().then(|| (Mutex::new(0), CondVar::new())))
        }

        /// Enters a read-side critical section.
        pub fn read_lock(&self) -> Guard<'_> {
            if let Some((readers, _)) = &self.0 {
                *readers.lock() += 1;
            }
            Guard(self)
        }

        /// Waits until all readers that have entered before have left.
        pub fn synchronize_expedited(&self) {
            let (readers, left) = self.0.as_ref().expect("readers are waited for");
            let mut readers = readers.lock();
            while *readers > 0 {
                left.wait(&mut readers);
            }
        }
    }

    /// Evidence of being in a read-side critical section.
    pub struct Guard<'a>(&'a Srcu);

    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            if let Some((readers, left)) = &self.0 .0 {
                let mut readers = readers.lock();
                *readers -= 1;
                if *readers == 0 {
                    left.notify_all();
                }
            }
        }
    }
}

pub mod atomic {
    //! Atomic values. Loom does not explore the order of accesses to numbers.

    use loom::sync::atomic::{
        fence,
        AtomicBool,
        AtomicPtr, //
    };
    use std::sync::atomic::{
        AtomicU32,
        AtomicUsize,
        Ordering, //
    };

    pub mod ordering {
        //! Memory orders.

        use super::Ordering;

        /// The order of a load or a store.
        pub trait Order {
            /// The same order for the host.
            const ORDERING: Ordering;
        }

        /// No order.
        pub struct Relaxed;
        /// Later accesses stay behind the load.
        pub struct Acquire;
        /// Earlier accesses stay before the store.
        pub struct Release;

        impl Order for Relaxed {
            const ORDERING: Ordering = Ordering::Relaxed;
        }

        impl Order for Acquire {
            const ORDERING: Ordering = Ordering::Acquire;
        }

        impl Order for Release {
            const ORDERING: Ordering = Ordering::Release;
        }

        /// A full barrier before the access and another behind it.
        pub struct Full;
    }

    /// A type that can be atomic.
    pub trait Kind {
        /// The atomic type.
        type Inner;

        /// Returns the atomic value.
        fn inner(self) -> Self::Inner;
    }

    /// An atomic value.
    pub struct Atomic<T: Kind>(T::Inner);

    impl<T: Kind> Atomic<T> {
        /// Returns an atomic value.
        pub fn new(value: T) -> Self {
            Self(value.inner())
        }
    }

    macro_rules! plain {
        ($inner:ident, $type:ty) => {
            impl Kind for $type {
                type Inner = $inner;

                fn inner(self) -> $inner {
                    $inner::new(self)
                }
            }

            impl Atomic<$type> {
                /// Returns the value.
                pub fn load(&self, _: ordering::Relaxed) -> $type {
                    self.0.load(Ordering::Relaxed)
                }

                /// Sets the value.
                pub fn store(&self, value: $type, _: ordering::Relaxed) {
                    self.0.store(value, Ordering::Relaxed);
                }
            }
        };
    }

    plain!(AtomicUsize, usize);
    plain!(AtomicU32, u32);

    macro_rules! exchanged {
        ($inner:ident, $type:ty $(, $param:ident)?) => {
            impl$(<$param>)? Kind for $type {
                type Inner = $inner$(<$param>)?;

                fn inner(self) -> Self::Inner {
                    $inner::new(self)
                }
            }

            impl$(<$param>)? Atomic<$type> {
                /// Returns the value.
                pub fn load<O: ordering::Order>(&self, _: O) -> $type {
                    self.0.load(O::ORDERING)
                }

                /// Sets the value.
                pub fn store<O: ordering::Order>(&self, value: $type, _: O) {
                    self.0.store(value, O::ORDERING);
                }

                /// Sets the value, and returns the old one.
                pub fn xchg(&self, value: $type, _: ordering::Full) -> $type {
                    fence(Ordering::SeqCst);
                    let old = self.0.swap(value, Ordering::AcqRel);
                    fence(Ordering::SeqCst);
                    old
                }
            }
        };
    }

    exchanged!(AtomicBool, bool);
    exchanged!(AtomicPtr, *mut T, T);
}

/// Returns an initialiser of a condition variable.
#[macro_export]
macro_rules! new_condvar {
    ($name:literal) => {
        Ok::<_, $crate::error::Error>($crate::sync::CondVar::new())
    };
}

/// Returns an initialiser of an SRCU domain.
#[macro_export]
macro_rules! new_srcu {
    () => {
        Ok::<_, $crate::error::Error>($crate::sync::Srcu::new())
    };
}

/// Returns an initialiser of a lock whose waiters sleep.
#[macro_export]
macro_rules! new_mutex {
    ($value:expr, $name:literal) => {
        Ok::<_, $crate::error::Error>($crate::sync::Mutex::new($value))
    };
}

/// Returns an initialiser of a lock that interrupt handlers take.
#[macro_export]
macro_rules! new_spinlock_irq {
    ($value:expr, $name:literal) => {
        Ok::<_, $crate::error::Error>($crate::sync::SpinLockIrq::new($value))
    };
}
