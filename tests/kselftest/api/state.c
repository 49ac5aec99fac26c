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

TEST_F(channel, jobs_and_bytes_are_counted)
{
	char dir[PATH_MAX];
	long long jobs, bytes;

	ASSERT_TRUE(state_directory(dir, sizeof(dir), variant->function, variant->number));
	jobs = counter(dir, "jobs");
	bytes = counter(dir, "bytes");
	ASSERT_LE(0, jobs);
	ASSERT_LE(0, bytes);
	for (int i = 0; i < JOBS; i++) {
		job_copy(&self->job, &self->c, 0, self->c.size / 2, 64);
		ASSERT_EQ(0, job_run(&self->c, &self->job));
	}
	EXPECT_EQ(jobs + JOBS, counter(dir, "jobs"));
	EXPECT_EQ(bytes + JOBS * 64, counter(dir, "bytes"));
}

TEST_F(channel, queued_jobs_are_counted_like_waiting_ones)
{
	char dir[PATH_MAX];
	long long jobs;

	ASSERT_TRUE(state_directory(dir, sizeof(dir), variant->function, variant->number));
	jobs = counter(dir, "jobs");
	ASSERT_TRUE(queue_some(&self->c, 5));
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(jobs + 5, counter(dir, "jobs"));
}

TEST_F(channel, good_jobs_are_no_errors)
{
	static const char * const names[] = { "errors", "timeouts", "cancelled" };
	long long before[ARRAY_SIZE(names)];
	char dir[PATH_MAX];

	ASSERT_TRUE(state_directory(dir, sizeof(dir), variant->function, variant->number));
	for (int i = 0; i < ARRAY_SIZE(names); i++) {
		before[i] = counter(dir, names[i]);
		EXPECT_LE(0, before[i]) TH_LOG("no counter %s", names[i]);
	}
	job_copy(&self->job, &self->c, 0, self->c.size / 2, 64);
	ASSERT_EQ(0, job_run(&self->c, &self->job));
	for (int i = 0; i < ARRAY_SIZE(names); i++)
		EXPECT_EQ(before[i], counter(dir, names[i]));
}

TEST_F(channel, refused_jobs_are_not_counted)
{
	char dir[PATH_MAX];
	long long jobs;

	ASSERT_TRUE(state_directory(dir, sizeof(dir), variant->function, variant->number));
	jobs = counter(dir, "jobs");
	job_copy(&self->job, &self->c, 0, 0, 64);
	EXPECT_EQ(-EINVAL, job_run(&self->c, &self->job));
	EXPECT_EQ(jobs, counter(dir, "jobs"));
}

TEST_F(channel, latency_changes_with_every_job)
{
	char dir[PATH_MAX], before[4096], after[4096];

	ASSERT_TRUE(state_directory(dir, sizeof(dir), variant->function, variant->number));
	ASSERT_TRUE(read_text(dir, "latency", before, sizeof(before)));
	job_copy(&self->job, &self->c, 0, self->c.size / 2, 64);
	ASSERT_EQ(0, job_run(&self->c, &self->job));
	ASSERT_TRUE(read_text(dir, "latency", after, sizeof(after)));
	EXPECT_STRNE(before, after);
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
