// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation fails once. The kernel is told to fail the n-th one of a call,
 * for n = 1, 2, ... until the call makes no n-th allocation: each time the call must
 * succeed all the same, or return an error that is documented, leave memory as it
 * was and nothing behind, and the channel must go on working. Then the same where
 * memory is out for all that a call asks for from some byte on.
 *
 * Documentation/fault-injection/fault-injection.rst, "/proc/self/fail-nth".
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include "bind.h"
#include "channel_checks.h"
#include "debugfs.h"
#include "pins.h"
#include "user_memory.h"

#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define MAKE_IT_FAIL	"/proc/thread-self/make-it-fail"

/* More allocations than any of the calls makes. */
#define MOST		5000

/* Allocations that fail where memory runs out; more of them than there are. */
#define RUNS_OUT	1000000

/* Bytes more that there are each time. */
#define STEP		128

/* The longest of these loops: a few hundred times to unbind and bind. */
#define LONG_TIME	1200

static struct ferrodma_completion record;

FIXTURE(fail) {
	const char *function;
	int number;
	struct channel c;
	struct job job;
	struct bound_device device;
	int nth;
	/* Copies from and to programs fail too. */
	bool copies;
	long pins;
	long long blocks;
	uint8_t *before, *after;
	/* What became of the calls. */
	int survived, refused;
};

FIXTURE_VARIANT(fail) {
	const char *function;
	int number;
};

#define FAIL_ON(function_, number_) \
	FIXTURE_VARIANT_ADD(fail, function_##number_) { \
		.function = #function_, .number = number_, \
	}

FAIL_ON(coherent, 0);
FAIL_ON(sg, 0);
FAIL_ON(pool, 0);

static bool set_knob(const char *fault, const char *knob, const char *value)
{
	char path[128];
	int fd;
	bool done;

	snprintf(path, sizeof(path), DEBUGFS "/%s/%s", fault, knob);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, value, strlen(value)) > 0;
	close(fd);
	return done;
}

/*
 * By default allocations that may sleep do not fail. Nothing fails but for tasks
 * that ask for it, so this may stay. Without a word: each would be a stack trace.
 */
static bool let_all_fail(bool *copies)
{
	mount("debugfs", DEBUGFS, "debugfs", 0, NULL);
	*copies = set_knob("fail_usercopy", "verbose", "0");
	return set_knob("failslab", "ignore-gfp-wait", "N") && set_knob("failslab", "verbose", "0") &&
	       set_knob("fail_page_alloc", "ignore-gfp-wait", "N") &&
	       set_knob("fail_page_alloc", "ignore-gfp-highmem", "N") &&
	       set_knob("fail_page_alloc", "min-order", "0") &&
	       set_knob("fail_page_alloc", "verbose", "0");
}

/* Where the function called @name is in the kernel; if that is null, the first behind @after. */
static unsigned long address_of(const char *name, unsigned long after)
{
	unsigned long address, found = 0;
	FILE *f = fopen("/proc/kallsyms", "re");
	char symbol[512];

	while (f && fscanf(f, "%lx %*c %511s%*[^\n]", &address, symbol) == 2)
		if (name ? !strcmp(symbol, name) : address > after && (!found || address < found))
			found = address;
	if (f)
		fclose(f);
	return found;
}

/* DMA_API_DEBUG turns itself off where it has no memory for what it remembers. */
static bool let_dma_debug_be(void)
{
	unsigned long start = address_of("add_dma_entry", 0);
	char from[32], to[32];

	if (!start)
		return true;
	snprintf(from, sizeof(from), "%#lx", start);
	snprintf(to, sizeof(to), "%#lx", address_of(NULL, start));
	return set_knob("failslab", "reject-start", from) && set_knob("failslab", "reject-end", to);
}

static void arm(int nth, int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", n);

	/* To take it back is a copy from the program, which may be the one that fails. */
	while (pwrite(nth, text, len, 0) != len)
		;
}

/* Ends it; whether something was made to fail. */
static bool has_failed(int nth)
{
	char text[16] = "";
	bool failed = pread(nth, text, sizeof(text) - 1, 0) > 0 && !atoi(text);

	arm(nth, 0);
	return failed;
}

