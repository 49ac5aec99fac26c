// SPDX-License-Identifier: GPL-2.0
/*
 * The users that the pages of queued jobs of an sg channel are charged to, and when the charges
 * end. The jobs wait behind a paused one. Run by sg_memlock.sh.
 *
 * sg_limits.c has the limits of one job.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "held_fixture.h"

/* Two unprivileged users. */
#define USER	65534
#define OTHER	65533

/* Pages of the job that queue_small() queues, and RLIMIT_MEMLOCK in most tests, in pages. */
#define SMALL	2
#define LIMIT	(2 * SMALL)

static int limit_pages(size_t pages)
{
	struct rlimit limit = { pages * page_size(), pages * page_size() };

	return setrlimit(RLIMIT_MEMLOCK, &limit) ? -errno : 0;
}

/* Queues a job of SMALL pages; returns 0 or a negative errno. */
static int queue_small(const struct channel *c, FIXTURE_DATA(held) *self)
{
	return queue_copy(c, self->dst, self->src, 16) ? 0 : -errno;
}

/* Processes */

/* Orders to a process. */
enum order { QUEUE, CANCEL, CLOSE, SHOW, EXIT };

/* A process that has a file of its own, and carries out orders. */
struct process {
	pid_t pid;
	int orders;
};

static int obey(struct channel *c, FIXTURE_DATA(held) *self, int order)
{
	switch (order) {
	case QUEUE:
		return queue_small(c, self);
	case CANCEL:
		/* Cancels the first job; the record is not taken. */
		return job_cancel(c, 1) ?: wait_record(c) ? 0 : -ETIME;
	case CLOSE:
		channel_close(c);
		return 0;
	default:
		return pinned_kb();
	}
}

/*
 * Starts a process with the real user ID @uid, which is limited to LIMIT pages. With the
 * effective user ID 0 it keeps CAP_IPC_LOCK.
 */
static struct process start(FIXTURE_DATA(held) *self, uid_t uid, uid_t effective)
{
	struct process p = { .pid = -1 };
	int order, reply, end[2];
	struct channel own;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, end))
		return p;
	p.pid = fork();
	if (p.pid) {
		close(end[1]);
		p.orders = end[0];
		return p;
	}
	close(end[0]);
	if (channel_open(&own, FUNCTION, 0, 0) || limit_pages(LIMIT) ||
	    setresuid(uid, effective, effective))
		_exit(1);
	while (read(end[1], &order, sizeof(order)) == sizeof(order) && order != EXIT) {
		reply = obey(&own, self, order);
		write(end[1], &reply, sizeof(reply));
	}
	_exit(0);
}

/* Gives an order to the process; returns its answer. */
static int tell(const struct process *p, int order)
{
	int reply;

	if (write(p->orders, &order, sizeof(order)) != sizeof(order) ||
	    read(p->orders, &reply, sizeof(reply)) != sizeof(reply))
		return -ESRCH;
	return reply;
}

static void end(struct __test_metadata *_metadata, const struct process *p, bool kills)
{
	int status, order = EXIT;

	ASSERT_TRUE(kills ? !kill(p->pid, SIGKILL) :
		    write(p->orders, &order, sizeof(order)) == sizeof(order));
	close(p->orders);
	ASSERT_EQ(p->pid, waitpid(p->pid, &status, 0));
	EXPECT_EQ(kills ? SIGKILL : 0, status);
}

/* Fails the test unless the user can pin exactly its whole limit. */
static void expect_limit_free(struct __test_metadata *_metadata, FIXTURE_DATA(held) *self,
			      uid_t uid)
{
	struct process p = start(self, uid, uid);

	for (int i = 0; i < LIMIT / SMALL; i++)
		EXPECT_EQ(0, tell(&p, QUEUE));
	EXPECT_EQ(-ENOMEM, tell(&p, QUEUE));
	end(_metadata, &p, false);
}

/* Starts a process that uses up the limit of its user. */
static struct process start_full(struct __test_metadata *_metadata, FIXTURE_DATA(held) *self)
{
	struct process p = start(self, USER, USER);

	for (int i = 0; i < LIMIT / SMALL; i++)
		EXPECT_EQ(0, tell(&p, QUEUE));
	EXPECT_EQ((long)(LIMIT * page_size() >> 10), tell(&p, SHOW));
	return p;
}

/* One process */

/* Makes this process one of USER, with a limit of @pages. */
static int become_limited(size_t pages)
{
	return limit_pages(pages) ?: setresuid(USER, USER, USER) ? -errno : 0;
}

