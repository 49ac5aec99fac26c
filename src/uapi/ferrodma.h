/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * ferrodma: memory-to-memory DMA from user space.
 *
 * One character device per bound DMA channel, /dev/ferrodma-<function><n>.
 * A program submits a job, which copies the bytes that a source list gathers
 * to where a destination list scatters them, or fills the destination, and
 * gets one completion record.
 *
 * Calls, in the order in which a program makes them
 *
 *   open()                the channel; each open file has a queue of its own
 *   FERRODMA_IOC_INFO     what the channel can do
 *   mmap()                the buffer of a coherent channel
 *   FERRODMA_IOC_SUBMIT   starts a job, and waits for it if asked to
 *   FERRODMA_IOC_WAIT     waits for the record of one job
 *   FERRODMA_IOC_CANCEL   stops one job
 *   read(), poll()        records as they come, see the end of this file
 *   close()               the last one of a file stops its jobs
 *
 * Processes. A file belongs to one address space: that of the first SUBMIT on
 * it whose structure passes its checks, even if the job is refused then.
 * SUBMIT, WAIT, CANCEL and read() from another one are EPERM and do nothing;
 * INFO, mmap() and poll() are open to all that have the file. So a program may
 * open a channel and hand the file to the one that uses it, which should
 * submit before it trusts the file; and a child process opens a file of its
 * own, unless it shares its parent's memory (vfork(), CLONE_VM). After execve()
 * the file is of no use but to be closed.
 *
 * Threads. All calls may be made from any number of threads at a time. Jobs
 * of a file run in the order in which they were submitted. A record is taken
 * once, by the first that asks for it.
 *
 * Turns. The channel takes turns between the users that have jobs queued, by
 * real user ID of the program that has opened the file, and between the files
 * of a user. A turn is worth max_job_bytes. So a job waits for one turn of each
 * other user at most, whatever they have queued, and to open more files does
 * not get a user a larger share.
 *
 * Signals. A signal stops no job, except one that ends the program. See
 * FERRODMA_SUBMIT_SUBMITTED and @timeout_ns of struct ferrodma_wait.
 *
 * Structures. Each that is passed to an ioctl starts with its size, which the
 * caller sets. One larger than the kernel's is accepted if the bytes that the
 * kernel does not know are zero, else E2BIG. One smaller than the first
 * published version is EINVAL. Unknown flags and reserved fields that are not
 * zero are EINVAL; unknown commands are ENOTTY. Fields marked [out] are
 * ignored on the way in. The layout is the same for 32-bit and 64-bit
 * programs.
 */
#ifndef _UAPI_FERRODMA_H
#define _UAPI_FERRODMA_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* 0xMMmmpp: major, minor and patch */
#define FERRODMA_VERSION	0x000100

#define FERRODMA_IOC_TYPE	0xDA

#define FERRODMA_IOC_INFO	_IO(FERRODMA_IOC_TYPE, 0) /* 0xda00 */
#define FERRODMA_IOC_SUBMIT	_IO(FERRODMA_IOC_TYPE, 1) /* 0xda01 */
#define FERRODMA_IOC_WAIT	_IO(FERRODMA_IOC_TYPE, 2) /* 0xda02 */
#define FERRODMA_IOC_CANCEL	_IO(FERRODMA_IOC_TYPE, 3) /* 0xda03 */

/*
 * ferrodma_info.function: what an address in a job is.
 *
 * COHERENT: a byte offset into the device's buffer, which mmap() offers. All
 * that open the device share the buffer: it is zero when the device is bound,
 * and is not cleared between users.
 *
 * SG: an address of the program. All pages of both lists must be there (they
 * are faulted in), readable for sources and writable for destinations. They
 * are pinned until the job has ended; until its record is taken, where a file
 * system holds a page locked; for good, where hardware does not stop.
 * Meanwhile each page counts against RLIMIT_MEMLOCK, once for each segment it
 * is in: one limit for all processes of the user, and for what io_uring and
 * zero-copy messages pin. A caller with CAP_IPC_LOCK is neither limited nor
 * charged. What the program does to the mapping does not concern the job.
 * Memory of a device cannot be pinned. A job that is larger than what the
 * system can map for the device, such as a bounce buffer, is ENOMEM.
 *
 * POOL: an address of the program, whose bytes are copied: the source when the
 * job is submitted, the destination when its record is taken, before the record
 * is given. Each segment takes a block of the device, of which there is a fixed
 * number; a job that finds too few waits for those of others, or is EAGAIN with
 * O_NONBLOCK. The destination of a job that fails is left as it is. Where it
 * cannot be written the record says -EFAULT, and part of it may have changed.
 *
 * Source and destination must not overlap. Where they are addresses of the
 * program, that is told by the addresses, without their tags: memory that is
 * mapped twice may be given as both, and holds either data then. Segments of
 * a destination that overlap each other hold the data of either. In no case is
 * memory touched that is not the job's own.
 *
 * From SUBMIT until the record of an sg job is taken, its source must not be
 * written, and its destination neither be written nor read: by the program, or
 * by another job. So a job that goes on from another's result is submitted
 * when that one's record is there. Where the device does not snoop the CPU's
 * caches (no dma-coherent in its tree), what shares a cache line with the
 * destination must not be written either. Else bytes may be old or lost.
 */