static long long blocks_now(const FIXTURE_DATA(fail) *self)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEBUGFS "/ferrodma/%s", self->device.device);
	return counter(path, "blocks_free");
}

/* Whether a call may end like this because of a failed allocation, or copy. */
static bool is_clean(const FIXTURE_DATA(fail) *self, int ret)
{
	return !ret || ret == -ENOMEM || (ret == -EFAULT && self->copies);
}

FIXTURE_SETUP(fail)
{
	self->function = variant->function;
	self->number = variant->number;
	self->c.fd = -1;
	self->nth = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->nth);
	ASSERT_TRUE(let_all_fail(&self->copies));
	ASSERT_EQ(0, bound_device_find(&self->device, variant->function, variant->number));
	ASSERT_EQ(0, channel_open(&self->c, variant->function, variant->number, 0));
	self->before = malloc(self->c.size);
	self->after = malloc(self->c.size);
	ASSERT_TRUE(self->before && self->after);
	self->pins = pins_held();
	self->blocks = blocks_now(self);
}

/* When the test has ended nothing is left of it, whatever became of it. */
FIXTURE_TEARDOWN_PARENT(fail)
{
	if (self->device.device[0] && bound_device_number(&self->device, variant->function) < 0)
		EXPECT_EQ(0, device_bind(&self->device));
	EXPECT_EQ(self->pins, pins_held());
	TH_LOG("%d made to fail: %d calls succeeded all the same, %d did not",
	       self->survived + self->refused, self->survived, self->refused);
}

/* Opens a new file: its first job makes all allocations that there are. */
static bool open_afresh(FIXTURE_DATA(fail) *self)
{
	channel_close(&self->c);
	return !channel_open(&self->c, self->function, self->number, 0);
}

/*
 * A job of several segments, cut differently on the two sides, from the first
 * quarter of memory to the third; what it must do is known.
 */
static void make_job(FIXTURE_DATA(fail) *self, uint64_t seed)
{
	struct channel *c = &self->c;
	struct job *j = &self->job;
	size_t quarter = c->size / 4, u = unit(c) > address_unit(c) ? unit(c) : address_unit(c);
	size_t piece = c->info.block_size ?: 512;
	uint32_t n = most_segments(c) < 8 ? most_segments(c) : 8;

	piece = piece * n < quarter / 2 ? piece : quarter / 2 / n;
	piece = piece / (2 * u) * 2 * u;
	pattern_fill(c->mem, c->size, seed);
	memcpy(self->before, c->mem, c->size);
	memcpy(self->after, c->mem, c->size);
	job_init(j);
	for (uint32_t i = 0; i < n; i++) {
		size_t from = i * (quarter / n) / u * u;

		job_add(c, j->src, &j->submit.nr_src, from, piece);
		memcpy(self->after + 2 * quarter + i * piece, c->mem + from, piece);
	}
	/* The other way about: half a piece more at one end, and less at the other. */
	for (uint32_t i = 0; i < n; i++)
		job_add(c, j->dst, &j->submit.nr_dst, 2 * quarter + i * piece, piece);
	if (n > 1 && !c->info.block_size) {
		j->dst[0].len += piece / 2;
		j->dst[1].addr += piece / 2;
		j->dst[1].len -= piece / 2;
	}
	j->submit.timeout_ns = 10 * NSEC_PER_SEC;
}

/* Fails the test unless the job just now did all, or nothing. */
static void expect_done(struct __test_metadata *_metadata, FIXTURE_DATA(fail) *self, bool done)
{
	EXPECT_EQ(-1, area_differs(self->c.mem, done ? self->after : self->before, self->c.size));
}

/* Fails the test unless nothing is left behind, and the next job runs. */
static void expect_goes_on(struct __test_metadata *_metadata, FIXTURE_DATA(fail) *self, int n)
{
	EXPECT_EQ(0, pinned_kb());
	EXPECT_EQ(self->pins, pins_held());
	EXPECT_EQ(self->blocks, blocks_now(self));
	make_job(self, n + MOST);
	EXPECT_EQ(0, job_run(&self->c, &self->job)) TH_LOG("after failure %d", n);
	expect_done(_metadata, self, true);
}

