// SPDX-License-Identifier: GPL-2.0
/*
 * Seeded random calls on all channels at once: valid calls, almost valid ones and garbage, from
 * the threads of several processes, while processes are killed and devices are unbound and
 * bound. Each call is checked; see fuzz.h.
 *
 * With the same FERRODMA_SEED each thread makes the same sequence of calls. FERRODMA_CALLS is
 * the number of all calls.
 */
#include <sys/prctl.h>
#include <sys/wait.h>

#include "channel_checks.h"
#include "debugfs.h"
#include "fuzz.h"
#include "sg_checks.h"

/* Number of calls on a usual kernel; make check-debug asks for more. */
#define CALLS		30000

/* Calls of one process, and calls between two rounds of unbinding. */
#define LIFE		6000
#define UNBIND_EVERY	1500

/* The time after which a call counts as hanging, however slow the machine is. */
#define HANG_NS		(60 * NSEC_PER_SEC)

/* The time limit of the harness, which the watchdog comes before. */
#define NEVER		86400

static __thread struct worker *self_worker;

bool fail(struct worker *w, const char *what, long long detail)
{
	struct fuzz_doing *d = w->doing;

	if (!d->failure[0])
		snprintf(d->failure, sizeof(d->failure),
			 "call %llu of thread seed %#llx, on %s%d after \"%s\": %s %lld",
			 (unsigned long long)d->op, (unsigned long long)d->seed,
			 w->current ? w->current->channel->function : "none",
			 w->current ? w->current->channel->number : 0, d->what, what, detail);
	w->world->stop = true;
	return false;
}

void call_begins(struct worker *w, const char *what, long long detail)
{
	w->doing->what = what;
	w->doing->detail = detail;
	w->doing->since_ns = now_ns();
}

void call_ends(struct worker *w)
{
	w->doing->since_ns = 0;
	w->doing->calls++;
	w->world->calls++;
}

static const struct {
	unsigned int weight;
	bool (*does)(struct worker *w, struct file *f);
} ops[] = {
	{ 12, do_waiting_job }, { 16, do_queued_job }, { 6, do_wait }, { 8, do_read },
	{ 4, do_cancel }, { 16, do_defective_submit }, { 12, do_garbage_submit },
	{ 4, do_defective_take }, { 2, do_take_to_nowhere }, { 3, do_info }, { 2, do_unknown },
	{ 3, do_poll }, { 3, do_odd_read }, { 2, do_mmap }, { 2, do_flags }, { 1, do_dup },
	{ 1, do_readonly_file }, { 1, do_fork }, { 1, do_signal }, { 3, do_change_memory },
	{ 4, do_shared_submit }, { 4, do_shared_read }, { 1, do_flood },
};

/* Closes the file with all jobs in flight, or takes all records first. */
static bool file_ends(struct worker *w, struct file *f)
{
	if (one_in(w, 2) && !file_drain(w, f))
		return false;
	return file_close(w, f);
}

static bool one_op(struct worker *w)
{
	struct file *f = &w->file[pick(w, FILES)];
	unsigned int at;

	w->current = f;
	if (f->fd < 0)
		return file_open(w, f);
	if (one_in(w, 200) || (is_gone(f) && one_in(w, 8)))
		return file_ends(w, f);
	for (;;) {
		at = pick(w, ARRAY_SIZE(ops));
		if (pick(w, 16) < ops[at].weight)
			return ops[at].does(w, f);
	}
}

