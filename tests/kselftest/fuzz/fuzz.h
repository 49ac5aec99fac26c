/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random calls on all channels, and what must be true of them. Processes of
 * threads make the calls (fuzz.c); a thread has files, and memory whose every byte
 * it knows (fuzz_jobs.c); calls that are to fail, and those around jobs, are in
 * fuzz_calls.c.
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

/* Files of a thread, and jobs in flight on each whose memory is watched. */
#define FILES		2
#define SLOTS		3

/* Most bytes of a job, segments in one of its lists, and bytes of each of its two areas. */
#define MOST_BYTES	4096
#define MOST_SEGS	12
#define AREA		6144

/* Jobs that a file may have in all: as deep as any queue is. */
#define MOST_JOBS	512

/* No job may fail because the machine is busy with others. */
#define LIMIT_NS	(600 * NSEC_PER_SEC)

/* A channel, as all processes know it. */
struct fuzz_channel {
	char function[16];
	int number;
	struct bound_device device;
	struct ferrodma_info info;
	/* Odd while it is, or may be, unbound; a file of an earlier generation is dead. */
	_Atomic uint32_t generation;
};

/* What a thread does, for the others to see. */
struct fuzz_doing {
	_Atomic uint64_t calls, since_ns, op;
	const char *_Atomic what;
	_Atomic long long detail;
	uint64_t seed;
	char failure[192];
};

/* What all processes share. */
struct fuzz_world {
	struct fuzz_channel channel[CHANNELS];
	int channels;
	uint64_t seed;
	atomic_bool stop;
	_Atomic uint64_t calls;
	/* What became of them, to see that there was something of each kind. */
	_Atomic uint64_t moved, refused, rounds, killed, ended, lost_buffers;
	struct fuzz_doing doing[PROCESSES][THREADS];
};

/* A job in flight, and the memory that it reads and writes. */
struct slot {
	bool busy, cancelled, may_time_out;
	uint64_t cookie, user_data, bytes;
	/* What the destination and its surroundings hold, and will when the job is done. */
	uint8_t *src, *dst, *before, *after;
	/* The address that a job gives to src[0] and dst[0]. */
	uint64_t src_addr, dst_addr;
};

struct file {
	int fd;
	struct fuzz_channel *channel;
	uint32_t generation;
	bool nonblock;
	uint64_t next_cookie;
	/* Memory of the slots, and behind it some whose bytes nobody minds. */
	uint8_t *mem;
	size_t mapped, area;
	uint64_t rough_addr;
	struct slot slot[SLOTS];
	/* Jobs beside those of the slots: by cookie, those whose record is still to come. */
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

/* What the threads of a process share. */
struct process {
	struct fuzz_world *world;
	int id;
	uint64_t budget, seed;
	struct shared_file shared;
	/* Pages that change all the time, as many that they are moved to, and one that is not there. */
	uint8_t *changing;
	/* Held to write while a child has all files, so that a close may not be the last. */
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
	/* The file that the current call is about, and where its SIGBUS goes. */
	struct file *current;
	sigjmp_buf bus_error;
	/* A second mapping that it looks at. */
	uint8_t *view;
	size_t view_len;
	struct job job;
	uint8_t bytes[MOST_BYTES];
	/*
	 * A page that may not be touched, after one that may. One that may be read only, and
	 * the same for writing: READONLY_BYTES of it stay as they are.
	 */
	uint8_t *hole, *readonly, *alias;
};

/* fuzz.c */

/* Notes what is wrong; the thread makes no more calls. */
bool fail(struct worker *w, const char *what, long long detail);

/* Around each call on a device: says what it is to the watchdog. */
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

/* Whether the device that the file was opened on is not bound, or was not all the time. */
static inline bool is_gone(const struct file *f)
{
	return f->channel->generation != f->generation;
}

/* Whether @ret is one of those that any call may return that sleeps, and so changes nothing. */
static inline bool is_excused(const struct file *f, int ret)
{
	return (ret == -ENODEV && is_gone(f)) || ret == -EINTR;
}

/* All addresses and lengths of a channel's jobs are multiples of this. */
static inline size_t grain(const struct fuzz_channel *c)
{
	size_t len = c->info.alignment ?: 1, addr = c->info.address_alignment ?: 1;

	return len > addr ? len : addr;
}

/* The longest segment that a job of the channel may have here. */
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

/* Bytes that nobody minds, as a place in the buffer of a coherent channel. */
uint64_t rough_offset(const struct fuzz_channel *c, int process, int thread, int file);
#define ROUGH_BYTES	64

bool file_open(struct worker *w, struct file *f);
/* Takes all records that are to come, and sees that there are no others. */
bool file_drain(struct worker *w, struct file *f);
/* Closes it, whatever is in flight. */
bool file_close(struct worker *w, struct file *f);
/* After a SIGBUS: nothing is known of its memory any more. */
void file_abandon(struct worker *w, struct file *f);

/* A job of known effect, in w->job; NULL if all slots are busy or memory is wrong. */
struct slot *make_job(struct worker *w, struct file *f);
/* A time limit of the channel's jobs that none is to reach. */
static inline uint64_t long_limit(const struct fuzz_channel *c)
{
	return c->info.max_timeout_ns < LIMIT_NS ? c->info.max_timeout_ns : LIMIT_NS;
}

bool record_arrives(struct worker *w, struct file *f, const struct ferrodma_completion *r);
/* Whether memory is as the last job of the slot left it. */
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
/* At the end of a process: no record was lost. */
bool shared_drain(struct worker *w);

#endif /* FERRODMA_FUZZ_H */
