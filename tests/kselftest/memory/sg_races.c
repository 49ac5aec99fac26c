// SPDX-License-Identifier: GPL-2.0
/*
 * Jobs of an sg channel while other threads change the mappings that the jobs name, while the
 * program forks, and while programs are killed; and a SUBMIT that has to wait for a page.
 * sg_held.c has changes at a known moment.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "bind.h"
#include "channel_checks.h"
#include "children.h"
#include "sg_checks.h"
#include "sleeper.h"

/* Jobs that run while a thread changes mappings. */
#define JOBS	400

/* Pages that a thread maps and unmaps. */
#define PAGES	8

static struct ferrodma_completion record;

FIXTURE(races) {
	struct channel c;
	struct bound_device device;
	struct job job;
	long held;
};

FIXTURE_SETUP(races)
{
	self->held = pins_held();
	ASSERT_EQ(0, bound_device_find(&self->device, "sg", 0));
	ASSERT_EQ(0, channel_open(&self->c, "sg", 0, 0));
	make_pattern(&self->c, SEED);
}

/* Binds the device again if the test has left it unbound. */
FIXTURE_TEARDOWN_PARENT(races)
{
	if (bound_device_number(&self->device, "sg") < 0)
		EXPECT_EQ(0, device_bind(&self->device));
}

/* Threads that change mappings */

/* Memory that a thread changes all the time until it is stopped. */
struct storm {
	uint8_t *p;
	size_t len;
	void (*change)(struct storm *s, unsigned int round);
	atomic_bool stop;
	atomic_uint rounds;
	/* What went wrong, or NULL. */
	const char *failure;
	pthread_t thread;
};

static void *storming(void *arg)
{
	struct storm *s = arg;

	for (unsigned int i = 0; !s->stop && !s->failure; i++) {
		s->change(s, i);
		s->rounds = i + 1;
		/* Jobs meet each of the states between these changes. */
		if (i % 5 == 0)
			sched_yield();
	}
	return NULL;
}

static void start(struct __test_metadata *_metadata, struct storm *s,
		  void (*change)(struct storm *, unsigned int))
{
	*s = (struct storm){ .len = PAGES * page_size(), .change = change };
	s->p = new_pages(PAGES);
	ASSERT_TRUE(s->p != NULL);
	ASSERT_EQ(0, pthread_create(&s->thread, NULL, storming, s));
	/* Wait until the thread is at work. */
	for (int ms = 0; ms < SOON_MS && !s->rounds; ms++)
		sleep_ms(1);
	ASSERT_NE(0, s->rounds);
}

static void stop(struct __test_metadata *_metadata, struct storm *s)
{
	s->stop = true;
	ASSERT_EQ(0, pthread_join(s->thread, NULL));
	EXPECT_TRUE(!s->failure) TH_LOG("%s", s->failure);
}

