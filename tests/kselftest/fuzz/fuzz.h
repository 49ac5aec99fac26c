/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random calls on all channels, and their checks. Several processes, each with several threads,
 * make the calls (fuzz.c). Each thread has its own files, and memory of which it knows every byte
 * (fuzz_jobs.c). fuzz_calls.c makes calls that must fail. fuzz_files.c makes calls on files and
 * memory while jobs are in flight.
 */
#ifndef FERRODMA_FUZZ_H
#define FERRODMA_FUZZ_H

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "kselftest.h"

#include "bind.h"
#include "user_memory.h"

#define CHANNELS	8
#define PROCESSES	2
#define THREADS		3

/* Files of each thread, and for each file the jobs in flight whose memory is checked. */
#define FILES		2
#define SLOTS		3

/*
 * The most bytes of a job, the most segments in one of its lists, and the bytes of each of its
 * two areas.
 */
#define MOST_BYTES	4096
#define MOST_SEGS	12
#define AREA		6144

/* The most jobs of a file: no queue is deeper. */
#define MOST_JOBS	512

/* A time limit that no job reaches, however busy the machine is. */
#define LIMIT_NS	(600 * NSEC_PER_SEC)

/* A channel, in the memory that all processes share. */
struct fuzz_channel {
	char function[16];
	int number;
	struct bound_device device;
	struct ferrodma_info info;
	/* Odd while the device is, or may be, unbound. A file of an earlier generation is dead. */
	_Atomic uint32_t generation;
};

/* The current call of a thread, for the watchdog. */
struct fuzz_doing {
	_Atomic uint64_t calls, since_ns, op;
	const char *_Atomic what;
	_Atomic long long detail;
	uint64_t seed;
	char failure[192];
};

/* Memory that all processes share. */
struct fuzz_world {
	struct fuzz_channel channel[CHANNELS];
	int channels;
	uint64_t seed;
	atomic_bool stop;
	_Atomic uint64_t calls;
	/* Numbers of events, to check that each kind has happened. */
	_Atomic uint64_t moved, refused, rounds, killed, ended, lost_buffers;
	struct fuzz_doing doing[PROCESSES][THREADS];
};

/* A job in flight, and the memory that it reads and writes. */
struct slot {
	bool busy, cancelled, may_time_out;
	uint64_t cookie, user_data, bytes;
	/* The source; the destination; its contents and surroundings before and after the job. */
	uint8_t *src, *dst, *before, *after;
	/* The addresses in a job of src[0] and dst[0]. */
	uint64_t src_addr, dst_addr;
};

struct file {
	int fd;
	struct fuzz_channel *channel;
	uint32_t generation;
	bool nonblock;
	uint64_t next_cookie;
	/* Memory of the slots, and behind it bytes that may hold anything. */
	uint8_t *mem;
	size_t mapped, area;
	uint64_t rough_addr;
	struct slot slot[SLOTS];
	/* Jobs other than those of the slots: the cookies whose records are still to come. */
	uint64_t extra_first;
	uint32_t extras;
	bool extra[MOST_JOBS];
};

/* A file that all threads of a process use at once. */
struct shared_file {
	int fd;
	struct fuzz_channel *channel;
	uint32_t generation;
	uint64_t rough_addr;
	_Atomic uint64_t submitted, taken;
	atomic_uchar seen[1 << 16];
};

/* Memory that the threads of a process share. */
struct process {
	struct fuzz_world *world;
	int id;
	uint64_t budget, seed;
	struct shared_file shared;
	/*
	 * Pages that change all the time, as many places that they are moved to, and an
	 * unmapped page.
	 */
	uint8_t *changing;
	/* Write-locked while a child has copies of all files: a close would not be the last. */
	pthread_rwlock_t children;
	pthread_t thread[THREADS];
	_Atomic pid_t tid[THREADS];
	atomic_bool stop;
};

#define READONLY_BYTES	2048

struct worker {
	struct process *process;
	struct fuzz_world *world;
	struct fuzz_doing *doing;
	int id;
	uint64_t state;
	struct file file[FILES];
	/* The file of the current call, and where a SIGBUS goes. */
	struct file *current;
	sigjmp_buf bus_error;
	/* A second mapping that the current call reads. */
	uint8_t *view;
	size_t view_len;
	struct job job;
	uint8_t bytes[MOST_BYTES];
	/*
	 * A page without access rights, behind a page that is writable; a read-only mapping of a
	 * page; a writable mapping of that page, whose first READONLY_BYTES never change.
	 */
	uint8_t *hole, *readonly, *alias;
};

/* fuzz.c */

/* Reports what is wrong; the thread then makes no more calls. */
bool fail(struct worker *w, const char *what, long long detail);

