// SPDX-License-Identifier: GPL-2.0
/*
 * A QEMU plugin that records which code executes the instructions of a transfer. The measured code
 * marks its start and end by hints, which CPUs ignore.
 *
 * QEMU's header is not in Debian, so the parts that this uses are declared here; see QEMU's
 * documentation, "TCG Plugins". QEMU checks the version of the interface.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "marks.h"

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_scoreboard;

/* A number for each CPU. */
struct qemu_plugin_u64 {
	struct qemu_plugin_scoreboard *score;
	size_t offset;
};

enum { NO_REGISTERS = 0 };
enum { CONDITION_NOT_EQUAL = 3 };

typedef void (*exec_callback)(unsigned int cpu, void *data);
typedef void (*translate_callback)(struct qemu_plugin_tb *tb, void *data);

extern void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translate_callback callback,
						  void *data);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb,
							size_t index);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
extern size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to, size_t len);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
						   exec_callback callback, int flags,
						   void *data);
extern void qemu_plugin_register_vcpu_insn_exec_cond_cb(struct qemu_plugin_insn *insn,
							exec_callback callback, int flags,
							int condition,
							struct qemu_plugin_u64 entry,
							uint64_t number, void *data);
extern struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t size);
extern void qemu_plugin_u64_set(struct qemu_plugin_u64 entry, unsigned int cpu,
				uint64_t value);
extern int qemu_plugin_num_vcpus(void);

EXPORT int qemu_plugin_version = 7;
EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);

/* Number of executions of an instruction. */
struct place {
	uint64_t address;
	uint64_t count;
	struct place *next;
};

/* Not 0 while instructions are counted. */
static struct qemu_plugin_u64 recording;
static struct place *places[1 << 16];
static FILE *output;

static void record(bool on)
{
	for (int cpu = 0; cpu < qemu_plugin_num_vcpus(); cpu++)
		qemu_plugin_u64_set(recording, cpu, on);
}

static void begin(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	record(true);
}

static void end(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	record(false);
}

/* Writes the counts, and resets them. */
static void flush(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		for (struct place *place = places[i]; place; place = place->next) {
			if (place->count)
				fprintf(output, "%" PRIx64 " %" PRIu64 "\n", place->address,
					place->count);
			place->count = 0;
		}
	}
	fprintf(output, "end\n");
	fflush(output);
}

static void count(unsigned int cpu, void *data)
{
	struct place *place = data;

	(void)cpu;
	place->count++;
}

static struct place *place_at(uint64_t address)
{
	struct place **slot = &places[(address >> 2) % (sizeof(places) / sizeof(*places))];
	struct place *place;

	for (place = *slot; place; place = place->next)
		if (place->address == address)
			return place;
	place = calloc(1, sizeof(*place));
	if (!place)
		abort();
	place->address = address;
	place->next = *slot;
	*slot = place;
	return place;
}

static void translate(struct qemu_plugin_tb *tb, void *data)
{
	(void)data;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		exec_callback mark = NULL;
		struct place *place;
		uint32_t word = 0;

		qemu_plugin_insn_data(insn, &word, sizeof(word));
		if (word == HINT(MARK_BEGIN))
			mark = begin;
		else if (word == HINT(MARK_END))
			mark = end;
		else if (word == HINT(MARK_FLUSH))
			mark = flush;
		if (mark) {
			qemu_plugin_register_vcpu_insn_exec_cb(insn, mark, NO_REGISTERS, NULL);
			continue;
		}
		place = place_at(qemu_plugin_insn_vaddr(insn));
		qemu_plugin_register_vcpu_insn_exec_cond_cb(insn, count, NO_REGISTERS,
							    CONDITION_NOT_EQUAL, recording, 0,
							    place);
	}
}

/* Reads the plugin's parameter, out=<name of a file>. */
int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4))
		return -1;
	output = fopen(argv[0] + 4, "w");
	if (!output)
		return -1;
	recording.score = qemu_plugin_scoreboard_new(sizeof(uint64_t));
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate, NULL);
	return 0;
}
