// SPDX-License-Identifier: GPL-2.0
/*
 * Messages of a pool channel: how long each may be, where from and where to, and
 * when they are copied: in when the job is submitted, out when its record is
 * taken, in the memory of who takes it.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "channel_fixture.h"
#include "debugfs.h"
#include "user_memory.h"

ON_CHANNEL(pool, 0);

#define JUST_BEFORE(p_, len_)	((p_) + page_size() - (len_))

static struct ferrodma_completion record;

static size_t block(const struct channel *c)
{
	return c->info.block_size;
}

/* Fails the test unless no job has any block. */
static void expect_all_back(struct __test_metadata *_metadata, const struct channel *c)
{
	long long total = blocks_in_all("pool", 0);

	EXPECT_LE(2 * c->info.max_segments, total);
	EXPECT_EQ(total, blocks_free("pool", 0));
}

/* As expect_refused(), and no block is taken for it, not even for a while. */
static void expect_not_sent(struct __test_metadata *_metadata, const struct channel *c,
			    struct job *j, int error)
{
	char directory[PATH_MAX];
	long long jobs;

	ASSERT_TRUE(state_directory(directory, sizeof(directory), "pool", 0));
	jobs = counter(directory, "jobs");
	expect_refused(_metadata, c, j, error);
	EXPECT_EQ(jobs, counter(directory, "jobs"));
	expect_all_back(_metadata, c);
}

/* The ways to a record. */
enum way { BY_SUBMIT, BY_READ, BY_WAIT, WAYS };

/* Takes the record of the job, or the oldest one, which is that. */
static int take_by(const struct channel *c, enum way by, uint64_t cookie,
		   struct ferrodma_completion *r)
{
	int ret;

	if (by == BY_WAIT)
		return take(c, cookie, r);
	ret = read_records(c, r, 1);
	return ret == 1 ? 0 : ret;
}

/* Submits a job and takes its record; the error of whichever call it is, or 0. */
static int submit_and_take(const struct channel *c, struct job *j, enum way by,
			   struct ferrodma_completion *r)
{
	int ret;

	j->submit.flags &= ~FERRODMA_SUBMIT_WAIT;
	if (by == BY_SUBMIT)
		j->submit.flags |= FERRODMA_SUBMIT_WAIT;
	ret = job_submit(c, j);
	if (ret)
		return ret;
	if (by != BY_SUBMIT)
		return take_by(c, by, j->submit.cookie, r);
	*r = j->submit.completion;
	return 0;
}

/* Queues a copy of @len bytes and waits until its record can be taken; the cookie, or 0. */
static uint64_t queue_and_finish(const struct channel *c, const void *to, const void *from,
				 size_t len)
{
	struct job j;

	job_move(&j, to, from, len);
	return !job_submit(c, &j) && wait_record(c) ? j.submit.cookie : 0;
}

/* Lengths */

TEST_F(channel, INFO_says_how_long_a_message_may_be)
{
	const struct ferrodma_info *info = &self->c.info;

	EXPECT_LE(32, info->block_size);
	EXPECT_GE(page_size(), info->block_size);
	EXPECT_EQ(0, info->block_size & (info->block_size - 1));
	EXPECT_EQ((uint64_t)info->block_size * info->max_segments, info->max_job_bytes);
	EXPECT_EQ(0, info->buffer_size);
	/* The longest job finds its blocks, if nobody else has any. */
	EXPECT_LE(2 * info->max_segments, blocks_in_all("pool", 0));
}

TEST_F(channel, messages_of_every_length_arrive_and_nothing_else_changes)
{
	size_t most = block(&self->c), u = unit(&self->c), to = self->c.size / 2;
	uint8_t *model = malloc(self->c.size);

	ASSERT_TRUE(model != NULL);
	memcpy(model, self->c.mem, self->c.size);
	for (size_t len = u; len <= most; len += u) {
		size_t from = 3 * (most - len), at = to + 2 * len;

		job_move(&self->job, self->c.mem + at, self->c.mem + from, len);
		expect_runs(_metadata, &self->c, &self->job);
		memcpy(model + at, model + from, len);
		ASSERT_EQ(-1, area_differs(self->c.mem, model, self->c.size))
			TH_LOG("%zu bytes", len);
	}
	expect_all_back(_metadata, &self->c);
	free(model);
}

