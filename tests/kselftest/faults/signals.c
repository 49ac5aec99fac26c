// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that are stopped, frozen or interrupted while they wait for a job: the job goes on, and
 * the same call goes on waiting for it. On a channel whose interrupt never comes, so that a job
 * lasts as long as its limit. Run by signals.sh.
 */
#include <pthread.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "children.h"
#include "debugfs.h"
#include "lost_fixture.h"
#include "pins.h"
#include "sleeper.h"
#include "suspend.h"
#include "user_memory.h"

static struct ferrodma_completion record;

/* Long enough for several signals, which come every SIGNAL_MS. */
#define SOME_NS		(patience(300) * NSEC_PER_MSEC)
#define SIGNAL_MS	20

/* A thread that cancels the first job of its file. */
struct canceller {
	const struct channel *c;
	/* A pipe whose end starts the cancel, or -1: cancel as soon as @sleeper sleeps. */
	int ready;
	_Atomic pid_t sleeper;
	pthread_t thread;
};

static void *cancelling(void *arg)
{
	struct canceller *s = arg;
	char byte;

	if (s->ready < 0)
		wait_until_asleep(&s->sleeper);
	else
		read(s->ready, &byte, 1);
	job_cancel(s->c, 1);
	return NULL;
}

enum call { SUBMIT_WAITS, WAIT_WITH_A_LIMIT, WAIT_WITHOUT_A_LIMIT, READ, CALLS };

static const char * const call_names[] = {
	"SUBMIT", "WAIT with a limit", "WAIT without a limit", "read()",
};

/*
 * Starts a program that waits for a job in one of the calls, and exits with 0 if the call
 * reports the cancelled job. The job does not end before the pipe @ready does.
 */
static pid_t start_program(const char *function, int number, enum call call, int ready[2])
{
	struct channel own;
	struct canceller canceller = { .c = &own, .ready = ready[0] };
	struct job j;
	int ret;
	pid_t pid = fork();

	if (pid)
		return pid;
	close(ready[1]);
	if (channel_open(&own, function, number, 0) ||
	    pthread_create(&canceller.thread, NULL, cancelling, &canceller))
		_exit(1);
	job_copy(&j, &own, 0, own.size / 2, unit(&own));
	j.submit.timeout_ns = LONG_NS;
	if (call == SUBMIT_WAITS) {
		ret = job_run(&own, &j);
		_exit(ret != -ECANCELED || j.submit.flags != FERRODMA_SUBMIT_WAIT);
	}
	if (job_submit(&own, &j))
		_exit(2);
	if (call == READ)
		ret = read_records(&own, &record, 1) == 1 ? record.status : 0;
	else
		ret = take_within(&own, 1, call == WAIT_WITH_A_LIMIT ? LONG_NS : 0, &record) ?:
		      record.status;
	_exit(ret == -ECANCELED ? 0 : 3);
}

/* Fails the test unless a program in each call gets its record after @disturb. */
static void expect_undisturbed(struct __test_metadata *_metadata, FIXTURE_DATA(lost) *self,
			       void (*disturb)(struct __test_metadata *_metadata, pid_t pid))
{
	for (enum call call = 0; call < CALLS; call++) {
		int ready[2], status;
		_Atomic pid_t pid;

		ASSERT_EQ(0, pipe(ready));
		pid = start_program(self->function, self->number, call, ready);
		ASSERT_LE(0, pid);
		close(ready[0]);
		ASSERT_TRUE(wait_until_asleep(&pid));
		disturb(_metadata, pid);
		close(ready[1]);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status) TH_LOG("%s: status %#x", call_names[call], status);
	}
}

static void stop_and_continue(struct __test_metadata *_metadata, pid_t pid)
{
	int status;

	ASSERT_EQ(0, kill(pid, SIGSTOP));
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(0, kill(pid, SIGCONT));
}

TEST_F(lost, stopped_program_gets_its_record)
{
	expect_undisturbed(_metadata, self, stop_and_continue);
}