/* Called around each call on a device: tells the watchdog what it is. */
void call_begins(struct worker *w, const char *what, long long detail);
void call_ends(struct worker *w);

static inline uint64_t pick(struct worker *w, uint64_t limit)
{
	return random_below(&w->state, limit);
}

static inline bool one_in(struct worker *w, uint64_t n)
{
	return !pick(w, n);
}

static inline int call_ioctl(struct worker *w, int fd, const char *what, unsigned long command,
			     void *arg)
{
	int ret;

	call_begins(w, what, command & 0xff);
	ret = fdma_ioctl(fd, command, arg);
	call_ends(w);
	return ret;
}

/* Returns whether the device of the file is unbound, or was since the file was opened. */
static inline bool is_gone(const struct file *f)
{
	return f->channel->generation != f->generation;
}

/* Returns whether @ret is a result that any sleeping call may have, without effect. */
static inline bool is_excused(const struct file *f, int ret)
{
	return (ret == -ENODEV && is_gone(f)) || ret == -EINTR;
}

/* Returns the number of which all addresses and lengths on a channel are multiples. */
static inline size_t grain(const struct fuzz_channel *c)
{
	size_t len = c->info.alignment ?: 1, addr = c->info.address_alignment ?: 1;

	return len > addr ? len : addr;
}

/* Returns the length of the longest segment on a channel here. */
static inline size_t most_segment(const struct fuzz_channel *c)
{
	return c->info.block_size ?: MOST_BYTES;
}

static inline bool is_coherent(const struct fuzz_channel *c)
{
	return c->info.function == FERRODMA_FUNCTION_COHERENT;
}

static inline bool is_pool(const struct fuzz_channel *c)
{
	return c->info.function == FERRODMA_FUNCTION_POOL;
}

static inline uint32_t in_flight(const struct file *f)
{
	uint32_t n = f->extras;

	for (int i = 0; i < SLOTS; i++)
		n += f->slot[i].busy;
	return n;
}

/* fuzz_jobs.c */

/* Returns the offset in a coherent buffer of bytes that may hold anything. */
uint64_t rough_offset(const struct fuzz_channel *c, int process, int thread, int file);
#define ROUGH_BYTES	64

bool file_open(struct worker *w, struct file *f);
/* Takes all records that are due, and checks that there are no others. */
bool file_drain(struct worker *w, struct file *f);
/* Closes the file with all its jobs in flight. */
bool file_close(struct worker *w, struct file *f);
/* Forgets the memory of the file after a SIGBUS. */
void file_abandon(struct worker *w, struct file *f);

/* Makes a job of known effect in w->job; returns NULL if all slots are busy or memory is wrong. */
struct slot *make_job(struct worker *w, struct file *f);
/* Returns a time limit that no job reaches. */
static inline uint64_t long_limit(const struct fuzz_channel *c)
{
	return c->info.max_timeout_ns < LIMIT_NS ? c->info.max_timeout_ns : LIMIT_NS;
}

bool record_arrives(struct worker *w, struct file *f, const struct ferrodma_completion *r);
/* Returns whether memory is as the last job of the slot left it. */
bool slot_is_intact(struct worker *w, struct slot *s, size_t area);

bool do_waiting_job(struct worker *w, struct file *f);
bool do_queued_job(struct worker *w, struct file *f);
bool do_wait(struct worker *w, struct file *f);
bool do_read(struct worker *w, struct file *f);
bool do_cancel(struct worker *w, struct file *f);
bool do_flood(struct worker *w, struct file *f);

/* fuzz_calls.c */

bool do_defective_submit(struct worker *w, struct file *f);
bool do_garbage_submit(struct worker *w, struct file *f);
bool do_defective_take(struct worker *w, struct file *f);
bool do_take_to_nowhere(struct worker *w, struct file *f);
bool do_info(struct worker *w, struct file *f);
bool do_unknown(struct worker *w, struct file *f);
bool do_poll(struct worker *w, struct file *f);
bool do_odd_read(struct worker *w, struct file *f);

/* fuzz_files.c */

bool do_mmap(struct worker *w, struct file *f);
bool do_flags(struct worker *w, struct file *f);
bool do_dup(struct worker *w, struct file *f);
bool do_readonly_file(struct worker *w, struct file *f);
bool do_fork(struct worker *w, struct file *f);
bool do_signal(struct worker *w, struct file *f);
bool do_change_memory(struct worker *w, struct file *f);
bool do_shared_submit(struct worker *w, struct file *f);
bool do_shared_read(struct worker *w, struct file *f);
/* Checks at the end of a process that no record was lost. */
bool shared_drain(struct worker *w);

#endif /* FERRODMA_FUZZ_H */
