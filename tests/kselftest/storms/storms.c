// SPDX-License-Identifier: GPL-2.0
/*
 * Jobs that run while the CPU that takes the channel's interrupts goes offline and comes back,
 * and while the system suspends, as far as it surely resumes by itself.
 */
#include <stdatomic.h>
#include <sys/prctl.h>

#include "bind.h"
#include "channel_checks.h"
#include "children.h"
#include "interrupts.h"
#include "suspend.h"

#define ROUNDS		20
#define LONG_TIME	1800

/* A time limit that no job reaches, however busy the machine is and however long it sleeps. */
#define LIMIT_NS	(300 * NSEC_PER_SEC)

/* Processes that run jobs. */
#define LOADERS		2

/* What they share: numbers of successful jobs, and the order to stop. */
struct told {
	atomic_bool stop;
	atomic_int moved[LOADERS];
};

FIXTURE(storm) {
	struct bound_device device;
	struct channel c;
	struct told *told;
	pid_t pid[LOADERS];
	int cpu;
};

FIXTURE_VARIANT(storm) {
	const char *function;
	int number;
};

FIXTURE_VARIANT_ADD(storm, coherent0) {
	.function = "coherent", .number = 0,
};

FIXTURE_VARIANT_ADD(storm, sg0) {
	.function = "sg", .number = 0,
};

FIXTURE_VARIANT_ADD(storm, pool0) {
	.function = "pool", .number = 0,
};

/* Runs jobs in a part of memory until it is stopped, and checks what each has written. */
static int load(const struct channel *c, struct told *told, int part)
{
	size_t len = c->size / (2 * LOADERS), off = part * 2 * len;
	struct ferrodma_completion record;
	struct job j;

	for (uint64_t n = 0; !told->stop; n++) {
		bool waits = n % 2;
		int ret;

		pattern_fill(c->mem + off, len, n * LOADERS + part);
		job_copy(&j, c, off, off + len, len);
		j.submit.timeout_ns = limit_within(c, LIMIT_NS);
		if (waits) {
			/* The process may be frozen meanwhile. */
			ret = job_run(c, &j);
		} else {
			ret = job_submit(c, &j) ?:
			      take_within(c, j.submit.cookie, 0, &record) ?: record.status;
		}
		if (ret || area_differs(c->mem + off, c->mem + off + len, len) != -1) {
			printf("# loader %d, job %llu: %s\n", part, (unsigned long long)n,
			       ret ? strerror(-ret) : "wrong bytes");
			return 1;
		}
		told->moved[part]++;
	}
	return 0;
}

/* Waits until each loader gets more work done; returns whether it does in time. */
static bool jobs_go_on(struct told *told)
{
	for (int i = 0; i < LOADERS; i++) {
		int before = told->moved[i];

		for (int ms = 0; ms < 4 * SOON_MS && told->moved[i] < before + 2; ms++)
			sleep_ms(1);
		if (told->moved[i] < before + 2)
			return false;
	}
	return true;
}

FIXTURE_SETUP(storm)
{
	self->cpu = -1;
	ASSERT_EQ(0, bound_device_find(&self->device, variant->function, variant->number));
	ASSERT_EQ(0, channel_open(&self->c, variant->function, variant->number, 0));
	self->told = mmap(NULL, sizeof(*self->told), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(self->told != MAP_FAILED);
}

static void start_load(struct __test_metadata *_metadata, FIXTURE_DATA(storm) *self)
{
	for (int i = 0; i < LOADERS; i++) {
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			struct channel own = self->c;
			char path[64];

			/* End with the test. */
			prctl(PR_SET_PDEATHSIG, SIGKILL);

			/* Open a file of its own; the memory is the same. */
			snprintf(path, sizeof(path), "/proc/self/fd/%d", self->c.fd);
			own.fd = open(path, O_RDWR | O_CLOEXEC);
			_exit(own.fd < 0 ? 2 : load(&own, self->told, i));
		}
		/* Set by the parent only: the child shares the structure. */
		self->pid[i] = pid;
	}
	EXPECT_TRUE(jobs_go_on(self->told));
}

