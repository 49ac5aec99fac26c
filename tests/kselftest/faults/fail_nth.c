// SPDX-License-Identifier: GPL-2.0
/* Calls on a file in which an allocation fails, or in which memory runs out. */
#include "fail_fixture.h"

#define MAKE_IT_FAIL	"/proc/thread-self/make-it-fail"

/* Number of failures when memory runs out; more than a call has allocations. */
#define RUNS_OUT	1000000

/* Bytes by which the memory that is left grows from call to call. */
#define STEP		128

static struct ferrodma_completion record;

TEST_F_TIMEOUT(fail, open, LONG_TIME)
{
	bool failed = true;
	int fd;

	for (int n = 1; failed; n++) {
		arm(self->nth, n);
		fd = channel_open_fd(variant->function, variant->number, O_RDWR);
		failed = has_failed(self->nth);
		if (fd >= 0)
			close(fd);
		failed = another(_metadata, self, n, fd < 0 ? fd : 0, failed);
	}
	EXPECT_LT(0, self->refused);
}

/*
 * Returns whether the job may have run although the call has failed, since its copy to user
 * space failed.
 */
static bool may_have_run(const FIXTURE_DATA(fail) *self, int ret)
{
	return ret == -EFAULT && self->copies;
}

TEST_F_TIMEOUT(fail, waiting_submit, LONG_TIME)
{
	bool failed = true;
	int ret;

	for (int n = 1; failed; n++) {
		ASSERT_TRUE(open_afresh(self));
		make_job(self, n);
		arm(self->nth, n);
		ret = job_run(&self->c, &self->job);
		failed = has_failed(self->nth);
		if (!may_have_run(self, ret))
			expect_done(_metadata, self, !ret);
		failed = another(_metadata, self, n, ret, failed);
	}
	EXPECT_LT(0, self->refused);
}

/*
 * Makes all allocations fail once the call has allocated this many bytes: unlike a single
 * failure, this also hits the fallbacks.
 */
static bool run_out(int make_it_fail, int bytes)
{
	char text[16], times[16];

	snprintf(text, sizeof(text), "%d", bytes);
	snprintf(times, sizeof(times), "%d", RUNS_OUT);
	return set_knob("failslab", "task-filter", "Y") && set_knob("failslab", "times", times) &&
	       set_knob("failslab", "space", text) && set_knob("failslab", "probability", "100") &&
	       pwrite(make_it_fail, "1", 1, 0) == 1;
}

