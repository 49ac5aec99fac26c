// SPDX-License-Identifier: GPL-2.0
/* The counters and texts of a channel in debugfs. */
#include <dirent.h>

#include "channel_fixture.h"
#include "debugfs.h"

ON_CHANNEL(coherent, 0);
ON_CHANNEL(sg, 0);
ON_CHANNEL(pool, 0);

#define JOBS	10

static struct ferrodma_completion record;

/* Reads a file of the channel in debugfs. */
static bool read_text(const char *directory, const char *name, char *text, size_t size)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

TEST_F(channel, version_is_that_of_the_header)
{
	char dir[PATH_MAX], text[64], version[64];

	ASSERT_TRUE(state_directory(dir, sizeof(dir), variant->function, variant->number));
	ASSERT_TRUE(read_text(dir, "version", text, sizeof(text)));
	snprintf(version, sizeof(version), "%d.%d.%d\n", FERRODMA_VERSION >> 16,
		 FERRODMA_VERSION >> 8 & 0xff, FERRODMA_VERSION & 0xff);
	EXPECT_STREQ(version, text);
}

TEST_F(channel, jobs_and_bytes_are_counted_and_nothing_else)
{
	struct counters c;

	ASSERT_TRUE(read_counters(&c, variant->function, variant->number));
	for (int i = 0; i < JOBS; i++) {
		job_copy(&self->job, &self->c, 0, self->c.size / 2, 64);
		ASSERT_EQ(0, job_run(&self->c, &self->job));
	}
	EXPECT_COUNTED(&c, variant->function, variant->number, .jobs = JOBS, .bytes = JOBS * 64);
}

TEST_F(channel, queued_jobs_are_counted_like_waiting_ones)
{
	struct counters c;

	ASSERT_TRUE(read_counters(&c, variant->function, variant->number));
	ASSERT_TRUE(queue_some(&self->c, 5));
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_COUNTED(&c, variant->function, variant->number, .jobs = 5,
		       .bytes = 5 * unit(&self->c));
}

TEST_F(channel, refused_jobs_are_not_counted)
{
	struct counters c;

	ASSERT_TRUE(read_counters(&c, variant->function, variant->number));
	job_copy(&self->job, &self->c, 0, 0, 64);
	EXPECT_EQ(-EINVAL, job_run(&self->c, &self->job));
	EXPECT_COUNTED(&c, variant->function, variant->number, .jobs = 0);
}

/* Adds up the classes of the histogram; @count gets the number of jobs in the class from @us on. */
static long long all_latencies(const char *text, uint64_t us, long long *count)
{
	unsigned long long from, jobs, all = 0;
	int len;

	*count = 0;
	for (; sscanf(text, "%llu %llu\n%n", &from, &jobs, &len) == 2; text += len) {
		all += jobs;
		if (from == us)
			*count = jobs;
	}
	return all;
}

/* The classes begin at 0, 1, 2, 4, 8 microseconds and so on. */
TEST_F(channel, latency_of_a_job_is_counted_in_its_class)
{
	char dir[PATH_MAX], before[4096], after[4096];
	const struct ferrodma_completion *done = &self->job.submit.completion;
	long long of_class[2], all[2];

	ASSERT_TRUE(state_directory(dir, sizeof(dir), variant->function, variant->number));
	for (int i = 0; i < 4 * JOBS; i++) {
		uint64_t len = i % 2 ? self->c.info.max_job_bytes : 64, us, from = 1;

		if (len > self->c.size / 2)
			len = self->c.size / 2;
		read_text(dir, "latency", before, sizeof(before));
		job_copy(&self->job, &self->c, 0, self->c.size / 2, len);
		ASSERT_EQ(0, job_run(&self->c, &self->job));
		ASSERT_TRUE(read_text(dir, "latency", after, sizeof(after)));
		us = (done->complete_ns - done->submit_ns) / 1000;
		while (from <= us / 2)
			from *= 2;
		if (!us)
			from = 0;
		all[0] = all_latencies(before, from, &of_class[0]);
		all[1] = all_latencies(after, from, &of_class[1]);
		EXPECT_EQ(of_class[0] + 1, of_class[1]) TH_LOG("%lld us", (long long)us);
		EXPECT_EQ(all[0] + 1, all[1]);
	}
}

TEST_F(channel, state_can_be_read_while_jobs_run)
{
	char dir[PATH_MAX], text[4096];
	struct dirent *e;
	int files = 0;
	DIR *d;

	ASSERT_TRUE(state_directory(dir, sizeof(dir), variant->function, variant->number));
	for (int i = 0; i < 20; i++) {
		ASSERT_TRUE(queue_some(&self->c, 1));
		d = opendir(dir);
		ASSERT_TRUE(d != NULL);
		while ((e = readdir(d)))
			if (e->d_name[0] != '.')
				files += read_text(dir, e->d_name, text, sizeof(text));
		closedir(d);
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
	}
	EXPECT_LE(20 * 6, files);
}

TEST_F(channel, no_address_is_shown)
{
	char dir[PATH_MAX], text[4096];
	struct dirent *e;
	DIR *d;

	ASSERT_TRUE(state_directory(dir, sizeof(dir), variant->function, variant->number));
	d = opendir(dir);
	ASSERT_TRUE(d != NULL);
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.' || !read_text(dir, e->d_name, text, sizeof(text)))
			continue;
		EXPECT_TRUE(!strstr(text, "0x")) TH_LOG("%s: %s", e->d_name, text);
	}
	closedir(d);
}

TEST_HARNESS_MAIN