static void be_a_debugger(struct __test_metadata *_metadata, pid_t pid)
{
	int status;

	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, pid, 0, 0));
	ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, pid, 0, 0));
	ASSERT_EQ(pid, waitpid(pid, &status, __WALL));
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, pid, 0, 0));
}

TEST_F(lost, program_that_a_debugger_looks_at_gets_its_record)
{
	expect_undisturbed(_metadata, self, be_a_debugger);
}

/* Sends signals that are ignored by default. */
static void send_ignored_signals(struct __test_metadata *_metadata, pid_t pid)
{
	ASSERT_EQ(0, kill(pid, SIGWINCH));
	ASSERT_EQ(0, kill(pid, SIGCHLD));
}

TEST_F(lost, program_that_ignores_a_signal_gets_its_record)
{
	expect_undisturbed(_metadata, self, send_ignored_signals);
}

#define CGROUP	"/tmp/ferrodma-cgroup"

static void freeze_and_thaw(struct __test_metadata *_metadata, pid_t pid)
{
	char text[64] = "";

	snprintf(text, sizeof(text), "%d", pid);
	ASSERT_EQ(0, put_text(CGROUP "/frozen/cgroup.procs", text));
	ASSERT_EQ(0, put_text(CGROUP "/frozen/cgroup.freeze", "1"));
	for (int ms = 0; ms < SOON_MS && !strstr(text, "frozen 1"); ms++) {
		sleep_ms(1);
		get_text(CGROUP "/frozen/cgroup.events", text, sizeof(text));
	}
	EXPECT_TRUE(strstr(text, "frozen 1") != NULL);
	ASSERT_EQ(0, put_text(CGROUP "/frozen/cgroup.freeze", "0"));
}

TEST_F(lost, program_that_its_cgroup_freezes_gets_its_record)
{
	mkdir(CGROUP, 0755);
	if (mount("none", CGROUP, "cgroup2", 0, NULL))
		SKIP(return, "cgroups cannot be mounted: %s", strerror(errno));
	mkdir(CGROUP "/frozen", 0755);
	expect_undisturbed(_metadata, self, freeze_and_thaw);
	umount(CGROUP);
}

static void suspend_as_far_as_the_freezer(struct __test_metadata *_metadata, pid_t pid)
{
	(void)pid;
	ASSERT_EQ(0, suspend_and_resume("freezer", 0));
}

TEST_F(lost, program_that_suspend_freezes_gets_its_record)
{
	if (!can_suspend())
		SKIP(return, "the kernel cannot suspend, or lacks CONFIG_PM_DEBUG to come back");
	expect_undisturbed(_metadata, self, suspend_as_far_as_the_freezer);
}

/* Sends a signal every @ms. @flags say whether calls start again afterwards. */
static void alarm_with(int flags, unsigned int ms)
{
	struct sigaction sa = { .sa_handler = alarm_handler, .sa_flags = flags };

	alarm_every(ms);
	sigaction(SIGALRM, &sa, NULL);
}

static void prepare_waiting(FIXTURE_DATA(lost) *self, uint64_t limit_ns)
{
	job_copy(&self->job, &self->c, 0, self->c.size / 2, unit(&self->c));
	self->job.submit.flags = FERRODMA_SUBMIT_WAIT;
	self->job.submit.timeout_ns = limit_ns;
	self->job.submit.user_data = 11;
}

TEST_F(lost, SUBMIT_that_signals_let_start_again_ends_with_its_job)
{
	struct ferrodma_completion *r = &self->job.submit.completion;

	prepare_waiting(self, SOME_NS);
	alarm_with(SA_RESTART, SIGNAL_MS);
	EXPECT_EQ(0, job_submit(&self->c, &self->job));
	alarm_every(0);
	EXPECT_EQ(FERRODMA_SUBMIT_WAIT, self->job.submit.flags);
	EXPECT_EQ(1, r->cookie);
	EXPECT_EQ(11, r->user_data);
	EXPECT_EQ(-ETIMEDOUT, r->status);
	EXPECT_LE(SOME_NS, r->complete_ns - r->submit_ns);
	EXPECT_FALSE(has_record(&self->c));
	EXPECT_EQ(-ENOENT, take_within(&self->c, 1, SHORT_NS, NULL));
	/* The job was submitted once only. */
	EXPECT_EQ(2, queue_job(&self->c, SHORT_NS));
}

