/* SPDX-License-Identifier: GPL-2.0 */
/* Instructions without an effect, by which the guest tells plugin.c where it is. */
#ifndef FERRODMA_MARKS_H
#define FERRODMA_MARKS_H

/* Hints to which the architecture has given no meaning yet (Arm ARM, C4.1.66). */
#define MARK_BEGIN	0x70
#define MARK_END	0x71
#define MARK_FLUSH	0x72

#define HINT(number)	(0xd503201fU | (number) << 5)

#ifdef __aarch64__
/* Starts to count instructions. */
#define mark_begin()	asm volatile("hint #0x70" ::: "memory")
/* Stops counting. */
#define mark_end()	asm volatile("hint #0x71" ::: "memory")
/* Ends the counts of a contestant. */
#define mark_flush()	asm volatile("hint #0x72" ::: "memory")
#endif

#endif /* FERRODMA_MARKS_H */
