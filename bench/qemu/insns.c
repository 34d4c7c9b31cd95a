// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin of QEMU: how many instructions the guest executes, and where, between the
 * marks that mmun-bench and mmun_bench have around what they time.
 *
 * For a guest with one CPU whose clock counts instructions (scripts/guest -c): it is
 * not the guest that counts, so its clock runs as it does without.
 *
 * A block is translated once and executed often. When it begins, it is charged with
 * all its instructions; a mark in its middle takes back those that are on the other
 * side. One that faults half way is charged too much by the rest of its block.
 *
 * One line in the file for each mark: its number; and after an end, one for each
 * block: address and instructions. bench/profile-table reads them.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/mmun_bench.h>
#include "plugin.h"

int qemu_plugin_version = 1;

/* QEMU keeps pointers to them until its end. */
struct block {
	unsigned long long address;
	unsigned long long insns;
	unsigned long long count;	/* in this window */
	bool listed;
};

struct mark {
	struct block *block;
	unsigned int what;
	size_t from;		/* instructions of the block from here on */
};

static FILE *out;
static bool counting;
static struct block **blocks;	/* that are counted in this window */
static size_t nr_blocks, room;

static void *need(void *p)
{
	if (p)
		return p;
	fputs("insns: no memory\n", stderr);
	exit(1);
}

static void list_block(struct block *b)
{
	if (b->listed)
		return;
	if (nr_blocks == room) {
		room = room ? 2 * room : 4096;
		blocks = need(realloc(blocks, room * sizeof(*blocks)));
	}
	blocks[nr_blocks++] = b;
	b->listed = true;
}

static void clear(void)
{
	while (nr_blocks) {
		blocks[--nr_blocks]->count = 0;
		blocks[nr_blocks]->listed = false;
	}
}

static void on_block(unsigned int cpu, void *data)
{
	struct block *b = data;

	if (!counting)
		return;
	list_block(b);
	b->count += b->insns;
}

static void begin(const struct mark *mark)
{
	clear();
	counting = true;
	list_block(mark->block);
	mark->block->count += mark->from - 1;
}

static void end(const struct mark *mark)
{
	size_t i;

	counting = false;
	mark->block->count -= mark->from;
	for (i = 0; i < nr_blocks; i++)
		fprintf(out, "%llx %llu\n", blocks[i]->address, blocks[i]->count);
	clear();
}

static void on_mark(unsigned int cpu, void *data)
{
	const struct mark *mark = data;

	switch (mark->what) {
	case MMUN_BENCH_MARK_KERNEL:
	case MMUN_BENCH_MARK_MMUN:
		fprintf(out, "mark %u\n", mark->what);
		begin(mark);
		break;
	case MMUN_BENCH_MARK_END:
		/* Another window may be the one that was wanted. */
		if (!counting)
			break;
		fprintf(out, "mark %u\n", mark->what);
		end(mark);
		break;
	default:
		fprintf(out, "mark %u\n", mark->what);
		break;
	}
}

static bool is_mark(const struct qemu_plugin_insn *insn, unsigned int *what)
{
	uint32_t code[2];

	if (qemu_plugin_insn_size(insn) != sizeof(code))
		return false;
	memcpy(code, qemu_plugin_insn_data(insn), sizeof(code));
	*what = code[1] - MMUN_BENCH_MARK_MAGIC;
	return code[0] == MMUN_BENCH_MARK_NOP && *what < MMUN_BENCH_MARKS;
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);
	struct block *b = need(calloc(1, sizeof(*b)));
	struct qemu_plugin_insn *insn;
	struct mark *mark;
	unsigned int what;

	b->address = qemu_plugin_tb_vaddr(tb);
	b->insns = n;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, 0, b);
	for (i = 0; i < n; i++) {
		insn = qemu_plugin_tb_get_insn(tb, i);
		if (!is_mark(insn, &what))
			continue;
		mark = need(malloc(sizeof(*mark)));
		*mark = (struct mark){ .block = b, .what = what, .from = n - i };
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, 0, mark);
	}
}

static void at_exit(plugin_id id, void *data)
{
	if (fclose(out))
		perror("insns");
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	if (argc != 1 || strncmp(argv[0], "out=", 4)) {
		fputs("insns: out=FILE is wanted\n", stderr);
		return -1;
	}
	out = fopen(argv[0] + 4, "w");
	if (!out) {
		perror(argv[0] + 4);
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
}