#define FERRODMA_FUNCTION_COHERENT	1
#define FERRODMA_FUNCTION_SG		2
#define FERRODMA_FUNCTION_POOL		3

/*
 * ferrodma_info.engine: the DMA controller IP.
 *
 * ZDMA: xlnx,zynqmp-dma-1.0, amd,versal2-dma-1.0
 * BCM2835: brcm,bcm2835-dma
 */
#define FERRODMA_ENGINE_ZDMA		1
#define FERRODMA_ENGINE_BCM2835		2

/*
 * ferrodma_info.flags
 *
 * DEAD: hardware did not stop when it had to; SUBMIT is EIO.
 * FAULT_IRQ: an error of the engine ends a job at once, else at its time limit.
 */
#define FERRODMA_INFO_DEAD		(1U << 0)
#define FERRODMA_INFO_FAULT_IRQ		(1U << 1)

/*
 * ferrodma_submit.flags
 *
 * WAIT: the call waits for the job, and returns the record in place.
 *
 * FILL: @src is one byte value, not a list.
 *
 * SUBMITTED [in, out]: set by the kernel where a signal has ended the wait of
 * a call with WAIT. The job goes on as one that was submitted without WAIT,
 * @cookie names it, and @completion.status is -EINPROGRESS. A call with this
 * flag submits nothing: it ignores all fields but @size, @flags and @cookie,
 * waits for that job, and clears the flag when it returns the record. Where
 * the record was taken, it is ENOENT. The kernel makes this call by itself
 * where it restarts a call that was interrupted (SA_RESTART, or no handler).
 * A program that gets EINTR makes the same call again to go on waiting, takes
 * the record by WAIT or read(), or cancels the job; EINTR without this flag
 * means that nothing was submitted. Before the structure is used for another
 * job the flag is to be cleared. A thread that reads all records of a file may
 * take that of such a job; the call is ENOENT then, which says nothing of how
 * the job ended.
 */
#define FERRODMA_SUBMIT_WAIT		(1U << 0)
#define FERRODMA_SUBMIT_FILL		(1U << 1)
#define FERRODMA_SUBMIT_SUBMITTED	(1U << 2)

/**
 * struct ferrodma_seg - one piece of memory
 * @addr: where it starts; see ferrodma_info.function
 * @len: bytes, not zero
 */
struct ferrodma_seg {
	__u64 addr;
	__u64 len;
};

/**
 * struct ferrodma_info - what a channel can do (FERRODMA_IOC_INFO)
 * @size: sizeof(struct ferrodma_info), set by the caller
 * @function: [out] FERRODMA_FUNCTION_*
 * @engine: [out] FERRODMA_ENGINE_*
 * @flags: [out] FERRODMA_INFO_*
 * @buffer_size: [out] bytes that mmap() offers; 0 if there is no buffer
 * @max_job_bytes: [out] most bytes in one job
 * @max_timeout_ns: [out] longest time limit of a job, in nanoseconds
 * @block_size: [out] longest segment of a pool job in bytes; 0 elsewhere
 * @max_segments: [out] most segments in each list of a job
 * @alignment: [out] lengths must be multiples of this
 * @address_alignment: [out] addresses must be multiples of this
 * @address_bits: [out] width of the engine's bus addresses
 * @queue_depth: [out] most jobs that one open file may have whose records are
 *	not yet taken
 * @version: [out] FERRODMA_VERSION of the kernel's side
 * @reserved: [out] zero
 *
 * Errors: EINVAL, E2BIG (structure size); EFAULT; ENODEV (device unbound).
 */