static void fix(struct storm *s, int prot)
{
	if (mmap(s->p, s->len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != s->p)
		s->failure = "mmap";
}

static void change_unmap(struct storm *s, unsigned int round)
{
	if (round % 2)
		fix(s, RW);
	else if (munmap(s->p, s->len))
		s->failure = "munmap";
}

static void change_replace(struct storm *s, unsigned int round)
{
	fix(s, RW);
	if (round % 2)
		memset(s->p, round, s->len);
}

static void change_move(struct storm *s, unsigned int round)
{
	uint8_t *away = mremap(s->p, s->len, s->len, MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
			      NULL);

	(void)round;
	if (away == MAP_FAILED || munmap(away, s->len))
		s->failure = "mremap";
}

static void change_protect(struct storm *s, unsigned int round)
{
	static const int prot[] = { PROT_READ, RW, PROT_NONE, RW };

	if (mprotect(s->p, s->len, prot[round % 4]))
		s->failure = "mprotect";
}

static void change_give_back(struct storm *s, unsigned int round)
{
	static const int advice[] = { MADV_DONTNEED, MADV_FREE };

	if (madvise(s->p, s->len, advice[round % 2]))
		s->failure = "madvise";
}

static void change_fork(struct storm *s, unsigned int round)
{
	int status;
	pid_t pid = fork();

	(void)round;
	if (!pid)
		_exit(0);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		s->failure = "fork";
}

/* Gets pages that other tasks may just have freed, and checks that their contents stay. */
static void change_own_memory(struct storm *s, unsigned int round)
{
	fix(s, RW);
	memset(s->p, round, s->len);
	sched_yield();
	if (value_differs(s->p, s->len, round) != -1)
		s->failure = "new pages have changed";
}

/*
 * Runs jobs whose source or destination changes meanwhile, and between them jobs on other
 * memory, which must succeed. A job on changing memory may be refused, and must do no other
 * harm.
 */
static void expect_weathers(struct __test_metadata *_metadata, FIXTURE_DATA(races) *self,
			    void (*change)(struct storm *, unsigned int), bool may_refuse)
{
	const struct channel *c = &self->c;
	size_t half = c->size / 2, size = PAGES * page_size();
	size_t u = unit(c), a = address_unit(c);
	uint64_t state = now_ns();
	struct storm storm, neighbour;
	int refused = 0, i;

	/*
	 * Start this thread first: its stack must not be mapped where the other thread has a
	 * hole.
	 */
	start(_metadata, &neighbour, change_own_memory);
	start(_metadata, &storm, change);
	/* Go on until one job runs: if the memory is unmapped most of the time, that takes luck. */
	for (i = 0; i < JOBS || (refused == i && i < 100 * JOBS); i++) {
		size_t len = (1 + random_below(&state, size / u)) * u;
		size_t at = random_below(&state, (size - len) / a + 1) * a;
		int ret;

		job_move(&self->job, storm.p + at, c->mem, len);
		if (i % 2)
			job_move(&self->job, c->mem + half, storm.p + at, len);
		ret = job_run(c, &self->job);
		refused += ret == -EFAULT;
		ASSERT_TRUE(!ret || (may_refuse && ret == -EFAULT))
			TH_LOG("job %d: %s", i, strerror(-ret));
		if (i % 4)
			continue;
		job_copy(&self->job, c, 0, half, 5000);
		ASSERT_EQ(0, job_run(c, &self->job));
		ASSERT_EQ(-1, pattern_differs(c->mem + half, 5000, SEED));
	}
	stop(_metadata, &storm);
	stop(_metadata, &neighbour);
	EXPECT_GT(i, refused);
	EXPECT_EQ(-1, pattern_differs(c->mem, half, SEED));
	expect_unpinned(_metadata, self->held);
}

TEST_F(races, memory_that_comes_and_goes)
{
	expect_weathers(_metadata, self, change_unmap, true);
}

TEST_F(races, memory_that_is_replaced)
{
	expect_weathers(_metadata, self, change_replace, true);
}

TEST_F(races, memory_that_is_moved_away)
{
	expect_weathers(_metadata, self, change_move, true);
}

TEST_F(races, memory_whose_protection_changes)
{
	expect_weathers(_metadata, self, change_protect, true);
}

TEST_F(races, memory_that_is_given_back)
{
	expect_weathers(_metadata, self, change_give_back, false);
}

/*
 * Starts a thread that forks. It blocks SIGCHLD for all: the signal could go to any thread and
 * would end a waiting SUBMIT.
 */
static void start_forking(struct __test_metadata *_metadata, struct storm *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	start(_metadata, s, change_fork);
}

/* The parent must keep the pages of a job when it forks, or it does not see the result. */
TEST_F(races, data_are_the_parent_s_while_it_forks)
{
	const struct channel *c = &self->c;
	size_t page = page_size(), len = 3 * page, a = address_unit(c);
	uint8_t *dst = new_pages(4);
	struct storm storm;

	ASSERT_TRUE(dst != NULL);
	start_forking(_metadata, &storm);
	for (int i = 0; i < JOBS; i++) {
		size_t at = i * a % page;

		memset(dst, i, 4 * page);
		job_move(&self->job, dst + at, c->mem + i * a, len);
		ASSERT_EQ(0, job_run(c, &self->job));
		ASSERT_EQ(-1, area_differs(dst + at, c->mem + i * a, len)) TH_LOG("job %d", i);
		ASSERT_EQ(-1, value_differs(dst, at, i));
		ASSERT_EQ(-1, value_differs(dst + at + len, page - at, i));
	}
	stop(_metadata, &storm);
	expect_unpinned(_metadata, self->held);
}

TEST_F(races, source_is_the_parent_s_while_it_forks)
{
	const struct channel *c = &self->c;
	size_t page = page_size(), half = c->size / 2;
	uint8_t *src = new_pages(3);
	struct storm storm;

	ASSERT_TRUE(src != NULL);
	start_forking(_metadata, &storm);
	for (int i = 0; i < JOBS; i++) {
		pattern_fill(src, 3 * page, i);
		job_move(&self->job, c->mem + half, src, 3 * page);
		ASSERT_EQ(0, job_run(c, &self->job));
		ASSERT_EQ(-1, pattern_differs(c->mem + half, 3 * page, i)) TH_LOG("job %d", i);
	}
	stop(_metadata, &storm);
	expect_unpinned(_metadata, self->held);
}

/* Programs that are killed */

/* Keeps the queue of a file of its own full, for ever. */
static void flood(void)
{
	struct channel own;
	uint8_t *dst = new_pages(2);
	struct job j;

	if (channel_open(&own, "sg", 0, 0) || !dst)
		_exit(1);
	for (;;) {
		job_move(&j, dst, own.mem, 2 * page_size());
		if (job_submit(&own, &j))
			_exit(2);
		if (!(poll_events(&own, POLLOUT, 0) & POLLOUT))
			read_records(&own, &record, 1);
	}
}

TEST_F(races, SIGKILL_at_any_moment_leaves_nothing_pinned)
{
	uint64_t state = now_ns();
	struct storm neighbour;

	start(_metadata, &neighbour, change_own_memory);
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid)
			flood();
		usleep(random_below(&state, 20000));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		expect_child_killed(_metadata, pid, SIGKILL);
		ASSERT_EQ(self->held, pins_held());
	}
	stop(_metadata, &neighbour);
	expect_works(_metadata, &self->c);
}

