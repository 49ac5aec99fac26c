// SPDX-License-Identifier: GPL-2.0
/*
 * SUBMIT: its structure, its flags, and every error that does not depend on places in memory. A
 * refused job has no effect.
 */
#include <stddef.h>

#include "channel_fixture.h"

ON_CHANNEL(coherent, 0);
ON_CHANNEL(sg, 0);
ON_CHANNEL(pool, 0);

/* A structure for SUBMIT that is larger, as a later version's may be. */
struct longer_submit {
	struct ferrodma_submit submit;
	uint8_t more[64];
};

/* Makes a valid job, from the start of memory to its middle. */
static void good_job(struct job *j, const struct channel *c)
{
	job_copy(j, c, 0, c->size / 2, 4 * unit(c));
}

static void good_longer(struct longer_submit *l, struct job *j,
			const struct channel *c)
{
	good_job(j, c);
	memset(l, 0, sizeof(*l));
	l->submit = j->submit;
	l->submit.size = sizeof(*l);
	l->submit.flags = FERRODMA_SUBMIT_WAIT;
}

TEST_F(channel, a_plain_copy_is_accepted)
{
	good_job(&self->job, &self->c);
	expect_runs(_metadata, &self->c, &self->job);
}

TEST_F(channel, unknown_flags_are_refused)
{
	for (int bit = 3; bit < 32; bit++) {
		good_job(&self->job, &self->c);
		self->job.submit.flags = 1U << bit;
		expect_refused(_metadata, &self->c, &self->job, -EINVAL);
	}
}

TEST_F(channel, a_short_structure_is_refused)
{
	static const uint32_t sizes[] = {
		0, 1, 4, 48, sizeof(struct ferrodma_submit) - 1,
	};

	for (int i = 0; i < ARRAY_SIZE(sizes); i++) {
		good_job(&self->job, &self->c);
		self->job.submit.size = sizes[i];
		expect_refused(_metadata, &self->c, &self->job, -EINVAL);
	}
}

TEST_F(channel, a_longer_structure_with_zeros_is_accepted)
{
	struct longer_submit l;

	good_longer(&l, &self->job, &self->c);
	ASSERT_EQ(0, fdma_ioctl(self->c.fd, FERRODMA_IOC_SUBMIT, &l));
	EXPECT_EQ(0, l.submit.completion.status);
	EXPECT_EQ(-1, value_differs(l.more, sizeof(l.more), 0));
}

TEST_F(channel, a_longer_structure_with_garbage_is_refused)
{
	struct longer_submit l;

	for (int i = 0; i < 64; i += 21) {
		good_longer(&l, &self->job, &self->c);
		l.more[i] = 1;
		EXPECT_EQ(-E2BIG, fdma_ioctl(self->c.fd, FERRODMA_IOC_SUBMIT, &l));
	}
	EXPECT_FALSE(has_record(&self->c));
	expect_untouched(_metadata, &self->c);
}

/* As many bytes as the kernel looks at in one go are 64, and a page is the longest structure. */
TEST_F(channel, garbage_anywhere_in_a_structure_of_a_page_is_refused)
{
	static const struct {
		unsigned long command;
		size_t known;
	} calls[] = {
		{ FERRODMA_IOC_INFO, sizeof(struct ferrodma_info) },
		{ FERRODMA_IOC_SUBMIT, sizeof(struct ferrodma_submit) },
		{ FERRODMA_IOC_WAIT, sizeof(struct ferrodma_wait) },
		{ FERRODMA_IOC_CANCEL, sizeof(struct ferrodma_cancel) },
	};
	const size_t page = sysconf(_SC_PAGESIZE);
	uint8_t *p = page_before_a_hole();

	ASSERT_TRUE(p != NULL);
	for (int i = 0; i < ARRAY_SIZE(calls); i++) {
		size_t known = calls[i].known;
		const size_t at[] = { known, known + 63, known + 64, known + 65, page - 1 };

		for (int k = 0; k < ARRAY_SIZE(at); k++) {
			memset(p, 0, page);
			if (calls[i].command == FERRODMA_IOC_SUBMIT) {
				good_job(&self->job, &self->c);
				memcpy(p, &self->job.submit, known);
			}
			*(uint32_t *)p = page;
			p[at[k]] = 0x80;
			EXPECT_EQ(-E2BIG, fdma_ioctl(self->c.fd, calls[i].command, p))
				TH_LOG("structure %d, byte %zu", i, at[k]);
		}
	}
	EXPECT_FALSE(has_record(&self->c));
	expect_untouched(_metadata, &self->c);
}