TEST_F(channel, an_empty_message_is_EINVAL)
{
	struct job *j = &self->job;
	size_t to = self->c.size / 2;

	job_move(j, self->c.mem + to, self->c.mem, 0);
	expect_not_sent(_metadata, &self->c, j, -EINVAL);
	/* Also among others, on either side, where the totals are equal. */
	for (int side = 0; side < 2; side++) {
		job_move(j, self->c.mem + to, self->c.mem, block(&self->c));
		if (side)
			job_to(j, self->c.mem + to + block(&self->c), 0);
		else
			job_from(j, self->c.mem + block(&self->c), 0);
		expect_not_sent(_metadata, &self->c, j, -EINVAL);
	}
}

TEST_F(channel, a_message_longer_than_a_block_is_EMSGSIZE)
{
	size_t most = block(&self->c), more = most + unit(&self->c), to = self->c.size / 2;
	struct job *j = &self->job;

	job_move(j, self->c.mem + to, self->c.mem, more);
	expect_not_sent(_metadata, &self->c, j, -EMSGSIZE);
	/* On one side only. */
	job_move(j, self->c.mem + to, self->c.mem, most);
	job_to(j, self->c.mem + to + most, more - most);
	j->src[0].len = more;
	expect_not_sent(_metadata, &self->c, j, -EMSGSIZE);
	job_move(j, self->c.mem + to, self->c.mem, most);
	job_from(j, self->c.mem + most, more - most);
	j->dst[0].len = more;
	expect_not_sent(_metadata, &self->c, j, -EMSGSIZE);
	/* The last of many. */
	job_copy(j, &self->c, 0, to, 4 * most);
	j->src[3].len = more;
	j->dst[3].len = more;
	expect_not_sent(_metadata, &self->c, j, -EMSGSIZE);
	/* What a 32-bit length would take for a short one. */
	job_move(j, self->c.mem + to, self->c.mem, most);
	j->src[0].len = j->dst[0].len = (1ULL << 32) + most;
	expect_not_sent(_metadata, &self->c, j, -EMSGSIZE);
}

TEST_F(channel, lists_that_are_cut_differently_hold_the_same_bytes)
{
	static const uint8_t cuts[][3] = { { 1, 64, 7 }, { 64, 1, 5 }, { 33, 31, 8 }, { 2, 3, 64 } };
	uint8_t *from = self->c.mem, *to = self->c.mem + self->c.size / 2;
	size_t u = unit(&self->c);
	struct job *j = &self->job;

	for (int i = 0; i < ARRAY_SIZE(cuts); i++) {
		size_t left, n, len = 4 * block(&self->c);

		make_pattern(&self->c, SEED + i);
		job_init(j);
		for (left = len; left; left -= n) {
			n = (cuts[i][j->submit.nr_src % 3] + u - 1) / u * u;
			n = n < left ? n : left;
			job_from(j, from + len - left, n < block(&self->c) ? n : block(&self->c));
			n = j->src[j->submit.nr_src - 1].len;
		}
		for (left = len; left; left -= n) {
			n = (cuts[(i + 1) % 4][j->submit.nr_dst % 3] + u - 1) / u * u;
			n = n < left ? n : left;
			job_to(j, to + len - left, n < block(&self->c) ? n : block(&self->c));
			n = j->dst[j->submit.nr_dst - 1].len;
		}
		expect_runs(_metadata, &self->c, j);
		EXPECT_EQ(-1, pattern_differs(to, len, SEED + i));
	}
}

