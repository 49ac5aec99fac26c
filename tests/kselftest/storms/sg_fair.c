// SPDX-License-Identifier: GPL-2.0
/*
 * How long a job waits for those of others. A process fills the queues of two files, behind a job
 * that pauses; then a job of another file is queued, and the paused job is cancelled. Run by
 * sg_fair.sh.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "channel_checks.h"
#include "children.h"
#include "user_memory.h"

#define FUNCTION	"sgtest"
#define NODE		"/dev/ferrodma-" FUNCTION "0"

/* Numbers of source segments, by what the hardware does with such a job. */
enum { WORKS = 1, HALTS = 2 };

#define USER	65534
#define FILES	2
/* Jobs of this length are a quarter of a turn: what a turn is worth is the longest job. */
#define PARTS	4
/* Jobs that are queued at least: more than there are in a turn of each file. */
#define FEWEST	20

#define LONG_NS	(20 * NSEC_PER_SEC)

/* What the process has done, for both to see. */
struct shared {
	/* Its jobs, with the paused one. */
	int queued;
	/* When each of its jobs has ended, those that moved their bytes. */
	int done;
	uint64_t ended[FILES * 64];
};

FIXTURE(fair) {
	struct channel c;
	struct shared *shared;
	uint64_t len;
	mode_t mode;	/* of the node, before the test */
};

FIXTURE_VARIANT(fair) {
	/* Files whose turn may come before that of the job. */
	int files;
	uid_t uid;
};

FIXTURE_VARIANT_ADD(fair, another_user) { .files = 1, .uid = USER };
FIXTURE_VARIANT_ADD(fair, same_user) { .files = FILES, .uid = 0 };

FIXTURE_SETUP(fair)
{
	struct stat st;

	ASSERT_EQ(0, stat(NODE, &st));
	self->mode = st.st_mode & 07777;
	ASSERT_EQ(0, chmod(NODE, 0666));
	ASSERT_EQ(0, channel_open(&self->c, FUNCTION, 0, 0));
	self->len = self->c.info.max_job_bytes / PARTS;
	self->shared = mmap(NULL, sizeof(*self->shared), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
}

FIXTURE_TEARDOWN_PARENT(fair)
{
	if (self->mode)
		EXPECT_EQ(0, chmod(NODE, self->mode));
}

/* Queues a copy from @src to @dst of so many segments; returns 0 or a negative errno. */
static int queue_segments(const struct channel *c, uint8_t *dst, uint8_t *src, uint32_t segments,
			  uint64_t len)
{
	struct job j;

	job_init(&j);
	for (uint32_t i = 0; i < segments; i++)
		j.src[i] = (struct ferrodma_seg){ (uintptr_t)src + 2 * i * len, len };
	j.dst[0] = (struct ferrodma_seg){ (uintptr_t)dst, segments * len };
	j.submit.nr_src = segments;
	j.submit.nr_dst = 1;
	j.submit.timeout_ns = limit_within(c, LONG_NS);
	return job_submit(c, &j);
}

/* Fills the queues, says so, and cancels the paused job when told. Returns an exit code. */
static int fill_queues(struct shared *shared, uint64_t len, uid_t uid, int end)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct channel c[FILES];
	struct ferrodma_completion record;
	int queued[FILES] = { 0 };
	uint8_t *mem;
	char byte = 0;

	if (setrlimit(RLIMIT_MEMLOCK, &all) || setresuid(uid, uid, uid))
		return 1;
	mem = new_pages(2 * len / page_size());
	for (int i = 0; i < FILES; i++)
		if (!mem || channel_open(&c[i], FUNCTION, 0, O_NONBLOCK))
			return 2;
	if (queue_segments(&c[0], mem + len, mem, HALTS, 64))
		return 3;
	queued[0] = 1;
	for (int i = 0; i < FILES; i++)
		while (!queue_segments(&c[i], mem + len, mem, WORKS, len))
			queued[i]++;
	shared->queued = queued[0] + queued[1];
	if (write(end, &byte, 1) != 1 || read(end, &byte, 1) != 1 || job_cancel(&c[0], 1))
		return 4;
	for (int i = 0; i < FILES; i++)
		for (; queued[i]; queued[i]--) {
			if (!wait_record(&c[i]) || read_records(&c[i], &record, 1) != 1)
				return 5;
			if (!record.status)
				shared->ended[shared->done++] = record.complete_ns;
		}
	return 0;
}

TEST_F(fair, job_waits_for_one_turn_of_each)
{
	struct shared *s = self->shared;
	struct ferrodma_completion record;
	int sock[2], before = 0;
	char byte = 0;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(fill_queues(s, self->len, variant->uid, sock[1]));
	close(sock[1]);
	ASSERT_EQ(1, read(sock[0], &byte, 1));
	ASSERT_LE(FEWEST, s->queued);
	ASSERT_EQ(1, queue_one(&self->c, 0));
	EXPECT_FALSE(has_record(&self->c));
	ASSERT_EQ(1, write(sock[0], &byte, 1));
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(0, record.status);
	expect_child_ends(_metadata, pid);
	EXPECT_EQ(s->queued - 1, s->done);
	for (int i = 0; i < s->done; i++)
		before += s->ended[i] < record.complete_ns;
	EXPECT_GE(variant->files * (PARTS + 1), before)
		TH_LOG("the job had to wait for %d jobs of %d", before, s->done);
}

TEST_HARNESS_MAIN
