// SPDX-License-Identifier: GPL-2.0
/*
 * A fault at each place of a full queue, and at each place of a list of 256 segments, on the
 * channels of the in-kernel test module. Run by sweep.sh.
 */
#include "channel_checks.h"

/* Numbers of source segments, by what the hardware does with such a job. */
enum { WORKS = 1, HALTS = 2, FAULTS = 3, LOSES = 13 };

#define SHORT_NS	(2 * NSEC_PER_MSEC)
#define LONG_NS		(20 * NSEC_PER_SEC)

/* Each job of a full queue has its place in the source and in the destination. */
#define PLACE		64

/*
 * A list of so many segments, each in a place of its own: the length of one says what happens
 * there.
 */
#define SWEPT		256
#define APART		32
enum { USUAL = 8, HALTS_HERE = 4, FAULTS_HERE = 12 };

static struct ferrodma_completion record;

FIXTURE(sweep) {
	struct channel c;
	uint8_t *model;
	size_t half;
};

FIXTURE_VARIANT(sweep) {
	const char *function;
};

FIXTURE_VARIANT_ADD(sweep, test) { .function = "test" };
FIXTURE_VARIANT_ADD(sweep, sgtest) { .function = "sgtest" };

FIXTURE_SETUP(sweep)
{
	int ret = channel_open(&self->c, variant->function, 0, 0);

	if (ret == -ENOENT)
		SKIP(return, "this machine has no such channel");
	ASSERT_EQ(0, ret);
	self->half = self->c.size / 2;
	ASSERT_LE(64 * PLACE, self->half);
	self->model = malloc(self->c.size);
	ASSERT_TRUE(self->model != NULL);
}

FIXTURE_TEARDOWN(sweep)
{
	channel_close(&self->c);
}

/* Fills memory with a pattern, in which the destination differs from the source. */
static void fill_memory(FIXTURE_DATA(sweep) *self, uint64_t seed)
{
	pattern_fill(self->c.mem, self->c.size, seed);
	memcpy(self->model, self->c.mem, self->c.size);
}

/* Fails the test unless memory is what the model says. */
static void expect_memory(struct __test_metadata *_metadata, FIXTURE_DATA(sweep) *self)
{
	EXPECT_EQ(-1, area_differs(self->c.mem, self->model, self->c.size));
}

/*
 * Queues a copy of the place @at in the source to that in the destination. Of a job with several
 * segments, these are four bytes long and eight apart.
 */
static int queue_place(const struct channel *c, int at, int segments, uint64_t limit_ns)
{
	size_t len = segments == WORKS ? PLACE : 4;
	struct job j;

	job_init(&j);
	for (int i = 0; i < segments; i++)
		job_add(c, j.src, &j.submit.nr_src, at * PLACE + i * 8, len);
	job_add(c, j.dst, &j.submit.nr_dst, c->size / 2 + at * PLACE, segments * len);
	j.submit.timeout_ns = limit_ns;
	return job_submit(c, &j);
}

/*
 * Fails the test unless the record of job @at is that of such a job, and puts its bytes in the
 * model.
 */
static void expect_record(struct __test_metadata *_metadata, FIXTURE_DATA(sweep) *self, int at,
			  int segments)
{
	uint8_t *from = self->model + at * PLACE, *to = from + self->half;

	EXPECT_EQ(at + 1, record.cookie);
	switch (segments) {
	case WORKS:
		EXPECT_EQ(0, record.status);
		EXPECT_EQ(PLACE, record.bytes);
		memcpy(to, from, PLACE);
		break;
	case LOSES:
		EXPECT_EQ(-ETIMEDOUT, record.status);
		EXPECT_EQ(LOSES * 4, record.bytes);
		for (int i = 0; i < LOSES; i++)
			memcpy(to + i * 4, from + i * 8, 4);
		break;
	default:
		/* The segment before the fault is moved. */
		EXPECT_EQ(segments == FAULTS ? -EIO : -ETIMEDOUT, record.status);
		EXPECT_EQ(4, record.bytes);
		memcpy(to, from, 4);
	}
}

/*
 * Returns the place after @at to try, of which @last is the last one. All are tried with all the
 * effort; else some, the first and the last among them.
 */