/* The lists of a job with any number of segments. */
struct long_job {
	struct job job;
	struct ferrodma_seg *src, *dst;
};

/* A copy between @n places of @len bytes each, in opposite orders. */
static bool long_job(struct long_job *l, const struct channel *c, uint32_t n, size_t len)
{
	l->src = calloc(n, sizeof(*l->src));
	l->dst = calloc(n, sizeof(*l->dst));
	if (!l->src || !l->dst)
		return false;
	job_init(&l->job);
	l->job.submit.src = (uintptr_t)l->src;
	l->job.submit.dst = (uintptr_t)l->dst;
	for (uint32_t i = 0; i < n; i++) {
		job_add(c, l->src, &l->job.submit.nr_src, i * len, len);
		job_add(c, l->dst, &l->job.submit.nr_dst, c->size / 2 + (n - 1 - i) * len, len);
	}
	return true;
}

TEST_F(channel, most_segments_of_the_greatest_length_and_one_more)
{
	uint32_t n = self->c.info.max_segments;
	size_t len = block(&self->c), to = self->c.size / 2;
	struct long_job l;

	ASSERT_TRUE(long_job(&l, &self->c, n, len));
	expect_runs(_metadata, &self->c, &l.job);
	EXPECT_EQ(self->c.info.max_job_bytes, l.job.submit.completion.bytes);
	for (uint32_t i = 0; i < n; i++)
		ASSERT_EQ(0, memcmp(self->c.mem + to + i * len,
				    self->c.mem + (n - 1 - i) * len, len));
	expect_all_back(_metadata, &self->c);

	make_pattern(&self->c, SEED);
	ASSERT_TRUE(long_job(&l, &self->c, n + 1, unit(&self->c)));
	expect_not_sent(_metadata, &self->c, &l.job, -E2BIG);
	/* One more on one side only. */
	l.job.submit.nr_src = n;
	l.src[n - 1].len += unit(&self->c);
	expect_not_sent(_metadata, &self->c, &l.job, -E2BIG);
	ASSERT_TRUE(long_job(&l, &self->c, n + 1, unit(&self->c)));
	l.job.submit.nr_dst = n;
	l.dst[n - 1].len += unit(&self->c);
	expect_not_sent(_metadata, &self->c, &l.job, -E2BIG);
}

/* Sources that cannot be read */

/* Fails the test unless jobs with a part of their source at @bad are not sent. */
static void expect_bad_source(struct __test_metadata *_metadata, const struct channel *c,
			      uint64_t bad)
{
	size_t len = 16 * unit(c), to = c->size / 2;
	struct job j;

	for (int good = 0; good < 3; good++) {
		job_init(&j);
		for (int i = 0; i < good; i++)
			job_from(&j, c->mem + i * len, len);
		j.src[j.submit.nr_src++] = (struct ferrodma_seg){ bad, len };
		j.submit.nr_dst = job_list(c, j.dst, to, (good + 1) * len);
		expect_not_sent(_metadata, c, &j, -EFAULT);
	}
}

TEST_F(channel, source_that_is_not_there_is_EFAULT_and_nothing_is_sent)
{
	uint8_t *p = new_pages(2);

	ASSERT_TRUE(p != NULL);
	ASSERT_EQ(0, munmap(p + page_size(), page_size()));
	expect_bad_source(_metadata, &self->c, UNMAPPED_ADDR);
	expect_bad_source(_metadata, &self->c, (uintptr_t)p + page_size());
	expect_bad_source(_metadata, &self->c, KERNEL_ADDR);
	/* Within a segment. */
	expect_bad_source(_metadata, &self->c, (uintptr_t)JUST_BEFORE(p, unit(&self->c)));
	/* The first job that is sent is the first of all. */
	EXPECT_EQ(1, queue_one(&self->c, 0));
}