TEST_F(channel, a_size_beyond_the_memory_is_refused)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint8_t *p = page_before_a_hole();
	struct ferrodma_submit *s = (void *)(p + page - sizeof(*s));
	int ret;

	ASSERT_TRUE(p != NULL);
	good_job(&self->job, &self->c);
	*s = self->job.submit;
	s->size = UINT32_MAX;
	ret = fdma_ioctl(self->c.fd, FERRODMA_IOC_SUBMIT, s);
	EXPECT_TRUE(ret == -E2BIG || ret == -EFAULT) TH_LOG("%s", strerror(-ret));
	EXPECT_FALSE(has_record(&self->c));
	expect_untouched(_metadata, &self->c);
}

TEST_F(channel, a_bad_pointer_to_the_structure_is_refused)
{
	int fd = self->c.fd;

	EXPECT_EQ(-EFAULT, fdma_ioctl(fd, FERRODMA_IOC_SUBMIT, NULL));
	EXPECT_EQ(-EFAULT, fdma_ioctl(fd, FERRODMA_IOC_SUBMIT, (void *)UNMAPPED_ADDR));
	EXPECT_EQ(-EFAULT, fdma_ioctl(fd, FERRODMA_IOC_SUBMIT, (void *)KERNEL_ADDR));
	EXPECT_FALSE(has_record(&self->c));
}

/* The kernel cannot return the cookie, so the job must not run. */
TEST_F(channel, a_structure_that_cannot_be_written_is_refused)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct job *j = mmap(NULL, (sizeof(*j) + page - 1) & ~(page - 1),
			     PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_TRUE(j != MAP_FAILED);
	for (int wait = 0; wait < 2; wait++) {
		good_job(j, &self->c);
		j->submit.flags = wait ? FERRODMA_SUBMIT_WAIT : 0;
		ASSERT_EQ(0, mprotect(j, sizeof(*j), PROT_READ));
		EXPECT_EQ(-EFAULT, job_submit(&self->c, j));
		ASSERT_EQ(0, mprotect(j, sizeof(*j), PROT_READ | PROT_WRITE));
		EXPECT_FALSE(has_record(&self->c));
		expect_untouched(_metadata, &self->c);
	}
}

TEST_F(channel, a_bad_pointer_to_a_list_is_refused)
{
	static const uint64_t bad[] = { 0, UNMAPPED_ADDR, KERNEL_ADDR, UINT64_MAX - 7 };

	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		good_job(&self->job, &self->c);
		self->job.submit.src = bad[i];
		expect_refused(_metadata, &self->c, &self->job, -EFAULT);
		good_job(&self->job, &self->c);
		self->job.submit.dst = bad[i];
		expect_refused(_metadata, &self->c, &self->job, -EFAULT);
	}
}

TEST_F(channel, a_list_that_leaves_its_memory_is_refused)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint8_t *p = page_before_a_hole();
	struct ferrodma_seg *seg = (void *)(p + page - sizeof(*seg));

	if (self->c.info.max_segments < 2)
		SKIP(return, "a list of this channel has one segment");
	ASSERT_TRUE(p != NULL);
	good_job(&self->job, &self->c);
	*seg = self->job.src[0];
	self->job.submit.src = (uintptr_t)seg;
	self->job.submit.nr_src = 2;
	expect_refused(_metadata, &self->c, &self->job, -EFAULT);
}

TEST_F(channel, an_address_that_wraps_is_refused)
{
	const struct ferrodma_seg wraps[] = {
		{ UINT64_MAX - unit(&self->c) + 1, 2 * unit(&self->c) },
		{ 1ULL << 63, 1ULL << 63 },
		{ unit(&self->c), UINT64_MAX - unit(&self->c) + 1 },
	};

	for (int i = 0; i < ARRAY_SIZE(wraps); i++) {
		/* A segment may not end at 2^64 or beyond. */
		good_job(&self->job, &self->c);
		self->job.src[0] = wraps[i];
		self->job.dst[0] = wraps[i];
		expect_refused(_metadata, &self->c, &self->job, -EOVERFLOW);
		job_fill(&self->job, &self->c, 1, 0, unit(&self->c));
		self->job.dst[0] = wraps[i];
		expect_refused(_metadata, &self->c, &self->job, -EOVERFLOW);
	}
}