/* Counts what became of a call; whether there is a further allocation to fail. */
static bool goes_on(struct __test_metadata *_metadata, FIXTURE_DATA(fail) *self, int n, int ret,
		    bool failed)
{
	EXPECT_TRUE(is_clean(self, ret)) TH_LOG("failure %d: %s", n, strerror(-ret));
	if (!failed)
		EXPECT_EQ(0, ret);
	EXPECT_GT(MOST, n);
	self->survived += failed && !ret;
	self->refused += failed && ret;
	return failed && n < MOST && __test_passed(_metadata);
}

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
		failed = goes_on(_metadata, self, n, fd < 0 ? fd : 0, failed);
		expect_goes_on(_metadata, self, n);
	}
	EXPECT_LT(0, self->refused);
}

/* Copies back to the program what fails there: the job has run, but nobody is told. */
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
		failed = goes_on(_metadata, self, n, ret, failed);
		expect_goes_on(_metadata, self, n);
	}
	EXPECT_LT(0, self->refused);
}

/*
 * Where memory runs out for good, once the call has had as many bytes: what is tried
 * in another way when it has failed then fails again.
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

/* Ends it; whether memory has run out. */
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
		failed = goes_on(_metadata, self, n, ret, failed);
		expect_goes_on(_metadata, self, n);
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
		/* It may be queued, and only its cookie is not told. */
		if (!may_have_run(self, ret))
			expect_done(_metadata, self, !ret);
		while (poll_events(&self->c, POLLIN, 20) & POLLIN)
			ASSERT_EQ(1, read_records(&self->c, &record, 1));
		failed = goes_on(_metadata, self, n, ret, failed);
		expect_goes_on(_metadata, self, n);
	}
}

/* A record that could not be given can be taken later, unless it was given without the message. */
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
		failed = goes_on(_metadata, self, n, ret, failed);
		expect_goes_on(_metadata, self, n);
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
		failed = goes_on(_metadata, self, n, ret, failed);
		expect_goes_on(_metadata, self, n);
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
		/* It is tried again where there is no memory for page tables. */
		if (!ret)
			EXPECT_EQ((uint8_t)n, *(volatile uint8_t *)p);
		failed = has_failed(self->nth);
		if (!ret)
			munmap(p, self->c.size);
		failed = goes_on(_metadata, self, n, ret, failed);
		expect_goes_on(_metadata, self, n);
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
		failed = goes_on(_metadata, self, n, ret == -EALREADY ? 0 : ret, failed);
		expect_goes_on(_metadata, self, n);
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
		failed = goes_on(_metadata, self, n, ret, failed);
		expect_goes_on(_metadata, self, n);
	}
}

/* As write() to the driver's file in sysfs, which is open already. */
static int tell_driver(const FIXTURE_DATA(fail) *self, int fd)
{
	return pwrite(fd, self->device.device, strlen(self->device.device), 0) < 0 ? -errno : 0;
}

static int driver_file(const FIXTURE_DATA(fail) *self, const char *name)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/%s", self->device.driver, name);
	return open(path, O_WRONLY | O_CLOEXEC);
}

TEST_F_TIMEOUT(fail, unbind_with_records, LONG_TIME)
{
	int fd = driver_file(self, "unbind"), ret;
	bool failed = true;

	ASSERT_LE(0, fd);
	for (int n = 1; failed; n++) {
		make_job(self, n);
		ASSERT_EQ(0, job_submit(&self->c, &self->job));
		arm(self->nth, n);
		ret = tell_driver(self, fd);
		failed = has_failed(self->nth);
		/* Then it was not told at all. */
		if (ret)
			ASSERT_EQ(0, device_unbind(&self->device));
		EXPECT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_TRUE(!record.status || record.status == -ENODEV);
		EXPECT_EQ(-ENODEV, read_records(&self->c, &record, 1));
		EXPECT_EQ(self->pins, pins_held());
		ASSERT_EQ(0, device_bind(&self->device));
		ASSERT_TRUE(open_afresh(self));
		failed = goes_on(_metadata, self, n, ret, failed);
		expect_goes_on(_metadata, self, n);
	}
	close(fd);
}

/* Whether the channel is there as it should be: with its node, and its files in debugfs. */
static bool is_whole(const FIXTURE_DATA(fail) *self)
{
	char node[64];

	snprintf(node, sizeof(node), "/dev/ferrodma-%s%d", self->function, self->number);
	return !access(node, F_OK) && blocks_now(self) == self->blocks;
}