TEST_F(channel, source_that_may_not_be_read_is_EFAULT_and_nothing_is_sent)
{
	uint8_t *p = page_before_a_hole();

	ASSERT_TRUE(p != NULL);
	expect_bad_source(_metadata, &self->c, (uintptr_t)p + page_size());
	expect_bad_source(_metadata, &self->c, (uintptr_t)JUST_BEFORE(p, unit(&self->c)));
	EXPECT_EQ(1, queue_one(&self->c, 0));
}

TEST_F(channel, source_behind_the_end_of_its_file_is_EFAULT)
{
	int fd = new_file(1);
	uint8_t *p = map_pages(2, PROT_READ, MAP_SHARED, fd);

	ASSERT_TRUE(p != NULL);
	expect_bad_source(_metadata, &self->c, (uintptr_t)p + page_size());
	expect_bad_source(_metadata, &self->c, (uintptr_t)JUST_BEFORE(p, unit(&self->c)));
}

/* Destinations that cannot be written */

/*
 * Fails the test unless the record of a job with a part of its destination at
 * @bad says so, in whatever way it is taken, and the next job works.
 */
static void expect_bad_destination(struct __test_metadata *_metadata, const struct channel *c,
				   uint64_t bad)
{
	size_t len = 16 * unit(c), to = c->size / 2;
	struct job j;

	for (int i = 0; i < 3 * WAYS; i++) {
		int good = i % 3;

		job_init(&j);
		j.submit.user_data = 1000 + i;
		j.submit.nr_src = job_list(c, j.src, 0, (good + 1) * len);
		for (int k = 0; k < good; k++)
			job_to(&j, c->mem + to + k * len, len);
		j.dst[j.submit.nr_dst++] = (struct ferrodma_seg){ bad, len };
		ASSERT_EQ(0, submit_and_take(c, &j, i / 3, &record));
		EXPECT_EQ(-EFAULT, record.status);
		EXPECT_EQ(1000 + i, record.user_data);
		EXPECT_EQ(j.submit.cookie, record.cookie);
		EXPECT_FALSE(has_record(c));
		expect_all_back(_metadata, c);
		/* What is not in the lists is as it was. */
		EXPECT_EQ(-1, pattern_differs(c->mem, to, SEED));

		job_copy(&j, c, 0, to, len);
		ASSERT_EQ(0, submit_and_take(c, &j, i / 3, &record));
		EXPECT_EQ(0, record.status);
		EXPECT_EQ(-1, area_differs(c->mem, c->mem + to, len));
		make_pattern(c, SEED);
	}
}

TEST_F(channel, destination_that_is_not_there_is_EFAULT_in_the_record)
{
	uint8_t *p = new_pages(2);

	ASSERT_TRUE(p != NULL);
	ASSERT_EQ(0, munmap(p + page_size(), page_size()));
	expect_bad_destination(_metadata, &self->c, UNMAPPED_ADDR);
	expect_bad_destination(_metadata, &self->c, KERNEL_ADDR);
	expect_bad_destination(_metadata, &self->c, (uintptr_t)p + page_size());
	expect_bad_destination(_metadata, &self->c, (uintptr_t)JUST_BEFORE(p, unit(&self->c)));
}

TEST_F(channel, destination_that_may_not_be_written_is_EFAULT_in_the_record)
{
	uint8_t *p = new_pages(2), *hole = page_before_a_hole();

	ASSERT_TRUE(p && hole);
	ASSERT_EQ(0, mprotect(p + page_size(), page_size(), PROT_READ));
	expect_bad_destination(_metadata, &self->c, (uintptr_t)p + page_size());
	expect_bad_destination(_metadata, &self->c, (uintptr_t)JUST_BEFORE(p, unit(&self->c)));
	expect_bad_destination(_metadata, &self->c, (uintptr_t)hole + page_size());
}