TEST_F(channel, a_sum_that_wraps_is_refused)
{
	if (self->c.info.max_segments < 2)
		SKIP(return, "a list of this channel has one segment");
	if (self->c.info.block_size)
		SKIP(return, "no sum of segments of this channel is that long");
	job_init(&self->job);
	for (int i = 0; i < 2; i++) {
		job_add(&self->c, self->job.src, &self->job.submit.nr_src, 0, 1ULL << 63);
		job_add(&self->c, self->job.dst, &self->job.submit.nr_dst, 0, 1ULL << 63);
		self->job.src[i].addr = 0;
		self->job.dst[i].addr = 0;
	}
	expect_refused(_metadata, &self->c, &self->job, -EOVERFLOW);
}

TEST_F(channel, an_empty_list_is_refused)
{
	good_job(&self->job, &self->c);
	self->job.submit.nr_src = 0;
	expect_refused(_metadata, &self->c, &self->job, -EINVAL);
	good_job(&self->job, &self->c);
	self->job.submit.nr_dst = 0;
	expect_refused(_metadata, &self->c, &self->job, -EINVAL);
	job_init(&self->job);
	expect_refused(_metadata, &self->c, &self->job, -EINVAL);
}

TEST_F(channel, an_empty_segment_is_refused)
{
	struct job *j = &self->job;

	good_job(j, &self->c);
	j->src[0].len = 0;
	j->dst[0].len = 0;
	expect_refused(_metadata, &self->c, j, -EINVAL);
	if (self->c.info.max_segments < 2)
		return;
	good_job(j, &self->c);
	job_add(&self->c, j->src, &j->submit.nr_src, 8 * unit(&self->c), 0);
	expect_refused(_metadata, &self->c, j, -EINVAL);
	good_job(j, &self->c);
	job_add(&self->c, j->dst, &j->submit.nr_dst, 8 * unit(&self->c), 0);
	expect_refused(_metadata, &self->c, j, -EINVAL);
}

TEST_F(channel, lists_of_unequal_totals_are_refused)
{
	good_job(&self->job, &self->c);
	self->job.src[0].len += unit(&self->c);
	expect_refused(_metadata, &self->c, &self->job, -EINVAL);
	good_job(&self->job, &self->c);
	self->job.dst[0].len += unit(&self->c);
	expect_refused(_metadata, &self->c, &self->job, -EINVAL);
}

TEST_F(channel, too_many_segments_are_refused)
{
	uint32_t n = self->c.info.max_segments + 1;
	struct ferrodma_seg *seg = calloc(n, sizeof(*seg));
	size_t u = unit(&self->c);

	ASSERT_TRUE(seg != NULL);
	for (uint32_t i = 0; i < n; i++)
		seg[i] = (struct ferrodma_seg){ self->c.base, u };

	good_job(&self->job, &self->c);
	self->job.dst[0].len = n * u;
	self->job.submit.src = (uintptr_t)seg;
	self->job.submit.nr_src = n;
	expect_refused(_metadata, &self->c, &self->job, -E2BIG);
	self->job.submit.nr_src = UINT32_MAX;
	expect_refused(_metadata, &self->c, &self->job, -E2BIG);

	good_job(&self->job, &self->c);
	self->job.src[0].len = n * u;
	self->job.submit.dst = (uintptr_t)seg;
	self->job.submit.nr_dst = n;
	expect_refused(_metadata, &self->c, &self->job, -E2BIG);
	self->job.submit.nr_dst = UINT32_MAX;
	expect_refused(_metadata, &self->c, &self->job, -E2BIG);
	free(seg);
}

TEST_F(channel, more_than_max_job_bytes_is_refused)
{
	uint64_t len = self->c.info.block_size ?: self->c.size;
	uint64_t n = self->c.info.max_job_bytes / len + 1;
	struct job *j = &self->job;

	if (n > most_segments(&self->c))
		SKIP(return, "segments within memory do not reach max_job_bytes");
	job_fill(j, &self->c, 1, 0, len);
	while (j->submit.nr_dst < n)
		job_add(&self->c, j->dst, &j->submit.nr_dst, 0, len);
	expect_refused(_metadata, &self->c, j, -EMSGSIZE);
}

