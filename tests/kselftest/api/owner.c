// SPDX-License-Identifier: GPL-2.0
/*
 * A file works for one address space, that of the first SUBMIT on it: what a child, a
 * program that is executed and one that gets the file over a socket may do with it.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "channel_fixture.h"

ON_CHANNEL(coherent, 0);
ON_CHANNEL(sg, 0);
ON_CHANNEL(pool, 0);

static struct ferrodma_completion record;

/*
 * The exit code of the program when it is executed with VICTIM in the environment and all is
 * well. VICTIM is the user that root has to run it as.
 */
#define VICTIM_IS_WELL	42

/* Memory to which a job of another program would write, if it wrote to the wrong program's. */
static volatile uint8_t secret[4096] __attribute__((aligned(4096)));

/*
 * Runs this program as a victim: it is handed the file as its stdin, and reads it as any
 * program reads its input.
 */
__attribute__((constructor)) static void victim(void)
{
	struct ferrodma_completion got;
	struct ferrodma_submit submit = { .size = sizeof(submit), .nr_src = 1, .nr_dst = 1 };
	struct ferrodma_wait wait = { .size = sizeof(wait), .cookie = 1 };
	struct ferrodma_cancel cancel = { .size = sizeof(cancel), .cookie = 1 };
	const char *user = getenv("VICTIM");

	if (!user)
		return;
	if (getuid() != atoi(user) || geteuid())
		_exit(9);
	if (read(0, &got, sizeof(got)) >= 0 || errno != EPERM)
		_exit(1);
	if (fdma_ioctl(0, FERRODMA_IOC_SUBMIT, &submit) != -EPERM)
		_exit(2);
	if (fdma_ioctl(0, FERRODMA_IOC_WAIT, &wait) != -EPERM)
		_exit(3);
	if (fdma_ioctl(0, FERRODMA_IOC_CANCEL, &cancel) != -EPERM)
		_exit(4);
	for (size_t i = 0; i < sizeof(secret); i++)
		if (secret[i])
			_exit(5);
	_exit(VICTIM_IS_WELL);
}

/* Executes this program again, from @path, with the file as its stdin. */
static void execute(const struct channel *c, const char *path)
{
	char user[16];

	snprintf(user, sizeof(user), "%d", getuid());
	if (dup2(c->fd, 0) == 0 && !setenv("VICTIM", user, 1))
		execl(path, "victim", NULL);
	_exit(6);
}

/* Submits a job that writes to @dst, or to the buffer of a coherent channel. */
static int submit_to(const struct channel *c, volatile uint8_t *dst)
{
	struct job j;

	job_copy(&j, c, 0, c->size / 2, 64);
	if (!c->info.buffer_size)
		j.dst[0].addr = (uintptr_t)dst;
	return job_submit(c, &j);
}

static void expect_exit(struct __test_metadata *_metadata, pid_t pid, int code)
{
	int status;

	ASSERT_LE(0, pid);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == code) {
		TH_LOG("the child ended with status %#x", status);
	}
}

/* Makes all calls as a process that is not the owner; returns an exit code, 0 if all are EPERM. */
static int calls_of_another(struct channel *c)
{
	struct job j;

	job_copy(&j, c, 0, c->size / 2, 64);
	if (job_submit(c, &j) != -EPERM || job_run(c, &j) != -EPERM)
		return 1;
	j.submit.flags = FERRODMA_SUBMIT_SUBMITTED;
	j.submit.cookie = 1;
	if (job_submit(c, &j) != -EPERM)
		return 2;
	if (take_within(c, 1, 0, &record) != -EPERM || take_within(c, 1, 1, &record) != -EPERM)
		return 3;
	if (take_within(c, 99, 0, &record) != -EPERM || job_cancel(c, 1) != -EPERM)
		return 4;
	/* First without waiting, so that a call that is not refused does not wait for ever. */
	set_nonblock(c);
	if (read_records(c, &record, 1) != -EPERM)
		return 5;
	set_block(c);
	return read_records(c, &record, 1) == -EPERM ? 0 : 6;
}

TEST_F(channel, child_gets_EPERM_and_changes_nothing)
{
	pid_t pid;

	ASSERT_EQ(1, queue_one(&self->c, 11));
	ASSERT_TRUE(wait_record(&self->c));
	make_pattern(&self->c, SEED);
	pid = fork();
	if (!pid)
		_exit(calls_of_another(&self->c));
	expect_exit(_metadata, pid, 0);
	expect_untouched(_metadata, &self->c);
	ASSERT_TRUE(has_record(&self->c));
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(11, record.user_data);
	EXPECT_EQ(0, record.status);
	EXPECT_FALSE(has_record(&self->c));
}

TEST_F(channel, first_SUBMIT_makes_the_owner)
{
	pid_t pid = fork();

	if (!pid)
		_exit(queue_one(&self->c, 11) != 1);
	expect_exit(_metadata, pid, 0);
	make_pattern(&self->c, SEED);
	EXPECT_EQ(0, calls_of_another(&self->c));
	expect_untouched(_metadata, &self->c);
}

TEST_F(channel, SUBMIT_that_is_refused_for_its_structure_makes_no_owner)
{
	pid_t pid = fork();

	if (!pid) {
		job_copy(&self->job, &self->c, 0, self->c.size / 2, 64);
		self->job.submit.flags = 1U << 31;
		_exit(job_submit(&self->c, &self->job) != -EINVAL);
	}
	expect_exit(_metadata, pid, 0);
	job_copy(&self->job, &self->c, 0, self->c.size / 2, 64);
	expect_runs(_metadata, &self->c, &self->job);
}