TEST_F(channel, destination_that_may_only_be_read_stays_as_it_is)
{
	uint8_t *p = new_pages(1);

	ASSERT_TRUE(p != NULL);
	pattern_fill(p, page_size(), SEED + 1);
	ASSERT_EQ(0, mprotect(p, page_size(), PROT_READ));
	for (enum way by = 0; by < WAYS; by++) {
		job_move(&self->job, p, self->c.mem, block(&self->c));
		ASSERT_EQ(0, submit_and_take(&self->c, &self->job, by, &record));
		EXPECT_EQ(-EFAULT, record.status);
	}
	EXPECT_EQ(-1, pattern_differs(p, page_size(), SEED + 1));
}

TEST_F(channel, fill_of_a_destination_that_is_not_there_is_EFAULT_in_the_record)
{
	if (!(self->c.info.flags & FERRODMA_INFO_FILL))
		SKIP(return, "the engine cannot fill");
	for (enum way by = 0; by < WAYS; by++) {
		job_fill(&self->job, &self->c, 0x5a, 0, unit(&self->c));
		self->job.dst[0].addr = UNMAPPED_ADDR;
		ASSERT_EQ(0, submit_and_take(&self->c, &self->job, by, &record));
		EXPECT_EQ(-EFAULT, record.status);
	}
	expect_untouched(_metadata, &self->c);
	expect_all_back(_metadata, &self->c);
}

TEST_F(channel, one_bad_destination_is_no_matter_of_the_jobs_beside_it)
{
	size_t len = block(&self->c), to = self->c.size / 2;
	struct ferrodma_completion many[3];

	for (int i = 0; i < 3; i++) {
		job_copy(&self->job, &self->c, i * len, to + i * len, len);
		if (i == 1)
			self->job.dst[0].addr = UNMAPPED_ADDR;
		ASSERT_EQ(0, job_submit(&self->c, &self->job));
	}
	for (int got = 0, n; got < 3; got += n) {
		n = read_records(&self->c, many + got, 3 - got);
		ASSERT_LT(0, n);
	}
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(i + 1, many[i].cookie);
		EXPECT_EQ(i == 1 ? -EFAULT : 0, many[i].status);
		EXPECT_EQ(i == 1, area_differs(self->c.mem + i * len,
					       self->c.mem + to + i * len, len) != -1);
	}
}

/* When the source is read */

TEST_F(channel, source_may_change_once_SUBMIT_has_returned)
{
	size_t len = self->c.size / 2;

	job_copy(&self->job, &self->c, 0, len, len);
	ASSERT_EQ(0, job_submit(&self->c, &self->job));
	memset(self->c.mem, 0xee, len);
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(0, record.status);
	pattern_fill(self->c.mem, len, SEED);
	EXPECT_EQ(-1, area_differs(self->c.mem, self->c.mem + len, len));
}

TEST_F(channel, source_may_go_away_once_SUBMIT_has_returned)
{
	uint8_t *p = new_pages(1);

	ASSERT_TRUE(p != NULL);
	pattern_fill(p, block(&self->c), SEED + 1);
	job_move(&self->job, self->c.mem, p, block(&self->c));
	ASSERT_EQ(0, job_submit(&self->c, &self->job));
	ASSERT_EQ(0, munmap(p, page_size()));
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(0, record.status);
	EXPECT_EQ(-1, pattern_differs(self->c.mem, block(&self->c), SEED + 1));
}

/* When the destination is written, and whose it is */

TEST_F(channel, destination_is_written_when_the_record_is_taken)
{
	size_t len = block(&self->c), to = self->c.size / 2;

	for (enum way by = BY_READ; by < WAYS; by++) {
		uint64_t cookie = queue_and_finish(&self->c, self->c.mem + to, self->c.mem, len);

		ASSERT_NE(0, cookie);
		expect_untouched(_metadata, &self->c);
		/* The blocks are not kept for it. */
		expect_all_back(_metadata, &self->c);
		memset(self->c.mem + to, 0xee, len);
		ASSERT_EQ(0, take_by(&self->c, by, cookie, &record));
		EXPECT_EQ(0, record.status);
		EXPECT_EQ(-1, pattern_differs(self->c.mem + to, len, SEED));
		make_pattern(&self->c, SEED);
	}
}