TEST_F(channel, a_misaligned_length_is_refused)
{
	struct job *j = &self->job;
	size_t u = unit(&self->c);

	if (u == 1)
		SKIP(return, "every length is aligned for this engine");
	for (size_t odd = 1; odd < u; odd++) {
		for (int units = 0; units < 2; units++) {
			good_job(j, &self->c);
			j->src[0].len = units * u + odd;
			j->dst[0].len = units * u + odd;
			expect_refused(_metadata, &self->c, j, -EINVAL);
			job_fill(j, &self->c, 5, 0, units * u + odd);
			expect_refused(_metadata, &self->c, j, -EINVAL);
		}
		if (self->c.info.max_segments < 2)
			continue;
		/* Also if two unaligned lengths add up to an aligned one, on one side or both. */
		for (int side = 1; side < 4; side++) {
			good_job(j, &self->c);
			if (side & 1) {
				j->src[0].len = u + odd;
				job_add(&self->c, j->src, &j->submit.nr_src, 8 * u,
					3 * u - odd);
			}
			if (side & 2) {
				j->dst[0].len = u + odd;
				job_add(&self->c, j->dst, &j->submit.nr_dst,
					self->c.size / 2 + 8 * u, 3 * u - odd);
			}
			expect_refused(_metadata, &self->c, j, -EINVAL);
		}
	}
}

TEST_F(channel, a_misaligned_address_is_refused)
{
	size_t a = address_unit(&self->c);

	if (a == 1)
		SKIP(return, "every address is aligned for this channel");
	for (size_t odd = 1; odd < a; odd++) {
		good_job(&self->job, &self->c);
		self->job.src[0].addr += odd;
		expect_refused(_metadata, &self->c, &self->job, -EINVAL);
		good_job(&self->job, &self->c);
		self->job.dst[0].addr += odd;
		expect_refused(_metadata, &self->c, &self->job, -EINVAL);
		self->job.src[0].addr += odd;
		expect_refused(_metadata, &self->c, &self->job, -EINVAL);
		job_fill(&self->job, &self->c, 5, odd, 4 * unit(&self->c));
		expect_refused(_metadata, &self->c, &self->job, -EINVAL);
	}
}

/* On some channels lengths must be aligned, but addresses need not be. */
TEST_F(channel, every_address_that_is_aligned_is_accepted)
{
	size_t a = address_unit(&self->c), u = unit(&self->c);
	uint64_t to = self->c.size / 2;

	for (size_t i = 0; i < 16; i++) {
		make_pattern(&self->c, SEED + i);
		job_copy(&self->job, &self->c, i * a, to + (15 - i) * a, 4 * u);
		expect_runs(_metadata, &self->c, &self->job);
		EXPECT_EQ(0, memcmp(self->c.mem + i * a, self->c.mem + to + (15 - i) * a,
				    4 * u));
	}
}

TEST_F(channel, reserved_fields_that_are_not_zero_are_refused)
{
	good_job(&self->job, &self->c);
	self->job.submit.src_region = 1;
	expect_refused(_metadata, &self->c, &self->job, -EINVAL);
	good_job(&self->job, &self->c);
	self->job.submit.dst_region = 1U << 31;
	expect_refused(_metadata, &self->c, &self->job, -EINVAL);
}

TEST_F(channel, SUBMITTED_with_the_cookie_of_no_job_is_ENOENT_and_no_new_job)
{
	static const uint64_t cookies[] = { 0, 1, 2, UINT64_MAX };

	for (int i = 0; i < ARRAY_SIZE(cookies); i++) {
		good_job(&self->job, &self->c);
		self->job.submit.flags = FERRODMA_SUBMIT_SUBMITTED | FERRODMA_SUBMIT_WAIT;
		self->job.submit.cookie = cookies[i];
		expect_refused(_metadata, &self->c, &self->job, -ENOENT);
		EXPECT_EQ(FERRODMA_SUBMIT_SUBMITTED | FERRODMA_SUBMIT_WAIT,
			  self->job.submit.flags);
	}
}

TEST_F(channel, SUBMITTED_waits_for_the_job_and_ignores_all_else)
{
	good_job(&self->job, &self->c);
	self->job.submit.user_data = 7;
	ASSERT_EQ(0, job_submit(&self->c, &self->job));
	memset(&self->job.submit, 0xa5, sizeof(self->job.submit));
	self->job.submit.size = sizeof(self->job.submit);
	self->job.submit.flags = FERRODMA_SUBMIT_SUBMITTED;
	self->job.submit.cookie = 1;
	ASSERT_EQ(0, job_submit(&self->c, &self->job));
	EXPECT_EQ(0, self->job.submit.flags);
	EXPECT_EQ(1, self->job.submit.completion.cookie);
	EXPECT_EQ(7, self->job.submit.completion.user_data);
	EXPECT_EQ(0, self->job.submit.completion.status);
	EXPECT_FALSE(has_record(&self->c));
}