/*
 * One of a percent of all allocations: there are some hundreds, each for a probe and
 * its proof. A driver that is bound all the same may lack what the kernel does not
 * insist on, such as files in debugfs, and is then bound again.
 */
TEST_F_TIMEOUT(fail, bind, LONG_TIME)
{
	int fd = driver_file(self, "bind"), ret, step = 100 / effort(100);
	bool failed = true;

	ASSERT_LE(0, fd);
	for (int n = 1; failed; n += step) {
		channel_close(&self->c);
		ASSERT_EQ(0, device_unbind(&self->device));
		EXPECT_EQ(self->pins, pins_held());
		arm(self->nth, n);
		ret = tell_driver(self, fd);
		failed = has_failed(self->nth);
		EXPECT_EQ(!ret, bound_device_number(&self->device, self->function) >= 0);
		if (!ret && failed && !is_whole(self)) {
			ASSERT_EQ(0, device_unbind(&self->device));
			ASSERT_EQ(0, device_bind(&self->device));
		}
		if (ret)
			ASSERT_EQ(0, device_bind(&self->device)) TH_LOG("after failure %d", n);
		ASSERT_TRUE(is_whole(self));
		ASSERT_TRUE(open_afresh(self));
		failed = goes_on(_metadata, self, n, ret, failed);
		expect_goes_on(_metadata, self, n);
	}
	EXPECT_LT(0, self->refused);
	close(fd);
}

/*
 * One of ten of a percent of all allocations: there are thousands. What fails may be
 * the kernel's own preparations for the module, or a probe, which the module survives
 * without that channel. The proof of each is the matter of the test above. The call
 * takes the module from memory, since reading a file would warn of it in the log.
 */
TEST_F_TIMEOUT(fail, insert_of_the_driver, LONG_TIME)
{
	char path[PATH_MAX + 16], name[64];
	int ret, file, step = 1000 / effort(100);
	bool failed = true;
	struct stat st;
	void *image;

	snprintf(path, sizeof(path), "%s/module", self->device.driver);
	ASSERT_EQ(0, link_name(path, name, sizeof(name)));
	file = module_open(name);
	ASSERT_LE(0, file);
	ASSERT_EQ(0, fstat(file, &st));
	image = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
	ASSERT_TRUE(image != MAP_FAILED);
	close(file);
	for (int n = 1; failed; n += step) {
		channel_close(&self->c);
		ASSERT_EQ(0, module_remove(name));
		EXPECT_EQ(self->pins, pins_held());
		arm(self->nth, n);
		ret = syscall(SYS_init_module, image, st.st_size, "selftest=0") ? -errno : 0;
		failed = has_failed(self->nth);
		/* Where it finds no memory for the driver's folder, module_add_driver() says this. */
		if (failed && ret == -EINVAL)
			ret = -ENOMEM;
		/* Either it is there or nothing of it. */
		EXPECT_EQ(!ret, !access(self->device.driver, F_OK));
		if (!ret && failed && !is_whole(self))
			ASSERT_EQ(0, module_remove(name));
		if (ret || (failed && access(self->device.driver, F_OK)))
			ASSERT_EQ(0, module_insert(name, "selftest=0")) TH_LOG("after failure %d", n);
		ASSERT_TRUE(is_whole(self));
		ASSERT_TRUE(open_afresh(self));
		failed = goes_on(_metadata, self, n, ret, failed);
		expect_goes_on(_metadata, self, n);
	}
	EXPECT_LT(0, self->refused);
	/* As it was: with the proof. */
	channel_close(&self->c);
	ASSERT_EQ(0, module_remove(name));
	ASSERT_EQ(0, module_insert(name, ""));
}

int main(int argc, char **argv)
{
	bool copies;

	if (access(FAIL_NTH, F_OK) || !let_all_fail(&copies)) {
		ksft_print_header();
		ksft_exit_skip("the kernel was built without fault injection, or its files in debugfs\n");
	}
	if (!let_dma_debug_be()) {
		ksft_print_header();
		ksft_exit_fail_msg("DMA_API_DEBUG cannot be spared: failslab has no filter by stack trace\n");
	}
	return test_harness_run(argc, argv);
}