struct ferrodma_info {
	__u32 size;
	__u32 function;
	__u32 engine;
	__u32 flags;
	__u64 buffer_size;
	__u64 max_job_bytes;
	__u64 max_timeout_ns;
	__u32 block_size;
	__u32 max_segments;
	__u32 alignment;
	__u32 address_alignment;
	__u32 address_bits;
	__u32 queue_depth;
	__u32 version;
	__u32 reserved;
};

/**
 * struct ferrodma_completion - what became of a job
 * @cookie: the number that SUBMIT gave the job
 * @user_data: as submitted
 * @status: 0 (every byte was written), or a negative errno: -ETIMEDOUT (the
 *	time limit has passed), -ECANCELED (CANCEL; also where the system was
 *	suspended), -ENODEV (device unbound), -EFAULT (the program that takes
 *	the record cannot write the destination of a pool job), -EIO (bus or
 *	engine error; hardware did not stop when it had to, or had not before,
 *	and the channel is dead)
 * @flags: zero; reserved for what failed where the engine knows it, so
 *	programs ignore bits that they do not know
 * @bytes: how many bytes the engine has written
 * @submit_ns: when the job was submitted
 * @complete_ns: when it ended
 *
 * Times are nanoseconds of CLOCK_MONOTONIC, in the time namespace of the
 * program that takes the record.
 */
struct ferrodma_completion {
	__u64 cookie;
	__u64 user_data;
	__s32 status;
	__u32 flags;
	__u64 bytes;
	__u64 submit_ns;
	__u64 complete_ns;
};

/**
 * struct ferrodma_submit - start a job (FERRODMA_IOC_SUBMIT)
 * @size: sizeof(struct ferrodma_submit), set by the caller
 * @flags: [in, out] FERRODMA_SUBMIT_*; the kernel changes SUBMITTED only
 * @src: pointer to @nr_src segments; with FERRODMA_SUBMIT_FILL the byte value
 *	(0 to 255) and @nr_src is 0
 * @dst: pointer to @nr_dst segments
 * @nr_src: number of source segments
 * @nr_dst: number of destination segments
 * @src_region: reserved, zero
 * @dst_region: reserved, zero
 * @timeout_ns: time limit from when hardware starts the job, in nanoseconds,
 *	at most max_timeout_ns; 0 for the device's default, which grows with
 *	the bytes of the job
 * @user_data: returned in the completion record
 * @cookie: [out] names the job in WAIT, CANCEL and its record; counts from 1
 *	in each open file; [in] with FERRODMA_SUBMIT_SUBMITTED
 * @completion: [out] the record, with FERRODMA_SUBMIT_WAIT
 *
 * The file must be open for writing. A job keeps its place in the queue until
 * its record is taken: by read(), by WAIT, or by this call when it waits. When
 * the queue is full the call sleeps, or returns EAGAIN with O_NONBLOCK. With
 * FERRODMA_SUBMIT_WAIT it waits for its job in any case.
 *
 * A job that was accepted ends in exactly one record. With
 * FERRODMA_SUBMIT_WAIT the call returns 0 and the record's status tells how
 * the job ended. A signal that ends the program stops the job that the call
 * waits for; other jobs of the file end at its last close().
 *
 * Errors, none of which submits anything or changes memory, save for EINTR as
 * FERRODMA_SUBMIT_SUBMITTED says, and EFAULT where the structure becomes
 * unwritable during the call (the job is stopped and leaves no record, but
 * may have written):
 *   EPERM       the file belongs to another address space
 *   EBADF       the file is not open for writing
 *   EINVAL      structure too small, unknown flag, reserved field not zero,
 *               empty list or segment, lists of unequal totals, source and
 *               destination overlap, misaligned segment, fill value above 255
 *               or with a source list, time limit too long
 *   E2BIG       structure too large and not zero; more than max_segments
 *   EMSGSIZE    the job has more than max_job_bytes, or a segment more than
 *               block_size (pool)
 *   EOVERFLOW   addr + len, or a sum of lengths, does not fit 64 bits
 *   ERANGE      a segment is not within the device's buffer (coherent)
 *   EFAULT      bad pointer; a segment is not memory that the caller may read
 *               (sg, pool) or write (sg)
 *   EAGAIN      the queue is full, or too few blocks are free (pool), and the
 *               file is O_NONBLOCK
 *   EINTR       a signal came while waiting
 *   ENOENT      FERRODMA_SUBMIT_SUBMITTED: no such job, or its record was taken
 *   EIO         the channel is dead
 *   ENODEV      the device is unbound
 *   ENOMEM      out of memory; RLIMIT_MEMLOCK is reached, and the caller has
 *               no CAP_IPC_LOCK (sg); no room to map the job for the device
 *               (sg)
 */