static void end_load(struct __test_metadata *_metadata, FIXTURE_DATA(storm) *self)
{
	self->told->stop = true;
	for (int i = 0; i < LOADERS; i++)
		expect_child_ends(_metadata, self->pid[i]);
}

static void put_cpu(int cpu, const char *online)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	put_text(path, online);
}

FIXTURE_TEARDOWN_PARENT(storm)
{
	for (int cpu = 0; cpu < sysconf(_SC_NPROCESSORS_CONF); cpu++)
		put_cpu(cpu, "1");
	put_text("/sys/power/pm_test", "none");
}

/* Routes the interrupt to one CPU; returns whether it goes there now. */
static bool interrupt_to(int irq, int cpu)
{
	char path[64], text[32];

	snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity_list", irq);
	snprintf(text, sizeof(text), "%d", cpu);
	if (put_text(path, text))
		return false;
	snprintf(path, sizeof(path), "/proc/irq/%d/effective_affinity_list", irq);
	/* It moves with the next interrupt at the latest. */
	for (int ms = 0; ms < SOON_MS; ms++) {
		if (get_text(path, text, sizeof(text)) && atoi(text) == cpu && !strchr(text, '-'))
			return true;
		sleep_ms(1);
	}
	return false;
}

TEST_F_TIMEOUT(storm, jobs_go_on_without_the_cpu_of_their_interrupt, LONG_TIME)
{
	int irq = interrupt_of(&self->c), cpus = sysconf(_SC_NPROCESSORS_CONF), went = 0;
	char path[64], others[32];

	if (cpus < 2)
		SKIP(return, "there is one CPU only");
	/*
	 * Linux 7.3.4 has UBSAN: array-index-out-of-bounds in cpu_set_hyp_vector(),
	 * arch/arm64/kvm/arm.c.
	 */
	if (!access("/dev/kvm", F_OK))
		SKIP(return, "with KVM the kernel warns when a CPU comes back: kvm-arm.mode=none");
	if (irq < 0)
		SKIP(return, "/proc/interrupts does not show the interrupt of the channel");
	start_load(_metadata, self);
	for (int i = 0; i < effort(ROUNDS) * cpus; i++) {
		int cpu = i % cpus;

		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
		if (access(path, W_OK) || !interrupt_to(irq, cpu))
			continue;
		if (put_text(path, "0"))
			continue;
		went++;
		EXPECT_TRUE(jobs_go_on(self->told)) TH_LOG("without CPU %d", cpu);
		ASSERT_EQ(0, put_text(path, "1"));
		EXPECT_TRUE(jobs_go_on(self->told)) TH_LOG("with CPU %d again", cpu);
	}
	end_load(_metadata, self);
	snprintf(others, sizeof(others), "0-%d", cpus - 1);
	snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity_list", irq);
	put_text(path, others);
	if (!went)
		SKIP(return, "no CPU that takes the interrupt can be unplugged");
	expect_works(_metadata, &self->c);
}

TEST_F_TIMEOUT(storm, jobs_go_on_after_the_system_was_suspended, LONG_TIME)
{
	static const char *const how[] = { "freezer", "devices", "platform" };
	int ret;

	if (!can_suspend())
		SKIP(return, "the kernel cannot suspend, or lacks CONFIG_PM_DEBUG to come back");
	start_load(_metadata, self);
	for (int i = 0; i < ARRAY_SIZE(how); i++) {
		ret = suspend_and_resume(how[i], 1);
		/* Suspend must succeed, whatever programs do. */
		EXPECT_EQ(0, ret) TH_LOG("%s: %s", how[i], strerror(-ret));
		EXPECT_TRUE(jobs_go_on(self->told)) TH_LOG("after %s", how[i]);
	}
	end_load(_metadata, self);
	expect_works(_metadata, &self->c);
}

TEST_HARNESS_MAIN