TEST_F(channel, jobs_whose_records_are_never_taken_write_nothing)
{
	struct channel other;

	ASSERT_EQ(0, channel_open(&other, variant->function, variant->number, 0));
	for (int i = 0; i < 8; i++)
		ASSERT_NE(0, queue_and_finish(&other, self->c.mem + self->c.size / 2,
					      self->c.mem, block(&other)));
	channel_close(&other);
	expect_untouched(_metadata, &self->c);
	expect_all_back(_metadata, &self->c);
}

TEST_F(channel, destination_that_goes_away_before_the_record_is_taken)
{
	for (enum way by = BY_READ; by < WAYS; by++) {
		uint8_t *p = new_pages(1);
		uint64_t cookie;

		ASSERT_TRUE(p != NULL);
		cookie = queue_and_finish(&self->c, p, self->c.mem, block(&self->c));
		ASSERT_NE(0, cookie);
		ASSERT_EQ(0, munmap(p, page_size()));
		ASSERT_EQ(0, take_by(&self->c, by, cookie, &record));
		EXPECT_EQ(-EFAULT, record.status);
		EXPECT_EQ(cookie, record.cookie);
		expect_works(_metadata, &self->c);
	}
	expect_all_back(_metadata, &self->c);
}

TEST_F(channel, destination_that_is_there_in_time_for_the_record)
{
	uint8_t *p = new_pages(1);

	ASSERT_TRUE(p != NULL);
	ASSERT_EQ(0, munmap(p, page_size()));
	ASSERT_EQ(1, queue_and_finish(&self->c, p, self->c.mem, block(&self->c)));
	ASSERT_TRUE(mmap(p, page_size(), RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		    p);
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(0, record.status);
	EXPECT_EQ(-1, pattern_differs(p, block(&self->c), SEED));
	EXPECT_EQ(-1, value_differs(p + block(&self->c), page_size() - block(&self->c), 0));
}

/* Ends a child: with 0, or with the number of what is wrong. */
#define CHILD_EXPECT(what_) do {	\
	if (!(what_))			\
		_exit(__LINE__ % 255 + 1);	\
} while (0)

static void expect_good_child(struct __test_metadata *_metadata, pid_t pid)
{
	int status;

	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status) TH_LOG("the child ended with status %#x", status);
}

static void *taking(void *arg)
{
	return (void *)(intptr_t)read_records(arg, &record, 1);
}

TEST_F(channel, thread_that_takes_the_record_writes_the_memory_of_all)
{
	size_t len = block(&self->c), to = self->c.size / 2;
	pthread_t thread;
	void *got;

	ASSERT_EQ(1, queue_and_finish(&self->c, self->c.mem + to, self->c.mem, len));
	expect_untouched(_metadata, &self->c);
	ASSERT_EQ(0, pthread_create(&thread, NULL, taking, &self->c));
	ASSERT_EQ(0, pthread_join(thread, &got));
	EXPECT_EQ(1, (intptr_t)got);
	EXPECT_EQ(0, record.status);
	EXPECT_EQ(-1, pattern_differs(self->c.mem + to, len, SEED));
}

/* Records that cannot be given at first */

TEST_F(channel, read_to_a_bad_pointer_leaves_record_and_data_for_the_next)
{
	size_t len = block(&self->c), to = self->c.size / 2;

	ASSERT_EQ(1, queue_and_finish(&self->c, self->c.mem + to, self->c.mem, len));
	EXPECT_EQ(-EFAULT, read_records(&self->c, (void *)UNMAPPED_ADDR, 1));
	EXPECT_EQ(-EFAULT, read_records(&self->c, (void *)UNMAPPED_ADDR, 1));
	/* Whether they have been there before is of no concern. */
	make_pattern(&self->c, SEED);
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(0, record.status);
	EXPECT_EQ(len, record.bytes);
	EXPECT_EQ(-1, pattern_differs(self->c.mem + to, len, SEED));
	EXPECT_FALSE(has_record(&self->c));
}