static void on_bus_error(int sig)
{
	struct worker *w = self_worker;

	(void)sig;
	if (!w)
		_exit(3);
	siglongjmp(w->bus_error, 1);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct process *p = w->process;
	struct fuzz_doing *d = w->doing;
	size_t page = page_size();
	int fd = new_file(1);

	self_worker = w;
	p->tid[w->id] = gettid();
	w->hole = page_before_a_hole() + page;
	w->alias = map_pages(1, RW, MAP_SHARED, fd);
	w->readonly = map_pages(1, PROT_READ, MAP_SHARED, fd);
	close(fd);
	pattern_fill(w->alias, page, d->seed);
	for (int i = 0; i < FILES; i++)
		w->file[i].fd = -1;
	if (sigsetjmp(w->bus_error, 0)) {
		if (!is_gone(w->current))
			fail(w, "SIGBUS in the buffer of a bound device", 0);
		w->world->lost_buffers++;
		file_abandon(w, w->current);
	}
	/* The choices of a call do not depend on the results of earlier calls. */
	while (!p->stop && !w->world->stop && d->calls < p->budget) {
		w->state = pattern_word(d->seed, ++d->op);
		if (!one_op(w))
			break;
	}
	for (int i = 0; i < FILES && !w->world->stop; i++) {
		w->current = &w->file[i];
		if (w->current->fd >= 0)
			file_ends(w, w->current);
	}
	if (pattern_differs(w->readonly, READONLY_BYTES, d->seed) >= 0)
		fail(w, "memory for reading was written", 0);
	return NULL;
}

/*
 * Opens a file for all threads to use. A channel that is being unbound at the time gets none: its
 * calls could return -ENODEV in the generation that the file was opened in.
 */
static void open_shared(struct process *p)
{
	struct shared_file *s = &p->shared;
	uint64_t state = p->seed;

	s->channel = &p->world->channel[random_below(&state, p->world->channels)];
	s->generation = s->channel->generation;
	s->fd = -1;
	if (s->generation & 1)
		return;
	s->fd = channel_open_fd(s->channel->function, s->channel->number, O_RDWR | O_NONBLOCK);
	if (is_coherent(s->channel))
		s->rough_addr = rough_offset(s->channel, p->id, 0, 0);
	else
		s->rough_addr = (uintptr_t)(page_before_a_hole() + page_size() - ROUGH_BYTES);
}

