/* SPDX-License-Identifier: GPL-2.0 */
/* Checks of how the children of a test end. */
#ifndef FERRODMA_CHILDREN_H
#define FERRODMA_CHILDREN_H

#include <sys/wait.h>

#include "kselftest_harness.h"

/* Waits for a child, and fails the test unless it ends with status 0. */
static inline void expect_child_ends(struct __test_metadata *_metadata, pid_t pid)
{
	int status;

	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status) TH_LOG("the child ended with status %#x", status);
}

/* Waits for a child, and fails the test unless the signal has killed it. */
static inline void expect_child_killed(struct __test_metadata *_metadata, pid_t pid, int sig)
{
	int status;

	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == sig)
		TH_LOG("the child ended with status %#x", status);
}

#endif /* FERRODMA_CHILDREN_H */