/* Lets allocations succeed again; returns whether memory has run out. */
static bool has_run_out(int make_it_fail)
{
	int fd;
	char text[16] = "";

	while (pwrite(make_it_fail, "0", 1, 0) != 1)
		;
	fd = open(DEBUGFS "/failslab/times", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return atoi(text) != RUNS_OUT;
}

TEST_F_TIMEOUT(fail, submit_that_memory_runs_out_for, LONG_TIME)
{
	int make_it_fail = open(MAKE_IT_FAIL, O_WRONLY | O_CLOEXEC), ret;
	bool failed = true;

	ASSERT_LE(0, make_it_fail);
	for (int n = 1; failed; n++) {
		ASSERT_TRUE(open_afresh(self));
		make_job(self, n);
		ASSERT_TRUE(run_out(make_it_fail, (n - 1) * STEP + 1));
		ret = job_run(&self->c, &self->job);
		failed = has_run_out(make_it_fail);
		expect_done(_metadata, self, !ret);
		failed = another(_metadata, self, n, ret, failed);
	}
	EXPECT_LT(0, self->refused);
	close(make_it_fail);
}

TEST_F_TIMEOUT(fail, queued_submit, LONG_TIME)
{
	bool failed = true;
	int ret;

	for (int n = 1; failed; n++) {
		ASSERT_TRUE(open_afresh(self));
		make_job(self, n);
		arm(self->nth, n);
		ret = job_submit(&self->c, &self->job);
		failed = has_failed(self->nth);
		if (!ret) {
			EXPECT_EQ(0, take(&self->c, self->job.submit.cookie, &record));
			EXPECT_EQ(0, record.status);
		}
		/* The job may be queued although the cookie could not be returned. */
		if (!may_have_run(self, ret))
			expect_done(_metadata, self, !ret);
		while (poll_events(&self->c, POLLIN, 20) & POLLIN)
			ASSERT_EQ(1, read_records(&self->c, &record, 1));
		failed = another(_metadata, self, n, ret, failed);
	}
}

/*
 * Fails the test unless the record was taken or can be taken now. Of a pool, the record may be
 * EFAULT because the message could not be copied.
 */
static void expect_taken(struct __test_metadata *_metadata, FIXTURE_DATA(fail) *self, int ret)
{
	if (ret)
		EXPECT_EQ(0, take(&self->c, self->job.submit.cookie, &record));
	if (self->c.info.function == FERRODMA_FUNCTION_POOL && self->copies &&
	    record.status == -EFAULT)
		return;
	EXPECT_EQ(0, record.status);
	expect_done(_metadata, self, true);
}

TEST_F_TIMEOUT(fail, wait_for_a_record, LONG_TIME)
{
	bool failed = true;
	int ret;

	for (int n = 1; failed; n++) {
		make_job(self, n);
		ASSERT_EQ(0, job_submit(&self->c, &self->job));
		ASSERT_TRUE(wait_record(&self->c));
		arm(self->nth, n);
		ret = take(&self->c, self->job.submit.cookie, &record);
		failed = has_failed(self->nth);
		expect_taken(_metadata, self, ret);
		failed = another(_metadata, self, n, ret, failed);
	}
}

TEST_F_TIMEOUT(fail, read_of_a_record, LONG_TIME)
{
	bool failed = true;
	int ret;

	for (int n = 1; failed; n++) {
		make_job(self, n);
		ASSERT_EQ(0, job_submit(&self->c, &self->job));
		ASSERT_TRUE(wait_record(&self->c));
		arm(self->nth, n);
		ret = read_records(&self->c, &record, 1);
		failed = has_failed(self->nth);
		ret = ret == 1 ? 0 : ret;
		expect_taken(_metadata, self, ret);
		failed = another(_metadata, self, n, ret, failed);
	}
}

TEST_F_TIMEOUT(fail, mmap_and_first_touch, LONG_TIME)
{
	bool failed = true;
	uint8_t *p;
	int ret;

	if (!self->c.info.buffer_size)
		SKIP(return, "the function has no buffer");
	for (int n = 1; failed; n++) {
		self->c.mem[0] = n;
		arm(self->nth, n);
		p = mmap(NULL, self->c.size, RW, MAP_SHARED, self->c.fd, 0);
		ret = p == MAP_FAILED ? -errno : 0;
		/* The fault is repeated if there was no memory for page tables. */
		if (!ret)
			EXPECT_EQ((uint8_t)n, *(volatile uint8_t *)p);
		failed = has_failed(self->nth);
		if (!ret)
			munmap(p, self->c.size);
		failed = another(_metadata, self, n, ret, failed);
	}
}

TEST_F_TIMEOUT(fail, cancel, LONG_TIME)
{
	bool failed = true;
	int ret;

	for (int n = 1; failed; n++) {
		make_job(self, n);
		ASSERT_EQ(0, job_submit(&self->c, &self->job));
		arm(self->nth, n);
		ret = job_cancel(&self->c, self->job.submit.cookie);
		failed = has_failed(self->nth);
		EXPECT_EQ(0, take(&self->c, self->job.submit.cookie, &record));
		EXPECT_EQ(ret ? 0 : -ECANCELED, record.status);
		if (ret)
			expect_done(_metadata, self, true);
		failed = another(_metadata, self, n, ret == -EALREADY ? 0 : ret, failed);
	}
}

TEST_F_TIMEOUT(fail, close_with_jobs, LONG_TIME)
{
	bool failed = true;
	int ret;

	for (int n = 1; failed; n++) {
		ASSERT_TRUE(open_afresh(self));
		make_job(self, n);
		ASSERT_EQ(0, job_submit(&self->c, &self->job));
		ASSERT_EQ(0, job_submit(&self->c, &self->job));
		arm(self->nth, n);
		ret = close(self->c.fd) ? -errno : 0;
		failed = has_failed(self->nth);
		EXPECT_EQ(0, ret);
		self->c.fd = -1;
		ASSERT_TRUE(open_afresh(self));
		failed = another(_metadata, self, n, ret, failed);
	}
}

int main(int argc, char **argv)
{
	return run_fail_tests(argc, argv);
}