static int next_place(int at, int last)
{
	int step = last / effort(last);

	return at < last && at + step > last ? last : at + step;
}

/* A job that pauses keeps all others in the queue until it is cancelled. */
static void sweep_queue(struct __test_metadata *_metadata, FIXTURE_DATA(sweep) *self,
			int segments)
{
	const int depth = self->c.info.queue_depth;
	uint64_t limit = segments == FAULTS ? LONG_NS : SHORT_NS;

	for (int fault = 1; fault < depth; fault = next_place(fault, depth - 1)) {
		channel_close(&self->c);
		ASSERT_EQ(0, channel_open(&self->c, self->c.info.function == FERRODMA_FUNCTION_SG ?
					  "sgtest" : "test", 0, 0));
		fill_memory(self, fault);
		ASSERT_EQ(0, queue_place(&self->c, 0, HALTS, LONG_NS));
		for (int i = 1; i < depth; i++)
			ASSERT_EQ(0, queue_place(&self->c, i, i == fault ? segments : WORKS,
						 i == fault ? limit : LONG_NS));
		ASSERT_EQ(0, job_cancel(&self->c, 1));
		for (int i = 0; i < depth; i++) {
			ASSERT_TRUE(wait_record(&self->c));
			ASSERT_EQ(1, read_records(&self->c, &record, 1));
			if (i)
				expect_record(_metadata, self, i, i == fault ? segments : WORKS);
		}
		memcpy(self->model + self->half, self->model, 4);
		expect_memory(_metadata, self);
		ASSERT_TRUE(__test_passed(_metadata)) TH_LOG("fault at %d", fault);
	}
}

TEST_F(sweep, pause_at_each_place_of_a_full_queue)
{
	sweep_queue(_metadata, self, HALTS);
}

TEST_F(sweep, bus_error_at_each_place_of_a_full_queue)
{
	if (!reports_bus_errors(&self->c))
		SKIP(return, "the engine does not report bus errors");
	sweep_queue(_metadata, self, FAULTS);
}

TEST_F(sweep, lost_interrupt_at_each_place_of_a_full_queue)
{
	sweep_queue(_metadata, self, LOSES);
}

/* Runs a copy of 256 segments for each of them, at which it goes wrong; the next job is good. */
static void sweep_list(struct __test_metadata *_metadata, FIXTURE_DATA(sweep) *self, size_t len,
		       int status)
{
	struct channel *c = &self->c;
	struct job j;

	ASSERT_LE(SWEPT, c->info.max_segments);
	/* What goes wrong at the last one is the end of the list. */
	for (int fault = 0; fault < SWEPT - 1; fault = next_place(fault, SWEPT - 2)) {
		size_t bytes = 0, done = 0;

		fill_memory(self, fault);
		job_init(&j);
		for (int i = 0; i < SWEPT; i++) {
			size_t part = i == fault ? len : USUAL;

			job_add(c, j.src, &j.submit.nr_src, i * APART, part);
			if (i <= fault)
				memcpy(self->model + self->half + bytes, self->model + i * APART,
				       part);
			bytes += part;
			done = i == fault ? bytes : done;
		}
		job_add(c, j.dst, &j.submit.nr_dst, self->half, bytes);
		j.submit.timeout_ns = status == -EIO ? LONG_NS : SHORT_NS;
		EXPECT_EQ(status, job_run(c, &j));
		EXPECT_EQ(done, j.submit.completion.bytes);
		expect_memory(_metadata, self);
		job_copy(&j, c, 0, self->half, PLACE);
		EXPECT_EQ(0, job_run(c, &j));
		memcpy(self->model + self->half, self->model, PLACE);
		expect_memory(_metadata, self);
		ASSERT_TRUE(__test_passed(_metadata)) TH_LOG("fault at %d", fault);
	}
}

TEST_F(sweep, pause_at_each_place_of_a_long_list)
{
	sweep_list(_metadata, self, HALTS_HERE, -ETIMEDOUT);
}

TEST_F(sweep, bus_error_at_each_place_of_a_long_list)
{
	if (!reports_bus_errors(&self->c))
		SKIP(return, "the engine does not report bus errors");
	sweep_list(_metadata, self, FAULTS_HERE, -EIO);
}

TEST_HARNESS_MAIN
