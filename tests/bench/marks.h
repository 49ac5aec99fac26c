/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Instructions that do nothing, by which the guest tells plugin.c what it is at.
 */
#ifndef FERRODMA_MARKS_H
#define FERRODMA_MARKS_H

/* Hints that no architecture has given a meaning yet (Arm ARM, C4.1.66). */
#define MARK_BEGIN	0x70
#define MARK_END	0x71
#define MARK_FLUSH	0x72

#define HINT(number)	(0xd503201fU | (number) << 5)

#ifdef __aarch64__
/* Instructions count from here on. */
#define mark_begin()	asm volatile("hint #0x70" ::: "memory")
/* They count no longer. */
#define mark_end()	asm volatile("hint #0x71" ::: "memory")
/* That was all of one contestant. */
#define mark_flush()	asm volatile("hint #0x72" ::: "memory")
#endif

#endif /* FERRODMA_MARKS_H */