TEST_F(channel, WAIT_that_cannot_be_answered_leaves_record_and_data_for_the_next)
{
	size_t len = block(&self->c), to = self->c.size / 2;
	struct ferrodma_wait *w = (void *)new_pages(1);

	ASSERT_TRUE(w != NULL);
	*w = (struct ferrodma_wait){ .size = sizeof(*w), .cookie = 1 };
	ASSERT_EQ(0, mprotect(w, page_size(), PROT_READ));
	ASSERT_EQ(1, queue_and_finish(&self->c, self->c.mem + to, self->c.mem, len));
	EXPECT_EQ(-EFAULT, fdma_ioctl(self->c.fd, FERRODMA_IOC_WAIT, w));
	make_pattern(&self->c, SEED);
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(0, record.status);
	EXPECT_EQ(-1, pattern_differs(self->c.mem + to, len, SEED));
	EXPECT_FALSE(has_record(&self->c));
}

TEST_F(channel, record_is_given_after_the_data)
{
	struct ferrodma_completion *r = (void *)(self->c.mem + self->c.size / 2);

	ASSERT_GE(block(&self->c), sizeof(*r) / 2);
	/* Both go to one place. */
	job_move(&self->job, r, self->c.mem, sizeof(*r) / 2);
	self->job.submit.user_data = 0x123456789abcdef0;
	ASSERT_EQ(0, job_submit(&self->c, &self->job));
	ASSERT_EQ(1, read_records(&self->c, r, 1));
	EXPECT_EQ(1, r->cookie);
	EXPECT_EQ(0x123456789abcdef0, r->user_data);
	EXPECT_EQ(0, r->status);
}

/* Places */

TEST_F(channel, messages_across_the_end_of_a_page)
{
	size_t len = block(&self->c), page = page_size();
	uint8_t *from = new_pages(2), *to = new_pages(2);

	ASSERT_TRUE(from && to);
	for (size_t i = 0; i <= len; i++) {
		pattern_fill(JUST_BEFORE(from, i), len, SEED + i);
		memset(to, 0xee, 2 * page);
		job_move(&self->job, JUST_BEFORE(to, len - i), JUST_BEFORE(from, i), len);
		ASSERT_EQ(0, job_run(&self->c, &self->job));
		ASSERT_EQ(-1, pattern_differs(JUST_BEFORE(to, len - i), len, SEED + i));
		ASSERT_EQ(-1, value_differs(to, page - len + i, 0xee));
		ASSERT_EQ(-1, value_differs(JUST_BEFORE(to, len - i) + len, page - i, 0xee));
	}
}

TEST_F(channel, memory_that_nobody_has_touched)
{
	size_t len = block(&self->c);
	uint8_t *p = new_pages(2);

	ASSERT_TRUE(p != NULL);
	memset(self->c.mem, 0xee, len);
	job_move(&self->job, self->c.mem, p, len);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, value_differs(self->c.mem, len, 0));
	make_pattern(&self->c, SEED);
	job_move(&self->job, p + page_size(), self->c.mem, len);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, pattern_differs(p + page_size(), len, SEED));
}

TEST_F(channel, source_that_may_only_be_read)
{
	static const char constant[] = "Constants are good enough to be sent.";
	size_t len = sizeof(constant) - sizeof(constant) % unit(&self->c);
	uint8_t *p = new_pages(1);

	ASSERT_TRUE(p != NULL);
	job_move(&self->job, self->c.mem, constant, len);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(0, memcmp(self->c.mem, constant, len));
	pattern_fill(p, page_size(), SEED + 1);
	ASSERT_EQ(0, mprotect(p, page_size(), PROT_READ));
	job_move(&self->job, self->c.mem, JUST_BEFORE(p, block(&self->c)), block(&self->c));
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(0, memcmp(self->c.mem, JUST_BEFORE(p, block(&self->c)), block(&self->c)));
}