TEST_F(held, jobs_in_the_queue_add_up_to_the_limit)
{
	struct job *j = &self->job;

	ASSERT_EQ(0, become_limited(3 * SMALL));
	for (int i = 1; i <= 3; i++)
		ASSERT_EQ(i, queue_copy(&self->c, self->dst, self->src, 16));
	job_move(j, self->dst, self->src, 16);
	for (int wait = 0; wait < 2; wait++) {
		j->submit.flags = wait ? FERRODMA_SUBMIT_WAIT : 0;
		EXPECT_EQ(-ENOMEM, job_submit(&self->c, j));
	}
	/* Cancelling a queued job makes room for another. */
	ASSERT_EQ(0, job_cancel(&self->c, 2));
	ASSERT_TRUE(wait_record(&self->c));
	EXPECT_EQ(0, queue_small(&self->c, self));
	EXPECT_EQ(-ENOMEM, job_submit(&self->c, j));
	/* So does each of the others when it has ended, before its record is taken. */
	end_pause(_metadata, self);
	ASSERT_EQ(0, take(&self->c, 4, NULL));
	EXPECT_EQ(0, pinned_kb());
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(0, queue_small(&self->c, self));
}

TEST_F(held, jobs_of_several_files_add_up_to_the_limit)
{
	ASSERT_EQ(0, become_limited(LIMIT));
	ASSERT_EQ(0, queue_small(&self->c, self));
	ASSERT_EQ(0, queue_small(&self->blocker, self));
	EXPECT_EQ(-ENOMEM, queue_small(&self->c, self));
	EXPECT_EQ(-ENOMEM, queue_small(&self->blocker, self));
}

/* Several */

TEST_F(held, processes_of_a_user_share_the_limit)
{
	struct process a = start(self, USER, USER), b = start(self, USER, USER);

	ASSERT_EQ(0, tell(&a, QUEUE));
	ASSERT_EQ(0, tell(&b, QUEUE));
	EXPECT_EQ(-ENOMEM, tell(&a, QUEUE));
	EXPECT_EQ(-ENOMEM, tell(&b, QUEUE));
	/* Pinned pages show in VmPin of the process that has queued the job. */
	EXPECT_EQ((long)(SMALL * page_size() >> 10), tell(&a, SHOW));
	EXPECT_EQ((long)(SMALL * page_size() >> 10), tell(&b, SHOW));
	end(_metadata, &a, false);
	end(_metadata, &b, false);
}

TEST_F(held, other_user_has_a_limit_of_their_own)
{
	struct process p = start_full(_metadata, self);

	expect_limit_free(_metadata, self, OTHER);
	EXPECT_EQ(-ENOMEM, tell(&p, QUEUE));
	end(_metadata, &p, false);
}

TEST_F(held, cancelled_job_gives_its_pages_back_to_the_user)
{
	struct process a = start_full(_metadata, self), b = start(self, USER, USER);

	EXPECT_EQ(-ENOMEM, tell(&b, QUEUE));
	ASSERT_EQ(0, tell(&a, CANCEL));
	EXPECT_EQ(0, tell(&b, QUEUE));
	EXPECT_EQ(-ENOMEM, tell(&b, QUEUE));
	end(_metadata, &a, false);
	end(_metadata, &b, false);
}

TEST_F(held, jobs_that_have_run_give_their_pages_back_to_the_user)
{
	struct process p = start_full(_metadata, self);

	/* The job of this process is the last, so that all before it have ended. */
	ASSERT_EQ(0, queue_small(&self->c, self));
	end_pause(_metadata, self);
	ASSERT_EQ(0, take(&self->c, 1, &record));
	ASSERT_EQ(2, queue_pause(&self->blocker, LONG_NS));
	expect_limit_free(_metadata, self, USER);
	end(_metadata, &p, false);
}

TEST_F(held, close_gives_the_pages_back_to_the_user)
{
	struct process p = start_full(_metadata, self);

	ASSERT_EQ(0, tell(&p, CLOSE));
	expect_limit_free(_metadata, self, USER);
	end(_metadata, &p, false);
}

TEST_F(held, SIGKILL_gives_the_pages_back_to_the_user)
{
	struct process p = start_full(_metadata, self);

	end(_metadata, &p, true);
	expect_limit_free(_metadata, self, USER);
	end_pause(_metadata, self);
	expect_unpinned(_metadata, self->held);
}

TEST_F(held, process_with_CAP_IPC_LOCK_uses_up_nothing_of_the_limit)
{
	struct process p = start(self, USER, 0);

	for (int i = 0; i < LIMIT; i++)
		EXPECT_EQ(0, tell(&p, QUEUE));
	EXPECT_EQ((long)(LIMIT * SMALL * page_size() >> 10), tell(&p, SHOW));
	expect_limit_free(_metadata, self, USER);
	end(_metadata, &p, false);
}

TEST_HARNESS_MAIN