struct ferrodma_submit {
	__u32 size;
	__u32 flags;
	__u64 src;
	__u64 dst;
	__u32 nr_src;
	__u32 nr_dst;
	__u32 src_region;
	__u32 dst_region;
	__u64 timeout_ns;
	__u64 user_data;
	__u64 cookie;
	struct ferrodma_completion completion;
};

/**
 * struct ferrodma_wait - take the record of one job (FERRODMA_IOC_WAIT)
 * @size: sizeof(struct ferrodma_wait), set by the caller
 * @flags: zero
 * @cookie: the job
 * @timeout_ns: [in, out] how long to wait, in nanoseconds; 0 without limit.
 *	Where a signal comes the kernel writes what is left, so that a call
 *	that is made again keeps to the first one's end. So it is to be set
 *	anew for each job
 * @completion: [out] the record
 *
 * The first call takes the record: WAIT for its cookie, or read(). A call
 * that ends without the record leaves the job as it is. The record of a job
 * that another call waits for (FERRODMA_SUBMIT_WAIT) cannot be taken until a
 * signal has ended that call.
 *
 * Errors: EPERM (the file belongs to another address space); ENOENT (no such
 * job, its record was taken, or another call waits for it); EAGAIN (not
 * complete and the file is O_NONBLOCK); ETIMEDOUT (not complete within
 * @timeout_ns); EINTR; ENODEV (unbound, and no record left for this cookie);
 * ENOMEM; EINVAL, E2BIG, EFAULT as above.
 */
struct ferrodma_wait {
	__u32 size;
	__u32 flags;
	__u64 cookie;
	__u64 timeout_ns;
	struct ferrodma_completion completion;
};

/**
 * struct ferrodma_cancel - stop one job (FERRODMA_IOC_CANCEL)
 * @size: sizeof(struct ferrodma_cancel), set by the caller
 * @flags: zero
 * @cookie: the job
 *
 * When the call returns 0 the hardware no longer works on the job, and its
 * record says -ECANCELED.
 *
 * Errors: EPERM (the file belongs to another address space); EALREADY (the job
 * has ended; its record tells how); ENOENT (no such job, or its record was
 * taken); EBADF; EIO (hardware would not stop; the record says so too);
 * ENODEV; EINVAL, E2BIG, EFAULT as above.
 */
struct ferrodma_cancel {
	__u32 size;
	__u32 flags;
	__u64 cookie;
};

/*
 * read() and readv() return whole struct ferrodma_completion, oldest first, as
 * many as fit all buffers together, wherever they are cut: EINVAL where there
 * is no room for one, EAGAIN with O_NONBLOCK or RWF_NOWAIT when there is none,
 * EPERM where the file belongs to another address space, EFAULT where the
 * first record cannot be written, EINTR. They wait for the first record only.
 * io_uring reads likewise (IORING_OP_READ, READV, READ_MULTISHOT).
 *
 * poll(): POLLIN while a record waits; POLLOUT while the queue has room and as
 * many blocks are free as the last EAGAIN was about; POLLERR when the channel
 * is dead; POLLHUP once the device is unbound.
 *
 * Records outlive the device; when none is left and none will come, read()
 * returns ENODEV, or EIO where the channel is dead.
 *
 * mmap() of a coherent device: MAP_SHARED only (EINVAL), not executable
 * (EPERM; a program with the personality READ_IMPLIES_EXEC gets a mapping that
 * is not), within buffer_size (ENXIO); other functions: ENODEV. The first touch
 * maps all of it; MAP_POPULATE and mlock() do not. A mapping outlives the file
 * it was made with. The mapping of an unbound device raises SIGBUS.
 */

#endif /* _UAPI_FERRODMA_H */