/* The same for a file's shared mapping, which is the file, and its private one, which is not. */
TEST_F(channel, memory_of_a_file)
{
	size_t len = block(&self->c);
	int fd = new_file(1);
	uint8_t *shared, *private, contents[len], zeros[len];

	ASSERT_LE(0, fd);
	shared = map_pages(1, RW, MAP_SHARED, fd);
	private = map_pages(1, RW, MAP_PRIVATE, fd);
	ASSERT_TRUE(shared && private);
	memset(zeros, 0, len);

	job_move(&self->job, shared + 100, self->c.mem, len);
	expect_runs(_metadata, &self->c, &self->job);
	ASSERT_EQ(len, pread(fd, contents, len, 100));
	EXPECT_EQ(-1, pattern_differs(contents, len, SEED));
	/* Until it is written, a private mapping shows the file. */
	job_move(&self->job, self->c.mem + self->c.size / 2, private + 100, len);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, pattern_differs(self->c.mem + self->c.size / 2, len, SEED));

	job_move(&self->job, private + 100, zeros, len);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, value_differs(private + 100, len, 0));
	ASSERT_EQ(len, pread(fd, contents, len, 100));
	EXPECT_EQ(-1, pattern_differs(contents, len, SEED));

	pattern_fill(contents, len, SEED + 1);
	ASSERT_EQ(len, pwrite(fd, contents, len, 200));
	job_move(&self->job, self->c.mem, shared + 200, len);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, pattern_differs(self->c.mem, len, SEED + 1));
}

TEST_F(channel, shared_memory_is_written_for_all)
{
	size_t len = block(&self->c);
	uint8_t *p = map_pages(1, RW, MAP_SHARED | MAP_ANONYMOUS, -1);
	pid_t pid = fork();

	ASSERT_TRUE(p != NULL);
	ASSERT_LE(0, pid);
	if (!pid) {
		ASSERT_EQ(1, queue_and_finish(&self->c, p, self->c.mem, len));
		_exit(read_records(&self->c, &record, 1) != 1 || record.status);
	}
	expect_good_child(_metadata, pid);
	EXPECT_EQ(-1, pattern_differs(p, len, SEED));
	EXPECT_EQ(-1, value_differs(p + len, page_size() - len, 0));
}

/* Fills */

TEST_F(channel, fill_of_several_messages)
{
	size_t most = block(&self->c), step = most + 8, u = unit(&self->c);
	uint32_t n = most_segments(&self->c);
	uint8_t *model = malloc(self->c.size);
	struct job *j = &self->job;

	if (!(self->c.info.flags & FERRODMA_INFO_FILL))
		SKIP(return, "the engine cannot fill");
	ASSERT_TRUE(model != NULL);
	memcpy(model, self->c.mem, self->c.size);
	for (enum way by = 0; by < WAYS; by++) {
		job_fill(j, &self->c, 0xa1 + by, 0, u);
		j->submit.nr_dst = 0;
		for (uint32_t i = 0; i < n && (i + 1) * step < self->c.size; i++) {
			size_t len = u * (1 + (i * 37 + by) % (most / u));

			job_to(j, self->c.mem + i * step + by, len);
			memset(model + i * step + by, 0xa1 + by, len);
		}
		ASSERT_EQ(0, submit_and_take(&self->c, j, by, &record));
		EXPECT_EQ(0, record.status);
		EXPECT_EQ(-1, area_differs(self->c.mem, model, self->c.size));
	}
	job_fill(j, &self->c, 0x11, 0, u);
	j->dst[0].len = most + u;
	EXPECT_EQ(-EMSGSIZE, job_run(&self->c, j));
	EXPECT_EQ(-1, area_differs(self->c.mem, model, self->c.size));
	expect_all_back(_metadata, &self->c);
	free(model);
}

TEST_HARNESS_MAIN