TEST_F(channel, child_may_ask_for_INFO_and_poll)
{
	pid_t pid;

	ASSERT_EQ(1, queue_one(&self->c, 0));
	ASSERT_TRUE(wait_record(&self->c));
	pid = fork();
	if (!pid) {
		struct ferrodma_info info;

		_exit(channel_info(self->c.fd, &info) || !has_record(&self->c));
	}
	expect_exit(_metadata, pid, 0);
}

TEST_F(channel, child_may_map_the_buffer)
{
	pid_t pid;

	SKIP_WITHOUT_BUFFER();
	ASSERT_EQ(1, queue_one(&self->c, 0));
	ASSERT_TRUE(wait_record(&self->c));
	pid = fork();
	if (!pid)
		_exit(mmap(NULL, 4096, PROT_READ, MAP_SHARED, self->c.fd, 0) == MAP_FAILED);
	expect_exit(_metadata, pid, 0);
}

/* The reader begins before the file has an owner. */
TEST_F(channel, reader_that_sleeps_gets_EPERM_from_another_s_first_SUBMIT)
{
	_Atomic pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid)
		_exit(read_records(&self->c, &record, 1) != -EPERM);
	ASSERT_TRUE(wait_until_asleep(&pid));
	ASSERT_EQ(1, queue_one(&self->c, 11));
	expect_exit(_metadata, pid, 0);
	ASSERT_TRUE(wait_record(&self->c));
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(11, record.user_data);
}

TEST_F(channel, child_that_shares_the_memory_shares_the_file)
{
	static int error;
	pid_t pid;

	ASSERT_EQ(1, queue_one(&self->c, 11));
	pid = vfork();
	if (!pid) {
		error = read_records(&self->c, &record, 1);
		_exit(0);
	}
	expect_exit(_metadata, pid, 0);
	EXPECT_EQ(1, error);
	EXPECT_EQ(11, record.user_data);
}

TEST_F(channel, program_that_is_executed_gets_EPERM)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		if (submit_to(&self->c, secret) || !wait_record(&self->c))
			_exit(7);
		execute(&self->c, "/proc/self/exe");
	}
	expect_exit(_metadata, pid, VICTIM_IS_WELL);
}

static bool copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0700);
	char part[4096];
	ssize_t n;

	while ((n = read(in, part, sizeof(part))) > 0)
		if (write(out, part, n) != n)
			break;
	close(in);
	close(out);
	return !n;
}

/* A channel that all users may open, and a set-user-ID copy of this program, which root owns. */
FIXTURE(set_user_ID) {
	char node[64];
	mode_t mode;	/* of the node, before the test */
};

FIXTURE_VARIANT(set_user_ID) {
	const char *function;
};

FIXTURE_VARIANT_ADD(set_user_ID, coherent) { .function = "coherent" };
FIXTURE_VARIANT_ADD(set_user_ID, sg) { .function = "sg" };
FIXTURE_VARIANT_ADD(set_user_ID, pool) { .function = "pool" };

#define SET_USER_ID	"/tmp/ferrodma-owner"

FIXTURE_SETUP(set_user_ID)
{
	struct stat st;

	snprintf(self->node, sizeof(self->node), "/dev/ferrodma-%s0", variant->function);
	ASSERT_EQ(0, stat(self->node, &st));
	self->mode = st.st_mode & 07777;
	ASSERT_TRUE(copy_file("/proc/self/exe", SET_USER_ID));
	ASSERT_EQ(0, chmod(SET_USER_ID, 04755));
	ASSERT_EQ(0, chmod(self->node, 0666));
}

/* Removes the copy, and gives the node its mode back. */
FIXTURE_TEARDOWN_PARENT(set_user_ID)
{
	if (self->mode)
		EXPECT_EQ(0, chmod(self->node, self->mode));
	unlink(SET_USER_ID);
}

TEST_F(set_user_ID, program_keeps_its_memory)
{
	pid_t pid = fork();

	if (!pid) {
		struct channel own;

		/* A user that may open the node, and has no other right. */
		if (setgid(1000) || setuid(1000) ||
		    channel_open(&own, variant->function, 0, 0))
			_exit(7);
		memset(own.mem, 0xee, 64);
		if (submit_to(&own, secret))
			_exit(8);
		execute(&own, SET_USER_ID);
	}
	expect_exit(_metadata, pid, VICTIM_IS_WELL);
}

/* Sends a file over the socket, or receives one. */
static int pass(int sock, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	if (fd < 0) {
		if (recvmsg(sock, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
			return -1;
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
		return fd;
	}
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -1;
}

TEST_F(channel, broker_passes_a_file_on_and_has_no_more_of_it)
{
	int sock[2];
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		/* The child has not had the received file before. */
		close(self->c.fd);
		self->c.fd = pass(sock[1], -1);
		if (self->c.fd < 0)
			_exit(1);
		job_copy(&self->job, &self->c, 0, self->c.size / 2, 64);
		_exit(job_run(&self->c, &self->job) ? 2 : 0);
	}
	ASSERT_EQ(0, pass(sock[0], self->c.fd));
	expect_exit(_metadata, pid, 0);
	EXPECT_EQ(0, calls_of_another(&self->c));
	close(sock[0]);
	close(sock[1]);
}

TEST_HARNESS_MAIN