/* Interrupts a SUBMIT that waits, and checks what it returns about its job. */
static void interrupt_submit(struct __test_metadata *_metadata, FIXTURE_DATA(lost) *self)
{
	prepare_waiting(self, LONG_NS);
	alarm_every(SIGNAL_MS);
	EXPECT_EQ(-EINTR, job_submit(&self->c, &self->job));
	alarm_every(0);
	EXPECT_EQ(FERRODMA_SUBMIT_WAIT | FERRODMA_SUBMIT_SUBMITTED, self->job.submit.flags);
	EXPECT_EQ(1, self->job.submit.cookie);
	EXPECT_EQ(-EINPROGRESS, self->job.submit.completion.status);
}

/* Has another thread cancel the first job when this thread sleeps. */
static void cancel_when_asleep(struct __test_metadata *_metadata, const struct channel *c)
{
	static struct canceller s;

	s = (struct canceller){ .c = c, .ready = -1, .sleeper = gettid() };
	ASSERT_EQ(0, pthread_create(&s.thread, NULL, cancelling, &s));
}

TEST_F(lost, call_that_a_signal_has_ended_is_made_again_to_go_on)
{
	interrupt_submit(_metadata, self);
	cancel_when_asleep(_metadata, &self->c);
	ASSERT_EQ(0, job_submit(&self->c, &self->job));
	EXPECT_EQ(FERRODMA_SUBMIT_WAIT, self->job.submit.flags);
	EXPECT_EQ(-ECANCELED, self->job.submit.completion.status);
	EXPECT_EQ(11, self->job.submit.completion.user_data);
	EXPECT_FALSE(has_record(&self->c));
	self->job.submit.flags |= FERRODMA_SUBMIT_SUBMITTED;
	EXPECT_EQ(-ENOENT, job_submit(&self->c, &self->job));
	expect_goes_on(_metadata, &self->c);
}

TEST_F(lost, record_of_a_job_whose_call_a_signal_has_ended_can_be_read)
{
	interrupt_submit(_metadata, self);
	cancel_when_asleep(_metadata, &self->c);
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(1, record.cookie);
	EXPECT_EQ(-ECANCELED, record.status);
	EXPECT_EQ(-ENOENT, job_submit(&self->c, &self->job));
}

TEST_F(lost, record_of_a_job_whose_call_a_signal_has_ended_can_be_waited_for)
{
	interrupt_submit(_metadata, self);
	cancel_when_asleep(_metadata, &self->c);
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(-ECANCELED, record.status);
	EXPECT_EQ(-ENOENT, job_submit(&self->c, &self->job));
}

TEST_F(lost, job_whose_call_a_signal_has_ended_can_be_cancelled)
{
	interrupt_submit(_metadata, self);
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	ASSERT_EQ(0, job_submit(&self->c, &self->job));
	EXPECT_EQ(-ECANCELED, self->job.submit.completion.status);
	expect_goes_on(_metadata, &self->c);
}

TEST_F(lost, queued_job_whose_call_a_signal_has_ended_runs_in_its_turn)
{
	ASSERT_EQ(1, queue_job(&self->c, LONG_NS));
	prepare_waiting(self, SHORT_NS);
	alarm_every(SIGNAL_MS);
	EXPECT_EQ(-EINTR, job_submit(&self->c, &self->job));
	alarm_every(0);
	EXPECT_EQ(2, self->job.submit.cookie);
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	for (int i = 1; i <= 2; i++) {
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_EQ(i, record.cookie);
		EXPECT_EQ(i == 1 ? -ECANCELED : -ETIMEDOUT, record.status);
	}
}