/* Runs a process of threads until they have ended or it is killed. */
static int process(struct fuzz_world *world, int id, uint64_t seed, uint64_t budget)
{
	static struct worker worker[THREADS];
	static struct process p;
	size_t page = page_size();

	p = (struct process){ .world = world, .id = id, .seed = seed, .budget = budget / THREADS };
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGBUS, &(struct sigaction){ .sa_handler = on_bus_error, .sa_flags = SA_NODEFER },
		  NULL);
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = alarm_handler }, NULL);
	pthread_rwlock_init(&p.children, NULL);
	p.changing = new_pages(9);
	mprotect(p.changing + 8 * page, page, PROT_NONE);
	open_shared(&p);
	for (int i = 0; i < THREADS; i++) {
		worker[i] = (struct worker){ .process = &p, .world = world, .id = i,
					     .doing = &world->doing[id][i] };
		worker[i].doing->seed = pattern_word(seed, i);
		pthread_create(&p.thread[i], NULL, work, &worker[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(p.thread[i], NULL);
	if (!world->stop)
		shared_drain(&worker[0]);
	if (!world->stop && p.shared.fd >= 0)
		close(p.shared.fd);
	if (!world->stop && pinned_kb())
		fail(&worker[0], "kB still pinned:", pinned_kb());
	return 0;
}

/* Unbinds and binds one device after another, in step with the calls. */
static int unbinder(struct fuzz_world *world, pid_t parent)
{
	uint64_t state = world->seed ^ 0xb19d, next = UNBIND_EVERY;
	int ret;

	/*
	 * This process ends by itself and is not killed with the test: a device would stay
	 * unbound.
	 */
	while (!world->stop && getppid() == parent) {
		struct fuzz_channel *c = &world->channel[random_below(&state, world->channels)];

		sleep_ms(1);
		if (world->calls < next)
			continue;
		next = world->calls + 1 + random_below(&state, 2 * UNBIND_EVERY);
		c->generation++;
		ret = device_unbind(&c->device);
		sleep_ms(random_below(&state, 5));
		ret = ret ?: device_bind(&c->device);
		c->generation++;
		if (ret)
			return 1;
		world->rounds++;
	}
	return 0;
}

FIXTURE(fuzz) {
	struct fuzz_world *world;
	/* A copy of those in @world, for use after the test has ended. */
	struct fuzz_channel channel[CHANNELS];
	pid_t pid[PROCESSES], unbinder;
	/*
	 * The number of the next process in each place, and the call at which it is killed, or
	 * 0.
	 */
	uint64_t generation[PROCESSES], kill_at[PROCESSES];
	long pins;
};

static void add_channels(struct fuzz_world *world, const char *function)
{
	struct channel c;

	for (int number = 0; number < CHANNELS && world->channels < CHANNELS; number++) {
		struct fuzz_channel *f = &world->channel[world->channels];

		if (channel_open(&c, function, number, 0))
			continue;
		snprintf(f->function, sizeof(f->function), "%s", function);
		f->number = number;
		f->info = c.info;
		channel_close(&c);
		if (!bound_device_find(&f->device, function, number))
			world->channels++;
	}
}

FIXTURE_SETUP(fuzz)
{
	const char *seed = getenv("FERRODMA_SEED");

	self->world = mmap(NULL, sizeof(*self->world), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(self->world != MAP_FAILED);
	self->world->seed = seed ? strtoull(seed, NULL, 0) : now_ns();
	add_channels(self->world, "coherent");
	add_channels(self->world, "sg");
	add_channels(self->world, "pool");
	ASSERT_LT(0, self->world->channels);
	memcpy(self->channel, self->world->channel, sizeof(self->channel));
	if (all_is_bounced())
		setenv("FERRODMA_BOUNCED", "1", 1);
	/* Wait for orphans too: their files stay open until they are gone. */
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	self->pins = pins_held();
}

static void start_process(FIXTURE_DATA(fuzz) *self, int i)
{
	struct fuzz_world *world = self->world;
	uint64_t seed = pattern_word(world->seed, self->generation[i]++ * PROCESSES + i);
	uint64_t state = seed, budget = LIFE / 2 + random_below(&state, LIFE);
	pid_t pid;

	self->kill_at[i] = random_below(&state, 3) ? budget / 8 + random_below(&state, budget) : 0;
	memset(world->doing[i], 0, sizeof(world->doing[i]));
	pid = fork();
	if (!pid)
		_exit(process(world, i, seed, budget));
	/* Set by the parent only: the child shares the structure. */
	self->pid[i] = pid;
}

/* Returns the number of calls of a process, and whether one of them hangs. */
static uint64_t calls_of(struct fuzz_world *world, int i, bool *hangs)
{
	uint64_t calls = 0, now = now_ns();

	for (int k = 0; k < THREADS; k++) {
		uint64_t since = world->doing[i][k].since_ns;

		calls += world->doing[i][k].calls;
		*hangs |= since && now > since && now - since > HANG_NS;
	}
	return calls;
}

static void say_what_all_do(struct __test_metadata *_metadata, struct fuzz_world *world)
{
	for (int i = 0; i < PROCESSES; i++)
		for (int k = 0; k < THREADS; k++) {
			struct fuzz_doing *d = &world->doing[i][k];
			uint64_t since = d->since_ns;

			TH_LOG("process %d, thread %d: call %llu, %s \"%s\" (%lld), %llu ms", i, k,
			       (unsigned long long)d->op, since ? "in" : "after",
			       d->what ?: "nothing", d->detail,
			       since ? (now_ns() - since) / NSEC_PER_MSEC : 0ULL);
		}
}

/* Kills what is left of a process and its children. */
static void end_process(FIXTURE_DATA(fuzz) *self, int i)
{
	kill(-self->pid[i], SIGKILL);
	while (waitpid(-self->pid[i], NULL, 0) > 0 || errno == EINTR)
		;
}

/* Binds all devices again. */
FIXTURE_TEARDOWN_PARENT(fuzz)
{
	for (int i = 0; i < CHANNELS && self->channel[i].function[0]; i++) {
		const struct fuzz_channel *c = &self->channel[i];

		for (int ms = 0; ms < SOON_MS && bound_device_number(&c->device, c->function) < 0;
		     ms++)
			sleep_ms(1);
		if (bound_device_number(&c->device, c->function) < 0)
			EXPECT_EQ(0, device_bind(&c->device));
	}
}

TEST_F_TIMEOUT(fuzz, random_calls_do_what_they_must_and_no_more, NEVER)
{
	struct fuzz_world *world = self->world;
	const char *asked = getenv("FERRODMA_CALLS");
	uint64_t calls = asked ? strtoull(asked, NULL, 0) : effort(CALLS), begin = now_ns();
	pid_t parent = getpid(), pid;
	bool hangs = false;
	char state[PATH_MAX];
	int running, status;
	struct channel c;

	TH_LOG("FERRODMA_SEED=%#llx, %llu calls on %d channels", (unsigned long long)world->seed,
	       (unsigned long long)calls, world->channels);
	pid = fork();
	if (!pid)
		_exit(unbinder(world, parent));
	self->unbinder = pid;
	for (int i = 0; i < PROCESSES; i++)
		start_process(self, i);
	do {
		running = 0;
		sleep_ms(2);
		for (int i = 0; i < PROCESSES; i++) {
			uint64_t made = calls_of(world, i, &hangs);
			bool over = false;

			if (!self->pid[i])
				continue;
			running++;
			if (self->kill_at[i] && made >= self->kill_at[i]) {
				end_process(self, i);
				world->killed++;
				over = true;
			} else if (waitpid(self->pid[i], &status, WNOHANG) == self->pid[i]) {
				EXPECT_EQ(0, status) world->stop = true;
				end_process(self, i);
				world->ended++;
				over = true;
			}
			if (over)
				self->pid[i] = 0;
			if (over && !world->stop && world->calls < calls)
				start_process(self, i);
		}
		if (waitpid(self->unbinder, &status, WNOHANG) == self->unbinder) {
			EXPECT_EQ(0, status) TH_LOG("cannot unbind, or bind again");
			world->stop = true;
			self->unbinder = 0;
		}
	} while (running && !hangs);

	EXPECT_FALSE(hangs);
	if (hangs || world->stop)
		say_what_all_do(_metadata, world);
	for (int i = 0; i < PROCESSES; i++)
		for (int k = 0; k < THREADS; k++)
			EXPECT_STREQ("", world->doing[i][k].failure);
	world->stop = true;
	ASSERT_FALSE(hangs) {
		for (int i = 0; i < PROCESSES; i++)
			if (self->pid[i])
				kill(-self->pid[i], SIGKILL);
	}
	if (self->unbinder) {
		ASSERT_EQ(self->unbinder, waitpid(self->unbinder, &status, 0));
		EXPECT_EQ(0, status);
	}

	for (int i = 0; i < world->channels; i++) {
		struct fuzz_channel *f = &world->channel[i];

		ASSERT_EQ(0, channel_open(&c, f->function, f->number, 0));
		EXPECT_EQ(0, memcmp(&f->info, &c.info, sizeof(c.info)));
		expect_works(_metadata, &c);
		channel_close(&c);
		ASSERT_TRUE(state_directory(state, sizeof(state), f->function, f->number));
		EXPECT_EQ(0, counter(state, "jobs_out"));
		EXPECT_EQ(0, counter(state, "still_mapped"));
		EXPECT_EQ(blocks_in_all(f->function, f->number),
			  blocks_free(f->function, f->number));
	}
	EXPECT_EQ(self->pins, pins_held());
	EXPECT_LE(calls, world->calls);
	TH_LOG("%llu calls, %llu jobs moved, %llu refused, in %llu s",
	       (unsigned long long)world->calls, (unsigned long long)world->moved,
	       (unsigned long long)world->refused, (now_ns() - begin) / NSEC_PER_SEC);
	TH_LOG("%llu processes killed, %llu ended, %llu rounds of unbinding, %llu buffers lost",
	       (unsigned long long)world->killed, (unsigned long long)world->ended,
	       (unsigned long long)world->rounds, (unsigned long long)world->lost_buffers);
}

TEST_HARNESS_MAIN