TEST_F(channel, a_time_limit_beyond_the_maximum_is_refused)
{
	good_job(&self->job, &self->c);
	self->job.submit.timeout_ns = self->c.info.max_timeout_ns + 1;
	expect_refused(_metadata, &self->c, &self->job, -EINVAL);
	self->job.submit.timeout_ns = UINT64_MAX;
	expect_refused(_metadata, &self->c, &self->job, -EINVAL);
}

TEST_F(channel, the_longest_time_limit_is_accepted)
{
	good_job(&self->job, &self->c);
	self->job.submit.timeout_ns = self->c.info.max_timeout_ns;
	expect_runs(_metadata, &self->c, &self->job);
}

TEST_F(channel, a_fill_value_above_255_is_refused)
{
	static const uint64_t values[] = { 256, 1ULL << 32, UINT64_MAX };

	for (int i = 0; i < ARRAY_SIZE(values); i++) {
		job_fill(&self->job, &self->c, values[i], 0, 4 * unit(&self->c));
		expect_refused(_metadata, &self->c, &self->job, -EINVAL);
	}
}

TEST_F(channel, a_fill_with_a_source_list_is_refused)
{
	job_fill(&self->job, &self->c, 5, 0, 4 * unit(&self->c));
	self->job.submit.nr_src = 1;
	expect_refused(_metadata, &self->c, &self->job, -EINVAL);
	good_job(&self->job, &self->c);
	self->job.submit.flags = FERRODMA_SUBMIT_FILL;
	expect_refused(_metadata, &self->c, &self->job, -EINVAL);
}

TEST_F(channel, a_file_that_is_not_open_for_writing_is_refused)
{
	struct channel reader = self->c;

	reader.fd = channel_open_fd(variant->function, variant->number, O_RDONLY);
	ASSERT_LE(0, reader.fd);
	good_job(&self->job, &self->c);
	expect_refused(_metadata, &reader, &self->job, -EBADF);
	close(reader.fd);
}

/* What a refused job had, from its place in the queue to its blocks, is there for the next one. */
TEST_F(channel, more_refused_jobs_than_the_queue_is_deep_leave_room_for_one)
{
	for (int kind = 0; kind < 3; kind++) {
		for (uint32_t i = 0; i <= self->c.info.queue_depth; i++) {
			good_job(&self->job, &self->c);
			if (kind == 0)
				self->job.submit.src = UNMAPPED_ADDR;
			else if (kind == 1)
				self->job.dst[0].addr = self->job.src[0].addr;
			else
				self->job.dst[0].addr = UNMAPPED_ADDR & ~63ULL;
			self->job.submit.flags = i % 2 ? FERRODMA_SUBMIT_WAIT : 0;
			if (kind == 2 && self->c.info.function == FERRODMA_FUNCTION_POOL)
				break;
			ASSERT_NE(0, job_submit(&self->c, &self->job));
		}
		EXPECT_FALSE(has_record(&self->c));
		good_job(&self->job, &self->c);
		set_nonblock(&self->c);
		expect_runs(_metadata, &self->c, &self->job);
		set_block(&self->c);
	}
}

TEST_F(channel, out_fields_are_ignored)
{
	good_job(&self->job, &self->c);
	self->job.submit.cookie = UINT64_MAX;
	memset(&self->job.submit.completion, 0xff, sizeof(self->job.submit.completion));
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(1, self->job.submit.cookie);
	EXPECT_EQ(0, self->job.submit.completion.flags);
}

TEST_F(channel, in_fields_are_left_alone)
{
	struct ferrodma_submit before;

	good_job(&self->job, &self->c);
	self->job.submit.flags = FERRODMA_SUBMIT_WAIT;
	self->job.submit.timeout_ns = NSEC_PER_SEC;
	self->job.submit.user_data = 0x0123456789abcdefULL;
	before = self->job.submit;
	ASSERT_EQ(0, job_submit(&self->c, &self->job));
	EXPECT_EQ(0, memcmp(&before, &self->job.submit,
			    offsetof(struct ferrodma_submit, cookie)));
	EXPECT_EQ(before.user_data, self->job.submit.completion.user_data);
}

TEST_HARNESS_MAIN