/* A SUBMIT that has to wait for a page */

TEST_F(races, submit_waits_for_a_page_and_then_has_it)
{
	static struct sleeper s;
	size_t page = page_size();
	int uffd;
	uint8_t *p = pages_on_demand(1, &uffd), *dst = new_pages(1);

	if (!p)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	ASSERT_TRUE(dst != NULL);
	job_move(&s.job, dst, p, page);
	make_call(_metadata, &s, &self->c, call_run);
	ASSERT_TRUE(wait_demand(uffd));
	ASSERT_EQ(0, supply(uffd, p, self->c.mem));
	expect_ends(_metadata, &s, 0);
	EXPECT_EQ(-1, pattern_differs(dst, page, SEED));
	expect_unpinned(_metadata, self->held);
}

TEST_F(races, submit_that_waits_for_a_page_holds_up_nobody)
{
	static struct sleeper s;
	struct channel other;
	int uffd;
	uint8_t *p = pages_on_demand(1, &uffd);

	if (!p)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	job_move(&s.job, p, self->c.mem, 16);
	make_call(_metadata, &s, &self->c, call_run);
	ASSERT_TRUE(wait_demand(uffd));
	/* Other files and other threads of the same file go on. */
	ASSERT_EQ(0, channel_open(&other, "sg", 0, 0));
	expect_works(_metadata, &other);
	channel_close(&other);
	expect_works(_metadata, &self->c);
	EXPECT_NE(0, queue_one(&self->c, 7));
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(7, record.user_data);
	ASSERT_EQ(0, supply(uffd, p, self->c.mem));
	expect_ends(_metadata, &s, 0);
	expect_unpinned(_metadata, self->held);
}

/* Submits a job whose structure the test makes unwritable. */
static int call_submit_guarded(struct sleeper *s)
{
	return job_submit(s->c, s->arg);
}

TEST_F(races, job_whose_cookie_cannot_be_told_leaves_nothing)
{
	static struct sleeper s;
	size_t page = page_size();
	struct job *j;
	int uffd;
	uint8_t *p = pages_on_demand(1, &uffd), *dst = new_pages(1);

	if (!p)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	j = (void *)new_pages((sizeof(*j) + page - 1) / page);
	ASSERT_TRUE(dst && j);
	job_move(j, dst, p, page);
	s.arg = j;
	make_call(_metadata, &s, &self->c, call_submit_guarded);
	ASSERT_TRUE(wait_demand(uffd));
	ASSERT_EQ(0, mprotect(j, sizeof(*j), PROT_READ));
	ASSERT_EQ(0, supply(uffd, p, self->c.mem));
	expect_ends(_metadata, &s, -EFAULT);
	EXPECT_FALSE(has_record(&self->c));
	EXPECT_EQ(-ENOENT, job_cancel(&self->c, 1));
	expect_unpinned(_metadata, self->held);
	/* The next job has the next cookie. */
	EXPECT_EQ(2, queue_one(&self->c, 0));
}

TEST_F(races, unbind_does_not_wait_for_a_submit_that_waits_for_a_page)
{
	static struct sleeper s;
	int uffd;
	uint8_t *p = pages_on_demand(1, &uffd);

	if (!p)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	job_move(&s.job, p, self->c.mem, 16);
	make_call(_metadata, &s, &self->c, call_run);
	ASSERT_TRUE(wait_demand(uffd));
	ASSERT_EQ(0, device_unbind(&self->device));
	ASSERT_EQ(0, supply(uffd, p, self->c.mem + 1000));
	expect_ends(_metadata, &s, -ENODEV);
	EXPECT_EQ(-1, area_differs(p, self->c.mem + 1000, page_size()));
	expect_unpinned(_metadata, self->held);
}

TEST_F(races, SIGKILL_ends_a_submit_that_waits_for_a_page)
{
	int ready[2], uffd;
	uint8_t *p;
	char byte;
	pid_t pid;

	p = pages_on_demand(1, &uffd);
	if (!p)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		static struct sleeper s;
		struct channel own;

		/* The registered memory is the parent's; the child needs its own. */
		p = pages_on_demand(1, &uffd);
		if (!p || channel_open(&own, "sg", 0, 0))
			_exit(1);
		job_move(&s.job, own.mem, p, 16);
		make_call(_metadata, &s, &own, call_run);
		if (!wait_demand(uffd))
			_exit(2);
		write(ready[1], "r", 1);
		pthread_join(s.thread, NULL);
		_exit(3);
	}
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	expect_child_killed(_metadata, pid, SIGKILL);
	expect_works(_metadata, &self->c);
	expect_unpinned(_metadata, self->held);
}

TEST_HARNESS_MAIN