TEST_F(lost, close_ends_a_job_whose_call_a_signal_has_ended)
{
	uint64_t begin = now_ns();

	interrupt_submit(_metadata, self);
	close(self->c.fd);
	ASSERT_LE(0, self->c.fd = channel_open_fd(self->function, self->number, O_RDWR));
	expect_goes_on(_metadata, &self->c);
	EXPECT_GT(LONG_NS, now_ns() - begin);
}

/* A thread that makes the structure read-only once the job is submitted. */
struct spoiler {
	struct job *page;
	_Atomic pid_t id;
	pthread_t thread;
};

static void *spoiling(void *arg)
{
	struct spoiler *s = arg;

	if (wait_until_asleep(&s->id) && !mprotect(s->page, sizeof(*s->page), PROT_READ))
		kill(s->id, SIGUSR1);
	return NULL;
}

TEST_F(lost, job_that_the_program_cannot_be_told_of_is_cancelled)
{
	struct sigaction sa = { .sa_handler = alarm_handler };
	struct spoiler s = { .id = getpid() };
	uint64_t begin = now_ns();
	struct job *j;

	j = mmap(NULL, sizeof(*j), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(j != MAP_FAILED);
	job_copy(j, &self->c, 0, self->c.size / 2, unit(&self->c));
	j->submit.flags = FERRODMA_SUBMIT_WAIT;
	j->submit.timeout_ns = LONG_NS;
	s.page = j;
	ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	ASSERT_EQ(0, pthread_create(&s.thread, NULL, spoiling, &s));
	EXPECT_EQ(-EFAULT, job_submit(&self->c, j));
	ASSERT_EQ(0, pthread_join(s.thread, NULL));
	EXPECT_FALSE(has_record(&self->c));
	EXPECT_EQ(-ENOENT, take_within(&self->c, 1, SHORT_NS, NULL));
	expect_goes_on(_metadata, &self->c);
	EXPECT_GT(LONG_NS, now_ns() - begin);
}

/*
 * A SUBMIT in another thread which a signal has interrupted, and which waits for the page of
 * its structure to write its result there.
 */
struct telling {
	struct sleeper call;
	/* The page of the structure. */
	uint8_t *page;
	int uffd;
};

static int call_submit_on_page(struct sleeper *s)
{
	return fdma_ioctl(s->c->fd, FERRODMA_IOC_SUBMIT, s->arg);
}

/* Starts such a call; returns whether the system has userfaultfd. */
static bool start_telling(struct __test_metadata *_metadata, struct telling *t,
			  const struct channel *c)
{
	struct sigaction sa = { .sa_handler = alarm_handler };
	struct job *j = &t->call.job;

	t->page = pages_on_demand(1, &t->uffd);
	if (!t->page)
		return false;
	job_copy(j, c, 0, c->size / 2, unit(c));
	j->submit.flags = FERRODMA_SUBMIT_WAIT;
	j->submit.timeout_ns = LONG_NS;
	ASSERT_EQ(0, supply(t->uffd, t->page, (uint8_t *)j));
	ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	t->call.arg = t->page;
	make_sleeping_call(_metadata, &t->call, c, call_submit_on_page);
	ASSERT_EQ(0, madvise(t->page, page_size(), MADV_DONTNEED));
	ASSERT_EQ(0, pthread_kill(t->call.thread, SIGUSR1));
	ASSERT_TRUE(wait_demand(t->uffd));
	return true;
}

/* Supplies the page, and checks what the call has written there. */
static void end_telling(struct __test_metadata *_metadata, struct telling *t)
{
	const struct ferrodma_submit *submit = (void *)t->page;

	ASSERT_EQ(0, supply(t->uffd, t->page, (uint8_t *)&t->call.job));
	expect_ends(_metadata, &t->call, -EINTR);
	EXPECT_EQ(FERRODMA_SUBMIT_WAIT | FERRODMA_SUBMIT_SUBMITTED, submit->flags);
	EXPECT_EQ(1, submit->cookie);
}

TEST_F(lost, unbind_does_not_wait_until_the_program_can_be_told)
{
	static struct telling t;
	pid_t pid, ended = 0;
	int status = -1;

	if (!start_telling(_metadata, &t, &self->c))
		SKIP(return, "userfaultfd: %s", strerror(errno));
	pid = fork();
	if (!pid) {
		/* Only the parent keeps it: if the test fails, its end ends the fault. */
		close(t.uffd);
		_exit(-device_unbind(&self->device));
	}
	for (int ms = 0; ms < SOON_MS && !ended; ms++) {
		sleep_ms(1);
		ended = waitpid(pid, &status, WNOHANG);
	}
	EXPECT_EQ(pid, ended) TH_LOG("unbind waits for a page of a program");
	end_telling(_metadata, &t);
	if (!ended)
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(1, record.cookie);
	EXPECT_EQ(-ENODEV, record.status);
}

TEST_F(lost, memory_of_a_job_comes_back_before_the_program_can_be_told)
{
	bool has_blocks = self->c.info.block_size;
	long long blocks = has_blocks ? blocks_free(self->function, self->number) : 0;
	static struct telling t;

	if (!start_telling(_metadata, &t, &self->c))
		SKIP(return, "userfaultfd: %s", strerror(errno));
	if (has_blocks)
		EXPECT_GT(blocks, blocks_free(self->function, self->number));
	EXPECT_EQ(0, job_cancel(&self->c, 1));
	EXPECT_TRUE(wait_record(&self->c));
	EXPECT_EQ(0, pinned_kb());
	if (has_blocks)
		EXPECT_EQ(blocks, blocks_free(self->function, self->number));
	end_telling(_metadata, &t);
	ASSERT_EQ(0, set_nonblock(&self->c));
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(1, record.cookie);
	EXPECT_EQ(-ECANCELED, record.status);
}

TEST_F(lost, WAIT_with_a_limit_that_signals_let_start_again_keeps_its_end)
{
	uint64_t begin = now_ns(), took;

	ASSERT_EQ(1, queue_job(&self->c, LONG_NS));
	alarm_with(SA_RESTART, SIGNAL_MS);
	EXPECT_EQ(-ETIMEDOUT, take_within(&self->c, 1, SOME_NS, NULL));
	alarm_every(0);
	took = now_ns() - begin;
	EXPECT_LE(SOME_NS, took);
	EXPECT_GT(LONG_NS, took);
}

TEST_F(lost, WAIT_that_a_signal_has_ended_says_what_is_left_of_its_limit)
{
	struct ferrodma_wait w = { .size = sizeof(w), .cookie = 1, .timeout_ns = LONG_NS };

	ASSERT_EQ(1, queue_job(&self->c, LONG_NS));
	alarm_every(SIGNAL_MS);
	EXPECT_EQ(-EINTR, fdma_ioctl(self->c.fd, FERRODMA_IOC_WAIT, &w));
	alarm_every(0);
	EXPECT_GT(LONG_NS, w.timeout_ns);
	EXPECT_NE(0, w.timeout_ns);
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	ASSERT_EQ(0, fdma_ioctl(self->c.fd, FERRODMA_IOC_WAIT, &w));
	EXPECT_EQ(-ECANCELED, w.completion.status);
}

TEST_F(lost, SIGKILL_ends_a_SUBMIT_that_waits_once_more)
{
	uint64_t begin = now_ns();
	_Atomic pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		struct channel own;
		struct job j;

		if (channel_open(&own, self->function, self->number, 0))
			_exit(1);
		job_copy(&j, &own, 0, own.size / 2, unit(&own));
		j.submit.timeout_ns = LONG_NS;
		alarm_with(SA_RESTART, SIGNAL_MS);
		job_run(&own, &j);
		_exit(2);
	}
	ASSERT_TRUE(wait_until_asleep(&pid));
	sleep_ms(100);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	expect_child_killed(_metadata, pid, SIGKILL);
	expect_goes_on(_metadata, &self->c);
	EXPECT_GT(LONG_NS, now_ns() - begin);
}

TEST_HARNESS_MAIN
