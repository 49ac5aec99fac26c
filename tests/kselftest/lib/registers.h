/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The registers of a ZDMA channel, accessed through /dev/mem without the driver: to see what
 * they hold between jobs, and to change them as the loss of power does.
 */
#ifndef FERRODMA_REGISTERS_H
#define FERRODMA_REGISTERS_H

#include "bind.h"

/* Zynq UltraScale+ register reference (UG1087), module ZDMA. */
enum {
	ZDMA_IMR = 0x104,
	ZDMA_IDS = 0x10c,
	ZDMA_DATA_ATTR = 0x120,
	ZDMA_DSCR_ATTR = 0x124,
};

/* Registers that no transfer writes. */
struct registers {
	uint32_t imr, data_attr, dscr_attr;
};

/* Maps the register block of a device; returns NULL if it is no ZDMA or cannot be mapped. */
static inline volatile uint8_t *registers_map(const struct channel *c, const char *device)
{
	int fd = c->info.engine == FERRODMA_ENGINE_ZDMA ?
		 open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC) : -1;
	void *block;

	if (fd < 0)
		return NULL;
	/* The name of a device begins with its address. */
	block = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		     strtoull(device, NULL, 16));
	close(fd);
	return block == MAP_FAILED ? NULL : block;
}

static inline uint32_t register_read(volatile uint8_t *block, int offset)
{
	return *(volatile uint32_t *)(block + offset);
}

static inline void register_write(volatile uint8_t *block, int offset, uint32_t value)
{
	*(volatile uint32_t *)(block + offset) = value;
}

static inline struct registers registers_read(volatile uint8_t *block)
{
	return (struct registers) {
		.imr = register_read(block, ZDMA_IMR),
		.data_attr = register_read(block, ZDMA_DATA_ATTR),
		.dscr_attr = register_read(block, ZDMA_DSCR_ATTR),
	};
}

/* Changes all of these registers, as the loss of power does. */
static inline void registers_lose(volatile uint8_t *block)
{
	register_write(block, ZDMA_DATA_ATTR, ~register_read(block, ZDMA_DATA_ATTR));
	register_write(block, ZDMA_DSCR_ATTR, ~register_read(block, ZDMA_DSCR_ATTR));
	register_write(block, ZDMA_IDS, 0xfff);
}

/* Fails the test unless all registers are as in @right. */
#define EXPECT_REGISTERS(right, block) do {			\
	struct registers now_ = registers_read(block);		\
								\
	EXPECT_EQ((right).imr, now_.imr);			\
	EXPECT_EQ((right).data_attr, now_.data_attr);		\
	EXPECT_EQ((right).dscr_attr, now_.dscr_attr);		\
} while (0)

/* Changes the registers, and fails the test unless that can be seen. */
#define LOSE_REGISTERS(right, block) do {			\
	struct registers now_;					\
								\
	registers_lose(block);					\
	now_ = registers_read(block);				\
	ASSERT_NE((right).imr, now_.imr);			\
	ASSERT_NE((right).data_attr, now_.data_attr);		\
	ASSERT_NE((right).dscr_attr, now_.dscr_attr);		\
} while (0)

#endif /* FERRODMA_REGISTERS_H */
