// SPDX-License-Identifier: GPL-2.0
/*
 * A check that the suite leaves no page pinned. It is the first of the tests and records how
 * many pages are pinned; pins_balance.sh, the last, calls it with an argument to compare.
 */
#include "kselftest.h"
#include "pins.h"

static void remember(long held)
{
	FILE *f = fopen(pins_file(), "we");
	bool written = f && fprintf(f, "%ld\n", held) > 0;

	written = f && !fclose(f) && written;
	ksft_test_result(held >= 0 && written, "number_of_pinned_pages_is_known\n");
}

static void compare(long held)
{
	FILE *f = fopen(pins_file(), "re");
	long should = 0, n;

	if (!f) {
		ksft_test_result_skip("pins was not run first\n");
		return;
	}
	while (fscanf(f, "%ld", &n) == 1)
		should += n;
	fclose(f);
	unlink(pins_file());
	if (held != should)
		ksft_print_msg("%ld pages are pinned, and should be %ld\n", held, should);
	ksft_test_result(held == should, "all_that_was_pinned_is_unpinned\n");
}

int main(int argc, char **argv)
{
	(void)argv;
	ksft_print_header();
	ksft_set_plan(1);
	if (argc == 1)
		remember(pins_held());
	else
		compare(pins_held());
	ksft_finished();
}
